#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines of include/ the tests run: builds and runs them with clang++, its sanitizers and counters, and
# prints the share of each header with the lines that none of them ran. Fails where a test fails, or where
# less than 98 % of all lines are run.
#
#     sh tests/coverage.sh
set -eu

cd "$(dirname "$0")/.."
mkdir -p build/clang
find build/clang -name '*.gcda' -delete  # counts of another run
cmake --workflow --preset clang
# Of the programs that are nothing but tests: the others use a small part of the headers.
gcovr --root . --filter include/ --fail-under-line 98 -j 2 \
  --gcov-executable "llvm-cov gcov" build/clang/tests/CMakeFiles

#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines of include/ the tests run: builds and runs them with g++ and its counters, and prints each header's share
# together with the lines that none of them ran. Fails if a test fails, or if less than 98 % of all lines are run.
#
# With g++, because clang++ 14 loses the lines that end in an exception.
#
#     sh tests/coverage.sh
set -eu

cd "$(dirname "$0")/.."
mkdir -p build/coverage
find build/coverage -name '*.gcda' -delete  # counts of an earlier run
cmake --workflow --preset coverage
# Only programs that are nothing but tests: the others use a small part of the headers.
gcovr --root . --filter include/ --fail-under-line 98 -j 2 build/coverage/tests/CMakeFiles

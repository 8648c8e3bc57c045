#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines of include/ the tests run: builds and runs them with g++ and its counters, and prints the share of each
# header with the lines that none of them ran. Fails where a test fails, or where less than 98 % of all lines are run.
#
# With g++, as clang++ 14 loses the lines that end in an exception.
#
#     sh tests/coverage.sh
set -eu

cd "$(dirname "$0")/.."
mkdir -p build/coverage
find build/coverage -name '*.gcda' -delete  # counts of another run
cmake --workflow --preset coverage
# Of the programs that are nothing but tests: the others use a small part of the headers.
gcovr --root . --filter include/ --fail-under-line 98 -j 2 build/coverage/tests/CMakeFiles

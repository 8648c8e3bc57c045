#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines of include/ the tests run: builds them with g++ and counters, runs them, and prints the share
# of each header with the lines that none of them ran. Fails where less than 98 % of all lines are run.
#
#     sh tests/coverage.sh
set -eu

cd "$(dirname "$0")/.."
mkdir -p build/coverage
find build/coverage -name '*.gcda' -delete  # counts of another run
cmake --workflow --preset coverage
gcovr --root . --filter include/ --fail-under-line 98 build/coverage

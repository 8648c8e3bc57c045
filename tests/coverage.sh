#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines of include/ the tests run: builds and runs them with clang++, its sanitizers and counters, and
# prints the share of each header with the lines that none of them ran. Fails where a test fails, or where
# less than 98 % of all lines are run.
#
# With the counters of clang's front end: those of --coverage lose the lines that end in an exception.
#
#     sh tests/coverage.sh
set -eu

cd "$(dirname "$0")/.."
build=$PWD/build/clang
rm -rf "$build/profiles"  # counts of another run
LLVM_PROFILE_FILE=$build/profiles/%m.profraw cmake --workflow --preset clang

llvm-profdata merge -o "$build/profiles/all" "$build"/profiles/*.profraw
# Of the programs that are nothing but tests: the others use a small part of the headers.
set --
for program in "$build"/tests/*; do
  if [ -f "$program" ] && [ -x "$program" ]; then set -- "$@" -object "$program"; fi
done
shift
llvm-cov export -format=lcov -instr-profile "$build/profiles/all" "$@" -sources include |
  awk -F '[:,]' -v least=98 '
    function print_header(name, run, lines, missing) {
      printf "%-55s %4d of %4d lines, %3d %%%s\n", name, run, lines, lines ? 100 * run / lines : 100, missing
    }
    /^SF:/ { name = $2; sub(/.*\/include\//, "", name); run = lines = 0; missing = "" }
    /^DA:/ { ++lines; if ($3 > 0) ++run; else missing = missing (missing ? "," : ": all but ") $2 }
    /^end_of_record/ { print_header(name, run, lines, missing); all_run += run; all_lines += lines }
    END { print_header("all", all_run, all_lines); exit !(100 * all_run >= least * all_lines && all_lines) }'

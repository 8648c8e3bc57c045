#!/bin/sh
# SPDX-License-Identifier: MIT
# The same bits everywhere: builds bits.cpp with every compiler, level and target there is, runs it with every kind of
# pack, and counts the differences from the frozen hashes.
#
#     sh tests/bits/matrix.sh            missing compilers are named and skipped
#     sh tests/bits/matrix.sh --all      a missing one is a failure
set -u

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
eigen=$(pkg-config --cflags eigen3 | sed 's/-I/-isystem /')
warnings="$(cat "$here/../../cmake/warnings.txt") -Werror"
missing_is_failure=${1:-}
log=$work/log
: > "$log"

# check NAME "PACKS..." "COMPILER FLAGS..." [RUNNER]: builds, and runs with each cap on the packs.
# shellcheck disable=SC2086  # a command is several words
check() {
  name=$1 caps=$2 command=$3 runner=${4:-}
  set -- $command
  if ! command -v "$1" >/dev/null 2>&1 || { [ -n "$runner" ] && ! command -v "${runner%% *}" >/dev/null 2>&1; }; then
    echo "- $name: no $1${runner:+ or no ${runner%% *}}"
    [ "$missing_is_failure" = --all ] && echo "$name" >> "$log"
    return
  fi
  program=$work/$(echo "$name" | tr -c 'a-zA-Z0-9\n' _)
  if ! $command -std=c++20 $eigen -I"$here/../../include" "$here/bits.cpp" -o "$program" > "$program.txt" 2>&1; then
    echo "FAILED $name: does not compile" && head -5 "$program.txt"
    echo "$name" >> "$log"
    return
  fi
  for isa in $caps; do
    if DESCENT_ISA=$isa $runner "$program" > "$program.txt" 2>&1; then
      echo "ok     $name, $isa packs"
    else
      echo "FAILED $name, $isa packs" && head -5 "$program.txt"
      echo "$name" >> "$log"
    fi
  done
  rm -f "$program"
}

# native COMPILER FLAG. Compiling takes the time, about 20 s for each line, so each flag is used once, at a different
# level, and arguments of every kind only at -O2.
native() {
  check "$1 -O0" wide "$1 -O0 -DONE_WAY"
  check "$1 -O1, OpenMP, $2" "wide baseline" "$1 -O1 -fopenmp $2 -DONE_WAY"
  check "$1 -O2, warnings are errors" "wide baseline lanes" "$1 -O2 $warnings"
  check "$1 -O3 -march=native, contraction allowed" "wide baseline lanes" "$1 -O3 -march=native -ffp-contract=fast -DONE_WAY"
  check "$1 -Os -mavx2 -mfma, hidden symbols" "wide baseline" "$1 -Os -mavx2 -mfma -fvisibility=hidden -DONE_WAY"
}

# The parts of -ffast-math that clang++ has no macro for, so that the library cannot refuse them.
untold="-fassociative-math -freciprocal-math -fno-signed-zeros -fapprox-func"

# Two lists run at a time, so threads that wait for others must not spin.
export OMP_WAIT_POLICY=passive
(
  native g++ -fno-inline
  check "aarch64 -O3, contraction allowed" "baseline lanes" "aarch64-linux-gnu-g++ -O3 -static -ffp-contract=fast -DONE_WAY" qemu-aarch64
  check "clang++-19 -O3, parts of -ffast-math" "wide baseline" "clang++-19 -O3 $untold -DONE_WAY"
) &
(
  native clang++ -flto
  check "clang++ -O2, parts of -ffast-math" "wide baseline lanes" "clang++ -O2 $untold -DONE_WAY"
  check "clang++-19 -O2, warnings are errors" wide "clang++-19 -O2 $warnings"
  check "riscv64 -O2" lanes "riscv64-linux-gnu-g++ -O2 -static -DONE_WAY" qemu-riscv64
) &
wait

failed=$(wc -l < "$log")
if [ "$failed" -gt 0 ]; then
  echo "$failed of the builds and runs above differ or are missing"
  exit 1
fi
echo "the same bits in all of them"

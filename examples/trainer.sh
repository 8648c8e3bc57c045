#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Stops a training in the middle, lets it go on and kills it, lets it end, and compares it with one that never stopped:
#
#     sh trainer.sh <the program trainer> <folder>
set -eu
trainer=$1 folder=$2
rm -rf "$folder"
mkdir -p "$folder"

# Long enough that no signal comes too late.
sed 's/"epochs": 40/"epochs": 400/' "$(dirname "$0")/data/trainer.json" > "$folder/trainer.json"
train() { "$trainer" --config "$folder/trainer.json" --output "$folder/$1"; }

fail() { printf '%s\n' "$1" >&2; exit 1; }

# interrupt SIGNAL STATUS EPOCH: sends the signal when that epoch is done; the program must end with that status.
interrupt() {
  mkfifo "$folder/progress"
  "$trainer" --config "$folder/trainer.json" --output "$folder/stopped" > "$folder/progress" &
  exec 3< "$folder/progress"
  while read -r epoch _ <&3 && [ "$epoch" != "$3" ]; do :; done
  kill -s "$1" $!
  status=0
  wait $! || status=$?
  exec 3<&-
  [ "$status" -eq "$2" ] || fail "status $status after SIG$1, expected $2"
  rm "$folder/progress"
}

train whole | tail -n 1 > "$folder/whole.txt"
interrupt INT 130 3
interrupt TERM 143 8
interrupt KILL 137 13
train stopped > "$folder/stopped.log"
grep -q "goes on after step" "$folder/stopped.log" || fail "the last run began anew"
tail -n 1 "$folder/stopped.log" > "$folder/stopped.txt"
cmp "$folder/whole.txt" "$folder/stopped.txt"
cmp "$folder/whole/trainer.safetensors" "$folder/stopped/trainer.safetensors"

#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh on a machine whose CMake is too old: it puts a newer one, of a fixed version, into build/tools, installs
# nothing for the whole machine, and says how to find the newer one. The machine's programs are stand-ins here.
#
#     sh tests/deps.sh deps.sh FOLDER
#
# shellcheck disable=SC2016  # single-quoted text is for the stand-ins
set -eu

deps=$1
folder=$2
rm -rf "$folder"
mkdir -p "$folder/a clone/cmake" "$folder/bin"
cp "$deps" "$folder/a clone/cmake/deps.sh"

# stand_in NAME LINE...: creates a program that runs these lines.
stand_in() {
  program=$folder/bin/$1
  shift
  printf '%s\n' '#!/bin/sh' "$@" > "$program"
  chmod +x "$program"
}
stand_in dpkg-query "for package; do :; done; echo \"\$package\" >> '$folder/asked-for'" 'echo install ok installed'
stand_in apt-get "echo \"apt-get \$*\" >> '$folder/for-the-machine'"
stand_in pip3 "echo \"pip3 \$*\" >> '$folder/for-the-machine'"
stand_in sudo '"$@"'
stand_in cmake 'echo cmake version 3.22.1'
stand_in pip "echo \"\$*\" > '$folder/asked-of-pip'" \
  'printf "%s\n" "#!/bin/sh" "echo cmake version 3.31.10" > "$(dirname "$0")/cmake"' \
  'chmod +x "$(dirname "$0")/cmake"'
# python3 -m venv FOLDER
stand_in python3 'if [ "$1" = -m ]; then mkdir -p "$3/bin" && cp "$(dirname "$0")/pip" "$3/bin"; fi'
export PATH="$folder/bin:$PATH"

fail() { printf 'FAILED: %s\n%s\n' "$1" "$output"; exit 1; }

if output=$(sh "$folder/a clone/cmake/deps.sh" 2>&1); then fail "ends with status 0, though cmake is too old"; fi
[ ! -e "$folder/for-the-machine" ] || fail "installs for the whole machine: $(cat "$folder/for-the-machine")"
grep -Eq '^install --quiet cmake==[0-9]+\.[0-9]+\.[0-9]+$' "$folder/asked-of-pip" || fail "no fixed version: $(cat "$folder/asked-of-pip")"
line=$(printf '%s\n' "$output" | grep 'export PATH=') || fail "does not tell how the newer CMake is found"
eval "$line"
output=$(sh "$folder/a clone/cmake/deps.sh" 2>&1) || fail "is not content with the newer CMake"

for option in --checks --docs --mpi; do
  output=$(sh "$folder/a clone/cmake/deps.sh" "$option" 2>&1) || :
  if grep -q '^-' "$folder/asked-for"; then fail "takes $option for a package"; fi
done

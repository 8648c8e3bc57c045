#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what the demo, the tests, the benchmarks and the pictures need, with the machine's package manager, as root
# or through sudo. It installs nothing that is already there, and says what it does.
#
#     sh cmake/deps.sh
#     sh cmake/deps.sh --checks    with apt: what .ci/run needs as well: compilers, linters, a Python with numpy
#                                  and safetensors in build/python, and CMake 3.21 in build/cmake-3.21
#     sh cmake/deps.sh --docs      what the reference needs as well: Doxygen
#     sh cmake/deps.sh --mpi       what training on several machines needs as well: Open MPI
#
# If CMake is older than the presets need, as on Ubuntu 22.04, it puts a newer one into build/tools, and ends with
# status 1 and the line that makes the shell use it.
set -eu

option=$*
case $option in
  "") ;;
  --checks | --docs) set -- doxygen ;;
  --mpi) set -- ;;
  *) echo "usage: sh cmake/deps.sh [--checks | --docs | --mpi]" >&2; exit 2 ;;
esac

say() { echo "deps: $*"; }
die() { say "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "that needs root, and there is no sudo: run this script as root"
  fi
}

# For each package manager: has PACKAGE, install PACKAGE..., and the names of its packages.
if command -v apt-get >/dev/null; then
  has() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
  install() {
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  }
  [ "$option" != --checks ] || set -- "$@" clang clang-19 llvm libclang-rt-dev libomp-dev clang-format-19 clang-tidy shellcheck valgrind gcovr \
    python3-venv qemu-user g++-aarch64-linux-gnu g++-riscv64-linux-gnu
  [ "$option" != --mpi ] || set -- "$@" libopenmpi-dev openmpi-bin
  set -- cmake ninja-build g++ pkg-config libeigen3-dev catch2 libbenchmark-dev libcli11-dev nlohmann-json3-dev \
    gnuplot-nox pngquant gifsicle "$@"
elif command -v dnf >/dev/null; then
  has() { rpm -q "$1" >/dev/null; }
  install() { as_root dnf install -y "$@"; }
  [ "$option" != --mpi ] || set -- "$@" openmpi-devel
  set -- cmake ninja-build gcc-c++ pkgconf-pkg-config eigen3-devel catch-devel google-benchmark-devel cli11-devel json-devel \
    gnuplot pngquant gifsicle "$@"
elif command -v pacman >/dev/null; then
  has() { pacman -Qi "$1" >/dev/null 2>&1; }
  install() { as_root pacman -S --noconfirm --needed "$@"; }
  [ "$option" != --mpi ] || set -- "$@" openmpi
  set -- cmake ninja gcc pkgconf eigen catch2 benchmark cli11 nlohmann-json gnuplot pngquant gifsicle "$@"
elif command -v brew >/dev/null; then
  has() { brew list "$1" >/dev/null 2>&1; }
  install() { brew install "$@"; }
  [ "$option" != --mpi ] || set -- "$@" open-mpi
  set -- cmake ninja pkgconf eigen catch2 google-benchmark cli11 nlohmann-json gnuplot pngquant gifsicle "$@"
else
  die "there is no apt-get, dnf, pacman or brew; needed are a C++20 compiler, CMake 3.25, Ninja, pkg-config, Eigen 3.4, Catch2, Google Benchmark, CLI11, nlohmann-json and gnuplot; pngquant and gifsicle make pictures small"
fi

# Leaves only the missing packages in "$@".
for package in "$@"; do
  shift
  has "$package" || set -- "$@" "$package"
done
if [ $# -gt 0 ]; then
  say "installing $*"
  install "$@"
else
  say "every package is there already"
fi

# from_pypi NAME PACKAGE...: puts a Python with these packages, and their programs, into build/NAME.
build=$(cd "$(dirname "$0")/.." && pwd)/build
from_pypi() {
  folder=$build/$1
  shift
  say "installing $* from PyPI in $folder"
  python3 -c "import ensurepip" 2>/dev/null || install python3-venv
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet "$@"
}

if [ "$option" = --checks ]; then
  "$build/python/bin/python3" -c "import numpy, safetensors" 2>/dev/null || from_pypi python numpy safetensors
  "$build/cmake-3.21/bin/cmake" --version >/dev/null 2>&1 || from_pypi cmake-3.21 cmake==3.21.4
fi

# serves_presets CMAKE: whether it is version 3.25 or newer.
serves_presets() {
  "$1" --version 2>/dev/null | awk 'NR == 1 { split($3, v, "."); new = v[1] > 3 || (v[1] == 3 && v[2] >= 25) } END { exit !new }'
}
if ! serves_presets cmake; then
  serves_presets "$build/tools/bin/cmake" || from_pypi tools cmake==3.31.10
  die "the presets need CMake 3.25, and $(command -v cmake) is older; a newer one lies in build/tools. Have it found first, and run this again:
  export PATH=\"$build/tools/bin:\$PATH\""
fi
say "ready"

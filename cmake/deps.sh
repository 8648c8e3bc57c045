#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what the demo, the tests, the benchmarks and the pictures need, with the machine's package
# manager, as root or through sudo. Installs nothing that is there already, and says what it does.
#
#     sh cmake/deps.sh
#     sh cmake/deps.sh --checks    with apt: what .ci/run needs besides, compilers, linters, and a Python
#                                  with numpy and safetensors in build/python
set -eu

checks=$*
[ -z "$checks" ] || [ "$checks" = --checks ] || { echo "usage: sh cmake/deps.sh [--checks]" >&2; exit 2; }

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

# Each package manager: has PACKAGE, install PACKAGE..., and the names of its packages.
if command -v apt-get >/dev/null; then
  has() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
  install() {
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  }
  [ $# -eq 0 ] || set -- clang clang-19 llvm libclang-rt-dev libomp-dev clang-format clang-tidy shellcheck valgrind gcovr \
    python3-venv qemu-user g++-aarch64-linux-gnu g++-riscv64-linux-gnu
  set -- cmake ninja-build g++ pkg-config libeigen3-dev catch2 libbenchmark-dev libcli11-dev nlohmann-json3-dev \
    gnuplot-nox pngquant gifsicle "$@"
elif command -v dnf >/dev/null; then
  has() { rpm -q "$1" >/dev/null; }
  install() { as_root dnf install -y "$@"; }
  set -- cmake ninja-build gcc-c++ pkgconf-pkg-config eigen3-devel catch-devel google-benchmark-devel cli11-devel json-devel \
    gnuplot pngquant gifsicle
elif command -v pacman >/dev/null; then
  has() { pacman -Qi "$1" >/dev/null 2>&1; }
  install() { as_root pacman -S --noconfirm --needed "$@"; }
  set -- cmake ninja gcc pkgconf eigen catch2 benchmark cli11 nlohmann-json gnuplot pngquant gifsicle
elif command -v brew >/dev/null; then
  has() { brew list "$1" >/dev/null 2>&1; }
  install() { brew install "$@"; }
  set -- cmake ninja pkgconf eigen catch2 google-benchmark cli11 nlohmann-json gnuplot pngquant gifsicle
else
  die "there is no apt-get, dnf, pacman or brew; needed are a C++20 compiler, CMake 3.25, Ninja, pkg-config, Eigen 3.4, Catch2, Google Benchmark, CLI11, nlohmann-json and gnuplot; pngquant and gifsicle make pictures small"
fi

# Leaves in "$@" what is missing.
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

# Ubuntu 22.04 has CMake 3.22; PyPI has a current one.
cmake_is_new_enough() {
  cmake --version | awk 'NR == 1 { split($3, v, "."); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 25)) }'
}
if ! cmake_is_new_enough; then
  say "installing a CMake of at least 3.25 from PyPI, over $(cmake --version | head -n 1)"
  command -v pip3 >/dev/null || install python3-pip
  as_root pip3 install --upgrade cmake
  hash -r
  cmake_is_new_enough || die "the CMake in $(command -v cmake) is still older than 3.25"
fi

python=$(dirname "$0")/../build/python
if [ -n "$checks" ] && ! "$python/bin/python3" -c "import numpy, safetensors" 2>/dev/null; then
  say "installing numpy and safetensors from PyPI in $python"
  /usr/bin/python3 -m venv "$python"
  "$python/bin/pip" install --quiet numpy safetensors
fi
say "ready"

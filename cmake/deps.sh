#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what the demo, the tests and the benchmarks need, with the machine's package manager.
# Works as root and with sudo, installs nothing that is there already, and says what it does.
set -eu

say() { echo "deps: $*"; }
die() { say "$*" >&2; exit 1; }

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 && as_root=sudo
fi

# install_with "how to ask for a package" "how to install" package...
install_missing() {
  has=$1 install=$2
  shift 2
  missing=
  for package in "$@"; do
    $has "$package" >/dev/null 2>&1 || missing="$missing $package"
  done
  if [ -z "$missing" ]; then
    say "everything is there already: $*"
    return
  fi
  [ -n "$as_root" ] || [ "$(id -u)" -eq 0 ] || [ "$install" = "brew install" ] ||
    die "missing:$missing; run this as root, or install sudo"
  say "installing:$missing"
  $install $missing
}

apt_has() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
apt_install() {
  $as_root apt-get update -q
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

if command -v apt-get >/dev/null 2>&1; then
  install_missing apt_has apt_install \
    cmake ninja-build g++ pkg-config libeigen3-dev catch2 libbenchmark-dev gnuplot-nox
elif command -v dnf >/dev/null 2>&1; then
  install_missing "rpm -q" "$as_root dnf install -y" \
    cmake ninja-build gcc-c++ pkgconf-pkg-config eigen3-devel catch-devel google-benchmark-devel gnuplot
elif command -v pacman >/dev/null 2>&1; then
  install_missing "pacman -Qi" "$as_root pacman -S --noconfirm --needed" \
    cmake ninja gcc pkgconf eigen catch2 benchmark gnuplot
elif command -v brew >/dev/null 2>&1; then
  install_missing "brew list" "brew install" \
    cmake ninja pkg-config eigen catch2 google-benchmark gnuplot
else
  die "no apt-get, dnf, pacman or brew here; needed: a C++20 compiler, CMake 3.25, Ninja, Eigen 3.4, Catch2, Google Benchmark, gnuplot"
fi

# Ubuntu 22.04 has CMake 3.22; the one on PyPI is current.
if ! cmake --version | awk 'NR == 1 { split($3, v, "."); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 25)) }'; then
  say "cmake is older than 3.25: installing a newer one from PyPI"
  if command -v apt-get >/dev/null 2>&1; then install_missing apt_has apt_install python3-pip; fi
  $as_root python3 -m pip install --upgrade cmake
fi
say "ready"

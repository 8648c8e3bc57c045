// SPDX-License-Identifier: MIT
//
// The self-check and the benchmarks of the newer rules for double.
#include "benchmarks.hpp"
#include "check.hpp"

template void bench::check_newer_steppers<double>();
template void bench::add_newer_benchmarks<double>(const bench::Coverage&);

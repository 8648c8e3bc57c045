// SPDX-License-Identifier: MIT
//
// The self-check and the benchmarks for double.
#include "benchmarks.hpp"
#include "check.hpp"

template void bench::check_steppers<double>();
template void bench::add_benchmarks<double>(const bench::Coverage&);

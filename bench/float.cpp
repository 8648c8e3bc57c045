// SPDX-License-Identifier: MIT
//
// The self-check and the benchmarks for float.
#include "benchmarks.hpp"
#include "check.hpp"

template void bench::check_steppers<float>();
template void bench::add_benchmarks<float>(const bench::Coverage&);

// SPDX-License-Identifier: MIT
//
// The self-check and the benchmarks of the newer rules for float.
#include "benchmarks.hpp"
#include "check.hpp"

template void bench::check_newer_steppers<float>();
template void bench::add_newer_benchmarks<float>(const bench::Coverage&);

// SPDX-License-Identifier: MIT
// A rule that has no kernel.
// names: HasKernel
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct MyRule : parts::NamesOneState, parts::Validates {};
#else
struct MyRule : parts::NamesOneState, parts::Validates, parts::KernelOfOneState {};
#endif

descent::Optimizer<MyRule> optimizer;

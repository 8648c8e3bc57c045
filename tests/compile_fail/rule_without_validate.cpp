// SPDX-License-Identifier: MIT
// A rule that does not check its hyperparameters.
// names: ValidatesItself
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct MyRule : parts::NamesOneState, parts::KernelOfOneState {};
#else
struct MyRule : parts::NamesOneState, parts::Validates, parts::KernelOfOneState {};
#endif

descent::Optimizer<MyRule> optimizer;

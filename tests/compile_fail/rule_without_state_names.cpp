// SPDX-License-Identifier: MIT
// A rule that does not name its state.
// names: NamesItsState
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct MyRule : parts::ListsNothing, parts::KernelOfOneState {};
#else
struct MyRule : parts::NamesOneState, parts::ListsNothing, parts::KernelOfOneState {};
#endif

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule that has no kernel.
// names: HasKernel
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct MyRule : parts::NamesOneState, parts::ListsNothing {};
#else
struct MyRule : parts::NamesOneState, parts::ListsNothing, parts::KernelOfOneState {};
#endif

descent::Optimizer<MyRule> optimizer;

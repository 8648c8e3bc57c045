// SPDX-License-Identifier: MIT
// A rule that names two states, but whose kernel takes one.
// names: KernelReturnsStep
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
using Names = parts::NamesTwoStates;
#else
using Names = parts::NamesOneState;
#endif

struct MyRule : Names, parts::ListsNothing, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule that does not list its hyperparameters, so that none would be checked or saved.
// names: ListsHyperparameters
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
using Lists = parts::IsNamed;
#else
using Lists = parts::ListsNothing;
#endif

struct MyRule : parts::NamesOneState, Lists, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

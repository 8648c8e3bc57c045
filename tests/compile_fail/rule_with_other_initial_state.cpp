// SPDX-License-Identifier: MIT
// A rule that has initial values for more states than it names.
// names: InitialStateIfAny
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct Starts {
#ifdef FAIL
  auto initial_state(const auto& list) const { return list(1.0, 2.0); }
#else
  auto initial_state(const auto& list) const { return list(1.0); }
#endif
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Starts, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule whose initial values are not made by the list that it is given.
// names: InitialStateIfAny
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct Starts {
#ifdef FAIL
  std::array<double, 1> initial_state() const { return {1}; }
#else
  auto initial_state(const auto& list) const { return list(1.0); }
#endif
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Starts, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

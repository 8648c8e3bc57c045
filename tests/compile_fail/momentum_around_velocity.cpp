// SPDX-License-Identifier: MIT
// Momentum around a rule with a state "velocity", the name of momentum's own.
// names: TakesMomentum
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct NamesAnother {
  static constexpr std::array<std::string_view, 1> state_names{"speed"};
};

#ifdef FAIL
using Names = parts::NamesOneState;
#else
using Names = NamesAnother;
#endif

struct MyRule : Names, parts::ListsNothing, parts::KernelOfOneState {
  double learning_rate = 1;
};

descent::Optimizer<descent::rules::WithMomentum<MyRule>> optimizer;

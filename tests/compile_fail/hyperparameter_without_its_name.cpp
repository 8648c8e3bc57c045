// SPDX-License-Identifier: MIT
// A hyperparameter listed without its name.
// names: ListsHyperparameters
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct MyRule : parts::NamesOneState, parts::IsNamed, parts::KernelOfOneState {
  double rate = 1;

  static constexpr auto hyperparameters(const auto& list) {
#ifdef FAIL
    return list(&MyRule::rate);
#else
    return list(descent::Hyperparameter{"rate", &MyRule::rate});
#endif
  }
};

descent::Optimizer<MyRule> optimizer;

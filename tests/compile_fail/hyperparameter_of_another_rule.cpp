// SPDX-License-Identifier: MIT
// A hyperparameter that is a member of another rule.
// names: ListsHyperparameters
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct MyRule : parts::NamesOneState, parts::IsNamed, parts::KernelOfOneState {
  double learning_rate = 1;

#ifdef FAIL
  using Owner = descent::rules::SGD;
#else
  using Owner = MyRule;
#endif
  static constexpr auto hyperparameters(const auto& list) {
    return list(descent::Hyperparameter{"learning_rate", &Owner::learning_rate});
  }
};

descent::Optimizer<MyRule> optimizer;

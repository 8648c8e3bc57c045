// SPDX-License-Identifier: MIT
// A rule that lists its hyperparameters but does not return the result.
// names: ListsHyperparameters
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct MyRule : parts::NamesOneState, parts::IsNamed, parts::KernelOfOneState {
  double rate = 1;

  static constexpr auto hyperparameters(const auto& list) {
#ifdef FAIL
    list(descent::Hyperparameter{"rate", &MyRule::rate});
#else
    return list(descent::Hyperparameter{"rate", &MyRule::rate});
#endif
  }
};

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule whose kernel changes the state and returns no step.
// names: KernelReturnsStep
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct Kernel {
  auto kernel(const auto&) const {
    return [](const auto&, const auto& g, auto& velocity) {
      velocity = velocity + g;
#ifndef FAIL
      return velocity;
#endif
    };
  }
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Kernel {};

descent::Optimizer<MyRule> optimizer;

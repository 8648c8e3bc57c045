// SPDX-License-Identifier: MIT
// A rule without running factors, whose kernel takes a product of them.
// says: a step has products only if its rule has running_factors
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct Kernel {
#ifndef FAIL
  auto running_factors(const auto& list) const { return list(0.9); }
#endif
  auto kernel(const auto& step) const {
    return [decay = step.real(step.products[0])](const auto&, const auto& g, auto& velocity) {
      velocity = decay * velocity + g;
      return velocity;
    };
  }
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Kernel {};

descent::Optimizer<MyRule> optimizer;

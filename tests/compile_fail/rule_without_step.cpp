// SPDX-License-Identifier: MIT
// A rule whose kernel changes the state and gives no step.
// names: KernelReturnsStep
#include <descent/descent.hpp>

#include <cstdint>

#include "rule_parts.hpp"

struct Kernel {
  template <class Scalar>
  auto kernel(std::int64_t) const {
    return [](const auto&, const auto& g, auto& velocity) {
      velocity = velocity + g;
#ifndef FAIL
      return velocity;
#endif
    };
  }
};

struct MyRule : parts::NamesOneState, parts::Validates, Kernel {};

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule whose running factors are not an array of double.
// names: RunningFactorsIfAny
#include <descent/descent.hpp>

#include <array>
#include <cstdint>
#include <vector>

#include "rule_parts.hpp"

#ifdef FAIL
using Factors = std::vector<double>;
#else
using Factors = std::array<double, 1>;
#endif

struct Kernel {
  Factors running_factors() const { return {0.9}; }

  template <class Scalar>
  parts::Step<Scalar> kernel(std::int64_t, const Factors&) const {
    return {};
  }
};

struct MyRule : parts::NamesOneState, parts::Validates, Kernel {};

descent::Optimizer<MyRule> optimizer;

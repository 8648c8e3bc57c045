// SPDX-License-Identifier: MIT
// A rule that has running factors and a kernel that does not take their products.
// names: HasKernel
#include <descent/descent.hpp>

#include <array>
#include <cstdint>

#include "rule_parts.hpp"

#ifdef FAIL
struct Kernel : parts::KernelOfOneState {
#else
struct Kernel {
  template <class Scalar>
  parts::Step<Scalar> kernel(std::int64_t, const std::array<double, 1>&) const {
    return {};
  }
#endif

  std::array<double, 1> running_factors() const { return {0.9}; }
};

struct MyRule : parts::NamesOneState, parts::Validates, Kernel {};

descent::Optimizer<MyRule> optimizer;

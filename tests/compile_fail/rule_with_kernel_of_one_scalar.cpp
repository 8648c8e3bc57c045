// SPDX-License-Identifier: MIT
// A rule whose kernel is there for double alone.
// names: HasKernel
#include <descent/descent.hpp>

#include <cstdint>

#include "rule_parts.hpp"

#ifdef FAIL
struct Kernel {
  parts::Step<double> kernel(std::int64_t) const { return {}; }
};
#else
struct Kernel {
  template <class Scalar>
  parts::Step<Scalar> kernel(std::int64_t) const {
    return {};
  }
};
#endif

struct MyRule : parts::NamesOneState, parts::Validates, Kernel {};

descent::Optimizer<MyRule> optimizer;

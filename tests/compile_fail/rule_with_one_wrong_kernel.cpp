// SPDX-License-Identifier: MIT
// A rule that chooses among kernels of which one takes another number of states.
// names: KernelReturnsStep
#include <descent/descent.hpp>

#include <cstdint>
#include <variant>

#include "rule_parts.hpp"

struct Stateless {
  template <class Pack>
  Pack operator()(const Pack&, const Pack& g) const {
    return g;
  }
};

#ifdef FAIL
using Other = Stateless;
#else
using Other = parts::Step<float>;
#endif

struct Kernel {
  template <class Scalar>
  std::variant<parts::Step<Scalar>, Other> kernel(std::int64_t) const {
    return {};
  }
};

struct MyRule : parts::NamesOneState, parts::Validates, Kernel {};

descent::Optimizer<MyRule> optimizer;

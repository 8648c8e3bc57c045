// SPDX-License-Identifier: MIT
// A rule that chooses among kernels, one of which takes another number of states.
// names: KernelReturnsStep
#include <descent/descent.hpp>

#include <variant>

#include "rule_parts.hpp"

struct Kernel {
  auto kernel(const auto&) const {
#ifdef FAIL
    const auto other = [](const auto&, const auto& g) { return g; };
#else
    const auto other = [](const auto&, const auto& g, auto&) { return g; };
#endif
    return std::variant<decltype(parts::step_of_one_state), decltype(other)>(other);
  }
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Kernel {};

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule that has an initial value for more states than it names.
// names: InitialStateIfAny
#include <descent/descent.hpp>

#include <array>
#include <cstddef>

#include "rule_parts.hpp"

#ifdef FAIL
constexpr std::size_t initial_values = 2;
#else
constexpr std::size_t initial_values = 1;
#endif

struct MyRule : parts::NamesOneState, parts::Validates, parts::KernelOfOneState {
  std::array<double, initial_values> initial_state() const { return {}; }
};

descent::Optimizer<MyRule> optimizer;

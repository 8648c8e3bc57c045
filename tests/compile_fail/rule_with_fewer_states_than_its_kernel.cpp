// SPDX-License-Identifier: MIT
// A rule that names no state, but whose kernel takes one.
// names: KernelReturnsStep
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct Names {
  static constexpr std::array<std::string_view, 0> state_names{};
};
#else
using Names = parts::NamesOneState;
#endif

struct MyRule : Names, parts::ListsNothing, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

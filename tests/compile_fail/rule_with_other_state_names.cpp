// SPDX-License-Identifier: MIT
// A rule whose state names are of another type.
// names: NamesItsState
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct Names {
  static constexpr std::array<const char*, 1> state_names{"velocity"};
};
#else
struct Names {
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
};
#endif

struct MyRule : Names, parts::ListsNothing, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

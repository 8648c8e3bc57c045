// SPDX-License-Identifier: MIT
// A rule that gives powers for more states than it names.
// names: StatePowersIfAny
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct Powers {
#ifdef FAIL
  static constexpr std::array<int, 2> state_powers{1, 2};
#else
  static constexpr std::array<int, 1> state_powers{1};
#endif
};

struct MyRule : parts::NamesOneState, Powers, parts::ListsNothing, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

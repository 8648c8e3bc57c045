// SPDX-License-Identifier: MIT
// A rule whose running factors are not made by the list that it is given.
// names: RunningFactorsIfAny
#include <descent/descent.hpp>

#include <vector>

#include "rule_parts.hpp"

struct Decays {
#ifdef FAIL
  auto running_factors(const auto&) const { return std::vector<double>{0.9}; }
#else
  auto running_factors(const auto& list) const { return list(0.9); }
#endif
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Decays, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

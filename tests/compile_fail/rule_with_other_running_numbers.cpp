// SPDX-License-Identifier: MIT
// A rule whose running numbers are not made by the list that it is given.
// names: RunningNumbersIfAny
#include <descent/descent.hpp>

#include <vector>

#include "rule_parts.hpp"

struct Sums {
#ifdef FAIL
  auto running_numbers(const auto&) const { return std::vector<double>{0.9}; }
#else
  auto running_numbers(const auto& list) const { return list(0.9); }
#endif
};

struct MyRule : parts::NamesOneState, parts::ListsNothing, Sums, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

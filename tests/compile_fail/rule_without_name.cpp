// SPDX-License-Identifier: MIT
// A rule without a name, which errors and checkpoints need.
// names: ListsHyperparameters
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct Lists {
  static constexpr auto hyperparameters(const auto& list) { return list(); }
};
#else
using Lists = parts::ListsNothing;
#endif

struct MyRule : parts::NamesOneState, Lists, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

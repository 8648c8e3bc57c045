// SPDX-License-Identifier: MIT
// A rule that is not an aggregate.
// says: is_aggregate_v<
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct MyRule : parts::NamesOneState, parts::ListsNothing, parts::KernelOfOneState {
  MyRule() {}
};
#else
struct MyRule : parts::NamesOneState, parts::ListsNothing, parts::KernelOfOneState {};
#endif

descent::Optimizer<MyRule> optimizer;

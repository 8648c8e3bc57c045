// SPDX-License-Identifier: MIT
// A rule whose check could change it.
// names: ValidateIfAny
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct Validates {
  void validate() {}
};
#else
struct Validates {
  void validate() const {}
};
#endif

struct MyRule : parts::NamesOneState, parts::ListsNothing, Validates, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

// SPDX-License-Identifier: MIT
// A rule whose check takes more arguments than it is given.
// names: ValidateIfAny
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct Validates {
  void validate(const auto& expect, const auto& name) const { expect(true, name); }
};
#else
struct Validates {
  void validate(const auto& expect) const { expect(true, "nothing"); }
};
#endif

struct MyRule : parts::NamesOneState, parts::ListsNothing, Validates, parts::KernelOfOneState {};

descent::Optimizer<MyRule> optimizer;

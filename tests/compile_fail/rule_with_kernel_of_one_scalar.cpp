// SPDX-License-Identifier: MIT
// A rule that has a kernel only for steps in float.
// names: HasKernel
#include <descent/descent.hpp>

#include "rule_parts.hpp"

#ifdef FAIL
struct Kernel {
  auto kernel(const descent::Step<double, 0>&) const { return parts::step_of_one_state; }
};
#else
struct Kernel {
  template <class Scalar>
  auto kernel(const descent::Step<Scalar, 0>&) const {
    return parts::step_of_one_state;
  }
};
#endif

struct MyRule : parts::NamesOneState, parts::ListsNothing, Kernel {};

descent::Optimizer<MyRule> optimizer;

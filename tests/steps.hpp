// SPDX-License-Identifier: MIT
//
// The steps of every rule on plain vectors, which nearly every test takes: compiled once, in steps.cpp, instead of
// again for each test. CMakeLists.txt puts this into the precompiled header and links steps.cpp; a test that is
// compiled by hand needs neither.
#pragma once

#include "variants.hpp"

#if !defined(DESCENT_STEPS)
#define DESCENT_STEPS extern
#endif
#define DESCENT_STEPS_IN(RULE, SCALAR)                         \
  DESCENT_STEPS template class Optimizer<rules::RULE, SCALAR>; \
  DESCENT_STEPS template void Optimizer<rules::RULE, SCALAR>::step(test::Vector<SCALAR>&, const test::Vector<SCALAR>&);
#define DESCENT_STEPS_OF(RULE)   \
  DESCENT_STEPS_IN(RULE, float)  \
  DESCENT_STEPS_IN(RULE, double) \
  DESCENT_STEPS_IN(RULE, long double)

namespace descent {

DESCENT_STEPS_OF(SGD)
DESCENT_STEPS_OF(Momentum)
DESCENT_STEPS_OF(Nesterov)
DESCENT_STEPS_OF(AdaGrad)
DESCENT_STEPS_OF(RMSProp)
DESCENT_STEPS_OF(CenteredRMSProp)
DESCENT_STEPS_OF(WithMomentum<rules::RMSProp>)
DESCENT_STEPS_OF(AdaDelta)
DESCENT_STEPS_OF(Adam)
DESCENT_STEPS_OF(WithWeightDecay<rules::AdaGrad>)
DESCENT_STEPS_OF(WithWeightDecay<rules::Adam>)

}  // namespace descent

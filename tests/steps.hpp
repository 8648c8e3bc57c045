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
#define DESCENT_STEPS_IN(RULE, SCALAR)                  \
  DESCENT_STEPS template class Optimizer<RULE, SCALAR>; \
  DESCENT_STEPS template void Optimizer<RULE, SCALAR>::step(test::Vector<SCALAR>&, const test::Vector<SCALAR>&);
#define DESCENT_STEPS_OF(RULE)   \
  DESCENT_STEPS_IN(RULE, float)  \
  DESCENT_STEPS_IN(RULE, double) \
  DESCENT_STEPS_IN(RULE, long double)

namespace descent::test {

using RMSPropWithMomentum = Chain<rules::RMSProp, transforms::MomentumOfSteps>;
using AdaGradWithPenalty = Chain<transforms::L2Penalty, rules::AdaGrad>;
using AdamWithPenalty = Chain<transforms::L2Penalty, rules::Adam>;

}  // namespace descent::test

namespace descent {

DESCENT_STEPS_OF(rules::SGD)
DESCENT_STEPS_OF(rules::Momentum)
DESCENT_STEPS_OF(rules::Nesterov)
DESCENT_STEPS_OF(rules::AdaGrad)
DESCENT_STEPS_OF(rules::RMSProp)
DESCENT_STEPS_OF(rules::CenteredRMSProp)
DESCENT_STEPS_OF(test::RMSPropWithMomentum)
DESCENT_STEPS_OF(rules::AdaDelta)
DESCENT_STEPS_OF(rules::Adam)
DESCENT_STEPS_OF(rules::AdamW)
DESCENT_STEPS_OF(rules::AMSGrad)
DESCENT_STEPS_OF(rules::NAdam)
DESCENT_STEPS_OF(rules::RAdam)
DESCENT_STEPS_OF(rules::AdaMax)
DESCENT_STEPS_OF(rules::AdaBelief)
DESCENT_STEPS_OF(rules::Yogi)
DESCENT_STEPS_OF(rules::Adan)
DESCENT_STEPS_OF(rules::Lion)
DESCENT_STEPS_OF(rules::Rprop)
DESCENT_STEPS_OF(rules::Ftrl)
DESCENT_STEPS_OF(rules::ScheduleFreeSGD)
DESCENT_STEPS_OF(rules::ScheduleFreeAdamW)
DESCENT_STEPS_OF(test::AdaGradWithPenalty)
DESCENT_STEPS_OF(test::AdamWithPenalty)

}  // namespace descent

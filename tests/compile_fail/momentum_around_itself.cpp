// SPDX-License-Identifier: MIT
// Momentum around weight decay around a rule with momentum.
// names: TakesMomentum
#include <descent/descent.hpp>

using descent::rules::WithMomentum;
using descent::rules::WithWeightDecay;

#ifdef FAIL
using Rule = WithMomentum<descent::rules::RMSProp>;
#else
using Rule = descent::rules::RMSProp;
#endif

descent::Optimizer<WithMomentum<WithWeightDecay<Rule>>> optimizer;

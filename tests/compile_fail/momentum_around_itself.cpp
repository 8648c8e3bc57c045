// SPDX-License-Identifier: MIT
// Momentum around a rule that has it around itself, below weight decay.
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

// SPDX-License-Identifier: MIT
// Momentum around a rule that has a look-ahead of its own.
// names: TakesMomentum
#include <descent/descent.hpp>

#ifdef FAIL
using Rule = descent::rules::Nesterov;
#else
using Rule = descent::rules::RMSProp;
#endif

descent::Optimizer<descent::rules::WithMomentum<Rule>> optimizer;

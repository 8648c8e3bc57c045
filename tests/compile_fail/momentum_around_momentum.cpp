// SPDX-License-Identifier: MIT
// Momentum around a rule that already has momentum.
// names: TakesMomentum
#include <descent/descent.hpp>

#ifdef FAIL
using Rule = descent::rules::Momentum;
#else
using Rule = descent::rules::SGD;
#endif

descent::Optimizer<descent::rules::WithMomentum<Rule>> optimizer;

// SPDX-License-Identifier: MIT
// Weight decay around a rule that already has a member of that name.
// names: TakesWeightDecay
#include <descent/descent.hpp>

using descent::rules::WithWeightDecay;

#ifdef FAIL
using Rule = WithWeightDecay<descent::rules::SGD>;
#else
using Rule = descent::rules::SGD;
#endif

descent::Optimizer<WithWeightDecay<Rule>> optimizer;

// SPDX-License-Identifier: MIT
// A link of the step before the rule.
// says: a link that acts on the step belongs after the rule
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<transforms::WeightDecay, rules::Adam>;
#else
using Rule = descent::Chain<rules::Adam, transforms::WeightDecay>;
#endif

descent::Optimizer<Rule> optimizer;

// SPDX-License-Identifier: MIT
// A link of the step after one of the parameters.
// says: a link that acts on the step belongs after the rule
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<rules::Adam, transforms::Average, transforms::WeightDecay>;
#else
using Rule = descent::Chain<rules::Adam, transforms::WeightDecay, transforms::Average>;
#endif

descent::Optimizer<Rule> optimizer;

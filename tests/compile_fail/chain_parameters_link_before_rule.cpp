// SPDX-License-Identifier: MIT
// A link of the parameters before the rule.
// says: a link that acts on the parameters belongs after the rule
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<transforms::Average, rules::Adam>;
#else
using Rule = descent::Chain<rules::Adam, transforms::Average>;
#endif

descent::Optimizer<Rule> optimizer;

// SPDX-License-Identifier: MIT
// A link of the gradient after the rule.
// says: a link that acts on the gradient belongs before the rule
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<rules::Adam, transforms::ClipNorm>;
#else
using Rule = descent::Chain<transforms::ClipNorm, rules::Adam>;
#endif

descent::Optimizer<Rule> optimizer;

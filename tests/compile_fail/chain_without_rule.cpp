// SPDX-License-Identifier: MIT
// A chain without a rule.
// says: a Chain has exactly one rule
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<transforms::ClipNorm, transforms::Average>;
#else
using Rule = descent::Chain<transforms::ClipNorm, rules::SGD, transforms::Average>;
#endif

descent::Optimizer<Rule> optimizer;

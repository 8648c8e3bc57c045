// SPDX-License-Identifier: MIT
// A part of a chain that is neither a rule nor a link.
// says: each part of a Chain is a Rule or a Link
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

struct Neither {};

#ifdef FAIL
using Rule = descent::Chain<Neither, rules::SGD>;
#else
using Rule = descent::Chain<transforms::GradientScale, rules::SGD>;
#endif

descent::Optimizer<Rule> optimizer;

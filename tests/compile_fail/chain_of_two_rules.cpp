// SPDX-License-Identifier: MIT
// A chain of two rules.
// says: a Chain has exactly one rule
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<rules::SGD, rules::Adam>;
#else
using Rule = descent::Chain<rules::Adam>;
#endif

descent::Optimizer<Rule> optimizer;

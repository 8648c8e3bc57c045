// SPDX-License-Identifier: MIT
// Momentum of the steps of a rule that has a velocity already.
// says: two parts of a Chain have state of the same name
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<rules::Momentum, transforms::MomentumOfSteps>;
#else
using Rule = descent::Chain<rules::SGD, transforms::MomentumOfSteps>;
#endif

descent::Optimizer<Rule> optimizer;

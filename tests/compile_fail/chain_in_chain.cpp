// SPDX-License-Identifier: MIT
// A chain within a chain.
// says: a Chain does not contain another
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<transforms::ClipNorm, descent::Chain<rules::SGD, transforms::Average>>;
#else
using Rule = descent::Chain<transforms::ClipNorm, rules::SGD, transforms::Average>;
#endif

descent::Optimizer<Rule> optimizer;

// SPDX-License-Identifier: MIT
// A chain whose rule steps tensors as a whole.
// says: a rule that steps tensors as a whole stands in no Chain
#include <descent/descent.hpp>
#include <descent/rules/muon.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<transforms::ClipNorm, rules::Muon>;
#else
using Rule = descent::Chain<transforms::ClipNorm, rules::AdamW>;
#endif

descent::Optimizer<Rule> optimizer;

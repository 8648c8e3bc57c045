// SPDX-License-Identifier: MIT
// The average of a chain that keeps none.
// names: KeepsAverage
#include <descent/descent.hpp>

namespace rules = descent::rules;
namespace transforms = descent::transforms;

#ifdef FAIL
using Rule = descent::Chain<rules::SGD>;
#else
using Rule = descent::Chain<rules::SGD, transforms::Average>;
#endif

const Eigen::VectorXd average = descent::Optimizer<Rule>().averaged(Eigen::VectorXd(3));

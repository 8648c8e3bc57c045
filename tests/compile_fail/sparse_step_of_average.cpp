// SPDX-License-Identifier: MIT
// A sparse step of a chain that averages parameters.
// says: a rule that follows the parameters at every step
#include <descent/descent.hpp>
#include <descent/sparse.hpp>

#include <vector>

#ifdef FAIL
using Rule = descent::Chain<descent::rules::SGD, descent::transforms::Average>;
#else
using Rule = descent::Chain<descent::rules::SGD, descent::transforms::Bounds>;
#endif

void step(descent::Optimizer<Rule>& optimizer, Eigen::MatrixXd& x, const std::vector<int>& columns) {
  optimizer.step_columns(x, columns, x);
}

// SPDX-License-Identifier: MIT
// A sparse step of a rule that needs a norm of all elements.
// says: a rule with norms of tensors takes no sparse steps
#include <descent/descent.hpp>
#include <descent/sparse.hpp>

#include <vector>

#ifdef FAIL
using Rule = descent::Chain<descent::transforms::ClipNorm, descent::rules::SGD>;
#else
using Rule = descent::Chain<descent::transforms::ClipValue, descent::rules::SGD>;
#endif

void step(descent::Optimizer<Rule>& optimizer, Eigen::MatrixXd& x, const std::vector<int>& columns) {
  optimizer.step_columns(x, columns, x);
}

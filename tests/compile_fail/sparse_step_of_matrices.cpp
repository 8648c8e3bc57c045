// SPDX-License-Identifier: MIT
// A sparse step of a rule that steps matrices as a whole.
// says: a rule that steps matrices as a whole takes no sparse steps
#include <descent/descent.hpp>
#include <descent/rules/muon.hpp>
#include <descent/sparse.hpp>

#include <vector>

#ifdef FAIL
using Rule = descent::rules::Muon;
#else
using Rule = descent::rules::AdamW;
#endif

void step(descent::Optimizer<Rule>& optimizer, Eigen::MatrixXd& x, const std::vector<int>& rows) {
  optimizer.step_rows(x, rows, x);
}

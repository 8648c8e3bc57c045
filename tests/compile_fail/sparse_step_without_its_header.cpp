// SPDX-License-Identifier: MIT
// A sparse step without the header that defines it, which the compiler quotes.
// says: SparseStep<descent::Optimizer<descent::rules::Adam
#include <descent/descent.hpp>
#ifndef FAIL
#include <descent/sparse.hpp>
#endif

#include <vector>

void step(descent::Adam<>& adam, Eigen::MatrixXd& x, const std::vector<int>& columns) {
  adam.step_columns(x, columns, x);
}

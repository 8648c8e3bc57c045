// SPDX-License-Identifier: MIT
// A tuple of tensors, with a matrix for one tensor.
// names: OneTensorStep
#include <tuple>

#include <descent/curvature/preconditioned_descent.hpp>

void step(Eigen::VectorXd& x, Eigen::VectorXd& y, const Eigen::MatrixXd& H) {
#ifdef FAIL
  descent::Newton<double>().step(std::tie(x, y), std::tie(x, y), H);
#else
  descent::Newton<double>().step(x, y, H);
#endif
}

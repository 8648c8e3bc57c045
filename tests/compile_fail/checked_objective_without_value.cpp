// SPDX-License-Identifier: MIT
// A gradient without the value of which it should be the derivative.
// names: Objective
#include <descent/training/check_gradient.hpp>

#ifdef FAIL
void objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) { gradient = x; }
#else
double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}
#endif

auto check(const Eigen::VectorXd& x) { return descent::check_gradient(objective, x); }

// SPDX-License-Identifier: MIT
// An objective that takes no gradient to write.
// names: Objective
#include <descent/descent.hpp>

#ifdef FAIL
double objective(const Eigen::VectorXd& x) { return x.squaredNorm() / 2; }
#else
double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}
#endif

auto run(Eigen::VectorXd& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam); }

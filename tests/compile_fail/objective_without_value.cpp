// SPDX-License-Identifier: MIT
// An objective that writes the gradient and returns no value.
// names: Objective
#include <descent/descent.hpp>

#ifdef FAIL
void objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) { gradient = x; }
#else
double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}
#endif

auto run(Eigen::VectorXd& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam); }

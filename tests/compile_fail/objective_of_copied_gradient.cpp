// SPDX-License-Identifier: MIT
// An objective that writes to a copy of the gradient.
// names: TakesGradientToWrite
#include <descent/descent.hpp>

#ifdef FAIL
using Gradient = Eigen::VectorXd;
#else
using Gradient = Eigen::VectorXd&;
#endif

double objective(const Eigen::VectorXd& x, Gradient gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

auto run(Eigen::VectorXd& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam); }

// SPDX-License-Identifier: MIT
// A const point to start minimize from, which could not take the result.
// names: Writable
#include <descent/descent.hpp>

#ifdef FAIL
using Point = const Eigen::VectorXd;
#else
using Point = Eigen::VectorXd;
#endif

double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

auto run(Point& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam); }

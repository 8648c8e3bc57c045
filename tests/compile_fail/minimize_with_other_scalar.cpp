// SPDX-License-Identifier: MIT
// An optimizer in float for a point in double.
// names: OptimizerFor
#include <descent/descent.hpp>

#ifdef FAIL
using Optimizer = descent::Adam<float>;
#else
using Optimizer = descent::Adam<double>;
#endif

double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

auto run(Eigen::VectorXd& x, Optimizer& optimizer) { return descent::minimize(objective, x, optimizer); }

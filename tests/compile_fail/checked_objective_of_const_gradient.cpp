// SPDX-License-Identifier: MIT
// An objective that cannot write its gradient, and does not try.
// names: TakesGradientToWrite
#include <descent/training/check_gradient.hpp>

#ifdef FAIL
using Gradient = const Eigen::VectorXd&;
#else
using Gradient = Eigen::VectorXd&;
#endif

double objective(const Eigen::VectorXd& x, Gradient) { return x.squaredNorm() / 2; }

auto check(const Eigen::VectorXd& x) { return descent::check_gradient(objective, x); }

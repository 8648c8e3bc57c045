// SPDX-License-Identifier: MIT
// An observer that returns a number, which would be taken for a wish to stop.
// names: Observer
#include <descent/descent.hpp>

#ifdef FAIL
using Answer = double;
#else
using Answer = bool;
#endif

Answer watch(const descent::Progress<Eigen::VectorXd>& progress) { return static_cast<Answer>(progress.gradient_norm); }

double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

auto run(Eigen::VectorXd& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam, {}, watch); }

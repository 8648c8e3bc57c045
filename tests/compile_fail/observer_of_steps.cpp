// SPDX-License-Identifier: MIT
// An observer that takes something other than a Progress.
// names: Observer
#include <descent/descent.hpp>

#include <cstdint>

#ifdef FAIL
bool watch(std::int64_t steps) { return steps == 10; }
#else
bool watch(const descent::Progress<Eigen::VectorXd>& progress) { return progress.steps == 10; }
#endif

double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

auto run(Eigen::VectorXd& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam, {}, watch); }

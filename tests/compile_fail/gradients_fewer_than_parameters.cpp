// SPDX-License-Identifier: MIT
// Two tensors of parameters and one gradient.
// names: PairsUpWith
#include <descent/descent.hpp>

#include <tuple>

#ifdef FAIL
auto gradient(const Eigen::MatrixXd& W, const Eigen::VectorXd&) { return std::tie(W); }
#else
auto gradient(const Eigen::MatrixXd& W, const Eigen::VectorXd& b) { return std::tie(W, b); }
#endif

void step(descent::Adam<double>& adam, Eigen::MatrixXd& W, Eigen::VectorXd& b) {
  adam.step(std::tie(W, b), gradient(W, b));
}

// SPDX-License-Identifier: MIT
// A tuple of parameters, one of them const.
// names: Writable
#include <descent/descent.hpp>

#include <tuple>

#ifdef FAIL
using Bias = const Eigen::VectorXd&;
#else
using Bias = Eigen::VectorXd&;
#endif

void step(descent::Adam<double>& adam, Eigen::MatrixXd& W, Bias b) { adam.step(std::tie(W, b), std::tie(W, b)); }

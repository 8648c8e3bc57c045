// SPDX-License-Identifier: MIT
// A tuple of parameters, one of them of another scalar.
// names: OfScalar
#include <descent/descent.hpp>

#include <tuple>

#ifdef FAIL
using Bias = Eigen::VectorXf;
#else
using Bias = Eigen::VectorXd;
#endif

void step(descent::Adam<double>& adam, Eigen::MatrixXd& W, Bias& b) { adam.step(std::tie(W, b), std::tie(W, b)); }

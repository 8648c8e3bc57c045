// SPDX-License-Identifier: MIT
// A gradient in float for parameters in double.
// names: OfScalar
#include <descent/descent.hpp>

#ifdef FAIL
using Gradient = Eigen::VectorXf;
#else
using Gradient = Eigen::VectorXd;
#endif

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Gradient& g) { adam.step(x, g); }

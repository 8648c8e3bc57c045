// SPDX-License-Identifier: MIT
// A gradient that is not an Eigen object.
// names: Tensors
#include <descent/descent.hpp>

#ifdef FAIL
using Gradient = double;
#else
using Gradient = Eigen::VectorXd;
#endif

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Gradient& g) { adam.step(x, g); }

// SPDX-License-Identifier: MIT
// One tensor of parameters and a range of gradients.
// names: PairsUpWith
#include <descent/descent.hpp>

#include <vector>

#ifdef FAIL
using Gradient = std::vector<Eigen::VectorXd>;
#else
using Gradient = Eigen::VectorXd;
#endif

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Gradient& g) { adam.step(x, g); }

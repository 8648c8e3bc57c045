// SPDX-License-Identifier: MIT
// A range of parameters and a tuple of gradients.
// names: PairsUpWith
#include <descent/descent.hpp>

#include <tuple>
#include <vector>

#ifdef FAIL
using Gradient = std::tuple<Eigen::VectorXd, Eigen::VectorXd>;
#else
using Gradient = std::vector<Eigen::VectorXd>;
#endif

void step(descent::Adam<double>& adam, std::vector<Eigen::VectorXd>& x, const Gradient& g) { adam.step(x, g); }

// SPDX-License-Identifier: MIT
// Parameters in a const vector.
// names: Writable
#include <descent/descent.hpp>

#include <vector>

#ifdef FAIL
using Params = const std::vector<Eigen::VectorXd>&;
#else
using Params = std::vector<Eigen::VectorXd>&;
#endif

void step(descent::Adam<double>& adam, Params x, const std::vector<Eigen::VectorXd>& g) { adam.step(x, g); }

// SPDX-License-Identifier: MIT
// Parameters that are not an Eigen object.
// names: Tensors
#include <descent/descent.hpp>

#include <vector>

#ifdef FAIL
using Vector = std::vector<double>;
#else
using Vector = Eigen::VectorXd;
#endif

void step(descent::Adam<double>& adam, Vector& x, const Eigen::VectorXd& g) { adam.step(x, g); }

// SPDX-License-Identifier: MIT
// Parameters seen through a Map of const numbers.
// names: Writable
#include <descent/descent.hpp>

#ifdef FAIL
using Params = Eigen::Map<const Eigen::VectorXd>;
#else
using Params = Eigen::Map<Eigen::VectorXd>;
#endif

void step(descent::Adam<double>& adam, Params x, const Eigen::VectorXd& g) { adam.step(x, g); }

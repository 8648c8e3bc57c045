// SPDX-License-Identifier: MIT
// Parameters that are const.
// names: Writable
#include <descent/descent.hpp>

#ifdef FAIL
using Params = const Eigen::VectorXd&;
#else
using Params = Eigen::VectorXd&;
#endif

void step(descent::Adam<double>& adam, Params x, const Eigen::VectorXd& g) { adam.step(x, g); }

// SPDX-License-Identifier: MIT
// Parameters that die with the call; a view of parameters that live on is welcome.
// names: Writable
#include <descent/descent.hpp>

#ifdef FAIL
auto params(Eigen::VectorXd& x) { return Eigen::VectorXd(x); }
#else
auto params(Eigen::VectorXd& x) { return x.head(3); }
#endif

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(params(x), g); }

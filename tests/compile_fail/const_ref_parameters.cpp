// SPDX-License-Identifier: MIT
// Parameters seen through a Ref of const numbers.
// names: Writable
#include <descent/descent.hpp>

#ifdef FAIL
using Params = Eigen::Ref<const Eigen::VectorXd>;
#else
using Params = Eigen::Ref<Eigen::VectorXd>;
#endif

void step(descent::Adam<double>& adam, Params x, const Eigen::VectorXd& g) { adam.step(x, g); }

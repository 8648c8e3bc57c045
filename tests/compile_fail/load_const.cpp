// SPDX-License-Identifier: MIT
// Parameters to be loaded that cannot be written.
// names: Writable
#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#ifdef FAIL
using Params = const Eigen::VectorXd;
#else
using Params = Eigen::VectorXd;
#endif

void load(descent::Adam<double>& adam, Params& x) { descent::load("file", adam, x); }

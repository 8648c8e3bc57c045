// SPDX-License-Identifier: MIT
// An optimizer of a fixed size for parameters of another fixed size.
// names: OfSize
#include <descent/descent.hpp>

#ifdef FAIL
using Adam = descent::Adam<double, 4>;
#else
using Adam = descent::Adam<double, 3>;
#endif

void step(Adam& adam, Eigen::Vector3d& x, const Eigen::Vector3d& g) { adam.step(x, g); }

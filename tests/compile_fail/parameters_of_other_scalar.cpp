// SPDX-License-Identifier: MIT
// Parameters in float for an optimizer in double.
// names: OfScalar
#include <descent/descent.hpp>

#ifdef FAIL
using Vector = Eigen::VectorXf;
#else
using Vector = Eigen::VectorXd;
#endif

void step(descent::Adam<double>& adam, Vector& x, const Vector& g) { adam.step(x, g); }

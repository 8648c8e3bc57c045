// SPDX-License-Identifier: MIT
// Parameters that are integers.
// names: OfScalar
#include <descent/descent.hpp>

#ifdef FAIL
using Matrix = Eigen::MatrixXi;
#else
using Matrix = Eigen::MatrixXd;
#endif

void step(descent::Adam<double>& adam, Matrix& x, const Matrix& g) { adam.step(x, g); }

// SPDX-License-Identifier: MIT
// A look-ahead of parameters with another fixed size than the optimizer's.
// names: OfSize
#include <descent/descent.hpp>

#ifdef FAIL
using Vector = Eigen::Vector4d;
#else
using Vector = Eigen::Vector3d;
#endif

Vector ahead(const descent::Nesterov<double, 3>& nesterov, const Vector& x) { return nesterov.lookahead(x); }

// SPDX-License-Identifier: MIT
// A checkpoint of long double, for which safetensors has no type.
// names: SavedScalar
#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#ifdef FAIL
using Scalar = long double;
#else
using Scalar = double;
#endif

void save(const descent::Adam<Scalar>& adam, const Eigen::VectorX<Scalar>& x) { descent::save("file", adam, x); }

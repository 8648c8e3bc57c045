// SPDX-License-Identifier: MIT
// A sparse step of an optimizer of a fixed size.
// says: an optimizer of a fixed size takes no sparse steps
#include <descent/descent.hpp>
#include <descent/sparse.hpp>

#include <vector>

#ifdef FAIL
using Adam = descent::Adam<double, 4>;
#else
using Adam = descent::Adam<double>;
#endif

void step(Adam& adam, Eigen::Matrix2d& x, const std::vector<int>& columns) { adam.step_columns(x, columns, x); }

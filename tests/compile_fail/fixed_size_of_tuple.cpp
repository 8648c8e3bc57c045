// SPDX-License-Identifier: MIT
// An optimizer of a fixed size for a tuple with another total size.
// names: OfSize
#include <descent/descent.hpp>

#include <tuple>

#ifdef FAIL
using Adam = descent::Adam<double, 4>;
#else
using Adam = descent::Adam<double, 6>;
#endif

void step(Adam& adam, Eigen::Matrix2d& W, Eigen::Vector2d& b) { adam.step(std::tie(W, b), std::tie(W, b)); }

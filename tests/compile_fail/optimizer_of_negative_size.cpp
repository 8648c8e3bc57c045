// SPDX-License-Identifier: MIT
// An optimizer of a size that no parameters can have.
// says: the size of an optimizer is >= 0 or Eigen::Dynamic
#include <descent/descent.hpp>

#ifdef FAIL
constexpr int size = -2;
#else
constexpr int size = Eigen::Dynamic;
#endif

descent::Adam<double, size> adam;

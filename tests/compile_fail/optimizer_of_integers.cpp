// SPDX-License-Identifier: MIT
// An optimizer for a scalar that is not supported.
// says: the scalar of an optimizer is float, double or long double
#include <descent/descent.hpp>

#ifdef FAIL
using Scalar = int;
#else
using Scalar = long double;
#endif

descent::Adam<Scalar> adam;

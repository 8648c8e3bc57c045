// SPDX-License-Identifier: MIT
// Parameters appended to an optimizer of a fixed size.
// says: the parameters of an optimizer of a fixed size do not come and go
#include <descent/descent.hpp>
#include <descent/resize.hpp>

#ifdef FAIL
using Adam = descent::Adam<double, 3>;
#else
using Adam = descent::Adam<double>;
#endif

void grow(Adam& adam) { adam.append_rows(3); }

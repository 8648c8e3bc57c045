// SPDX-License-Identifier: MIT
// Parameters appended to a chain that averages them.
// says: nothing can be appended to it without them
#include <descent/descent.hpp>
#include <descent/resize.hpp>

#ifdef FAIL
using Rule = descent::Chain<descent::rules::SGD, descent::transforms::Average>;
#else
using Rule = descent::Chain<descent::rules::SGD, descent::transforms::Bounds>;
#endif

void grow(descent::Optimizer<Rule>& optimizer) { optimizer.append_columns(3); }

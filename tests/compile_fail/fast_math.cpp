// SPDX-License-Identifier: MIT
// Arithmetic that would break the promise of the same bits, unless a macro gives the promise up.
// says alone: descent promises the same bits everywhere, which -ffast-math breaks
// breaks with: -ffast-math
// compiles with: -ffast-math -DDESCENT_ALLOW_FAST_MATH
#include <descent/descent.hpp>

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(x, g); }

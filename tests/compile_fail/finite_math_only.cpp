// SPDX-License-Identifier: MIT
// Arithmetic without NaN, a part of -ffast-math: refused like the whole.
// says alone: descent promises the same bits everywhere, which -ffast-math breaks
// breaks with: -ffinite-math-only
// compiles with: -ffinite-math-only -DDESCENT_ALLOW_FAST_MATH
#include <descent/descent.hpp>

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(x, g); }

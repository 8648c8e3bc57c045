// SPDX-License-Identifier: MIT
// Arithmetic that knows no NaN, one part of -ffast-math: refused as the whole is.
// says alone: descent promises the same bits everywhere, which -ffast-math breaks
// breaks with: -ffinite-math-only
// compiles with: -ffinite-math-only -DDESCENT_ALLOW_FAST_MATH
#include <descent/descent.hpp>

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(x, g); }

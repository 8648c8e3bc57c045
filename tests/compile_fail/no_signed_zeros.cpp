// SPDX-License-Identifier: MIT
// Zeros that may have any sign, a part of -ffast-math: refused like the whole. (clang++ has no macro for it.)
// says alone: descent promises the same bits everywhere, which -ffast-math breaks
// breaks with: -fno-signed-zeros
// only with: GNU
#include <descent/descent.hpp>

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(x, g); }

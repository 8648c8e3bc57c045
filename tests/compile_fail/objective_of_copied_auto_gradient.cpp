// SPDX-License-Identifier: MIT
// A generic objective that writes to a copy of the gradient.
// names: TakesGradientToWrite
#include <descent/descent.hpp>

const auto objective = []<class X>(const X& x,
#ifdef FAIL
                                   auto gradient
#else
                                   auto& gradient
#endif
                       ) {
  gradient = x;
  return x.squaredNorm() / 2;
};

auto run(Eigen::VectorXd& x, descent::Adam<double>& adam) { return descent::minimize(objective, x, adam); }

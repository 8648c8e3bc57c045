// SPDX-License-Identifier: MIT
// A Hessian as a function that returns g'Hg instead of Hg.
// names: HessianOf
#include <descent/curvature/steepest_descent.hpp>

#ifdef FAIL
double hessian(const Eigen::VectorXd& v) { return v.dot(2 * v); }
#else
Eigen::VectorXd hessian(const Eigen::VectorXd& v) { return 2 * v; }
#endif

double step(Eigen::VectorXd& x) { return descent::SteepestDescent<double>().step(x, x, hessian); }

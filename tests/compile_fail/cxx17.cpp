// SPDX-License-Identifier: MIT
// A standard older than C++20: one error says so, in place of hundreds about what it does not know.
// says alone: descent needs C++20
// breaks with: -std=c++17
#include <descent/descent.hpp>

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(x, g); }

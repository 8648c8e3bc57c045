// SPDX-License-Identifier: MIT
// A standard older than C++20: one error says so, instead of hundreds about features that it lacks.
// says alone: descent needs C++20
// breaks with: -std=c++17
#include <descent/descent.hpp>

void step(descent::Adam<double>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) { adam.step(x, g); }

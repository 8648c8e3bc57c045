// SPDX-License-Identifier: MIT
// Parameters in a vector that dies with the call; a span of parameters that live on is welcome.
// names: Writable
#include <descent/descent.hpp>

#include <span>
#include <vector>

#ifdef FAIL
using Range = std::vector<Eigen::VectorXd>;
#else
using Range = std::span<Eigen::VectorXd>;
#endif

void step(descent::Adam<double>& adam, std::vector<Eigen::VectorXd>& x, const std::vector<Eigen::VectorXd>& g) {
  adam.step(Range(x), g);
}

// SPDX-License-Identifier: MIT
// Parameters in a const vector of maps: Eigen's maps are const with it. A span of them is not.
// names: Writable
#include <descent/descent.hpp>

#include <span>
#include <vector>

using Map = Eigen::Map<Eigen::VectorXd>;
#ifdef FAIL
using Params = const std::vector<Map>&;
#else
using Params = const std::span<Map>&;
#endif

void step(descent::Adam<double>& adam, Params x, const std::vector<Map>& g) { adam.step(x, g); }

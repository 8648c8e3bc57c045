// SPDX-License-Identifier: MIT
// Parameters in a filter that owns them and dies with the call; one of parameters that live on is welcome.
// names: Writable
// only with: GNU
#include <descent/descent.hpp>

#include <ranges>
#include <utility>
#include <vector>

void step(descent::Adam<double>& adam, std::vector<Eigen::VectorXd>& x, const std::vector<Eigen::VectorXd>& g) {
  const auto is_long = std::views::filter([](const auto& tensor) { return tensor.size() > 3; });
#ifdef FAIL
  adam.step(std::move(x) | is_long, g);
#else
  adam.step(x | is_long, g);
#endif
}

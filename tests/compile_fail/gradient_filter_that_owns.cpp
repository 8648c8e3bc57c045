// SPDX-License-Identifier: MIT
// A filter of gradients that owns them: it can neither be walked through where it is const, nor copied.
// names: ReadableWhenConst
// only with: GNU
#include <descent/descent.hpp>

#include <ranges>
#include <utility>
#include <vector>

void step(descent::Adam<double>& adam, std::vector<Eigen::VectorXd>& x, std::vector<Eigen::VectorXd>& g) {
  const auto is_long = std::views::filter([](const auto& tensor) { return tensor.size() > 3; });
#ifdef FAIL
  adam.step(x, std::move(g) | is_long);
#else
  adam.step(x, g | is_long);
#endif
}

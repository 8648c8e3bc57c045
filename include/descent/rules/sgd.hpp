// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>

namespace descent::rules {

/// Stochastic gradient descent (Robbins & Monro 1951, A Stochastic Approximation Method).
///
///     step = learning_rate * g
///
/// State: none.
struct SGD {
  double learning_rate = 0.01;  ///< eta, finite and >= 0

  static constexpr std::string_view name = "descent::SGD";
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &SGD::learning_rate, nonnegative});
  }

  auto kernel(const auto& step) const {
    return [rate = step.real(learning_rate)](const auto&, const auto& g)
               __attribute__((always_inline)) { return rate * g; };
  }
};

}  // namespace descent::rules

// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>

namespace descent::rules {

/// AdaDelta (Zeiler 2012, arXiv:1212.5701, Algorithm 1).
///
///     s <- decay s + (1 - decay) g^2
///     u  = sqrt((d + epsilon) / (s + epsilon)) g
///     d <- decay d + (1 - decay) u^2
///     step = learning_rate * u
///
/// The paper has no learning rate (1); PyTorch's default is 1, Keras's is 0.001. The first steps are about
/// sqrt(epsilon) long, whatever the gradient: a slow start. A g^2 that overflows counts as the largest number, because
/// d would otherwise become NaN.
///
/// State: "squared_gradient" (s) and "squared_step" (d), one scalar per parameter each, starting at 0.
struct AdaDelta {
  double learning_rate = 1;  ///< eta, finite and >= 0
  double decay = 0.95;       ///< rho, in [0, 1)
  double epsilon = 1e-6;     ///< finite and > 0

  static constexpr std::string_view name = "descent::AdaDelta";
  static constexpr std::array<std::string_view, 2> state_names{"squared_gradient", "squared_step"};
  static constexpr std::array<int, 2> state_powers{2, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &AdaDelta::learning_rate, nonnegative},
                Hyperparameter{"decay", &AdaDelta::decay, below_one},
                Hyperparameter{"epsilon", &AdaDelta::epsilon, positive});
  }

  auto kernel(const auto& step) const {
    return [rate = step.real(learning_rate), decay = step.real(decay), rest = step.real(1 - decay),
            epsilon = step.real(epsilon)](const auto&, const auto& g, auto& s, auto& d) __attribute__((always_inline)) {
      // If the square overflows, the ratio is 0, and 0 times infinity would be a NaN.
      const auto g_squared = finite(rest * square(g));
      s = decay * s + g_squared;
      const auto ratio = (d + epsilon) / (s + epsilon);  // (u / g)^2
      d = decay * d + ratio * g_squared;
      return rate * g * sqrt(ratio);
    };
  }
};

}  // namespace descent::rules

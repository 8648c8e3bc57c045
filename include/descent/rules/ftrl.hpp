// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>

namespace descent::rules {

/// FTRL-Proximal, which keeps parameters at exactly 0 until their gradients speak for another value (McMahan et al.
/// 2013, Ad Click Prediction: a View from the Trenches, Algorithm 1).
///
///     sigma = (sqrt(n + g^2) - sqrt(n)) / learning_rate
///     z <- z + g + (l2_shrinkage - sigma) x
///     n <- n + g^2
///     x <- 0 if |z| <= l1,  else -(z - sign(z) l1) / ((beta + sqrt(n)) / learning_rate + l2)
///
/// x is computed from z and n alone, so where it was before the first step hardly matters. Keras has beta = 0, an
/// initial accumulator of 0.1, and the shrinkage, which the paper lacks: an L2 penalty that n does not see. Its two l2
/// strengths are half of l2 and l2_shrinkage here. Missing: a learning_rate_power other than its -0.5.
///
/// State: "linear" (z), starting at 0, and "squared_gradient" (n), starting at initial_accumulator; one scalar per
/// parameter each.
struct Ftrl {
  double learning_rate = 0.1;      ///< alpha, finite and > 0
  double beta = 1;                 ///< finite and >= 0
  double l1 = 0;                   ///< lambda_1, finite and >= 0
  double l2 = 0;                   ///< lambda_2, finite and >= 0
  double l2_shrinkage = 0;         ///< finite and >= 0
  double initial_accumulator = 0;  ///< n at the start, finite and >= 0; applies from the next reset

  static constexpr std::string_view name = "descent::Ftrl";
  static constexpr std::array<std::string_view, 2> state_names{"linear", "squared_gradient"};
  static constexpr std::array<int, 2> state_powers{1, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Ftrl::learning_rate, positive},
                Hyperparameter{"beta", &Ftrl::beta, nonnegative}, Hyperparameter{"l1", &Ftrl::l1, nonnegative},
                Hyperparameter{"l2", &Ftrl::l2, nonnegative},
                Hyperparameter{"l2_shrinkage", &Ftrl::l2_shrinkage, nonnegative},
                Hyperparameter{"initial_accumulator", &Ftrl::initial_accumulator, nonnegative});
  }
  void validate(const auto& expect) const {
    expect(beta > 0 || l2 > 0 || initial_accumulator > 0, "beta, l2 or initial_accumulator must be > 0");
  }

  auto initial_state(const auto& list) const { return list(0, initial_accumulator); }

  auto kernel(const auto& step) const {
    const double added = beta + descent::kernel::rounded_product(learning_rate, l2);
    return [alpha = step.real(learning_rate), inverse = step.finite(1 / learning_rate), l1 = step.real(l1),
            shrinkage = step.real(l2_shrinkage), added = step.real(step.normal(added))](
               const auto& x, const auto& g, auto& z, auto& n) __attribute__((always_inline)) {
      const auto before = sqrt(n);
      n = finite(n + square(g));
      const auto after = sqrt(n);
      z = z + (g + (shrinkage - inverse * (after - before)) * x);
      return x - alpha * (clamp(z, -l1, l1) - z) / (after + added);
    };
  }
};

}  // namespace descent::rules

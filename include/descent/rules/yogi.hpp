// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// Yogi: Adam whose second moment moves by a share of g^2, however large it is itself, so that rates grow slowly
/// (Zaheer, Reddi, Sachan, Kale & Kumar 2018, Adaptive Methods for Nonconvex Optimization, Algorithm 2).
///
///     m <- beta1 m + (1 - beta1) g,                    m_hat = m / (1 - beta1^t)
///     v <- v - (1 - beta2) sign(v - g^2) g^2,          v_hat = v / (1 - beta2^t)
///     step = learning_rate m_hat / (sqrt(v_hat) + epsilon)
///
/// The paper has neither bias correction (then m_hat = m and v_hat = v) nor, in its Algorithm 2, an initial accumulator
/// other than 0. Both are optax's, and the default.
///
/// State: "first_moment" (m) and "second_moment" (v), one scalar per parameter each, both starting at
/// initial_accumulator.
struct Yogi {
  double learning_rate = 0.01;        ///< eta, finite and >= 0
  double beta1 = 0.9;                 ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;               ///< 1 less the share, in [0, 1)
  double epsilon = 1e-3;              ///< finite and > 0
  double initial_accumulator = 1e-6;  ///< m and v at the start, finite and >= 0; applies from the next reset
  bool bias_correction = true;        ///< divide the moments by 1 - beta^t

  static constexpr std::string_view name = "descent::Yogi";
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "second_moment"};
  static constexpr std::array<int, 2> state_powers{1, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Yogi::learning_rate, nonnegative},
                Hyperparameter{"beta1", &Yogi::beta1, below_one}, Hyperparameter{"beta2", &Yogi::beta2, below_one},
                Hyperparameter{"epsilon", &Yogi::epsilon, positive},
                Hyperparameter{"initial_accumulator", &Yogi::initial_accumulator, nonnegative},
                Hyperparameter{"bias_correction", &Yogi::bias_correction});
  }

  auto running_factors(const auto& list) const { return list(beta1, beta2); }
  auto initial_state(const auto& list) const { return list(initial_accumulator, initial_accumulator); }

  auto kernel(const auto& step) const {
    const double correction1 = bias_correction ? 1 - step.products[0] : 1;
    const double correction2 = bias_correction ? 1 - step.products[1] : 1;
    const auto root = corrected_root(step, correction2, EpsilonPlacement::outside, epsilon);
    using Scalar = decltype(step.real(0));
    return [eps = root.epsilons, rate = root.rate(step, learning_rate, correction1), mean1 = step.moving_average(beta1),
            rest2 = step.real(1 - beta2)](const auto&, const auto& g, auto& m, auto& v) __attribute__((always_inline)) {
      const auto g2 = square(g);
      m = mean1(m, g);
      v = v + rest2 * select(v < g2, g2, select(v > g2, -g2, Scalar(0)));
      return rate * m / eps.root(v);
    };
  }
};

}  // namespace descent::rules

// SPDX-License-Identifier: MIT
//
// A rule of your own: what is here is all that descent::Optimizer<Lion, float> needs.
#pragma once

#include <array>
#include <string_view>

#include <descent/descent.hpp>

namespace examples {

/// Lion (Chen et al. 2023, arXiv:2302.06675, Algorithm 2), "evolved sign momentum".
///
///     c = beta1 m + (1 - beta1) g
///     step = learning_rate * (sign(c) + weight_decay x)
///     m <- beta2 m + (1 - beta2) g
///
/// Every parameter moves by learning_rate, whatever the size of its gradient.
///
/// State: "momentum" (m), one scalar per parameter, starting at 0.
struct Lion {
  double learning_rate = 1e-4;  ///< eta, finite and >= 0
  double beta1 = 0.9;           ///< weight of the momentum in the step, in [0, 1)
  double beta2 = 0.99;          ///< decay of the momentum, in [0, 1)
  double weight_decay = 0;      ///< lambda, finite and >= 0

  static constexpr std::string_view name = "Lion";
  static constexpr std::array<std::string_view, 1> state_names{"momentum"};
  static constexpr std::array<int, 1> state_powers{1};  // momentum is of the size of gradients, not of their squares

  /// What is checked, saved and loaded: every member, with its range.
  static constexpr auto hyperparameters(const auto& list) {
    using namespace descent::interval;
    using descent::Hyperparameter;
    return list(Hyperparameter{"learning_rate", &Lion::learning_rate, nonnegative},
                Hyperparameter{"beta1", &Lion::beta1, below_one}, Hyperparameter{"beta2", &Lion::beta2, below_one},
                Hyperparameter{"weight_decay", &Lion::weight_decay, nonnegative});
  }

  /// The coefficients of one step, rounded to the scalar, and its formula. A pack holds as many parameters as fit in a
  /// register, so `select` replaces `if`. Without always_inline the step is right but slow: the operators of a pack are
  /// compiled for this CPU's widest registers, and can be inlined only if the kernel is inlined.
  auto kernel(const auto& step) const {
    return [mean1 = step.moving_average(beta1), mean2 = step.moving_average(beta2), rate = step.real(learning_rate),
            decay = step.real(weight_decay)](const auto& x, const auto& g, auto& m) __attribute__((always_inline)) {
      const auto c = mean1(m, g);
      m = mean2(m, g);
      const auto sign = select(c > 0, 1, select(c < 0, -1, c));  // a NaN stays NaN
      return rate * (sign + decay * x);
    };
  }
};

static_assert(descent::Rule<Lion>);

}  // namespace examples

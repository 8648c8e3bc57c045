// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>

namespace descent::rules {

/// Lion: steps of one length, in the direction of a sign (Chen et al. 2023, Symbolic Discovery of Optimization
/// Algorithms, arXiv:2302.06675, Algorithm 2).
///
///     step = learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay x)
///     m <- beta2 m + (1 - beta2) g
///
/// with sign(0) = 0. The authors' code and Keras decay x first, which is the same but for rounding. Its rates are 3 to
/// 10 times smaller than Adam's, and its decays larger by as much. The defaults are the paper's; Keras starts at a rate
/// of 0.001, and optax decays by 0.001.
///
/// State: "first_moment" (m), one scalar per parameter, starting at 0.
struct Lion {
  double learning_rate = 0.0001;  ///< eta, finite and >= 0
  double beta1 = 0.9;             ///< weight of the moment in a step, in [0, 1)
  double beta2 = 0.99;            ///< decay of the moment, in [0, 1)
  double weight_decay = 0;        ///< lambda, finite and >= 0

  static constexpr std::string_view name = "descent::Lion";
  static constexpr std::array<std::string_view, 1> state_names{"first_moment"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Lion::learning_rate, nonnegative},
                Hyperparameter{"beta1", &Lion::beta1, below_one}, Hyperparameter{"beta2", &Lion::beta2, below_one},
                Hyperparameter{"weight_decay", &Lion::weight_decay, nonnegative});
  }

  auto kernel(const auto& step) const {
    const double shrinkage = descent::kernel::rounded_product(learning_rate, weight_decay);
    return [rate = step.real(learning_rate), shrinkage = step.real(shrinkage), mean1 = step.moving_average(beta1),
            mean2 = step.moving_average(beta2)](const auto& x, const auto& g, auto& m) __attribute__((always_inline)) {
      const auto direction = sign(mean1(m, g));
      m = mean2(m, g);
      return rate * direction + shrinkage * x;
    };
  }
};

}  // namespace descent::rules

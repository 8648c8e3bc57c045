// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// AdaGrad (Duchi, Hazan & Singer 2011, Adaptive Subgradient Methods for Online Learning and
/// Stochastic Optimization, Figure 1, with diagonal matrices).
///
///     s <- s + g^2
///     outside:  step = rate * g / (sqrt(s) + epsilon)
///     inside:   step = rate * g / sqrt(s + epsilon)
///     rate = learning_rate / (1 + (t - 1) learning_rate_decay)
///
/// Frameworks differ in epsilon (PyTorch 1e-10 outside, Keras 1e-7 and optax 1e-7 inside) and in the initial
/// accumulator (PyTorch 0, Keras and optax 0.1). The paper's rate does not decay; the decay is PyTorch's `lr_decay`.
///
/// State: "squared_gradient", one scalar per parameter, starting at initial_accumulator.
struct AdaGrad {
  double learning_rate = 0.01;                                     ///< eta, finite and >= 0
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside
  double initial_accumulator = 0;  ///< s at the start, finite and >= 0; applies from the next reset
  double learning_rate_decay = 0;  ///< finite and >= 0

  static constexpr std::string_view name = "descent::AdaGrad";
  static constexpr std::array<std::string_view, 1> state_names{"squared_gradient"};
  static constexpr std::array<int, 1> state_powers{2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &AdaGrad::learning_rate, nonnegative},
                Hyperparameter{"epsilon", &AdaGrad::epsilon, positive},
                Hyperparameter{"epsilon_placement", &AdaGrad::epsilon_placement, outside_or_inside},
                Hyperparameter{"initial_accumulator", &AdaGrad::initial_accumulator, nonnegative},
                Hyperparameter{"learning_rate_decay", &AdaGrad::learning_rate_decay, nonnegative});
  }

  auto initial_state(const auto& list) const { return list(initial_accumulator); }

  auto kernel(const auto& step) const {
    double rate = learning_rate;
    if (learning_rate_decay != 0)  // most steps need not wait for the division
      rate /= 1 + descent::kernel::rounded_product(static_cast<double>(step.t - 1), learning_rate_decay);
    return [rate = step.real(rate), epsilon = placed(step.real(epsilon), epsilon_placement)](
               const auto&, const auto& g, auto& s) __attribute__((always_inline)) {
      s = s + square(g);
      return rate * g / epsilon.root(s);
    };
  }
};

}  // namespace descent::rules

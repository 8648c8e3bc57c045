// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// RMSProp (Tieleman & Hinton 2012, Lecture 6.5 of Neural Networks for Machine Learning, Coursera).
///
///     s <- decay s + (1 - decay) g^2
///     outside:  step = learning_rate * g / (sqrt(s) + epsilon)
///     inside:   step = learning_rate * g / sqrt(s + epsilon)
///
/// Frameworks differ in decay (PyTorch 0.99, Keras and optax 0.9) and in where epsilon is added (PyTorch
/// outside, Keras and optax inside).
///
/// State: "squared_gradient", one scalar per parameter, starting at 0.
struct RMSProp {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double decay = 0.9;                                              ///< gamma, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside

  static constexpr std::string_view name = "descent::RMSProp";
  static constexpr std::array<std::string_view, 1> state_names{"squared_gradient"};
  static constexpr std::array<int, 1> state_powers{2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &RMSProp::learning_rate, nonnegative},
                Hyperparameter{"decay", &RMSProp::decay, below_one},
                Hyperparameter{"epsilon", &RMSProp::epsilon, positive},
                Hyperparameter{"epsilon_placement", &RMSProp::epsilon_placement, outside_or_inside});
  }

  auto kernel(const auto& step) const {
    return [rate = step.real(learning_rate), mean = step.moving_average(decay),
            epsilon = placed(step.real(epsilon), epsilon_placement)](const auto&, const auto& g, auto& s)
               __attribute__((always_inline)) {
      s = mean(s, square(g));
      return rate * g / epsilon.root(s);
    };
  }
};

}  // namespace descent::rules

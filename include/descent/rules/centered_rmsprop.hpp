// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// Centered RMSProp: divides by the gradient's standard deviation, not its root mean square (Graves 2013, Generating
/// Sequences With Recurrent Neural Networks, arXiv:1308.0850, equations 38 to 40).
///
///     s <- decay s + (1 - decay) g^2
///     m <- decay m + (1 - decay) g
///     outside:  step = learning_rate * g / (sqrt(max(s - m^2, 0)) + epsilon)
///     inside:   step = learning_rate * g / sqrt(max(s - m^2, 0) + epsilon)
///
/// With a gradient that hardly changes, rounding can make s - m^2 negative. PyTorch (epsilon outside), Keras and optax
/// (inside) take its root even then, and the parameter becomes NaN for good. Here it counts as 0, which makes a long
/// step of learning_rate g / epsilon or learning_rate g / sqrt(epsilon).
///
/// Graves adds momentum to it: see MomentumOfSteps in <descent/transforms/step.hpp>.
///
/// State: "squared_gradient" (s) and "mean_gradient" (m), one scalar per parameter each, starting at 0.
struct CenteredRMSProp {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double decay = 0.9;                                              ///< gamma, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside

  static constexpr std::string_view name = "descent::CenteredRMSProp";
  static constexpr std::array<std::string_view, 2> state_names{"squared_gradient", "mean_gradient"};
  static constexpr std::array<int, 2> state_powers{2, 1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &CenteredRMSProp::learning_rate, nonnegative},
                Hyperparameter{"decay", &CenteredRMSProp::decay, below_one},
                Hyperparameter{"epsilon", &CenteredRMSProp::epsilon, positive},
                Hyperparameter{"epsilon_placement", &CenteredRMSProp::epsilon_placement, outside_or_inside});
  }

  auto kernel(const auto& step) const {
    return [rate = step.real(learning_rate), mean = step.moving_average(decay),
            epsilon = placed(step.real(epsilon), epsilon_placement)](const auto&, const auto& g, auto& s, auto& m)
               __attribute__((always_inline)) {
      s = mean(s, square(g));
      m = mean(m, g);
      // If both squares overflow, their difference must not be a NaN.
      const auto variance = s - finite(square(m));
      return rate * g / epsilon.root(select(variance < 0, 0, variance));
    };
  }
};

}  // namespace descent::rules

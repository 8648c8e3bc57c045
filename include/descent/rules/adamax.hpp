// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// AdaMax: Adam with an infinity norm in place of the second moment (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2).
///
///     m <- beta1 m + (1 - beta1) g,   m_hat = m / (1 - beta1^t)
///     outside:  u <- max(beta2 u, |g|),             step = learning_rate m_hat / (u + epsilon)
///     inside:   u <- max(beta2 u, |g| + epsilon),   step = learning_rate m_hat / u
///
/// The paper has no epsilon. In PyTorch and optax it is inside, in Keras outside. optax's adamaxw: AdaMax and
/// transforms::WeightDecay in a Chain.
///
/// State: "first_moment" (m) and "infinity_norm" (u), one scalar per parameter each, starting at 0.
struct AdaMax {
  double learning_rate = 0.002;                                    ///< eta, finite and >= 0
  double beta1 = 0.9;                                              ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                                            ///< decay of the infinity norm, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside

  static constexpr std::string_view name = "descent::AdaMax";
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "infinity_norm"};
  static constexpr std::array<int, 2> state_powers{1, 1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &AdaMax::learning_rate, nonnegative},
                Hyperparameter{"beta1", &AdaMax::beta1, below_one}, Hyperparameter{"beta2", &AdaMax::beta2, below_one},
                Hyperparameter{"epsilon", &AdaMax::epsilon, positive},
                Hyperparameter{"epsilon_placement", &AdaMax::epsilon_placement, outside_or_inside});
  }

  auto running_factors(const auto& list) const { return list(beta1); }

  auto kernel(const auto& step) const {
    const auto eps = placed(step.real(epsilon), epsilon_placement);
    return [eps, rate = step.finite(learning_rate / (1 - step.products[0])), mean = step.moving_average(beta1),
            beta2 = step.real(beta2)](const auto&, const auto& g, auto& m, auto& u) __attribute__((always_inline)) {
      m = mean(m, g);
      const auto faded = beta2 * u, size = abs(g) + eps.inside;
      u = select(faded < size, size, faded);
      return rate * m / (u + eps.outside);
    };
  }
};

}  // namespace descent::rules

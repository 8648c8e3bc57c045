// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// AdaBelief: Adam that divides by how far gradients are from their mean (Zhuang et al. 2020, AdaBelief Optimizer,
/// arXiv:2010.07468, Algorithm 2).
///
///     m <- beta1 m + (1 - beta1) g,                        m_hat = m / (1 - beta1^t)
///     s <- beta2 s + (1 - beta2) (g - m)^2 + epsilon_root,   s_hat = s / (1 - beta2^t)
///     step = learning_rate m_hat / (sqrt(s_hat) + epsilon)
///
/// epsilon_root is added to the state itself, at each step, so that it gathers to epsilon_root / (1 - beta2). The
/// paper's two epsilons are one number, as are the defaults here, which are the authors' and optax's. The authors'
/// rectification (RAdam's) is missing here. Their decoupled decay: AdaBelief and transforms::WeightDecay in a Chain.
///
/// State: "first_moment" (m) and "squared_deviation" (s), one scalar per parameter each, starting at 0.
struct AdaBelief {
  double learning_rate = 0.001;  ///< eta, finite and >= 0
  double beta1 = 0.9;            ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;          ///< decay of the squared deviation, in [0, 1)
  double epsilon = 1e-16;        ///< finite and > 0
  double epsilon_root = 1e-16;   ///< finite and >= 0

  static constexpr std::string_view name = "descent::AdaBelief";
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "squared_deviation"};
  static constexpr std::array<int, 2> state_powers{1, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &AdaBelief::learning_rate, nonnegative},
                Hyperparameter{"beta1", &AdaBelief::beta1, below_one},
                Hyperparameter{"beta2", &AdaBelief::beta2, below_one},
                Hyperparameter{"epsilon", &AdaBelief::epsilon, positive},
                Hyperparameter{"epsilon_root", &AdaBelief::epsilon_root, nonnegative});
  }

  auto running_factors(const auto& list) const { return list(beta1, beta2); }

  auto kernel(const auto& step) const {
    const auto root = corrected_root(step, 1 - step.products[1], EpsilonPlacement::outside, epsilon);
    return [eps = root.epsilons, rate = root.rate(step, learning_rate, 1 - step.products[0]),
            added = step.real(epsilon_root), mean1 = step.moving_average(beta1), mean2 = step.moving_average(beta2)](
               const auto&, const auto& g, auto& m, auto& s) __attribute__((always_inline)) {
      m = mean1(m, g);
      s = mean2(s, square(g - m)) + added;
      return rate * m / eps.root(s);
    };
  }
};

}  // namespace descent::rules

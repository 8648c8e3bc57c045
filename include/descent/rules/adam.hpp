// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// Adam (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1; `hat` is the form at the end of its section 2).
///
///     m <- beta1 m + (1 - beta1) g,     m_hat = m / (1 - beta1^t)
///     v <- beta2 v + (1 - beta2) g^2,   v_hat = v / (1 - beta2^t)
///     outside:  step = learning_rate * m_hat / (sqrt(v_hat) + epsilon)
///     inside:   step = learning_rate * m_hat / sqrt(v_hat + epsilon)
///     hat:      step = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
///
/// Without bias correction m_hat = m and v_hat = v, and `hat` equals `outside`. beta^t is the product of the betas
/// actually used, so a beta may change during a run. PyTorch's epsilon is outside (1e-8), Keras's is the hat (1e-7).
/// optax has another epsilon under the root, eps_root, called epsilon_root here: sqrt(v_hat + epsilon_root) + epsilon.
///
/// State: "first_moment" (m) and "second_moment" (v), one scalar per parameter each, starting at 0.
struct Adam {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double beta1 = 0.9;                                              ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                                            ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  double epsilon_root = 0;                                         ///< added to v_hat, or to v for hat; finite and >= 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside, inside or hat
  bool bias_correction = true;                                     ///< divide the moments by 1 - beta^t

  static constexpr std::string_view name = "descent::Adam";
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "second_moment"};
  static constexpr std::array<int, 2> state_powers{1, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Adam::learning_rate, nonnegative},
                Hyperparameter{"beta1", &Adam::beta1, below_one}, Hyperparameter{"beta2", &Adam::beta2, below_one},
                Hyperparameter{"epsilon", &Adam::epsilon, positive},
                Hyperparameter{"epsilon_placement", &Adam::epsilon_placement},
                Hyperparameter{"epsilon_root", &Adam::epsilon_root, nonnegative},
                Hyperparameter{"bias_correction", &Adam::bias_correction});
  }

  /// beta1^t and beta2^t.
  auto running_factors(const auto& list) const { return list(beta1, beta2); }

  auto kernel(const auto& step) const {
    const double correction1 = bias_correction ? 1 - step.products[0] : 1;
    const double correction2 = bias_correction ? 1 - step.products[1] : 1;
    const auto root = corrected_root(step, correction2, epsilon_placement, epsilon, epsilon_root);
    return [eps = root.epsilons, rate = root.rate(step, learning_rate, correction1), mean1 = step.moving_average(beta1),
            mean2 = step.moving_average(beta2)](const auto&, const auto& g, auto& m, auto& v)
               __attribute__((always_inline)) {
      m = mean1(m, g);
      v = mean2(v, square(g));
      return rate * m / eps.root(v);
    };
  }
};

}  // namespace descent::rules

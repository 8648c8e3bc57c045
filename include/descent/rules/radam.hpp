// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>
#include <variant>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// RAdam: Adam whose first steps do not trust the second moment (Liu et al. 2020, On the Variance of the Adaptive
/// Learning Rate and Beyond, arXiv:1908.03265, Algorithm 2).
///
///     m <- beta1 m + (1 - beta1) g,     m_hat = m / (1 - beta1^t)
///     v <- beta2 v + (1 - beta2) g^2,   v_hat = v / (1 - beta2^t)
///     rho = rho_inf - 2 t beta2^t / (1 - beta2^t),   rho_inf = 2 / (1 - beta2) - 1
///     rho > threshold:  step = learning_rate r m_hat / (sqrt(v_hat) + epsilon),
///                       r^2 = (rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho)
///     otherwise:        step = learning_rate m_hat
///
/// epsilon_placement is as in Adam. The threshold is 4 in the paper, and 5 in PyTorch, whose epsilon is the hat, and
/// optax, whose epsilon is outside. PyTorch's decoupled_weight_decay: RAdam and transforms::WeightDecay in a Chain.
///
/// State: "first_moment" (m) and "second_moment" (v), one scalar per parameter each, starting at 0.
struct RAdam {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double beta1 = 0.9;                                              ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                                            ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside, inside or hat
  double threshold = 5;                                            ///< finite and >= 4

  static constexpr std::string_view name = "descent::RAdam";
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "second_moment"};
  static constexpr std::array<int, 2> state_powers{1, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &RAdam::learning_rate, nonnegative},
                Hyperparameter{"beta1", &RAdam::beta1, below_one}, Hyperparameter{"beta2", &RAdam::beta2, below_one},
                Hyperparameter{"epsilon", &RAdam::epsilon, positive},
                Hyperparameter{"epsilon_placement", &RAdam::epsilon_placement},
                Hyperparameter{"threshold", &RAdam::threshold, nonnegative});
  }
  void validate(const auto& expect) const { expect(threshold >= 4, "threshold must be at least 4"); }

  auto running_factors(const auto& list) const { return list(beta1, beta2); }

  auto kernel(const auto& step) const {
    using descent::kernel::rounded, descent::kernel::rounded_product;
    const double rate = rounded(learning_rate / (1 - step.products[0]));
    const double power = step.products[1], correction = rounded(1 - power);
    const double rho_inf = rounded(rounded(2 / (1 - beta2)) - 1);
    const double rho = rounded(rho_inf - rounded(rounded_product(2 * static_cast<double>(step.t), power) / correction));
    const auto mean1 = step.moving_average(beta1), mean2 = step.moving_average(beta2);
    auto plain = [=, rate = step.finite(rate)](const auto&, const auto& g, auto& m, auto& v)
                     __attribute__((always_inline)) {
      m = mean1(m, g);
      v = mean2(v, square(g));
      return rate * m;
    };
    const auto root = corrected_root(step, correction, epsilon_placement, epsilon);
    const double above = rounded_product(rounded_product(rho - 4, rho - 2), rho_inf);
    const double below = rounded_product(rounded_product(rho_inf - 4, rho_inf - 2), rho);
    const double r = descent::kernel::square_root(above / below);
    auto rectified = [=, eps = root.epsilons, rate = step.finite(rounded_product(rate, root.factor) * r)](
                         const auto&, const auto& g, auto& m, auto& v) __attribute__((always_inline)) {
      m = mean1(m, g);
      v = mean2(v, square(g));
      return rate * m / eps.root(v);
    };
    using Kernel = std::variant<decltype(rectified), decltype(plain)>;
    return rho > threshold ? Kernel(rectified) : Kernel(plain);
  }
};

}  // namespace descent::rules

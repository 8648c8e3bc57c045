// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>
#include <type_traits>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// Adan: adaptive Nesterov momentum, from the differences of gradients (Xie, Zhou, Li, Lin & Yan 2022, Adan,
/// arXiv:2208.06677, Algorithm 1, with the restart condition left out and, as in the authors' code, bias corrections).
///
///     d = g - previous g,  0 at the first step
///     m <- beta1 m + (1 - beta1) g,                      m_hat = m / (1 - beta1^t)
///     w <- beta2 w + (1 - beta2) d,                      w_hat = w / (1 - beta2^t)
///     n <- beta3 n + (1 - beta3) (g + beta2 d)^2,        n_hat = n / (1 - beta3^t)
///     u = learning_rate (m_hat + beta2 w_hat) / (sqrt(n_hat) + epsilon)
///     proximal:       x <- (x - u) / (1 + learning_rate weight_decay)
///     not proximal:   x <- x - u - learning_rate weight_decay x
///
/// The betas are the authors' code's; those of the paper are 1 minus these. `proximal = false` is its no_prox. Its
/// max_grad_norm: transforms::ClipNorm before Adan in a Chain. optax 0.2.8 computes something else: it has 1 - beta2 in
/// a place of beta2.
///
/// State: "first_moment" (m), "difference_moment" (w), "second_moment" (n) and "previous_gradient", one scalar per
/// parameter each, starting at 0.
struct Adan {
  double learning_rate = 0.001;  ///< eta, finite and >= 0
  double beta1 = 0.98;           ///< decay of the first moment, in [0, 1)
  double beta2 = 0.92;           ///< decay of the difference's moment, in [0, 1)
  double beta3 = 0.99;           ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;         ///< finite and > 0
  double weight_decay = 0;       ///< lambda, finite and >= 0
  bool proximal = true;          ///< how the decay is applied

  static constexpr std::string_view name = "descent::Adan";
  static constexpr std::array<std::string_view, 4> state_names{"first_moment", "difference_moment", "second_moment",
                                                               "previous_gradient"};
  static constexpr std::array<int, 4> state_powers{1, 1, 2, 1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Adan::learning_rate, nonnegative},
                Hyperparameter{"beta1", &Adan::beta1, below_one}, Hyperparameter{"beta2", &Adan::beta2, below_one},
                Hyperparameter{"beta3", &Adan::beta3, below_one}, Hyperparameter{"epsilon", &Adan::epsilon, positive},
                Hyperparameter{"weight_decay", &Adan::weight_decay, nonnegative},
                Hyperparameter{"proximal", &Adan::proximal});
  }

  auto running_factors(const auto& list) const { return list(beta1, beta2, beta3); }

  auto kernel(const auto& step) const {
    using descent::kernel::rounded, descent::kernel::rounded_product;
    using Scalar = decltype(step.real(0));
    const auto root = corrected_root(step, 1 - step.products[2], EpsilonPlacement::outside, epsilon);
    const double rate = rounded_product(learning_rate, root.factor);
    const double decay = rounded_product(learning_rate, weight_decay);
    return [eps = root.epsilons, of_m = step.finite(rate / (1 - step.products[0])),
            of_w = step.finite(rounded_product(rate, beta2) / (1 - step.products[1])),
            mean1 = step.moving_average(beta1), mean2 = step.moving_average(beta2), mean3 = step.moving_average(beta3),
            decay = step.real(decay), shrinkage = step.real(proximal ? 1 / (1 + decay) : 1),
            is_first = Scalar(step.t == 1)](const auto& x, const auto& g, auto& m, auto& w, auto& n, auto& previous)
               __attribute__((always_inline)) {
      using Pack = std::remove_cvref_t<decltype(g)>;
      const Pack d = select(Pack(is_first) > Scalar(0), Scalar(0), g - previous);
      m = mean1(m, g);
      w = mean2(w, d);
      n = mean3(n, square(g + mean2.decay * d));
      previous = copied(g);
      return shrinkage * ((of_m * m + of_w * w) / eps.root(n) + decay * x);
    };
  }
};

}  // namespace descent::rules

// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/kernel/scalar_math.hpp>
#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {
inline namespace DESCENT_FLAGS {

/// mu(t) of NAdam, for power = 0.96^(t momentum_decay).
inline double nadam_decay(double beta1, double power) { return kernel::rounded_product(beta1, 1 - power / 2); }

}  // namespace DESCENT_FLAGS

/// NAdam: Adam with Nesterov's momentum (Dozat 2016, Incorporating Nesterov Momentum into Adam, Algorithm 2), whose
/// decay grows from beta1 / 2 to beta1.
///
///     mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2),   P = mu(1) mu(2) ... mu(t)
///     m <- beta1 m + (1 - beta1) g
///     v <- beta2 v + (1 - beta2) g^2,   v_hat = v / (1 - beta2^t)
///     step = learning_rate ((1 - mu(t)) / (1 - P) g + mu(t + 1) / (1 - P mu(t + 1)) m) / (sqrt(v_hat) + epsilon)
///
/// PyTorch has the paper's momentum_decay, 0.004; Keras has 1; optax has no such schedule, which is an infinite one:
/// mu = beta1. With PyTorch's decoupled_weight_decay and for optax's nadamw: NAdam and transforms::WeightDecay in a
/// Chain.
///
/// State: "first_moment" (m) and "second_moment" (v), one scalar per parameter each, starting at 0.
struct NAdam {
  double learning_rate = 0.002;   ///< eta, finite and >= 0
  double beta1 = 0.9;             ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;           ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;          ///< finite and > 0
  double momentum_decay = 0.004;  ///< psi, > 0; infinity for a constant mu; applies from the next reset

  static constexpr std::string_view name = "descent::NAdam";
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "second_moment"};
  static constexpr std::array<int, 2> state_powers{1, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &NAdam::learning_rate, nonnegative},
                Hyperparameter{"beta1", &NAdam::beta1, below_one}, Hyperparameter{"beta2", &NAdam::beta2, below_one},
                Hyperparameter{"epsilon", &NAdam::epsilon, positive},
                Hyperparameter{"momentum_decay", &NAdam::momentum_decay, positive_or_infinite});
  }

  auto running_factors(const auto& list) const { return list(beta2); }
  /// P, 0.96^(t momentum_decay) and 0.96^momentum_decay. The first two become 0 like products of running factors.
  auto running_numbers(const auto& list) const {
    const auto product = [](double before, double factor) {
      return before < 0x1p-60 ? 0 : descent::kernel::rounded_product(before, factor);
    };
    const bool is_first = list.t == 1;
    const double decay = is_first ? descent::kernel::pow(0.96, momentum_decay) : list.before(2);
    const double power = is_first ? decay : product(list.before(1), decay);
    return list(product(is_first ? 1 : list.before(0), nadam_decay(beta1, power)), power, decay);
  }

  auto kernel(const auto& step) const {
    const double product = step.numbers[0], power = step.numbers[1];
    const double now = nadam_decay(beta1, power),
                 next = nadam_decay(beta1, descent::kernel::rounded_product(power, step.numbers[2]));
    const auto root = corrected_root(step, 1 - step.products[0], EpsilonPlacement::outside, epsilon);
    const double rate = descent::kernel::rounded(learning_rate * root.factor);
    const double share_of_g = descent::kernel::rounded((1 - now) / (1 - product));
    const double share_of_m = descent::kernel::rounded(next / (1 - descent::kernel::rounded_product(product, next)));
    const auto of_g = step.finite(rate * share_of_g), of_m = step.finite(rate * share_of_m);
    return [eps = root.epsilons, of_g, of_m, mean1 = step.moving_average(beta1), mean2 = step.moving_average(beta2)](
               const auto&, const auto& g, auto& m, auto& v) __attribute__((always_inline)) {
      m = mean1(m, g);
      v = mean2(v, square(g));
      return (of_g * g + of_m * m) / eps.root(v);
    };
  }
};

}  // namespace descent::rules

// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent {

/// Which second moment AMSGrad takes the maximum of: as it is, or after its bias correction.
enum class MaximumOf { raw, corrected };

consteval std::array<std::string_view, 2> enumerator_names(MaximumOf) { return {"raw", "corrected"}; }

namespace rules {

/// AMSGrad: Adam with the largest second moment so far, so that no rate ever grows (Reddi, Kale & Kumar 2018, On the
/// Convergence of Adam and Beyond, arXiv:1904.09237, Algorithm 2).
///
///     m <- beta1 m + (1 - beta1) g
///     v <- beta2 v + (1 - beta2) g^2
///     raw:        w <- max(w, v),                  step = learning_rate m_hat / (sqrt(w / (1 - beta2^t)) + epsilon)
///     corrected:  w <- max(w, v / (1 - beta2^t)),  step = learning_rate m_hat / (sqrt(w) + epsilon)
///
/// with m_hat = m / (1 - beta1^t). epsilon_placement and bias_correction are as in Adam; without correction, as in the
/// paper, the two maxima are the same. PyTorch and Keras take the `raw` maximum and correct it then, optax the maximum
/// of `corrected` moments. Keras's epsilon is the hat.
///
/// State: "first_moment" (m), "second_moment" (v) and "largest_second_moment" (w), one scalar per parameter each,
/// starting at 0.
struct AMSGrad {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double beta1 = 0.9;                                              ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                                            ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside, inside or hat
  MaximumOf maximum_of = MaximumOf::raw;                           ///< raw or corrected
  bool bias_correction = true;                                     ///< divide the moments by 1 - beta^t

  static constexpr std::string_view name = "descent::AMSGrad";
  static constexpr std::array<std::string_view, 3> state_names{"first_moment", "second_moment",
                                                               "largest_second_moment"};
  static constexpr std::array<int, 3> state_powers{1, 2, 2};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &AMSGrad::learning_rate, nonnegative},
                Hyperparameter{"beta1", &AMSGrad::beta1, below_one},
                Hyperparameter{"beta2", &AMSGrad::beta2, below_one},
                Hyperparameter{"epsilon", &AMSGrad::epsilon, positive},
                Hyperparameter{"epsilon_placement", &AMSGrad::epsilon_placement},
                Hyperparameter{"maximum_of", &AMSGrad::maximum_of},
                Hyperparameter{"bias_correction", &AMSGrad::bias_correction});
  }

  auto running_factors(const auto& list) const { return list(beta1, beta2); }

  auto kernel(const auto& step) const {
    const double correction1 = bias_correction ? 1 - step.products[0] : 1;
    const double correction2 = bias_correction ? 1 - step.products[1] : 1;
    const bool raw = maximum_of == MaximumOf::raw;
    const auto root = corrected_root(step, raw ? correction2 : 1, epsilon_placement, epsilon);
    return [eps = root.epsilons, rate = root.rate(step, learning_rate, correction1),
            correction = step.real(raw ? 1 : 1 / correction2), mean1 = step.moving_average(beta1),
            mean2 = step.moving_average(beta2)](const auto&, const auto& g, auto& m, auto& v, auto& w)
               __attribute__((always_inline)) {
      m = mean1(m, g);
      v = mean2(v, square(g));
      const auto candidate = correction * v;
      w = select(w < candidate, candidate, w);
      return rate * m / eps.root(w);
    };
  }
};

}  // namespace rules

}  // namespace descent

// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <variant>

#include <Eigen/Core>

#include <descent/epsilon.hpp>
#include <descent/hyperparameter.hpp>
#include <descent/optimizer.hpp>

namespace descent {

namespace rules {

/// Adam (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1; `hat` is the form at the end of its section 2).
///
///     m <- beta1 m + (1 - beta1) g,     m_hat = m / (1 - beta1^t)
///     v <- beta2 v + (1 - beta2) g^2,   v_hat = v / (1 - beta2^t)
///     outside:  step = learning_rate * m_hat / (sqrt(v_hat) + epsilon)
///     inside:   step = learning_rate * m_hat / sqrt(v_hat + epsilon)
///     hat:      step = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
///
/// Without bias correction m_hat = m and v_hat = v, and `hat` equals `outside`. beta^t is the product
/// of the betas that were in force, so a beta may change during a run. PyTorch's epsilon is outside
/// (1e-8), that of Keras is the hat (1e-7).
///
/// State: "first_moment" (m) and "second_moment" (v), one scalar per parameter each, from 0.
struct Adam {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double beta1 = 0.9;                                              ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                                            ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside, inside or hat
  bool bias_correction = true;                                     ///< divide the moments by 1 - beta^t

  static constexpr std::string_view name = "descent::Adam";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &Adam::learning_rate}, Hyperparameter{"beta1", &Adam::beta1},
               Hyperparameter{"beta2", &Adam::beta2}, Hyperparameter{"epsilon", &Adam::epsilon},
               Hyperparameter{"epsilon_placement", &Adam::epsilon_placement},
               Hyperparameter{"bias_correction", &Adam::bias_correction});
  }
  static constexpr std::array<std::string_view, 2> state_names{"first_moment", "second_moment"};
  static constexpr std::array<int, 2> state_powers{1, 2};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
    require_in_range<Scalar>(name, "beta1", beta1, interval::below_one);
    require_in_range<Scalar>(name, "beta2", beta2, interval::below_one);
    require_in_range<Scalar>(name, "epsilon", epsilon, interval::positive);
    require_choice(epsilon_placement == EpsilonPlacement::outside || epsilon_placement == EpsilonPlacement::inside ||
                       epsilon_placement == EpsilonPlacement::hat,
                   name, "epsilon_placement must be outside, inside or hat");
  }

  /// beta1^t and beta2^t.
  DESCENT_TAGGED std::array<double, 2> running_factors() const { return {beta1, beta2}; }

  /// The bias corrections are folded into rate and epsilon: two divisions per element saved.
  template <class Scalar, EpsilonPlacement placement>
  struct DESCENT_TAGGED Kernel {
    Scalar beta1, one_minus_beta1, beta2, one_minus_beta2, rate, epsilon;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& m, Pack& v) const {
      m = beta1 * m + one_minus_beta1 * g;
      v = beta2 * v + one_minus_beta2 * square(g);
      return scaled<placement>(rate, m, v, epsilon);
    }
  };

  template <class Scalar>
  DESCENT_TAGGED std::variant<Kernel<Scalar, EpsilonPlacement::outside>, Kernel<Scalar, EpsilonPlacement::inside>>
  kernel(std::int64_t, const std::array<double, 2>& beta_powers) const {
    const double correction1 = bias_correction ? 1 - beta_powers[0] : 1;
    const double correction2 = bias_correction ? 1 - beta_powers[1] : 1;
    const double root2 = descent::kernel::square_root(correction2);
    const double rate = descent::kernel::rounded(learning_rate / correction1) * root2;
    const auto kernel_of = [&]<EpsilonPlacement placement>(double folded_epsilon) {
      // Where the correction takes epsilon below the smallest normal number, or the rate above the largest,
      // neither 0 / 0 nor infinity * 0 must follow.
      const auto smallest = static_cast<double>((std::numeric_limits<Scalar>::min)());
      const auto largest = static_cast<double>((std::numeric_limits<Scalar>::max)());
      return Kernel<Scalar, placement>{static_cast<Scalar>(beta1),
                                       static_cast<Scalar>(1 - beta1),
                                       static_cast<Scalar>(beta2),
                                       static_cast<Scalar>(1 - beta2),
                                       static_cast<Scalar>((std::min)(rate, largest)),
                                       static_cast<Scalar>((std::max)(folded_epsilon, smallest))};
    };
    using enum EpsilonPlacement;
    switch (epsilon_placement) {
      case inside:
        return kernel_of.template operator()<inside>(epsilon * correction2);
      case hat:
        return kernel_of.template operator()<outside>(epsilon);
      default:
        return kernel_of.template operator()<outside>(epsilon * root2);
    }
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using Adam = Optimizer<rules::Adam, Scalar, Size>;

}  // namespace descent

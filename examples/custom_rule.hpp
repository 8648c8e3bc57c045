// SPDX-License-Identifier: MIT
//
// A rule of one's own: what stands here is all that descent::Optimizer<Lion, float> needs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <descent/descent.hpp>

namespace examples {

/// Lion (Chen et al. 2023, arXiv:2302.06675, Algorithm 2), "evolved sign momentum".
///
///     c = beta1 m + (1 - beta1) g
///     step = learning_rate * (sign(c) + weight_decay x)
///     m <- beta2 m + (1 - beta2) g
///
/// Every parameter moves by learning_rate, whatever the size of its gradient.
///
/// State: "momentum" (m), one scalar per parameter, from 0.
struct Lion {
  double learning_rate = 1e-4;  ///< eta, finite and >= 0
  double beta1 = 0.9;           ///< weight of the momentum in the step, in [0, 1)
  double beta2 = 0.99;          ///< decay of the momentum, in [0, 1)
  double weight_decay = 0;      ///< lambda, finite and >= 0

  static constexpr std::string_view name = "Lion";
  static constexpr std::array<std::string_view, 1> state_names{"momentum"};

  /// For descent::save and load; a rule that is never saved can do without.
  static constexpr auto hyperparameters(const auto& use) {
    return use(descent::Hyperparameter{"learning_rate", &Lion::learning_rate},
               descent::Hyperparameter{"beta1", &Lion::beta1}, descent::Hyperparameter{"beta2", &Lion::beta2},
               descent::Hyperparameter{"weight_decay", &Lion::weight_decay});
  }

  template <class Scalar = double>
  void validate() const {
    descent::require_in_range<Scalar>(name, "learning_rate", learning_rate, descent::interval::nonnegative);
    descent::require_in_range<Scalar>(name, "beta1", beta1, descent::interval::below_one);
    descent::require_in_range<Scalar>(name, "beta2", beta2, descent::interval::below_one);
    descent::require_in_range<Scalar>(name, "weight_decay", weight_decay, descent::interval::nonnegative);
  }

  template <class Scalar>
  struct Kernel {
    Scalar beta1, one_minus_beta1, beta2, one_minus_beta2, rate, weight_decay;

    /// A pack holds as many parameters as a register does, so there is no `if` but `select`. Without
    /// always_inline the step is right but slow: the operators of a pack are compiled for this CPU's
    /// widest registers, and only where the kernel is inlined can they be inlined through it.
    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, Pack& m) const {
      const Pack c = beta1 * m + one_minus_beta1 * g;
      m = beta2 * m + one_minus_beta2 * g;
      const Pack sign = select(c > Scalar(0), Scalar(1), select(c < Scalar(0), Scalar(-1), c));  // a NaN stays one
      return rate * (sign + weight_decay * x);
    }
  };

  template <class Scalar>
  Kernel<Scalar> kernel(std::int64_t) const {
    return {static_cast<Scalar>(beta1),     static_cast<Scalar>(1 - beta1),     static_cast<Scalar>(beta2),
            static_cast<Scalar>(1 - beta2), static_cast<Scalar>(learning_rate), static_cast<Scalar>(weight_decay)};
  }
};

static_assert(descent::Rule<Lion>);

}  // namespace examples

// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include <Eigen/Core>

#include <descent/hyperparameter.hpp>
#include <descent/optimizer.hpp>

namespace descent {

namespace rules {

/// AdaDelta (Zeiler 2012, arXiv:1212.5701, Algorithm 1).
///
///     s <- decay s + (1 - decay) g^2
///     u  = sqrt((d + epsilon) / (s + epsilon)) g
///     d <- decay d + (1 - decay) u^2
///     step = learning_rate * u
///
/// The paper has no learning rate (1); PyTorch's default is 1, that of Keras 0.001. The first steps
/// are about sqrt(epsilon) long, whatever the gradient: a slow start. A g^2 that overflows counts as the largest number,
/// as d would otherwise become NaN.
///
/// State: "squared_gradient" (s) and "squared_step" (d), one scalar per parameter each, from 0.
struct AdaDelta {
  double learning_rate = 1;  ///< eta, finite and >= 0
  double decay = 0.95;       ///< rho, in [0, 1)
  double epsilon = 1e-6;     ///< finite and > 0

  static constexpr std::string_view name = "descent::AdaDelta";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &AdaDelta::learning_rate}, Hyperparameter{"decay", &AdaDelta::decay},
               Hyperparameter{"epsilon", &AdaDelta::epsilon});
  }
  static constexpr std::array<std::string_view, 2> state_names{"squared_gradient", "squared_step"};
  static constexpr std::array<int, 2> state_powers{2, 2};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
    require_in_range<Scalar>(name, "decay", decay, interval::below_one);
    require_in_range<Scalar>(name, "epsilon", epsilon, interval::positive);
  }

  template <class Scalar>
  struct DESCENT_TAGGED Kernel {
    Scalar learning_rate, decay, one_minus_decay, epsilon;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& s, Pack& d) const {
      // Where it overflows, the ratio is 0, and 0 times infinity would be a NaN.
      constexpr Scalar largest = (std::numeric_limits<Scalar>::max)();
      const Pack product = one_minus_decay * square(g);
      const Pack g_squared = select(product > largest, largest, product);
      s = decay * s + g_squared;
      const Pack ratio = (d + epsilon) / (s + epsilon);  // (u / g)^2
      d = decay * d + ratio * g_squared;
      return learning_rate * g * sqrt(ratio);
    }
  };

  template <class Scalar>
  DESCENT_TAGGED Kernel<Scalar> kernel(std::int64_t) const {
    return {static_cast<Scalar>(learning_rate), static_cast<Scalar>(decay), static_cast<Scalar>(1 - decay),
            static_cast<Scalar>(epsilon)};
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using AdaDelta = Optimizer<rules::AdaDelta, Scalar, Size>;

}  // namespace descent

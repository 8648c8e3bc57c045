// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <Eigen/Core>

#include <descent/epsilon.hpp>
#include <descent/hyperparameter.hpp>
#include <descent/optimizer.hpp>

namespace descent {

namespace rules {

/// AdaGrad (Duchi, Hazan & Singer 2011, Adaptive Subgradient Methods for Online Learning and
/// Stochastic Optimization, Figure 1, with diagonal matrices).
///
///     s <- s + g^2
///     outside:  step = rate * g / (sqrt(s) + epsilon)
///     inside:   step = rate * g / sqrt(s + epsilon)
///     rate = learning_rate / (1 + (t - 1) learning_rate_decay)
///
/// Frameworks differ in epsilon (PyTorch 1e-10 outside, Keras 1e-7 and optax 1e-7 inside) and in the
/// accumulator's start (PyTorch 0, Keras and optax 0.1). The paper's rate does not decay; that it can
/// is PyTorch's `lr_decay`.
///
/// State: "squared_gradient", one scalar per parameter, from initial_accumulator.
struct AdaGrad {
  double learning_rate = 0.01;                                     ///< eta, finite and >= 0
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside
  double initial_accumulator = 0;  ///< where s starts, finite and >= 0; counts from the next reset
  double learning_rate_decay = 0;  ///< finite and >= 0

  static constexpr std::string_view name = "descent::AdaGrad";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &AdaGrad::learning_rate}, Hyperparameter{"epsilon", &AdaGrad::epsilon},
               Hyperparameter{"epsilon_placement", &AdaGrad::epsilon_placement},
               Hyperparameter{"initial_accumulator", &AdaGrad::initial_accumulator},
               Hyperparameter{"learning_rate_decay", &AdaGrad::learning_rate_decay});
  }
  static constexpr std::array<std::string_view, 1> state_names{"squared_gradient"};
  static constexpr std::array<int, 1> state_powers{2};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
    require_in_range<Scalar>(name, "epsilon", epsilon, interval::positive);
    require_outside_or_inside(name, epsilon_placement);
    require_in_range<Scalar>(name, "initial_accumulator", initial_accumulator, interval::nonnegative);
    require_in_range<Scalar>(name, "learning_rate_decay", learning_rate_decay, interval::nonnegative);
  }

  DESCENT_TAGGED std::array<double, 1> initial_state() const { return {initial_accumulator}; }

  template <class Scalar, EpsilonPlacement placement>
  struct DESCENT_TAGGED Kernel {
    Scalar learning_rate, epsilon;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& s) const {
      s = s + square(g);
      return scaled<placement>(learning_rate, g, s, epsilon);
    }
  };

  template <class Scalar>
  DESCENT_TAGGED auto kernel(std::int64_t t) const {
    double rate = learning_rate;
    if (learning_rate_decay != 0)  // a division that most steps need not wait for
      rate /= 1 + descent::kernel::rounded_product(static_cast<double>(t - 1), learning_rate_decay);
    return outside_or_inside<Kernel, Scalar>(epsilon_placement, rate, epsilon);
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using AdaGrad = Optimizer<rules::AdaGrad, Scalar, Size>;

}  // namespace descent

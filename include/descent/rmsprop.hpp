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

/// RMSProp (Tieleman & Hinton 2012, Lecture 6.5 of Neural Networks for Machine Learning, Coursera).
///
///     s <- decay s + (1 - decay) g^2
///     outside:  step = learning_rate * g / (sqrt(s) + epsilon)
///     inside:   step = learning_rate * g / sqrt(s + epsilon)
///
/// Frameworks differ in decay (PyTorch 0.99, Keras and optax 0.9) and in where epsilon stands (PyTorch
/// outside, Keras and optax inside).
///
/// State: "squared_gradient", one scalar per parameter, from 0.
struct RMSProp {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double decay = 0.9;                                              ///< gamma, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside

  static constexpr std::string_view name = "descent::RMSProp";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &RMSProp::learning_rate}, Hyperparameter{"decay", &RMSProp::decay},
               Hyperparameter{"epsilon", &RMSProp::epsilon},
               Hyperparameter{"epsilon_placement", &RMSProp::epsilon_placement});
  }
  static constexpr std::array<std::string_view, 1> state_names{"squared_gradient"};
  static constexpr std::array<int, 1> state_powers{2};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
    require_in_range<Scalar>(name, "decay", decay, interval::below_one);
    require_in_range<Scalar>(name, "epsilon", epsilon, interval::positive);
    require_outside_or_inside(name, epsilon_placement);
  }

  template <class Scalar, EpsilonPlacement placement>
  struct DESCENT_TAGGED Kernel {
    Scalar learning_rate, decay, one_minus_decay, epsilon;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& s) const {
      s = decay * s + one_minus_decay * square(g);
      return scaled<placement>(learning_rate, g, s, epsilon);
    }
  };

  template <class Scalar>
  DESCENT_TAGGED auto kernel(std::int64_t) const {
    return outside_or_inside<Kernel, Scalar>(epsilon_placement, learning_rate, decay, 1 - decay, epsilon);
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using RMSProp = Optimizer<rules::RMSProp, Scalar, Size>;

}  // namespace descent

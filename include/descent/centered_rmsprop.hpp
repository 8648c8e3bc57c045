// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include <Eigen/Core>

#include <descent/epsilon.hpp>
#include <descent/hyperparameter.hpp>
#include <descent/optimizer.hpp>

namespace descent {

namespace rules {

/// Centered RMSProp: divided by the gradient's standard deviation, not its root mean square (Graves
/// 2013, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850, equations 38 to 40).
///
///     s <- decay s + (1 - decay) g^2
///     m <- decay m + (1 - decay) g
///     outside:  step = learning_rate * g / (sqrt(max(s - m^2, 0)) + epsilon)
///     inside:   step = learning_rate * g / sqrt(max(s - m^2, 0) + epsilon)
///
/// With a gradient that hardly changes, rounding can make s - m^2 negative. PyTorch (epsilon outside),
/// Keras and optax (inside) take its root then, and the parameter becomes NaN for good. Here it counts
/// as 0, which makes a long step of learning_rate g / epsilon or learning_rate g / sqrt(epsilon).
///
/// Graves adds momentum to it: see WithMomentum in <descent/compose.hpp>.
///
/// State: "squared_gradient" (s) and "mean_gradient" (m), one scalar per parameter each, from 0.
struct CenteredRMSProp {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double decay = 0.9;                                              ///< gamma, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside or inside

  static constexpr std::string_view name = "descent::CenteredRMSProp";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &CenteredRMSProp::learning_rate},
               Hyperparameter{"decay", &CenteredRMSProp::decay}, Hyperparameter{"epsilon", &CenteredRMSProp::epsilon},
               Hyperparameter{"epsilon_placement", &CenteredRMSProp::epsilon_placement});
  }
  static constexpr std::array<std::string_view, 2> state_names{"squared_gradient", "mean_gradient"};
  static constexpr std::array<int, 2> state_powers{2, 1};

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
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& s, Pack& m) const {
      s = decay * s + one_minus_decay * square(g);
      m = decay * m + one_minus_decay * g;
      // Where both squares overflow, their difference must not be a NaN.
      constexpr Scalar largest = (std::numeric_limits<Scalar>::max)();
      const Pack m_squared = square(m);
      const Pack variance = s - select(m_squared > largest, largest, m_squared);
      return scaled<placement>(learning_rate, g, select(variance < Scalar(0), Scalar(0), variance), epsilon);
    }
  };

  template <class Scalar>
  DESCENT_TAGGED auto kernel(std::int64_t) const {
    return outside_or_inside<Kernel, Scalar>(epsilon_placement, learning_rate, decay, 1 - decay, epsilon);
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using CenteredRMSProp = Optimizer<rules::CenteredRMSProp, Scalar, Size>;

}  // namespace descent

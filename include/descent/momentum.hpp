// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <Eigen/Core>

#include <descent/hyperparameter.hpp>
#include <descent/optimizer.hpp>

namespace descent {

/// What the velocity of Momentum gathers: steps, gradients, or an average of gradients.
enum class MomentumForm { velocity, accumulated, averaged };

DESCENT_TAGGED constexpr std::array<std::string_view, 3> enumerator_names(MomentumForm) {
  return {"velocity", "accumulated", "averaged"};
}

namespace rules {

/// Gradient descent with momentum, the heavy ball (Polyak 1964, Some methods of speeding up the
/// convergence of iteration methods).
///
///     velocity:     v <- momentum v + learning_rate g,    step = v
///     accumulated:  v <- momentum v + (1 - dampening) g,  step = learning_rate v
///     averaged:     v <- momentum v + (1 - momentum) g,   step = learning_rate v
///
/// The forms differ once the learning rate changes during a run: `velocity` keeps the steps taken at
/// the old rate in motion, the others rescale them at once. `accumulated` is the SGD of PyTorch and
/// optax, `velocity` that of Keras and of Sutskever et al. (2013); `averaged` takes steps 1 - momentum
/// times as long. Dampening is PyTorch's, which spares the first gradient: v = g there.
///
/// State: "velocity", one scalar per parameter, from 0.
struct Momentum {
  double learning_rate = 0.01;                 ///< eta, finite and >= 0
  double momentum = 0.9;                       ///< mu, in [0, 1]; 1 is the limit without friction
  MomentumForm form = MomentumForm::velocity;  ///< which of the three recurrences
  double dampening = 0;                        ///< in [0, 1], and 0 where form is not accumulated

  static constexpr std::string_view name = "descent::Momentum";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &Momentum::learning_rate},
               Hyperparameter{"momentum", &Momentum::momentum}, Hyperparameter{"form", &Momentum::form},
               Hyperparameter{"dampening", &Momentum::dampening});
  }
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
  static constexpr std::array<int, 1> state_powers{1};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
    require_in_range<Scalar>(name, "momentum", momentum, interval::unit_interval);
    require_choice(
        form == MomentumForm::velocity || form == MomentumForm::accumulated || form == MomentumForm::averaged, name,
        "form must be velocity, accumulated or averaged");
    require_in_range<Scalar>(name, "dampening", dampening, interval::unit_interval);
    require_choice(dampening == 0 || form == MomentumForm::accumulated, name,
                   "dampening must be 0 where form is not accumulated");
  }

  /// All three forms: multiplying by a factor of 1 is exact.
  template <class Scalar>
  struct DESCENT_TAGGED Kernel {
    Scalar momentum, gradient_factor, step_factor;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& v) const {
      v = momentum * v + gradient_factor * g;
      return step_factor * v;
    }
  };

  template <class Scalar>
  DESCENT_TAGGED Kernel<Scalar> kernel(std::int64_t t) const {
    const auto mu = static_cast<Scalar>(momentum);
    const auto eta = static_cast<Scalar>(learning_rate);
    switch (form) {
      case MomentumForm::accumulated:
        return {mu, static_cast<Scalar>(t == 1 ? 1 : 1 - dampening), eta};
      case MomentumForm::averaged:
        return {mu, static_cast<Scalar>(1 - momentum), eta};
      default:
        return {mu, eta, 1};
    }
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using Momentum = Optimizer<rules::Momentum, Scalar, Size>;

}  // namespace descent

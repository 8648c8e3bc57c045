// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>

namespace descent {

/// What the velocity of Momentum accumulates: steps, gradients, or an average of gradients.
enum class MomentumForm { velocity, accumulated, averaged };

consteval std::array<std::string_view, 3> enumerator_names(MomentumForm) {
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
/// The forms differ once the learning rate changes during a run: `velocity` keeps the steps taken at the old rate in
/// motion, the others rescale them at once. `accumulated` is the SGD of PyTorch and optax; `velocity` is that of Keras
/// and of Sutskever et al. (2013); the steps of `averaged` are 1 - momentum times as long. Dampening is PyTorch's and
/// spares the first gradient: v = g there.
///
/// State: "velocity", one scalar per parameter, starting at 0.
struct Momentum {
  double learning_rate = 0.01;                 ///< eta, finite and >= 0
  double momentum = 0.9;                       ///< mu, in [0, 1]; 1 is the limit without friction
  MomentumForm form = MomentumForm::velocity;  ///< which of the three recurrences
  double dampening = 0;                        ///< in [0, 1], and 0 unless form is accumulated

  static constexpr std::string_view name = "descent::Momentum";
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Momentum::learning_rate, nonnegative},
                Hyperparameter{"momentum", &Momentum::momentum, unit_interval}, Hyperparameter{"form", &Momentum::form},
                Hyperparameter{"dampening", &Momentum::dampening, unit_interval});
  }
  void validate(const auto& expect) const {
    expect(dampening == 0 || form == MomentumForm::accumulated, "dampening must be 0 unless form is accumulated");
  }

  /// Covers all three forms: multiplying by a factor of 1 is exact.
  auto kernel(const auto& step) const {
    double gradient_factor = 1, step_factor = learning_rate;
    if (form == MomentumForm::velocity) std::swap(gradient_factor, step_factor);
    if (form == MomentumForm::accumulated && step.t > 1) gradient_factor = 1 - dampening;
    if (form == MomentumForm::averaged) gradient_factor = 1 - momentum;
    return [mu = step.real(momentum), gradient_factor = step.real(gradient_factor),
            step_factor = step.real(step_factor)](const auto&, const auto& g, auto& v) __attribute__((always_inline)) {
      v = mu * v + gradient_factor * g;
      return step_factor * v;
    };
  }
};

}  // namespace rules

}  // namespace descent

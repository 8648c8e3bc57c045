// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>
#include <variant>

#include <descent/rule.hpp>
#include <descent/rules/momentum.hpp>

namespace descent {

/// Where Nesterov wants its gradient: at x - momentum * velocity, or at the parameters themselves.
enum class GradientAt { lookahead, parameters };

consteval std::array<std::string_view, 2> enumerator_names(GradientAt) { return {"lookahead", "parameters"}; }

namespace rules {

/// Nesterov's accelerated gradient (Nesterov 1983), as momentum (Sutskever, Martens, Dahl & Hinton
/// 2013, On the importance of initialization and momentum in deep learning, equations 3 and 4).
///
///     lookahead:   v <- momentum v + learning_rate g,   step = v,  g taken at x - momentum v
///     parameters:  v <- momentum v + learning_rate g,   step = momentum v + learning_rate g,
///                  g taken at the parameters
///
/// `parameters` is the same method in the shifted coordinates x - momentum v (Bengio, Boulanger-Lewandowski & Pascanu
/// 2012), so that no gradient at another point is needed; this is what frameworks compute. For `lookahead`,
/// `Optimizer::lookahead` returns the point.
///
/// Keras has this velocity of steps. PyTorch and optax accumulate gradients instead, which differs once the learning
/// rate changes during a run, as with Momentum:
///
///     parameters, accumulated:  v <- momentum v + g,   step = learning_rate (momentum v + g)
///
/// State: "velocity", one scalar per parameter, starting at 0.
struct Nesterov {
  double learning_rate = 0.01;                      ///< eta, finite and >= 0
  double momentum = 0.9;                            ///< mu, in [0, 1]
  GradientAt gradient_at = GradientAt::parameters;  ///< where the caller takes the gradient
  MomentumForm form = MomentumForm::velocity;       ///< velocity or, with `parameters`, accumulated

  static constexpr std::string_view name = "descent::Nesterov";
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Nesterov::learning_rate, nonnegative},
                Hyperparameter{"momentum", &Nesterov::momentum, unit_interval},
                Hyperparameter{"gradient_at", &Nesterov::gradient_at},
                Hyperparameter{"form", &Nesterov::form, one_of<MomentumForm::velocity, MomentumForm::accumulated>});
  }
  void validate(const auto& expect) const {
    expect(form == MomentumForm::velocity || gradient_at == GradientAt::parameters,
           "form must be velocity if gradient_at is lookahead");
  }

  auto kernel(const auto& step) const {
    const auto mu = step.real(momentum), eta = step.real(learning_rate);
    auto at_lookahead = [=](const auto&, const auto& g, auto& v) __attribute__((always_inline)) {
      v = mu * v + eta * g;
      return v;
    };
    auto at_parameters = [=](const auto&, const auto& g, auto& v) __attribute__((always_inline)) {
      const auto gradient_step = eta * g;
      v = mu * v + gradient_step;
      return mu * v + gradient_step;
    };
    auto accumulated = [=](const auto&, const auto& g, auto& v) __attribute__((always_inline)) {
      v = mu * v + g;
      return eta * (mu * v + g);
    };
    using Kernel = std::variant<decltype(at_parameters), decltype(at_lookahead), decltype(accumulated)>;
    if (gradient_at == GradientAt::lookahead) return Kernel(at_lookahead);
    return form == MomentumForm::accumulated ? Kernel(accumulated) : Kernel(at_parameters);
  }

  auto lookahead_kernel(const auto& step) const {
    return [mu = step.real(momentum)](const auto&, const auto& v) __attribute__((always_inline)) { return mu * v; };
  }
};

}  // namespace rules

}  // namespace descent

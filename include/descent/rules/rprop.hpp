// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>
#include <type_traits>

#include <descent/rule.hpp>

namespace descent::rules {

/// Rprop: each parameter has a step size of its own, which grows while its gradient keeps its sign and shrinks when it
/// changes (Riedmiller & Braun 1993; in the form without backtracking, iRprop-, of Igel & Hüsken 2003, Empirical
/// evaluation of the improved Rprop learning algorithms). For gradients of the whole data, not of batches.
///
///     g and the gradient before it have the same sign:  s <- min(s eta_plus, max_step_size)
///     they have opposite signs:                         s <- max(s eta_minus, min_step_size),  g <- 0
///     step = s sign(g)
///
/// This is what PyTorch and optax compute; PyTorch calls initial_step_size lr, though no later change of it counts.
///
/// State: "previous_gradient", starting at 0, and "step_size" (s), starting at initial_step_size; one scalar per
/// parameter each.
struct Rprop {
  double initial_step_size = 0.01;  ///< finite and > 0; applies from the next reset
  double eta_minus = 0.5;           ///< in [0, 1)
  double eta_plus = 1.2;            ///< finite and >= 1
  double min_step_size = 1e-6;      ///< finite and > 0
  double max_step_size = 50;        ///< finite and >= min_step_size

  static constexpr std::string_view name = "descent::Rprop";
  static constexpr std::array<std::string_view, 2> state_names{"previous_gradient", "step_size"};
  static constexpr std::array<int, 2> state_powers{1, 1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial_step_size", &Rprop::initial_step_size, positive},
                Hyperparameter{"eta_minus", &Rprop::eta_minus, below_one},
                Hyperparameter{"eta_plus", &Rprop::eta_plus, at_least_one},
                Hyperparameter{"min_step_size", &Rprop::min_step_size, positive},
                Hyperparameter{"max_step_size", &Rprop::max_step_size, positive});
  }
  void validate(const auto& expect) const {
    expect(min_step_size <= max_step_size, "min_step_size must be at most max_step_size");
  }

  auto initial_state(const auto& list) const { return list(0, initial_step_size); }

  auto kernel(const auto& step) const {
    using Scalar = decltype(step.real(0));
    return [minus = step.real(eta_minus), plus = step.real(eta_plus), least = step.real(min_step_size),
            most = step.real(max_step_size)](const auto&, const auto& g, auto& previous, auto& s)
               __attribute__((always_inline)) {
      using Pack = std::remove_cvref_t<decltype(g)>;
      const auto direction = sign(g);
      const auto agreement = direction * previous;  // unlike g * previous, it does not underflow
      const Pack factor = select(agreement > Scalar(0), plus, select(agreement < Scalar(0), minus, Scalar(1)));
      s = clamp(factor * s, least, most);
      previous = select(agreement < Scalar(0), Scalar(0), g);
      return s * select(agreement < Scalar(0), Scalar(0), direction);
    };
  }
};

}  // namespace descent::rules

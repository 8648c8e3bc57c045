// SPDX-License-Identifier: MIT
//
// Momentum after a rule, in the same pass over memory: `descent::rules::WithMomentum{rmsprop, 0.9}`.
#pragma once

#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/transforms/extended_rule.hpp>

namespace descent {

namespace detail {
inline constexpr std::string_view with_momentum = " with momentum";
}

/// A rule that already has the state or a member that WithMomentum would add.
template <class R>
concept HasMomentum = detail::names_state<R>("velocity") || requires { &R::momentum; } || requires { &R::form; };

/// A rule that momentum can wrap: it has a `learning_rate`, no look-ahead, no state "velocity", and no member
/// `momentum` or `form`.
template <class R>
concept TakesMomentum = Rule<R> && !LooksAhead<R> && !HasMomentum<R> && requires(R& rule) { rule.learning_rate = 1.0; };

namespace rules {

/// Momentum after a rule, applied to its steps u.
///
///     velocity:     v <- momentum v + u,   step = v
///     accumulated:  v <- momentum v + u,   step = learning_rate v,   with u taken at the learning rate 1
///
/// The forms differ once the learning rate changes during a run. The momentum of RMSProp, centered or
/// not, is `velocity` in Keras and optax, and `accumulated` in PyTorch.
///
/// State: "velocity", one scalar per parameter, starting at 0; then the state of R.
template <TakesMomentum R>
struct WithMomentum : R {
  double momentum = 0.9;                       ///< mu, in [0, 1]
  MomentumForm form = MomentumForm::velocity;  ///< velocity or accumulated

  static constexpr std::string_view name = detail::extended_name<R, detail::with_momentum>;
  static constexpr auto state_names = detail::prepended<std::string_view>("velocity", R::state_names);
  static constexpr auto state_powers = detail::prepended<int>(1, detail::state_powers_of<R>());
  static constexpr auto hyperparameters(const auto& list) {
    return R::hyperparameters([&](const auto&... its) {
      return list(
          its..., Hyperparameter{"momentum", &WithMomentum::momentum, unit_interval},
          Hyperparameter{"form", &WithMomentum::form, one_of<MomentumForm::velocity, MomentumForm::accumulated>});
    });
  }
  void validate(const auto& expect) const { detail::validate_itself(static_cast<const R&>(*this), expect); }

  auto initial_state(const auto&) const { return detail::prepended<double>(0, descent::initial_state<R>(*this)); }

  auto kernel(const auto& step) const {
    const bool accumulated = form == MomentumForm::accumulated;
    R rule = *this;
    if (accumulated) rule.learning_rate = 1;
    const auto mu = step.real(momentum), step_factor = step.real(accumulated ? this->learning_rate : 1);
    return detail::map_kernel(rule.kernel(step), [=](const auto& inner) {
      return [=](const auto& x, const auto& g, auto& v, auto&... state) __attribute__((always_inline)) {
        v = mu * v + inner(x, g, state...);
        return step_factor * v;
      };
    });
  }
};

template <class R>
WithMomentum(R, double) -> WithMomentum<R>;
template <class R>
WithMomentum(R, double, MomentumForm) -> WithMomentum<R>;

}  // namespace rules

}  // namespace descent

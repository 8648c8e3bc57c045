// SPDX-License-Identifier: MIT
//
// keras.optimizers 3.15. Missing: its weight_decay, which is decoupled, clipping, amsgrad and use_ema.
#pragma once

#include <descent/chain.hpp>
#include <descent/rules/adadelta.hpp>
#include <descent/rules/adagrad.hpp>
#include <descent/rules/adam.hpp>
#include <descent/rules/centered_rmsprop.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/rules/rmsprop.hpp>
#include <descent/rules/sgd.hpp>
#include <descent/transforms/step.hpp>

namespace descent::presets::keras {

DESCENT_TAGGED constexpr rules::SGD sgd() { return {.learning_rate = 0.01}; }
DESCENT_TAGGED constexpr rules::Momentum momentum() {
  return {.learning_rate = 0.01, .momentum = 0.9, .form = MomentumForm::velocity};
}
DESCENT_TAGGED constexpr rules::Nesterov nesterov() {
  return {
      .learning_rate = 0.01, .momentum = 0.9, .gradient_at = GradientAt::parameters, .form = MomentumForm::velocity};
}
DESCENT_TAGGED constexpr rules::AdaGrad adagrad() {
  return {.learning_rate = 0.001,
          .epsilon = 1e-7,
          .epsilon_placement = EpsilonPlacement::inside,
          .initial_accumulator = 0.1};
}
DESCENT_TAGGED constexpr rules::RMSProp rmsprop() {
  return {.learning_rate = 0.001, .decay = 0.9, .epsilon = 1e-7, .epsilon_placement = EpsilonPlacement::inside};
}
/// RMSprop(centered=True).
DESCENT_TAGGED constexpr rules::CenteredRMSProp centered_rmsprop() {
  return {.learning_rate = 0.001, .decay = 0.9, .epsilon = 1e-7, .epsilon_placement = EpsilonPlacement::inside};
}
/// RMSprop(momentum=...), around rmsprop() or centered_rmsprop().
template <class R>
DESCENT_TAGGED constexpr Chain<R, transforms::MomentumOfSteps> with_momentum(const R& rule, double momentum) {
  return {rule, {.momentum = momentum, .form = MomentumForm::velocity}};
}
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.learning_rate = 0.001, .decay = 0.95, .epsilon = 1e-7}; }
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-7,
          .epsilon_placement = EpsilonPlacement::hat};
}

}  // namespace descent::presets::keras

// SPDX-License-Identifier: MIT
//
// What PyTorch, Keras, optax and the papers mean by the seven names: the same rule, with the formula
// and the defaults of each. What is returned is the rule, to be changed as usual:
//
//     descent::Adam<float> adam(descent::presets::keras::adam());
//     adam.learning_rate = 0.01;
//
// tests/golden holds trajectories of the frameworks themselves, at the versions named below, and
// README.md the table of what differs. Where a framework has no default for something, a preset has
// descent's own: the learning rate of optax and of most papers, and the 0.9 of `momentum` and
// `nesterov`, which frameworks reach through an SGD whose momentum is off by default.
#pragma once

#include <descent/adadelta.hpp>
#include <descent/adagrad.hpp>
#include <descent/adam.hpp>
#include <descent/centered_rmsprop.hpp>
#include <descent/compose.hpp>
#include <descent/epsilon.hpp>
#include <descent/momentum.hpp>
#include <descent/nesterov.hpp>
#include <descent/rmsprop.hpp>
#include <descent/sgd.hpp>

namespace descent::presets {

/// torch.optim 2.15. Its weight_decay is rules::WithWeightDecay around any of these (but in AdamW, which
/// is not among the seven), its dampening is a member of rules::Momentum, its lr_decay of rules::AdaGrad.
/// Missing: amsgrad, and epsilon = 0.
namespace pytorch {

DESCENT_TAGGED constexpr rules::SGD sgd() { return {.learning_rate = 0.001}; }
DESCENT_TAGGED constexpr rules::Momentum momentum() {
  return {.learning_rate = 0.001, .momentum = 0.9, .form = MomentumForm::accumulated};
}
DESCENT_TAGGED constexpr rules::Nesterov nesterov() {
  return {.learning_rate = 0.001,
          .momentum = 0.9,
          .gradient_at = GradientAt::parameters,
          .form = MomentumForm::accumulated};
}
DESCENT_TAGGED constexpr rules::AdaGrad adagrad() {
  return {.learning_rate = 0.01,
          .epsilon = 1e-10,
          .epsilon_placement = EpsilonPlacement::outside,
          .initial_accumulator = 0};
}
DESCENT_TAGGED constexpr rules::RMSProp rmsprop() {
  return {.learning_rate = 0.01, .decay = 0.99, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::outside};
}
/// RMSprop(centered=True).
DESCENT_TAGGED constexpr rules::CenteredRMSProp centered_rmsprop() {
  return {.learning_rate = 0.01, .decay = 0.99, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::outside};
}
/// RMSprop(momentum=...), around rmsprop() or centered_rmsprop().
template <class R>
DESCENT_TAGGED constexpr rules::WithMomentum<R> with_momentum(const R& rule, double momentum) {
  return {rule, momentum, MomentumForm::accumulated};
}
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.learning_rate = 1, .decay = 0.9, .epsilon = 1e-6}; }
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::outside};
}

}  // namespace pytorch

/// keras.optimizers 3.15. Missing: its weight_decay, which is decoupled, clipping, amsgrad and use_ema.
namespace keras {

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
DESCENT_TAGGED constexpr rules::WithMomentum<R> with_momentum(const R& rule, double momentum) {
  return {rule, momentum, MomentumForm::velocity};
}
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.learning_rate = 0.001, .decay = 0.95, .epsilon = 1e-7}; }
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-7,
          .epsilon_placement = EpsilonPlacement::hat};
}

}  // namespace keras

/// optax 0.2.8. eps_in_sqrt=False of rmsprop is EpsilonPlacement::outside; eps_root of adam, with eps=0,
/// is `inside`; rmsprop(bias_correction=True) is Adam with beta1 = 0 and epsilon `inside`; weight_decay
/// of adadelta is rules::WithWeightDecay. Missing: adam with eps and eps_root at once, nesterov in adam
/// and rmsprop, initial_scale of rmsprop, and epsilon = 0.
namespace optax {

DESCENT_TAGGED constexpr rules::SGD sgd() { return {}; }
DESCENT_TAGGED constexpr rules::Momentum momentum() { return {.momentum = 0.9, .form = MomentumForm::accumulated}; }
DESCENT_TAGGED constexpr rules::Nesterov nesterov() {
  return {.momentum = 0.9, .gradient_at = GradientAt::parameters, .form = MomentumForm::accumulated};
}
DESCENT_TAGGED constexpr rules::AdaGrad adagrad() {
  return {.epsilon = 1e-7, .epsilon_placement = EpsilonPlacement::inside, .initial_accumulator = 0.1};
}
DESCENT_TAGGED constexpr rules::RMSProp rmsprop() {
  return {.decay = 0.9, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::inside};
}
/// rmsprop(centered=True).
DESCENT_TAGGED constexpr rules::CenteredRMSProp centered_rmsprop() {
  return {.decay = 0.9, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::inside};
}
/// rmsprop(momentum=...), around rmsprop() or centered_rmsprop().
template <class R>
DESCENT_TAGGED constexpr rules::WithMomentum<R> with_momentum(const R& rule, double momentum) {
  return {rule, momentum, MomentumForm::velocity};
}
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.decay = 0.9, .epsilon = 1e-6}; }
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::outside};
}

}  // namespace optax

/// The papers, which each rule's own page names.
namespace paper {

DESCENT_TAGGED constexpr rules::SGD sgd() { return {}; }
/// Polyak: the rate in the velocity.
DESCENT_TAGGED constexpr rules::Momentum momentum() { return {.form = MomentumForm::velocity}; }
/// Sutskever et al., equations 3 and 4: the gradient is taken at the look-ahead point. Their momentum,
/// and Nesterov's own, grows from step to step: set the member.
DESCENT_TAGGED constexpr rules::Nesterov nesterov() { return {.gradient_at = GradientAt::lookahead}; }
/// Duchi et al., Figure 1: H = delta I + diag(root of the sum).
DESCENT_TAGGED constexpr rules::AdaGrad adagrad() {
  return {.epsilon_placement = EpsilonPlacement::outside, .initial_accumulator = 0};
}
/// The lecture has neither rate nor epsilon.
DESCENT_TAGGED constexpr rules::RMSProp rmsprop() {
  return {.decay = 0.9, .epsilon_placement = EpsilonPlacement::outside};
}
/// Graves, equations 38 to 41, with momentum.
DESCENT_TAGGED constexpr rules::WithMomentum<rules::CenteredRMSProp> centered_rmsprop() {
  return {{.learning_rate = 1e-4, .decay = 0.95, .epsilon = 1e-4, .epsilon_placement = EpsilonPlacement::inside},
          0.9,
          MomentumForm::velocity};
}
/// Zeiler, Algorithm 1 with the values of section 4.1, without a rate.
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.learning_rate = 1, .decay = 0.95, .epsilon = 1e-6}; }
/// Kingma and Ba, Algorithm 1.
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::outside};
}

}  // namespace paper

}  // namespace descent::presets

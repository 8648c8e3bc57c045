// SPDX-License-Identifier: MIT
//
// keras.optimizers 3.15. Its weight_decay is a transforms::WeightDecay behind any of these (except in AdamW), its
// clipnorm a ClipTensorNorm and its global_clipnorm a ClipNorm before it, its use_ema an Average. Missing: the
// weight_decay of Lamb.
#pragma once

#include <descent/chain.hpp>
#include <descent/rules/adadelta.hpp>
#include <descent/rules/adafactor.hpp>
#include <descent/rules/adagrad.hpp>
#include <descent/rules/adam.hpp>
#include <descent/rules/adamax.hpp>
#include <descent/rules/adamw.hpp>
#include <descent/rules/amsgrad.hpp>
#include <descent/rules/centered_rmsprop.hpp>
#include <descent/rules/ftrl.hpp>
#include <descent/rules/lion.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/rules/muon.hpp>
#include <descent/rules/nadam.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/rules/rmsprop.hpp>
#include <descent/rules/schedule_free_adamw.hpp>
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
DESCENT_TAGGED constexpr rules::AdamW adamw() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-7,
          .weight_decay = 0.004,
          .epsilon_placement = EpsilonPlacement::hat};
}
/// Adam(amsgrad=True).
DESCENT_TAGGED constexpr rules::AMSGrad amsgrad() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-7,
          .epsilon_placement = EpsilonPlacement::hat,
          .maximum_of = MaximumOf::raw};
}
DESCENT_TAGGED constexpr rules::NAdam nadam() {
  return {.learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7, .momentum_decay = 1};
}
DESCENT_TAGGED constexpr rules::AdaMax adamax() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-7,
          .epsilon_placement = EpsilonPlacement::outside};
}
DESCENT_TAGGED constexpr rules::Lion lion() { return {.learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.99}; }
/// Lamb, without its weight_decay, which shortens the parameters before their norm is taken.
DESCENT_TAGGED constexpr Chain<rules::Adam, transforms::TrustRatio> lamb() {
  return {{.learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7}, {}};
}
/// Its l1_regularization_strength is l1; its l2_regularization_strength and l2_shrinkage_regularization_strength are
/// half of l2 and l2_shrinkage.
DESCENT_TAGGED constexpr rules::Ftrl ftrl() { return {.learning_rate = 0.001, .beta = 0, .initial_accumulator = 0.1}; }
/// A weight_lr_power of 0, because all its steps weigh the same.
DESCENT_TAGGED constexpr rules::ScheduleFreeAdamW schedule_free_adamw() {
  return {.learning_rate = 0.0025, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_lr_power = 0};
}
DESCENT_TAGGED constexpr rules::Muon muon() {
  return {.learning_rate = 0.001,
          .momentum = 0.95,
          .form = MomentumForm::accumulated,
          .epsilon = 1e-7,
          .epsilon_form = MuonEpsilon::added,
          .scale = MuonScale::match_rms_adamw,
          .rms = 0.2,
          .weight_decay = 0.004,
          .adamw_learning_rate = 0.001,
          .adamw_beta1 = 0.9,
          .adamw_beta2 = 0.999,
          .adamw_epsilon = 1e-7,
          .adamw_weight_decay = 0.004,
          .adamw_epsilon_placement = EpsilonPlacement::hat};
}
DESCENT_TAGGED constexpr rules::Adafactor adafactor() {
  return {.learning_rate = 0.001, .decay_rate = 0.8, .epsilon1 = 1e-30, .epsilon2 = 1e-3, .clip_threshold = 1};
}

}  // namespace descent::presets::keras

// SPDX-License-Identifier: MIT
//
// torch.optim 2.15. Its weight_decay is a transforms::L2Penalty before any of these (except in AdamW), or a
// transforms::WeightDecay behind it with decoupled_weight_decay=True. Its dampening is a member of rules::Momentum, and
// its lr_decay is a member of rules::AdaGrad. Missing: epsilon = 0.
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
#include <descent/rules/momentum.hpp>
#include <descent/rules/muon.hpp>
#include <descent/rules/nadam.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/rules/radam.hpp>
#include <descent/rules/rmsprop.hpp>
#include <descent/rules/rprop.hpp>
#include <descent/rules/sgd.hpp>
#include <descent/transforms/step.hpp>

namespace descent::presets::pytorch {

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
DESCENT_TAGGED constexpr Chain<R, transforms::MomentumOfSteps> with_momentum(const R& rule, double momentum) {
  return {rule, {.momentum = momentum, .form = MomentumForm::accumulated}};
}
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.learning_rate = 1, .decay = 0.9, .epsilon = 1e-6}; }
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::outside};
}
/// For step_columns, step_rows and step_sparse (sparse.hpp).
DESCENT_TAGGED constexpr rules::Adam sparse_adam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::hat};
}
DESCENT_TAGGED constexpr rules::AdamW adamw() {
  return {.learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01};
}
/// Adam(amsgrad=True); for AdamW(amsgrad=True), this and transforms::WeightDecay in a Chain.
DESCENT_TAGGED constexpr rules::AMSGrad amsgrad() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::outside,
          .maximum_of = MaximumOf::raw};
}
DESCENT_TAGGED constexpr rules::NAdam nadam() {
  return {.learning_rate = 0.002, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .momentum_decay = 0.004};
}
DESCENT_TAGGED constexpr rules::RAdam radam() {
  return {.learning_rate = 0.001,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::hat,
          .threshold = 5};
}
DESCENT_TAGGED constexpr rules::AdaMax adamax() {
  return {.learning_rate = 0.002,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::inside};
}
DESCENT_TAGGED constexpr rules::Rprop rprop() {
  return {.initial_step_size = 0.01, .eta_minus = 0.5, .eta_plus = 1.2, .min_step_size = 1e-6, .max_step_size = 50};
}
/// With adamw() for all that is no matrix, which Muon refuses there.
DESCENT_TAGGED constexpr rules::Muon muon() {
  return {.learning_rate = 0.001,
          .momentum = 0.95,
          .epsilon = 1e-7,
          .epsilon_form = MuonEpsilon::least,
          .scale = MuonScale::original,
          .weight_decay = 0.1,
          .adamw_learning_rate = 0.001,
          .adamw_beta1 = 0.9,
          .adamw_beta2 = 0.999,
          .adamw_epsilon = 1e-8,
          .adamw_weight_decay = 0.01};
}
/// An epsilon1 of 0 is the machine epsilon of the scalar, as eps[0] = None is.
DESCENT_TAGGED constexpr rules::Adafactor adafactor() {
  return {.learning_rate = 0.01,
          .decay_rate = 0.8,
          .epsilon1 = 0,
          .epsilon2 = 1e-3,
          .clip_threshold = 1,
          .epsilon_form = AdafactorEpsilon::least};
}

}  // namespace descent::presets::pytorch

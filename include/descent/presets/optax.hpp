// SPDX-License-Identifier: MIT
//
// optax 0.2.8. Its rmsprop with eps_in_sqrt=False is EpsilonPlacement::outside; eps_root of adam is epsilon_root, and
// with eps=0 it is EpsilonPlacement::inside; rmsprop(bias_correction=True) is Adam with beta1 = 0 and epsilon `inside`;
// weight_decay of adadelta is a transforms::L2Penalty; adam(nesterov=True) is nadam. Missing: nesterov in rmsprop, its
// initial_scale, epsilon = 0, and two that are wrong there: adan, which uses 1 - b2 in a place of b2, and rprop, which
// takes each step one call too late.
#pragma once

#include <limits>

#include <descent/chain.hpp>
#include <descent/rules/adabelief.hpp>
#include <descent/rules/adadelta.hpp>
#include <descent/rules/adafactor.hpp>
#include <descent/rules/adagrad.hpp>
#include <descent/rules/adam.hpp>
#include <descent/rules/adamax.hpp>
#include <descent/rules/adamw.hpp>
#include <descent/rules/amsgrad.hpp>
#include <descent/rules/centered_rmsprop.hpp>
#include <descent/rules/lamb.hpp>
#include <descent/rules/lion.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/rules/muon.hpp>
#include <descent/rules/nadam.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/rules/radam.hpp>
#include <descent/rules/rmsprop.hpp>
#include <descent/rules/schedule_free_adamw.hpp>
#include <descent/rules/schedule_free_sgd.hpp>
#include <descent/rules/sgd.hpp>
#include <descent/rules/yogi.hpp>
#include <descent/transforms/gradient.hpp>
#include <descent/transforms/step.hpp>

namespace descent::presets::optax {

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
DESCENT_TAGGED constexpr Chain<R, transforms::MomentumOfSteps> with_momentum(const R& rule, double momentum) {
  return {rule, {.momentum = momentum, .form = MomentumForm::velocity}};
}
DESCENT_TAGGED constexpr rules::AdaDelta adadelta() { return {.decay = 0.9, .epsilon = 1e-6}; }
DESCENT_TAGGED constexpr rules::Adam adam() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::outside};
}
DESCENT_TAGGED constexpr rules::AdamW adamw() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 1e-4};
}
DESCENT_TAGGED constexpr rules::AMSGrad amsgrad() {
  return {.beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .epsilon_placement = EpsilonPlacement::outside,
          .maximum_of = MaximumOf::corrected};
}
/// For nadamw, this and transforms::WeightDecay in a Chain.
DESCENT_TAGGED constexpr rules::NAdam nadam() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .momentum_decay = std::numeric_limits<double>::infinity()};
}
DESCENT_TAGGED constexpr rules::RAdam radam() {
  return {
      .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::outside, .threshold = 5};
}
/// For adamaxw, this and transforms::WeightDecay in a Chain.
DESCENT_TAGGED constexpr rules::AdaMax adamax() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epsilon_placement = EpsilonPlacement::inside};
}
DESCENT_TAGGED constexpr rules::AdaBelief adabelief() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-16, .epsilon_root = 1e-16};
}
DESCENT_TAGGED constexpr rules::Yogi yogi() {
  return {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-3, .initial_accumulator = 1e-6, .bias_correction = true};
}
DESCENT_TAGGED constexpr rules::Lion lion() { return {.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0.001}; }
DESCENT_TAGGED constexpr rules::LAMB lamb() {
  return {{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6}, {.weight_decay = 0}, {}};
}
DESCENT_TAGGED constexpr Chain<transforms::L2Penalty, rules::SGD, transforms::TrustRatio, transforms::MomentumOfSteps>
lars() {
  return {{.weight_decay = 0}, {}, {.trust_coefficient = 0.001}, {.momentum = 0.9, .form = MomentumForm::velocity}};
}
/// contrib.schedule_free_sgd. Its warm-up begins one step earlier.
DESCENT_TAGGED constexpr rules::ScheduleFreeSGD schedule_free_sgd() {
  return {.learning_rate = 1, .momentum = 0.9, .weight_lr_power = 2};
}
/// contrib.schedule_free_adamw. Its warm-up begins one step earlier.
DESCENT_TAGGED constexpr rules::ScheduleFreeAdamW schedule_free_adamw() {
  return {.learning_rate = 0.0025, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_lr_power = 2};
}
/// contrib.muon. Its matrices are the transposes of ours, so that it scales by sqrt(max(1, cols / rows)).
DESCENT_TAGGED constexpr rules::Muon muon() {
  return {.momentum = 0.95,
          .bias_correction = true,
          .epsilon = 1e-8,
          .epsilon_form = MuonEpsilon::added,
          .scale = MuonScale::original,
          .adamw_beta1 = 0.9,
          .adamw_beta2 = 0.999,
          .adamw_epsilon = 1e-8};
}
/// As it factors matrices with min_dim_size_to_factor = 2; by default they need 128 rows and columns.
DESCENT_TAGGED constexpr rules::Adafactor adafactor() {
  return {.decay_rate = 0.8, .epsilon1 = 1e-30, .epsilon2 = 1e-3, .clip_threshold = 1, .relative_step = false};
}

}  // namespace descent::presets::optax

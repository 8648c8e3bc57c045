// SPDX-License-Identifier: MIT
//
// The papers, which each rule cites.
#pragma once

#include <descent/chain.hpp>
#include <descent/rules/adabelief.hpp>
#include <descent/rules/adadelta.hpp>
#include <descent/rules/adafactor.hpp>
#include <descent/rules/adagrad.hpp>
#include <descent/rules/adam.hpp>
#include <descent/rules/adamax.hpp>
#include <descent/rules/adamw.hpp>
#include <descent/rules/adan.hpp>
#include <descent/rules/amsgrad.hpp>
#include <descent/rules/centered_rmsprop.hpp>
#include <descent/rules/ftrl.hpp>
#include <descent/rules/lamb.hpp>
#include <descent/rules/lars.hpp>
#include <descent/rules/lion.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/rules/muon.hpp>
#include <descent/rules/nadam.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/rules/radam.hpp>
#include <descent/rules/rmsprop.hpp>
#include <descent/rules/rprop.hpp>
#include <descent/rules/schedule_free_adamw.hpp>
#include <descent/rules/schedule_free_sgd.hpp>
#include <descent/rules/sgd.hpp>
#include <descent/rules/yogi.hpp>
#include <descent/transforms/step.hpp>

namespace descent::presets::paper {

DESCENT_TAGGED constexpr rules::SGD sgd() { return {}; }
/// Polyak: the rate is in the velocity.
DESCENT_TAGGED constexpr rules::Momentum momentum() { return {.form = MomentumForm::velocity}; }
/// Sutskever et al., equations 3 and 4: the gradient is taken at the look-ahead point. Their momentum, like Nesterov's
/// own, grows from step to step: set the member.
DESCENT_TAGGED constexpr rules::Nesterov nesterov() { return {.gradient_at = GradientAt::lookahead}; }
/// Duchi et al., Figure 1: H = delta I + diag(root of the sum).
DESCENT_TAGGED constexpr rules::AdaGrad adagrad() {
  return {.epsilon_placement = EpsilonPlacement::outside, .initial_accumulator = 0};
}
/// The lecture gives neither rate nor epsilon.
DESCENT_TAGGED constexpr rules::RMSProp rmsprop() {
  return {.decay = 0.9, .epsilon_placement = EpsilonPlacement::outside};
}
/// Graves, equations 38 to 41, with momentum.
DESCENT_TAGGED constexpr Chain<rules::CenteredRMSProp, transforms::MomentumOfSteps> centered_rmsprop() {
  return {{.learning_rate = 1e-4, .decay = 0.95, .epsilon = 1e-4, .epsilon_placement = EpsilonPlacement::inside},
          {.momentum = 0.9, .form = MomentumForm::velocity}};
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
/// Loshchilov and Hutter, Algorithm 2: their lambda is multiplied by the schedule alone, not by the rate.
DESCENT_TAGGED constexpr rules::AdamW adamw(double lambda) {
  return {.learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = lambda / 0.001};
}
/// Reddi et al., Algorithm 2, which corrects no bias and has no values.
DESCENT_TAGGED constexpr rules::AMSGrad amsgrad() {
  return {.epsilon_placement = EpsilonPlacement::outside, .bias_correction = false};
}
/// Dozat, Algorithm 2, with the momentum schedule of its section 2.
DESCENT_TAGGED constexpr rules::NAdam nadam() { return {.learning_rate = 0.002, .momentum_decay = 0.004}; }
/// Liu et al., Algorithm 2, which has no epsilon.
DESCENT_TAGGED constexpr rules::RAdam radam() {
  return {.epsilon_placement = EpsilonPlacement::outside, .threshold = 4};
}
/// Kingma and Ba, Algorithm 2. It has no epsilon: this one, close to the smallest normal float, only prevents 0 / 0.
DESCENT_TAGGED constexpr rules::AdaMax adamax() {
  return {.learning_rate = 0.002,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-37,
          .epsilon_placement = EpsilonPlacement::outside};
}
/// Zhuang et al., Algorithm 2, with the epsilon of the authors' code.
DESCENT_TAGGED constexpr rules::AdaBelief adabelief() {
  return {.learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-16, .epsilon_root = 1e-16};
}
/// Zaheer et al., Algorithm 2.
DESCENT_TAGGED constexpr rules::Yogi yogi() {
  return {.learning_rate = 0.01,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-3,
          .initial_accumulator = 0,
          .bias_correction = false};
}
/// Xie et al., the authors' code, whose betas are 1 less those of Algorithm 1.
DESCENT_TAGGED constexpr rules::Adan adan() {
  return {.learning_rate = 0.001, .beta1 = 0.98, .beta2 = 0.92, .beta3 = 0.99, .epsilon = 1e-8, .proximal = true};
}
/// Chen et al., Algorithm 2.
DESCENT_TAGGED constexpr rules::Lion lion() { return {.learning_rate = 1e-4, .beta1 = 0.9, .beta2 = 0.99}; }
/// Igel and Huesken, iRprop-, with the values of Riedmiller and Braun but for their first step size of 0.1.
DESCENT_TAGGED constexpr rules::Rprop rprop() {
  return {.initial_step_size = 0.01, .eta_minus = 0.5, .eta_plus = 1.2, .min_step_size = 1e-6, .max_step_size = 50};
}
/// McMahan et al., Algorithm 1, with the beta that they recommend.
DESCENT_TAGGED constexpr rules::Ftrl ftrl() { return {.beta = 1, .initial_accumulator = 0}; }
/// Defazio et al., the authors' code.
DESCENT_TAGGED constexpr rules::ScheduleFreeSGD schedule_free_sgd() {
  return {.learning_rate = 1, .momentum = 0.9, .r = 0, .weight_lr_power = 2};
}
DESCENT_TAGGED constexpr rules::ScheduleFreeAdamW schedule_free_adamw() {
  return {.learning_rate = 0.0025, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .r = 0, .weight_lr_power = 2};
}
/// You et al. 2020, Algorithm 2, with the values of their BERT.
DESCENT_TAGGED constexpr rules::LAMB lamb() {
  return {{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6}, {.weight_decay = 0.01}, {}};
}
/// You et al. 2017, Algorithm 1, with the values of their ResNet-50.
DESCENT_TAGGED constexpr rules::LARS lars() {
  return {{}, {.trust_coefficient = 0.001, .weight_decay = 0.0005}, {.momentum = 0.9, .form = MomentumForm::velocity}};
}
/// Jordan et al., the reference implementation.
DESCENT_TAGGED constexpr rules::Muon muon() {
  return {.learning_rate = 0.02,
          .momentum = 0.95,
          .epsilon = 1e-7,
          .epsilon_form = MuonEpsilon::added,
          .scale = MuonScale::original};
}
/// Shazeer and Stern, Algorithms 4 and 5, with the values of their section 9.
DESCENT_TAGGED constexpr rules::Adafactor adafactor() {
  return {.learning_rate = 0.01, .decay_rate = 0.8, .epsilon1 = 1e-30, .epsilon2 = 1e-3, .clip_threshold = 1};
}

}  // namespace descent::presets::paper

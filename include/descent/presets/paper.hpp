// SPDX-License-Identifier: MIT
//
// The papers, which each rule cites.
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

}  // namespace descent::presets::paper

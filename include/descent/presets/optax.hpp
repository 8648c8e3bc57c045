// SPDX-License-Identifier: MIT
//
// optax 0.2.8. Its rmsprop with eps_in_sqrt=False is EpsilonPlacement::outside; eps_root of adam is epsilon_root, and
// with eps=0 it is EpsilonPlacement::inside; rmsprop(bias_correction=True) is Adam with beta1 = 0 and epsilon `inside`;
// weight_decay of adadelta is a transforms::L2Penalty. Missing: nesterov in adam and rmsprop, initial_scale of rmsprop,
// and epsilon = 0.
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

}  // namespace descent::presets::optax

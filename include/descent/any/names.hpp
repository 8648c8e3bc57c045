// SPDX-License-Identifier: MIT
//
// The rules, presets and links that can be chosen by name.
#pragma once

#include <descent/presets.hpp>
#include <descent/rules/all.hpp>
#include <descent/transforms/gradient.hpp>
#include <descent/transforms/parameters.hpp>
#include <descent/transforms/step.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Calls visit(name, rule) for each rule with its defaults, and for each preset.
void for_each_named_rule(const auto& visit) {
  visit("sgd", rules::SGD());
  visit("momentum", rules::Momentum());
  visit("nesterov", rules::Nesterov());
  visit("adagrad", rules::AdaGrad());
  visit("rmsprop", rules::RMSProp());
  visit("centered_rmsprop", rules::CenteredRMSProp());
  visit("adadelta", rules::AdaDelta());
  visit("adam", rules::Adam());
  visit("adamw", rules::AdamW());
  visit("amsgrad", rules::AMSGrad());
  visit("nadam", rules::NAdam());
  visit("radam", rules::RAdam());
  visit("adamax", rules::AdaMax());
  visit("adabelief", rules::AdaBelief());
  visit("yogi", rules::Yogi());
  visit("adan", rules::Adan());
  visit("lion", rules::Lion());
  visit("rprop", rules::Rprop());
  visit("ftrl", rules::Ftrl());
  visit("schedule_free_sgd", rules::ScheduleFreeSGD());
  visit("schedule_free_adamw", rules::ScheduleFreeAdamW());
  visit("lamb", rules::LAMB());
  visit("lars", rules::LARS());
  visit("muon", rules::Muon());
  visit("adafactor", rules::Adafactor());
  visit("pytorch.sgd", presets::pytorch::sgd());
  visit("pytorch.momentum", presets::pytorch::momentum());
  visit("pytorch.nesterov", presets::pytorch::nesterov());
  visit("pytorch.adagrad", presets::pytorch::adagrad());
  visit("pytorch.rmsprop", presets::pytorch::rmsprop());
  visit("pytorch.centered_rmsprop", presets::pytorch::centered_rmsprop());
  visit("pytorch.adadelta", presets::pytorch::adadelta());
  visit("pytorch.adam", presets::pytorch::adam());
  visit("pytorch.adamw", presets::pytorch::adamw());
  visit("pytorch.amsgrad", presets::pytorch::amsgrad());
  visit("pytorch.nadam", presets::pytorch::nadam());
  visit("pytorch.radam", presets::pytorch::radam());
  visit("pytorch.adamax", presets::pytorch::adamax());
  visit("pytorch.rprop", presets::pytorch::rprop());
  visit("pytorch.muon", presets::pytorch::muon());
  visit("pytorch.adafactor", presets::pytorch::adafactor());
  visit("keras.sgd", presets::keras::sgd());
  visit("keras.momentum", presets::keras::momentum());
  visit("keras.nesterov", presets::keras::nesterov());
  visit("keras.adagrad", presets::keras::adagrad());
  visit("keras.rmsprop", presets::keras::rmsprop());
  visit("keras.centered_rmsprop", presets::keras::centered_rmsprop());
  visit("keras.adadelta", presets::keras::adadelta());
  visit("keras.adam", presets::keras::adam());
  visit("keras.adamw", presets::keras::adamw());
  visit("keras.amsgrad", presets::keras::amsgrad());
  visit("keras.nadam", presets::keras::nadam());
  visit("keras.adamax", presets::keras::adamax());
  visit("keras.lion", presets::keras::lion());
  visit("keras.lamb", presets::keras::lamb());
  visit("keras.ftrl", presets::keras::ftrl());
  visit("keras.schedule_free_adamw", presets::keras::schedule_free_adamw());
  visit("keras.muon", presets::keras::muon());
  visit("keras.adafactor", presets::keras::adafactor());
  visit("optax.sgd", presets::optax::sgd());
  visit("optax.momentum", presets::optax::momentum());
  visit("optax.nesterov", presets::optax::nesterov());
  visit("optax.adagrad", presets::optax::adagrad());
  visit("optax.rmsprop", presets::optax::rmsprop());
  visit("optax.centered_rmsprop", presets::optax::centered_rmsprop());
  visit("optax.adadelta", presets::optax::adadelta());
  visit("optax.adam", presets::optax::adam());
  visit("optax.adamw", presets::optax::adamw());
  visit("optax.amsgrad", presets::optax::amsgrad());
  visit("optax.nadam", presets::optax::nadam());
  visit("optax.radam", presets::optax::radam());
  visit("optax.adamax", presets::optax::adamax());
  visit("optax.adabelief", presets::optax::adabelief());
  visit("optax.yogi", presets::optax::yogi());
  visit("optax.lion", presets::optax::lion());
  visit("optax.lamb", presets::optax::lamb());
  visit("optax.lars", presets::optax::lars());
  visit("optax.schedule_free_sgd", presets::optax::schedule_free_sgd());
  visit("optax.schedule_free_adamw", presets::optax::schedule_free_adamw());
  visit("optax.muon", presets::optax::muon());
  visit("optax.adafactor", presets::optax::adafactor());
  visit("paper.sgd", presets::paper::sgd());
  visit("paper.momentum", presets::paper::momentum());
  visit("paper.nesterov", presets::paper::nesterov());
  visit("paper.adagrad", presets::paper::adagrad());
  visit("paper.rmsprop", presets::paper::rmsprop());
  visit("paper.centered_rmsprop", presets::paper::centered_rmsprop());
  visit("paper.adadelta", presets::paper::adadelta());
  visit("paper.adam", presets::paper::adam());
  visit("paper.adamw", presets::paper::adamw(rules::AdamW().weight_decay));
  visit("paper.amsgrad", presets::paper::amsgrad());
  visit("paper.nadam", presets::paper::nadam());
  visit("paper.radam", presets::paper::radam());
  visit("paper.adamax", presets::paper::adamax());
  visit("paper.adabelief", presets::paper::adabelief());
  visit("paper.yogi", presets::paper::yogi());
  visit("paper.adan", presets::paper::adan());
  visit("paper.lion", presets::paper::lion());
  visit("paper.rprop", presets::paper::rprop());
  visit("paper.ftrl", presets::paper::ftrl());
  visit("paper.schedule_free_sgd", presets::paper::schedule_free_sgd());
  visit("paper.schedule_free_adamw", presets::paper::schedule_free_adamw());
  visit("paper.lamb", presets::paper::lamb());
  visit("paper.lars", presets::paper::lars());
  visit("paper.muon", presets::paper::muon());
  visit("paper.adafactor", presets::paper::adafactor());
}

/// Calls visit(name, link) for each link with its defaults.
void for_each_named_link(const auto& visit) {
  visit("gradient_scale", transforms::GradientScale());
  visit("clip_value", transforms::ClipValue());
  visit("clip_norm", transforms::ClipNorm());
  visit("clip_tensor_norm", transforms::ClipTensorNorm());
  visit("l2_penalty", transforms::L2Penalty());
  visit("l1_penalty", transforms::L1Penalty());
  visit("weight_decay", transforms::WeightDecay());
  visit("trust_ratio", transforms::TrustRatio());
  visit("layerwise_rate", transforms::LayerwiseRate());
  visit("momentum_of_steps", transforms::MomentumOfSteps());
  visit("bounds", transforms::Bounds());
  visit("soft_threshold", transforms::SoftThreshold());
  visit("average", transforms::Average());
  visit("equal_average", transforms::EqualAverage());
  visit("lookahead", transforms::Lookahead());
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

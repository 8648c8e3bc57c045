// SPDX-License-Identifier: MIT
//
// The links of a chain (chain.hpp) that stand after the rule and change its step u, by which x will be reduced.
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/transforms/link.hpp>

namespace descent::transforms {

using namespace interval;

/// u <- u + learning_rate weight_decay x: the decoupled decay of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101),
/// which no rule rescales. (PyTorch's AdamW and Keras multiply x by 1 - learning_rate weight_decay first, which is the
/// same but for rounding.)
struct WeightDecay {
  double weight_decay = 0.01;  ///< lambda, finite and >= 0
  bool matrices_only = false;  ///< spares tensors with a single row or column, such as biases

  static constexpr std::string_view name = "descent::WeightDecay";
  static constexpr auto place = Place::step;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"weight_decay", &WeightDecay::weight_decay, nonnegative},
                Hyperparameter{"matrices_only", &WeightDecay::matrices_only});
  }

  auto kernel(const auto& step) const {
    const bool decays = step.is_matrix || !matrices_only;
    const double shrinkage = decays ? kernel::rounded_product(step.learning_rate, weight_decay) : 0;
    return [shrinkage = step.real(shrinkage)](const auto& x, const auto& u)
               __attribute__((always_inline)) { return u + shrinkage * x; };
  }
};

/// Makes the step of each tensor as long as its parameters, times the learning rate (You et al. 2020, arXiv:1904.00962,
/// Algorithm 2, with the identity for phi).
///
///     u <- (learning_rate trust_coefficient |x| / |u|) u,  unless |x| or |u| is 0
///
/// Adam, WeightDecay and TrustRatio are LAMB. The norm of u costs a pass that computes u without writing it.
struct TrustRatio {
  double trust_coefficient = 1;  ///< finite and >= 0

  static constexpr std::string_view name = "descent::TrustRatio";
  static constexpr auto place = Place::step;
  static constexpr auto norm_of = NormOf::each_tensor;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"trust_coefficient", &TrustRatio::trust_coefficient, nonnegative});
  }

  auto kernel(const auto& step) const {
    const bool defined = step.parameter_norm > 0 && step.norm > 0;
    const double rate = kernel::rounded_product(step.learning_rate, trust_coefficient);
    const double length = kernel::rounded_product(rate, step.parameter_norm);
    return [ratio = step.finite(defined ? length / step.norm : 1)](const auto&, const auto& u)
               __attribute__((always_inline)) { return ratio * u; };
  }
};

/// Decays x and scales the step of each tensor by a rate of its own (You, Gitman & Ginsburg 2017, arXiv:1708.03888,
/// equation 6, to be used behind SGD, of whose step u = learning_rate g the gradient is known).
///
///     u <- r (u + learning_rate weight_decay x),
///     r = learning_rate trust_coefficient |x| / (|u| + learning_rate weight_decay |x|),  1 where |x| or |u| is 0
///
/// SGD, LayerwiseRate and MomentumOfSteps are LARS. TrustRatio behind an L2Penalty divides by the norm of the sum.
struct LayerwiseRate {
  double trust_coefficient = 0.001;  ///< eta in the paper; finite and >= 0
  double weight_decay = 0;           ///< beta in the paper; finite and >= 0

  static constexpr std::string_view name = "descent::LayerwiseRate";
  static constexpr auto place = Place::step;
  static constexpr auto norm_of = NormOf::each_tensor;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"trust_coefficient", &LayerwiseRate::trust_coefficient, nonnegative},
                Hyperparameter{"weight_decay", &LayerwiseRate::weight_decay, nonnegative});
  }

  auto kernel(const auto& step) const {
    const bool defined = step.parameter_norm > 0 && step.norm > 0;
    const double rate = kernel::rounded_product(step.learning_rate, trust_coefficient);
    const double decay = kernel::rounded_product(step.learning_rate, weight_decay);
    const double length = step.norm + kernel::rounded_product(decay, step.parameter_norm);
    const double ratio = defined ? kernel::rounded_product(rate, step.parameter_norm) / length : 1;
    return [ratio = step.finite(ratio), decay = step.real(decay)](const auto& x, const auto& u)
               __attribute__((always_inline)) { return ratio * (u + decay * x); };
  }
};

/// Momentum of the steps that arrive.
///
///     velocity:     v <- momentum v + u,   u <- v
///     accumulated:  v <- momentum v + u,   u <- learning_rate v,   with all before it at the learning rate 1
///
/// The forms differ once the learning rate changes during a run. The momentum of RMSProp, centered or not, is
/// `velocity` in Keras and optax, and `accumulated` in PyTorch.
///
/// State: "velocity", one scalar per parameter, starting at 0.
struct MomentumOfSteps {
  double momentum = 0.9;                       ///< mu, in [0, 1]
  MomentumForm form = MomentumForm::velocity;  ///< velocity or accumulated

  static constexpr std::string_view name = "descent::MomentumOfSteps";
  static constexpr auto place = Place::step;
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(
        Hyperparameter{"momentum", &MomentumOfSteps::momentum, unit_interval},
        Hyperparameter{"form", &MomentumOfSteps::form, one_of<MomentumForm::velocity, MomentumForm::accumulated>});
  }

  /// The learning rate of all that stands before it.
  double learning_rate_before(const auto& step) const {
    return form == MomentumForm::accumulated ? 1 : step.learning_rate;
  }

  auto kernel(const auto& step) const {
    const double factor = form == MomentumForm::accumulated ? step.learning_rate : 1;
    return [mu = step.real(momentum), factor = step.real(factor)](const auto&, const auto& u, auto& v)
               __attribute__((always_inline)) {
      v = mu * v + u;
      return factor * v;
    };
  }
};

}  // namespace descent::transforms

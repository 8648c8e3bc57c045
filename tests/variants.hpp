// SPDX-License-Identifier: MIT
//
// The single table of all optimizers in all their variants, over which the property tests run, and what such tests
// need: gradients of mixed sizes and a comparison of bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include <descent/descent.hpp>

namespace descent::test {

/// Calls visit(name, rule) for every rule in every variant, with hyperparameters that are not the defaults.
template <class Visit>
void for_each_variant(Visit&& visit) {
  using enum EpsilonPlacement;
  visit("SGD", rules::SGD{.learning_rate = 0.03});

  visit("Momentum velocity", rules::Momentum{.learning_rate = 0.03, .momentum = 0.8});
  visit("Momentum accumulated",
        rules::Momentum{.learning_rate = 0.03, .momentum = 0.8, .form = MomentumForm::accumulated});
  visit("Momentum dampened",
        rules::Momentum{.learning_rate = 0.03, .momentum = 0.8, .form = MomentumForm::accumulated, .dampening = 0.3});
  visit("Momentum averaged", rules::Momentum{.learning_rate = 0.03, .momentum = 0.8, .form = MomentumForm::averaged});

  visit("Nesterov lookahead",
        rules::Nesterov{.learning_rate = 0.03, .momentum = 0.8, .gradient_at = GradientAt::lookahead});
  visit("Nesterov parameters", rules::Nesterov{.learning_rate = 0.03, .momentum = 0.8});
  visit("Nesterov accumulated",
        rules::Nesterov{.learning_rate = 0.03, .momentum = 0.8, .form = MomentumForm::accumulated});

  visit("AdaGrad outside", rules::AdaGrad{.learning_rate = 0.03, .epsilon = 1e-6});
  visit("AdaGrad inside", rules::AdaGrad{.learning_rate = 0.03, .epsilon = 1e-6, .epsilon_placement = inside});
  visit("AdaGrad from 0.1", rules::AdaGrad{.learning_rate = 0.03, .epsilon = 1e-6, .initial_accumulator = 0.1});
  visit("AdaGrad slowing", rules::AdaGrad{.learning_rate = 0.03, .epsilon = 1e-6, .learning_rate_decay = 0.1});

  visit("RMSProp outside", rules::RMSProp{.learning_rate = 0.03, .decay = 0.85, .epsilon = 1e-6});
  visit("RMSProp inside",
        rules::RMSProp{.learning_rate = 0.03, .decay = 0.85, .epsilon = 1e-6, .epsilon_placement = inside});

  visit("CenteredRMSProp outside", rules::CenteredRMSProp{.learning_rate = 0.03, .decay = 0.85, .epsilon = 1e-6});
  visit("CenteredRMSProp inside",
        rules::CenteredRMSProp{.learning_rate = 0.03, .decay = 0.85, .epsilon = 1e-6, .epsilon_placement = inside});

  const rules::RMSProp rmsprop{.learning_rate = 0.03, .decay = 0.85, .epsilon = 1e-6};
  visit("RMSProp with momentum velocity", Chain{rmsprop, transforms::MomentumOfSteps{0.8}});
  visit("RMSProp with momentum accumulated",
        Chain{rmsprop, transforms::MomentumOfSteps{0.8, MomentumForm::accumulated}});

  visit("AdaDelta", rules::AdaDelta{.learning_rate = 0.7, .decay = 0.85, .epsilon = 1e-5});

  const rules::Adam adam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6};
  const auto adam_with = [&](EpsilonPlacement placement, bool corrected) {
    rules::Adam rule = adam;
    rule.epsilon_placement = placement;
    rule.bias_correction = corrected;
    return rule;
  };
  visit("Adam outside", adam_with(outside, true));
  visit("Adam inside", adam_with(inside, true));
  visit("Adam hat", adam_with(hat, true));
  visit("Adam outside uncorrected", adam_with(outside, false));
  visit("Adam inside uncorrected", adam_with(inside, false));
  visit("Adam hat uncorrected", adam_with(hat, false));

  visit("AdamW", rules::AdamW{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6});
  visit("AdamW hat",
        rules::AdamW{
            .learning_rate = 0.03, .beta2 = 0.99, .weight_decay = 0.1, .epsilon_root = 1e-6, .epsilon_placement = hat});

  visit("AMSGrad raw", rules::AMSGrad{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-6});
  visit("AMSGrad corrected", rules::AMSGrad{.learning_rate = 0.03,
                                            .beta2 = 0.9,
                                            .epsilon = 1e-6,
                                            .epsilon_placement = inside,
                                            .maximum_of = MaximumOf::corrected});
  visit("AMSGrad uncorrected",
        rules::AMSGrad{
            .learning_rate = 0.03, .beta2 = 0.9, .epsilon = 1e-6, .epsilon_placement = hat, .bias_correction = false});

  visit("NAdam",
        rules::NAdam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .momentum_decay = 0.1});
  visit("NAdam without warm-up", rules::NAdam{.learning_rate = 0.03,
                                              .beta1 = 0.8,
                                              .beta2 = 0.99,
                                              .epsilon = 1e-6,
                                              .momentum_decay = std::numeric_limits<double>::infinity()});

  visit("RAdam outside", rules::RAdam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6});
  visit("RAdam hat from 4",
        rules::RAdam{.learning_rate = 0.03, .beta2 = 0.95, .epsilon = 1e-6, .epsilon_placement = hat, .threshold = 4});

  visit("AdaMax outside", rules::AdaMax{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6});
  visit(
      "AdaMax inside",
      rules::AdaMax{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .epsilon_placement = inside});

  visit("AdaBelief",
        rules::AdaBelief{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .epsilon_root = 1e-12});

  visit("Yogi",
        rules::Yogi{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-4, .initial_accumulator = 1e-3});
  visit("Yogi uncorrected",
        rules::Yogi{
            .learning_rate = 0.03, .beta2 = 0.9, .epsilon = 1e-4, .initial_accumulator = 0, .bias_correction = false});

  visit("Adan proximal",
        rules::Adan{
            .learning_rate = 0.03, .beta1 = 0.9, .beta2 = 0.8, .beta3 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1});
  visit("Adan not proximal",
        rules::Adan{.learning_rate = 0.03, .epsilon = 1e-6, .weight_decay = 0.1, .proximal = false});

  visit("Lion", rules::Lion{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.1});

  visit("Rprop",
        rules::Rprop{
            .initial_step_size = 0.02, .eta_minus = 0.4, .eta_plus = 1.3, .min_step_size = 1e-4, .max_step_size = 0.1});

  visit("Ftrl", rules::Ftrl{.learning_rate = 0.3, .beta = 0.5, .l1 = 0.1, .l2 = 0.2, .initial_accumulator = 0.01});
  visit("Ftrl from 0.1", rules::Ftrl{.learning_rate = 0.3, .beta = 0, .l2_shrinkage = 0.3, .initial_accumulator = 0.1});

  visit("ScheduleFreeSGD", rules::ScheduleFreeSGD{.learning_rate = 0.03, .momentum = 0.8, .weight_decay = 0.1});
  visit("ScheduleFreeSGD warming up",
        rules::ScheduleFreeSGD{.learning_rate = 0.03, .warmup_steps = 9, .r = 0.5, .weight_lr_power = 1.5});

  visit(
      "ScheduleFreeAdamW",
      rules::ScheduleFreeAdamW{
          .learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.1, .warmup_steps = 9});

  // A power of two, so that the product with x is exact.
  visit("AdaGrad with weight decay",
        Chain{transforms::L2Penalty{0x1p-7}, rules::AdaGrad{.learning_rate = 0.03, .initial_accumulator = 0.1}});
  visit("Adam with weight decay", Chain{transforms::L2Penalty{0x1p-7}, adam});
}

/// The learning rate of a rule, or what else it lists first.
template <class R>
auto& first_hyperparameter(R& rule) {
  return *R::hyperparameters([&](const auto& first, const auto&...) { return &(rule.*first.member); });
}

template <class Scalar>
using Vector = Eigen::Vector<Scalar, Eigen::Dynamic>;

/// Gradients whose sizes range from 0 to 1e4, of both signs, the same on every platform.
template <class Scalar>
Vector<Scalar> mixed_gradient(Eigen::Index n, std::int64_t t) {
  Vector<Scalar> g(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    std::uint64_t bits = static_cast<std::uint64_t>(t * 1000003 + i + 1) * 0x9e3779b97f4a7c15;
    bits ^= bits >> 29;
    const double unit = static_cast<double>(bits % 100003) / 50001.5 - 1;
    const double sizes[] = {0, 1e-25, 1e-6, 1e-2, 1, 1, 1, 1e4};
    g[i] = static_cast<Scalar>(unit * sizes[(bits >> 40) % 8]);
  }
  return g;
}

template <class Scalar>
Vector<Scalar> start(Eigen::Index n) {
  return Vector<Scalar>::LinSpaced(n, -1, 1);
}

/// Compares bits rather than values: -0 is not 0, and a NaN equals itself. long double has padding, so its values are
/// compared.
template <class A, class B>
bool same_bits(const A& a, const B& b) {
  using Scalar = typename A::Scalar;
  if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
  for (Eigen::Index j = 0; j < a.cols(); ++j)
    for (Eigen::Index i = 0; i < a.rows(); ++i) {
      const Scalar x = a(i, j);
      const Scalar y = b(i, j);
      if constexpr (std::is_same_v<Scalar, long double>) {
        if (!(x == y && std::signbit(x) == std::signbit(y))) return false;
      } else if (std::memcmp(&x, &y, sizeof(Scalar)) != 0) {
        return false;
      }
    }
  return true;
}

template <class O>
bool same_state(const O& a, const O& b) {
  for (std::size_t slot = 0; slot < O::state_names.size(); ++slot)
    if (!same_bits(a.state(slot), b.state(slot))) return false;
  return a.steps() == b.steps() && a.skipped_steps() == b.skipped_steps();
}

/// The number of parameters and steps of such a run; in a separate namespace, because the names are short.
namespace runs {
inline constexpr Eigen::Index n = 24;
inline constexpr int steps = 40;  ///< beyond the first step at which small state becomes 0
}  // namespace runs

/// A run of `steps` steps on a plain vector, with which every other kind of run is compared.
template <class Scalar, class R, int Size = Eigen::Dynamic>
struct Run {
  Optimizer<R, Scalar, Size> optimizer;
  Vector<Scalar> x = start<Scalar>(runs::n);

  explicit Run(const R& rule) : optimizer(rule) {}
  void go(std::int64_t from = 1, std::int64_t to = runs::steps) {
    for (std::int64_t t = from; t <= to; ++t) optimizer.step(x, mixed_gradient<Scalar>(runs::n, t));
  }
};

/// The text of the Error that the call throws.
template <class Error = std::invalid_argument, class Call>
std::string complaint(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no such error)";
}

}  // namespace descent::test

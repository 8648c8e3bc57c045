// SPDX-License-Identifier: MIT
//
// For each thing that can be wrong with an argument: an exception is thrown, and its text says what is wrong. That
// nothing changes is a property of all optimizers: see properties.cpp.
#include <cmath>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// A link's member as one of the chain.
template <class C, class L>
double C::* in(double L::* member) {
  return member;
}

/// Checks that the constructor and `step` refuse a value, with a text that names all of it.
template <class Scalar, class R>
void refused(double R::* field, const std::string& optimizer, const std::string& name, double value,
             const std::string& range, const R& base = {}) {
  R rule = base;
  rule.*field = value;
  const auto check = [&](const std::string& text) {
    INFO(text);
    CHECK(text.find("descent::" + optimizer + ":") == 0);
    CHECK(text.find(name + " = ") != std::string::npos);
    CHECK(text.find("it must be " + range) != std::string::npos);
  };
  check(complaint([&] { Optimizer<R, Scalar> made(rule); }));

  Optimizer<R, Scalar> running(base);
  Vector<Scalar> x = start<Scalar>(3);
  running.step(x, x);
  const Vector<Scalar> before = x;
  const double good = running.*field;
  running.*field = value;
  check(complaint([&] { running.step(x, x); }));
  CHECK(same_bits(x, before));
  CHECK(running.steps() == 1);
  running.*field = good;
  running.step(x, x);
}

template <class Scalar, class R>
void accepted(double R::* field, double value, const R& base = {}) {
  R rule = base;
  rule.*field = value;
  Optimizer<R, Scalar> optimizer(rule);
  Vector<Scalar> x = start<Scalar>(3);
  CHECK_NOTHROW(optimizer.step(x, x));
}

template <class R>
void rate_is_checked(const std::string& optimizer) {
  for (const double bad : {-1e-300, -1.0, infinity, -infinity, not_a_number})
    refused<double>(&R::learning_rate, optimizer, "learning_rate", bad, "finite and >= 0");
  refused<float>(&R::learning_rate, optimizer, "learning_rate", 1e39, "finite and >= 0");
  accepted<double>(&R::learning_rate, 0);
  accepted<float>(&R::learning_rate, 0);
  accepted<double>(&R::learning_rate, 1e39);
}

template <class R>
void decay_is_checked(double R::* field, const std::string& optimizer, const std::string& name) {
  for (const double bad : {-1e-300, 1.0, 1.5, infinity, not_a_number})
    refused<double>(field, optimizer, name, bad, "in [0, 1)");
  refused<float>(field, optimizer, name, 1 - 1e-9, "in [0, 1)");  // rounds to 1
  accepted<double>(field, 1 - 1e-9);
  accepted<double>(field, 0);
}

template <class R>
void epsilon_is_checked(const std::string& optimizer) {
  for (const double bad : {0.0, -1e-8, infinity, not_a_number})
    refused<double>(&R::epsilon, optimizer, "epsilon", bad, "finite and > 0");
  refused<float>(&R::epsilon, optimizer, "epsilon", 1e-46, "finite and > 0");  // rounds to 0
  refused<float>(&R::epsilon, optimizer, "epsilon", 1e39, "finite and > 0");
  accepted<float>(&R::epsilon, 1e-45);
  accepted<double>(&R::epsilon, 1e-46);
}

/// The same for a member of any rule, by the text of its range.
template <class R>
void member_is_checked(double R::* field, const std::string& optimizer, const std::string& name,
                       const std::string& range) {
  const auto check = [&](const std::vector<double>& bad, const std::vector<double>& bad_as_float,
                         const std::vector<double>& good) {
    for (const double value : bad) refused<double>(field, optimizer, name, value, range);
    for (const double value : bad_as_float) refused<float>(field, optimizer, name, value, range);
    for (const double value : good) accepted<double>(field, value);
  };
  if (range == "finite and >= 0") return check({-1e-300, infinity, not_a_number}, {1e39}, {0, 1e39});
  if (range == "finite and > 0") return check({0, -1e-8, infinity, not_a_number}, {1e-46, 1e39}, {1e-46});
  if (range == "finite and >= 1") return check({0.9999999, infinity, not_a_number}, {1e39}, {1});
  if (range == "in (0, 1]") return check({0, -1e-8, 1.0000001, not_a_number}, {1e-46}, {1e-46, 1});
  if (range == "> 0") return check({0, -1e-8, not_a_number}, {1e-46}, {1e-46, infinity});
  REQUIRE(range == "in [0, 1)");
  decay_is_checked(field, optimizer, name);
}

}  // namespace

TEST_CASE("hyperparameters out of range", "[bad input]") {
  SECTION("SGD") { rate_is_checked<rules::SGD>("SGD"); }
  SECTION("Momentum") {
    rate_is_checked<rules::Momentum>("Momentum");
    for (const double bad : {-1e-300, 1.0000001, infinity, not_a_number})
      refused<double>(&rules::Momentum::momentum, "Momentum", "momentum", bad, "in [0, 1]");
    accepted<double>(&rules::Momentum::momentum, 1);
    accepted<double>(&rules::Momentum::momentum, 0);
    CHECK(complaint([] { Momentum<>({.form = static_cast<MomentumForm>(3)}); }).find("descent::Momentum: form") == 0);
    const rules::Momentum accumulated{.form = MomentumForm::accumulated};
    for (const double bad : {-1e-300, 1.0000001, infinity, not_a_number})
      refused<double>(&rules::Momentum::dampening, "Momentum", "dampening", bad, "in [0, 1]", accumulated);
    accepted<double>(&rules::Momentum::dampening, 1, accumulated);
    CHECK(complaint([] { Momentum<>({.dampening = 0.5}); }) ==
          "descent::Momentum: dampening must be 0 unless form is accumulated");
  }
  SECTION("a choice, during a run") {
    Momentum<> running;
    Vector<double> x = start<double>(3);
    running.step(x, x);
    const Vector<double> before = x;
    running.form = static_cast<MomentumForm>(3);
    CHECK(complaint([&] { running.step(x, x); }).find("descent::Momentum: form") == 0);
    CHECK(same_bits(x, before));
  }
  SECTION("Nesterov") {
    rate_is_checked<rules::Nesterov>("Nesterov");
    for (const double bad : {-1e-300, 1.0000001, infinity, not_a_number})
      refused<double>(&rules::Nesterov::momentum, "Nesterov", "momentum", bad, "in [0, 1]");
    accepted<double>(&rules::Nesterov::momentum, 1);
    CHECK(complaint([] {
      Nesterov<>({.gradient_at = static_cast<GradientAt>(2)});
    }).find("descent::Nesterov: gradient_at") == 0);
    CHECK(complaint([] { Nesterov<>({.form = MomentumForm::averaged}); }).find("descent::Nesterov: form") == 0);
    CHECK(complaint([] {
      Nesterov<>({.gradient_at = GradientAt::lookahead, .form = MomentumForm::accumulated});
    }).find("descent::Nesterov: form") == 0);
    Nesterov<> nesterov;
    nesterov.momentum = 2;
    CHECK_THROWS_AS(nesterov.lookahead(start<double>(3)), std::invalid_argument);
  }
  SECTION("AdaGrad") {
    rate_is_checked<rules::AdaGrad>("AdaGrad");
    epsilon_is_checked<rules::AdaGrad>("AdaGrad");
    for (const double bad : {-1e-300, infinity, not_a_number})
      refused<double>(&rules::AdaGrad::initial_accumulator, "AdaGrad", "initial_accumulator", bad, "finite and >= 0");
    refused<float>(&rules::AdaGrad::initial_accumulator, "AdaGrad", "initial_accumulator", 1e39, "finite and >= 0");
    for (const double bad : {-1e-300, infinity, not_a_number})
      refused<double>(&rules::AdaGrad::learning_rate_decay, "AdaGrad", "learning_rate_decay", bad, "finite and >= 0");
  }
  SECTION("RMSProp") {
    rate_is_checked<rules::RMSProp>("RMSProp");
    epsilon_is_checked<rules::RMSProp>("RMSProp");
    decay_is_checked(&rules::RMSProp::decay, "RMSProp", "decay");
  }
  SECTION("CenteredRMSProp") {
    rate_is_checked<rules::CenteredRMSProp>("CenteredRMSProp");
    epsilon_is_checked<rules::CenteredRMSProp>("CenteredRMSProp");
    decay_is_checked(&rules::CenteredRMSProp::decay, "CenteredRMSProp", "decay");
    CHECK(complaint([] {
      CenteredRMSProp<>({.epsilon_placement = EpsilonPlacement::hat});
    }).find("descent::CenteredRMSProp: epsilon_placement = hat; it must be outside or inside") == 0);
  }
  SECTION("a chain's links check themselves") {
    using Penalized = Chain<transforms::L2Penalty, rules::SGD>;
    for (const double bad : {-1e-300, infinity, not_a_number})
      refused<double>(in<Penalized>(&Penalized::weight_decay), "L2Penalty", "weight_decay", bad, "finite and >= 0");
    refused<float>(in<Penalized>(&Penalized::weight_decay), "L2Penalty", "weight_decay", 1e39, "finite and >= 0");
    CHECK(complaint([] { Optimizer<Penalized>({{0.1}, {.learning_rate = -1}}); }) ==
          "descent::SGD: learning_rate = -1; it must be finite and >= 0");
    CHECK(complaint([] {
      Optimizer(Chain{transforms::L2Penalty{0.1}, rules::Nesterov{.gradient_at = GradientAt::lookahead}});
    }) == "descent::Chain<descent::L2Penalty, descent::Nesterov>: gradient_at must be parameters in a Chain");
  }
  SECTION("MomentumOfSteps") {
    using Moving = Chain<rules::RMSProp, transforms::MomentumOfSteps>;
    for (const double bad : {-1e-300, 1.0000001, infinity, not_a_number})
      refused<double>(in<Moving>(&Moving::momentum), "MomentumOfSteps", "momentum", bad, "in [0, 1]");
    accepted<double>(in<Moving>(&Moving::momentum), 1);
    accepted<double>(in<Moving>(&Moving::momentum), 0);
    CHECK(complaint([] { Optimizer<Moving>({{.epsilon = 0}, {}}); }).find("descent::RMSProp: epsilon = 0") == 0);
    CHECK(complaint([] { Optimizer<Moving>({{}, {0.9, MomentumForm::averaged}}); }) ==
          "descent::MomentumOfSteps: form = averaged; it must be velocity or accumulated");
  }
  SECTION("AdaDelta") {
    rate_is_checked<rules::AdaDelta>("AdaDelta");
    epsilon_is_checked<rules::AdaDelta>("AdaDelta");
    decay_is_checked(&rules::AdaDelta::decay, "AdaDelta", "decay");
  }
  SECTION("AdamW") {
    member_is_checked(&rules::AdamW::learning_rate, "AdamW", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::AdamW::beta1, "AdamW", "beta1", "in [0, 1)");
    member_is_checked(&rules::AdamW::beta2, "AdamW", "beta2", "in [0, 1)");
    member_is_checked(&rules::AdamW::epsilon, "AdamW", "epsilon", "finite and > 0");
    member_is_checked(&rules::AdamW::weight_decay, "AdamW", "weight_decay", "finite and >= 0");
    member_is_checked(&rules::AdamW::epsilon_root, "AdamW", "epsilon_root", "finite and >= 0");
  }
  SECTION("AMSGrad") {
    member_is_checked(&rules::AMSGrad::learning_rate, "AMSGrad", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::AMSGrad::beta1, "AMSGrad", "beta1", "in [0, 1)");
    member_is_checked(&rules::AMSGrad::beta2, "AMSGrad", "beta2", "in [0, 1)");
    member_is_checked(&rules::AMSGrad::epsilon, "AMSGrad", "epsilon", "finite and > 0");
    CHECK(complaint([] { AMSGrad<>({.maximum_of = static_cast<MaximumOf>(2)}); }) ==
          "descent::AMSGrad: maximum_of = 2; it must be raw or corrected");
  }
  SECTION("NAdam") {
    member_is_checked(&rules::NAdam::learning_rate, "NAdam", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::NAdam::beta1, "NAdam", "beta1", "in [0, 1)");
    member_is_checked(&rules::NAdam::beta2, "NAdam", "beta2", "in [0, 1)");
    member_is_checked(&rules::NAdam::epsilon, "NAdam", "epsilon", "finite and > 0");
    member_is_checked(&rules::NAdam::momentum_decay, "NAdam", "momentum_decay", "> 0");
  }
  SECTION("RAdam") {
    member_is_checked(&rules::RAdam::learning_rate, "RAdam", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::RAdam::beta1, "RAdam", "beta1", "in [0, 1)");
    member_is_checked(&rules::RAdam::beta2, "RAdam", "beta2", "in [0, 1)");
    member_is_checked(&rules::RAdam::epsilon, "RAdam", "epsilon", "finite and > 0");
    for (const double bad : {3.999999, 0.0})
      CHECK(complaint([&] { RAdam<>({.threshold = bad}); }) == "descent::RAdam: threshold must be at least 4");
    CHECK(complaint([&] { RAdam<>({.threshold = infinity}); }) ==
          "descent::RAdam: threshold = inf; it must be finite and >= 0");
    CHECK_NOTHROW(RAdam<>({.threshold = 4}));
  }
  SECTION("AdaMax") {
    member_is_checked(&rules::AdaMax::learning_rate, "AdaMax", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::AdaMax::beta1, "AdaMax", "beta1", "in [0, 1)");
    member_is_checked(&rules::AdaMax::beta2, "AdaMax", "beta2", "in [0, 1)");
    member_is_checked(&rules::AdaMax::epsilon, "AdaMax", "epsilon", "finite and > 0");
    CHECK(complaint([] { AdaMax<>({.epsilon_placement = EpsilonPlacement::hat}); }) ==
          "descent::AdaMax: epsilon_placement = hat; it must be outside or inside");
  }
  SECTION("AdaBelief") {
    member_is_checked(&rules::AdaBelief::learning_rate, "AdaBelief", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::AdaBelief::beta1, "AdaBelief", "beta1", "in [0, 1)");
    member_is_checked(&rules::AdaBelief::beta2, "AdaBelief", "beta2", "in [0, 1)");
    member_is_checked(&rules::AdaBelief::epsilon, "AdaBelief", "epsilon", "finite and > 0");
    member_is_checked(&rules::AdaBelief::epsilon_root, "AdaBelief", "epsilon_root", "finite and >= 0");
  }
  SECTION("Yogi") {
    member_is_checked(&rules::Yogi::learning_rate, "Yogi", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::Yogi::beta1, "Yogi", "beta1", "in [0, 1)");
    member_is_checked(&rules::Yogi::beta2, "Yogi", "beta2", "in [0, 1)");
    member_is_checked(&rules::Yogi::epsilon, "Yogi", "epsilon", "finite and > 0");
    member_is_checked(&rules::Yogi::initial_accumulator, "Yogi", "initial_accumulator", "finite and >= 0");
  }
  SECTION("Adan") {
    member_is_checked(&rules::Adan::learning_rate, "Adan", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::Adan::beta1, "Adan", "beta1", "in [0, 1)");
    member_is_checked(&rules::Adan::beta2, "Adan", "beta2", "in [0, 1)");
    member_is_checked(&rules::Adan::beta3, "Adan", "beta3", "in [0, 1)");
    member_is_checked(&rules::Adan::epsilon, "Adan", "epsilon", "finite and > 0");
    member_is_checked(&rules::Adan::weight_decay, "Adan", "weight_decay", "finite and >= 0");
  }
  SECTION("Lion") {
    member_is_checked(&rules::Lion::learning_rate, "Lion", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::Lion::beta1, "Lion", "beta1", "in [0, 1)");
    member_is_checked(&rules::Lion::beta2, "Lion", "beta2", "in [0, 1)");
    member_is_checked(&rules::Lion::weight_decay, "Lion", "weight_decay", "finite and >= 0");
  }
  SECTION("Rprop") {
    member_is_checked(&rules::Rprop::initial_step_size, "Rprop", "initial_step_size", "finite and > 0");
    member_is_checked(&rules::Rprop::eta_minus, "Rprop", "eta_minus", "in [0, 1)");
    member_is_checked(&rules::Rprop::eta_plus, "Rprop", "eta_plus", "finite and >= 1");
    member_is_checked(&rules::Rprop::min_step_size, "Rprop", "min_step_size", "finite and > 0");
    for (const double bad : {0.0, -1.0, infinity, not_a_number})
      refused<double>(&rules::Rprop::max_step_size, "Rprop", "max_step_size", bad, "finite and > 0");
    CHECK(complaint([] { Rprop<>({.min_step_size = 2, .max_step_size = 1}); }) ==
          "descent::Rprop: min_step_size must be at most max_step_size");
    CHECK_NOTHROW(Rprop<>({.min_step_size = 2, .max_step_size = 2}));
  }
  SECTION("Ftrl") {
    member_is_checked(&rules::Ftrl::learning_rate, "Ftrl", "learning_rate", "finite and > 0");
    for (const double bad : {-1e-300, infinity, not_a_number})
      refused<double>(&rules::Ftrl::beta, "Ftrl", "beta", bad, "finite and >= 0");
    member_is_checked(&rules::Ftrl::l1, "Ftrl", "l1", "finite and >= 0");
    member_is_checked(&rules::Ftrl::l2, "Ftrl", "l2", "finite and >= 0");
    member_is_checked(&rules::Ftrl::l2_shrinkage, "Ftrl", "l2_shrinkage", "finite and >= 0");
    member_is_checked(&rules::Ftrl::initial_accumulator, "Ftrl", "initial_accumulator", "finite and >= 0");
    CHECK(complaint([] { Ftrl<>({.beta = 0}); }) == "descent::Ftrl: beta, l2 or initial_accumulator must be > 0");
    CHECK_NOTHROW(Ftrl<>({.beta = 0, .l2 = 1}));
    CHECK_NOTHROW(Ftrl<>({.beta = 0, .initial_accumulator = 1}));
  }
  SECTION("ScheduleFreeSGD") {
    member_is_checked(&rules::ScheduleFreeSGD::learning_rate, "ScheduleFreeSGD", "learning_rate", "finite and >= 0");
    member_is_checked(&rules::ScheduleFreeSGD::momentum, "ScheduleFreeSGD", "momentum", "in (0, 1]");
    member_is_checked(&rules::ScheduleFreeSGD::weight_decay, "ScheduleFreeSGD", "weight_decay", "finite and >= 0");
    member_is_checked(&rules::ScheduleFreeSGD::r, "ScheduleFreeSGD", "r", "finite and >= 0");
    member_is_checked(&rules::ScheduleFreeSGD::weight_lr_power, "ScheduleFreeSGD", "weight_lr_power",
                      "finite and >= 0");
    CHECK(complaint([] { ScheduleFreeSGD<>({.warmup_steps = -1}); }) ==
          "descent::ScheduleFreeSGD: warmup_steps = -1; it must be finite and >= 0");
  }
  SECTION("ScheduleFreeAdamW") {
    member_is_checked(&rules::ScheduleFreeAdamW::learning_rate, "ScheduleFreeAdamW", "learning_rate",
                      "finite and >= 0");
    member_is_checked(&rules::ScheduleFreeAdamW::beta1, "ScheduleFreeAdamW", "beta1", "in (0, 1]");
    member_is_checked(&rules::ScheduleFreeAdamW::beta2, "ScheduleFreeAdamW", "beta2", "in [0, 1)");
    member_is_checked(&rules::ScheduleFreeAdamW::epsilon, "ScheduleFreeAdamW", "epsilon", "finite and > 0");
    member_is_checked(&rules::ScheduleFreeAdamW::weight_decay, "ScheduleFreeAdamW", "weight_decay", "finite and >= 0");
    member_is_checked(&rules::ScheduleFreeAdamW::r, "ScheduleFreeAdamW", "r", "finite and >= 0");
    member_is_checked(&rules::ScheduleFreeAdamW::weight_lr_power, "ScheduleFreeAdamW", "weight_lr_power",
                      "finite and >= 0");
    CHECK(complaint([] { ScheduleFreeAdamW<>({.warmup_steps = -1}); }) ==
          "descent::ScheduleFreeAdamW: warmup_steps = -1; it must be finite and >= 0");
  }
  SECTION("Adam") {
    rate_is_checked<rules::Adam>("Adam");
    epsilon_is_checked<rules::Adam>("Adam");
    decay_is_checked(&rules::Adam::beta1, "Adam", "beta1");
    decay_is_checked(&rules::Adam::beta2, "Adam", "beta2");
    CHECK(complaint([] {
      Adam<>({.epsilon_placement = static_cast<EpsilonPlacement>(7)});
    }).find("descent::Adam: epsilon_placement = 7; it must be outside, inside or hat") == 0);
  }
}

TEST_CASE("an error says what the scalar makes of a value", "[bad input]") {
  CHECK(complaint([] { Adam<float>({.epsilon = 1e-46}); }) ==
        "descent::Adam: epsilon = 1e-46 becomes 0 as float; it must be finite and > 0");
  CHECK(complaint([] { Adam<double>({.epsilon = 0}); }) == "descent::Adam: epsilon = 0; it must be finite and > 0");
  CHECK(complaint([] { Adam<float>({.beta2 = 0.999999999}); }) ==
        "descent::Adam: beta2 = 0.999999999 becomes 1 as float; it must be in [0, 1)");
  CHECK(complaint([] { SGD<float>({.learning_rate = 1e39}); }) ==
        "descent::SGD: learning_rate = 1e+39 becomes inf as float; it must be finite and >= 0");
}

TEST_CASE("hat is Adam's alone", "[bad input]") {
  CHECK(complaint([] {
    AdaGrad<>({.epsilon_placement = EpsilonPlacement::hat});
  }).find("descent::AdaGrad: epsilon_placement = hat; it must be outside or inside") == 0);
  CHECK(complaint([] {
    RMSProp<>({.epsilon_placement = EpsilonPlacement::hat});
  }).find("descent::RMSProp: epsilon_placement = hat; it must be outside or inside") == 0);
  RMSProp<> rmsprop;
  rmsprop.epsilon_placement = EpsilonPlacement::hat;
  Vector<double> x = start<double>(3);
  CHECK_THROWS_AS(rmsprop.step(x, x), std::invalid_argument);
  CHECK(same_bits(x, start<double>(3)));
}

TEST_CASE("an error names both shapes if they do not match", "[bad input]") {
  Eigen::VectorXd x = start<double>(3), longer = start<double>(4);
  Eigen::MatrixXd W = Eigen::MatrixXd::Ones(2, 3), transposed = W.transpose();
  Adam<> adam;

  CHECK(complaint([&] { adam.step(x, longer); }) == "descent: the gradient is 4x1, but the parameters are 3x1");
  CHECK(complaint([&] { adam.step(x, x.transpose()); }) == "descent: the gradient is 1x3, but the parameters are 3x1");
  CHECK(complaint([&] { adam.step(W, transposed); }) == "descent: the gradient is 3x2, but the parameters are 2x3");
  CHECK(complaint([&] { adam.step(std::tie(x, W), std::tie(x, transposed)); }) ==
        "descent: the gradient of tensor 1 (of 2, from 0) is 3x2, but the parameters are 2x3");
  CHECK(adam.steps() == 0);

  adam.step(W, W);
  CHECK(complaint([&] { adam.step(transposed, transposed); }) ==
        "descent: the parameters are 3x2, but in the steps so far they were 2x3; reset() starts anew");
  CHECK(complaint([&] { adam.step(std::tie(x, x), std::tie(x, x)); }) ==
        "descent: 2 tensors of parameters, but the steps so far had 1; reset() starts anew");
  adam.reset();
  adam.step(std::tie(W, x), std::tie(W, x));
  CHECK(complaint([&] { adam.step(std::tie(W, longer), std::tie(W, longer)); }) ==
        "descent: the parameters of tensor 1 (of 2, from 0) are 4x1, but in the steps so far they were 3x1; reset() "
        "starts "
        "anew");
}

TEST_CASE("after many good steps, a bad one is still an error", "[bad input]") {
  Eigen::MatrixXd W = Eigen::MatrixXd::Ones(2, 3), wider = Eigen::MatrixXd::Ones(2, 4), higher = wider.transpose();
  Adam<> adam;
  const auto many = [&](auto&& params) {
    for (int t = 1; t <= 4; ++t) adam.step(params, params);
  };
  many(W);
  for (auto* other : {&wider, &higher}) {
    CHECK_THROWS_AS(adam.step(*other, *other), std::invalid_argument);
    CHECK_THROWS_AS(adam.step(W, *other), std::invalid_argument);
  }
  adam.beta1 = 2;
  CHECK_THROWS_AS(adam.step(W, W), std::invalid_argument);
  adam.beta1 = 0.5;
  CHECK(adam.steps() == 4);

  adam.reset();
  many(std::tie(W, wider));
  CHECK_THROWS_AS(adam.step(W, W), std::invalid_argument);
  CHECK_THROWS_AS(adam.step(wider, wider), std::invalid_argument);
  CHECK(adam.steps() == 4);
}

TEST_CASE("parameter sets whose lengths differ", "[bad input]") {
  std::vector<Eigen::VectorXf> params(3, Eigen::VectorXf::Ones(2)), gradients(2, Eigen::VectorXf::Ones(2));
  AdaGrad<float> adagrad;
  CHECK(complaint([&] { adagrad.step(params, gradients); }) == "descent: 2 gradients for 3 tensors of parameters");
  CHECK(complaint([&] { adagrad.step(gradients, params); }) == "descent: 3 gradients for 2 tensors of parameters");
  for (const auto& p : params) CHECK(p == Eigen::VectorXf::Ones(2));
}

TEST_CASE("a fixed size is kept at run time too", "[bad input]") {
  Adam<double, 3> adam;
  Eigen::VectorXd four = start<double>(4), three = start<double>(3);
  CHECK(complaint([&] { adam.step(four, four); }) == "descent: 4 parameters, but the optimizer has the fixed size 3");
  CHECK(same_bits(four, start<double>(4)));
  CHECK_NOTHROW(adam.step(three, three));

  std::vector<Eigen::VectorXd> many(4, Eigen::VectorXd());
  many[0] = three;
  Adam<double, 3> several;
  CHECK(complaint([&] {
    several.step(many, many);
  }).find("4 tensors; an optimizer of the fixed size 3 takes at most 3") != std::string::npos);
  many.pop_back();
  CHECK_NOTHROW(several.step(many, many));

  const Eigen::MatrixXd no_columns(256, 0);  // with a fixed size of 3, a number of rows is one byte
  std::vector<Eigen::MatrixXd> tall{three, no_columns};
  Adam<double, 3> small;
  CHECK(complaint([&] { small.step(tall, tall); }) ==
        "descent: the parameters of tensor 1 (of 2, from 0) are 256x0; an optimizer of the fixed size 3 takes up to "
        "255 rows "
        "or columns");
}

TEST_CASE("threads", "[bad input]") {
  SGD<> sgd;
  CHECK(complaint([&] { sgd.set_threads(-1); }).find("threads = -1; it must be >= 1, or 0") != std::string::npos);
  CHECK_NOTHROW(sgd.set_threads(0));
}

// Hidden: ctest runs it with DESCENT_ISA set to sse.
TEST_CASE("an unknown DESCENT_ISA", "[.isa]") {
  CHECK(complaint([] { SGD<>(); }) ==
        "descent: the environment variable DESCENT_ISA is \"sse\"; it must be lanes, baseline or wide");
}

namespace {

float read(const char* digits, float) { return std::strtof(digits, nullptr); }
double read(const char* digits, double) { return std::strtod(digits, nullptr); }
long double read(const char* digits, long double) { return std::strtold(digits, nullptr); }

}  // namespace

TEMPLATE_TEST_CASE("numbers in a text have the digits that tell them from their neighbours", "[bad input]", float,
                   double, long double) {
  using Limits = std::numeric_limits<TestType>;
  const auto text = [](TestType number) { return std::string(descent::detail::Text{number}.c_str()); };
  for (const char* digits : {"0", "-0", "1", "0.1", "-0.001", "0.999", "1e-08", "6.5e+20", "1.5e-30", "123456"})
    CHECK(text(read(digits, TestType())) == digits);
  CHECK(text(Limits::infinity()) == "inf");
  CHECK(text(-Limits::infinity()) == "-inf");

  // All sizes down to the smallest: first digits of their own, and then no more than the type is sure to keep.
  for (int exponent = Limits::min_exponent10 - Limits::digits10; exponent < Limits::max_exponent10; ++exponent) {
    const std::string e = "e" + std::to_string(exponent);
    for (const std::string& digits : {"1" + e, "1.3" + e, "-7.25" + e, "9.99999" + e}) {
      const TestType number = read(digits.c_str(), TestType());
      for (const TestType other : {number, std::nextafter(number, TestType(0)), number / 3})
        if (read(text(other).c_str(), TestType()) != other) {
          CAPTURE(digits, text(other));
          FAIL("another number is told");
        }
    }
  }
}

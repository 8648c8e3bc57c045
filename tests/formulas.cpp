// SPDX-License-Identifier: MIT
//
// Every rule and variant, step by step, against its formula written plainly in long double.
//
// Each step is computed from the optimizer's own x and state, so the bounds are those of one step. They count
// roundings: u is half an ulp of the scalar (or of double, in which the coefficients are computed), and every bound is
// relative to the sum of the absolute values of what is added.
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Real = long double;

/// What one element becomes, and how large the terms of each sum are.
struct Expected {
  Real step = 0;
  Real step_size = 0;
  std::vector<Real> state;
  std::vector<Real> state_size;
};

Expected expected(const rules::SGD& rule, std::int64_t, Real g, const std::vector<Real>&) {
  const Real step = rule.learning_rate * g;
  return {step, std::abs(step), {}, {}};
}

Expected expected(const rules::Momentum& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Real mu = rule.momentum, eta = rule.learning_rate;
  Real gain = 1, rate = eta;
  if (rule.form == MomentumForm::velocity) gain = eta, rate = 1;
  if (rule.form == MomentumForm::averaged) gain = 1 - mu;
  if (rule.form == MomentumForm::accumulated && t > 1) gain = 1 - Real(rule.dampening);
  const Real v = mu * state[0] + gain * g;
  const Real size = std::abs(mu * state[0]) + std::abs(gain * g);
  return {rate * v, rate * size, {v}, {size}};
}

Expected expected(const rules::Nesterov& rule, std::int64_t, Real g, const std::vector<Real>& state) {
  const Real mu = rule.momentum, eta = rule.learning_rate;
  if (rule.form == MomentumForm::accumulated) {
    const Real v = mu * state[0] + g;
    const Real size = std::abs(mu * state[0]) + std::abs(g);
    return {eta * (mu * v + g), eta * (mu * size + std::abs(g)), {v}, {size}};
  }
  const Real v = mu * state[0] + eta * g;
  const Real size = std::abs(mu * state[0]) + std::abs(eta * g);
  if (rule.gradient_at == GradientAt::lookahead) return {v, size, {v}, {size}};
  return {mu * v + eta * g, mu * size + std::abs(eta * g), {v}, {size}};
}

Real denominator(EpsilonPlacement placement, Real s, Real epsilon) {
  return placement == EpsilonPlacement::inside ? std::sqrt(s + epsilon) : std::sqrt(s) + epsilon;
}

Expected expected(const rules::AdaGrad& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Real s = state[0] + g * g;
  const Real rate = rule.learning_rate / (1 + Real(t - 1) * rule.learning_rate_decay);
  const Real step = rate * g / denominator(rule.epsilon_placement, s, rule.epsilon);
  return {step, std::abs(step), {s}, {s}};
}

Expected expected(const rules::RMSProp& rule, std::int64_t, Real g, const std::vector<Real>& state) {
  const Real s = rule.decay * state[0] + (1 - Real(rule.decay)) * g * g;
  const Real step = rule.learning_rate * g / denominator(rule.epsilon_placement, s, rule.epsilon);
  return {step, std::abs(step), {s}, {s}};
}

Expected expected(const rules::CenteredRMSProp& rule, std::int64_t, Real g, const std::vector<Real>& state) {
  const Real gamma = rule.decay;
  const Real s = gamma * state[0] + (1 - gamma) * g * g;
  const Real m = gamma * state[1] + (1 - gamma) * g;
  const Real m_size = std::abs(gamma * state[1]) + std::abs((1 - gamma) * g);
  const Real variance = s - m * m;
  const Real step = rule.learning_rate * g / denominator(rule.epsilon_placement, variance, rule.epsilon);
  // The step has half the relative error of the variance, whose error is that of its terms, enlarged.
  const Real enlarged = variance > 0 ? (s + m_size * m_size) / variance : 1;
  return {step, std::abs(step) * enlarged, {s, m}, {s, m_size}};
}

template <class R>
Expected expected(const Chain<R, transforms::MomentumOfSteps>& rule, std::int64_t t, Real g,
                  const std::vector<Real>& state) {
  R unscaled = rule;
  Real factor = 1;
  if (rule.form == MomentumForm::accumulated) unscaled.learning_rate = 1, factor = rule.learning_rate;
  Expected e = expected(unscaled, t, g, {state.begin(), state.end() - 1});
  const Real v = rule.momentum * state.back() + e.step;
  const Real size = std::abs(rule.momentum * state.back()) + e.step_size;
  e.state.push_back(v);
  e.state_size.push_back(size);
  return {factor * v, factor * size, e.state, e.state_size};
}

Expected expected(const rules::AdaDelta& rule, std::int64_t, Real g, const std::vector<Real>& state) {
  const Real rho = rule.decay, epsilon = rule.epsilon;
  const Real s = rho * state[0] + (1 - rho) * g * g;
  const Real u = std::sqrt((state[1] + epsilon) / (s + epsilon)) * g;
  const Real d = rho * state[1] + (1 - rho) * u * u;
  return {rule.learning_rate * u, std::abs(rule.learning_rate * u), {s, d}, {s, d}};
}

Expected expected(const rules::Adam& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Real beta1 = rule.beta1, beta2 = rule.beta2, eta = rule.learning_rate, epsilon = rule.epsilon;
  const Real m = beta1 * state[0] + (1 - beta1) * g;
  const Real m_size = std::abs(beta1 * state[0]) + std::abs((1 - beta1) * g);
  const Real v = beta2 * state[1] + (1 - beta2) * g * g;
  const Real correction1 = rule.bias_correction ? 1 - std::pow(beta1, Real(t)) : 1;
  const Real correction2 = rule.bias_correction ? 1 - std::pow(beta2, Real(t)) : 1;
  Real factor = 0;
  if (rule.epsilon_placement == EpsilonPlacement::hat)
    factor = eta * std::sqrt(correction2) / correction1 / (std::sqrt(v) + epsilon);
  else
    factor = eta / correction1 / denominator(rule.epsilon_placement, v / correction2, epsilon);
  return {factor * m, factor * m_size, {m, v}, {m_size, v}};
}

/// How far off, in units of u, 1 - beta^t may be: each of the t - 1 products by one rounding, which is large relative
/// to the difference while beta^t is close to 1.
Real correction_error(Real beta, std::int64_t t) {
  const Real power = std::pow(beta, Real(t));
  return static_cast<Real>(t - 1) * power / (1 - power) + 2;
}

template <class R>
Real step_roundings(const R& rule, std::int64_t t) {
  // At most 13: AdaDelta's u with s and d rounded 5 times each under a root, and the final product.
  if constexpr (std::is_base_of_v<rules::Adam, R>)
    return rule.bias_correction ? 16 + correction_error(rule.beta1, t) + correction_error(rule.beta2, t) : 16;
  else
    return 16;
}

template <class Scalar, class R>
void follow(const R& rule) {
  constexpr Eigen::Index n = 41;
  const Real unit = std::max<Real>(std::numeric_limits<Scalar>::epsilon(), std::numeric_limits<double>::epsilon()) / 2;
  // What underflow may lose: a square, or its product with a coefficient.
  const Real tiny = 4 * Real(std::numeric_limits<Scalar>::min());

  Optimizer<R, Scalar> optimizer(rule);
  Vector<Scalar> x = start<Scalar>(n);
  for (std::int64_t t = 1; t <= 60; ++t) {
    const Vector<Scalar> g = mixed_gradient<Scalar>(n, t);
    const Vector<Scalar> x_before = x;
    std::vector<Vector<Scalar>> state_before;
    for (std::size_t k = 0; k < R::state_names.size(); ++k)
      state_before.push_back(t > 1 ? Vector<Scalar>(optimizer.state(k)) : [&] {
        if constexpr (HasInitialState<R>)
          return Vector<Scalar>::Constant(n, static_cast<Scalar>(initial_state(rule)[k])).eval();
        else
          return Vector<Scalar>::Zero(n).eval();
      }());
    optimizer.step(x, g);

    for (Eigen::Index i = 0; i < n; ++i) {
      std::vector<Real> state;
      for (const auto& array : state_before) state.push_back(array[i]);
      Real slope = g[i];
      if constexpr (requires { rule.weight_decay; }) slope += rule.weight_decay * Real(x_before[i]);
      const Expected e = expected(rule, t, slope, state);
      for (std::size_t k = 0; k < state.size(); ++k) {
        INFO("t = " << t << ", i = " << i << ", " << R::state_names[k]);
        REQUIRE(std::abs(Real(optimizer.state(k)[i]) - e.state[k]) <= 16 * unit * e.state_size[k] + tiny);
      }
      const Real x_expected = x_before[i] - e.step;
      const Real bound = step_roundings(rule, t) * unit * e.step_size + 2 * unit * std::abs(x_expected) + tiny;
      INFO("t = " << t << ", i = " << i << ", g = " << g[i]);
      REQUIRE(std::abs(Real(x[i]) - x_expected) <= bound);
    }
  }
  REQUIRE(optimizer.steps() == 60);
}

}  // namespace

TEMPLATE_TEST_CASE("every variant follows its formula", "[formulas]", float, double, long double) {
  for_each_variant([](const char* name, const auto& rule) {
    INFO(name);
    follow<TestType>(rule);
  });
}

TEST_CASE("the defaults are those of the contract", "[formulas]") {
  const rules::SGD sgd;
  CHECK(sgd.learning_rate == 0.01);
  const rules::Momentum momentum;
  CHECK(momentum.learning_rate == 0.01);
  CHECK(momentum.momentum == 0.9);
  CHECK(momentum.form == MomentumForm::velocity);
  CHECK(momentum.dampening == 0);
  const rules::Nesterov nesterov;
  CHECK(nesterov.learning_rate == 0.01);
  CHECK(nesterov.momentum == 0.9);
  CHECK(nesterov.gradient_at == GradientAt::parameters);
  CHECK(nesterov.form == MomentumForm::velocity);
  const rules::AdaGrad adagrad;
  CHECK(adagrad.learning_rate == 0.01);
  CHECK(adagrad.epsilon == 1e-8);
  CHECK(adagrad.epsilon_placement == EpsilonPlacement::outside);
  CHECK(adagrad.initial_accumulator == 0);
  CHECK(adagrad.learning_rate_decay == 0);
  const rules::RMSProp rmsprop;
  CHECK(rmsprop.learning_rate == 0.001);
  CHECK(rmsprop.decay == 0.9);
  CHECK(rmsprop.epsilon == 1e-8);
  CHECK(rmsprop.epsilon_placement == EpsilonPlacement::outside);
  const rules::CenteredRMSProp centered;
  CHECK(centered.learning_rate == 0.001);
  CHECK(centered.decay == 0.9);
  CHECK(centered.epsilon == 1e-8);
  CHECK(centered.epsilon_placement == EpsilonPlacement::outside);
  const rules::AdaDelta adadelta;
  CHECK(adadelta.learning_rate == 1);
  CHECK(adadelta.decay == 0.95);
  CHECK(adadelta.epsilon == 1e-6);
  const rules::Adam adam;
  CHECK(adam.learning_rate == 0.001);
  CHECK(adam.beta1 == 0.9);
  CHECK(adam.beta2 == 0.999);
  CHECK(adam.epsilon == 1e-8);
  CHECK(adam.epsilon_placement == EpsilonPlacement::outside);
  CHECK(adam.bias_correction);
  CHECK(transforms::GradientScale{}.factor == 1);
  CHECK(transforms::ClipValue{}.limit == 1);
  CHECK(transforms::ClipNorm{}.max_norm == 1);
  CHECK(transforms::ClipTensorNorm{}.max_norm == 1);
  CHECK(transforms::L2Penalty{}.weight_decay == 0);
  CHECK(transforms::L1Penalty{}.weight_decay == 0);
  CHECK(transforms::WeightDecay{}.weight_decay == 0.01);
  CHECK(!transforms::WeightDecay{}.matrices_only);
  CHECK(transforms::MomentumOfSteps{}.momentum == 0.9);
  CHECK(transforms::MomentumOfSteps{}.form == MomentumForm::velocity);
  CHECK(transforms::Bounds{}.lower == -std::numeric_limits<double>::infinity());
  CHECK(transforms::Bounds{}.upper == std::numeric_limits<double>::infinity());
  CHECK(transforms::SoftThreshold{}.weight == 0);
  CHECK(transforms::Average{}.decay == 0.999);
  CHECK(transforms::EqualAverage{}.start == 0);
  CHECK(transforms::Lookahead{}.period == 5);
  CHECK(transforms::Lookahead{}.alpha == 0.5);
}

TEST_CASE("Adam without bias correction: hat equals outside", "[formulas]") {
  rules::Adam rule{.bias_correction = false};
  Adam<double> outside(rule);
  rule.epsilon_placement = EpsilonPlacement::hat;
  Adam<double> hat(rule);
  Vector<double> x = start<double>(9), y = x;
  for (std::int64_t t = 1; t <= 20; ++t) {
    outside.step(x, mixed_gradient<double>(9, t));
    hat.step(y, mixed_gradient<double>(9, t));
  }
  CHECK(same_bits(x, y));
}

TEST_CASE("a hyperparameter changed during a run counts from the next step", "[formulas]") {
  Vector<double> x = Vector<double>::Zero(1);
  const Vector<double> g = Vector<double>::Ones(1);

  SGD<double> sgd({.learning_rate = 0.5});
  sgd.step(x, g);
  sgd.learning_rate = 0.25;
  sgd.step(x, g);
  CHECK(x[0] == -0.75);

  SECTION("the forms of momentum differ then") {
    for (auto [form, second_step] : {std::pair{MomentumForm::velocity, 0.5 * 0.5 + 0.25},
                                     std::pair{MomentumForm::accumulated, 0.25 * (0.5 + 1)}}) {
      x.setZero();
      Momentum<double> momentum({.learning_rate = 0.5, .momentum = 0.5, .form = form});
      momentum.step(x, g);
      momentum.learning_rate = 0.25;
      momentum.step(x, g);
      CHECK(x[0] == -(0.5 + second_step));
    }
  }

  SECTION("Adam's correction is the product of the betas that were in force") {
    Adam<double> adam({.learning_rate = 1, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 1e-300});
    x.setZero();
    adam.step(x, g);
    adam.beta1 = 0.25;
    adam.beta2 = 0.5;
    adam.step(x, g);
    // With a constant gradient g, the corrected moments are g and g^2 whatever the betas were.
    CHECK(std::abs(x[0] + 2) <= 16 * std::numeric_limits<double>::epsilon());
    CHECK(adam.state("first_moment")[0] == 0.25 * 0.5 + 0.75);
    CHECK(adam.state("second_moment")[0] == 0.5 * 0.25 + 0.5);
  }

  SECTION("AdaGrad's initial accumulator counts from the next reset") {
    AdaGrad<double> adagrad({.initial_accumulator = 1});
    adagrad.step(x, g);
    adagrad.initial_accumulator = 8;
    adagrad.step(x, g);
    CHECK(adagrad.state(0)[0] == 3);
    adagrad.reset();
    adagrad.step(x, g);
    CHECK(adagrad.state(0)[0] == 9);
  }
}

TEST_CASE("AdaGrad with a decay of 1 has the rate learning_rate / t", "[formulas]") {
  AdaGrad<double> slowing({.learning_rate = 0.5, .learning_rate_decay = 1}), plain;
  Vector<double> x = start<double>(5), y = x;
  for (int t = 1; t <= 5; ++t) {
    const Vector<double> g = mixed_gradient<double>(5, t);
    slowing.step(x, g);
    plain.learning_rate = 0.5 / t;
    plain.step(y, g);
    CHECK(same_bits(x, y));
  }
}

TEST_CASE("Adam's running products end at 0, not in the subnormal numbers", "[formulas]") {
  // From some t on, the correction is exactly 1: corrected and uncorrected steps have the same bits.
  Adam<double> corrected({.beta1 = 0.5, .beta2 = 0.5});
  Adam<double> plain({.beta1 = 0.5, .beta2 = 0.5, .bias_correction = false});
  Vector<double> x = Vector<double>::Ones(3);
  for (int t = 0; t < 2000; ++t) {
    const Vector<double> before = x;
    Vector<double> y = x;
    corrected.step(x, before);
    plain.step(y, before);
    if (t > 60) REQUIRE(same_bits(x, y));
    if (t == 3) REQUIRE_FALSE(same_bits(x, y));
  }
}

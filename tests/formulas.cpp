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
    factor = eta * std::sqrt(correction2) / correction1 / (std::sqrt(v + rule.epsilon_root) + epsilon);
  else
    factor = eta / correction1 / denominator(rule.epsilon_placement, v / correction2 + rule.epsilon_root, epsilon);
  return {factor * m, factor * m_size, {m, v}, {m_size, v}};
}

/// The moments that Adam and its kin have, whose second may be enlarged: by how much its terms exceed it.
struct Moments {
  Real m, m_size, correction1, correction2;

  Moments(Real beta1, Real beta2, std::int64_t t, Real g, Real first_moment)
      : m(beta1 * first_moment + (1 - beta1) * g),
        m_size(std::abs(beta1 * first_moment) + std::abs((1 - beta1) * g)),
        correction1(1 - std::pow(beta1, Real(t))),
        correction2(1 - std::pow(beta2, Real(t))) {}

  /// Where v is the second moment and v_size the sum of its terms' absolute values.
  Expected step(Real factor, Real v, Real v_size) const {
    const Real enlarged = v > 0 ? v_size / v : 1;
    return {factor * m, std::abs(factor) * m_size * enlarged, {m, v}, {m_size, v_size}};
  }
};

Expected expected(const rules::AdamW& rule, std::int64_t t, Real g, const std::vector<Real>& state, Real x) {
  Expected e = expected(rules::Adam{.learning_rate = rule.learning_rate,
                                    .beta1 = rule.beta1,
                                    .beta2 = rule.beta2,
                                    .epsilon = rule.epsilon,
                                    .epsilon_root = rule.epsilon_root,
                                    .epsilon_placement = rule.epsilon_placement},
                        t, g, state);
  const Real decay = Real(rule.learning_rate) * rule.weight_decay * x;
  e.step += decay;
  e.step_size += std::abs(decay);
  return e;
}

Expected expected(const rules::AMSGrad& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  Moments all(rule.beta1, rule.beta2, t, g, state[0]);
  if (!rule.bias_correction) all.correction1 = all.correction2 = 1;
  const Real v = rule.beta2 * state[1] + (1 - Real(rule.beta2)) * g * g;
  const bool raw = rule.maximum_of == MaximumOf::raw;
  const Real w = std::max(state[2], raw ? v : v / all.correction2);
  const Real rate = rule.learning_rate / all.correction1;
  Real factor = 0;
  if (rule.epsilon_placement == EpsilonPlacement::hat)
    factor = rate * (raw ? std::sqrt(all.correction2) : 1) / (std::sqrt(w) + rule.epsilon);
  else
    factor = rate / denominator(rule.epsilon_placement, raw ? w / all.correction2 : w, rule.epsilon);
  return {factor * all.m, factor * all.m_size, {all.m, v, w}, {all.m_size, v, w}};
}

Real momentum_of(const rules::NAdam& rule, std::int64_t t) {
  return rule.beta1 * (1 - std::pow(Real(0.96), Real(t) * rule.momentum_decay) / 2);
}
Real product_of_momenta(const rules::NAdam& rule, std::int64_t t) {
  Real product = 1;
  for (std::int64_t i = 1; i <= t; ++i) product *= momentum_of(rule, i);
  return product;
}

Expected expected(const rules::NAdam& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Moments all(rule.beta1, rule.beta2, t, g, state[0]);
  const Real v = rule.beta2 * state[1] + (1 - Real(rule.beta2)) * g * g;
  const Real factor = rule.learning_rate / denominator(EpsilonPlacement::outside, v / all.correction2, rule.epsilon);
  const Real product = product_of_momenta(rule, t), next = momentum_of(rule, t + 1);
  const Real of_g = factor * (1 - momentum_of(rule, t)) / (1 - product);
  const Real of_m = factor * next / (1 - product * next);
  return {of_g * g + of_m * all.m, std::abs(of_g * g) + of_m * all.m_size, {all.m, v}, {all.m_size, v}};
}

Real rho_of(const rules::RAdam& rule, std::int64_t t) {
  const Real power = std::pow(Real(rule.beta2), Real(t));
  return 2 / (1 - Real(rule.beta2)) - 1 - 2 * Real(t) * power / (1 - power);
}

Expected expected(const rules::RAdam& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Moments all(rule.beta1, rule.beta2, t, g, state[0]);
  const Real v = rule.beta2 * state[1] + (1 - Real(rule.beta2)) * g * g;
  const Real rate = rule.learning_rate / all.correction1, rho = rho_of(rule, t), most = 2 / (1 - Real(rule.beta2)) - 1;
  if (rho <= rule.threshold) return all.step(rate, v, v);
  const Real r = std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho));
  if (rule.epsilon_placement == EpsilonPlacement::hat)
    return all.step(rate * r * std::sqrt(all.correction2) / (std::sqrt(v) + rule.epsilon), v, v);
  return all.step(rate * r / denominator(rule.epsilon_placement, v / all.correction2, rule.epsilon), v, v);
}

Expected expected(const rules::AdaMax& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Moments all(rule.beta1, 0, t, g, state[0]);
  const bool inside = rule.epsilon_placement == EpsilonPlacement::inside;
  const Real u = std::max(rule.beta2 * state[1], std::abs(g) + (inside ? rule.epsilon : 0));
  return all.step(rule.learning_rate / all.correction1 / (u + (inside ? 0 : rule.epsilon)), u, u);
}

Expected expected(const rules::AdaBelief& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  const Moments all(rule.beta1, rule.beta2, t, g, state[0]);
  const auto s_of = [&](Real deviation) {
    return rule.beta2 * state[1] + (1 - Real(rule.beta2)) * deviation * deviation + rule.epsilon_root;
  };
  const Real s = s_of(g - all.m);
  const Real root = denominator(EpsilonPlacement::outside, s / all.correction2, rule.epsilon);
  return all.step(rule.learning_rate / all.correction1 / root, s, s_of(std::abs(g) + all.m_size));
}

Expected expected(const rules::Yogi& rule, std::int64_t t, Real g, const std::vector<Real>& state) {
  Moments all(rule.beta1, rule.beta2, t, g, state[0]);
  if (!rule.bias_correction) all.correction1 = all.correction2 = 1;
  const Real share = (1 - Real(rule.beta2)) * g * g, sign = state[1] > g * g ? 1 : state[1] < g * g ? -1 : 0;
  const Real v = state[1] - sign * share;
  const Real root = denominator(EpsilonPlacement::outside, v / all.correction2, rule.epsilon);
  return all.step(rule.learning_rate / all.correction1 / root, v, state[1] + share);
}

Expected expected(const rules::Adan& rule, std::int64_t t, Real g, const std::vector<Real>& state, Real x) {
  const Moments all(rule.beta1, rule.beta3, t, g, state[0]);
  const Real beta2 = rule.beta2, beta3 = rule.beta3, eta = rule.learning_rate, decay = eta * rule.weight_decay;
  const Real d = t == 1 ? 0 : g - state[3], d_size = t == 1 ? 0 : std::abs(g) + std::abs(state[3]);
  const Real w = beta2 * state[1] + (1 - beta2) * d, w_size = std::abs(beta2 * state[1]) + (1 - beta2) * d_size;
  const auto n_of = [&](Real slope) { return beta3 * state[2] + (1 - beta3) * slope * slope; };
  const Real n = n_of(g + beta2 * d), n_size = n_of(std::abs(g) + beta2 * d_size);
  const Real of_m = eta / all.correction1, of_w = eta * beta2 / (1 - std::pow(beta2, Real(t)));
  const Real root = denominator(EpsilonPlacement::outside, n / all.correction2, rule.epsilon);
  const Real enlarged = n > 0 ? n_size / n : 1, shrinkage = rule.proximal ? 1 / (1 + decay) : 1;
  return {shrinkage * ((of_m * all.m + of_w * w) / root + decay * x),
          shrinkage * ((of_m * all.m_size + of_w * w_size) / root * enlarged + std::abs(decay * x)),
          {all.m, w, n, g},
          {all.m_size, w_size, n_size, std::abs(g)}};
}

Expected expected(const rules::Lion& rule, std::int64_t, Real g, const std::vector<Real>& state, Real x) {
  const Real c = rule.beta1 * state[0] + (1 - Real(rule.beta1)) * g, sign = c > 0 ? 1 : c < 0 ? -1 : 0;
  const Real m = rule.beta2 * state[0] + (1 - Real(rule.beta2)) * g;
  const Real step = rule.learning_rate * (sign + rule.weight_decay * x);
  return {step,
          rule.learning_rate * (std::abs(sign) + std::abs(rule.weight_decay * x)),
          {m},
          {std::abs(rule.beta2 * state[0]) + std::abs((1 - Real(rule.beta2)) * g)}};
}

Expected expected(const rules::Rprop& rule, std::int64_t, Real g, const std::vector<Real>& state) {
  const Real previous = state[0];
  const bool agree = (g > 0 && previous > 0) || (g < 0 && previous < 0);
  const bool disagree = (g > 0 && previous < 0) || (g < 0 && previous > 0);
  const Real wanted = state[1] * (agree ? rule.eta_plus : disagree ? rule.eta_minus : 1);
  const Real s = std::clamp(wanted, Real(rule.min_step_size), Real(rule.max_step_size));
  if (disagree) g = 0;
  return {g > 0 ? s : g < 0 ? -s : 0, g == 0 ? 0 : s, {g, s}, {0, s}};
}

Expected expected(const rules::Ftrl& rule, std::int64_t, Real g, const std::vector<Real>& state, Real x) {
  const Real alpha = rule.learning_rate, n = state[1] + g * g;
  const Real sigma = (std::sqrt(n) - std::sqrt(state[1])) / alpha;
  const Real z = state[0] + g + (rule.l2_shrinkage - sigma) * x;
  const Real z_size = std::abs(state[0]) + std::abs(g) +
                      (rule.l2_shrinkage + (std::sqrt(n) + std::sqrt(state[1])) / alpha) * std::abs(x);
  const Real curvature = (rule.beta + std::sqrt(n)) / alpha + rule.l2;
  Real now = 0;
  if (std::abs(z) > rule.l1) now = -(z - (z > 0 ? 1 : -1) * Real(rule.l1)) / curvature;
  return {x - now, std::abs(x) + (z_size + rule.l1) / curvature, {z, n}, {z_size, n}};
}

/// With u as the update that z takes, and its size; `z` is the last of the state.
template <class R>
Expected schedule_free(const R& rule, Real beta, std::int64_t t, Real u, Real u_size, Real z, Real y) {
  const auto rate_at = [&](std::int64_t step) {
    const bool warms_up = step < rule.warmup_steps;
    return rule.learning_rate * (warms_up ? Real(step) / Real(rule.warmup_steps) : 1);
  };
  const auto weight_at = [&](std::int64_t step) {  // rates only grow here
    return std::pow(Real(step), Real(rule.r)) * std::pow(rate_at(step), Real(rule.weight_lr_power));
  };
  Real sum = 0;
  for (std::int64_t step = 1; step <= t; ++step) sum += weight_at(step);
  const Real c = weight_at(t) / sum, rate = rate_at(t), of_u = rate * (1 - beta * (1 - c));
  if (t == 1) z = y;
  return {c * (y - z) + of_u * u,
          c * (std::abs(y) + std::abs(z)) + of_u * u_size,
          {z - rate * u},
          {std::abs(z) + rate * u_size}};
}

Expected expected(const rules::ScheduleFreeSGD& rule, std::int64_t t, Real g, const std::vector<Real>& state, Real y) {
  const Real decay = rule.weight_decay * y;
  return schedule_free(rule, rule.momentum, t, g + decay, std::abs(g) + std::abs(decay), state[0], y);
}

Expected expected(const rules::ScheduleFreeAdamW& rule, std::int64_t t, Real g, const std::vector<Real>& state,
                  Real y) {
  const Real v = rule.beta2 * state[0] + (1 - Real(rule.beta2)) * g * g;
  const Real v_hat = v / (1 - std::pow(Real(rule.beta2), Real(t)));
  const Real of_g = g / denominator(EpsilonPlacement::outside, v_hat, rule.epsilon), decay = rule.weight_decay * y;
  Expected e = schedule_free(rule, rule.beta1, t, of_g + decay, std::abs(of_g) + std::abs(decay), state[1], y);
  e.state.insert(e.state.begin(), v);
  e.state_size.insert(e.state_size.begin(), v);
  return e;
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
  if constexpr (std::is_base_of_v<rules::Adam, R> || std::is_same_v<R, rules::AMSGrad> ||
                std::is_same_v<R, rules::Yogi>)
    return rule.bias_correction ? 16 + correction_error(rule.beta1, t) + correction_error(rule.beta2, t) : 16;
  else if constexpr (std::is_same_v<R, rules::RAdam>) {
    // The error of rho, of two terms that nearly cancel, and what it is of r.
    const Real most = 2 / (1 - Real(rule.beta2)) - 1, rho = rho_of(rule, t);
    const Real of_rho = 3 * most + (most - rho) * (correction_error(rule.beta2, t) + 3);
    const Real of_r = rho > rule.threshold ? of_rho * (1 / (rho - 4) + 1 / (rho - 2) + 1 / rho) / 2 : 0;
    return 20 + correction_error(rule.beta1, t) + correction_error(rule.beta2, t) + of_r;
  } else if constexpr (std::is_same_v<R, rules::NAdam>) {
    const Real product = product_of_momenta(rule, t);
    return 16 + correction_error(rule.beta2, t) + 5 * static_cast<Real>(t) * product / (1 - product);
  } else if constexpr (std::is_same_v<R, rules::Adan>) {
    return 20 + correction_error(rule.beta1, t) + correction_error(rule.beta2, t) + correction_error(rule.beta3, t);
  } else if constexpr (requires { rule.weight_lr_power; }) {
    Real roundings = 16 + static_cast<Real>(t);  // of the sum of the weights
    if constexpr (requires { rule.beta2; }) roundings += correction_error(rule.beta2, t);
    return roundings;
  } else if constexpr (requires { rule.beta2; })
    return 16 + correction_error(rule.beta1, t) + correction_error(rule.beta2, t);
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
      if constexpr (std::is_base_of_v<transforms::L2Penalty, R>) slope += rule.weight_decay * Real(x_before[i]);
      const Expected e = [&] {
        if constexpr (requires { expected(rule, t, slope, state, Real(x_before[i])); })
          return expected(rule, t, slope, state, Real(x_before[i]));
        else
          return expected(rule, t, slope, state);
      }();
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
  const rules::AdamW adamw;
  CHECK(adamw.learning_rate == 0.001);
  CHECK(adamw.beta1 == 0.9);
  CHECK(adamw.beta2 == 0.999);
  CHECK(adamw.epsilon == 1e-8);
  CHECK(adamw.weight_decay == 0.01);
  CHECK(adamw.epsilon_root == 0);
  CHECK(adamw.epsilon_placement == EpsilonPlacement::outside);
  const rules::AMSGrad amsgrad;
  CHECK(amsgrad.learning_rate == 0.001);
  CHECK(amsgrad.beta1 == 0.9);
  CHECK(amsgrad.beta2 == 0.999);
  CHECK(amsgrad.epsilon == 1e-8);
  CHECK(amsgrad.epsilon_placement == EpsilonPlacement::outside);
  CHECK(amsgrad.maximum_of == MaximumOf::raw);
  CHECK(amsgrad.bias_correction);
  const rules::NAdam nadam;
  CHECK(nadam.learning_rate == 0.002);
  CHECK(nadam.beta1 == 0.9);
  CHECK(nadam.beta2 == 0.999);
  CHECK(nadam.epsilon == 1e-8);
  CHECK(nadam.momentum_decay == 0.004);
  const rules::RAdam radam;
  CHECK(radam.learning_rate == 0.001);
  CHECK(radam.beta1 == 0.9);
  CHECK(radam.beta2 == 0.999);
  CHECK(radam.epsilon == 1e-8);
  CHECK(radam.epsilon_placement == EpsilonPlacement::outside);
  CHECK(radam.threshold == 5);
  const rules::AdaMax adamax;
  CHECK(adamax.learning_rate == 0.002);
  CHECK(adamax.beta1 == 0.9);
  CHECK(adamax.beta2 == 0.999);
  CHECK(adamax.epsilon == 1e-8);
  CHECK(adamax.epsilon_placement == EpsilonPlacement::outside);
  const rules::AdaBelief adabelief;
  CHECK(adabelief.learning_rate == 0.001);
  CHECK(adabelief.beta1 == 0.9);
  CHECK(adabelief.beta2 == 0.999);
  CHECK(adabelief.epsilon == 1e-16);
  CHECK(adabelief.epsilon_root == 1e-16);
  const rules::Yogi yogi;
  CHECK(yogi.learning_rate == 0.01);
  CHECK(yogi.beta1 == 0.9);
  CHECK(yogi.beta2 == 0.999);
  CHECK(yogi.epsilon == 1e-3);
  CHECK(yogi.initial_accumulator == 1e-6);
  CHECK(yogi.bias_correction);
  const rules::Adan adan;
  CHECK(adan.learning_rate == 0.001);
  CHECK(adan.beta1 == 0.98);
  CHECK(adan.beta2 == 0.92);
  CHECK(adan.beta3 == 0.99);
  CHECK(adan.epsilon == 1e-8);
  CHECK(adan.weight_decay == 0);
  CHECK(adan.proximal);
  const rules::Lion lion;
  CHECK(lion.learning_rate == 0.0001);
  CHECK(lion.beta1 == 0.9);
  CHECK(lion.beta2 == 0.99);
  CHECK(lion.weight_decay == 0);
  const rules::Rprop rprop;
  CHECK(rprop.initial_step_size == 0.01);
  CHECK(rprop.eta_minus == 0.5);
  CHECK(rprop.eta_plus == 1.2);
  CHECK(rprop.min_step_size == 1e-6);
  CHECK(rprop.max_step_size == 50);
  const rules::Ftrl ftrl;
  CHECK(ftrl.learning_rate == 0.1);
  CHECK(ftrl.beta == 1);
  CHECK(ftrl.l1 == 0);
  CHECK(ftrl.l2 == 0);
  CHECK(ftrl.l2_shrinkage == 0);
  CHECK(ftrl.initial_accumulator == 0);
  const rules::ScheduleFreeSGD schedule_free_sgd;
  CHECK(schedule_free_sgd.learning_rate == 1);
  CHECK(schedule_free_sgd.momentum == 0.9);
  CHECK(schedule_free_sgd.weight_decay == 0);
  CHECK(schedule_free_sgd.warmup_steps == 0);
  CHECK(schedule_free_sgd.r == 0);
  CHECK(schedule_free_sgd.weight_lr_power == 2);
  const rules::ScheduleFreeAdamW schedule_free_adamw;
  CHECK(schedule_free_adamw.learning_rate == 0.0025);
  CHECK(schedule_free_adamw.beta1 == 0.9);
  CHECK(schedule_free_adamw.beta2 == 0.999);
  CHECK(schedule_free_adamw.epsilon == 1e-8);
  CHECK(schedule_free_adamw.weight_decay == 0);
  CHECK(schedule_free_adamw.warmup_steps == 0);
  CHECK(schedule_free_adamw.r == 0);
  CHECK(schedule_free_adamw.weight_lr_power == 2);
  CHECK(transforms::TrustRatio{}.trust_coefficient == 1);
  CHECK(transforms::LayerwiseRate{}.trust_coefficient == 0.001);
  CHECK(transforms::LayerwiseRate{}.weight_decay == 0);
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

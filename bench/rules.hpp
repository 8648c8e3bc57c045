// SPDX-License-Identifier: MIT
//
// What a careful user of Eigen writes without descent: each rule as a few statements over whole, preallocated arrays.
// The formulas are those in descent's rules; the coefficients are rounded from double, and the bias corrections are
// folded into rate and epsilon, so that nobody divides twice.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <descent/descent.hpp>

namespace bench {

/// step(x, g, arrays...) on Eigen arrays: the state, with its initial values, and for some rules one more array for
/// what is needed twice.
template <class Rule, class Scalar>
struct ByHand;

template <class Scalar>
struct ByHand<descent::rules::SGD, Scalar> {
  static constexpr std::size_t arrays = 0;
  Scalar learning_rate;

  explicit ByHand(const descent::rules::SGD& rule) : learning_rate(static_cast<Scalar>(rule.learning_rate)) {}

  template <class Array>
  void step(Array& x, const Array& g) const {
    x -= learning_rate * g;
  }
};

template <class Scalar>
struct ByHand<descent::rules::Momentum, Scalar> {
  static constexpr std::size_t arrays = 1;
  Scalar learning_rate, momentum;

  explicit ByHand(const descent::rules::Momentum& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)), momentum(static_cast<Scalar>(rule.momentum)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& v) const {
    v = momentum * v + learning_rate * g;
    x -= v;
  }
};

template <class Scalar>
struct ByHand<descent::rules::Nesterov, Scalar> {
  static constexpr std::size_t arrays = 1;
  Scalar learning_rate, momentum;

  explicit ByHand(const descent::rules::Nesterov& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)), momentum(static_cast<Scalar>(rule.momentum)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& v) const {
    v = momentum * v + learning_rate * g;
    x -= momentum * v + learning_rate * g;
  }
};

template <class Scalar>
struct ByHand<descent::rules::AdaGrad, Scalar> {
  static constexpr std::size_t arrays = 1;
  Scalar learning_rate, epsilon;

  explicit ByHand(const descent::rules::AdaGrad& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)), epsilon(static_cast<Scalar>(rule.epsilon)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& s) const {
    s += g.square();
    x -= learning_rate * g / (s.sqrt() + epsilon);
  }
};

template <class Scalar>
struct ByHand<descent::rules::RMSProp, Scalar> {
  static constexpr std::size_t arrays = 1;
  Scalar learning_rate, decay, one_minus_decay, epsilon;

  explicit ByHand(const descent::rules::RMSProp& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        decay(static_cast<Scalar>(rule.decay)),
        one_minus_decay(static_cast<Scalar>(1 - rule.decay)),
        epsilon(static_cast<Scalar>(rule.epsilon)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& s) const {
    s = decay * s + one_minus_decay * g.square();
    x -= learning_rate * g / (s.sqrt() + epsilon);
  }
};

template <class Scalar>
struct ByHand<descent::rules::AdaDelta, Scalar> {
  static constexpr std::size_t arrays = 3;
  Scalar learning_rate, decay, one_minus_decay, epsilon;

  explicit ByHand(const descent::rules::AdaDelta& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        decay(static_cast<Scalar>(rule.decay)),
        one_minus_decay(static_cast<Scalar>(1 - rule.decay)),
        epsilon(static_cast<Scalar>(rule.epsilon)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& s, Array& d, Array& u) const {
    s = decay * s + one_minus_decay * g.square();
    u = ((d + epsilon) / (s + epsilon)).sqrt() * g;
    x -= learning_rate * u;
    d = decay * d + one_minus_decay * u.square();
  }
};

/// Of a rule that has a bias correction of its moments: the number of the step, and what the corrections make of the
/// learning rate and of epsilon.
template <class Rule, class Scalar>
struct BiasCorrected {
  Rule rule;
  std::int64_t t = 0;
  double correction1 = 0, root2 = 0;

  explicit BiasCorrected(const Rule& given) : rule(given) {}

  void next_step() {
    ++t;
    correction1 = 1 - std::pow(rule.beta1, t);
    root2 = std::sqrt(1 - std::pow(rule.beta2, t));
  }
  Scalar rate(double factor = 1) const {
    return static_cast<Scalar>(factor * rule.learning_rate * root2 / correction1);
  }
  Scalar folded_epsilon() const { return static_cast<Scalar>(rule.epsilon * root2); }

  template <class Array, class Gradient>
  void average_gradient(Array& m, const Gradient& g) const {
    m = static_cast<Scalar>(rule.beta1) * m + static_cast<Scalar>(1 - rule.beta1) * g;
  }
  template <class Array, class Gradient>
  void average_square(Array& v, const Gradient& g) const {
    v = static_cast<Scalar>(rule.beta2) * v + static_cast<Scalar>(1 - rule.beta2) * g.square();
  }
};

template <class Scalar>
struct ByHand<descent::rules::Adam, Scalar> : BiasCorrected<descent::rules::Adam, Scalar> {
  static constexpr std::size_t arrays = 2;
  using BiasCorrected<descent::rules::Adam, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v) {
    this->next_step();
    this->average_gradient(m, g);
    this->average_square(v, g);
    x -= this->rate() * m / (v.sqrt() + this->folded_epsilon());
  }
};

/// Chains of GradientScale, ClipValue or ClipNorm, Adam, WeightDecay and, if wanted, Average. Nothing is stored in
/// between; the norm is the one that Eigen offers, with sums in the scalar.
template <class... Links, class Scalar>
struct ByHand<descent::Chain<Links...>, Scalar> : BiasCorrected<descent::Chain<Links...>, Scalar> {
  template <class Link>
  static constexpr bool has = (std::is_same_v<Link, Links> || ...);

  static constexpr std::size_t arrays = has<descent::transforms::Average> ? 3 : 2;
  using BiasCorrected<descent::Chain<Links...>, Scalar>::BiasCorrected;

  template <class Array, class... Average>
  void step(Array& x, const Array& g, Array& m, Array& v, Average&... average) {
    if constexpr (has<descent::transforms::ClipValue>) {
      const auto limit = static_cast<Scalar>(this->rule.limit);
      step_along(x, g.max(-limit).min(limit), m, v, average...);
    } else {
      double factor = 1;
      if constexpr (has<descent::transforms::GradientScale>) factor = this->rule.factor;
      if constexpr (has<descent::transforms::ClipNorm>)
        factor = std::min(1.0, this->rule.max_norm / static_cast<double>(g.matrix().norm()));
      step_along(x, static_cast<Scalar>(factor) * g, m, v, average...);
    }
  }

 private:
  template <class Array, class Gradient, class... Average>
  void step_along(Array& x, const Gradient& g, Array& m, Array& v, Average&... average) {
    this->next_step();
    const auto shrinkage = static_cast<Scalar>(this->rule.learning_rate * this->rule.weight_decay);
    this->average_gradient(m, g);
    this->average_square(v, g);
    x -= this->rate() * m / (v.sqrt() + this->folded_epsilon()) + shrinkage * x;
    if constexpr (has<descent::transforms::Average>) {
      const auto kept = static_cast<Scalar>(this->t == 1 ? 0 : this->rule.decay);
      ((average = kept * average + (1 - kept) * x), ...);
    }
  }
};

// ---- The newer rules -------------------------------------------------------------------------------

template <class Scalar>
struct ByHand<descent::rules::AdamW, Scalar> : BiasCorrected<descent::rules::AdamW, Scalar> {
  static constexpr std::size_t arrays = 2;
  using BiasCorrected<descent::rules::AdamW, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v) {
    this->next_step();
    const auto shrinkage = static_cast<Scalar>(this->rule.learning_rate * this->rule.weight_decay);
    this->average_gradient(m, g);
    this->average_square(v, g);
    x -= this->rate() * m / (v.sqrt() + this->folded_epsilon()) + shrinkage * x;
  }
};

template <class Scalar>
struct ByHand<descent::rules::AMSGrad, Scalar> : BiasCorrected<descent::rules::AMSGrad, Scalar> {
  static constexpr std::size_t arrays = 3;
  using BiasCorrected<descent::rules::AMSGrad, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v, Array& w) {
    this->next_step();
    this->average_gradient(m, g);
    this->average_square(v, g);
    w = w.max(v);
    x -= this->rate() * m / (w.sqrt() + this->folded_epsilon());
  }
};

template <class Scalar>
struct ByHand<descent::rules::NAdam, Scalar> : BiasCorrected<descent::rules::NAdam, Scalar> {
  static constexpr std::size_t arrays = 2;
  double product = 1;
  using BiasCorrected<descent::rules::NAdam, Scalar>::BiasCorrected;

  double mu(std::int64_t step) const {
    return this->rule.beta1 * (1 - std::pow(0.96, static_cast<double>(step) * this->rule.momentum_decay) / 2);
  }

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v) {
    this->next_step();
    const double now = mu(this->t), next = mu(this->t + 1);
    product *= now;
    const double of_both = this->rule.learning_rate * this->root2;
    const auto of_g = static_cast<Scalar>(of_both * (1 - now) / (1 - product));
    const auto of_m = static_cast<Scalar>(of_both * next / (1 - product * next));
    this->average_gradient(m, g);
    this->average_square(v, g);
    x -= (of_g * g + of_m * m) / (v.sqrt() + this->folded_epsilon());
  }
};

/// The factor by which RAdam rectifies the step of Adam; 0 if it does not divide by a root.
inline double rectification(const descent::rules::RAdam& rule, double beta2_power, std::int64_t t) {
  const double rho_inf = 2 / (1 - rule.beta2) - 1;
  const double rho = rho_inf - 2 * static_cast<double>(t) * beta2_power / (1 - beta2_power);
  if (rho <= rule.threshold) return 0;
  return std::sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
}

template <class Scalar>
struct ByHand<descent::rules::RAdam, Scalar> : BiasCorrected<descent::rules::RAdam, Scalar> {
  static constexpr std::size_t arrays = 2;
  using BiasCorrected<descent::rules::RAdam, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v) {
    this->next_step();
    const double factor = rectification(this->rule, 1 - this->root2 * this->root2, this->t);
    this->average_gradient(m, g);
    this->average_square(v, g);
    if (factor > 0)
      x -= this->rate(factor) * m / (v.sqrt() + this->folded_epsilon());
    else
      x -= static_cast<Scalar>(this->rule.learning_rate / this->correction1) * m;
  }
};

template <class Scalar>
struct ByHand<descent::rules::AdaMax, Scalar> : BiasCorrected<descent::rules::AdaMax, Scalar> {
  static constexpr std::size_t arrays = 2;
  using BiasCorrected<descent::rules::AdaMax, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& u) {
    this->correction1 = 1 - std::pow(this->rule.beta1, ++this->t);
    this->average_gradient(m, g);
    u = (static_cast<Scalar>(this->rule.beta2) * u).max(g.abs());
    x -= static_cast<Scalar>(this->rule.learning_rate / this->correction1) * m /
         (u + static_cast<Scalar>(this->rule.epsilon));
  }
};

template <class Scalar>
struct ByHand<descent::rules::AdaBelief, Scalar> : BiasCorrected<descent::rules::AdaBelief, Scalar> {
  static constexpr std::size_t arrays = 2;
  using BiasCorrected<descent::rules::AdaBelief, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& s) {
    this->next_step();
    this->average_gradient(m, g);
    s = static_cast<Scalar>(this->rule.beta2) * s + static_cast<Scalar>(1 - this->rule.beta2) * (g - m).square() +
        static_cast<Scalar>(this->rule.epsilon_root);
    x -= this->rate() * m / (s.sqrt() + this->folded_epsilon());
  }
};

template <class Scalar>
struct ByHand<descent::rules::Yogi, Scalar> : BiasCorrected<descent::rules::Yogi, Scalar> {
  static constexpr std::size_t arrays = 2;
  using BiasCorrected<descent::rules::Yogi, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v) {
    this->next_step();
    this->average_gradient(m, g);
    v -= static_cast<Scalar>(1 - this->rule.beta2) * (v - g.square()).sign() * g.square();
    x -= this->rate() * m / (v.sqrt() + this->folded_epsilon());
  }
};

template <class Scalar>
struct ByHand<descent::rules::Adan, Scalar> {
  static constexpr std::size_t arrays = 4;
  descent::rules::Adan rule;
  std::int64_t t = 0;

  explicit ByHand(const descent::rules::Adan& adan) : rule(adan) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& w, Array& n, Array& previous) {
    if (++t == 1) previous = g;
    const double root3 = std::sqrt(1 - std::pow(rule.beta3, t));
    const auto of_m = static_cast<Scalar>(rule.learning_rate * root3 / (1 - std::pow(rule.beta1, t)));
    const auto of_w = static_cast<Scalar>(rule.learning_rate * root3 * rule.beta2 / (1 - std::pow(rule.beta2, t)));
    const auto beta1 = static_cast<Scalar>(rule.beta1), beta2 = static_cast<Scalar>(rule.beta2),
               beta3 = static_cast<Scalar>(rule.beta3);
    m = beta1 * m + static_cast<Scalar>(1 - rule.beta1) * g;
    w = beta2 * w + static_cast<Scalar>(1 - rule.beta2) * (g - previous);
    n = beta3 * n + static_cast<Scalar>(1 - rule.beta3) * (g + beta2 * (g - previous)).square();
    previous = g;
    x -= (of_m * m + of_w * w) / (n.sqrt() + static_cast<Scalar>(rule.epsilon * root3));
    x *= static_cast<Scalar>(1 / (1 + rule.learning_rate * rule.weight_decay));
  }
};

template <class Scalar>
struct ByHand<descent::rules::Lion, Scalar> {
  static constexpr std::size_t arrays = 1;
  Scalar learning_rate, shrinkage, beta1, one_minus_beta1, beta2, one_minus_beta2;

  explicit ByHand(const descent::rules::Lion& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        shrinkage(static_cast<Scalar>(rule.learning_rate * rule.weight_decay)),
        beta1(static_cast<Scalar>(rule.beta1)),
        one_minus_beta1(static_cast<Scalar>(1 - rule.beta1)),
        beta2(static_cast<Scalar>(rule.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - rule.beta2)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& m) const {
    x -= learning_rate * (beta1 * m + one_minus_beta1 * g).sign() + shrinkage * x;
    m = beta2 * m + one_minus_beta2 * g;
  }
};

template <class Scalar>
struct ByHand<descent::rules::Rprop, Scalar> {
  static constexpr std::size_t arrays = 2;
  Scalar eta_minus, eta_plus, min_step_size, max_step_size;

  explicit ByHand(const descent::rules::Rprop& rule)
      : eta_minus(static_cast<Scalar>(rule.eta_minus)),
        eta_plus(static_cast<Scalar>(rule.eta_plus)),
        min_step_size(static_cast<Scalar>(rule.min_step_size)),
        max_step_size(static_cast<Scalar>(rule.max_step_size)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& previous, Array& s) const {
    const auto agreement = g * previous;
    s = (agreement > 0).select(eta_plus * s, (agreement < 0).select(eta_minus * s, s));
    s = s.max(min_step_size).min(max_step_size);
    previous = (agreement < 0).select(Scalar(0), g);
    x -= s * previous.sign();
  }
};

template <class Scalar>
struct ByHand<descent::rules::Ftrl, Scalar> {
  static constexpr std::size_t arrays = 2;
  Scalar learning_rate, inverse_rate, beta, l1, l2;

  explicit ByHand(const descent::rules::Ftrl& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        inverse_rate(static_cast<Scalar>(1 / rule.learning_rate)),
        beta(static_cast<Scalar>(rule.beta)),
        l1(static_cast<Scalar>(rule.l1)),
        l2(static_cast<Scalar>(rule.l2)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& z, Array& n) const {
    z += g - inverse_rate * ((n + g.square()).sqrt() - n.sqrt()) * x;
    n += g.square();
    x = learning_rate * (z.max(-l1).min(l1) - z) / (n.sqrt() + (beta + learning_rate * l2));
  }
};

/// The rate and the weights of schedule-free rules at each step.
struct ScheduleFreeWeights {
  std::int64_t t = 0;
  double rate = 0, largest_rate = 0, sum = 0, share = 0, rate_of_parameters = 0;

  template <class Rule>
  void next_step(const Rule& rule, double beta) {
    ++t;
    rate = t < rule.warmup_steps ? rule.learning_rate * static_cast<double>(t) / static_cast<double>(rule.warmup_steps)
                                 : rule.learning_rate;
    largest_rate = std::max(largest_rate, rate);
    const double weight = std::pow(t, rule.r) * std::pow(largest_rate, rule.weight_lr_power);
    sum += weight;
    share = weight / sum;
    rate_of_parameters = rate * (1 - beta * (1 - share));
  }
};

/// One more array for the direction, which is needed twice.
template <class Scalar>
struct ByHand<descent::rules::ScheduleFreeSGD, Scalar> {
  static constexpr std::size_t arrays = 2;
  descent::rules::ScheduleFreeSGD rule;
  ScheduleFreeWeights weights{};

  explicit ByHand(const descent::rules::ScheduleFreeSGD& given) : rule(given) {}

  template <class Array>
  void step(Array& y, const Array& g, Array& z, Array& u) {
    weights.next_step(rule, rule.momentum);
    if (weights.t == 1) z = y;
    u = g + static_cast<Scalar>(rule.weight_decay) * y;
    y -= static_cast<Scalar>(weights.share) * (y - z) + static_cast<Scalar>(weights.rate_of_parameters) * u;
    z -= static_cast<Scalar>(weights.rate) * u;
  }
};

template <class Scalar>
struct ByHand<descent::rules::ScheduleFreeAdamW, Scalar> {
  static constexpr std::size_t arrays = 3;
  descent::rules::ScheduleFreeAdamW rule;
  ScheduleFreeWeights weights{};

  explicit ByHand(const descent::rules::ScheduleFreeAdamW& given) : rule(given) {}

  template <class Array>
  void step(Array& y, const Array& g, Array& v, Array& z, Array& u) {
    weights.next_step(rule, rule.beta1);
    if (weights.t == 1) z = y;
    const double root2 = std::sqrt(1 - std::pow(rule.beta2, weights.t));
    v = static_cast<Scalar>(rule.beta2) * v + static_cast<Scalar>(1 - rule.beta2) * g.square();
    u = static_cast<Scalar>(root2) * g / (v.sqrt() + static_cast<Scalar>(rule.epsilon * root2)) +
        static_cast<Scalar>(rule.weight_decay) * y;
    y -= static_cast<Scalar>(weights.share) * (y - z) + static_cast<Scalar>(weights.rate_of_parameters) * u;
    z -= static_cast<Scalar>(weights.rate) * u;
  }
};

/// One more array for the step, which is needed twice.
template <class Scalar>
struct ByHand<descent::rules::LAMB, Scalar> : BiasCorrected<descent::rules::LAMB, Scalar> {
  static constexpr std::size_t arrays = 3;
  using BiasCorrected<descent::rules::LAMB, Scalar>::BiasCorrected;

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v, Array& u) {
    this->next_step();
    const auto shrinkage = static_cast<Scalar>(this->rule.learning_rate * this->rule.weight_decay);
    const auto rate = static_cast<Scalar>(this->rule.learning_rate * this->rule.trust_coefficient);
    this->average_gradient(m, g);
    this->average_square(v, g);
    u = this->rate() * m / (v.sqrt() + this->folded_epsilon()) + shrinkage * x;
    x -= rate * x.matrix().norm() / u.matrix().norm() * u;
  }
};

template <class Scalar>
struct ByHand<descent::rules::LARS, Scalar> {
  static constexpr std::size_t arrays = 1;
  Scalar learning_rate, rate_of_layer, weight_decay, momentum;

  explicit ByHand(const descent::rules::LARS& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        rate_of_layer(static_cast<Scalar>(rule.learning_rate * rule.trust_coefficient)),
        weight_decay(static_cast<Scalar>(rule.weight_decay)),
        momentum(static_cast<Scalar>(rule.momentum)) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& v) const {
    const Scalar length = x.matrix().norm();
    const Scalar rate = rate_of_layer * length / (g.matrix().norm() + weight_decay * length);
    v = momentum * v + rate * (g + weight_decay * x);
    x -= v;
  }
};

}  // namespace bench

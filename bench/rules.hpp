// SPDX-License-Identifier: MIT
//
// What a careful user of Eigen writes without descent: each rule as a few statements over whole, preallocated arrays.
// The formulas are those in descent's rules; the coefficients are rounded from double, and Adam's bias corrections are
// folded into rate and epsilon, so that nobody divides twice.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <descent/descent.hpp>

namespace bench {

/// step(x, g, arrays...) on Eigen arrays: the state, starting at zero, and for AdaDelta one more array for what is
/// needed twice.
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

template <class Scalar>
struct ByHand<descent::rules::Adam, Scalar> {
  static constexpr std::size_t arrays = 2;
  double learning_rate, beta1, beta2, epsilon;
  std::int64_t t = 0;

  explicit ByHand(const descent::rules::Adam& rule)
      : learning_rate(rule.learning_rate), beta1(rule.beta1), beta2(rule.beta2), epsilon(rule.epsilon) {}

  template <class Array>
  void step(Array& x, const Array& g, Array& m, Array& v) {
    ++t;
    const double root2 = std::sqrt(1 - std::pow(beta2, t));
    const auto rate = static_cast<Scalar>(learning_rate * root2 / (1 - std::pow(beta1, t)));
    const auto folded_epsilon = static_cast<Scalar>(epsilon * root2);
    m = static_cast<Scalar>(beta1) * m + static_cast<Scalar>(1 - beta1) * g;
    v = static_cast<Scalar>(beta2) * v + static_cast<Scalar>(1 - beta2) * g.square();
    x -= rate * m / (v.sqrt() + folded_epsilon);
  }
};

/// Chains of GradientScale, ClipValue or ClipNorm, Adam, WeightDecay and, if wanted, Average. Nothing is stored in
/// between; the norm is the one that Eigen offers, with sums in the scalar.
template <class... Links, class Scalar>
struct ByHand<descent::Chain<Links...>, Scalar> {
  template <class Link>
  static constexpr bool has = (std::is_same_v<Link, Links> || ...);

  static constexpr std::size_t arrays = has<descent::transforms::Average> ? 3 : 2;
  descent::Chain<Links...> recipe;
  std::int64_t t = 0;

  explicit ByHand(const descent::Chain<Links...>& chain) : recipe(chain) {}

  template <class Array, class... Average>
  void step(Array& x, const Array& g, Array& m, Array& v, Average&... average) {
    if constexpr (has<descent::transforms::ClipValue>) {
      const auto limit = static_cast<Scalar>(recipe.limit);
      step_along(x, g.max(-limit).min(limit), m, v, average...);
    } else {
      double factor = 1;
      if constexpr (has<descent::transforms::GradientScale>) factor = recipe.factor;
      if constexpr (has<descent::transforms::ClipNorm>)
        factor = std::min(1.0, recipe.max_norm / static_cast<double>(g.matrix().norm()));
      step_along(x, static_cast<Scalar>(factor) * g, m, v, average...);
    }
  }

 private:
  template <class Array, class Gradient, class... Average>
  void step_along(Array& x, const Gradient& g, Array& m, Array& v, Average&... average) {
    ++t;
    const double root2 = std::sqrt(1 - std::pow(recipe.beta2, t));
    const auto rate = static_cast<Scalar>(recipe.learning_rate * root2 / (1 - std::pow(recipe.beta1, t)));
    const auto folded_epsilon = static_cast<Scalar>(recipe.epsilon * root2);
    const auto shrinkage = static_cast<Scalar>(recipe.learning_rate * recipe.weight_decay);
    m = static_cast<Scalar>(recipe.beta1) * m + static_cast<Scalar>(1 - recipe.beta1) * g;
    v = static_cast<Scalar>(recipe.beta2) * v + static_cast<Scalar>(1 - recipe.beta2) * g.square();
    x -= rate * m / (v.sqrt() + folded_epsilon) + shrinkage * x;
    if constexpr (has<descent::transforms::Average>) {
      const auto kept = static_cast<Scalar>(t == 1 ? 0 : recipe.decay);
      ((average = kept * average + (1 - kept) * x), ...);
    }
  }
};

}  // namespace bench

// SPDX-License-Identifier: MIT
//
// The seven rules, and Adam in recipes, in AVX2 and FMA intrinsics, as an expert writes them for a CPU that has both:
// they show what a step has to cost. Two registers at a time, the remainder by one, by half a register and by single
// elements; products are fused into sums, so the last bits differ from descent's.
#pragma once

#if defined(__x86_64__)

#include <array>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include <immintrin.h>

#include <descent/descent.hpp>

// Templates cannot pass attributes on.
#define BENCH_AVX2 gnu::target("avx2,fma")

namespace bench::avx2 {

inline bool supported() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

// ---- Registers -------------------------------------------------------------------------------------

struct Floats {
  using Scalar = float;
  using Register = __m256;
  static constexpr std::ptrdiff_t lanes = 8;

  [[BENCH_AVX2, gnu::always_inline]] static Register all(float a) { return _mm256_set1_ps(a); }
  [[BENCH_AVX2, gnu::always_inline]] static Register load(const float* from) { return _mm256_loadu_ps(from); }
  [[BENCH_AVX2, gnu::always_inline]] static void store(float* to, Register a) { _mm256_storeu_ps(to, a); }
};

struct Doubles {
  using Scalar = double;
  using Register = __m256d;
  static constexpr std::ptrdiff_t lanes = 4;

  [[BENCH_AVX2, gnu::always_inline]] static Register all(double a) { return _mm256_set1_pd(a); }
  [[BENCH_AVX2, gnu::always_inline]] static Register load(const double* from) { return _mm256_loadu_pd(from); }
  [[BENCH_AVX2, gnu::always_inline]] static void store(double* to, Register a) { _mm256_storeu_pd(to, a); }
};

/// Half a register, and a single element, for the remainder.
struct HalfFloats {
  using Scalar = float;
  using Register = __m128;
  static constexpr std::ptrdiff_t lanes = 4;

  [[BENCH_AVX2, gnu::always_inline]] static Register all(float a) { return _mm_set1_ps(a); }
  [[BENCH_AVX2, gnu::always_inline]] static Register load(const float* from) { return _mm_loadu_ps(from); }
  [[BENCH_AVX2, gnu::always_inline]] static void store(float* to, Register a) { _mm_storeu_ps(to, a); }
};

struct HalfDoubles {
  using Scalar = double;
  using Register = __m128d;
  static constexpr std::ptrdiff_t lanes = 2;

  [[BENCH_AVX2, gnu::always_inline]] static Register all(double a) { return _mm_set1_pd(a); }
  [[BENCH_AVX2, gnu::always_inline]] static Register load(const double* from) { return _mm_loadu_pd(from); }
  [[BENCH_AVX2, gnu::always_inline]] static void store(double* to, Register a) { _mm_storeu_pd(to, a); }
};

template <class S>
struct Single {
  using Scalar = S;
  using Register = S;
  static constexpr std::ptrdiff_t lanes = 1;

  [[BENCH_AVX2, gnu::always_inline]] static S all(S a) { return a; }
  [[BENCH_AVX2, gnu::always_inline]] static S load(const S* from) { return *from; }
  [[BENCH_AVX2, gnu::always_inline]] static void store(S* to, S a) { *to = a; }
};

template <class Scalar>
struct RegistersFor;
template <>
struct RegistersFor<float> {
  using Whole = Floats;
  using Half = HalfFloats;
};
template <>
struct RegistersFor<double> {
  using Whole = Doubles;
  using Half = HalfDoubles;
};

using R8 = __m256;
using R4 = __m128;
using D4 = __m256d;
using D2 = __m128d;

[[BENCH_AVX2, gnu::always_inline]] inline R8 add(R8 a, R8 b) { return _mm256_add_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 add(R4 a, R4 b) { return _mm_add_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 add(D4 a, D4 b) { return _mm256_add_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 add(D2 a, D2 b) { return _mm_add_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline float add(float a, float b) { return a + b; }
[[BENCH_AVX2, gnu::always_inline]] inline double add(double a, double b) { return a + b; }

[[BENCH_AVX2, gnu::always_inline]] inline R8 sub(R8 a, R8 b) { return _mm256_sub_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 sub(R4 a, R4 b) { return _mm_sub_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 sub(D4 a, D4 b) { return _mm256_sub_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 sub(D2 a, D2 b) { return _mm_sub_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline float sub(float a, float b) { return a - b; }
[[BENCH_AVX2, gnu::always_inline]] inline double sub(double a, double b) { return a - b; }

[[BENCH_AVX2, gnu::always_inline]] inline R8 mul(R8 a, R8 b) { return _mm256_mul_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 mul(R4 a, R4 b) { return _mm_mul_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 mul(D4 a, D4 b) { return _mm256_mul_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 mul(D2 a, D2 b) { return _mm_mul_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline float mul(float a, float b) { return a * b; }
[[BENCH_AVX2, gnu::always_inline]] inline double mul(double a, double b) { return a * b; }

[[BENCH_AVX2, gnu::always_inline]] inline R8 div(R8 a, R8 b) { return _mm256_div_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 div(R4 a, R4 b) { return _mm_div_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 div(D4 a, D4 b) { return _mm256_div_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 div(D2 a, D2 b) { return _mm_div_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline float div(float a, float b) { return a / b; }
[[BENCH_AVX2, gnu::always_inline]] inline double div(double a, double b) { return a / b; }

[[BENCH_AVX2, gnu::always_inline]] inline R8 sqrt(R8 a) { return _mm256_sqrt_ps(a); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 sqrt(R4 a) { return _mm_sqrt_ps(a); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 sqrt(D4 a) { return _mm256_sqrt_pd(a); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 sqrt(D2 a) { return _mm_sqrt_pd(a); }
[[BENCH_AVX2, gnu::always_inline]] inline float sqrt(float a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a))); }
[[BENCH_AVX2, gnu::always_inline]] inline double sqrt(double a) {
  return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(a)));
}

[[BENCH_AVX2, gnu::always_inline]] inline R8 clamp(R8 a, R8 low, R8 high) {
  return _mm256_min_ps(high, _mm256_max_ps(low, a));
}
[[BENCH_AVX2, gnu::always_inline]] inline R4 clamp(R4 a, R4 low, R4 high) {
  return _mm_min_ps(high, _mm_max_ps(low, a));
}
[[BENCH_AVX2, gnu::always_inline]] inline float clamp(float a, float low, float high) {
  return a < low ? low : a > high ? high : a;
}

/// a b + c
[[BENCH_AVX2, gnu::always_inline]] inline R8 fma(R8 a, R8 b, R8 c) { return _mm256_fmadd_ps(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 fma(R4 a, R4 b, R4 c) { return _mm_fmadd_ps(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 fma(D4 a, D4 b, D4 c) { return _mm256_fmadd_pd(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 fma(D2 a, D2 b, D2 c) { return _mm_fmadd_pd(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

/// c - a b
[[BENCH_AVX2, gnu::always_inline]] inline R8 fnma(R8 a, R8 b, R8 c) { return _mm256_fnmadd_ps(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 fnma(R4 a, R4 b, R4 c) { return _mm_fnmadd_ps(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 fnma(D4 a, D4 b, D4 c) { return _mm256_fnmadd_pd(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 fnma(D2 a, D2 b, D2 c) { return _mm_fnmadd_pd(a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline float fnma(float a, float b, float c) { return __builtin_fmaf(-a, b, c); }
[[BENCH_AVX2, gnu::always_inline]] inline double fnma(double a, double b, double c) { return __builtin_fma(-a, b, c); }

// ---- Rules -----------------------------------------------------------------------------------------

/// The coefficients of one rule, and update<V>(x, g, state...) on registers of V.
template <class Rule, class Scalar>
struct Update;

template <class Scalar>
struct Update<descent::rules::SGD, Scalar> {
  Scalar learning_rate;

  explicit Update(const descent::rules::SGD& rule) : learning_rate(static_cast<Scalar>(rule.learning_rate)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g) const {
    x = fnma(V::all(learning_rate), g, x);
  }
};

template <class Scalar>
struct Update<descent::rules::Momentum, Scalar> {
  Scalar learning_rate, momentum;

  explicit Update(const descent::rules::Momentum& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)), momentum(static_cast<Scalar>(rule.momentum)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& v) const {
    v = fma(V::all(momentum), v, mul(V::all(learning_rate), g));
    x = sub(x, v);
  }
};

template <class Scalar>
struct Update<descent::rules::Nesterov, Scalar> {
  Scalar learning_rate, momentum;

  explicit Update(const descent::rules::Nesterov& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)), momentum(static_cast<Scalar>(rule.momentum)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& v) const {
    const typename V::Register gradient_step = mul(V::all(learning_rate), g);
    v = fma(V::all(momentum), v, gradient_step);
    x = fnma(V::all(momentum), v, sub(x, gradient_step));
  }
};

template <class Scalar>
struct Update<descent::rules::AdaGrad, Scalar> {
  Scalar learning_rate, epsilon;

  explicit Update(const descent::rules::AdaGrad& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)), epsilon(static_cast<Scalar>(rule.epsilon)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& s) const {
    s = fma(g, g, s);
    x = sub(x, div(mul(V::all(learning_rate), g), add(sqrt(s), V::all(epsilon))));
  }
};

template <class Scalar>
struct Update<descent::rules::RMSProp, Scalar> {
  Scalar learning_rate, decay, one_minus_decay, epsilon;

  explicit Update(const descent::rules::RMSProp& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        decay(static_cast<Scalar>(rule.decay)),
        one_minus_decay(static_cast<Scalar>(1 - rule.decay)),
        epsilon(static_cast<Scalar>(rule.epsilon)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& s) const {
    s = fma(V::all(decay), s, mul(mul(V::all(one_minus_decay), g), g));
    x = sub(x, div(mul(V::all(learning_rate), g), add(sqrt(s), V::all(epsilon))));
  }
};

template <class Scalar>
struct Update<descent::rules::AdaDelta, Scalar> {
  Scalar learning_rate, decay, one_minus_decay, epsilon;

  explicit Update(const descent::rules::AdaDelta& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        decay(static_cast<Scalar>(rule.decay)),
        one_minus_decay(static_cast<Scalar>(1 - rule.decay)),
        epsilon(static_cast<Scalar>(rule.epsilon)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& s, typename V::Register& d) const {
    s = fma(V::all(decay), s, mul(mul(V::all(one_minus_decay), g), g));
    const typename V::Register ratio = div(add(d, V::all(epsilon)), add(s, V::all(epsilon)));
    const typename V::Register u = mul(sqrt(ratio), g);
    d = fma(V::all(decay), d, mul(mul(V::all(one_minus_decay), u), u));
    x = fnma(V::all(learning_rate), u, x);
  }
};

template <class Scalar>
struct Update<descent::rules::Adam, Scalar> {
  Scalar beta1, one_minus_beta1, beta2, one_minus_beta2, rate{}, folded_epsilon{};
  descent::rules::Adam rule;
  double beta1_power = 1, beta2_power = 1;

  explicit Update(const descent::rules::Adam& adam)
      : beta1(static_cast<Scalar>(adam.beta1)),
        one_minus_beta1(static_cast<Scalar>(1 - adam.beta1)),
        beta2(static_cast<Scalar>(adam.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - adam.beta2)),
        rule(adam) {}
  void next_step() {
    beta1_power = next_power(beta1_power, rule.beta1);
    beta2_power = next_power(beta2_power, rule.beta2);
    const double root2 = std::sqrt(1 - beta2_power);
    rate = static_cast<Scalar>(rule.learning_rate * root2 / (1 - beta1_power));
    folded_epsilon = static_cast<Scalar>(rule.epsilon * root2);
  }
  /// 0 once it is negligible next to 1, before it becomes subnormal and slow.
  static double next_power(double power, double beta) { return power < 0x1p-60 ? 0 : power * beta; }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    m = fma(V::all(beta1), m, mul(V::all(one_minus_beta1), g));
    v = fma(V::all(beta2), v, mul(mul(V::all(one_minus_beta2), g), g));
    x = sub(x, div(mul(V::all(rate), m), add(sqrt(v), V::all(folded_epsilon))));
  }
};

/// Chains of GradientScale, ClipValue or ClipNorm, Adam, WeightDecay and, if wanted, Average.
template <class... Links>
struct Update<descent::Chain<Links...>, float> : Update<descent::rules::Adam, float> {
  template <class Link>
  static constexpr bool has = (std::is_same_v<Link, Links> || ...);

  descent::Chain<Links...> recipe;
  float factor = 1, limit = 1, shrinkage, kept = 0, rest = 1;
  bool started = false;

  explicit Update(const descent::Chain<Links...>& chain)
      : Update<descent::rules::Adam, float>(chain),
        recipe(chain),
        shrinkage(static_cast<float>(chain.learning_rate * chain.weight_decay)) {
    if constexpr (has<descent::transforms::GradientScale>) factor = static_cast<float>(chain.factor);
    if constexpr (has<descent::transforms::ClipValue>) limit = static_cast<float>(chain.limit);
  }
  void next_step(const float* g, std::ptrdiff_t n) {
    Update<descent::rules::Adam, float>::next_step();
    if constexpr (has<descent::transforms::ClipNorm>) {
      const double norm = std::sqrt(sum_of_squares(g, n));
      factor = static_cast<float>(norm > recipe.max_norm ? recipe.max_norm / norm : 1);
    }
    if constexpr (has<descent::transforms::Average>) {
      kept = started ? static_cast<float>(recipe.decay) : 0;
      rest = 1 - kept;
      started = true;
    }
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    using Register = typename V::Register;
    Register given = g;
    if constexpr (has<descent::transforms::ClipValue>)
      given = clamp(g, V::all(-limit), V::all(limit));
    else
      given = mul(V::all(factor), g);
    const Register before = x;
    Update<descent::rules::Adam, float>::update<V>(x, given, m, v);
    x = fnma(V::all(shrinkage), before, x);
  }
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v,
                                                 typename V::Register& average) const {
    update<V>(x, g, m, v);
    average = fma(V::all(kept), average, mul(V::all(rest), x));
  }

 private:
  [[BENCH_AVX2, gnu::always_inline]] static D4 wide(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }

  /// In double, with as many sums as the additions take cycles.
  [[BENCH_AVX2, gnu::noinline]] static double sum_of_squares(const float* g, std::ptrdiff_t n) {
    D4 sums[4] = {};
    std::ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16)
      for (int k = 0; k < 4; ++k) {
        const D4 here = wide(g + i + 4 * k);
        sums[k] = fma(here, here, sums[k]);
      }
    double lanes[4];
    Doubles::store(lanes, add(add(sums[0], sums[1]), add(sums[2], sums[3])));
    double sum = lanes[0] + lanes[1] + lanes[2] + lanes[3];
    for (; i < n; ++i) sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    return sum;
  }
};

// ---- The loop --------------------------------------------------------------------------------------

/// The registers for one place in memory.
template <class V, std::size_t States>
struct Place {
  typename V::Register x, g, state[States == 0 ? 1 : States];

  template <class Rule>
  [[BENCH_AVX2, gnu::always_inline]] void update(const Update<Rule, typename V::Scalar>& rule) {
    if constexpr (States == 0) rule.template update<V>(x, g);
    if constexpr (States == 1) rule.template update<V>(x, g, state[0]);
    if constexpr (States == 2) rule.template update<V>(x, g, state[0], state[1]);
    if constexpr (States == 3) rule.template update<V>(x, g, state[0], state[1], state[2]);
  }
};

template <class Scalar, std::size_t States>
struct Memory {
  Scalar* x;
  const Scalar* g;
  std::array<Scalar*, States> state;

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] Place<V, States> load(std::ptrdiff_t at) const {
    Place<V, States> place;
    place.x = V::load(x + at);
    place.g = V::load(g + at);
    for (std::size_t k = 0; k < States; ++k) place.state[k] = V::load(state[k] + at);
    return place;
  }
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void store(const Place<V, States>& place, std::ptrdiff_t at) const {
    V::store(x + at, place.x);
    for (std::size_t k = 0; k < States; ++k) V::store(state[k] + at, place.state[k]);
  }
};

template <class V, class Rule, std::size_t States>
[[BENCH_AVX2, gnu::always_inline]] inline void update_at(const Update<Rule, typename V::Scalar>& rule,
                                                         const Memory<typename V::Scalar, States>& memory,
                                                         std::ptrdiff_t at) {
  auto place = memory.template load<V>(at);
  place.update(rule);
  memory.store(place, at);
}

template <class Rule, class Scalar, std::size_t States = Rule::state_names.size()>
[[BENCH_AVX2, gnu::noinline]] void sweep(const Update<Rule, Scalar>& update, Scalar* x, const Scalar* g,
                                         const std::array<Scalar*, States>& state, std::ptrdiff_t n) {
  using Whole = typename RegistersFor<Scalar>::Whole;
  using Half = typename RegistersFor<Scalar>::Half;
  // Local copies: no store to an array can change them.
  const Update<Rule, Scalar> rule = update;
  const Memory<Scalar, States> memory{x, g, state};

  std::ptrdiff_t i = 0;
  for (; i + 2 * Whole::lanes <= n; i += 2 * Whole::lanes) {
    auto first = memory.template load<Whole>(i);
    auto second = memory.template load<Whole>(i + Whole::lanes);
    first.update(rule);
    second.update(rule);
    memory.store(first, i);
    memory.store(second, i + Whole::lanes);
  }
  for (; i + Whole::lanes <= n; i += Whole::lanes) update_at<Whole>(rule, memory, i);
  for (; i + Half::lanes <= n; i += Half::lanes) update_at<Half>(rule, memory, i);
  for (; i < n; ++i) update_at<Single<Scalar>>(rule, memory, i);
}

}  // namespace bench::avx2

#endif

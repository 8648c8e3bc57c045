// SPDX-License-Identifier: MIT
//
// The rules, and Adam in recipes, in AVX2 and FMA intrinsics, as an expert writes them for a CPU that has both:
// they show what a step has to cost. Two registers at a time, the remainder by one, by half a register and by single
// elements; products are fused into sums, so the last bits differ from descent's.
#pragma once

#if defined(__x86_64__)

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <immintrin.h>

#include <descent/descent.hpp>

#include "rules.hpp"

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

[[BENCH_AVX2, gnu::always_inline]] inline R8 max(R8 a, R8 b) { return _mm256_max_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 max(R4 a, R4 b) { return _mm_max_ps(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 max(D4 a, D4 b) { return _mm256_max_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 max(D2 a, D2 b) { return _mm_max_pd(a, b); }
[[BENCH_AVX2, gnu::always_inline]] inline float max(float a, float b) { return a < b ? b : a; }
[[BENCH_AVX2, gnu::always_inline]] inline double max(double a, double b) { return a < b ? b : a; }

[[BENCH_AVX2, gnu::always_inline]] inline R8 clamp(R8 a, R8 low, R8 high) {
  return _mm256_min_ps(high, _mm256_max_ps(low, a));
}
[[BENCH_AVX2, gnu::always_inline]] inline R4 clamp(R4 a, R4 low, R4 high) {
  return _mm_min_ps(high, _mm_max_ps(low, a));
}
[[BENCH_AVX2, gnu::always_inline]] inline D4 clamp(D4 a, D4 low, D4 high) {
  return _mm256_min_pd(high, _mm256_max_pd(low, a));
}
[[BENCH_AVX2, gnu::always_inline]] inline D2 clamp(D2 a, D2 low, D2 high) {
  return _mm_min_pd(high, _mm_max_pd(low, a));
}
[[BENCH_AVX2, gnu::always_inline]] inline float clamp(float a, float low, float high) {
  return a < low ? low : a > high ? high : a;
}
[[BENCH_AVX2, gnu::always_inline]] inline double clamp(double a, double low, double high) {
  return a < low ? low : a > high ? high : a;
}

[[BENCH_AVX2, gnu::always_inline]] inline R8 absolute(R8 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0), a); }
[[BENCH_AVX2, gnu::always_inline]] inline R4 absolute(R4 a) { return _mm_andnot_ps(_mm_set1_ps(-0.0), a); }
[[BENCH_AVX2, gnu::always_inline]] inline D4 absolute(D4 a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
[[BENCH_AVX2, gnu::always_inline]] inline D2 absolute(D2 a) { return _mm_andnot_pd(_mm_set1_pd(-0.0), a); }
[[BENCH_AVX2, gnu::always_inline]] inline float absolute(float a) { return a < 0 ? -a : a; }
[[BENCH_AVX2, gnu::always_inline]] inline double absolute(double a) { return a < 0 ? -a : a; }

/// size sign(a), for size >= 0
[[BENCH_AVX2, gnu::always_inline]] inline R8 with_sign(R8 size, R8 a) {
  const R8 is_signed = _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_NEQ_UQ);
  return _mm256_and_ps(is_signed, _mm256_or_ps(size, _mm256_and_ps(a, _mm256_set1_ps(-0.0))));
}
[[BENCH_AVX2, gnu::always_inline]] inline R4 with_sign(R4 size, R4 a) {
  const R4 is_signed = _mm_cmp_ps(a, _mm_setzero_ps(), _CMP_NEQ_UQ);
  return _mm_and_ps(is_signed, _mm_or_ps(size, _mm_and_ps(a, _mm_set1_ps(-0.0))));
}
[[BENCH_AVX2, gnu::always_inline]] inline D4 with_sign(D4 size, D4 a) {
  const D4 is_signed = _mm256_cmp_pd(a, _mm256_setzero_pd(), _CMP_NEQ_UQ);
  return _mm256_and_pd(is_signed, _mm256_or_pd(size, _mm256_and_pd(a, _mm256_set1_pd(-0.0))));
}
[[BENCH_AVX2, gnu::always_inline]] inline D2 with_sign(D2 size, D2 a) {
  const D2 is_signed = _mm_cmp_pd(a, _mm_setzero_pd(), _CMP_NEQ_UQ);
  return _mm_and_pd(is_signed, _mm_or_pd(size, _mm_and_pd(a, _mm_set1_pd(-0.0))));
}
[[BENCH_AVX2, gnu::always_inline]] inline float with_sign(float size, float a) {
  return a > 0 ? size : a < 0 ? -size : 0;
}
[[BENCH_AVX2, gnu::always_inline]] inline double with_sign(double size, double a) {
  return a > 0 ? size : a < 0 ? -size : 0;
}

/// One of the three, by the sign of a.
[[BENCH_AVX2, gnu::always_inline]] inline R8 by_sign(R8 a, R8 negative, R8 zero, R8 positive) {
  const R8 nil = _mm256_setzero_ps();
  return _mm256_blendv_ps(_mm256_blendv_ps(zero, positive, _mm256_cmp_ps(a, nil, _CMP_GT_OQ)), negative,
                          _mm256_cmp_ps(a, nil, _CMP_LT_OQ));
}
[[BENCH_AVX2, gnu::always_inline]] inline R4 by_sign(R4 a, R4 negative, R4 zero, R4 positive) {
  const R4 nil = _mm_setzero_ps();
  return _mm_blendv_ps(_mm_blendv_ps(zero, positive, _mm_cmp_ps(a, nil, _CMP_GT_OQ)), negative,
                       _mm_cmp_ps(a, nil, _CMP_LT_OQ));
}
[[BENCH_AVX2, gnu::always_inline]] inline D4 by_sign(D4 a, D4 negative, D4 zero, D4 positive) {
  const D4 nil = _mm256_setzero_pd();
  return _mm256_blendv_pd(_mm256_blendv_pd(zero, positive, _mm256_cmp_pd(a, nil, _CMP_GT_OQ)), negative,
                          _mm256_cmp_pd(a, nil, _CMP_LT_OQ));
}
[[BENCH_AVX2, gnu::always_inline]] inline D2 by_sign(D2 a, D2 negative, D2 zero, D2 positive) {
  const D2 nil = _mm_setzero_pd();
  return _mm_blendv_pd(_mm_blendv_pd(zero, positive, _mm_cmp_pd(a, nil, _CMP_GT_OQ)), negative,
                       _mm_cmp_pd(a, nil, _CMP_LT_OQ));
}
[[BENCH_AVX2, gnu::always_inline]] inline float by_sign(float a, float negative, float zero, float positive) {
  return a > 0 ? positive : a < 0 ? negative : zero;
}
[[BENCH_AVX2, gnu::always_inline]] inline double by_sign(double a, double negative, double zero, double positive) {
  return a > 0 ? positive : a < 0 ? negative : zero;
}

/// b, but 0 where a is negative.
[[BENCH_AVX2, gnu::always_inline]] inline R8 unless_negative(R8 a, R8 b) {
  return _mm256_andnot_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_LT_OQ), b);
}
[[BENCH_AVX2, gnu::always_inline]] inline R4 unless_negative(R4 a, R4 b) {
  return _mm_andnot_ps(_mm_cmp_ps(a, _mm_setzero_ps(), _CMP_LT_OQ), b);
}
[[BENCH_AVX2, gnu::always_inline]] inline D4 unless_negative(D4 a, D4 b) {
  return _mm256_andnot_pd(_mm256_cmp_pd(a, _mm256_setzero_pd(), _CMP_LT_OQ), b);
}
[[BENCH_AVX2, gnu::always_inline]] inline D2 unless_negative(D2 a, D2 b) {
  return _mm_andnot_pd(_mm_cmp_pd(a, _mm_setzero_pd(), _CMP_LT_OQ), b);
}
[[BENCH_AVX2, gnu::always_inline]] inline float unless_negative(float a, float b) { return a < 0 ? 0 : b; }
[[BENCH_AVX2, gnu::always_inline]] inline double unless_negative(double a, double b) { return a < 0 ? 0 : b; }

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

/// The coefficients of one rule, which next_step() advances, and update<V>(x, g, state...) on registers of V. With
/// `first_step`, what else is done before the first of them, and with `measure` before each.
template <class Rule, class Scalar>
struct Update;

/// beta^t, but 0 once it is negligible next to 1, before it becomes subnormal and slow.
inline double next_power(double power, double beta) { return power < 0x1p-60 ? 0 : power * beta; }

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

/// The moments of Adam and its kin, and their bias corrections.
template <class Rule, class Scalar>
struct Moments {
  Scalar beta1, one_minus_beta1, beta2, one_minus_beta2, rate{}, folded_epsilon{};
  Rule rule;
  double beta1_power = 1, beta2_power = 1;

  explicit Moments(const Rule& given)
      : beta1(static_cast<Scalar>(given.beta1)),
        one_minus_beta1(static_cast<Scalar>(1 - given.beta1)),
        beta2(static_cast<Scalar>(given.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - given.beta2)),
        rule(given) {}
  void next_step() {
    beta1_power = next_power(beta1_power, rule.beta1);
    beta2_power = next_power(beta2_power, rule.beta2);
    const double root2 = std::sqrt(1 - beta2_power);
    rate = static_cast<Scalar>(rule.learning_rate * root2 / (1 - beta1_power));
    folded_epsilon = static_cast<Scalar>(rule.epsilon * root2);
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void average_gradient(const typename V::Register& g,
                                                           typename V::Register& m) const {
    m = fma(V::all(beta1), m, mul(V::all(one_minus_beta1), g));
  }
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void average_square(const typename V::Register& g, typename V::Register& v) const {
    v = fma(V::all(beta2), v, mul(mul(V::all(one_minus_beta2), g), g));
  }
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] typename V::Register step(const typename V::Register& m,
                                                               const typename V::Register& v) const {
    return div(mul(V::all(rate), m), add(sqrt(v), V::all(folded_epsilon)));
  }
};

template <class Scalar>
struct Update<descent::rules::Adam, Scalar> : Moments<descent::rules::Adam, Scalar> {
  using Moments<descent::rules::Adam, Scalar>::Moments;

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(g, v);
    x = sub(x, this->template step<V>(m, v));
  }
};

/// A sum of squares in double, for which two registers of double are enough where two sums are taken in turns.
struct SquareSum {
  D4 halves[2] = {};
  double rest = 0;

  [[BENCH_AVX2, gnu::always_inline]] void add(R8 a) {
    const D4 low = _mm256_cvtps_pd(_mm256_castps256_ps128(a)), high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    halves[0] = fma(low, low, halves[0]);
    halves[1] = fma(high, high, halves[1]);
  }
  [[BENCH_AVX2, gnu::always_inline]] void add(D4 a) { halves[0] = fma(a, a, halves[0]); }
  [[BENCH_AVX2, gnu::always_inline]] void add(double a) { rest = fma(a, a, rest); }

  [[BENCH_AVX2]] double total() const {
    double lanes[4];
    Doubles::store(lanes, avx2::add(halves[0], halves[1]));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest;
  }
};

template <class Scalar>
[[BENCH_AVX2, gnu::noinline]] double norm_of(const Scalar* g, std::ptrdiff_t n) {
  using V = typename RegistersFor<Scalar>::Whole;
  constexpr int together = sizeof(Scalar) == sizeof(float) ? 2 : 4;  // as many sums as additions take cycles
  SquareSum sums[together];
  std::ptrdiff_t i = 0;
  for (; i + together * V::lanes <= n; i += together * V::lanes)
    for (int k = 0; k < together; ++k) sums[k].add(V::load(g + i + k * V::lanes));
  for (; i < n; ++i) sums[0].add(static_cast<double>(g[i]));
  double sum = 0;
  for (const SquareSum& each : sums) sum += each.total();
  return std::sqrt(sum);
}

/// Chains of GradientScale, ClipValue or ClipNorm, Adam, WeightDecay and, if wanted, Average.
template <class... Links, class Scalar>
struct Update<descent::Chain<Links...>, Scalar> : Update<descent::rules::Adam, Scalar> {
  template <class Link>
  static constexpr bool has = (std::is_same_v<Link, Links> || ...);

  descent::Chain<Links...> recipe;
  Scalar factor = 1, limit = 1, shrinkage, kept = 0, rest = 1;
  bool started = false;

  explicit Update(const descent::Chain<Links...>& chain)
      : Update<descent::rules::Adam, Scalar>(chain),
        recipe(chain),
        shrinkage(static_cast<Scalar>(chain.learning_rate * chain.weight_decay)) {
    if constexpr (has<descent::transforms::GradientScale>) factor = static_cast<Scalar>(chain.factor);
    if constexpr (has<descent::transforms::ClipValue>) limit = static_cast<Scalar>(chain.limit);
  }
  void measure(const Scalar*, const Scalar* g, const auto&, std::ptrdiff_t n) {
    if constexpr (has<descent::transforms::ClipNorm>) {
      const double norm = norm_of(g, n);
      factor = static_cast<Scalar>(norm > recipe.max_norm ? recipe.max_norm / norm : 1);
    }
  }
  void next_step() {
    Update<descent::rules::Adam, Scalar>::next_step();
    if constexpr (has<descent::transforms::Average>) {
      kept = started ? static_cast<Scalar>(recipe.decay) : 0;
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
    Update<descent::rules::Adam, Scalar>::template update<V>(x, given, m, v);
    x = fnma(V::all(shrinkage), before, x);
  }
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v,
                                                 typename V::Register& average) const {
    update<V>(x, g, m, v);
    average = fma(V::all(kept), average, mul(V::all(rest), x));
  }
};

// ---- The newer rules -------------------------------------------------------------------------------

template <class Scalar>
struct Update<descent::rules::AdamW, Scalar> : Moments<descent::rules::AdamW, Scalar> {
  Scalar shrinkage;

  explicit Update(const descent::rules::AdamW& given)
      : Moments<descent::rules::AdamW, Scalar>(given),
        shrinkage(static_cast<Scalar>(given.learning_rate * given.weight_decay)) {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(g, v);
    x = sub(fnma(V::all(shrinkage), x, x), this->template step<V>(m, v));
  }
};

template <class Scalar>
struct Update<descent::rules::AMSGrad, Scalar> : Moments<descent::rules::AMSGrad, Scalar> {
  using Moments<descent::rules::AMSGrad, Scalar>::Moments;

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v,
                                                 typename V::Register& w) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(g, v);
    w = max(w, v);
    x = sub(x, this->template step<V>(m, w));
  }
};

template <class Scalar>
struct Update<descent::rules::NAdam, Scalar> : Moments<descent::rules::NAdam, Scalar> {
  Scalar of_g{}, of_m{};
  double decay, decay_power, mu, product = 1;

  explicit Update(const descent::rules::NAdam& given)
      : Moments<descent::rules::NAdam, Scalar>(given),
        decay(std::pow(0.96, given.momentum_decay)),
        decay_power(decay),
        mu(given.beta1 * (1 - decay / 2)) {}
  void next_step() {
    Moments<descent::rules::NAdam, Scalar>::next_step();
    const double now = mu;
    product = next_power(product, now);
    decay_power = next_power(decay_power, decay);
    mu = this->rule.beta1 * (1 - decay_power / 2);
    const double of_both = this->rule.learning_rate * std::sqrt(1 - this->beta2_power);
    of_g = static_cast<Scalar>(of_both * (1 - now) / (1 - product));
    of_m = static_cast<Scalar>(of_both * mu / (1 - product * mu));
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(g, v);
    x = sub(x, div(fma(V::all(of_g), g, mul(V::all(of_m), m)), add(sqrt(v), V::all(this->folded_epsilon))));
  }
};

/// In the first steps, 0 times the root plus 1 takes the place of the denominator.
template <class Scalar>
struct Update<descent::rules::RAdam, Scalar> : Moments<descent::rules::RAdam, Scalar> {
  Scalar root_factor{};
  std::int64_t t = 0;
  using Moments<descent::rules::RAdam, Scalar>::Moments;

  void next_step() {
    Moments<descent::rules::RAdam, Scalar>::next_step();
    const double factor = rectification(this->rule, this->beta2_power, ++t);
    root_factor = factor > 0;
    if (factor > 0) {
      this->rate *= static_cast<Scalar>(factor);
    } else {
      this->rate = static_cast<Scalar>(this->rule.learning_rate / (1 - this->beta1_power));
      this->folded_epsilon = 1;
    }
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(g, v);
    x = sub(x, div(mul(V::all(this->rate), m), fma(V::all(root_factor), sqrt(v), V::all(this->folded_epsilon))));
  }
};

template <class Scalar>
struct Update<descent::rules::AdaMax, Scalar> : Moments<descent::rules::AdaMax, Scalar> {
  using Moments<descent::rules::AdaMax, Scalar>::Moments;

  void next_step() {
    this->beta1_power = next_power(this->beta1_power, this->rule.beta1);
    this->rate = static_cast<Scalar>(this->rule.learning_rate / (1 - this->beta1_power));
    this->folded_epsilon = static_cast<Scalar>(this->rule.epsilon);
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& u) const {
    this->template average_gradient<V>(g, m);
    u = max(mul(V::all(this->beta2), u), absolute(g));
    x = sub(x, div(mul(V::all(this->rate), m), add(u, V::all(this->folded_epsilon))));
  }
};

template <class Scalar>
struct Update<descent::rules::AdaBelief, Scalar> : Moments<descent::rules::AdaBelief, Scalar> {
  Scalar epsilon_root;

  explicit Update(const descent::rules::AdaBelief& given)
      : Moments<descent::rules::AdaBelief, Scalar>(given), epsilon_root(static_cast<Scalar>(given.epsilon_root)) {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& s) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(sub(g, m), s);
    s = add(s, V::all(epsilon_root));
    x = sub(x, this->template step<V>(m, s));
  }
};

template <class Scalar>
struct Update<descent::rules::Yogi, Scalar> : Moments<descent::rules::Yogi, Scalar> {
  using Moments<descent::rules::Yogi, Scalar>::Moments;

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    const typename V::Register square = mul(g, g);
    this->template average_gradient<V>(g, m);
    v = sub(v, with_sign(mul(V::all(this->one_minus_beta2), square), sub(v, square)));
    x = sub(x, this->template step<V>(m, v));
  }
};

template <class Scalar>
struct Update<descent::rules::Adan, Scalar> {
  Scalar beta1, one_minus_beta1, beta2, one_minus_beta2, beta3, one_minus_beta3, shrinkage, of_m{}, of_w{},
      folded_epsilon{};
  descent::rules::Adan rule;
  double beta1_power = 1, beta2_power = 1, beta3_power = 1;

  explicit Update(const descent::rules::Adan& given)
      : beta1(static_cast<Scalar>(given.beta1)),
        one_minus_beta1(static_cast<Scalar>(1 - given.beta1)),
        beta2(static_cast<Scalar>(given.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - given.beta2)),
        beta3(static_cast<Scalar>(given.beta3)),
        one_minus_beta3(static_cast<Scalar>(1 - given.beta3)),
        shrinkage(static_cast<Scalar>(1 / (1 + given.learning_rate * given.weight_decay))),
        rule(given) {}
  void first_step(const Scalar*, const Scalar* g, const std::array<Scalar*, 4>& state, std::ptrdiff_t n) const {
    std::copy_n(g, n, state[3]);
  }
  void next_step() {
    beta1_power = next_power(beta1_power, rule.beta1);
    beta2_power = next_power(beta2_power, rule.beta2);
    beta3_power = next_power(beta3_power, rule.beta3);
    const double root3 = std::sqrt(1 - beta3_power);
    of_m = static_cast<Scalar>(rule.learning_rate * root3 / (1 - beta1_power));
    of_w = static_cast<Scalar>(rule.learning_rate * root3 * rule.beta2 / (1 - beta2_power));
    folded_epsilon = static_cast<Scalar>(rule.epsilon * root3);
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& w,
                                                 typename V::Register& n, typename V::Register& previous) const {
    using Register = typename V::Register;
    const Register difference = sub(g, previous);
    const Register ahead = fma(V::all(beta2), difference, g);
    m = fma(V::all(beta1), m, mul(V::all(one_minus_beta1), g));
    w = fma(V::all(beta2), w, mul(V::all(one_minus_beta2), difference));
    n = fma(V::all(beta3), n, mul(mul(V::all(one_minus_beta3), ahead), ahead));
    previous = g;
    const Register along = fma(V::all(of_m), m, mul(V::all(of_w), w));
    x = mul(V::all(shrinkage), sub(x, div(along, add(sqrt(n), V::all(folded_epsilon)))));
  }
};

template <class Scalar>
struct Update<descent::rules::Lion, Scalar> {
  Scalar learning_rate, shrinkage, beta1, one_minus_beta1, beta2, one_minus_beta2;

  explicit Update(const descent::rules::Lion& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        shrinkage(static_cast<Scalar>(rule.learning_rate * rule.weight_decay)),
        beta1(static_cast<Scalar>(rule.beta1)),
        one_minus_beta1(static_cast<Scalar>(1 - rule.beta1)),
        beta2(static_cast<Scalar>(rule.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - rule.beta2)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m) const {
    const typename V::Register direction = fma(V::all(beta1), m, mul(V::all(one_minus_beta1), g));
    m = fma(V::all(beta2), m, mul(V::all(one_minus_beta2), g));
    x = sub(fnma(V::all(shrinkage), x, x), with_sign(V::all(learning_rate), direction));
  }
};

template <class Scalar>
struct Update<descent::rules::Rprop, Scalar> {
  Scalar eta_minus, eta_plus, min_step_size, max_step_size;

  explicit Update(const descent::rules::Rprop& rule)
      : eta_minus(static_cast<Scalar>(rule.eta_minus)),
        eta_plus(static_cast<Scalar>(rule.eta_plus)),
        min_step_size(static_cast<Scalar>(rule.min_step_size)),
        max_step_size(static_cast<Scalar>(rule.max_step_size)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& previous, typename V::Register& s) const {
    const typename V::Register agreement = mul(g, previous);
    const typename V::Register factor = by_sign(agreement, V::all(eta_minus), V::all(1), V::all(eta_plus));
    s = clamp(mul(factor, s), V::all(min_step_size), V::all(max_step_size));
    previous = unless_negative(agreement, g);
    x = sub(x, with_sign(s, previous));
  }
};

template <class Scalar>
struct Update<descent::rules::Ftrl, Scalar> {
  Scalar learning_rate, inverse_rate, l1, added;

  explicit Update(const descent::rules::Ftrl& rule)
      : learning_rate(static_cast<Scalar>(rule.learning_rate)),
        inverse_rate(static_cast<Scalar>(1 / rule.learning_rate)),
        l1(static_cast<Scalar>(rule.l1)),
        added(static_cast<Scalar>(rule.beta + rule.learning_rate * rule.l2)) {}
  void next_step() {}

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& z, typename V::Register& n) const {
    using Register = typename V::Register;
    const Register before = sqrt(n);
    n = fma(g, g, n);
    const Register after = sqrt(n);
    z = add(z, fnma(mul(V::all(inverse_rate), sub(after, before)), x, g));
    x = div(mul(V::all(learning_rate), sub(clamp(z, V::all(-l1), V::all(l1)), z)), add(after, V::all(added)));
  }
};

/// What the schedule-free rules share.
template <class Rule, class Scalar>
struct ScheduleFree {
  Scalar share{}, rate{}, rate_of_parameters{}, weight_decay;
  Rule rule;
  ScheduleFreeWeights weights{};

  explicit ScheduleFree(const Rule& given) : weight_decay(static_cast<Scalar>(given.weight_decay)), rule(given) {}
  void next_step(double beta) {
    weights.next_step(rule, beta);
    share = static_cast<Scalar>(weights.share);
    rate = static_cast<Scalar>(weights.rate);
    rate_of_parameters = static_cast<Scalar>(weights.rate_of_parameters);
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void move(typename V::Register& y, const typename V::Register& direction,
                                               typename V::Register& z) const {
    const typename V::Register u = fma(V::all(weight_decay), y, direction);
    y = fnma(V::all(rate_of_parameters), u, fnma(V::all(share), sub(y, z), y));
    z = fnma(V::all(rate), u, z);
  }
};

template <class Scalar>
struct Update<descent::rules::ScheduleFreeSGD, Scalar> : ScheduleFree<descent::rules::ScheduleFreeSGD, Scalar> {
  using ScheduleFree<descent::rules::ScheduleFreeSGD, Scalar>::ScheduleFree;

  void first_step(const Scalar* y, const Scalar*, const std::array<Scalar*, 1>& state, std::ptrdiff_t n) const {
    std::copy_n(y, n, state[0]);
  }
  void next_step() { ScheduleFree<descent::rules::ScheduleFreeSGD, Scalar>::next_step(this->rule.momentum); }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& y, const typename V::Register& g,
                                                 typename V::Register& z) const {
    this->template move<V>(y, g, z);
  }
};

template <class Scalar>
struct Update<descent::rules::ScheduleFreeAdamW, Scalar> : ScheduleFree<descent::rules::ScheduleFreeAdamW, Scalar> {
  Scalar beta2, one_minus_beta2, root2{}, folded_epsilon{};
  double beta2_power = 1;

  explicit Update(const descent::rules::ScheduleFreeAdamW& given)
      : ScheduleFree<descent::rules::ScheduleFreeAdamW, Scalar>(given),
        beta2(static_cast<Scalar>(given.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - given.beta2)) {}
  void first_step(const Scalar* y, const Scalar*, const std::array<Scalar*, 2>& state, std::ptrdiff_t n) const {
    std::copy_n(y, n, state[1]);
  }
  void next_step() {
    ScheduleFree<descent::rules::ScheduleFreeAdamW, Scalar>::next_step(this->rule.beta1);
    beta2_power = next_power(beta2_power, this->rule.beta2);
    root2 = static_cast<Scalar>(std::sqrt(1 - beta2_power));
    folded_epsilon = static_cast<Scalar>(this->rule.epsilon * std::sqrt(1 - beta2_power));
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& y, const typename V::Register& g,
                                                 typename V::Register& v, typename V::Register& z) const {
    v = fma(V::all(beta2), v, mul(mul(V::all(one_minus_beta2), g), g));
    this->template move<V>(y, div(mul(V::all(root2), g), add(sqrt(v), V::all(folded_epsilon))), z);
  }
};

template <class Scalar>
struct Update<descent::rules::LAMB, Scalar> : Moments<descent::rules::LAMB, Scalar> {
  Scalar shrinkage, ratio = 1;

  explicit Update(const descent::rules::LAMB& given)
      : Moments<descent::rules::LAMB, Scalar>(given),
        shrinkage(static_cast<Scalar>(given.learning_rate * given.weight_decay)) {}

  /// The step before it is scaled.
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] typename V::Register direction(const typename V::Register& x,
                                                                    const typename V::Register& g,
                                                                    typename V::Register& m,
                                                                    typename V::Register& v) const {
    this->template average_gradient<V>(g, m);
    this->template average_square<V>(g, v);
    return fma(V::all(shrinkage), x, this->template step<V>(m, v));
  }
  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void measure_at(std::ptrdiff_t i, const Scalar* at_x, const Scalar* at_g,
                                                     const std::array<Scalar*, 2>& state, SquareSum& of_x,
                                                     SquareSum& of_u) const {
    const typename V::Register x = V::load(at_x + i);
    typename V::Register m = V::load(state[0] + i), v = V::load(state[1] + i);
    of_x.add(x);
    of_u.add(direction<V>(x, V::load(at_g + i), m, v));
  }
  [[BENCH_AVX2, gnu::noinline]] void measure(const Scalar* x, const Scalar* g, const std::array<Scalar*, 2>& state,
                                             std::ptrdiff_t n) {
    using V = typename RegistersFor<Scalar>::Whole;
    const Update copy = *this;  // no store can change it
    SquareSum of_x[2], of_u[2];
    std::ptrdiff_t i = 0;
    for (; i + 2 * V::lanes <= n; i += 2 * V::lanes)
      for (int k = 0; k < 2; ++k) copy.template measure_at<V>(i + k * V::lanes, x, g, state, of_x[k], of_u[k]);
    for (; i < n; ++i) copy.template measure_at<Single<Scalar>>(i, x, g, state, of_x[0], of_u[0]);
    const double length = std::sqrt((of_x[0].total() + of_x[1].total()) / (of_u[0].total() + of_u[1].total()));
    ratio = static_cast<Scalar>(this->rule.learning_rate * this->rule.trust_coefficient * length);
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& m, typename V::Register& v) const {
    x = fnma(V::all(ratio), direction<V>(x, g, m, v), x);
  }
};

template <class Scalar>
struct Update<descent::rules::LARS, Scalar> {
  descent::rules::LARS rule;
  Scalar momentum, rate{}, decay{};

  explicit Update(const descent::rules::LARS& given) : rule(given), momentum(static_cast<Scalar>(given.momentum)) {}
  void next_step() {}
  void measure(const Scalar* x, const Scalar* g, const auto&, std::ptrdiff_t n) {
    const double length = norm_of(x, n);
    const double its_rate =
        rule.learning_rate * rule.trust_coefficient * length / (norm_of(g, n) + rule.weight_decay * length);
    rate = static_cast<Scalar>(its_rate);
    decay = static_cast<Scalar>(its_rate * rule.weight_decay);
  }

  template <class V>
  [[BENCH_AVX2, gnu::always_inline]] void update(typename V::Register& x, const typename V::Register& g,
                                                 typename V::Register& v) const {
    v = fma(V::all(momentum), v, fma(V::all(rate), g, mul(V::all(decay), x)));
    x = sub(x, v);
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
    if constexpr (States == 4) rule.template update<V>(x, g, state[0], state[1], state[2], state[3]);
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

// SPDX-License-Identifier: MIT
//
// cos, exp, log and pow of single numbers, with the same bits everywhere: those of C libraries differ from each other.
//
// Each is a Taylor series, evaluated in twice the precision of double and rounded once. So the error is below 0.501
// units in the last place, and below 0.751 where the result is subnormal, as that is rounded a second time. They take
// 0.3 to 0.8 microseconds: for numbers that a step needs once, not for kernels.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <descent/kernel/pack.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

/// One double, of which each operator is one rounded operation under all flags.
using Real = Pack<double, 0>;

inline double to_double(const Real& real) {
  double value = 0;
  real.store(&value);
  return value;
}

/// The sum of two numbers of which the second is at most half a unit in the last place of the first: 106 bits. (Dekker
/// 1971, A floating-point technique for extending the available precision. An operator loses some 2^-104 of its result;
/// a sum of opposite signs, some 2^-104 of its parts.)
struct DoubleDouble {
  Real high;
  Real low = 0;

  /// |a| >= |b|, or a = 0
  static DoubleDouble sum_of_ordered(const Real& a, const Real& b) {
    const Real sum = a + b;
    return {sum, b - (sum - a)};
  }
  /// Without error, as is the product. (Knuth)
  static DoubleDouble sum(const Real& a, const Real& b) {
    const Real sum = a + b, b_in_sum = sum - a;
    return {sum, (a - (sum - b_in_sum)) + (b - b_in_sum)};
  }
  static DoubleDouble product(const Real& a, const Real& b) {
    const auto [a_high, a_low] = halves(a);
    const auto [b_high, b_low] = halves(b);
    const Real product = a * b;
    return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
  }

  friend DoubleDouble operator+(const DoubleDouble& a, const DoubleDouble& b) {
    const DoubleDouble highs = sum(a.high, b.high);
    return sum_of_ordered(highs.high, highs.low + (a.low + b.low));
  }
  friend DoubleDouble operator-(const DoubleDouble& a, const DoubleDouble& b) {
    return a + DoubleDouble{-b.high, -b.low};
  }
  friend DoubleDouble operator*(const DoubleDouble& a, const DoubleDouble& b) {
    const DoubleDouble highs = product(a.high, b.high);
    return sum_of_ordered(highs.high, highs.low + (a.high * b.low + a.low * b.high));
  }
  friend DoubleDouble operator/(const DoubleDouble& a, const DoubleDouble& b) {
    const Real quotient = a.high / b.high;
    const DoubleDouble rest = a - b * DoubleDouble{quotient};
    return sum_of_ordered(quotient, rest.high / b.high);
  }

 private:
  /// Of 26 bits each, whose products are exact. (Veltkamp)
  static DoubleDouble halves(const Real& a) {
    const Real scaled = a * 0x1.000002p27;
    const Real upper = scaled - (scaled - a);
    return {upper, a - upper};
  }
};

/// 1 + r1 + r1 r2 + r1 r2 r3 + ..., where the ratio rn of a term to the one before is x numerator(n) / denominator(n).
/// The terms from the 5th on are below 2^-10, so that the precision of double is enough for them, and those from the
/// 17th on below 2^-73.
template <class Numerator, class Denominator>
DoubleDouble series(const DoubleDouble& x, Numerator numerator, Denominator denominator) {
  const auto ratio = [&]<class Number>(const Number& number, int n) {
    return number * Number{Real(numerator(n))} / Number{Real(denominator(n))};
  };
  int n = 16;
  Real tail = 1;
  for (; n > 4; --n) tail = Real(1) + ratio(x.high * tail, n);
  DoubleDouble sum{tail};
  for (; n > 0; --n) sum = DoubleDouble{1} + ratio(x * sum, n);
  return sum;
}

inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();

inline DoubleDouble log_2() { return {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56}; }
inline DoubleDouble pi() { return {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53}; }

/// 2^exponent as a normal number
inline double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

/// e^x = 2^k e^r with |r| <= log(2) / 2
inline double exp(const DoubleDouble& x) {
  const double high = to_double(x.high);
  if (std::isnan(high)) return not_a_number;
  if (high < -800) return 0;
  if (high > 800) return infinity;
  const int k = static_cast<int>(to_double(x.high / log_2().high + Real(high < 0 ? -0.5 : 0.5)));
  const DoubleDouble r = x - log_2() * DoubleDouble{static_cast<double>(k)};
  const DoubleDouble power = series(r, [](int) { return 1; }, [](int n) { return n; });
  const int half = k / 2;  // as 2^k itself may be too large or too small for a number
  return to_double(power.high * power_of_two(half) * power_of_two(k - half));
}

/// log x = k log 2 + log m with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh((m - 1) / (m + 1)), for x positive and
/// finite
inline DoubleDouble log_of_positive(double x) {
  const bool subnormal = x < (std::numeric_limits<double>::min)();
  const auto bits = std::bit_cast<std::uint64_t>(subnormal ? x * 0x1p54 : x);
  int k = static_cast<int>(bits >> 52) - 1023 - (subnormal ? 54 : 0);
  auto m = std::bit_cast<double>((bits & ~std::uint64_t{0} >> 12) | std::bit_cast<std::uint64_t>(1.0));
  if (m >= 0x1.6a09e667f3bcdp0) {
    m /= 2;
    ++k;
  }
  const DoubleDouble s = DoubleDouble{Real(m) - 1} / DoubleDouble::sum(m, 1);
  const DoubleDouble artanh = s * series(s * s, [](int n) { return 2 * n - 1; }, [](int n) { return 2 * n + 1; });
  return log_2() * DoubleDouble{static_cast<double>(k)} + artanh * DoubleDouble{2};
}

inline double exp(double x) { return exp(DoubleDouble{x}); }

inline double log(double x) {
  if (!(x > 0)) return x == 0 ? -infinity : not_a_number;
  if (x == infinity) return x;
  return to_double(log_of_positive(x).high);
}

/// base^exponent for base >= 0, and otherwise NaN; in all other cases what IEEE 754 says: base^0 = 1^exponent = 1, also
/// of NaN.
inline double pow(double base, double exponent) {
  if (exponent == 0 || base == 1) return 1;
  if (!(base >= 0) || std::isnan(exponent)) return not_a_number;
  // The two that steps and schedules mostly ask for, without their 0.7 microseconds.
  if (exponent == 1) return base;
  if (exponent == 2) return rounded_product(base, base);
  if (base == 0 || base == infinity) return (base == 0) == (exponent > 0) ? 0 : infinity;
  exponent = std::clamp(exponent, -0x1p70, 0x1p70);  // with which every other base gives 0 or infinity
  return exp(log_of_positive(base) * DoubleDouble{exponent});
}

/// cos(pi x), of any x: that of 1/2 is 0
inline double cos_pi(double x) {
  x = x < 0 ? -x : x;
  if (!(x < 0x1p53)) return x < infinity ? 1 : not_a_number;  // an even number
  x -= 2 * static_cast<double>(static_cast<std::int64_t>(x / 2));
  x = x > 1 ? 2 - x : x;
  const double sign = x > 0.5 ? -1 : 1;
  x = x > 0.5 ? 1 - x : x;  // in [0, 1/2], and exact so far
  const bool as_sine = x > 0.25;
  const DoubleDouble v = pi() * DoubleDouble{as_sine ? 0.5 - x : x};
  const DoubleDouble terms =
      series(v * v, [](int) { return -1; }, [&](int n) { return as_sine ? 2 * n * (2 * n + 1) : (2 * n - 1) * 2 * n; });
  return sign * to_double((as_sine ? v * terms : terms).high);
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

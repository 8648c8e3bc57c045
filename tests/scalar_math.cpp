// SPDX-License-Identifier: MIT
//
// cos, exp, log and pow of the library's own, against those of long double: how far they are from the true values, in
// units in the last place. Each is computed to some 60 bits and rounded once, 0.5 units, a subnormal result twice,
// 0.5 + 0.25; the comparison itself is off by 2^-11 units or less.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include <descent/kernel/scalar_math.hpp>

#include "catch.hpp"

namespace {

namespace kernel = descent::kernel;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double largest = std::numeric_limits<double>::max();
constexpr double smallest_normal = std::numeric_limits<double>::min();
constexpr double smallest = std::numeric_limits<double>::denorm_min();

constexpr double normal_ulps = 0.501, subnormal_ulps = 0.751;

/// How far off, in units in the last place of a double of that size.
double ulps(double computed, long double exact) {
  if (exact > largest) return computed == infinity || computed == largest ? 0 : infinity;
  const int exponent = exact == 0 ? -1022 : std::max(std::ilogb(exact), -1022);
  return static_cast<double>(std::fabs(static_cast<long double>(computed) - exact) / std::ldexp(1.0L, exponent - 52));
}

double allowed_ulps(long double exact) { return std::fabs(exact) < smallest_normal ? subnormal_ulps : normal_ulps; }

/// Numbers in [0, 1) that fill the interval evenly (Weyl's sequence of the golden ratio).
class Numbers {
 public:
  double next() { return static_cast<double>((bits_ += 0x9e3779b97f4a7c15) >> 11) * 0x1p-53; }
  double next(double from, double to) { return from + (to - from) * next(); }

 private:
  std::uint64_t bits_ = 1;
};

constexpr int arguments = 100'000;

/// The largest share of what is allowed that an error takes.
class Worst {
 public:
  void add(double computed, long double exact) {
    share_ = std::max(share_, ulps(computed, exact) / allowed_ulps(exact));
  }
  double share() const { return share_; }

 private:
  double share_ = 0;
};

bool is_positive_zero(double value) { return value == 0 && !std::signbit(value); }

}  // namespace

TEST_CASE("exp is rounded once", "[scalar_math]") {
  Worst worst;
  Numbers numbers;
  for (int i = 0; i < arguments; ++i) {
    const double x = numbers.next(-746, 710);
    worst.add(kernel::exp(x), std::exp(static_cast<long double>(x)));
    const double near_zero = std::ldexp(x, -(i % 60) - 9);
    worst.add(kernel::exp(near_zero), std::exp(static_cast<long double>(near_zero)));
  }
  CHECK(worst.share() < 1);

  CHECK(kernel::exp(0) == 1);
  CHECK(kernel::exp(smallest) == 1);
  CHECK(kernel::exp(1) == std::numbers::e);
  CHECK(kernel::exp(709.782712893384) < infinity);
  CHECK(kernel::exp(709.7827128933841) == infinity);
  CHECK(kernel::exp(-745.1332191019411) == smallest);
  CHECK(is_positive_zero(kernel::exp(-745.1332191019413)));
  for (const double x : {800.0, 801.0, 1e300, infinity}) {
    CHECK(kernel::exp(x) == infinity);
    CHECK(is_positive_zero(kernel::exp(-x)));
  }
  CHECK(std::isnan(kernel::exp(not_a_number)));
}

TEST_CASE("log is rounded once", "[scalar_math]") {
  Worst worst;
  Numbers numbers;
  for (int i = 0; i < arguments; ++i) {
    const double x = std::ldexp(numbers.next(1, 2), i % 2098 - 1074);
    worst.add(kernel::log(x), std::log(static_cast<long double>(x)));
    const double near_one = 1 + std::ldexp(numbers.next(-1, 1), -(i % 54) - 1);
    worst.add(kernel::log(near_one), std::log(static_cast<long double>(near_one)));
  }
  CHECK(worst.share() < 1);

  CHECK(is_positive_zero(kernel::log(1)));
  CHECK(kernel::log(2) == std::numbers::ln2);
  CHECK(ulps(kernel::log(largest), std::log(static_cast<long double>(largest))) < normal_ulps);
  CHECK(ulps(kernel::log(smallest), std::log(static_cast<long double>(smallest))) < normal_ulps);
  CHECK(kernel::log(infinity) == infinity);
  CHECK(kernel::log(0) == -infinity);
  CHECK(std::isnan(kernel::log(-1)));
  CHECK(std::isnan(kernel::log(not_a_number)));
}

TEST_CASE("pow is rounded once", "[scalar_math]") {
  Worst worst;
  Numbers numbers;
  for (int i = 0; i < arguments; ++i) {
    const auto check = [&](double base, double exponent) {
      worst.add(kernel::pow(base, exponent), std::pow(static_cast<long double>(base), exponent));
    };
    const double fraction = numbers.next(smallest, 1);
    check(fraction, numbers.next(0, 4));                         // a polynomial schedule
    check(1 - fraction / 1000, i);                               // an exponential one
    check(numbers.next(0.5, 1), static_cast<double>(i % 2000));  // also to subnormal numbers
    const double base = std::ldexp(numbers.next(1, 2), i % 2098 - 1074);
    check(base, numbers.next(-745, 710) / std::log(base));  // all that results can be
    check(1 + std::ldexp(numbers.next(-1, 1), -(i % 52) - 1), std::ldexp(numbers.next(-8, 8), i % 52));
  }
  CHECK(worst.share() < 1);
}

TEST_CASE("pow of powers that are numbers", "[scalar_math]") {
  for (int exponent = -1074; exponent < 1024; ++exponent) CHECK(kernel::pow(2, exponent) == std::ldexp(1.0, exponent));
  double power = 1;
  for (int exponent = 0; exponent <= 33; ++exponent, power *= 3) CHECK(kernel::pow(3, exponent) == power);
  for (const double x : {0.1, 3e-4, 0.97, 1e300, smallest_normal, smallest}) {
    CHECK(kernel::pow(x, 1) == x);
    CHECK(kernel::pow(x, 2) == x * x);
    CHECK(kernel::pow(x, 0.5) == std::sqrt(x));
    CHECK(kernel::pow(x, 0) == 1);
    CHECK(kernel::pow(x, -0.0) == 1);
  }
}

TEST_CASE("pow where IEEE 754 names the result", "[scalar_math]") {
  for (const double x : {0.0, 0.5, 1.0, 2.0, infinity, not_a_number, -2.0}) CHECK(kernel::pow(x, 0) == 1);
  for (const double y : {-infinity, -1.5, 0.0, 3.0, infinity, not_a_number}) CHECK(kernel::pow(1, y) == 1);
  for (const double y : {smallest, 0.5, 3.0, 1e300, infinity}) {
    CHECK(is_positive_zero(kernel::pow(0, y)));
    CHECK(kernel::pow(0, -y) == infinity);
    CHECK(kernel::pow(infinity, y) == infinity);
    CHECK(is_positive_zero(kernel::pow(infinity, -y)));
  }
  const double above = 1 + 0x1p-52, below = 1 - 0x1p-53;
  for (const double y : {0x1p63, 1e25, largest, infinity}) {
    CHECK(kernel::pow(above, y) == infinity);
    CHECK(is_positive_zero(kernel::pow(above, -y)));
    CHECK(is_positive_zero(kernel::pow(below, y)));
    CHECK(kernel::pow(below, -y) == infinity);
    CHECK(kernel::pow(largest, y) == infinity);
    CHECK(is_positive_zero(kernel::pow(smallest, y)));
  }
  CHECK(kernel::pow(largest, 1) == largest);
  CHECK(kernel::pow(10, 308.5) == infinity);
  CHECK(is_positive_zero(kernel::pow(10, -324)));
  CHECK(kernel::pow(largest, smallest) == 1);
  for (const double y : {-1.0, 0.5, 3.0, infinity}) {
    CHECK(std::isnan(kernel::pow(not_a_number, y)));
    CHECK(std::isnan(kernel::pow(-2, y)));  // other than in IEEE 754, also for whole numbers
    CHECK(std::isnan(kernel::pow(-infinity, y)));
  }
  CHECK(std::isnan(kernel::pow(2, not_a_number)));
  CHECK(std::isnan(kernel::pow(0, not_a_number)));
}

TEST_CASE("the cosine of multiples of pi is rounded once", "[scalar_math]") {
  const auto exact = [](double x) {  // for x in [0, 1]
    constexpr long double pi = std::numbers::pi_v<long double>;
    return x > 0.25 && x < 0.75 ? std::sin(pi * (0.5L - x)) : std::cos(pi * x);
  };
  Worst worst;
  Numbers numbers;
  for (int i = 0; i < arguments; ++i) {
    const double x = numbers.next();
    worst.add(kernel::cos_pi(x), exact(x));
    const double near_half = 0.5 + std::ldexp(numbers.next(-1, 1), -(i % 54) - 2);
    worst.add(kernel::cos_pi(near_half), exact(near_half));
    const double near_zero = std::ldexp(x, -(i % 100));
    worst.add(kernel::cos_pi(near_zero), exact(near_zero));

    // Symmetric and periodic, to the bit, where x itself can be moved without rounding.
    const double short_x = std::floor(x * 0x1p20) * 0x1p-20;
    const double cosine = kernel::cos_pi(short_x);
    CHECK(kernel::cos_pi(-short_x) == cosine);
    CHECK(kernel::cos_pi(1 - short_x) == -cosine);
    CHECK(kernel::cos_pi(short_x + 1) == -cosine);
    CHECK(kernel::cos_pi(short_x + 2 * i) == cosine);
    CHECK(kernel::cos_pi(short_x - 0x1p31 - 1) == -cosine);
  }
  CHECK(worst.share() < 1);

  for (const double whole : {0.0, 2.0, 4.0, 0x1p52, 0x1p53, 0x1p53 + 2, 1e300, largest}) {
    CHECK(kernel::cos_pi(whole) == 1);
    CHECK(kernel::cos_pi(-whole) == 1);
  }
  for (const double odd : {1.0, 3.0, -1.0, 0x1p52 + 1, 0x1p53 - 1}) CHECK(kernel::cos_pi(odd) == -1);
  for (const double half : {0.5, 1.5, -0.5, 2.5, 0x1p51 + 0.5}) CHECK(kernel::cos_pi(half) == 0);
  CHECK(kernel::cos_pi(smallest) == 1);
  CHECK(std::isnan(kernel::cos_pi(infinity)));
  CHECK(std::isnan(kernel::cos_pi(-infinity)));
  CHECK(std::isnan(kernel::cos_pi(not_a_number)));
}

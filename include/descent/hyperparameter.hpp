// SPDX-License-Identifier: MIT
//
// Ranges of hyperparameters, and the one check that holds a value against its range: as a double,
// and again once it is rounded to the scalar that the kernel computes in.
#pragma once

#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <descent/kernel/flags.hpp>

namespace descent {

/// An interval of finite numbers, as in "[0, 1)".
struct Interval {
  double low;
  bool low_included;
  double high;
  bool high_included;
  std::string_view text;

  template <class Scalar>
  DESCENT_TAGGED constexpr bool contains(Scalar value) const {
    return (low_included ? value >= static_cast<Scalar>(low) : value > static_cast<Scalar>(low)) &&
           (high_included ? value <= static_cast<Scalar>(high) : value < static_cast<Scalar>(high));
  }
};

namespace interval {
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr Interval nonnegative{0, true, infinity, false, "finite and >= 0"};
inline constexpr Interval positive{0, false, infinity, false, "finite and > 0"};
inline constexpr Interval unit_interval{0, true, 1, true, "in [0, 1]"};
inline constexpr Interval below_one{0, true, 1, false, "in [0, 1)"};
}  // namespace interval

namespace detail {
inline namespace DESCENT_FLAGS {

template <class Scalar>
constexpr std::string_view scalar_name() {
  if constexpr (std::is_same_v<Scalar, float>) return "float";
  if constexpr (std::is_same_v<Scalar, double>) return "double";
  return "long double";
}

template <class Scalar>
[[noreturn, gnu::cold, gnu::noinline]] void throw_out_of_range(std::string_view optimizer, std::string_view field,
                                                               double value, const Interval& range) {
  std::ostringstream message;
  message.precision(std::numeric_limits<double>::max_digits10);
  message << optimizer << ": " << field << " = " << value;
  if (range.contains(value)) message << " becomes " << static_cast<Scalar>(value) << " as " << scalar_name<Scalar>();
  message << "; it must be " << range.text;
  throw std::invalid_argument(message.str());
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// Throws std::invalid_argument, naming optimizer, field, value and range, unless the value is in
/// its range both as it is and rounded to Scalar.
template <class Scalar>
DESCENT_TAGGED void require(std::string_view optimizer, std::string_view field, double value, const Interval& range) {
  if (!range.contains(value) || !range.contains(static_cast<Scalar>(value))) [[unlikely]]
    detail::throw_out_of_range<Scalar>(optimizer, field, value, range);
}

/// Throws std::invalid_argument with that text, unless the choice is one of those allowed.
DESCENT_TAGGED inline void require_choice(bool allowed, std::string_view optimizer, std::string_view problem) {
  if (!allowed) [[unlikely]]
    throw std::invalid_argument(std::string(optimizer) + ": " + std::string(problem));
}

}  // namespace descent

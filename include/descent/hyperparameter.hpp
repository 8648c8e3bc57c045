// SPDX-License-Identifier: MIT
//
// Ranges of hyperparameters, and the one check that holds a value against its range: as a double,
// and again once it is rounded to the scalar that the kernel computes in. And how a rule lists its
// hyperparameters by name.
#pragma once

#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <descent/kernel/flags.hpp>

namespace descent {

/// The ranges, each a type of its own, so that a check is two comparisons with constants.
namespace interval {
inline namespace DESCENT_FLAGS {

/// [0, infinity)
inline constexpr struct Nonnegative {
  static constexpr std::string_view text = "finite and >= 0";
  static constexpr bool contains(auto value) {
    return value >= 0 && value <= std::numeric_limits<decltype(value)>::max();
  }
} nonnegative;

/// (0, infinity)
inline constexpr struct Positive {
  static constexpr std::string_view text = "finite and > 0";
  static constexpr bool contains(auto value) { return value > 0 && Nonnegative::contains(value); }
} positive;

/// [0, 1]
inline constexpr struct UnitInterval {
  static constexpr std::string_view text = "in [0, 1]";
  static constexpr bool contains(auto value) { return value >= 0 && value <= 1; }
} unit_interval;

/// [0, 1)
inline constexpr struct BelowOne {
  static constexpr std::string_view text = "in [0, 1)";
  static constexpr bool contains(auto value) { return value >= 0 && value < 1; }
} below_one;

}  // namespace DESCENT_FLAGS
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
                                                               double value, bool is_in_range, std::string_view range) {
  std::ostringstream message;
  message.precision(std::numeric_limits<double>::max_digits10);
  message << optimizer << ": " << field << " = " << value;
  if (is_in_range) message << " becomes " << static_cast<Scalar>(value) << " as " << scalar_name<Scalar>();
  message << "; it must be " << range;
  throw std::invalid_argument(message.str());
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_bad_choice(std::string_view optimizer,
                                                                    std::string_view problem) {
  throw std::invalid_argument(std::string(optimizer) + ": " + std::string(problem));
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// Throws std::invalid_argument, naming optimizer, field, value and range, unless the value is in
/// its range both as it is and rounded to Scalar.
template <class Scalar, class Interval>
[[gnu::always_inline]] inline void require(std::string_view optimizer, std::string_view field, double value,
                                           Interval range) {
  if (!range.contains(value) || !range.contains(static_cast<Scalar>(value))) [[unlikely]]
    detail::throw_out_of_range<Scalar>(optimizer, field, value, range.contains(value), Interval::text);
}

/// Throws std::invalid_argument with that text, unless the choice is one of those allowed.
[[gnu::always_inline]] inline void require_choice(bool allowed, std::string_view optimizer, std::string_view problem) {
  if (!allowed) [[unlikely]]
    detail::throw_bad_choice(optimizer, problem);
}

inline namespace DESCENT_FLAGS {

/// One hyperparameter of a rule: its name and the member that holds it, a float, a double, an integer, a
/// bool or an enum. A rule that can be saved (checkpoint.hpp) has a name and lists them all:
///
///     static constexpr std::string_view name = "MyRule";
///     static constexpr std::tuple hyperparameters{
///         descent::Hyperparameter{"learning_rate", &MyRule::learning_rate},
///         descent::Hyperparameter{"form", &MyRule::form}};
///
/// The names of an enum's values, which count from 0, are what the function enumerator_names beside the
/// enum returns: `constexpr std::array<std::string_view, 2> enumerator_names(Form) { return {"a", "b"}; }`
template <class Member>
struct Hyperparameter {
  std::string_view name;
  Member member;
};
template <class Member>
Hyperparameter(std::string_view, Member) -> Hyperparameter<Member>;

}  // namespace DESCENT_FLAGS

}  // namespace descent

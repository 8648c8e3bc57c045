// SPDX-License-Identifier: MIT
//
// Ranges of hyperparameters, and the one check that holds a value against its range: as a double,
// and again once it is rounded to the scalar that the kernel computes in. And how a rule lists its
// hyperparameters by name.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
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
    return value >= 0 && value <= (std::numeric_limits<decltype(value)>::max)();
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
DESCENT_TAGGED [[gnu::always_inline]] inline void require_in_range(std::string_view optimizer, std::string_view field,
                                                                   double value, Interval range) {
  if (!range.contains(value) || !range.contains(static_cast<Scalar>(value))) [[unlikely]]
    detail::throw_out_of_range<Scalar>(optimizer, field, value, range.contains(value), Interval::text);
}

/// Throws std::invalid_argument with that text, unless the choice is one of those allowed.
DESCENT_TAGGED [[gnu::always_inline]] inline void require_choice(bool allowed, std::string_view optimizer,
                                                                 std::string_view problem) {
  if (!allowed) [[unlikely]]
    detail::throw_bad_choice(optimizer, problem);
}

/// An enum that lists the names of its values, which count from 0, in a function beside it:
///
///     enum class Form { velocity, averaged };
///     constexpr std::array<std::string_view, 2> enumerator_names(Form) { return {"velocity", "averaged"}; }
template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T value) {
  { enumerator_names(value)[0] } -> std::convertible_to<std::string_view>;
};

/// What a hyperparameter can be.
template <class T>
concept HyperparameterValue = NamedEnum<T> || std::integral<T> || std::same_as<T, float> || std::same_as<T, double>;

inline namespace DESCENT_FLAGS {

/// One hyperparameter of a rule: its name and the member that holds it. A rule that can be saved (see
/// checkpoint.hpp) has a name and lists all of its members; a change of one that it does not list is
/// neither saved nor validated by the next step:
///
///     static constexpr std::string_view name = "MyRule";
///     static constexpr auto hyperparameters(const auto& use) {
///       return use(descent::Hyperparameter{"learning_rate", &MyRule::learning_rate},
///                  descent::Hyperparameter{"form", &MyRule::form});
///     }
///
/// (A function and not a std::tuple: tuples took a third of what the header takes to compile beyond Eigen's.)
template <class R, class T>
struct Hyperparameter {
  static_assert(HyperparameterValue<T>,
                "descent: a hyperparameter is a float, a double, an integer, a bool or an enum with enumerator_names");
  std::string_view name;
  T R::*member;
};
template <class R, class T>
Hyperparameter(std::string_view, T R::*) -> Hyperparameter<R, T>;

}  // namespace DESCENT_FLAGS

/// A rule that can be saved: it has a `name`, and `hyperparameters` lists its members (see Hyperparameter).
template <class R>
concept ListsHyperparameters = requires {
  { R::name } -> std::convertible_to<std::string_view>;
  R::hyperparameters([](const auto&...) {});
};

namespace detail {
inline namespace DESCENT_FLAGS {

/// Whether two rules are known to have the same hyperparameters, bit by bit: never where they list none.
template <class R>
[[gnu::always_inline]] inline bool same_hyperparameters(const R& a, const R& b) {
  if constexpr (ListsHyperparameters<R>) {
    const auto same = []<class T>(const T& one, const T& other) __attribute__((always_inline)) {
      if constexpr (std::is_same_v<T, double>)  // an integer's comparison is the shorter one
        return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
      else
        return one == other;
    };
    return R::hyperparameters([&](const auto&... its) __attribute__((always_inline)) {
      return (same(a.*its.member, b.*its.member) && ...);
    });
  } else {
    return false;
  }
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

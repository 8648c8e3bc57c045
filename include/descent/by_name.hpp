// SPDX-License-Identifier: MIT
//
// A rule's hyperparameters by their names: reads them, sets them, and tells what they may be.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <descent/errors.hpp>
#include <descent/rule.hpp>
#include <descent/value.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <HyperparameterValue T>
Value value_of(T member) {
  if constexpr (NamedEnum<T>)
    return std::string(enumerator_names(T{})[static_cast<std::size_t>(member)]);
  else if constexpr (std::same_as<T, bool>)
    return member;
  else if constexpr (std::floating_point<T>)
    return static_cast<double>(member);
  else if (member > T{} && static_cast<std::uint64_t>(member) > INT64_MAX)
    return static_cast<std::uint64_t>(member);
  else
    return static_cast<std::int64_t>(member);
}

/// What a hyperparameter is and may be.
template <class R, class Listed, class T, class Range>
HyperparameterInfo info_of(const Hyperparameter<Listed, T, Range>& its, const R& rule) {
  HyperparameterInfo info{std::string(its.name), value_of(rule.*its.member), {}, 0, 0, false, false, {}};
  if constexpr (NamedEnum<T>) {
    for (const std::size_t choice : choices_of<T>(Range{})) info.choices.push_back(enumerator_names(T{})[choice]);
  } else if constexpr (!std::same_as<Range, interval::Everything>) {
    info.range = Range::text;
    info.lower = Range::lower;
    info.upper = Range::upper;
    info.includes_lower = Range::contains(Range::lower);
    info.includes_upper = Range::contains(Range::upper);
  }
  return info;
}

template <class R>
std::vector<HyperparameterInfo> infos_of(const R& rule) {
  std::vector<HyperparameterInfo> infos;
  R::hyperparameters([&](const auto&... its) { (infos.push_back(info_of(its, rule)), ...); });
  return infos;
}

inline Value value_of(const ValueView& view) {
  switch (view.kind_) {
    case ValueView::Kind::value:
      return *view.value_;
    case ValueView::Kind::truth:
      return view.bool_;
    case ValueView::Kind::integer:
      return view.integer_;
    case ValueView::Kind::natural:
      return value_of(view.natural_);
    case ValueView::Kind::real:
      return view.real_;
    case ValueView::Kind::text:
      break;
  }
  return std::string(view.text_);
}

/// A value as an error shows it.
inline Text to_text(const Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return {"\"", *text, "\""};
  return std::visit([](const auto& number) { return Text{number}; }, value);
}

/// The number that a value stands for, if it does. JSON has no numbers for infinities and NaN, so texts
/// stand for them.
inline std::optional<double> number_in(const Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (*text == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (*text == "inf") return infinity;
    if (*text == "-inf") return -infinity;
    return std::nullopt;
  }
  if (const auto* const number = std::get_if<double>(&value)) return *number;
  if (const auto* const number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* const number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  return std::nullopt;
}

/// Sets `to` to the value and returns true, if T has it: a real number is rounded to T, and a whole one may be given as
/// a double.
template <HyperparameterValue T>
bool read_value(T& to, const Value& value) {
  if constexpr (NamedEnum<T>) {
    constexpr auto names = enumerator_names(T{});
    const auto* const name = std::get_if<std::string>(&value);
    const auto found = name == nullptr ? names.end() : std::find(names.begin(), names.end(), *name);
    if (found == names.end()) return false;
    to = static_cast<T>(found - names.begin());
    return true;
  } else if constexpr (std::same_as<T, bool>) {
    const bool* const truth = std::get_if<bool>(&value);
    if (truth != nullptr) to = *truth;
    return truth != nullptr;
  } else if constexpr (std::floating_point<T>) {
    const std::optional<double> number = number_in(value);
    if (number) to = static_cast<T>(*number);
    return number.has_value();
  } else {
    const auto exactly = [&to]<class Given>(Given given) {
      const auto number = static_cast<T>(given);
      if (static_cast<Given>(number) != given || (number < T{}) != (given < Given{})) return false;
      to = number;
      return true;
    };
    if (const auto* const integer = std::get_if<std::int64_t>(&value)) return exactly(*integer);
    if (const auto* const natural = std::get_if<std::uint64_t>(&value)) return exactly(*natural);
    const auto* const real = std::get_if<double>(&value);
    return real != nullptr && std::abs(*real) <= 0x1p53 && *real == std::trunc(*real) &&
           exactly(static_cast<std::int64_t>(*real));
  }
}

/// The value as a T. Throws std::invalid_argument if T does not have it.
template <class T, class Range>
T value_as(const Value& value, std::string_view field, Owner owner) {
  if (T number{}; read_value(number, value)) return number;
  if constexpr (NamedEnum<T>)
    fail_bad_choice<T, Range>(owner, field, Part(std::string_view(to_text(value))));
  else if constexpr (std::same_as<T, bool>)
    fail<std::invalid_argument>({owner(), ": ", field, " = ", to_text(value), "; it must be true or false"});
  else
    fail<std::invalid_argument>({owner(), ": ", field, " = ", to_text(value), "; it must be ",
                                 std::integral<T> ? "an integer, " : "a number, ", Range::text});
}

/// Sets a hyperparameter, if the rule has one of that name; returns whether it has. Throws std::invalid_argument, with
/// nothing changed, if the value is out of its range, also as a Scalar.
template <class Scalar, class R>
bool set_if_listed(R& rule, std::string_view name, const Value& value, std::ptrdiff_t tensor) {
  const auto set_one = [&]<class Listed, class T, class Range>(const Hyperparameter<Listed, T, Range>& its) {
    if (its.name != name) return false;
    Listed changed = rule;
    changed.*its.member = value_as<T, Range>(value, its.name, {Listed::name, tensor});
    validate_one<Scalar>(changed, its, tensor);
    rule.*its.member = changed.*its.member;
    return true;
  };
  return R::hyperparameters([&](const auto&... its) { return (set_one(its) || ...); });
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

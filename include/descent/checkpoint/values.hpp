// SPDX-License-Identifier: MIT
//
// Hyperparameters and counters as JSON, such that reading gives back the same bits or is refused.
#pragma once

#if !__has_include(<nlohmann/json.hpp>)
#error "descent/checkpoint.hpp needs nlohmann-json: https://json.nlohmann.me, nlohmann-json3-dev in Debian and Ubuntu"
#endif

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include <descent/hyperparameter.hpp>
#include <descent/kernel/flags.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

using nlohmann::json;

/// What is wrong with a checkpoint; `load` adds of which.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Numbers as they are, since JSON's decimals are read back to the same bits; enums by their names.
template <HyperparameterValue T>
json json_of(T value) {
  if constexpr (std::is_enum_v<T>) {
    return enumerator_names(value).at(static_cast<std::size_t>(value));
  } else {
    if constexpr (std::floating_point<T>) {  // JSON knows neither
      if (std::isnan(value)) return "nan";
      if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    }
    return value;
  }
}

/// The value of which json_of gives that text; `what` names it where there is none.
template <HyperparameterValue T>
T value_of(const json& text, const std::string& what) {
  T value{};
  if constexpr (std::is_enum_v<T>) {
    for (std::size_t i = 0; i < enumerator_names(value).size(); ++i)
      if (text == json_of(static_cast<T>(i))) value = static_cast<T>(i);
  } else if constexpr (std::floating_point<T>) {
    using Limits = std::numeric_limits<T>;
    if (text.is_number()) value = text.get<T>();
    for (const T special : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()})
      if (text == json_of(special)) value = special;
  } else {
    if (std::same_as<T, bool> ? text.is_boolean() : text.is_number_integer()) value = text.get<T>();
  }
  if (json_of(value) != text) throw Refused(what + " cannot be " + text.dump());
  return value;
}

/// JSON in which every name stands once: a second one would hide the first.
inline json parsed(const std::string& text, const std::string& what) {
  std::vector<std::set<std::string>> names;
  const auto names_stand_once = [&](int, json::parse_event_t event, const json& part) {
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end) names.pop_back();
    if (event == json::parse_event_t::key && !names.back().insert(part.get<std::string>()).second)
      throw Refused(what + " has " + part.dump() + " twice");
    return true;
  };
  try {
    return json::parse(text, names_stand_once);
  } catch (const json::exception& error) {
    throw Refused(what + " is not JSON: " + error.what());
  }
}

inline const json& member(const json& object, std::string_view name, std::string_view what) {
  const std::string key(name);
  if (!object.is_object() || !object.contains(key)) throw Refused(std::string(what) + " has no \"" + key + "\"");
  return object[key];
}

/// Throws unless `found` has no member but those of `known`.
inline void require_known(const json& found, const json& known, const std::string& what) {
  for (const auto& each : found.items())
    if (!known.contains(each.key())) throw Refused(what + " has \"" + each.key() + "\", which is not expected here");
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

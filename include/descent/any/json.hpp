// SPDX-License-Identifier: MIT
//
// An AnyOptimizer from JSON, as it stands in a configuration file. An optional header: it needs nlohmann-json (Debian:
// nlohmann-json3-dev; CMake: nlohmann_json::nlohmann_json).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <descent/any_optimizer.hpp>
#include <descent/errors.hpp>
#include <descent/value.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

/// A rule or a link: its name alone, or an object with its "name" and hyperparameters.
inline Component component_of(const nlohmann::json& json) {
  if (json.is_string()) return {json.get<std::string>(), {}};
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string())
    fail<std::invalid_argument>(
        {"descent: an optimizer or a link is given as its name, or as an object that has a "
         "\"name\", not as ",
         json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  Component component{json["name"].get<std::string>(), {}};
  for (const auto& [name, value] : json.items()) {
    if (name == "name") continue;
    if (value.is_boolean())
      component.values.push_back({name, value.get<bool>()});
    else if (value.is_number_integer())
      component.values.push_back({name, value.get<std::int64_t>()});
    else if (value.is_number())
      component.values.push_back({name, value.get<double>()});
    else if (value.is_string())
      component.values.push_back({name, value.get<std::string>()});
    else
      fail<std::invalid_argument>({"descent: ", component.name, ": ", name, " = ",
                                   value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                                   "; it must be a number, true, false or a text"});
  }
  return component;
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// The optimizer that JSON describes, as make_optimizer makes it. A rule or a preset is its name, or an object with its
/// "name" and hyperparameters; a chain is an array of these in their order:
///
///     "adam"
///     {"name": "adamw", "learning_rate": 3e-4, "weight_decay": 0.1}
///     [{"name": "clip_norm", "max_norm": 1}, "pytorch.adam", {"name": "average", "decay": 0.999}]
///
/// Throws std::invalid_argument like make_optimizer, and if the JSON has another form.
template <class Scalar>
DESCENT_TAGGED AnyOptimizer<Scalar> optimizer_from_json(const nlohmann::json& json) {
  std::vector<Component> components;
  if (json.is_array())
    for (const nlohmann::json& each : json) components.push_back(detail::component_of(each));
  else
    components.push_back(detail::component_of(json));
  return make_optimizer<Scalar>(components);
}

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// What make_optimizer is given for an optimizer with the rule and the hyperparameters of another.
#pragma once

#include <string>
#include <vector>

#include <descent/any_optimizer.hpp>
#include <descent/by_name.hpp>

namespace descent::test {

/// A rule's or a link's name in lists, and all its hyperparameters.
template <class R>
Component component_of(const R& rule) {
  Component component{std::string(R::name.substr(R::name.rfind(':') + 1)), {}};
  for (HyperparameterInfo& each : detail::infos_of(rule)) component.values.push_back({each.name, each.value});
  return component;
}
template <class R>
std::vector<Component> components_of(const R& rule) {
  std::vector<Component> components;
  if constexpr (detail::IsChain<R>)
    rule.for_each_link([&](const auto& link) { components.push_back(component_of(link)); });
  else
    components.push_back(component_of(rule));
  return components;
}

}  // namespace descent::test

// SPDX-License-Identifier: MIT
//
// How an AnyOptimizer is made of names: for source.hpp, which compiles it once for a program.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <descent/any/chain_model.hpp>
#include <descent/any/model.hpp>
#include <descent/any/names.hpp>
#include <descent/any/typed_model.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Whether two names differ at most in upper and lower case and in underscores.
inline bool is_named(std::string_view given, std::string_view name) {
  const auto plain = [](std::string_view text) {
    std::string letters;
    for (const char c : text)
      if (c != '_') letters += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return letters;
  };
  return plain(given) == plain(name);
}

/// Appends a rule to the parts of a chain; of one that is a chain itself, its links.
template <class R, class Scalar>
void append_rule(typename ChainModel<Scalar>::Parts& parts, const R& rule) {
  if constexpr (StepsWhole<R>)
    fail<std::invalid_argument>({R::name, " steps tensors as a whole, so it stands in no Chain"});
  else if constexpr (IsChain<R>)
    rule.for_each_link([&]<class L>(const L& link) { parts.push_back(std::make_unique<TypedLink<L, Scalar>>(link)); });
  else
    parts.push_back(std::make_unique<TypedLink<R, Scalar>>(rule));
}

/// Sets the hyperparameters that are given.
template <class Scalar, class R>
R with_values(R rule, const ComponentView& component) {
  for (std::size_t i = 0; i < component.count; ++i) {
    const SettingView its = component.views != nullptr
                                ? component.views[i]
                                : SettingView{component.settings[i].name, component.settings[i].value};
    if (!set_if_listed<Scalar>(rule, its.name, value_of(its.value), -1))
      fail_no_hyperparameter(R::name, its.name, infos_of(rule));
  }
  return rule;
}

/// The names that begin as the one that was given, or all but the presets.
[[noreturn, gnu::cold]] inline void fail_no_name(std::string_view given, bool in_chain) {
  const std::size_t end = given.find('.') + 1;  // 0 without a point
  Text text{"descent: no ", in_chain ? "rule or link" : "rule", " \"", given, "\"; "};
  bool is_first = true;
  const auto add = [&](std::string_view name, const auto&) {
    const std::size_t its_end = name.find('.') + 1;
    if (its_end != end || !is_named(given.substr(0, end), name.substr(0, its_end))) return;
    text.add({is_first ? "there are " : ", ", name});
    is_first = false;
  };
  for_each_named_rule(add);
  if (in_chain) for_each_named_link(add);
  text.add({is_first ? "" : "; ", "presets begin with pytorch., keras., optax. or paper."});
  fail<std::invalid_argument>(text.c_str());
}

template <class Scalar>
std::unique_ptr<AnyModel<Scalar>> make_rule(const ComponentView& component) {
  std::unique_ptr<AnyModel<Scalar>> made;
  for_each_named_rule([&]<class R>(std::string_view name, const R& rule) {
    if (made == nullptr && is_named(component.name, name))
      made = std::make_unique<TypedModel<R, Scalar>>(with_values<Scalar>(rule, component));
  });
  if (made == nullptr) fail_no_name(component.name, false);
  return made;
}

template <class Scalar>
std::unique_ptr<AnyModel<Scalar>> make_chain(Components components) {
  typename ChainModel<Scalar>::Parts parts;
  for (std::size_t i = 0; i < components.count; ++i) {
    const ComponentView& each = static_cast<const ComponentView*>(components.first)[i];
    const std::size_t before = parts.size();
    for_each_named_rule([&]<class R>(std::string_view name, const R& rule) {
      if (parts.size() == before && is_named(each.name, name))
        append_rule<R, Scalar>(parts, with_values<Scalar>(rule, each));
    });
    for_each_named_link([&]<class L>(std::string_view name, const L& link) {
      if (parts.size() == before && is_named(each.name, name))
        parts.push_back(std::make_unique<TypedLink<L, Scalar>>(with_values<Scalar>(link, each)));
    });
    if (parts.size() == before) fail_no_name(each.name, true);
  }
  return std::make_unique<ChainModel<Scalar>>(std::move(parts));
}

}  // namespace DESCENT_FLAGS

template <class Scalar>
void* make_model(Components components) {
  kernel::require_choice_of_isa();
  return components.count == 1 ? make_rule<Scalar>(*static_cast<const ComponentView*>(components.first)).release()
                               : make_chain<Scalar>(components).release();
}

}  // namespace descent::detail

// SPDX-License-Identifier: MIT
//
// What AnyOptimizer needs once in each program: all rules, compiled for float and double. Link the CMake target
// descent::any, which has it, or include it in one source file of your own, compiled with any flags.
#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

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

template <class Scalar>
std::unique_ptr<AnyModel<Scalar>> make_rule_model(const Component& part) {
  std::unique_ptr<AnyModel<Scalar>> made;
  for_each_named_rule([&]<class R>(std::string_view name, const R& rule) {
    if (made == nullptr && is_named(part.name, name)) made = std::make_unique<TypedModel<R, Scalar>>(rule);
  });
  if (made != nullptr)
    for (const Setting& each : part.values) made->set(-1, each.name, each.value);
  return made;
}

}  // namespace DESCENT_FLAGS

template <class Scalar>
std::unique_ptr<AnyModel<Scalar>> make_model(const std::vector<Component>& parts) {
  return make_rule_model<Scalar>(parts[0]);
}

template std::unique_ptr<AnyModel<float>> make_model<float>(const std::vector<Component>& parts);
template std::unique_ptr<AnyModel<double>> make_model<double>(const std::vector<Component>& parts);

}  // namespace descent::detail

// SPDX-License-Identifier: MIT
// A hyperparameter that has no names for its values.
// says: an enum with enumerator_names
#include <array>
#include <string_view>

#include <descent/rule.hpp>

enum class Form { one, two };
#ifndef FAIL
consteval std::array<std::string_view, 2> enumerator_names(Form) { return {"one", "two"}; }
#endif

struct MyRule {
  Form form = Form::one;
  static constexpr auto hyperparameters(const auto& list) {
    return list(descent::Hyperparameter{"form", &MyRule::form});
  }
};

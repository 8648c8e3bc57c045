// SPDX-License-Identifier: MIT
// An interval for an enum, and values of an enum for a number.
// says: the range of a number is an interval, the range of an enum is one_of its values
#include <array>
#include <string_view>

#include <descent/rule.hpp>

enum class Form { one, two };
consteval std::array<std::string_view, 2> enumerator_names(Form) { return {"one", "two"}; }

struct MyRule {
  double rate = 0.1;
  Form form = Form::one;
  static constexpr auto hyperparameters(const auto& list) {
    using namespace descent::interval;
#ifdef FAIL
    return list(descent::Hyperparameter{"rate", &MyRule::rate, one_of<Form::one>},
                descent::Hyperparameter{"form", &MyRule::form, positive});
#else
    return list(descent::Hyperparameter{"rate", &MyRule::rate, positive},
                descent::Hyperparameter{"form", &MyRule::form, one_of<Form::one>});
#endif
  }
};
static_assert(MyRule::hyperparameters([](const auto&... each) { return sizeof...(each); }) == 2);

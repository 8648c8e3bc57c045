// SPDX-License-Identifier: MIT
//
// Hyperparameters whose rule is not known at compile time: their values, and what there is to say about them.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>

namespace descent {

/// The value of a hyperparameter; an enumerator is given by its name, such as "outside". An integer is a uint64_t only
/// where int64_t is too small.
using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string>;

inline namespace DESCENT_FLAGS {

/// A hyperparameter's name and its value.
struct Setting {
  std::string name;
  Value value;
};

/// A rule, a preset or a link of a chain: its name, and the values of those hyperparameters that are no defaults.
struct Component {
  std::string name;
  std::vector<Setting> values = {};
};

/// A hyperparameter as it stands, and the values that it may take. All that a page of settings needs.
struct HyperparameterInfo {
  std::string name;
  Value value;
  std::string_view range;  ///< of a number, as in errors: "finite and > 0"
  double lower = 0;        ///< of a number: the least value, or the greatest value below all others
  double upper = 0;        ///< the greatest value, or the least value above all others
  bool includes_lower = false;
  bool includes_upper = false;
  std::vector<std::string_view> choices;  ///< of an enumerator, their names; otherwise empty
};

}  // namespace DESCENT_FLAGS

namespace detail {
inline namespace DESCENT_FLAGS {

/// A Value as an argument, which refers to its text. (A std::variant made of each takes long to compile.)
class ValueView {
 public:
  ValueView(const Value& value) : value_(&value), kind_(Kind::value) {}
  ValueView(bool value) : bool_(value), kind_(Kind::truth) {}
  ValueView(std::signed_integral auto value) : integer_(value), kind_(Kind::integer) {}
  ValueView(std::unsigned_integral auto value) : natural_(value), kind_(Kind::natural) {}
  ValueView(std::floating_point auto value) : real_(static_cast<double>(value)), kind_(Kind::real) {}
  template <std::convertible_to<std::string_view> Characters>
  ValueView(const Characters& text) : text_(text), kind_(Kind::text) {}

 private:
  friend Value value_of(const ValueView& view);  // by_name.hpp
  enum class Kind : unsigned char { value, truth, integer, natural, real, text };

  union {
    const Value* value_;
    bool bool_;
    std::int64_t integer_;
    std::uint64_t natural_;
    double real_;
    std::string_view text_;
  };
  Kind kind_;
};

/// A Setting and a Component as arguments.
struct SettingView {
  std::string_view name;
  ValueView value;
};
struct PartView {
  std::string_view name;
  std::initializer_list<SettingView> values = {};
};

[[noreturn, gnu::cold]] inline void fail_no_hyperparameter(std::string_view owner, std::string_view name,
                                                           const std::vector<HyperparameterInfo>& known) {
  Text text{owner, " has no hyperparameter \"", name, known.empty() ? "\"" : "\"; it has "};
  for (const HyperparameterInfo& each : known) text.add({&each == known.data() ? "" : ", ", each.name});
  fail<std::invalid_argument>(text.c_str());
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

// SPDX-License-Identifier: MIT
// The parts of a rule, each to be put together with the others or left out.
#pragma once

#include <array>
#include <string_view>

namespace parts {

struct NamesOneState {
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
};
struct NamesTwoStates {
  static constexpr std::array<std::string_view, 2> state_names{"velocity", "acceleration"};
};

struct IsNamed {
  static constexpr std::string_view name = "MyRule";
};
struct ListsNothing : IsNamed {
  static constexpr auto hyperparameters(const auto& list) { return list(); }
};

inline constexpr auto step_of_one_state = [](const auto&, const auto& g, auto& velocity) {
  velocity = velocity + g;
  return velocity;
};

struct KernelOfOneState {
  auto kernel(const auto&) const { return step_of_one_state; }
};

}  // namespace parts

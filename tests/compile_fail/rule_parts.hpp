// SPDX-License-Identifier: MIT
// The parts of a rule, each to be put together with the others or left out.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace parts {

struct NamesOneState {
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
};
struct NamesTwoStates {
  static constexpr std::array<std::string_view, 2> state_names{"velocity", "acceleration"};
};

struct Validates {
  void validate() const {}
};

template <class Scalar>
struct Step {
  template <class Pack>
  Pack operator()(const Pack&, const Pack& g, Pack& velocity) const {
    velocity = velocity + g;
    return velocity;
  }
};

struct KernelOfOneState {
  template <class Scalar>
  Step<Scalar> kernel(std::int64_t) const {
    return {};
  }
};

}  // namespace parts

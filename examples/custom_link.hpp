// SPDX-License-Identifier: MIT
//
// A link of your own: what is here is all that a descent::Chain needs.
#pragma once

#include <array>
#include <string_view>

#include <descent/descent.hpp>

namespace examples {

/// Keeps of each step only its sign: u <- scale learning_rate sign(u).
///
/// After averaged Momentum, this is Signum (Bernstein et al. 2018, arXiv:1802.04434, Algorithm 2); after SGD, signSGD.
struct SignOfStep {
  double scale = 1;  ///< finite and >= 0

  static constexpr std::string_view name = "SignOfStep";
  static constexpr auto place = descent::Place::step;  // gradient: before the rule; parameters: last
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(descent::Hyperparameter{"scale", &SignOfStep::scale, descent::interval::nonnegative});
  }

  /// Takes x and the step u that arrives, and returns the step that goes on.
  auto kernel(const auto& step) const {
    return [length = step.real(scale * step.learning_rate)](const auto&, const auto& u) __attribute__((always_inline)) {
      return select(u > 0, length, select(u < 0, -length, u));  // a NaN stays NaN
    };
  }
};

static_assert(descent::Link<SignOfStep>);

}  // namespace examples

// SPDX-License-Identifier: MIT
//
// The denominators of the adaptive rules: a root, kept away from zero by epsilon.
#pragma once

#include <array>
#include <string_view>
#include <variant>

#include <descent/hyperparameter.hpp>

namespace descent {

/// Where epsilon stands: sqrt(s) + epsilon, sqrt(s + epsilon), or (Adam alone) outside the root of
/// the moment that is not bias-corrected.
enum class EpsilonPlacement { outside, inside, hat };

DESCENT_TAGGED constexpr std::array<std::string_view, 3> enumerator_names(EpsilonPlacement) {
  return {"outside", "inside", "hat"};
}

namespace rules {

/// step = rate * g / (sqrt(s) ⊕ epsilon)
template <EpsilonPlacement placement, class Scalar, class Pack>
[[gnu::always_inline]] inline Pack scaled(Scalar rate, const Pack& g, const Pack& s, Scalar epsilon) {
  if constexpr (placement == EpsilonPlacement::inside)
    return rate * g / sqrt(s + epsilon);
  else
    return rate * g / (sqrt(s) + epsilon);
}

/// For the rules that know no bias correction, and so no `hat`.
DESCENT_TAGGED inline void require_outside_or_inside(std::string_view optimizer, EpsilonPlacement placement) {
  require_choice(placement == EpsilonPlacement::outside || placement == EpsilonPlacement::inside, optimizer,
                 "epsilon_placement must be outside or inside (hat is Adam's alone)");
}

/// For the same rules: the kernel of that placement, made of the numbers as Scalar.
template <template <class, EpsilonPlacement> class Kernel, class Scalar, class... Numbers>
DESCENT_TAGGED std::variant<Kernel<Scalar, EpsilonPlacement::outside>, Kernel<Scalar, EpsilonPlacement::inside>>
outside_or_inside(EpsilonPlacement placement, Numbers... numbers) {
  if (placement == EpsilonPlacement::inside)
    return Kernel<Scalar, EpsilonPlacement::inside>{static_cast<Scalar>(numbers)...};
  return Kernel<Scalar, EpsilonPlacement::outside>{static_cast<Scalar>(numbers)...};
}

}  // namespace rules

}  // namespace descent

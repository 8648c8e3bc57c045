// SPDX-License-Identifier: MIT
//
// The denominators of the adaptive rules: a root, kept away from zero by epsilon.
#pragma once

#include <array>
#include <limits>
#include <string_view>

#include <descent/rule.hpp>

namespace descent {

/// Where epsilon is added: sqrt(s) + epsilon, sqrt(s + epsilon), or (only in Adam) outside the root of the moment
/// before bias correction.
enum class EpsilonPlacement { outside, inside, hat };

consteval std::array<std::string_view, 3> enumerator_names(EpsilonPlacement) { return {"outside", "inside", "hat"}; }

namespace rules {
inline namespace DESCENT_FLAGS {

/// For the rules without bias correction, and so without `hat`.
inline constexpr auto outside_or_inside = interval::one_of<EpsilonPlacement::outside, EpsilonPlacement::inside>;

/// sqrt(s + inside) + outside. One of the two is usually 0, which changes no bit of a root.
template <class Scalar>
struct Epsilons {
  Scalar inside, outside;

  template <class Pack>
  [[gnu::always_inline]] Pack root(const Pack& s) const {
    return sqrt(s + inside) + outside;
  }
};

template <class Scalar>
constexpr Epsilons<Scalar> epsilons(Scalar inside, Scalar outside) {
  return {inside, outside};
}

/// One epsilon, added where `placement` says.
template <class Scalar>
constexpr Epsilons<Scalar> placed(Scalar epsilon, EpsilonPlacement placement) {
  if (placement == EpsilonPlacement::inside) return {epsilon, 0};
  return {0, epsilon};
}

}  // namespace DESCENT_FLAGS
}  // namespace rules

}  // namespace descent

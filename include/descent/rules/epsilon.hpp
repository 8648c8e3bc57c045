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

/// How Adam and its kin divide by the root of a moment v that is to be divided by `correction` first. It saves two
/// divisions per element: m / (sqrt(v / correction) + epsilon) is factor m / epsilons.root(v), with the root of the
/// correction as factor and in the epsilons.
template <class Scalar>
struct CorrectedRoot {
  Epsilons<Scalar> epsilons;
  double factor;

  /// The rate for m / epsilons.root(v) if m, too, is to be divided by a correction.
  Scalar rate(const auto& step, double learning_rate, double correction) const {
    return step.finite(kernel::rounded(learning_rate / correction) * factor);
  }
};

/// `root` is another epsilon, under the root. With `hat`, both are added after the correction.
template <class Step>
auto corrected_root(const Step& step, double correction, EpsilonPlacement placement, double epsilon, double root = 0) {
  const double factor = kernel::square_root(correction);
  const bool inside = placement == EpsilonPlacement::inside;
  const bool hat = placement == EpsilonPlacement::hat;
  // If the correction takes epsilon below the smallest normal number, 0 / 0 must not follow.
  const double folded = step.normal(inside ? epsilon * correction : hat ? epsilon : epsilon * factor);
  const double under = kernel::rounded_product(root, hat ? 1 : correction);
  return CorrectedRoot<decltype(step.real(0))>{
      epsilons(step.real(under + (inside ? folded : 0)), step.real(inside ? 0 : folded)), factor};
}

}  // namespace DESCENT_FLAGS
}  // namespace rules

}  // namespace descent

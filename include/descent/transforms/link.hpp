// SPDX-License-Identifier: MIT
//
// What a link of a chain is: a rule with a place. It takes x and what arrives at it, and returns what goes on.
//
//     struct Noise {  // adds to the gradient what grows with the parameters
//       double weight = 0.1;
//
//       static constexpr std::string_view name = "Noise";
//       static constexpr auto place = descent::Place::gradient;
//       ...
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <descent/rule.hpp>

namespace descent {

/// Where in a step a link acts: on the gradient before the rule, on the rule's step, or on the new parameters.
enum class Place { gradient, step, parameters };

inline namespace DESCENT_FLAGS {

/// Describes one step of a tensor to the `kernel` of a link.
template <class Scalar, std::size_t factors>
struct LinkStep : Step<Scalar, factors> {
  bool is_matrix;             ///< whether the tensor has more than one row and more than one column
  double learning_rate;       ///< of the rule, as it applies to this link; 1 for a rule that has none
  double norm = 0;            ///< of what arrives at the link, if the link has a `norm_of`
  double parameter_norm = 0;  ///< of the parameters before the step, if it acts on the step and has a `norm_of`
};

}  // namespace DESCENT_FLAGS

/// What a link needs norms of, if it has `static constexpr auto norm_of`: of each tensor by itself, or, if it acts on
/// the gradient, of all tensors together. Each costs a pass over memory that only reads.
enum class NormOf { each_tensor, all_tensors };

}  // namespace descent

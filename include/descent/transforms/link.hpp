// SPDX-License-Identifier: MIT
//
// What a link of a chain is: a rule with a place (chain.hpp). It takes the parameters x and what arrives at it, and
// returns what goes on:
//
//     struct SignOfStep {
//       static constexpr std::string_view name = "SignOfStep";
//       static constexpr auto place = descent::Place::step;
//       static constexpr std::array<std::string_view, 0> state_names{};
//       static constexpr auto hyperparameters(const auto& list) { return list(); }
//       auto kernel(const auto& step) const {
//         return [eta = step.real(step.learning_rate)](const auto& x, const auto& u) __attribute__((always_inline)) {
//           return select(u > 0, eta, select(u < 0, -eta, u));
//         };
//       }
//     };
//
// Apart from the place, it has the members of a rule (rule.hpp), and may have these:
//
//     static constexpr auto norm_of = NormOf::each_tensor;   // then its kernel may use step.norm
//     double learning_rate_before(const auto& step) const;   // the rate for all that stands before it, if it acts on
//                                                            // the step; by default step.learning_rate
//
// and, if it acts on the gradient, with regard to NonFinite,
//
//     static constexpr bool rescales_gradient = true;        // a gradient whose square overflows is not refused
//     static constexpr bool keeps_nonfinite = true;          // what is infinite or NaN stays so; then the norm of a
//                                                            // later link spares the check a pass of its own
#pragma once

#include <cstddef>

#include <descent/rule.hpp>

namespace descent {

/// Where in a step a link acts: on the gradient before the rule, on the rule's step, or on the new parameters.
enum class Place { gradient, step, parameters };

/// Of what a link needs the Euclidean norm: of each tensor by itself, or, if it acts on the gradient, of all tensors
/// together. Each costs a pass over memory that only reads.
enum class NormOf { each_tensor, all_tensors };

inline namespace DESCENT_FLAGS {

/// Describes one step of a tensor to the `kernel` of a link.
template <class Scalar, std::size_t factors, std::size_t number_count = 0>
struct LinkStep : Step<Scalar, factors, number_count> {
  bool is_matrix;             ///< whether the tensor has more than one row and more than one column
  double learning_rate;       ///< of the rule, as it applies to this link; 1 for a rule that has none
  double norm = 0;            ///< of what arrives at the link, if the link has a `norm_of`
  double parameter_norm = 0;  ///< of the parameters before the step, if it acts on the step and has a `norm_of`
};

}  // namespace DESCENT_FLAGS

}  // namespace descent

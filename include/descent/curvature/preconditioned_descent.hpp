// SPDX-License-Identifier: MIT
//
// PreconditionedDescent, and Newton's method as its limit.
#pragma once

#include <Eigen/Core>

#include <descent/curvature/one_tensor.hpp>
#include <descent/curvature/positive_definite.hpp>
#include <descent/rule.hpp>

namespace descent {
inline namespace DESCENT_FLAGS {

/// Gradient descent preconditioned by a symmetric positive definite matrix P (Boyd & Vandenberghe
/// 2004, Convex Optimization, section 9.4.1: steepest descent in the norm sqrt(x'Px)).
///
///     step = learning_rate * P^-1 g
///
/// On a quadratic with the Hessian H, it converges as gradient descent does with the condition number of P^-1 H: P = I
/// is SGD, and the closer P is to H, the faster. P = H is Newton's method, which takes a single step there:
/// `newton.step(x, g, H)`, with H at the x of that step.
///
/// State: none.
template <class Scalar = double>
struct PreconditionedDescent {
  double learning_rate = 1;  ///< eta, finite and >= 0; below 1 it damps Newton's step

  /// params is one writable tensor of n parameters, and gradient has its shape. P is a symmetric n x n matrix, or a
  /// PositiveDefinite made from it in advance, which saves the factorization.
  ///
  /// Throws std::invalid_argument if a shape differs, P is not symmetric or the learning rate is out of range, and
  /// std::domain_error if the gradient or the result of the step is not finite, or P is not positive definite: see
  /// PositiveDefinite. The parameters are then unchanged.
  template <class Params, class Gradient>
  requires OneTensorStep<Params, Gradient, Scalar>
  void step(Params&& params, const Gradient& gradient, const PositiveDefinite<Scalar>& P) const {
    detail::require_in_range<Scalar>({"descent::PreconditionedDescent"}, "learning_rate", learning_rate,
                                     interval::nonnegative);
    detail::subtract(params, static_cast<Scalar>(learning_rate) * P.solve(detail::gradient_column(params, gradient)));
  }
};

/// Newton's method (Nocedal & Wright 2006, Numerical Optimization, section 3.3): the preconditioner is the Hessian at
/// the parameters, and the learning rate is 1. It converges quadratically near a minimum; far from one, the Hessian may
/// be indefinite, which is an error, or the step too long.
template <class Scalar = double>
using Newton = PreconditionedDescent<Scalar>;

}  // namespace DESCENT_FLAGS
}  // namespace descent

// SPDX-License-Identifier: MIT
//
// SteepestDescent: steps along the negative gradient, exactly to where a quadratic stops falling.
#pragma once

#include <concepts>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <Eigen/Core>

#include <descent/curvature/one_tensor.hpp>
#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent {

/// A symmetric n x n matrix, or a function that multiplies by it.
template <class H, class Scalar>
concept HessianOf = (DenseTensor<H> && OfScalar<H, Scalar>) || MatrixProduct<H, Scalar>;

inline namespace DESCENT_FLAGS {

/// Steepest descent with exact line search (Cauchy 1847; Nocedal & Wright 2006, Numerical
/// Optimization, section 3.3).
///
///     alpha = g'g / g'Hg,   step = alpha g
///
/// This alpha minimizes f(x - alpha g) if f is a quadratic with the Hessian H. Elsewhere it minimizes the second-order
/// model of f, and f need not fall. On a quadratic, each gradient is orthogonal to the one before, a zigzag, and with
/// kappa the condition number of H
///
///     f(next) - min f <= ((kappa - 1) / (kappa + 1))^2 (f(x) - min f),
///
/// with equality from x = H^-1 (v_1 + v_n), where v_1 and v_n are unit eigenvectors of the smallest and the largest
/// eigenvalue.
///
/// State: none.
template <class Scalar = double>
struct SteepestDescent {
  /// Takes a step and returns alpha. If the gradient is 0, returns 0 and changes nothing.
  ///
  /// params is one writable tensor of n parameters, and gradient has its shape. hessian is the matrix at params,
  /// symmetric n x n, or a function: `hessian(v)` is the Hessian times the column v, which is the gradient divided by
  /// its largest absolute component.
  ///
  /// Throws std::invalid_argument if a shape differs or the matrix is not symmetric (see PositiveDefinite), and
  /// std::domain_error if the gradient, the matrix, alpha or the result of the step is not finite, or g'Hg is not > 0:
  /// along such a line a quadratic has no minimum. The parameters are then unchanged.
  template <class Params, class Gradient, HessianOf<Scalar> Hessian>
  requires OneTensorStep<Params, Gradient, Scalar>
  Scalar step(Params&& params, const Gradient& gradient, const Hessian& hessian) const {
    using detail::Column;
    const Column<Scalar> g = detail::gradient_column(params, gradient);
    const Scalar length = g.size() == 0 ? 0 : g.cwiseAbs().maxCoeff();
    if (length == 0) return 0;
    const Column<Scalar> u = g / length;  // its square neither overflows nor vanishes
    const Column<Scalar> Hu = times(hessian, u);
    const Scalar curvature = (u / u.squaredNorm()).dot(Hu);  // a mean over H, not a sum that could overflow
    constexpr Scalar largest = (std::numeric_limits<Scalar>::max)();
    const Scalar alpha = 1 / curvature;
    if (!(curvature > 0 && curvature <= largest))
      detail::fail<std::domain_error>(
          {about_curvature, detail::Rounded{curvature, 6}, "; it must be finite and > 0, or the line has no minimum"});
    if (!(alpha <= largest))
      detail::fail<std::domain_error>({about_curvature, detail::Rounded{curvature, 6},
                                       ", and alpha, its reciprocal, not finite; it must be at least ",
                                       detail::Rounded{1 / largest, 6}});
    detail::subtract(params, alpha * g);
    return alpha;
  }

 private:
  static constexpr std::string_view about_curvature =
      "descent::SteepestDescent: the curvature along the gradient, g'Hg / g'g, is ";

  template <class Hessian>
  static detail::Column<Scalar> times(const Hessian& hessian, const detail::Column<Scalar>& v) {
    if constexpr (DenseTensor<Hessian>) {
      const Eigen::Ref<const detail::Square<Scalar>> H(hessian.matrix());
      detail::require_symmetric(H);
      detail::require_size(H.rows(), v.size());
      return H * v;
    } else {
      return detail::checked_product(hessian, v, "descent::SteepestDescent: hessian");
    }
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent

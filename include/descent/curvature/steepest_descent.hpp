// SPDX-License-Identifier: MIT
//
// SteepestDescent: along the negative gradient, exactly as far as a quadratic falls.
#pragma once

#include <concepts>
#include <limits>
#include <stdexcept>

#include <Eigen/Core>

#include <descent/curvature/one_tensor.hpp>
#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent {

/// `hessian(v)` gives the Hessian times v, both columns of all n parameters.
template <class H, class Scalar>
concept HessianProduct = requires(const H& hessian, const detail::Column<Scalar>& v) {
  { hessian(v) } -> std::convertible_to<detail::Column<Scalar>>;
};

/// A symmetric n x n matrix, or a function that multiplies by it.
template <class H, class Scalar>
concept HessianOf = (DenseTensor<H> && OfScalar<H, Scalar>) || HessianProduct<H, Scalar>;

inline namespace DESCENT_FLAGS {

/// Steepest descent with exact line search (Cauchy 1847; Nocedal & Wright 2006, Numerical
/// Optimization, section 3.3).
///
///     alpha = g'g / g'Hg,   step = alpha g
///
/// This alpha is the minimum of f(x - alpha g) where f is a quadratic with the Hessian H, and that of
/// its second-order model elsewhere, where f need not fall. On a quadratic each gradient is orthogonal
/// to the one before, a zigzag, and with kappa the condition number of H
///
///     f(next) - min f <= ((kappa - 1) / (kappa + 1))^2 (f(x) - min f),
///
/// reached from x = H^-1 (v_1 + v_n), where v_1 and v_n are unit eigenvectors of the smallest and the
/// largest eigenvalue.
///
/// State: none.
template <class Scalar = double>
struct SteepestDescent {
  /// Steps, and returns alpha: 0, and nothing changed, where the gradient is 0.
  ///
  /// params is one writable tensor of n parameters, gradient has its shape. hessian is the matrix at
  /// params, symmetric n x n, or a function: `hessian(v)` is the Hessian times the column v, a multiple
  /// of the gradient whose largest component is 1.
  ///
  /// Throws std::invalid_argument where a shape differs or the matrix is not symmetric (as
  /// PositiveDefinite does), and std::domain_error where the gradient, the matrix, alpha or what the step
  /// leads to is not finite or g'Hg is not > 0: along such a line a quadratic has no minimum. Parameters
  /// are then as before.
  template <class Params, class Gradient, HessianOf<Scalar> Hessian>
  requires OneTensorStep<Params, Gradient, Scalar>
  Scalar step(Params&& params, const Gradient& gradient, const Hessian& hessian) const {
    using detail::Column;
    const Column<Scalar> g = detail::gradient_column(params, gradient);
    const Scalar length = g.size() == 0 ? 0 : g.cwiseAbs().maxCoeff();
    if (length == 0) return 0;
    const Column<Scalar> u = g / length;  // its square neither overflows nor vanishes
    const Column<Scalar> Hu = times(hessian, u);
    const Scalar curvature = (u / u.squaredNorm()).dot(Hu);  // a mean over H, and no sum that overflows
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
      detail::Column<Scalar> product = hessian(v);
      if (product.size() != v.size())
        detail::fail<std::invalid_argument>({"descent::SteepestDescent: hessian(v) is ",
                                             detail::to_text(detail::shape_of(product)), ", but v is ",
                                             detail::to_text(detail::shape_of(v))});
      return product;
    }
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent

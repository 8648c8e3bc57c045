// SPDX-License-Identifier: MIT
//
// PositiveDefinite: a symmetric positive definite matrix, checked and factored once.
#pragma once

#include <limits>
#include <stdexcept>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <descent/curvature/one_tensor.hpp>
#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent {
inline namespace DESCENT_FLAGS {

/// The Cholesky factor (Eigen::LLT) of a symmetric positive definite n x n matrix A, computed once and used for any
/// number of solves. Any matrix of that scalar converts to it.
///
/// The factored matrix is D A D with D = diag(a_ii^-1/2), whose diagonal is 1 (van der Sluis 1969), so that neither the
/// check nor the accuracy depends on the units of the parameters. The factorization reads only the lower triangle.
///
/// State: n^2 + n scalars.
template <class Scalar = double>
class PositiveDefinite {
 public:
  /// Throws std::invalid_argument unless the matrix is square and symmetric up to rounding,
  ///
  ///     |a_ij - a_ji| <= sqrt(eps) * largest |a_kl|,
  ///
  /// and std::domain_error if it is not finite, not positive definite, or singular to working precision: the reciprocal
  /// condition number of D A D, as Eigen estimates it, is below eps.
  template <DenseTensor Matrix>
  requires OfScalar<Matrix, Scalar>
  PositiveDefinite(const Matrix& matrix)  // NOLINT(google-explicit-constructor)
  {
    const detail::Square<Scalar> A = matrix.matrix();
    detail::require_symmetric(A);
    for (Eigen::Index i = 0; i < A.rows(); ++i)
      if (!(A(i, i) > 0)) refuse({"not positive definite: ", detail::to_text(i, i), " is ", A(i, i)});
    root_ = A.diagonal().cwiseSqrt();
    factor_.compute(root_.cwiseInverse().asDiagonal() * A * root_.cwiseInverse().asDiagonal());
    if (factor_.info() != success) refuse({"not positive definite: a pivot of its Cholesky factor is <= 0"});
    const Scalar reciprocal_condition = factor_.rcond();
    if (!(reciprocal_condition >= std::numeric_limits<Scalar>::epsilon()))
      refuse({"singular to working precision: scaled to a unit diagonal, its reciprocal condition number is ",
              detail::Rounded{reciprocal_condition, 3}});
  }

  /// The n of the n x n matrix.
  Eigen::Index size() const { return root_.size(); }

  /// A^-1 b, for a column b of n scalars.
  detail::Column<Scalar> solve(const detail::Column<Scalar>& b) const {
    detail::require_size(size(), b.size());
    return factor_.solve(b.cwiseQuotient(root_)).cwiseQuotient(root_);
  }

 private:
  [[noreturn]] static void refuse(const detail::Text& problem) {
    detail::fail<std::domain_error>(
        {"descent: the matrix is ", problem, "; a multiple of the identity added to it can help"});
  }

  static constexpr auto success = Eigen::ComputationInfo(0);  // X11 has a macro of its name

  detail::Column<Scalar> root_;  // the square root of the diagonal
  Eigen::LLT<detail::Square<Scalar>> factor_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent

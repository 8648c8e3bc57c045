// SPDX-License-Identifier: MIT
//
// What the methods that use curvature share: one tensor of parameters, its gradient as a column, and the checks of the
// matrix that represents the curvature.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent {

/// What these methods step: one tensor of any shape, with one gradient. Its n parameters are counted column by column,
/// as in Eigen's `reshaped()`.
template <class Params, class Gradient, class Scalar>
concept OneTensorStep =
    DenseTensor<Params> && ParametersOf<Params, Scalar, Eigen::Dynamic> && GradientOf<Gradient, Params, Scalar>;

namespace detail {
inline namespace DESCENT_FLAGS {

template <class Scalar>
using Column = Eigen::Vector<Scalar, Eigen::Dynamic>;
template <class Scalar>
using Square = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// A function, not a matrix: `product(v)` returns a symmetric matrix times v, both columns of all n parameters.
template <class P, class Scalar>
concept MatrixProduct = !DenseTensor<P> && requires(const P& product, const detail::Column<Scalar>& v) {
  { product(v) } -> std::convertible_to<detail::Column<Scalar>>;
};

namespace detail {
inline namespace DESCENT_FLAGS {

/// product(v), of which the text of an error says what it is.
template <class Scalar, class Product>
Column<Scalar> checked_product(const Product& product, const Column<Scalar>& v, std::string_view name) {
  Column<Scalar> result = product(v);
  if (result.size() != v.size())
    fail<std::invalid_argument>({name, "(v) is ", to_text(shape_of(result)), ", but v is ", to_text(shape_of(v))});
  return result;
}

/// Checks that A is finite, square, and symmetric up to the rounding of a computed product:
///
///     |a_ij - a_ji| <= sqrt(eps) * largest |a_kl|
template <class Matrix>
void require_symmetric(const Matrix& A) {
  using Scalar = typename Matrix::Scalar;
  if (A.rows() != A.cols())
    fail<std::invalid_argument>({"descent: the matrix is ", to_text(shape_of(A)), "; it must be square"});
  require_finite("descent: the matrix", A);
  if (A.size() == 0) return;
  const Scalar bound = std::sqrt(std::numeric_limits<Scalar>::epsilon()) * A.cwiseAbs().maxCoeff();
  for (Index col = 0; col < A.cols(); ++col)
    for (Index row = col + 1; row < A.rows(); ++row)
      if (std::abs(A(row, col) - A(col, row)) > bound)
        fail<std::invalid_argument>({"descent: the matrix is not symmetric: ", to_text(row, col), " is ", A(row, col),
                                     ", but ", to_text(col, row), " is ", A(col, row)});
}

/// Checks that the matrix is n x n for n parameters.
inline void require_size(Index size, Index n) {
  if (size != n)
    fail<std::invalid_argument>({"descent: the matrix is ", to_text(Shape{size, size}), ", but there are ", n,
                                 " parameters: it must be ", to_text(Shape{n, n})});
}

/// The gradient of the parameters as a column in memory of its own.
template <class Params, class Gradient>
Column<typename Gradient::Scalar> gradient_column(const Params& params, const Gradient& gradient) {
  const auto evaluated = copies_of(gradient);
  if (shape_of(evaluated) != shape_of(params)) fail_gradient_shape(shape_of(evaluated), shape_of(params), 0, 1);
  // Unlike a step per component, a solve would carry one NaN to every parameter.
  require_finite("descent: the gradient", evaluated);
  return evaluated.reshaped().matrix();
}

/// params <- params - step. Throws std::domain_error if a parameter would then not be finite: the factors of a step may
/// be so large that their product, or the difference, overflows.
template <class Params, class Step>
void subtract(Params& params, const Step& step) {
  const Column<typename Step::Scalar> next = params.reshaped().matrix() - step;
  require_finite("descent: a parameter after the step", next.reshaped(params.rows(), params.cols()));
  params.reshaped().matrix() = next;
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

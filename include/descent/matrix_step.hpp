// SPDX-License-Identifier: MIT
//
// One step of a matrix as a whole, in the terms of a rule's formula. The matrix X, at first the direction u that a
// kernel leaves, is kept no higher than wide, as its own transpose if need be, and column by column: whatever the
// layout of the parameters, the same sums are taken in the same order. All passes are those of kernel/sweep.hpp,
// kernel/norm.hpp and kernel/matrix_product.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <utility>

#include <descent/kernel/matrix_product.hpp>
#include <descent/kernel/norm.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/rule.hpp>
#include <descent/strided.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// What a norm is taken of: the gradient, as a pack.
struct ItsGradient {
  template <class Pack>
  [[gnu::always_inline]] auto operator()(const Pack&, const Pack& g) const {
    return std::array<Pack, 1>{copied(g)};
  }
};

template <class R, class Scalar>
class MatrixStep {
  static_assert(R::state_names.size() == 2, "descent: a rule that steps matrices has two state arrays");
  using Wide = kernel::Wide<Scalar>;
  using Matrix = kernel::Matrix<Scalar>;

 public:
  static bool takes(const Shape& shape) { return shape.is_matrix(); }
  static bool factors_state(const Shape&) { return false; }
  /// How many scalars of memory it takes; at most four for each element.
  static Index work(const Shape& shape) { return 2 * (shape.size() + lower_side(shape) * lower_side(shape)); }

  MatrixStep(const TensorStep<R, Scalar>& tensor, Scalar* work, int threads)
      : tensor_(tensor),
        threads_(threads),
        X_{work, lower_side(tensor.x.shape), tensor.x.shape.size() / lower_side(tensor.x.shape)},
        next_{X_.end(), X_.rows, X_.cols},
        A_{next_.end(), X_.rows, X_.rows},
        B_{A_.end(), X_.rows, X_.rows} {}

  /// What the rule's kernel would get.
  auto step() const { return step_of<Scalar>(tensor_.counter, TensorFacts<R>()); }
  double rows() const { return static_cast<double>(tensor_.x.shape.rows); }
  double cols() const { return static_cast<double>(tensor_.x.shape.cols); }

  /// x <- x - kernel(x, g, m, u), where m is the first state array and the kernel sets u; then X = u.
  void pass(const auto& kernel) {
    const auto* const flush = flushes<R>(tensor_.counter.t) ? &thresholds_of<Scalar, R> : nullptr;
    sweep_view(kernel::Pass<Scalar, 2>(kernel, threads_, flush), tensor_.x, tensor_.g, tensor_.row_major,
               {tensor_.state[0], X_.data});
    if (tensor_.row_major == row_major()) return;
    const Shape& shape = tensor_.x.shape;
    const Index outer = tensor_.row_major ? shape.rows : shape.cols, inner = shape.size() / outer;
    copy_transposed(X_.data, inner, outer, inner, next_.data, outer);
    std::swap(X_, next_);
  }

  /// |X|_F
  Wide norm() const {
    const auto sums_of = [&](Wide factor) {
      kernel::Sums<Scalar, 1> sums{};
      const ItsGradient kernel;
      const kernel::NormPass<Scalar, 0, 1> pass(kernel, threads_, factor);
      pass([&](std::ptrdiff_t block, const auto& sum) {
        const Scalar* const begin = X_.data + block * kernel::norm_block;
        sum(begin, begin);
      }, X_.end() - X_.data, {}, sums);
      return sums;
    };
    return kernel::norms_of<Scalar>(sums_of)[0];
  }

  /// X <- factor X, with a factor that is at most the largest number.
  void scale(Wide factor) {
    X_.set(static_cast<Scalar>((std::min)(factor, Wide((std::numeric_limits<Scalar>::max)()))), X_);
  }

  /// X <- aX + BX, with A = XX' and B = bA + cA^2
  void iterate(Scalar a, Scalar b, Scalar c) {
    A_.set_zero();
    A_.add_product(X_, X_.transposed(), threads_);
    const Matrix cA{next_.data, A_.rows, A_.cols};
    cA.set(c, A_);
    B_.set(b, A_);
    B_.add_product(cA, A_.as_factor(), threads_);
    next_.set(a, X_);
    next_.add_product(B_, X_.as_factor(), threads_);
    std::swap(X_, next_);
  }

  /// x <- x - kernel(x, X)
  void move(const auto& kernel) const {
    const View<const Scalar> X = contiguous_view<const Scalar>(X_.data, parameter_shape());
    sweep_view(kernel::Pass<Scalar, 0>(kernel, threads_, nullptr), tensor_.x, X, tensor_.row_major, {});
  }

 private:
  static Index lower_side(const Shape& shape) { return (std::min)(shape.rows, shape.cols); }
  /// Whether X is the transpose, so that its columns are the rows of the parameters.
  bool row_major() const { return tensor_.x.shape.rows > tensor_.x.shape.cols; }
  Shape parameter_shape() const { return {tensor_.x.shape.rows, tensor_.x.shape.cols, row_major()}; }

  TensorStep<R, Scalar> tensor_;
  int threads_;
  Matrix X_, next_, A_, B_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

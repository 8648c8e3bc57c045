// SPDX-License-Identifier: MIT
//
// The function to be minimized: how it is called, and the check of what it gives.
#pragma once

#include <cmath>
#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <Eigen/Core>

#include <descent/tensors.hpp>

namespace descent {

/// `objective(x, gradient)` writes the gradient at x, which has the right shape already, and returns
/// the value.
template <class F, class Plain>
concept Objective = requires(F& objective, const Plain& x, Plain& gradient) {
  { objective(x, gradient) } -> std::convertible_to<typename Plain::Scalar>;
};

namespace detail {
inline namespace DESCENT_FLAGS {

/// The largest absolute value; NaN where there is one, 0 where there is nothing.
template <class Dense>
typename Dense::Scalar largest(const Dense& dense) {
  if (dense.size() == 0) return 0;
  return dense.derived().cwiseAbs().template maxCoeff<Eigen::PropagateNaN>();
}

/// A point with the value and the gradient there.
template <class Plain>
struct Evaluated {
  using Scalar = typename Plain::Scalar;
  Plain x;
  Plain gradient = Plain::Zero(x.rows(), x.cols());
  Scalar value = 0;
  Scalar gradient_norm = 0;

  /// Throws std::invalid_argument, in the name of the caller, where the gradient has another shape.
  template <class F>
  void evaluate(std::string_view caller, F& objective) {
    value = static_cast<Scalar>(objective(std::as_const(x), gradient));
    if (gradient.rows() != x.rows() || gradient.cols() != x.cols())
      throw std::invalid_argument(std::string(caller) + ": the objective's gradient is " +
                                  to_string(shape_of(gradient)) + ", but x is " + to_string(shape_of(x)));
    gradient_norm = largest(gradient);
  }
  bool finite() const { return std::isfinite(value) && std::isfinite(gradient_norm); }
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// The function to be minimized: how it is called, and the check of what it gives.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/nonfinite.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

template <class R, class X, class G>
std::type_identity<G> second_parameter(R (*)(X, G));
template <class F, class R, class X, class G>
std::type_identity<G> second_parameter(R (F::*)(X, G));
template <class F, class R, class X, class G>
std::type_identity<G> second_parameter(R (F::*)(X, G) const);

/// Whether what a parameter of that type is given stays as it is: a copy of it is written, or nothing. (A
/// const base class of Eigen's may be cast, as its documentation has it.)
template <class Parameter>
constexpr bool leaves_its_argument() {
  using T = std::remove_cvref_t<Parameter>;
  if constexpr (!DenseTensor<T>)
    return false;
  else if constexpr (std::is_reference_v<Parameter>)
    return std::is_const_v<std::remove_reference_t<Parameter>> && requires(const T& t) { t.data(); };
  else
    return !is_writable_tensor<T>;
}

/// Whether F is known to take a gradient that it cannot write. That is asked of types alone: a call with another
/// argument could compile the body of a generic lambda for a type that it is not meant for.
template <class F, class Plain>
constexpr bool leaves_the_gradient() {
  using R = std::invoke_result_t<F&, const Plain&, Plain&>;
  if constexpr (requires(F& f) { second_parameter(f); })
    return leaves_its_argument<typename decltype(second_parameter(std::declval<F&>()))::type>();
  else if constexpr (requires { second_parameter(&F::operator()); })
    return leaves_its_argument<typename decltype(second_parameter(&F::operator()))::type>();
  else  // a generic lambda with `auto gradient`, or overloads: those with `auto&` or `auto&&` have no such form
    return requires { static_cast<R (F::*)(const Plain&, Plain) const>(&F::operator()); } ||
           requires { static_cast<R (F::*)(const Plain&, Plain)>(&F::operator()); };
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// The gradient is a parameter that can be written: `Plain&`, `auto&` or `Eigen::Ref<Plain>`, say, and not
/// `Plain`, `auto` or `const Plain&`. (What types do not tell, as of `const auto&`, shows at run time.)
template <class F, class Plain>
concept TakesGradientToWrite = !detail::leaves_the_gradient<std::remove_cvref_t<F>, Plain>();

/// `objective(x, gradient)` writes the gradient at x, which has the right shape already, and returns
/// the value. Each component must be set at each call: it is NaN before.
template <class F, class Plain>
concept Objective = requires(F& objective, const Plain& x, Plain& gradient) {
  { objective(x, gradient) } -> std::convertible_to<typename Plain::Scalar>;
} && TakesGradientToWrite<F, Plain>;

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
  Plain gradient = {};
  Scalar value = 0;
  Scalar gradient_norm = 0;

  /// What the objective does not set stays `unset`. Throws std::invalid_argument, in the name of the caller,
  /// where the gradient has another shape.
  template <class F>
  void evaluate(std::string_view caller, F& objective, Scalar unset = std::numeric_limits<Scalar>::quiet_NaN()) {
    gradient.setConstant(x.rows(), x.cols(), unset);
    value = static_cast<Scalar>(objective(std::as_const(x), gradient));
    if (gradient.rows() != x.rows() || gradient.cols() != x.cols())
      fail<std::invalid_argument>(
          {caller, ": the objective's gradient is ", to_text(shape_of(gradient)), ", but x is ", to_text(shape_of(x))});
    gradient_norm = largest(gradient);
  }

  /// Of x, too, as an objective may make numbers of a NaN.
  bool finite() const {
    return std::isfinite(value) && std::isfinite(gradient_norm) && all_finite<false>(x.data(), x.size());
  }
};

/// Throws std::invalid_argument, in the name of the caller, where a component is NaN as it was before the
/// objective was called: then another number stays there, too.
template <class Plain, class F>
void require_gradient_set(std::string_view caller, const Evaluated<Plain>& evaluated, F& objective) {
  if (!std::isnan(evaluated.gradient_norm)) return;
  Evaluated<Plain> with_zero{evaluated.x};
  with_zero.evaluate(caller, objective, 0);
  for (Index col = 0; col < evaluated.x.cols(); ++col)
    for (Index row = 0; row < evaluated.x.rows(); ++row)
      if (std::isnan(evaluated.gradient(row, col)) && !std::isnan(with_zero.gradient(row, col)))
        fail<std::invalid_argument>({caller, ": the objective does not set component ", to_text(row, col),
                                     " of the gradient; it must assign each, and not add to what stands there"});
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

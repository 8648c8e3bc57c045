// SPDX-License-Identifier: MIT
//
// The function to be minimized: how it is called, and how its results are checked.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/nonfinite.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

/// What an objective gets for x: objects that own their numbers.
template <class X>
using Copies = decltype(copies_of(std::declval<const std::remove_reference_t<X>&>()));

/// The scalar of a plain object, or of a tuple or a vector of them.
template <class Plain>
struct ScalarOf {
  using type = typename Plain::Scalar;
};
template <class First, class... Rest>
struct ScalarOf<std::tuple<First, Rest...>> : ScalarOf<First> {};
template <class Element>
struct ScalarOf<std::vector<Element>> : ScalarOf<Element> {};

template <class R, class X, class G>
std::type_identity<G> second_parameter(R (*)(X, G));
template <class F, class R, class X, class G>
std::type_identity<G> second_parameter(R (F::*)(X, G));
template <class F, class R, class X, class G>
std::type_identity<G> second_parameter(R (F::*)(X, G) const);

/// Whether a parameter of that type leaves its argument as it is: only a copy of it is written, or nothing. (A
/// reference to a const base class of Eigen may be cast to write, as Eigen's documentation recommends.)
template <class Parameter>
constexpr bool leaves_its_argument() {
  using T = std::remove_cvref_t<Parameter>;
  if constexpr (!Tensors<T>)
    return false;
  else if constexpr (DenseTensor<T> && std::is_reference_v<Parameter>)
    return std::is_const_v<std::remove_reference_t<Parameter>> && requires(const T& t) { t.data(); };
  else
    return !is_writable<Parameter>();
}

/// Whether F is known to take a gradient that it cannot write. Only types are examined: a call with another argument
/// could compile the body of a generic lambda for a type that it is not meant for.
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

/// The gradient is a parameter that can be written: `Plain&`, `auto&` or `Eigen::Ref<Plain>`, say, but not `Plain`,
/// `auto` or `const Plain&`. (What the types do not show, as with `const auto&`, comes out at run time.)
template <class F, class Plain>
concept TakesGradientToWrite = !detail::leaves_the_gradient<std::remove_cvref_t<F>, Plain>();

/// `objective(x, gradient)` writes the gradient at x, which already has the right shape, and returns the value. It must
/// set every component at each call: each is NaN before. x and gradient are plain objects (`Eigen::VectorXd`); for
/// several tensors both are tuples of them, or both vectors.
template <class F, class Plain>
concept Objective = requires(F& objective, const Plain& x, Plain& gradient) {
  { objective(x, gradient) } -> std::convertible_to<typename detail::ScalarOf<Plain>::type>;
} && TakesGradientToWrite<F, Plain>;

namespace detail {
inline namespace DESCENT_FLAGS {

/// The largest absolute value; NaN if there is one, 0 if there are no elements.
template <class Dense>
typename Dense::Scalar largest(const Dense& dense) {
  if (dense.size() == 0) return 0;
  return dense.derived().cwiseAbs().template maxCoeff<Eigen::PropagateNaN>();
}

/// A point with the value and the gradient there.
template <class Plain>
struct Evaluated {
  using Scalar = typename ScalarOf<Plain>::type;
  Plain x;
  Plain gradient = x;
  Scalar value = 0;
  Scalar gradient_norm = 0;

  /// What the objective does not set stays `unset`. Throws std::invalid_argument, in the name of the caller, if the
  /// gradient has another shape.
  template <class F>
  void evaluate(std::string_view caller, F& objective, Scalar unset = std::numeric_limits<Scalar>::quiet_NaN()) {
    for_each_tensor(gradient, [&](auto& tensor) { tensor.setConstant(unset); });
    value = static_cast<Scalar>(objective(std::as_const(x), gradient));
    const Index count = count_tensors(x);
    if (const Index gradients = count_tensors(gradient); gradients != count)
      fail<std::invalid_argument>(
          {caller, ": the objective's gradient has ", gradients, " tensors, but x has ", count});
    gradient_norm = 0;
    Index tensor = 0;
    for_each_pair(x, gradient, [&](const auto& its_x, const auto& its_gradient) {
      if (shape_of(its_gradient) != shape_of(its_x))
        fail<std::invalid_argument>({caller, ": the objective's gradient", place(tensor, count), " is ",
                                     to_text(shape_of(its_gradient)), ", but x is ", to_text(shape_of(its_x))});
      const Scalar its_norm = largest(its_gradient);
      if (its_norm > gradient_norm || std::isnan(its_norm)) gradient_norm = its_norm;
      ++tensor;
    });
  }

  /// Checks x, too, because an objective may turn a NaN into numbers.
  bool finite() const {
    bool all = std::isfinite(value) && std::isfinite(gradient_norm);
    for_each_tensor(x, [&](const auto& tensor) { all = all && all_finite<false>(tensor.data(), tensor.size()); });
    return all;
  }
};

/// Throws std::invalid_argument, in the name of the caller, if a component is still the NaN from before the call: with
/// another number there, that number stays, too.
template <class Plain, class F>
void require_gradient_set(std::string_view caller, const Evaluated<Plain>& evaluated, F& objective) {
  if (!std::isnan(evaluated.gradient_norm)) return;
  Evaluated<Plain> with_zero{evaluated.x};
  with_zero.evaluate(caller, objective, 0);
  Index tensor = 0;
  for_each_pair(evaluated.gradient, with_zero.gradient, [&](const auto& from_nan, const auto& from_zero) {
    for (Index col = 0; col < from_nan.cols(); ++col)
      for (Index row = 0; row < from_nan.rows(); ++row)
        if (std::isnan(from_nan(row, col)) && !std::isnan(from_zero(row, col)))
          fail<std::invalid_argument>({caller, ": the objective does not set component ", to_text(row, col),
                                       " of the gradient", place(tensor, count_tensors(evaluated.x)),
                                       "; it must assign each, and not add to what is there"});
    ++tensor;
  });
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

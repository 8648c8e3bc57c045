// SPDX-License-Identifier: MIT
//
// check_gradient: is the gradient that an objective writes the derivative of its value?
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/rule.hpp>
#include <descent/tensors.hpp>
#include <descent/training/objective.hpp>

namespace descent {

/// The component with the largest error.
template <class Scalar>
struct GradientCheck {
  Eigen::Index row = -1;  ///< -1, like col, if x is empty
  Eigen::Index col = -1;
  Scalar analytic = 0;  ///< as the objective writes it
  Scalar numeric = 0;   ///< by central differences of the value
  Scalar error = 0;     ///< between the two, as `check_gradient` measures it
  double tolerance = 0;

  /// error <= tolerance
  DESCENT_TAGGED bool passed() const { return error <= static_cast<Scalar>(tolerance); }

  /// The result in plain words.
  DESCENT_TAGGED std::string message() const {
    if (row < 0) return "passed: x is empty";
    using detail::Rounded;
    constexpr int digits = std::numeric_limits<Scalar>::digits10 * 2 / 3;  // a difference quotient has no more
    return detail::Text{passed() ? "passed" : "FAILED",
                        ": at worst, in component ",
                        detail::to_text(row, col),
                        ", the gradient is ",
                        Rounded{analytic, digits},
                        " and the difference quotient ",
                        Rounded{numeric, digits},
                        "; error ",
                        Rounded{error, 2},
                        ", tolerance ",
                        Rounded{tolerance, 2}}
        .c_str();
  }
};

namespace detail {
inline namespace DESCENT_FLAGS {

/// cbrt(eps): balances truncation and rounding of a central difference.
template <class Scalar>
double difference_step() {
  return std::cbrt(static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// Compares the gradient that `objective(x, gradient)` writes with central differences of its value,
/// component by component,
///
///     numeric = (f(x + h e_i) - f(x - h e_i)) / 2h,   h = cbrt(eps) * max(1, |x_i|),
///
/// where 2h is the difference between the two points as rounded. The check passes if, for each component,
///
///     error = |analytic - numeric| / max(1, |analytic|, |numeric|, noise) <= tolerance,
///     noise = 10 cbrt(eps) * |f(x)| / max(1, |x_i|),
///
/// so that it is relative for large gradients and absolute for small ones, and asks for no more than the rounding of a
/// large value lets through. tolerance is finite and > 0, by default cbrt(eps): 6e-6 for double, 5e-3 for float. A
/// wrong formula is off by far more. If a right one fails, the objective has a kink or a steep curvature near x, or
/// changes on scales much smaller than 1: then check at another x, with double instead of float, or in other units.
///
/// x is any dense tensor and is not changed. The objective is called 2n + 1 times for n components, and must set every
/// component of the gradient at each call: it finds NaN there. Reports the component with the largest error, by row and
/// column. Throws std::invalid_argument if the tolerance is out of range, or the gradient has another shape or a
/// component that is not set, and std::domain_error if x, the value there or at a point of the differences, or the
/// gradient is not finite.
template <class F, class X>
requires DenseTensor<X> && Objective<F, typename X::PlainObject>
DESCENT_TAGGED auto check_gradient(F&& objective, const X& x,
                                   double tolerance = detail::difference_step<typename X::Scalar>()) {
  using Plain = typename X::PlainObject;
  using Scalar = typename Plain::Scalar;
  detail::require_in_range<Scalar>({"descent::check_gradient"}, "tolerance", tolerance, interval::positive);

  detail::Evaluated<Plain> here{x};
  detail::require_finite("descent::check_gradient: x", here.x);
  here.evaluate("descent::check_gradient", objective);
  detail::require_gradient_set("descent::check_gradient", here, objective);
  if (!std::isfinite(here.value)) {
    detail::fail<std::domain_error>({"descent::check_gradient: the value at x is ", here.value, "; it must be finite"});
  }
  detail::require_finite("descent::check_gradient: the gradient", here.gradient);

  detail::Evaluated<Plain> nearby = here;
  const auto value_with = [&](Eigen::Index row, Eigen::Index col, Scalar component) {
    nearby.x(row, col) = component;
    nearby.evaluate("descent::check_gradient", objective);
    nearby.x(row, col) = here.x(row, col);
    if (!std::isfinite(nearby.value)) {
      detail::fail<std::domain_error>({"descent::check_gradient: the value is ", nearby.value,
                                       " near x, where component ", detail::to_text(row, col), " is ",
                                       detail::Rounded{component, 6}, " instead of ", here.x(row, col),
                                       "; it must be finite"});
    }
    return nearby.value;
  };

  const auto root = static_cast<Scalar>(detail::difference_step<Scalar>());
  GradientCheck<Scalar> worst{.tolerance = tolerance};
  for (Eigen::Index col = 0; col < here.x.cols(); ++col)
    for (Eigen::Index row = 0; row < here.x.rows(); ++row) {
      const Scalar unit = (std::max)(Scalar(1), std::abs(here.x(row, col)));
      const Scalar above = here.x(row, col) + root * unit;
      const Scalar below = here.x(row, col) - root * unit;
      const Scalar numeric = (value_with(row, col, above) - value_with(row, col, below)) / (above - below);
      const Scalar analytic = here.gradient(row, col);
      const Scalar noise = 10 * root * std::abs(here.value) / unit;
      const Scalar error =
          std::abs(analytic - numeric) / (std::max)({Scalar(1), std::abs(analytic), std::abs(numeric), noise});
      if (worst.row < 0 || error > worst.error || std::isnan(error))
        worst = {row, col, analytic, numeric, error, tolerance};
    }
  return worst;
}

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// minimize: the loop around `optimizer.step`, for those who want one.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <descent/concepts.hpp>
#include <descent/nesterov.hpp>
#include <descent/objective.hpp>

namespace descent {

/// When to stop: the criterion that is met first ends the run. 0 switches a criterion off.
struct MinimizeOptions {
  std::int64_t max_steps = 10'000;
  double gradient_tolerance = 1e-8;  ///< largest |g_i| <= tolerance
  double step_tolerance = 0;         ///< largest |x_i change| <= tolerance
  double value_tolerance = 0;        ///< |f change| <= tolerance * max(1, |f|)
};

/// Why a run ended.
enum class MinimizeStatus {
  gradient_tolerance,
  step_tolerance,
  value_tolerance,
  max_steps,
  stopped_by_observer,
  non_finite,
};

/// How a run ended: value and gradient_norm (the largest |g_i|) are those at the x that it left.
template <class Scalar>
struct MinimizeResult {
  MinimizeStatus status;
  Scalar value;
  Scalar gradient_norm;
  std::int64_t steps;

  /// The status in plain words.
  DESCENT_TAGGED std::string_view message() const {
    switch (status) {
      case MinimizeStatus::gradient_tolerance:
        return "converged: every component of the gradient is within gradient_tolerance";
      case MinimizeStatus::step_tolerance:
        return "converged: the last step changed no parameter by more than step_tolerance";
      case MinimizeStatus::value_tolerance:
        return "converged: the last step changed the value by no more than value_tolerance";
      case MinimizeStatus::max_steps:
        return "stopped: max_steps steps were taken";
      case MinimizeStatus::stopped_by_observer:
        return "stopped: the observer asked for it";
      case MinimizeStatus::non_finite:
        return "failed: the value or the gradient is not finite after the last step; x is the one before it";
    }
    return "unknown status";
  }
};

/// What the observer sees after each step.
template <class Plain>
struct Progress {
  std::int64_t steps;
  typename Plain::Scalar value;          ///< at x
  typename Plain::Scalar gradient_norm;  ///< the largest |g_i| at x
  const Plain& x;
};

/// `observer(progress)` after each step; it may return true to stop.
template <class F, class Plain>
concept Observer = requires(F& observer, const Progress<Plain>& progress) {
  observer(progress);
};

namespace detail {
inline namespace DESCENT_FLAGS {

struct NoObserver {
  void operator()(const auto&) const {}
};

inline void require_options(const MinimizeOptions& options, bool observed) {
  const auto require_tolerance = [](std::string_view field, double tolerance) {
    if (!(tolerance >= 0) || !std::isfinite(tolerance)) {
      std::ostringstream message;
      message << "descent::minimize: " << field << " = " << tolerance << "; it must be finite and >= 0 (0: off)";
      throw std::invalid_argument(message.str());
    }
  };
  require_tolerance("gradient_tolerance", options.gradient_tolerance);
  require_tolerance("step_tolerance", options.step_tolerance);
  require_tolerance("value_tolerance", options.value_tolerance);
  if (options.max_steps < 0)
    throw std::invalid_argument("descent::minimize: max_steps = " + std::to_string(options.max_steps) +
                                "; it must be >= 0 (0: off)");
  if (options.max_steps == 0 && options.gradient_tolerance == 0 && options.step_tolerance == 0 &&
      options.value_tolerance == 0 && !observed)
    throw std::invalid_argument(
        "descent::minimize: every criterion is 0 (off) and there is no observer; the run would never end");
}

template <class O>
bool looks_ahead(const O& optimizer) {
  if constexpr (requires {
                  { optimizer.gradient_at } -> std::convertible_to<GradientAt>;
                })
    return optimizer.gradient_at == GradientAt::lookahead;
  else
    return false;
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// Steps from x until a criterion is met; x is then the point reached.
///
/// The gradient is taken at the parameters, or at `optimizer.lookahead(x)` for
/// GradientAt::lookahead, which costs a second call of the objective at each step: value, criteria
/// and observer are about x itself. Where value or gradient is not finite, the run ends with the
/// last x at which both were.
///
/// Throws std::invalid_argument for an option out of range and std::domain_error where value or
/// gradient is not finite at the x to start from. Whatever is thrown, by the objective and the
/// observer too, leaves x as it was.
template <class F, class X, class O, class Watch = detail::NoObserver>
requires DenseTensor<X> && Writable<X&> && Objective<F, typename std::remove_cvref_t<X>::PlainObject> &&
    Observer<Watch, typename std::remove_cvref_t<X>::PlainObject> && OptimizerFor < O,
    typename std::remove_cvref_t<X>::PlainObject,
typename std::remove_cvref_t<X>::PlainObject > DESCENT_TAGGED auto minimize(F&& objective, X&& x, O&& optimizer,
                                                                            const MinimizeOptions& options = {},
                                                                            Watch&& observer = {}) {
  using Plain = typename std::remove_cvref_t<X>::PlainObject;
  using Scalar = typename Plain::Scalar;
  detail::require_options(options, !std::is_same_v<std::remove_cvref_t<Watch>, detail::NoObserver>);

  detail::Evaluated<Plain> now{x};
  now.evaluate("descent::minimize", objective);
  if (!now.finite()) {
    std::ostringstream message;
    message << "descent::minimize: the objective is not finite at the x to start from: value " << now.value
            << ", largest |gradient| " << now.gradient_norm;
    throw std::domain_error(message.str());
  }

  std::int64_t steps = 0;
  const auto end = [&](MinimizeStatus status) {
    x = now.x;
    return MinimizeResult<Scalar>{status, now.value, now.gradient_norm, steps};
  };
  const auto within = [](Scalar size, double tolerance) {
    return tolerance > 0 && size <= static_cast<Scalar>(tolerance);
  };

  if (within(now.gradient_norm, options.gradient_tolerance)) return end(MinimizeStatus::gradient_tolerance);
  auto next = now;
  while (options.max_steps == 0 || steps < options.max_steps) {
    if (detail::looks_ahead(optimizer)) {
      if constexpr (requires { optimizer.lookahead(now.x); }) {
        next.x = optimizer.lookahead(now.x);
        next.evaluate("descent::minimize", objective);
        next.x = now.x;
        optimizer.step(next.x, next.gradient);
      }
    } else {
      next.x = now.x;
      optimizer.step(next.x, now.gradient);
    }
    ++steps;
    next.evaluate("descent::minimize", objective);
    if (!next.finite()) return end(MinimizeStatus::non_finite);
    std::swap(now, next);  // next is the point before the step

    const Progress<Plain> progress{steps, now.value, now.gradient_norm, now.x};
    if constexpr (std::is_convertible_v<decltype(observer(progress)), bool>) {
      if (observer(progress)) return end(MinimizeStatus::stopped_by_observer);
    } else {
      observer(progress);
    }
    if (within(now.gradient_norm, options.gradient_tolerance)) return end(MinimizeStatus::gradient_tolerance);
    if (options.step_tolerance > 0 && within(detail::largest(now.x - next.x), options.step_tolerance))
      return end(MinimizeStatus::step_tolerance);
    if (within(std::abs(now.value - next.value) / (std::max)(Scalar(1), std::abs(now.value)), options.value_tolerance))
      return end(MinimizeStatus::value_tolerance);
  }
  return end(MinimizeStatus::max_steps);
}

}  // namespace descent

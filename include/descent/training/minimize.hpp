// SPDX-License-Identifier: MIT
//
// minimize: the loop around `optimizer.step`, for those who want one.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/tensors.hpp>
#include <descent/training/objective.hpp>

namespace descent {

/// When to stop: the first criterion that is met ends the run. 0 switches a criterion off.
///
/// A step that changes no parameter, though the gradient is not 0, is idle: its rate is 0, the optimizer skipped it, or
/// it is lost in the rounding of x. Such a step meets neither step_tolerance nor value_tolerance, because it says
/// nothing about a minimum, and more of them may pass before x moves on, as in a warm-up or while a momentum gathers
/// speed. After max_idle_steps of them in a row, the run has stalled. To be met, a step_tolerance must thus be above
/// the rounding of x, about eps |x_i|: a run that stalls below it has come as far as the scalar allows, and
/// gradient_norm says how far that is.
struct MinimizeOptions {
  std::int64_t max_steps = 10'000;
  double gradient_tolerance = 1e-8;     ///< largest |g_i| <= tolerance
  double step_tolerance = 0;            ///< largest |x_i change| <= tolerance
  double value_tolerance = 0;           ///< |f change| <= tolerance * max(1, |f|)
  std::int64_t max_idle_steps = 1'000;  ///< in a row
  bool keep_best = false;               ///< whether Minimized::best_x is kept; a copy of x at each new best value
};

/// Why a run ended.
enum class MinimizeStatus {
  gradient_tolerance,
  step_tolerance,
  value_tolerance,
  max_steps,
  stopped_by_observer,
  non_finite,
  stalled,
};

/// How a run ended: value and gradient_norm (the largest |g_i|) are those at the final x, and steps also counts those
/// that the optimizer skipped. The best value is the least at any x of the run, its start included.
template <class Scalar>
struct MinimizeResult {
  MinimizeStatus status;
  Scalar value;
  Scalar gradient_norm;
  std::int64_t steps;
  Scalar best_value = value;
  std::int64_t best_steps = steps;  ///< after how many steps it was first reached

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
        return "failed: x, the value, the gradient or the optimizer's state is not finite after the last step; x is "
               "the last one where value and gradient are finite";
      case MinimizeStatus::stalled:
        return "failed: max_idle_steps steps in a row changed no parameter, though the gradient is not 0";
    }
    return "unknown status";
  }
};

inline namespace DESCENT_FLAGS {

/// What `minimize` returns for an x of that type: a plain object, or a tuple or a vector of them.
template <class Plain>
struct Minimized : MinimizeResult<typename detail::ScalarOf<Plain>::type> {
  std::optional<Plain> best_x = {};  ///< where the best value is, with MinimizeOptions::keep_best
};

}  // namespace DESCENT_FLAGS

/// What the observer sees after each step.
template <class Plain>
struct Progress {
  using Scalar = typename detail::ScalarOf<Plain>::type;
  std::int64_t steps;
  Scalar value;          ///< at x
  Scalar gradient_norm;  ///< the largest |g_i| at x
  const Plain& x;
  Scalar best_value;        ///< the least so far, at the start or after a step
  std::int64_t best_steps;  ///< after how many steps it was first reached
};

/// What an observer returns: nothing, or whether to stop. A number is neither.
template <class T>
concept VoidOrBool = std::is_void_v<T> || std::same_as<std::remove_cvref_t<T>, bool>;

/// Called as `observer(progress)` after each step; returns true to stop, false to go on, or nothing.
template <class F, class Plain>
concept Observer = requires(F& observer, const Progress<Plain>& progress) {
  { observer(progress) } -> VoidOrBool;
};

namespace detail {
inline namespace DESCENT_FLAGS {

struct NoObserver {
  void operator()(const auto&) const {}
};

inline void require_options(const MinimizeOptions& options, bool observed) {
  const auto require_tolerance = [](std::string_view field, double tolerance) {
    if (!(tolerance >= 0) || !std::isfinite(tolerance))
      fail<std::invalid_argument>(
          {"descent::minimize: ", field, " = ", tolerance, "; it must be finite and >= 0 (0: off)"});
  };
  require_tolerance("gradient_tolerance", options.gradient_tolerance);
  require_tolerance("step_tolerance", options.step_tolerance);
  require_tolerance("value_tolerance", options.value_tolerance);
  const auto require_count = [](std::string_view field, std::int64_t count) {
    if (count < 0)
      fail<std::invalid_argument>({"descent::minimize: ", field, " = ", count, "; it must be >= 0 (0: off)"});
  };
  require_count("max_steps", options.max_steps);
  require_count("max_idle_steps", options.max_idle_steps);
  if (options.max_steps == 0 && options.gradient_tolerance == 0 && options.step_tolerance == 0 &&
      options.value_tolerance == 0 && !observed)
    fail<std::invalid_argument>(
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

template <class O>
std::int64_t skipped_steps(const O& optimizer) {
  if constexpr (requires { optimizer.skipped_steps(); })
    return optimizer.skipped_steps();
  else
    return 0;
}

/// Checks the state as far as the optimizer shows it. Once it has overflowed, a parameter never moves again.
template <class O>
bool state_is_finite(const O& optimizer) {
  if constexpr (requires { optimizer.state(O::state_names.size()); })
    for (std::size_t array = 0; array < O::state_names.size(); ++array)
      if (!optimizer.state(array).allFinite()) return false;
  return true;
}

/// Sets x to a point when it goes out of scope, also by an exception.
template <class X, class Plain>
struct SetAtEnd {
  X& x;
  const Plain* point;

  ~SetAtEnd() {
    for_each_pair(x, *point, [](auto& to, const auto& from) { to = from; });
  }
};

/// The largest |a_i - b_i|.
template <class Plain>
typename ScalarOf<Plain>::type largest_difference(const Plain& a, const Plain& b) {
  typename ScalarOf<Plain>::type most = 0;
  for_each_pair(a, b, [&](const auto& one, const auto& other) { most = (std::max)(most, largest(one - other)); });
  return most;
}

template <class Plain>
bool all_equal(const Plain& a, const Plain& b) {
  bool equal = true;
  for_each_pair(a, b,
                [&](const auto& one, const auto& other) { equal = equal && (one.array() == other.array()).all(); });
  return equal;
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// Takes steps from x until a criterion is met. Only then is x written: it is the point reached. Returns a Minimized.
///
/// x is one tensor, a tuple of them (`std::tie(W, b)`) or a range. The objective gets its numbers, and a gradient to
/// write, as plain objects, as tuples or as vectors of them:
///
///     const auto objective = [&](const auto& params, auto& gradient) {
///       const auto& [W, b] = params;
///       auto& [dW, db] = gradient;
///       ...
///     };
///     descent::minimize(objective, std::tie(W, b), adam);
///
/// The gradient is taken at the parameters or, for GradientAt::lookahead, at `optimizer.lookahead(x)`, which costs a
/// second call of the objective at each step: value, criteria and observer are about x itself. If x, value or gradient
/// is not finite, the run ends with the last x at which all were, one step behind the optimizer. It also ends if the
/// optimizer's state is not finite at a step that is idle or meets step_tolerance or value_tolerance.
///
/// An observer ends the run after any step by returning true. x is then where the optimizer is, as at any other end but
/// non_finite, and both can go on from there. A schedule-free rule, Average and EqualAverage mean another point to be
/// used: `optimizer.averaged(x)`. The run, its criteria and its result are about x.
///
/// Throws, with x unchanged, std::invalid_argument if an option is out of range or the objective does not set the first
/// gradient (it is called once more if that is NaN, to find out), and std::domain_error if the initial x, or the value
/// or gradient there, is not finite. If the objective, the observer or a step throws later, x is where the optimizer's
/// last step led: both can go on from there.
template <class F, class X, class O, class Watch = detail::NoObserver>
requires Tensors<X> && ReadableWhenConst<X> && Writable<X&> && Objective<F, detail::Copies<X>> &&
         Observer<Watch, detail::Copies<X>> && OptimizerFor<O, detail::Copies<X>, detail::Copies<X>>
DESCENT_TAGGED auto minimize(F&& objective, X&& x, O&& optimizer, const MinimizeOptions& options = {},
                             Watch&& observer = {}) {
  using Plain = detail::Copies<X>;
  using Scalar = typename detail::ScalarOf<Plain>::type;
  detail::require_options(options, !std::is_same_v<std::remove_cvref_t<Watch>, detail::NoObserver>);

  detail::Evaluated<Plain> now{detail::copies_of(x)};
  detail::for_each_tensor(now.x, [&, tensor = Eigen::Index{0}](const auto& its) mutable {
    const Eigen::Index count = detail::count_tensors(now.x);
    detail::require_finite(detail::Text{"descent::minimize: the x to start from", detail::place(tensor++, count)}, its);
  });
  now.evaluate("descent::minimize", objective);
  detail::require_gradient_set("descent::minimize", now, objective);
  if (!now.finite()) {
    detail::fail<std::domain_error>({"descent::minimize: the objective is not finite at the x to start from: value ",
                                     now.value, ", largest |gradient| ", now.gradient_norm});
  }

  std::int64_t steps = 0, idle_steps = 0, best_steps = 0;
  Scalar best_value = now.value;
  std::optional<Plain> best_x;
  if (options.keep_best) best_x = now.x;
  const auto end = [&](MinimizeStatus status) {
    return Minimized<Plain>{{status, now.value, now.gradient_norm, steps, best_value, best_steps}, std::move(best_x)};
  };
  const auto within = [](Scalar size, double tolerance) { return tolerance > 0 && size <= tolerance; };

  if (within(now.gradient_norm, options.gradient_tolerance)) return end(MinimizeStatus::gradient_tolerance);
  auto next = now;
  detail::SetAtEnd<std::remove_reference_t<X>, Plain> reached{x, &now.x};  // where the optimizer is
  while (options.max_steps == 0 || steps < options.max_steps) {
    const std::int64_t skipped_before = detail::skipped_steps(optimizer);
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
    reached.point = &next.x;
    next.evaluate("descent::minimize", objective);
    reached.point = &now.x;
    if (!next.finite()) return end(MinimizeStatus::non_finite);
    std::swap(now, next);  // next is the point before the step
    if (now.value < best_value) {
      best_value = now.value;
      best_steps = steps;
      if (options.keep_best) best_x = now.x;
    }

    const Progress<Plain> progress{steps, now.value, now.gradient_norm, now.x, best_value, best_steps};
    if constexpr (std::is_void_v<decltype(observer(progress))>) {
      observer(progress);
    } else {
      if (observer(progress)) return end(MinimizeStatus::stopped_by_observer);
    }
    if (within(now.gradient_norm, options.gradient_tolerance)) return end(MinimizeStatus::gradient_tolerance);

    const Scalar value_change = std::abs(now.value - next.value) / (std::max)(Scalar(1), std::abs(now.value));
    const bool still = detail::all_equal(now.x, next.x);
    const bool idle = (still && now.gradient_norm > 0) || detail::skipped_steps(optimizer) != skipped_before;
    const bool steps_rest =
        options.step_tolerance > 0 && within(detail::largest_difference(now.x, next.x), options.step_tolerance);
    const bool values_rest = within(value_change, options.value_tolerance);
    if ((idle || steps_rest || values_rest) && !detail::state_is_finite(optimizer))
      return end(MinimizeStatus::non_finite);
    if (idle) {
      if (++idle_steps == options.max_idle_steps) return end(MinimizeStatus::stalled);
      continue;
    }
    idle_steps = 0;
    if (steps_rest) return end(MinimizeStatus::step_tolerance);
    if (values_rest) return end(MinimizeStatus::value_tolerance);
  }
  return end(MinimizeStatus::max_steps);
}

}  // namespace descent

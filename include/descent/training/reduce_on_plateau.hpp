// SPDX-License-Identifier: MIT
//
// ReduceOnPlateau: a learning rate that becomes smaller when a metric has not become better for a while.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include <descent/kernel/pack.hpp>
#include <descent/rule.hpp>

namespace descent {

/// Which values of a metric are better.
enum class PlateauMode { lower, higher };

consteval std::array<std::string_view, 2> enumerator_names(PlateauMode) { return {"lower", "higher"}; }

/// How `threshold` is meant: as a share of the best value, or as a number.
enum class ThresholdMode { relative, absolute };

consteval std::array<std::string_view, 2> enumerator_names(ThresholdMode) { return {"relative", "absolute"}; }

inline namespace DESCENT_FLAGS {

/// Multiplies a rate by `factor` when more than `patience` values of a metric in a row, mostly one an epoch, were no
/// better than the best one:
///
///     descent::ReduceOnPlateau plateau{.factor = 0.5, .patience = 5};
///     ...
///     optimizer.learning_rate = plateau(optimizer.learning_rate, validation_loss);
///
/// A value is better where
///
///     lower:   value < best (1 - threshold)    or, absolute, value < best - threshold
///     higher:  value > best (1 + threshold)    or, absolute, value > best + threshold
///
/// and the first one is, unless it is NaN or infinite in the wrong direction. NaN is never better. A relative threshold
/// is a share of `best` itself: choose an absolute one for a metric that may be negative.
///
/// After a reduction, `cooldown` values are not counted against the rate, though they may become the best. The rate
/// goes down to `smallest_rate`, and stays where it is if it would change by no more than `smallest_change`.
///
/// It is PyTorch's ReduceLROnPlateau, with its defaults; there the last two are min_lr and eps, and the modes min, max,
/// rel and abs. optax.contrib.reduce_on_plateau scales the step instead, and reduces after `patience` values, not one
/// later. Keras's callback does so as well, and its threshold, min_delta, is absolute.
///
/// `state` is all that it remembers: copy it, or save it and put it back.
struct ReduceOnPlateau {
  PlateauMode mode = PlateauMode::lower;                   ///< lower or higher
  double factor = 0.1;                                     ///< in [0, 1)
  std::int64_t patience = 10;                              ///< >= 0
  double threshold = 1e-4;                                 ///< finite and >= 0; below 1 if relative
  ThresholdMode threshold_mode = ThresholdMode::relative;  ///< relative or absolute
  std::int64_t cooldown = 0;                               ///< >= 0
  double smallest_rate = 0;                                ///< finite and >= 0
  double smallest_change = 1e-8;                           ///< finite and >= 0

  struct State {
    double best = std::numeric_limits<double>::quiet_NaN();  ///< the best value so far; NaN before there is one
    std::int64_t bad_values = 0;                             ///< in a row, since the best or the last reduction
    std::int64_t cooldown_left = 0;
  } state = {};

  static constexpr std::string_view name = "descent::ReduceOnPlateau";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"mode", &ReduceOnPlateau::mode},
                Hyperparameter{"factor", &ReduceOnPlateau::factor, interval::below_one},
                Hyperparameter{"patience", &ReduceOnPlateau::patience, interval::nonnegative},
                Hyperparameter{"threshold", &ReduceOnPlateau::threshold, interval::nonnegative},
                Hyperparameter{"threshold_mode", &ReduceOnPlateau::threshold_mode},
                Hyperparameter{"cooldown", &ReduceOnPlateau::cooldown, interval::nonnegative},
                Hyperparameter{"smallest_rate", &ReduceOnPlateau::smallest_rate, interval::nonnegative},
                Hyperparameter{"smallest_change", &ReduceOnPlateau::smallest_change, interval::nonnegative});
  }
  void validate(const auto& expect) const {
    expect(threshold_mode == ThresholdMode::absolute || threshold < 1, "a relative threshold must be below 1");
  }

  /// The rate after this value of the metric. Throws std::invalid_argument where a member is out of range.
  double operator()(double rate, double metric) {
    detail::validate<double>(*this);
    if (is_better(metric)) {
      state.best = metric;
      state.bad_values = 0;
    } else {
      ++state.bad_values;
    }
    if (state.cooldown_left > 0) {
      --state.cooldown_left;
      state.bad_values = 0;
    }
    if (state.bad_values <= patience) return rate;
    state.cooldown_left = cooldown;
    state.bad_values = 0;
    const double reduced = (std::max)(kernel::rounded_product(rate, factor), smallest_rate);
    return rate - reduced > smallest_change ? reduced : rate;
  }

  /// Forgets the values.
  void reset() { state = {}; }

 private:
  bool is_better(double metric) const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double sign = mode == PlateauMode::lower ? -1 : 1;
    const double best = std::isnan(state.best) ? -sign * infinity : state.best;
    const double bound = threshold_mode == ThresholdMode::relative ? kernel::rounded_product(best, 1 + sign * threshold)
                                                                   : best + sign * threshold;
    return mode == PlateauMode::lower ? metric < bound : metric > bound;
  }
};

}  // namespace DESCENT_FLAGS

}  // namespace descent

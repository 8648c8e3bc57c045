// SPDX-License-Identifier: MIT
//
// The links of a chain (chain.hpp) that stand last: they change or follow the new parameters y. Each also sees x, the
// parameters before the step.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include <descent/rule.hpp>
#include <descent/transforms/link.hpp>

namespace descent::transforms {

using namespace interval;

/// Moves each parameter into [lower, upper]: projected gradient. NaN stays.
struct Bounds {
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();  ///< >= lower

  static constexpr std::string_view name = "descent::Bounds";
  static constexpr auto place = Place::parameters;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"lower", &Bounds::lower, not_nan}, Hyperparameter{"upper", &Bounds::upper, not_nan});
  }
  void validate(const auto& expect) const { expect(lower <= upper, "lower must be at most upper"); }

  auto kernel(const auto& step) const {
    return [lower = step.real(lower), upper = step.real(upper)](const auto&, const auto& y)
               __attribute__((always_inline)) { return clamp(y, lower, upper); };
  }
};

/// Moves each parameter towards 0 by learning_rate weight, but not past it: the proximal step of the penalty
/// weight |x|_1, which makes parameters exactly 0 (ISTA: Daubechies, Defrise & De Mol 2004).
///
///     y <- sign(y) max(|y| - learning_rate weight, 0)
struct SoftThreshold {
  double weight = 0;  ///< finite and >= 0

  static constexpr std::string_view name = "descent::SoftThreshold";
  static constexpr auto place = Place::parameters;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"weight", &SoftThreshold::weight, nonnegative});
  }

  auto kernel(const auto& step) const {
    const double threshold = kernel::rounded_product(step.learning_rate, weight);
    return [threshold = step.finite(threshold)](const auto&, const auto& y)
               __attribute__((always_inline)) { return y - clamp(y, -threshold, threshold); };
  }
};

/// Keeps an exponential moving average of the parameters, which `Optimizer::averaged` returns.
///
///     a <- y at the first step,  a <- decay a + (1 - decay) y  then
///
/// There is no bias to correct, because it starts at a copy. (PyTorch: AveragedModel with get_ema_multi_avg_fn; Keras:
/// use_ema, which starts at the parameters before the first step.)
///
/// State: "average", one scalar per parameter.
struct Average {
  double decay = 0.999;  ///< in [0, 1]

  static constexpr std::string_view name = "descent::Average";
  static constexpr auto place = Place::parameters;
  static constexpr std::array<std::string_view, 1> state_names{"average"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr bool starts_at_parameters = true;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"decay", &Average::decay, unit_interval});
  }
  /// -0, because 0 * -0 + y is y, bit for bit.
  auto initial_state(const auto& list) const { return list(-0.0); }

  auto kernel(const auto& step) const {
    const auto kept = step.real(step.t == 1 ? 0 : decay);
    // The rest is that of the rounded number, so that an average of equal numbers stays where it is.
    return [mean = MovingAverage<std::remove_const_t<decltype(kept)>>{kept, 1 - kept}](
               const auto&, const auto& y, auto& a) __attribute__((always_inline)) {
      a = mean(a, y);
      return y;
    };
  }
};

/// Keeps the mean of the parameters after each step beyond the first `start` (stochastic weight averaging: Izmailov et
/// al. 2018, arXiv:1803.05407), which `Optimizer::averaged` returns. Up to then, it is a copy of the parameters.
///
///     a <- y up to step start + 1,  a <- a + (y - a) / n  at step t = start + n
///
/// State: "average", one scalar per parameter.
struct EqualAverage {
  std::int64_t start = 0;  ///< >= 0: the number of steps to leave out

  static constexpr std::string_view name = "descent::EqualAverage";
  static constexpr auto place = Place::parameters;
  static constexpr std::array<std::string_view, 1> state_names{"average"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr bool starts_at_parameters = true;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"start", &EqualAverage::start, nonnegative});
  }

  auto kernel(const auto& step) const {
    using Scalar = decltype(step.real(0));
    const double n = step.t > start ? static_cast<double>(step.t - start) : 1;
    return [weight = step.real(1 / n)](const auto&, const auto& y, auto& a) __attribute__((always_inline)) {
      using Pack = std::remove_cvref_t<decltype(y)>;
      a = select(Pack(weight) < Scalar(1), a + weight * (y - a), y);
      return y;
    };
  }
};

/// At every `period`-th step, goes back a part of the way to where that was last (Zhang et al. 2019, arXiv:1907.08610,
/// Algorithm 1): s are the slow weights, the parameters are the fast ones.
///
///     s <- s + alpha (y - s),  y <- s  at steps t = period, 2 period, ...
///
/// State: "slow" (s), one scalar per parameter, starting at the parameters before the first step.
struct Lookahead {
  std::int64_t period = 5;  ///< k, >= 1
  double alpha = 0.5;       ///< in [0, 1]

  static constexpr std::string_view name = "descent::Lookahead";
  static constexpr auto place = Place::parameters;
  static constexpr std::array<std::string_view, 1> state_names{"slow"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr bool starts_at_parameters = true;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"period", &Lookahead::period, at_least_one},
                Hyperparameter{"alpha", &Lookahead::alpha, unit_interval});
  }

  auto kernel(const auto& step) const {
    using Scalar = decltype(step.real(0));
    return [alpha = step.real(alpha), is_first = Scalar(step.t == 1), syncs = Scalar(step.t % period == 0)](
               const auto& x, const auto& y, auto& s) __attribute__((always_inline)) {
      using Pack = std::remove_cvref_t<decltype(y)>;
      const Pack slow = select(Pack(is_first) > Scalar(0), x, s);
      const auto at_sync = Pack(syncs) > Scalar(0);
      s = select(at_sync, slow + alpha * (y - slow), slow);
      return select(at_sync, s, y);
    };
  }
};

}  // namespace descent::transforms

// SPDX-License-Identifier: MIT
//
// Schedules: a hyperparameter, mostly the learning rate, as a function of the step.
//
//     const descent::schedules::WithWarmup schedule{500, descent::schedules::Cosine{.initial = 3e-4, .steps = 9500}};
//     ...
//     optimizer.learning_rate = schedule(optimizer.steps());
//     optimizer.step(params, gradient);
//
// The step counts from 0: optimizer.steps() is that of the step to come. Neither the micro-batches of an accumulated
// gradient nor skipped steps count. A schedule has no state: it may be asked for any step in any order, a run that is
// loaded from a checkpoint goes on where it was, and one schedule serves several optimizers. After its end it keeps its
// last value.
//
// Values have the same bits everywhere (kernel/scalar_math.hpp). A call takes nanoseconds, but with a cosine or a power
// up to 0.8 microseconds. It throws std::invalid_argument for a step below 0 or a member that is out of range; members
// without a default must be given.
//
// In optax, too, steps count from 0. The schedulers of PyTorch count calls of scheduler.step(), mostly one an epoch,
// and the rate before the first call is that of step 0. Those of Keras count steps from 0.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <descent/errors.hpp>
#include <descent/kernel/scalar_math.hpp>
#include <descent/rule.hpp>

namespace descent {

/// A function of the step: one of the schedules below, or any of yours.
template <class S>
concept Schedule = requires(const S& schedule, std::int64_t step) {
  { schedule(step) } -> std::convertible_to<double>;
};

/// The shape of a change from one value to another.
enum class Annealing { cosine, linear };

consteval std::array<std::string_view, 2> enumerator_names(Annealing) { return {"cosine", "linear"}; }

namespace detail {
inline namespace DESCENT_FLAGS {

template <class S>
void require_valid(const S& schedule, std::int64_t step) {
  validate<double>(schedule);
  if (step < 0) [[unlikely]]
    fail<std::invalid_argument>({S::name, ": step = ", step, "; it must be >= 0"});
}

inline kernel::Real ratio(std::int64_t a, std::int64_t b) {
  return kernel::Real(static_cast<double>(a)) / kernel::Real(static_cast<double>(b));
}

/// `from` at weight 0 and `to` at weight 1, exactly.
inline double mix(const kernel::Real& from, const kernel::Real& to, const kernel::Real& weight) {
  return kernel::to_double(from * (1 - weight) + to * weight);
}

/// From `from` to `to` along half a cosine, for a fraction in [0, 1]. By (1 + cos(pi f)) / 2 = cos(pi f / 2)^2, as the
/// sum would leave the last values, which are small, few digits.
inline double along_cosine(double from, double to, const kernel::Real& fraction) {
  const kernel::Real cosine = kernel::cos_pi(kernel::to_double(fraction / 2));
  return mix(to, from, cosine * cosine);
}

inline double annealed(Annealing annealing, double from, double to, const kernel::Real& fraction) {
  if (annealing == Annealing::cosine) return along_cosine(from, to, fraction);
  return mix(from, to, fraction);
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

namespace schedules {
inline namespace DESCENT_FLAGS {

/// Of members that must be given: it is out of range.
inline constexpr double unset = std::numeric_limits<double>::quiet_NaN();

/// value
struct Constant {
  double value = unset;  ///< finite

  static constexpr std::string_view name = "descent::schedules::Constant";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"value", &Constant::value, interval::any_finite});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    return value;
  }
};

/// A straight line.
///
///     initial + (final - initial) min(step, steps) / steps
///
/// optax: linear_schedule(init_value, end_value, transition_steps). PyTorch: LinearLR with start_factor and end_factor
/// times the rate, and total_iters.
struct Linear {
  double initial = unset;  ///< finite
  double final = 0;        ///< finite
  std::int64_t steps = 0;  ///< >= 1

  static constexpr std::string_view name = "descent::schedules::Linear";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &Linear::initial, interval::any_finite},
                Hyperparameter{"final", &Linear::final, interval::any_finite},
                Hyperparameter{"steps", &Linear::steps, interval::at_least_one});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    return detail::mix(final, initial, detail::ratio(steps - (std::min)(step, steps), steps));
  }
};

/// A power of what remains.
///
///     final + (initial - final) (1 - min(step, steps) / steps)^power
///
/// optax: polynomial_schedule(init_value, end_value, power, transition_steps). PyTorch: PolynomialLR(total_iters,
/// power), with final = 0. Keras: PolynomialDecay.
struct Polynomial {
  double initial = unset;  ///< finite
  double final = 0;        ///< finite
  std::int64_t steps = 0;  ///< >= 1
  double power = 1;        ///< finite and > 0

  static constexpr std::string_view name = "descent::schedules::Polynomial";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &Polynomial::initial, interval::any_finite},
                Hyperparameter{"final", &Polynomial::final, interval::any_finite},
                Hyperparameter{"steps", &Polynomial::steps, interval::at_least_one},
                Hyperparameter{"power", &Polynomial::power, interval::positive});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    const double remaining = kernel::to_double(detail::ratio(steps - (std::min)(step, steps), steps));
    return detail::mix(final, initial, kernel::pow(remaining, power));
  }
};

/// Half a cosine (Loshchilov & Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts, equation 5).
///
///     final + (initial - final) (1 + cos(pi min(step, steps) / steps)) / 2
///
/// optax: cosine_decay_schedule(init_value, decay_steps, alpha), with alpha = final / initial. PyTorch:
/// CosineAnnealingLR(T_max, eta_min), which goes up again after T_max.
struct Cosine {
  double initial = unset;  ///< finite
  double final = 0;        ///< finite
  std::int64_t steps = 0;  ///< >= 1

  static constexpr std::string_view name = "descent::schedules::Cosine";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &Cosine::initial, interval::any_finite},
                Hyperparameter{"final", &Cosine::final, interval::any_finite},
                Hyperparameter{"steps", &Cosine::steps, interval::at_least_one});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    return detail::along_cosine(initial, final, detail::ratio((std::min)(step, steps), steps));
  }
};

/// Half a cosine again and again (the same paper). A cycle has `period` steps, each later one period_factor times as
/// many as the one before. It begins at `initial`; `final` itself is never reached.
///
/// PyTorch: CosineAnnealingWarmRestarts(T_0 = period, T_mult = period_factor, eta_min). optax: sgdr_schedule, which
/// lists the cycles.
struct CosineRestarts {
  double initial = unset;          ///< finite
  double final = 0;                ///< finite
  std::int64_t period = 0;         ///< >= 1
  std::int64_t period_factor = 1;  ///< >= 1

  static constexpr std::string_view name = "descent::schedules::CosineRestarts";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &CosineRestarts::initial, interval::any_finite},
                Hyperparameter{"final", &CosineRestarts::final, interval::any_finite},
                Hyperparameter{"period", &CosineRestarts::period, interval::at_least_one},
                Hyperparameter{"period_factor", &CosineRestarts::period_factor, interval::at_least_one});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    std::int64_t length = period;
    if (period_factor == 1) {
      step %= period;
    } else {
      constexpr std::int64_t most = (std::numeric_limits<std::int64_t>::max)();
      while (step >= length) {
        step -= length;
        length = length > most / period_factor ? most : length * period_factor;
      }
    }
    return detail::along_cosine(initial, final, detail::ratio(step, length));
  }
};

/// A factor every so many steps, and smoothly between them.
///
///     initial factor^(step / period)
///
/// optax: exponential_decay(init_value, transition_steps = period, decay_rate = factor), which has a bound end_value
/// besides. PyTorch: ExponentialLR(gamma), with period 1. Keras: ExponentialDecay.
struct Exponential {
  double initial = unset;   ///< finite
  double factor = unset;    ///< finite and > 0
  std::int64_t period = 1;  ///< >= 1

  static constexpr std::string_view name = "descent::schedules::Exponential";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &Exponential::initial, interval::any_finite},
                Hyperparameter{"factor", &Exponential::factor, interval::positive},
                Hyperparameter{"period", &Exponential::period, interval::at_least_one});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    return kernel::rounded_product(initial, kernel::pow(factor, kernel::to_double(detail::ratio(step, period))));
  }
};

/// The same in steps.
///
///     initial factor^floor(step / period)
///
/// PyTorch: StepLR(step_size = period, gamma = factor). optax: exponential_decay(staircase=True). Step number `period`,
/// counted from 0, is the first with the factor, as in both.
struct StepDecay {
  double initial = unset;   ///< finite
  double factor = 0.1;      ///< finite and > 0
  std::int64_t period = 0;  ///< >= 1

  static constexpr std::string_view name = "descent::schedules::StepDecay";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &StepDecay::initial, interval::any_finite},
                Hyperparameter{"factor", &StepDecay::factor, interval::positive},
                Hyperparameter{"period", &StepDecay::period, interval::at_least_one});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    const std::int64_t passed = step / period;
    return kernel::rounded_product(initial, kernel::pow(factor, static_cast<double>(passed)));
  }
};

/// A factor at each milestone.
///
///     initial factor^(number of milestones <= step)
///
/// PyTorch: MultiStepLR(milestones, gamma = factor). optax: piecewise_constant_schedule, with a factor for each
/// milestone. The step that a milestone names, counted from 0, is the first with the factor, as in both.
struct MultiStepDecay {
  double initial = unset;                     ///< finite
  double factor = 0.1;                        ///< finite and > 0
  std::vector<std::int64_t> milestones = {};  ///< >= 0, each larger than the one before

  static constexpr std::string_view name = "descent::schedules::MultiStepDecay";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &MultiStepDecay::initial, interval::any_finite},
                Hyperparameter{"factor", &MultiStepDecay::factor, interval::positive});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    std::int64_t before = -1, passed = 0;
    for (std::size_t i = 0; i < milestones.size(); before = milestones[i], ++i) {
      if (milestones[i] <= before) [[unlikely]]
        detail::fail<std::invalid_argument>(
            {name, ": milestones[", i, "] = ", milestones[i], "; each must be >= 0 and larger than the one before"});
      if (milestones[i] <= step) ++passed;
    }
    return kernel::rounded_product(initial, kernel::pow(factor, static_cast<double>(passed)));
  }
};

/// The root of the inverse.
///
///     initial / sqrt(1 + step / timescale)
///
/// After a warm-up of `timescale` steps it is initial sqrt(timescale / step), where `step` counts the warm-up, too: the
/// schedule of Vaswani et al. 2017, Attention is all you need, section 5.3 (where steps count from 1), and of fairseq's
/// inverse_sqrt.
struct InverseSquareRoot {
  double initial = unset;    ///< finite
  double timescale = unset;  ///< finite and > 0

  static constexpr std::string_view name = "descent::schedules::InverseSquareRoot";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"initial", &InverseSquareRoot::initial, interval::any_finite},
                Hyperparameter{"timescale", &InverseSquareRoot::timescale, interval::positive});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    const kernel::Real quotient = kernel::Real(static_cast<double>(step)) / kernel::Real(timescale);
    return kernel::to_double(kernel::Real(initial) / sqrt(1 + quotient));
  }
};

/// Up to a peak, then down far below the start (Smith & Topin 2019, Super-convergence: very fast training of neural
/// networks using large learning rates).
///
///     peak / div_factor  to  peak                                 in the first warmup_fraction of the steps
///     peak               to  peak / div_factor / final_div_factor  at step number `steps`
///
/// With three_phase it first comes down to peak / div_factor, in as many steps as it went up.
///
/// optax: cosine_onecycle_schedule(transition_steps = steps, peak_value, pct_start = warmup_fraction, div_factor,
/// final_div_factor), which rounds the number of steps up to the peak down. (Its linear_onecycle_schedule has other
/// phases.) In PyTorch's OneCycleLR(max_lr, total_steps, pct_start, ...) the last of the steps, number total_steps - 1,
/// has the final rate, and number pct_start total_steps - 1 the peak: that is steps = total_steps - 1 and
/// warmup_fraction = (pct_start total_steps - 1) / (total_steps - 1).
struct OneCycle {
  double peak = unset;                      ///< finite
  std::int64_t steps = 0;                   ///< >= 1
  double warmup_fraction = 0.3;             ///< in [0, 1), with three_phase below 0.5
  double div_factor = 25;                   ///< finite and > 0
  double final_div_factor = 1e4;            ///< finite and > 0
  Annealing annealing = Annealing::cosine;  ///< cosine or linear
  bool three_phase = false;

  static constexpr std::string_view name = "descent::schedules::OneCycle";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"peak", &OneCycle::peak, interval::any_finite},
                Hyperparameter{"steps", &OneCycle::steps, interval::at_least_one},
                Hyperparameter{"warmup_fraction", &OneCycle::warmup_fraction, interval::below_one},
                Hyperparameter{"div_factor", &OneCycle::div_factor, interval::positive},
                Hyperparameter{"final_div_factor", &OneCycle::final_div_factor, interval::positive},
                Hyperparameter{"annealing", &OneCycle::annealing},
                Hyperparameter{"three_phase", &OneCycle::three_phase});
  }
  void validate(const auto& expect) const {
    expect(!three_phase || warmup_fraction < 0.5, "warmup_fraction must be below 0.5 with three_phase");
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    const double start = kernel::rounded(peak / div_factor), final = kernel::rounded(start / final_div_factor);
    if (step >= steps) return final;
    const auto now = static_cast<double>(step), end = static_cast<double>(steps);
    const double top = kernel::rounded_product(warmup_fraction, end);
    const auto phase = [&](double from, double to, double begins, double ends) {
      return detail::annealed(annealing, from, to, kernel::Real(now - begins) / kernel::Real(ends - begins));
    };
    if (now < top) return phase(start, peak, 0, top);
    if (!three_phase) return phase(peak, final, top, end);
    if (now < 2 * top) return phase(peak, start, top, 2 * top);
    return phase(start, final, 2 * top, end);
  }
};

/// One schedule, and from step number `steps` on another, which counts from 0 again.
///
///     Join{Linear{.initial = 0, .final = 0.1, .steps = 100}, 100, Join{Constant{0.1}, 1000, Cosine{...}}}
///
/// optax: join_schedules([first, second], [steps]). PyTorch: SequentialLR.
template <Schedule First, Schedule Second>
struct Join {
  First first;
  std::int64_t steps = 0;  ///< >= 1
  Second second;

  static constexpr std::string_view name = "descent::schedules::Join";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"steps", &Join::steps, interval::at_least_one});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    return step < steps ? first(step) : second(step - steps);
  }
};
template <class First, class Second>
Join(First, std::int64_t, Second) -> Join<First, Second>;

/// A straight line up to another schedule's first value, and then that schedule, which counts from 0 there.
///
///     initial + (after(0) - initial) step / steps    for step < steps
///     after(step - steps)                            from then on
///
/// With `initial` = 0 the first step changes nothing. For the other common form, after(0) (step + 1) / n, which does
/// not begin at 0, set steps = n - 1 and initial = after(0) / n.
///
/// optax: warmup_cosine_decay_schedule(init_value = initial, peak_value, warmup_steps = steps, decay_steps), whose
/// decay_steps count the warm-up, too. PyTorch: LinearLR with total_iters = steps, before another in SequentialLR.
template <Schedule After>
struct WithWarmup {
  std::int64_t steps = 0;  ///< >= 1
  After after;
  double initial = 0;  ///< finite

  static constexpr std::string_view name = "descent::schedules::WithWarmup";
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"steps", &WithWarmup::steps, interval::at_least_one},
                Hyperparameter{"initial", &WithWarmup::initial, interval::any_finite});
  }

  double operator()(std::int64_t step) const {
    detail::require_valid(*this, step);
    if (step >= steps) return after(step - steps);
    return detail::mix(initial, static_cast<double>(after(0)), detail::ratio(step, steps));
  }
};
template <class After>
WithWarmup(std::int64_t, After) -> WithWarmup<After>;
template <class After>
WithWarmup(std::int64_t, After, double) -> WithWarmup<After>;

}  // namespace DESCENT_FLAGS
}  // namespace schedules

}  // namespace descent

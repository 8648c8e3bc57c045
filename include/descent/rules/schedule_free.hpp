// SPDX-License-Identifier: MIT
//
// What the schedule-free rules share: the weights of the average, and the step of the parameters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <descent/kernel/scalar_math.hpp>
#include <descent/rule.hpp>

namespace descent::rules {
inline namespace DESCENT_FLAGS {

/// Of a rule with learning_rate, warmup_steps, r and weight_lr_power: its rate at step t, which grows linearly during
/// the first warmup_steps.
template <class R>
double warmed_up_rate(const R& rule, std::int64_t t) {
  if (t >= rule.warmup_steps) return rule.learning_rate;
  return rule.learning_rate * (static_cast<double>(t) / static_cast<double>(rule.warmup_steps));
}

/// Its running numbers: the largest rate so far; the sum of the weights t^r rate^weight_lr_power, with that rate; and
/// the share c of the last one.
template <class R>
auto schedule_free_numbers(const R& rule, const auto& list) {
  constexpr double most = (std::numeric_limits<double>::max)();
  const double rate = (std::max)(list.before(0), warmed_up_rate(rule, list.t));
  const double power = kernel::rounded_product(kernel::pow(static_cast<double>(list.t), rule.r),
                                               kernel::pow(rate, rule.weight_lr_power));
  const double weight = (std::min)(power, most), sum = (std::min)(list.before(1) + weight, most);
  return list(rate, sum, sum > 0 ? weight / sum : 0);
}

/// The step of the parameters y and of z for an update u: y - y_new = c (y - z) + rate (1 - beta (1 - c)) u. With a
/// share of 0, z is that of the first step: y itself.
template <class Scalar>
struct ScheduleFreeStep {
  Scalar share, rate, rate_of_y, is_first;

  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack& y, const Pack& u, Pack& z) const {
    const Pack before = select(Pack(is_first) > Scalar(0), y, z);
    z = before - rate * u;
    return share * (y - before) + rate_of_y * u;
  }
};

/// That of a rule at one step.
template <class R>
auto schedule_free_step(const R& rule, double beta, const auto& step) {
  using Scalar = decltype(step.real(0));
  const double share = step.numbers[2], rate = warmed_up_rate(rule, step.t);
  return ScheduleFreeStep<Scalar>{step.real(share), step.real(rate),
                                  step.real(rate * (1 - kernel::rounded_product(beta, 1 - share))),
                                  Scalar(step.t == 1)};
}

/// From the parameters y back to the average x = y + (1 - 1 / beta) (z - y).
auto schedule_free_average(double beta, const auto& step) {
  return [factor = step.real(1 / beta - 1)](const auto& y, const auto& z)
             __attribute__((always_inline)) { return factor * (z - y); };
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::rules

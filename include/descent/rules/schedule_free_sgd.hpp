// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/schedule_free.hpp>

namespace descent::rules {

/// Schedule-free SGD: an average of all iterates takes the place of a schedule of the learning rate (Defazio et al.
/// 2024, The Road Less Scheduled, arXiv:2405.15682, section 2 and appendix).
///
///     y = momentum x + (1 - momentum) z       the parameters, where the gradient is taken
///     u = g + weight_decay y
///     z <- z - rate u
///     x <- (1 - c) x + c z                    what to use and evaluate: Optimizer::averaged(params)
///
///     rate = learning_rate min(1, t / warmup_steps),   c = w / (the sum of w so far),
///     w = t^r (the largest rate so far)^weight_lr_power
///
/// Only y and z are stored. This is the authors' reference implementation. optax has no r, and its counter begins
/// elsewhere; Keras has c = 1 / t whatever the rate.
///
/// State: "z", one scalar per parameter, starting at the parameters before the first step.
struct ScheduleFreeSGD {
  double learning_rate = 1;       ///< finite and >= 0
  double momentum = 0.9;          ///< beta, in (0, 1]
  double weight_decay = 0;        ///< lambda, at y; finite and >= 0
  std::int64_t warmup_steps = 0;  ///< >= 0
  double r = 0;                   ///< finite and >= 0
  double weight_lr_power = 2;     ///< finite and >= 0

  static constexpr std::string_view name = "descent::ScheduleFreeSGD";
  static constexpr std::array<std::string_view, 1> state_names{"z"};
  static constexpr std::array<int, 1> state_powers{1};
  static constexpr bool starts_at_parameters = true;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &ScheduleFreeSGD::learning_rate, nonnegative},
                Hyperparameter{"momentum", &ScheduleFreeSGD::momentum, above_zero},
                Hyperparameter{"weight_decay", &ScheduleFreeSGD::weight_decay, nonnegative},
                Hyperparameter{"warmup_steps", &ScheduleFreeSGD::warmup_steps, nonnegative},
                Hyperparameter{"r", &ScheduleFreeSGD::r, nonnegative},
                Hyperparameter{"weight_lr_power", &ScheduleFreeSGD::weight_lr_power, nonnegative});
  }

  auto running_numbers(const auto& list) const { return schedule_free_numbers(*this, list); }

  auto kernel(const auto& step) const {
    return [move = schedule_free_step(*this, momentum, step), lambda = step.real(weight_decay)](const auto& y,
                                                                                                const auto& g, auto& z)
               __attribute__((always_inline)) { return move(y, g + lambda * y, z); };
  }

  auto averaged_kernel(const auto& step) const { return schedule_free_average(momentum, step); }
};

}  // namespace descent::rules

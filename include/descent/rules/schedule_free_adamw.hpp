// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/epsilon.hpp>
#include <descent/rules/schedule_free.hpp>

namespace descent::rules {

/// Schedule-free AdamW: an average of all iterates takes the place of a schedule of the learning rate, and of the first
/// moment (Defazio et al. 2024, The Road Less Scheduled, arXiv:2405.15682, Algorithm 1).
///
///     y = beta1 x + (1 - beta1) z             the parameters, where the gradient is taken
///     v <- beta2 v + (1 - beta2) g^2,         v_hat = v / (1 - beta2^t)
///     u = g / (sqrt(v_hat) + epsilon) + weight_decay y
///     z <- z - rate u
///     x <- (1 - c) x + c z                    what to use and evaluate: Optimizer::averaged(params)
///
/// with rate, c and what frameworks do as in ScheduleFreeSGD.
///
/// State: "second_moment" (v), starting at 0, and "z", starting at the parameters before the first step; one scalar per
/// parameter each.
struct ScheduleFreeAdamW {
  double learning_rate = 0.0025;  ///< finite and >= 0
  double beta1 = 0.9;             ///< in (0, 1]
  double beta2 = 0.999;           ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;          ///< finite and > 0
  double weight_decay = 0;        ///< lambda, at y; finite and >= 0
  std::int64_t warmup_steps = 0;  ///< >= 0
  double r = 0;                   ///< finite and >= 0
  double weight_lr_power = 2;     ///< finite and >= 0

  static constexpr std::string_view name = "descent::ScheduleFreeAdamW";
  static constexpr std::array<std::string_view, 2> state_names{"second_moment", "z"};
  static constexpr std::array<int, 2> state_powers{2, 1};
  static constexpr bool starts_at_parameters = true;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &ScheduleFreeAdamW::learning_rate, nonnegative},
                Hyperparameter{"beta1", &ScheduleFreeAdamW::beta1, above_zero},
                Hyperparameter{"beta2", &ScheduleFreeAdamW::beta2, below_one},
                Hyperparameter{"epsilon", &ScheduleFreeAdamW::epsilon, positive},
                Hyperparameter{"weight_decay", &ScheduleFreeAdamW::weight_decay, nonnegative},
                Hyperparameter{"warmup_steps", &ScheduleFreeAdamW::warmup_steps, nonnegative},
                Hyperparameter{"r", &ScheduleFreeAdamW::r, nonnegative},
                Hyperparameter{"weight_lr_power", &ScheduleFreeAdamW::weight_lr_power, nonnegative});
  }

  auto running_factors(const auto& list) const { return list(beta2); }
  auto running_numbers(const auto& list) const { return schedule_free_numbers(*this, list); }

  auto kernel(const auto& step) const {
    const auto root = corrected_root(step, 1 - step.products[0], EpsilonPlacement::outside, epsilon);
    return [move = schedule_free_step(*this, beta1, step), eps = root.epsilons, factor = step.real(root.factor),
            mean = step.moving_average(beta2), lambda = step.real(weight_decay)](
               const auto& y, const auto& g, auto& v, auto& z) __attribute__((always_inline)) {
      v = mean(v, square(g));
      return move(y, factor * g / eps.root(v) + lambda * y, z);
    };
  }

  auto averaged_kernel(const auto& step) const { return schedule_free_average(beta1, step); }
};

}  // namespace descent::rules

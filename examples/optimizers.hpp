// SPDX-License-Identifier: MIT
//
// The optimizers that the examples know by name.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <variant>

#include <descent/descent.hpp>

namespace examples {

namespace rules = descent::rules;

/// The seven and then the newer ones, in the order of their names, and of the colours in optimizers.gp.
using Rule =
    std::variant<rules::SGD, rules::Momentum, rules::Nesterov, rules::AdaGrad, rules::RMSProp, rules::AdaDelta,
                 rules::Adam, rules::AdamW, rules::AMSGrad, rules::NAdam, rules::RAdam, rules::AdaMax, rules::AdaBelief,
                 rules::Yogi, rules::Adan, rules::Lion, rules::Rprop, rules::Ftrl, rules::ScheduleFreeSGD,
                 rules::ScheduleFreeAdamW, rules::LAMB, rules::LARS, rules::Muon, rules::Adafactor>;
inline constexpr std::array<std::string_view, std::variant_size_v<Rule>> optimizer_names{
    "SGD",   "Momentum", "Nesterov", "AdaGrad", "RMSProp",         "AdaDelta",          "Adam",
    "AdamW", "AMSGrad",  "NAdam",    "RAdam",   "AdaMax",          "AdaBelief",         "Yogi",
    "Adan",  "Lion",     "Rprop",    "Ftrl",    "ScheduleFreeSGD", "ScheduleFreeAdamW", "LAMB",
    "LARS",  "Muon",     "Adafactor"};
inline constexpr std::size_t classical = 7;

inline std::string_view name_of(const Rule& rule) { return optimizer_names[rule.index()]; }

/// The learning rate of a rule or an optimizer. Rprop has none: its steps start with a size, and find their own.
inline auto& rate_of(auto& optimizer) {
  if constexpr (requires { optimizer.learning_rate; })
    return optimizer.learning_rate;
  else
    return optimizer.initial_step_size;
}

}  // namespace examples

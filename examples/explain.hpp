// SPDX-License-Identifier: MIT
//
// The first steps of an optimizer as a textbook would print them: a table of gradient, state, step and parameters, with
// a line for each coordinate.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>

#include "race.hpp"

namespace examples {

/// The columns of one step: a name, and the value for each coordinate.
using Columns = std::vector<std::pair<std::string, Eigen::Vector2d>>;

/// The moments of Adam and its like divided by 1 - beta^t. The library folds that division into the rate, so it stores
/// them nowhere. The last one is the one that divides: that of AMSGrad is the largest second moment.
inline void add_corrected_moments(const auto& adam, Columns& columns) {
  const auto corrected = [&](std::string_view moment, double beta) {
    return Eigen::Vector2d(adam.state(moment) / (1 - std::pow(beta, adam.steps())));
  };
  columns.emplace_back("first corrected", corrected("first_moment", adam.beta1));
  columns.emplace_back("second corrected", corrected(adam.state_names.back(), adam.beta2));
}

/// Takes a step from x, and returns what was computed.
inline Columns explained_step(auto& optimizer, const Surface& surface, Eigen::Vector2d& x) {
  Columns columns;
  const Eigen::Vector2d before = x;
  const Eigen::Vector2d gradient = surface.gradient(x);
  optimizer.step(x, gradient);
  columns.emplace_back("gradient", gradient);
  for (const std::string_view name : optimizer.state_names) columns.emplace_back(name, optimizer.state(name));
  if constexpr (requires {
                  optimizer.bias_correction;
                  optimizer.beta1;
                })
    add_corrected_moments(optimizer, columns);
  columns.emplace_back("step", before - x);
  columns.emplace_back("parameters", x);
  return columns;
}

inline void explain(const Runner& runner, const Surface& surface, int steps) {
  std::printf(
      "\n%s with %s, otherwise its defaults, on %s, %s, from (%g, %g); step t is subtracted from the parameters\n\n",
      runner.label.c_str(), runner.rates().c_str(), surface.name.c_str(), surface.text.c_str(), surface.start[0],
      surface.start[1]);
  std::visit([&](const auto& rule) {
    descent::Optimizer<std::remove_cvref_t<decltype(rule)>, double, 2> optimizer(rule);
    Eigen::Vector2d x = surface.start;
    for (int t = 1; t <= steps; ++t) {
      const Columns columns = explained_step(optimizer, surface, x);
      if (t == 1) {
        std::printf("   t   ");
        for (const auto& [name, value] : columns) std::printf(" %16s", name.c_str());
        std::printf("\n");
      }
      for (const Eigen::Index i : {0, 1}) {
        i == 0 ? std::printf("%4d  x", t) : std::printf("      y");
        for (const auto& [name, value] : columns) std::printf(" %16.9g", value[i]);
        std::printf("\n");
      }
    }
  }, runner.rule);
}

}  // namespace examples

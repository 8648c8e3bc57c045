// SPDX-License-Identifier: MIT
//
// The races: which optimizers run on which surface, at which rates and for how many steps, what there is to see, and
// the paths, which descent::minimize takes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>

#include "optimizers.hpp"
#include "surfaces.hpp"

namespace examples {

/// The rate for a point, which Muon, as it is no matrix, leaves to AdamW.
inline auto& rate_for_points(auto& rule) {
  if constexpr (requires { rule.adamw_learning_rate; })
    return rule.adamw_learning_rate;
  else
    return rate_of(rule);
}

inline void set_rate(Rule& rule, double rate) {
  std::visit([&](auto& r) { rate_for_points(r) = rate; }, rule);
}

struct Runner {
  std::string label;  ///< the optimizer's name, and what sets it apart if it runs twice
  Rule rule;

  /// "η = 0.1, μ = 0.9": what is listed under a picture; everything else has its default.
  std::string rates() const {
    const auto short_text = [](double value) {
      std::array<char, 32> text;
      std::snprintf(text.data(), text.size(), "%g", value);
      return std::string(text.data());
    };
    return std::visit([&](const auto& r) {
      std::string text = "η = " + short_text(rate_for_points(r));
      if constexpr (requires { r.momentum; }) text += ", μ = " + short_text(r.momentum);
      return text;
    }, rule);
  }
};

/// The points that an optimizer went through, starting at points[0], and the value at each.
struct Path {
  std::vector<Eigen::Vector2d> points;
  std::vector<double> values;

  const Eigen::Vector2d& end() const { return points.back(); }

  double step_length(std::size_t t) const { return (points[t] - points[t - 1]).norm(); }

  /// The distance from start to end, divided by the length of the path: 1 for a straight path.
  double straightness() const {
    double length = 0;
    for (std::size_t t = 1; t < points.size(); ++t) length += step_length(t);
    return length == 0 ? 1 : (end() - points.front()).norm() / length;
  }

  /// The first step after which the path stays within the radius; -1 if it ends outside.
  int arrival(const Eigen::Vector2d& goal, double radius = 0.1) const {
    auto t = points.size();
    while (t > 0 && (points[t - 1] - goal).norm() <= radius) --t;
    return t == points.size() ? -1 : static_cast<int>(t);
  }
};

/// Ends early if the value overflows. Throws std::invalid_argument for a rate out of range.
inline Path run(const Rule& rule, const Surface& surface, int steps) {
  return std::visit([&](const auto& r) {
    descent::Optimizer<std::remove_cvref_t<decltype(r)>, double, 2> optimizer(r);
    Eigen::Vector2d x = surface.start;
    Path path{{x}, {surface.value(x)}};
    descent::minimize(surface, x, optimizer, {.max_steps = steps, .gradient_tolerance = 0},
                      [&](const descent::Progress<Eigen::Vector2d>& progress) {
      if constexpr (requires { optimizer.averaged(x); }) {  // of a schedule-free rule
        path.points.push_back(optimizer.averaged(progress.x));
        path.values.push_back(surface.value(path.end()));
      } else {
        path.points.push_back(progress.x);
        path.values.push_back(progress.value);
      }
    });
    return path;
  }, rule);
}

struct Race {
  Surface surface;
  int steps;
  std::vector<Runner> runners;
  std::string caption;        ///< tests/race.cpp checks it against the numbers
  bool side_by_side = false;  ///< a map for each path instead of one for all
};

/// All optimizers with their defaults, in the order of their names.
inline std::vector<Runner> all_optimizers() {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::vector<Runner>{{std::string(optimizer_names[I]), Rule(std::in_place_index<I>)}...};
  }(std::make_index_sequence<optimizer_names.size()>{});
}

inline std::vector<Runner> all_seven() {
  std::vector<Runner> runners = all_optimizers();
  runners.resize(classical);
  return runners;
}

/// All seven at these rates.
inline std::vector<Runner> all_seven(const std::array<double, classical>& rates) {
  std::vector<Runner> runners = all_seven();
  for (std::size_t i = 0; i < rates.size(); ++i) set_rate(runners[i].rule, rates[i]);
  return runners;
}

/// One race on each surface. Rates are 1, 2, 4 or 5 times a power of ten, but for "zigzag".
inline std::vector<Race> all_races(std::uint32_t seed = 1) {
  using namespace descent::rules;
  const std::vector<Surface> surfaces = all_surfaces(seed);
  const auto on = [&](std::string_view name) { return *std::ranges::find(surfaces, name, &Surface::name); };
  return {
      {on("bowl"), 60, all_seven({0.4, 0.05, 0.05, 0.4, 0.4, 1, 0.2}),
       "At the same rate AdaGrad's steps shrink and RMSProp's last; AdaDelta starts slowly; SGD zigzags"},
      {on("zigzag"),
       40,
       {{"SGD", SGD{.learning_rate = 0.016}},
        {"Momentum 0.7", Momentum{.learning_rate = 0.016, .momentum = 0.7}},
        {"Momentum 0.9", Momentum{.learning_rate = 0.016, .momentum = 0.9}},
        {"Nesterov 0.7", Nesterov{.learning_rate = 0.012, .momentum = 0.7}}},
       "Momentum 0.7 is faster than SGD, but zigzags longer; 0.9 overshoots; Nesterov damps the zigzag",
       true},
      {on("saddle"), 100, all_seven({0.05, 0.005, 0.005, 0.5, 0.1, 20, 0.1}),
       "Along the ridge the slope is nearly 0: the adaptive methods leave it, plain descent hesitates"},
      {on("wells"), 100, all_seven({0.01, 0.01, 0.01, 0.1, 0.02, 5, 0.05}),
       "At the same rate, momentum crosses to the deeper well and plain descent stays in the first"},
      {on("plateau"), 150, all_seven({1, 0.1, 0.1, 0.2, 0.02, 1, 0.05}),
       "Where the slope is nearly 0, AdaGrad, RMSProp and Adam get across: they divide by its size"},
      {on("hills"), 200, all_seven({0.02, 0.02, 0.02, 0.5, 0.05, 5, 0.2}),
       "Past both hills comes only Adam, which averages gradients and scales each coordinate"},
      {on("beale"), 300, all_seven({0.02, 0.005, 0.005, 1, 0.02, 20, 0.5}),
       "Adam is the first at the end of the flat valley"},
      {on("himmelblau"), 100, all_seven({0.005, 0.002, 0.002, 0.5, 0.05, 10, 0.2}),
       "One start, two minima: inertia carries Momentum and Nesterov past the nearest one"},
      {on("rosenbrock"), 1000, all_seven({0.001, 0.001, 0.001, 0.5, 0.01, 1, 0.2}),
       "Those that average gradients reach the end of the valley in 1000 steps, the others do not"},
      {on("bumps"), 200, all_seven({0.05, 0.02, 0.02, 0.2, 0.02, 5, 0.1}),
       "Random bumps: which minimum is found depends on the method"},
      {on("lissajous"),
       400,
       {{"Momentum 1", Momentum{.learning_rate = 0.01, .momentum = 1}},
        {"Nesterov 1", Nesterov{.learning_rate = 0.01, .momentum = 1}}},
       "Momentum 1, no friction: a Lissajous figure without end; Nesterov's look-ahead is a brake",
       true},
  };
}

}  // namespace examples

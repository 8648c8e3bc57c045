// SPDX-License-Identifier: MIT
//
// The surfaces over the plane that pictures, tests and benchmarks descend: each with its formula, its gradient, its
// minima, a starting point and the part of the plane to look at.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>

namespace examples {

// ---- Formulas: value(x, y) for numbers of any kind, dual ones too, and gradient(x, y) -----------------

/// height exp(-((x - cx)^2 + (y - cy)^2) / (2 width^2)); a negative height makes a hollow.
struct Bump {
  double cx, cy, height, width;

  template <class Number>
  Number value(const Number& x, const Number& y) const {
    using std::exp;
    const Number dx = x - cx, dy = y - cy;
    return height * exp(-(dx * dx + dy * dy) / (2 * width * width));
  }
  Eigen::Vector2d gradient(double x, double y) const {
    return -value(x, y) / (width * width) * Eigen::Vector2d(x - cx, y - cy);
  }
};

/// a x^2 + b y^2 with bumps on it.
struct Bowl {
  double a, b;
  std::vector<Bump> bumps = {};

  template <class Number>
  Number value(const Number& x, const Number& y) const {
    Number sum = a * x * x + b * y * y;
    for (const Bump& bump : bumps) sum += bump.value(x, y);
    return sum;
  }
  Eigen::Vector2d gradient(double x, double y) const {
    Eigen::Vector2d sum(2 * a * x, 2 * b * y);
    for (const Bump& bump : bumps) sum += bump.gradient(x, y);
    return sum;
  }
};

/// x^2 - y^2 + y^4 / 18: a saddle at the origin, bounded below by the quartic term; minima at (0, -3) and (0, 3).
struct Saddle {
  template <class Number>
  Number value(const Number& x, const Number& y) const {
    return x * x - y * y + y * y * y * y / 18.0;
  }
  Eigen::Vector2d gradient(double x, double y) const { return {2 * x, -2 * y + 2 * y * y * y / 9}; }
};

/// (x^2 - 1)^2 + 0.3 x + y^2: a local minimum on the right, the global one on the left.
struct TwoWells {
  template <class Number>
  Number value(const Number& x, const Number& y) const {
    const Number w = x * x - 1.0;
    return w * w + 0.3 * x + y * y;
  }
  Eigen::Vector2d gradient(double x, double y) const { return {4 * x * (x * x - 1) + 0.3, 2 * y}; }
};

/// Beale (1958): flat valleys between steep corners.
struct Beale {
  template <class Number>
  Number value(const Number& x, const Number& y) const {
    const Number r1 = 1.5 - x + x * y, r2 = 2.25 - x + x * y * y, r3 = 2.625 - x + x * y * y * y;
    return r1 * r1 + r2 * r2 + r3 * r3;
  }
  Eigen::Vector2d gradient(double x, double y) const {
    const double r1 = 1.5 - x + x * y, r2 = 2.25 - x + x * y * y, r3 = 2.625 - x + x * y * y * y;
    return {2 * (r1 * (y - 1) + r2 * (y * y - 1) + r3 * (y * y * y - 1)), 2 * x * (r1 + 2 * r2 * y + 3 * r3 * y * y)};
  }
};

/// Himmelblau (1972): four minima, equally deep.
struct Himmelblau {
  template <class Number>
  Number value(const Number& x, const Number& y) const {
    const Number r1 = x * x + y - 11.0, r2 = x + y * y - 7.0;
    return r1 * r1 + r2 * r2;
  }
  Eigen::Vector2d gradient(double x, double y) const {
    const double r1 = x * x + y - 11, r2 = x + y * y - 7;
    return {4 * x * r1 + 2 * r2, 2 * r1 + 4 * y * r2};
  }
};

/// Rosenbrock (1960): a curved valley with steep walls and a nearly flat floor.
struct Rosenbrock {
  template <class Number>
  Number value(const Number& x, const Number& y) const {
    const Number off_the_end = 1.0 - x;
    const Number off_the_floor = y - x * x;
    return off_the_end * off_the_end + 100.0 * off_the_floor * off_the_floor;
  }
  Eigen::Vector2d gradient(double x, double y) const {
    return {-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)};
  }
};

using Formula = std::variant<Bowl, Saddle, TwoWells, Beale, Himmelblau, Rosenbrock>;

// ---- Surfaces: a formula, and where to look at it ------------------------------------------------------

struct View {
  double left, right, bottom, top;

  /// The point at column i and row j of a grid of `cells` by `cells`, from the lower left corner.
  Eigen::Vector2d point(int i, int j, int cells) const {
    return {left + (right - left) * i / cells, bottom + (top - bottom) * j / cells};
  }
};

struct Surface {
  std::string name;
  std::string text;  ///< the formula as text
  Formula formula;
  Eigen::Vector2d start;
  View view;
  std::vector<Eigen::Vector2d> minima;  ///< all that are in view, the deepest first

  double value(const Eigen::Vector2d& x) const {
    return std::visit([&](const auto& f) { return f.value(x[0], x[1]); }, formula);
  }
  Eigen::Vector2d gradient(const Eigen::Vector2d& x) const {
    return std::visit([&](const auto& f) { return f.gradient(x[0], x[1]); }, formula);
  }
  /// The convention of descent::minimize: writes the gradient and returns the value.
  double operator()(const Eigen::Vector2d& x, Eigen::Vector2d& gradient_at_x) const {
    gradient_at_x = gradient(x);
    return value(x);
  }
};

/// For formulas whose minima have no closed form: descends from every grid point that is lower than its neighbours
/// until the gradient is 1e-10.
inline Surface with_minima(Surface surface) {
  constexpr int cells = 100;
  const auto height = [&](int i, int j) { return surface.value(surface.view.point(i, j, cells)); };
  for (int i = 1; i < cells; ++i)
    for (int j = 1; j < cells; ++j) {
      double lowest_neighbour = std::numeric_limits<double>::infinity();
      for (int k = 0; k < 9; ++k)
        if (k != 4) lowest_neighbour = std::min(lowest_neighbour, height(i + k % 3 - 1, j + k / 3 - 1));
      if (height(i, j) >= lowest_neighbour) continue;
      Eigen::Vector2d x = surface.view.point(i, j, cells);
      descent::Momentum<double, 2> momentum({.learning_rate = 0.005});
      descent::minimize(surface, x, momentum, {.gradient_tolerance = 1e-10});
      surface.minima.push_back(x);
    }
  std::ranges::sort(surface.minima, {}, [&](const Eigen::Vector2d& x) { return surface.value(x); });
  return surface;
}

/// A shallow bowl with 40 bumps and hollows, the same on every platform for the same seed.
inline Bowl random_bumps(std::uint32_t seed) {
  std::mt19937 random(seed);  // the standard prescribes the engine's numbers, but not those of its distributions
  const auto uniform = [&](double from, double to) {
    return from + (to - from) * (static_cast<double>(random()) * 0x1p-32);
  };
  Bowl bowl{0.03, 0.03};
  for (int i = 0; i < 40; ++i) {
    const double cx = uniform(-5, 5), cy = uniform(-5, 5), height = uniform(-1, 1), width = uniform(0.5, 1);
    bowl.bumps.push_back({cx, cy, height, width});
  }
  return bowl;
}

/// All surfaces; the seed is for "bumps".
inline std::vector<Surface> all_surfaces(std::uint32_t seed = 1) {
  return {
      {"bowl", "f = 0.1 x² + 2 y²", Bowl{0.1, 2}, {-5, -2}, {-6, 3, -3, 3}, {{0, 0}}},
      {"zigzag", "f = x² + 50 y²", Bowl{1, 50}, {-4, 0.8}, {-5, 3, -1.2, 1.2}, {{0, 0}}},
      {"saddle", "f = x² − y² + y⁴/18", Saddle{}, {-4, 1e-4}, {-5, 3, -4, 4}, {{0, 3}, {0, -3}}},
      with_minima({"wells", "f = (x² − 1)² + 0.3 x + y²", TwoWells{}, {1.9, 1}, {-2.1, 2.1, -1.4, 1.4}, {}}),
      {"plateau", "f = −exp(−(x² + y²)/2)", Bowl{0, 0, {{0, 0, -1, 1}}}, {-3.5, 2.5}, {-4.5, 2, -2, 3.5}, {{0, 0}}},
      with_minima({"hills",
                   "f = 0.1 x² + 15 y² and two hills",
                   Bowl{0.1, 15, {{-2.9, 0.2, 5.5, 0.6}, {-1.5, 0.3, 5.7, 0.4}}},
                   {-3.7, 2},
                   {-5.5, 1.5, -1.2, 2.4},
                   {}}),
      {"beale", "Beale's function", Beale{}, {1, 1.5}, {-0.5, 4.5, -2.5, 2.5}, {{3, 0.5}}},
      {"himmelblau",
       "Himmelblau's function",
       Himmelblau{},
       {0, -4},
       {-5, 5, -5, 5},
       {{3, 2},
        {-2.805118086952745, 3.131312518250573},
        {-3.779310253377747, -3.283185991286170},
        {3.584428340330492, -1.848126526964404}}},
      {"rosenbrock", "Rosenbrock's function", Rosenbrock{}, {-1.2, 1}, {-1.6, 1.6, -0.6, 1.8}, {{1, 1}}},
      with_minima(
          {"bumps", "40 random bumps, seed " + std::to_string(seed), random_bumps(seed), {4, -3}, {-5, 5, -5, 5}, {}}),
      {"lissajous", "f = x² + 2.3 y²", Bowl{1, 2.3}, {-4, 2}, {-5, 5, -3, 3}, {{0, 0}}},
  };
}

}  // namespace examples

// SPDX-License-Identifier: MIT
//
// What the tests against golden files have in common: the files in golden/, which say what made them, and the steps of
// their trajectories. golden/golden.py has the format.
#pragma once

#include <cmath>
#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <descent/rules/radam.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace descent::test::golden {

inline constexpr int steps = 100;
inline constexpr int halved_after = 50;  ///< the step after which the learning rate is halved

inline std::vector<std::istringstream> lines_of(const std::string& file) {
  std::ifstream in(DESCENT_GOLDEN_DIR "/" + file);
  std::vector<std::istringstream> lines;
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with('#')) lines.emplace_back(line);
  INFO(DESCENT_GOLDEN_DIR "/" << file);
  REQUIRE_FALSE(lines.empty());
  return lines;
}

inline Vector<double> numbers_of(std::istringstream& line) {
  Vector<double> numbers(8);
  for (double& number : numbers) line >> number;
  REQUIRE(line);
  return numbers;
}

/// Exact in float too.
inline const std::vector<Vector<double>>& gradients() {
  static const auto rows = [] {
    std::vector<Vector<double>> read;
    for (auto& line : lines_of("gradients.txt")) {
      std::size_t t = 0;
      line >> t;
      read.push_back(numbers_of(line));
      REQUIRE(t == read.size());
    }
    REQUIRE(read.size() == steps);
    return read;
  }();
  return rows;
}

/// The parameters after some of the steps.
using Trajectory = std::map<int, Vector<double>>;

/// Goldens by their names, each to be compared once.
template <class Golden>
class Goldens {
 public:
  Golden& operator[](const std::string& name) { return goldens_[name]; }

  Golden take(const std::string& name) {
    INFO(name);
    REQUIRE(goldens_.contains(name));
    return goldens_.extract(name).mapped();
  }

  /// The names of those that have not been compared yet.
  std::string left() const {
    std::string names;
    for (const auto& [name, golden] : goldens_) names += name + "\n";
    return names;
  }

 private:
  std::map<std::string, Golden> goldens_;
};

/// Those of a file whose names start with `prefix`, called "case scalar".
inline Goldens<Trajectory> trajectories(const std::string& file, const std::string& prefix = "") {
  Goldens<Trajectory> found;
  for (auto& line : lines_of(file)) {
    std::string name, scalar;
    int t = 0;
    line >> name >> scalar >> t;
    if (name.starts_with(prefix)) found[name + " " + scalar][t] = numbers_of(line);
  }
  return found;
}

/// The number of roundings by which 1 - beta^t may differ if beta and its powers are in the scalar, as in Keras and
/// optax: beta is rounded once, and so may be each of its powers.
inline double correction_roundings(double beta, int t) {
  const double power = std::pow(beta, t);
  return (t + 1) * power / (1 - power);
}

/// RAdam's: rho is the difference of two numbers close to 2 / (1 - beta2), computed in double also for float.
inline double rectification_roundings(const rules::RAdam& rule, int t, double u) {
  const double power = std::pow(rule.beta2, t), most = 2 / (1 - rule.beta2) - 1;
  const double subtracted = 2 * t * power / (1 - power), rho = most - subtracted;
  if (rho <= rule.threshold) return 0;
  const double of_rho = subtracted * (correction_roundings(rule.beta2, t) + 3) * 0x1p-53 / u;
  return of_rho * (1 / (rho - 4) + 1 / (rho - 2) + 1 / rho) / 2;
}

/// By how many roundings of u, more than other rules', the steps of framework and library may differ.
template <class R>
double step_roundings(const R& rule, int t, double u = 0x1p-53) {
  double roundings = 0;
  if constexpr (requires { rule.beta1; }) roundings += correction_roundings(rule.beta1, t);
  if constexpr (requires { rule.beta2; }) roundings += correction_roundings(rule.beta2, t) / 2;
  if constexpr (requires { rule.beta3; }) roundings += correction_roundings(rule.beta3, t) / 2;
  if constexpr (std::is_base_of_v<rules::RAdam, R>) roundings += rectification_roundings(rule, t, u);
  return roundings;
}

/// The rule with its members changed: with(adam(), [](auto& rule) { rule.beta1 = 0.5; }).
template <class R, class Change>
R with(R rule, Change&& change) {
  change(rule);
  return rule;
}

/// How far the framework's parameters may differ. Not a template, because it is the same for all rules.
///
/// The bound counts roundings of u, half an ulp of 1. Framework and library each compute a step in at most 16
/// (formulas.cpp), and pass on to the next one at most 5 in the state and 1 in x: 32 and 12 t for both, and for Adam
/// those of the bias corrections. They are relative to the running magnitude: how far x has been, and how far it went
/// or would have gone without any cancellation, as shown by a twin that gets the absolute values of the gradients. In
/// double that is less than 1e-12 of the magnitude in all.
class Bound {
 public:
  /// The bound itself must be less than `share` of the magnitude.
  Bound(const Vector<double>& start, double share) : farthest_(start.cwiseAbs()), share_(share) {}

  void step(const Vector<double>& x_step, const Vector<double>& twin_step, const Vector<double>& x, double roundings) {
    const Vector<double> step = x_step.cwiseAbs().cwiseMax(twin_step.cwiseAbs());
    way_ += step;
    corrections_ += roundings * step;
    farthest_ = farthest_.cwiseMax(x.cwiseAbs());
  }

  void check(const Vector<double>& x, const Vector<double>& expected, int t, double u) const {
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      INFO("t = " << t << ", i = " << i << ", u = " << u);
      const double bound = u * ((32 + 12 * t) * (farthest_[i] + way_[i]) + corrections_[i]);
      REQUIRE(std::abs(x[i] - expected[i]) <= bound);
      REQUIRE(bound <= share_ * (farthest_[i] + way_[i]));
    }
  }

 private:
  Vector<double> farthest_, way_ = Vector<double>::Zero(8), corrections_ = way_;
  double share_;
};

}  // namespace descent::test::golden

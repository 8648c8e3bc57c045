// SPDX-License-Identifier: MIT
//
// Walks down Rosenbrock's valley (1960) with each optimizer: descent::minimize runs the loop, and
// Eigen's AutoDiff module derives the gradient from the formula in surfaces.hpp. The minimum is 0, at (1, 1).

#include <cstdio>
#include <exception>
#include <string>

#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include <descent/descent.hpp>

#include "output.hpp"
#include "surfaces.hpp"

namespace {

/// What `minimize` requires: writes the gradient and returns the value.
double objective(const Eigen::Vector2d& x, Eigen::Vector2d& gradient) {
  using Dual = Eigen::AutoDiffScalar<Eigen::Vector2d>;  // a value, and its derivatives by x and y
  const Dual value = examples::Rosenbrock{}.value(Dual(x[0], 2, 0), Dual(x[1], 2, 1));
  gradient = value.derivatives();
  return value.value();
}

/// After each step the learning rate is multiplied by `decay`; the observer can do this because the optimizer belongs
/// to the caller.
template <class Optimizer>
void walk(const char* name, Optimizer optimizer, double decay = 1) {
  Eigen::Vector2d x(-1.2, 1);
  const double rate = optimizer.learning_rate;
  const auto end = descent::minimize(objective, x, optimizer, {.max_steps = 20'000, .gradient_tolerance = 1e-6},
                                     [&](const auto&) { optimizer.learning_rate *= decay; });
  std::printf("%-9s %6g %7g %7lld   %7.1e   %10.1e   (%8.6f, %8.6f)   %s\n", name, rate, decay,
              static_cast<long long>(end.steps), end.value, end.gradient_norm, x[0], x[1],
              std::string(end.message()).c_str());
}

}  // namespace

int main() try {
  std::printf("%-9s %6s %7s %7s   %7s   %10s   %-20s   %s\n", "optimizer", "rate", "decay", "steps", "value",
              "|gradient|", "x", "why it ended");
  walk("SGD", descent::SGD<double, 2>({.learning_rate = 0.001}));
  walk("Momentum", descent::Momentum<double, 2>({.learning_rate = 0.001}));
  walk("Nesterov", descent::Nesterov<double, 2>({.learning_rate = 0.001}));
  walk("AdaGrad", descent::AdaGrad<double, 2>({.learning_rate = 0.5}));
  // The steps of these two do not shrink with the gradient: without a decay they would hover around the minimum.
  walk("RMSProp", descent::RMSProp<double, 2>({.learning_rate = 0.01}), 0.999);
  walk("AdaDelta", descent::AdaDelta<double, 2>({.learning_rate = 1}), 0.9995);
  walk("Adam", descent::Adam<double, 2>({.learning_rate = 0.02}));
  examples::finish_standard_output();
} catch (const std::exception& error) {
  std::fprintf(stderr, "rosenbrock: %s\n", error.what());
  return 1;
}

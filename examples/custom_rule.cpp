// SPDX-License-Identifier: MIT
//
// A rule of your own, Lion (custom_rule.hpp), at work: it fits a parabola to samples of one. The program ends with exit
// status 1 unless it finds the coefficients.

#include <cstdio>
#include <exception>

#include <descent/descent.hpp>

#include "custom_rule.hpp"
#include "parabola.hpp"

int main() try {
  descent::Optimizer<examples::Lion, float> lion({.learning_rate = 0.05});
  return examples::fit_parabola("Lion", lion);
} catch (const std::exception& error) {
  std::fprintf(stderr, "custom_rule: %s\n", error.what());
  return 1;
}

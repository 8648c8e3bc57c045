// SPDX-License-Identifier: MIT
//
// A rule of your own, Lion (custom_rule.hpp), at work: it fits a parabola to samples of one. The program ends with exit
// status 1 unless it finds the coefficients.

#include <cstdio>
#include <exception>

#include <Eigen/Core>

#include <descent/descent.hpp>

#include "custom_rule.hpp"
#include "output.hpp"

int main() try {
  const Eigen::Vector3f truth(0.5f, -2.0f, 3.0f);
  const Eigen::ArrayXf t = Eigen::ArrayXf::LinSpaced(100, -1, 1);
  Eigen::MatrixX3f powers(t.size(), 3);
  powers << Eigen::ArrayXf::Ones(t.size()), t, t.square();
  const Eigen::VectorXf samples = powers * truth;

  Eigen::Vector3f coefficients = Eigen::Vector3f::Zero();
  descent::Optimizer<examples::Lion, float> lion({.learning_rate = 0.05});
  for (int i = 0; i < 2000; ++i) {
    const Eigen::VectorXf error = powers * coefficients - samples;
    lion.step(coefficients, powers.transpose() * error / static_cast<float>(t.size()));
    lion.learning_rate *= 0.995;  // a step of Lion is as long as the rate, even near the minimum
  }

  const float off = (coefficients - truth).cwiseAbs().maxCoeff();
  const bool found = off < 1e-3f;
  std::printf("Lion after %lld steps: %.4f %+.4f t %+.4f t^2, off by at most %.1e: %s\n",
              static_cast<long long>(lion.steps()), coefficients[0], coefficients[1], coefficients[2], off,
              found ? "found" : "NOT found");
  examples::finish_standard_output();
  return found ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "custom_rule: %s\n", error.what());
  return 1;
}

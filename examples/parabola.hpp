// SPDX-License-Identifier: MIT
//
// Fits a parabola to samples of one, with any optimizer.
#pragma once

#include <cstdio>

#include <Eigen/Core>

#include "output.hpp"

namespace examples {

/// Takes 2000 steps, of which each is shorter than the one before. Prints the coefficients and returns 0 if they are
/// the right ones, otherwise 1.
template <class Optimizer>
int fit_parabola(const char* name, Optimizer& optimizer) {
  const Eigen::Vector3f truth(0.5f, -2.0f, 3.0f);
  const Eigen::ArrayXf t = Eigen::ArrayXf::LinSpaced(100, -1, 1);
  Eigen::MatrixX3f powers(t.size(), 3);
  powers << Eigen::ArrayXf::Ones(t.size()), t, t.square();
  const Eigen::VectorXf samples = powers * truth;

  Eigen::Vector3f coefficients = Eigen::Vector3f::Zero();
  for (int i = 0; i < 2000; ++i) {
    const Eigen::VectorXf error = powers * coefficients - samples;
    optimizer.step(coefficients, powers.transpose() * error / static_cast<float>(t.size()));
    optimizer.learning_rate *= 0.995;  // a step by signs is as long as the rate, even near the minimum
  }

  const float off = (coefficients - truth).cwiseAbs().maxCoeff();
  const bool found = off < 1e-3f;
  std::printf("%s after %lld steps: %.4f %+.4f t %+.4f t^2, off by at most %.1e: %s\n", name,
              static_cast<long long>(optimizer.steps()), coefficients[0], coefficients[1], coefficients[2], off,
              found ? "found" : "NOT found");
  finish_standard_output();
  return found ? 0 : 1;
}

}  // namespace examples

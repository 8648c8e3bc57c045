// SPDX-License-Identifier: MIT
// The program of a project that uses the library: it fits a line, and prints the library's version, which
// must be the one that the package states (PACKAGE_VERSION).
#include <descent/descent.hpp>

#include <iostream>
#include <string>

int main() {
  const std::string version = std::to_string(DESCENT_VERSION_MAJOR) + "." + std::to_string(DESCENT_VERSION_MINOR) +
                              "." + std::to_string(DESCENT_VERSION_PATCH);
  std::cout << "descent " << version << '\n';
  if (version != PACKAGE_VERSION) {
    std::cerr << "version.hpp says " << version << ", the package " << PACKAGE_VERSION << '\n';
    return 1;
  }

  Eigen::MatrixXd inputs(50, 2);
  inputs << Eigen::VectorXd::LinSpaced(50, -1, 1), Eigen::VectorXd::Ones(50);
  const Eigen::Vector2d line(3, -2);
  const Eigen::VectorXd outputs = inputs * line;

  Eigen::Vector2d fitted = Eigen::Vector2d::Zero();
  descent::Adam<double> adam({.learning_rate = 0.1});
  for (int i = 0; i < 1000; ++i) adam.step(fitted, inputs.transpose() * (inputs * fitted - outputs) / 50);

  if (!fitted.isApprox(line, 1e-6)) {
    std::cerr << "fitted " << fitted.transpose() << " to the line " << line.transpose() << '\n';
    return 1;
  }
}

// SPDX-License-Identifier: MIT
// Two translation units that include the whole library pass an optimizer to each other: wherever a step is taken, it
// continues from the same state. Their compiler flags may differ.
#include <iostream>

#include "elsewhere.hpp"

namespace {

constexpr int size = 37;

Eigen::VectorXd gradient(const Eigen::VectorXd& x) { return x - Eigen::VectorXd::LinSpaced(size, -1, 2); }

/// Whether steps taken alternately here and elsewhere end where as many steps taken here do.
template <class Adam>
bool goes_on_elsewhere() {
  Eigen::VectorXd expected = Eigen::VectorXd::Constant(size, 5);
  Adam adam({.learning_rate = 0.1});
  for (int i = 0; i < 99; ++i) adam.step(expected, gradient(expected));

  Eigen::VectorXd x = Eigen::VectorXd::Constant(size, 5);
  Adam travelling({.learning_rate = 0.1});
  for (int i = 0; i < 33; ++i) {
    travelling = elsewhere::stepped(travelling, x, gradient(x));
    travelling.step(x, gradient(x));
    elsewhere::step(travelling, x, gradient(x));
  }

  if (travelling.steps() == 99 && x == expected) return true;
  std::cerr << "after " << travelling.steps() << " steps in two translation units\n"
            << x.transpose() << "\nand not, as after 99 in one,\n"
            << expected.transpose() << '\n';
  return false;
}

}  // namespace

int main() {
  const bool with_dynamic_size = goes_on_elsewhere<descent::Adam<double>>();
  const bool with_fixed_size = goes_on_elsewhere<descent::Adam<double, size>>();
  return with_dynamic_size && with_fixed_size ? 0 : 1;
}

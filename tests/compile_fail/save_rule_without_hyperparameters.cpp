// SPDX-License-Identifier: MIT
// A checkpoint of a rule that does not list its hyperparameters.
// names: ListsHyperparameters

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#include "rule_parts.hpp"

struct MyRule : parts::NamesOneState, parts::Validates, parts::KernelOfOneState {
  static constexpr std::string_view name = "MyRule";
#ifndef FAIL
  static constexpr auto hyperparameters(const auto& use) { return use(); }
#endif
};

void save(const descent::Optimizer<MyRule>& optimizer, const Eigen::VectorXd& x) {
  descent::save("file", optimizer, x);
}

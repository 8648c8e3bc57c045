// SPDX-License-Identifier: MIT
// The second translation unit; main.cpp says what it is for.
#include "elsewhere.hpp"

namespace elsewhere {

template <int Size>
descent::Adam<double, Size> stepped(descent::Adam<double, Size> adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) {
  adam.step(x, g);
  return adam;
}

template <int Size>
void step(descent::Adam<double, Size>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g) {
  adam.step(x, g);
}

template descent::Adam<double> stepped(descent::Adam<double>, Eigen::VectorXd&, const Eigen::VectorXd&);
template descent::Adam<double, 37> stepped(descent::Adam<double, 37>, Eigen::VectorXd&, const Eigen::VectorXd&);
template void step(descent::Adam<double>&, Eigen::VectorXd&, const Eigen::VectorXd&);
template void step(descent::Adam<double, 37>&, Eigen::VectorXd&, const Eigen::VectorXd&);

}  // namespace elsewhere

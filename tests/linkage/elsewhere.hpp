// SPDX-License-Identifier: MIT
// What the second translation unit does for the first.
#pragma once

#include <descent/descent.hpp>

namespace elsewhere {

/// The optimizer after one more step.
template <int Size>
descent::Adam<double, Size> stepped(descent::Adam<double, Size> adam, Eigen::VectorXd& x, const Eigen::VectorXd& g);

/// One more step of the caller's own optimizer.
template <int Size>
void step(descent::Adam<double, Size>& adam, Eigen::VectorXd& x, const Eigen::VectorXd& g);

}  // namespace elsewhere

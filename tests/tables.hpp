// SPDX-License-Identifier: MIT
//
// What tests of tables share, whose columns and rows are stepped alone, come and go.
#pragma once

#include <cstdint>

#include "variants.hpp"

namespace descent::test {

template <class Scalar, int order = Eigen::ColMajor>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, order>;

/// A mixed_gradient in this shape.
template <class Scalar>
Matrix<Scalar> mixed_matrix(Eigen::Index rows, Eigen::Index cols, std::int64_t t) {
  return mixed_gradient<Scalar>(rows * cols, t).reshaped(rows, cols);
}

inline constexpr rules::Adam adam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99};

}  // namespace descent::test

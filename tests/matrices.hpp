// SPDX-License-Identifier: MIT
//
// What the tests of rules that step matrices as a whole share: matrices of both storage orders, random ones, and the
// steps of frameworks.
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

#include <Eigen/Core>

#include <descent/optimizer.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace descent::test {

template <class Scalar>
using ColMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
template <class Scalar>
using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Exact = ColMajor<long double>;

/// The same on every platform: uniform in (-1, 1).
template <class Scalar>
ColMajor<Scalar> random_matrix(Eigen::Index rows, Eigen::Index cols, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  return ColMajor<Scalar>::NullaryExpr(
      rows, cols, [&] { return static_cast<Scalar>(static_cast<double>(random() >> 11) * 0x1p-52 - 1); });
}

inline constexpr auto u_of = []<class Scalar>(Scalar) { return std::numeric_limits<Scalar>::epsilon() / 2; };

#if defined(DESCENT_GOLDEN_DIR)
/// Steps of the three frameworks (golden/make_matrices.py), which store matrices row by row.
struct Golden {
  ColMajor<double> start, gradient;
  std::map<std::string, ColMajor<double>> ends;

  template <class Scalar>
  ColMajor<Scalar> gradient_at(int t) const {
    ColMajor<Scalar> g = gradient.cast<Scalar>();
    for (Eigen::Index i = 0; i < g.rows(); ++i) g.row(i) *= static_cast<Scalar>((i + t) % 3 - 1);
    g(0, 0) += static_cast<Scalar>(t);
    return g;
  }
};

inline Golden golden_of(const std::string& shape) {
  std::ifstream in(DESCENT_GOLDEN_DIR "/matrices.txt");
  REQUIRE(in);
  Golden golden;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name, its_shape;
    Eigen::Index rows = 0, cols = 0;
    words >> name >> its_shape >> rows >> cols;
    if (name == "#" || its_shape != shape) continue;
    RowMajor<double> numbers(rows, cols);
    for (Eigen::Index i = 0; i < rows; ++i)
      for (Eigen::Index j = 0; j < cols; ++j) words >> numbers(i, j);
    REQUIRE(words);
    if (name == "start")
      golden.start = numbers;
    else if (name == "gradient")
      golden.gradient = numbers;
    else
      golden.ends[name] = numbers;
  }
  return golden;
}
#endif

/// A matrix with a NaN in its gradient: an error, a step skipped, or NaN everywhere.
template <class Rule>
void check_nonfinite() {
  const ColMajor<double> start = random_matrix<double>(4, 3, 100);
  ColMajor<double> W = start, g = start;
  g(2, 1) = std::numeric_limits<double>::quiet_NaN();
  Optimizer<Rule> optimizer;
  optimizer.set_nonfinite(NonFinite::reject);
  CHECK_THROWS_AS(optimizer.step(W, g), std::domain_error);
  optimizer.set_nonfinite(NonFinite::skip);
  optimizer.step(W, g);
  CHECK(optimizer.skipped_steps() == 1);
  CHECK(same_bits(W, start));
  optimizer.set_nonfinite(NonFinite::propagate);
  optimizer.step(W, g);
  CHECK(W.array().isNaN().all());
}

}  // namespace descent::test

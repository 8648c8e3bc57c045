// SPDX-License-Identifier: MIT
//
// Parameters that come and go: the state of a tensor follows its columns and rows, and steps go on with the same bits
// as if they had always been where they are now.
#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <descent/resize.hpp>
#include <descent/rules/adafactor.hpp>
#include <descent/rules/muon.hpp>

#include "catch.hpp"
#include "tables.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::Index;

/// The columns of a gradient with these numbers; what is beyond the last is new, and so are its numbers.
Matrix<double> chosen(const Matrix<double>& all, const std::vector<int>& columns) { return all(Eigen::all, columns); }

/// A state array as a matrix.
template <int order = Eigen::ColMajor, class O>
Matrix<double> state_of(const O& optimizer, std::size_t slot, Index rows, Index cols) {
  const auto state = optimizer.state(slot);
  REQUIRE(state.size() == rows * cols);
  return Eigen::Map<const Matrix<double, order>>(state.data(), rows, cols);
}

}  // namespace

TEST_CASE("columns that stay step like those of an optimizer that never had others", "[resize]") {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    const std::vector<int> kept{6, 0, 3, 4};
    Optimizer<R, double> optimizer(rule), expected(rule);
    Matrix<double> x = start<double>(5 * 7).reshaped(5, 7), y = chosen(x, kept);
    for (int t = 1; t <= 20; ++t) {
      const Matrix<double> g = mixed_matrix<double>(5, 7, t);
      optimizer.step(x, g);
      expected.step(y, chosen(g, kept));
    }
    optimizer.keep_columns(kept);
    x = chosen(x, kept);
    CHECK(same_state(optimizer, expected));
    for (int t = 21; t <= 70; ++t) {
      const Matrix<double> g = mixed_matrix<double>(5, 4, t);
      optimizer.step(x, g);
      expected.step(y, g);
    }
    CHECK(same_bits(x, y));
    CHECK(same_state(optimizer, expected));
  });
}

TEST_CASE("new columns start as at the first step, with the counter of the others", "[resize]") {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    if constexpr (!StartsAtParameters<R>) {
      INFO(name);
      Optimizer<R, double> optimizer(rule);
      Matrix<double> x = start<double>(5 * 4).reshaped(5, 4);
      std::vector<Matrix<double>> state;  // for step_arrays
      for (const double initial : initial_state(rule)) state.push_back(Matrix<double>::Constant(5, 7, initial));
      StepCounter<R> counter;
      for (int t = 1; t <= 20; ++t) {
        optimizer.step(x, mixed_matrix<double>(5, 4, t));
        counter = counter.next(rule);
      }
      for (std::size_t slot = 0; slot < state.size(); ++slot) state[slot].leftCols(4) = state_of(optimizer, slot, 5, 4);
      optimizer.append_columns(3);
      x.conservativeResize(5, 7);
      x.rightCols(3).setConstant(0.5);
      for (std::size_t slot = 0; slot < state.size(); ++slot)
        CHECK(same_bits(state_of(optimizer, slot, 5, 7), state[slot]));
      Matrix<double> y = x;
      for (int t = 21; t <= 70; ++t) {
        const Matrix<double> g = mixed_matrix<double>(5, 7, t);
        optimizer.step(x, g);
        counter = counter.next(rule);
        std::array<double*, R::state_names.size()> arrays{};
        for (std::size_t slot = 0; slot < state.size(); ++slot) arrays[slot] = state[slot].data();
        step_arrays(rule, counter, y.data(), g.data(), arrays, y.size());
      }
      CHECK(same_bits(x, y));
    }
  });
}

TEST_CASE("columns and rows, whatever the layout", "[resize]") {
  const auto check = []<int order>(std::integral_constant<int, order>) {
    Matrix<double, order> x = start<double>(5 * 4).reshaped(5, 4);
    Optimizer<rules::Adam, double> optimizer(adam);
    for (int t = 1; t <= 3; ++t) optimizer.step(x, mixed_matrix<double>(5, 4, t));
    Matrix<double> expected = state_of<order>(optimizer, 0, 5, 4);
    optimizer.keep_rows(std::vector{4, 1, 2});
    expected = expected(std::vector{4, 1, 2}, Eigen::all).eval();
    CHECK(same_bits(state_of<order>(optimizer, 0, 3, 4), expected));
    optimizer.append_rows(2);
    expected.conservativeResize(5, 4);
    expected.bottomRows(2).setZero();
    CHECK(same_bits(state_of<order>(optimizer, 0, 5, 4), expected));
    optimizer.append_columns(1);
    expected.conservativeResize(5, 5);
    expected.rightCols(1).setZero();
    CHECK(same_bits(state_of<order>(optimizer, 0, 5, 5), expected));
    optimizer.keep_columns(Eigen::Vector3i(4, 3, 0));
    expected = expected(Eigen::all, std::vector{4, 3, 0}).eval();
    CHECK(same_bits(state_of<order>(optimizer, 0, 5, 3), expected));
    x.resize(5, 3);
    x.setZero();
    optimizer.step(x, mixed_matrix<double>(5, 3, 4));
    CHECK(optimizer.steps() == 4);
  };
  check(std::integral_constant<int, Eigen::ColMajor>());
  check(std::integral_constant<int, Eigen::RowMajor>());
}

TEST_CASE("a mask says which stay", "[resize]") {
  Optimizer<rules::Adam, double> by_mask(adam);
  Matrix<double> x = Matrix<double>::Ones(2, 5);
  by_mask.step(x, mixed_matrix<double>(2, 5, 1));
  Optimizer<rules::Adam, double> by_numbers = by_mask, by_array = by_mask;
  by_mask.keep_columns(std::vector<bool>{true, false, false, true, true});
  by_numbers.keep_columns(std::vector{0, 3, 4});
  by_array.keep_columns(Eigen::Array<double, 5, 1>(1, 0, 0, 2, 5) > 0);
  CHECK(same_state(by_mask, by_numbers));
  CHECK(same_state(by_array, by_numbers));
}

TEST_CASE("only one tensor of several changes", "[resize]") {
  const auto check = [](Index tensor) {
    std::vector<Matrix<double>> x(3, Matrix<double>::Ones(2, 5)), g;
    for (int i = 0; i < 3; ++i) g.push_back(mixed_matrix<double>(2, 5, i + 1));
    Optimizer<rules::Adam, double> together(adam);
    together.freeze(2);
    together.step(x, g);
    together.unfreeze(2);
    together.tensor_rule(1).beta1 = 0.5;
    for (int t = 0; t < 3; ++t) together.step(x, g);
    std::vector<Matrix<double>> expected[2];
    for (const std::size_t slot : {0U, 1U})
      for (Index i = 0; i < 3; ++i) expected[slot].push_back(together.state(slot).segment(10 * i, 10).reshaped(2, 5));

    together.keep_columns(std::vector{4, 1}, tensor);
    together.append_rows(1, tensor);
    const auto at = static_cast<std::size_t>(tensor);
    x[at] = Matrix<double>::Ones(3, 2), g[at] = mixed_matrix<double>(3, 2, 7);
    for (const std::size_t slot : {0U, 1U}) {
      Matrix<double> now = Matrix<double>::Zero(3, 2);
      now.topRows(2) = expected[slot][at](Eigen::all, std::vector{4, 1});
      expected[slot][at] = now;
      REQUIRE(together.state(slot).size() == 26);
      const double* from = together.state(slot).data();
      for (const auto& its : expected[slot]) {
        CHECK(same_bits(Matrix<double>(Eigen::Map<const Matrix<double>>(from, its.rows(), its.cols())), its));
        from += its.size();
      }
    }
    together.step(x, g);
    CHECK(together.steps() == 5);
  };
  check(0);
  check(1);
  check(2);
}

TEST_CASE("elements of a vector are its rows; all may go, and others come", "[resize]") {
  Optimizer<rules::Adam, double> optimizer(adam);
  Vector<double> x = start<double>(9);
  optimizer.step(x, mixed_gradient<double>(9, 1));
  const Vector<double> before = optimizer.state(0);
  optimizer.keep_rows(std::vector{8, 2});
  CHECK(same_bits(Vector<double>(optimizer.state(0)), Vector<double>(Eigen::Vector2d(before[8], before[2]))));
  optimizer.keep_rows(std::vector<int>());
  CHECK(optimizer.state(0).size() == 0);
  x.resize(0);
  optimizer.step(x, x);
  optimizer.append_rows(3);
  CHECK(same_bits(Vector<double>(optimizer.state(1)), Vector<double>(Vector<double>::Zero(3))));
  x.setOnes(3);
  optimizer.step(x, x);
  CHECK(optimizer.steps() == 3);
  CHECK(optimizer.state(1).minCoeff() > 0);
}

TEST_CASE("state that does not start at zero", "[resize]") {
  AdaGrad<double> optimizer({.initial_accumulator = 0.5});
  Vector<double> x = Vector<double>::Ones(2);
  optimizer.step(x, x);
  optimizer.append_rows(1);
  CHECK(same_bits(Vector<double>(optimizer.state(0)), Vector<double>(Eigen::Vector3d(1.5, 1.5, 0.5))));
}

TEST_CASE("before the first step nothing happens", "[resize]") {
  Optimizer<rules::Adam, double> optimizer(adam);
  optimizer.append_columns(3);
  optimizer.keep_rows(std::vector{4, 4});
  CHECK(optimizer.steps() == 0);
  Matrix<double> x = Matrix<double>::Ones(2, 2);
  optimizer.step(x, x);
  CHECK(optimizer.state(0).size() == 4);
}

TEST_CASE("the state of Adafactor keeps its rows and columns", "[resize]") {
  Optimizer<rules::Adafactor, double> optimizer;
  Matrix<double> x = Matrix<double>::Ones(3, 4);
  optimizer.step(x, mixed_matrix<double>(3, 4, 1));
  const Vector<double> before = optimizer.state(0);
  REQUIRE(before.size() == 7);
  optimizer.keep_columns(std::vector{3, 1});
  CHECK(same_bits(Vector<double>(optimizer.state(0)), Vector<double>(before(std::vector{0, 1, 2, 3 + 3, 3 + 1}))));
  optimizer.append_rows(2);
  Vector<double> expected = before(std::vector{0, 1, 2, 0, 0, 3 + 3, 3 + 1});
  expected.segment(3, 2).setZero();
  CHECK(same_bits(Vector<double>(optimizer.state(0)), expected));
  optimizer.keep_rows(std::vector{4, 2, 0});
  CHECK(same_bits(Vector<double>(optimizer.state(0)), Vector<double>(expected(std::vector{4, 2, 0, 5, 6}))));
  optimizer.append_columns(1);
  CHECK(optimizer.state(0).size() == 6);
  x = Matrix<double>::Ones(3, 3);
  optimizer.step(x, mixed_matrix<double>(3, 3, 2));

  const auto before_error = optimizer;
  CHECK(complaint([&] { optimizer.keep_columns(std::vector{1}); }) ==
        "descent: tensor 0 is 3x3 and cannot become 3x1, because the state of a matrix differs from that of a vector");
  CHECK(same_state(optimizer, before_error));
  Optimizer<rules::Adafactor, double> of_vector;
  Vector<double> v = Vector<double>::Ones(4);
  of_vector.step(v, v);
  of_vector.keep_rows(std::vector{1, 2});
  CHECK(of_vector.state(0).size() == 2);
  CHECK(complaint([&] { of_vector.append_columns(1); }).starts_with("descent: tensor 0 is 2x1 and cannot become 2x2"));
}

TEST_CASE("a matrix of Muon keeps its columns", "[resize]") {
  Optimizer<rules::Muon, double> optimizer;
  Matrix<double> x = Matrix<double>::Ones(3, 4);
  optimizer.step(x, mixed_matrix<double>(3, 4, 1));
  const Matrix<double> before = state_of(optimizer, 0, 3, 4);
  optimizer.keep_columns(std::vector{3, 0});
  optimizer.append_columns(1);
  Matrix<double> expected = Matrix<double>::Zero(3, 3);
  expected.leftCols(2) = before(Eigen::all, std::vector{3, 0});
  CHECK(same_bits(state_of(optimizer, 0, 3, 3), expected));
  x = Matrix<double>::Ones(3, 3);
  optimizer.step(x, mixed_matrix<double>(3, 3, 2));
  CHECK(optimizer.steps() == 2);
}

TEST_CASE("errors say what is wrong, and change nothing", "[resize]") {
  Optimizer<rules::Adam, double> optimizer(adam);
  Matrix<double> x = Matrix<double>::Ones(2, 5);
  optimizer.step(x, mixed_matrix<double>(2, 5, 1));
  const auto before = optimizer;
  CHECK(complaint<std::out_of_range>([&] { optimizer.keep_columns(std::vector{0, 5}); }) ==
        "descent: no column 5 to keep; there are 5, and both they and the given ones, of which this is number 1, count "
        "from 0");
  CHECK(complaint<std::out_of_range>([&] { optimizer.keep_rows(std::vector{-1}); }) ==
        "descent: no row -1 to keep; there are 2, and both they and the given ones, of which this is number 0, count "
        "from 0");
  CHECK(complaint([&] { optimizer.keep_columns(std::vector{3, 0, 3}); }) ==
        "descent: column 3 is to be kept twice, the second time as number 2 of those given, counted from 0");
  CHECK(complaint([&] { optimizer.keep_columns(std::vector<bool>(4)); }) == "descent: a mask of 4 for 5 columns");
  CHECK(complaint([&] { optimizer.append_rows(-2); }) == "descent: -2 rows to append; it must be >= 0");
  CHECK(complaint<std::length_error>([&] { optimizer.append_columns((std::numeric_limits<Index>::max)()); }) ==
        "descent: 9223372036854775807 columns are too many to append");
  CHECK(complaint<std::out_of_range>([&] { optimizer.append_columns(1, 1); }) ==
        "descent: no tensor 1; the parameters have 1, counted from 0");
  CHECK(complaint<std::out_of_range>([&] { optimizer.keep_columns(std::vector{1}, -1); }) ==
        "descent: no tensor -1; the parameters have 1, counted from 0");
  CHECK(same_state(optimizer, before));
  optimizer.append_columns(1);
  CHECK(complaint([&] { optimizer.step(x, x); }) ==
        "descent: the parameters are 2x5, but in the steps so far they were 2x6; reset() starts anew");
}

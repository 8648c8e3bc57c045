// SPDX-License-Identifier: MIT
//
// Sparse steps: what they name gets the bits of a step on plain arrays, what they do not name keeps its own, and
// PyTorch's SparseAdam ends where they do.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/SparseCore>

#include <descent/presets/pytorch.hpp>
#include <descent/sparse.hpp>

#include "catch.hpp"
#include "golden.hpp"
#include "tables.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::Index;

constexpr Index rows = 19, cols = 12;
constexpr int steps = 70;  // tiny state becomes 0 at two of them

/// Columns, or rows, of a matrix as plain arrays, stepped one by one.
template <class R, class Scalar>
struct OnArrays {
  R rule;
  StepCounter<R> counter;
  Matrix<Scalar> x;  ///< a column for each
  std::vector<Matrix<Scalar>> state;

  OnArrays(const R& its_rule, const Matrix<Scalar>& start) : rule(its_rule), x(start) {
    for (const double initial : initial_state(rule))
      state.push_back(Matrix<Scalar>::Constant(x.rows(), x.cols(), static_cast<Scalar>(initial)));
  }

  void step(const std::vector<int>& which, const Matrix<Scalar>& gradient) {
    std::map<int, Vector<Scalar>> sums;
    for (std::size_t k = 0; k < which.size(); ++k) {
      const Vector<Scalar> g = gradient.col(static_cast<Index>(k));
      const auto [at, is_new] = sums.try_emplace(which[k], g);
      if (!is_new)
        for (Index i = 0; i < g.size(); ++i) at->second[i] += g[i];
    }
    counter = counter.next(rule);
    for (const auto& [column, g] : sums) {
      std::array<Scalar*, R::state_names.size()> arrays{};
      for (std::size_t slot = 0; slot < arrays.size(); ++slot) arrays[slot] = state[slot].col(column).data();
      step_arrays(rule, counter, x.col(column).data(), g.data(), arrays, x.rows());
    }
  }

  /// Whether an optimizer's state, seen as a matrix of that order, is the same, or its transpose.
  template <int order>
  bool has_state_of(const Optimizer<R, Scalar>& optimizer, bool is_transposed) const {
    for (std::size_t slot = 0; slot < state.size(); ++slot) {
      const Vector<Scalar> flat = optimizer.state(slot);
      const Index r = is_transposed ? x.cols() : x.rows(), c = is_transposed ? x.rows() : x.cols();
      const Matrix<Scalar> its = Eigen::Map<const Matrix<Scalar, order>>(flat.data(), r, c);
      if (!same_bits(its, is_transposed ? Matrix<Scalar>(state[slot].transpose()) : state[slot])) return false;
    }
    return true;
  }
};

/// What a step names: few or many, in order or not, some of them twice.
std::vector<int> some(int step, Index count) {
  std::mt19937 random(static_cast<unsigned>(step));
  std::vector<int> which;
  const auto number = step % 11 == 0 ? 0 : step % 5 == 0 ? 40 : random() % 6;
  for (unsigned k = 0; k < number; ++k) which.push_back(static_cast<int>(random() % static_cast<unsigned>(count)));
  if (step % 3 == 0) std::sort(which.begin(), which.end());
  return which;
}

/// Calls visit(name, rule) for every rule that takes sparse steps.
template <class Visit>
void for_each_sparse_variant(Visit&& visit) {
  for_each_variant([&]<class R>(const char* name, const R& rule) {
    if constexpr (!StartsAtParameters<R>) visit(name, rule);
  });
}

/// Steps columns of `x`, or rows, whatever its layout, and compares.
template <class Scalar, int order, class X>
void compare_layout(X& x, bool by_rows, bool strided_gradient) {
  Optimizer<rules::Adam, Scalar> optimizer(adam);
  Matrix<Scalar> start = x;
  if (by_rows) start.transposeInPlace();
  OnArrays<rules::Adam, Scalar> expected(adam, start);
  for (int t = 1; t <= steps; ++t) {
    const std::vector<int> which = some(t, start.cols());
    const Matrix<Scalar> g = mixed_matrix<Scalar>(start.rows(), static_cast<Index>(which.size()), t);
    const Matrix<Scalar> transposed = g.transpose();
    expected.step(which, g);
    if (by_rows && strided_gradient)
      optimizer.step_rows(x, which, transposed);
    else if (by_rows)
      optimizer.step_rows(x, which, g.transpose());
    else if (strided_gradient)
      optimizer.step_columns(x, which, transposed.transpose());
    else
      optimizer.step_columns(x, which, g);
    INFO("step " << t);
    const Matrix<Scalar> now = by_rows ? Matrix<Scalar>(x.transpose()) : Matrix<Scalar>(x);
    REQUIRE(same_bits(now, expected.x));
  }
  CHECK(expected.template has_state_of<order>(optimizer, by_rows));
}

template <class O>
struct Unchanged {
  const O& optimizer;
  O before = optimizer;

  bool operator()() const { return same_state(optimizer, before); }
};
template <class O>
Unchanged(const O&) -> Unchanged<O>;

}  // namespace

TEST_CASE("columns that a step names get the bits of a step on plain arrays", "[sparse]") {
  for_each_sparse_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Optimizer<R, double> optimizer(rule);
    Matrix<double> x = start<double>(rows * cols).reshaped(rows, cols);
    OnArrays<R, double> expected(rule, x);
    for (int t = 1; t <= steps; ++t) {
      const std::vector<int> columns = some(t, cols);
      const Matrix<double> g = mixed_matrix<double>(rows, static_cast<Index>(columns.size()), t);
      optimizer.step_columns(x, columns, g);
      expected.step(columns, g);
      INFO("step " << t);
      REQUIRE(same_bits(x, expected.x));
    }
    CHECK(optimizer.steps() == steps);
    CHECK(expected.template has_state_of<Eigen::ColMajor>(optimizer, false));
  });
}

TEST_CASE("columns and rows of any layout", "[sparse]") {
  for (const bool by_rows : {false, true})
    for (const bool strided_gradient : {false, true}) {
      INFO("by rows: " << by_rows << ", strided gradient: " << strided_gradient);
      Matrix<float> column_major = start<float>(rows * cols).reshaped(rows, cols);
      Matrix<float, Eigen::RowMajor> row_major = column_major;
      Matrix<float> large = Matrix<float>::Constant(3 * rows, 2 * cols, 0.5f);
      const Matrix<float> around = large;
      auto block = large.block(2, 3, rows, cols);
      Eigen::Map<Matrix<float>, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> strided(
          large.data() + 1, rows, cols, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(large.rows(), 3));
      SECTION("column-major " + std::to_string(by_rows) + std::to_string(strided_gradient)) {
        compare_layout<float, Eigen::ColMajor>(column_major, by_rows, strided_gradient);
      }
      SECTION("row-major " + std::to_string(by_rows) + std::to_string(strided_gradient)) {
        compare_layout<float, Eigen::RowMajor>(row_major, by_rows, strided_gradient);
      }
      SECTION("block " + std::to_string(by_rows) + std::to_string(strided_gradient)) {
        compare_layout<float, Eigen::ColMajor>(block, by_rows, strided_gradient);
        large.block(2, 3, rows, cols) = around.block(2, 3, rows, cols);
        CHECK(same_bits(large, around));
      }
      SECTION("strided " + std::to_string(by_rows) + std::to_string(strided_gradient)) {
        compare_layout<float, Eigen::ColMajor>(strided, by_rows, strided_gradient);
      }
    }
}

TEST_CASE("elements of a vector are its rows", "[sparse]") {
  Vector<double> x = start<double>(600);
  Optimizer<rules::Adam, double> optimizer(adam);
  OnArrays<rules::Adam, double> expected(adam, x.transpose());
  for (int t = 1; t <= steps; ++t) {
    std::vector<int> which = some(t, x.size());
    for (int i = 0; i < 200 * (t % 4); ++i) which.push_back(i);  // more than are gathered at once
    const Vector<double> g = mixed_gradient<double>(static_cast<Index>(which.size()), t);
    optimizer.step_rows(x, which, g);
    expected.step(which, g.transpose());
    REQUIRE(same_bits(Matrix<double>(x.transpose()), expected.x));
  }
}

TEST_CASE("a sparse matrix steps the elements that it stores", "[sparse]") {
  const auto compare = []<int of_params, int of_gradient>(std::integral_constant<int, of_params>,
                                                          std::integral_constant<int, of_gradient>) {
    Matrix<double, of_params> x = start<double>(rows * cols).reshaped(rows, cols);
    Optimizer<rules::Adam, double> optimizer(adam);
    Vector<double> flat = Eigen::Map<Vector<double>>(x.data(), x.size());
    OnArrays<rules::Adam, double> expected(adam, flat.transpose());
    for (int t = 1; t <= steps; ++t) {
      Eigen::SparseMatrix<double, of_gradient> g(rows, cols);
      std::vector<int> which = some(t, rows * cols);
      std::sort(which.begin(), which.end());
      which.erase(std::unique(which.begin(), which.end()), which.end());
      const Vector<double> values = mixed_gradient<double>(static_cast<Index>(which.size()), t);
      for (std::size_t k = 0; k < which.size(); ++k) {
        const Index row = of_params == Eigen::RowMajor ? which[k] / cols : which[k] % rows,
                    col = of_params == Eigen::RowMajor ? which[k] % cols : which[k] / rows;
        g.insert(row, col) = values[static_cast<Index>(k)];
      }
      if (t % 2 == 0) g.makeCompressed();
      optimizer.step_sparse(x, g);
      expected.step(which, values.transpose());
      INFO("step " << t);
      REQUIRE(same_bits(Vector<double>(Eigen::Map<Vector<double>>(x.data(), x.size())),
                        Vector<double>(expected.x.transpose())));
    }
  };
  using Col = std::integral_constant<int, Eigen::ColMajor>;
  using Row = std::integral_constant<int, Eigen::RowMajor>;
  compare(Col(), Col());
  compare(Col(), Row());
  compare(Row(), Col());
  compare(Row(), Row());
}

TEST_CASE("a part of a sparse matrix, a map of one, and a sparse vector", "[sparse]") {
  Eigen::SparseMatrix<double> all(rows, 2 * cols);
  for (int k = 0; k < 20; ++k) all.insert(k % rows, (k * 7) % (2 * cols)) = k - 9.5;
  all.makeCompressed();
  Matrix<double> x = Matrix<double>::Ones(rows, cols), y = x, z = x;
  AdaGrad<double> whole, part, map;
  const Eigen::SparseMatrix<double> copy = all.middleCols(cols / 2, cols);
  whole.step_sparse(x, copy);
  part.step_sparse(y, all.middleCols(cols / 2, cols));
  const Eigen::Map<const Eigen::SparseMatrix<double>> view(rows, cols, copy.nonZeros(), copy.outerIndexPtr(),
                                                           copy.innerIndexPtr(), copy.valuePtr());
  map.step_sparse(z, view);
  CHECK(!x.isOnes());
  CHECK(same_bits(x, y));
  CHECK(same_bits(x, z));

  Vector<double> v = Vector<double>::Ones(100), w = v;
  Eigen::SparseVector<double> g(100);
  g.insert(3) = 2;
  g.insert(77) = -1;
  AdaGrad<double> sparse, by_rows;
  sparse.step_sparse(v, g);
  by_rows.step_rows(w, std::vector{3, 77}, Eigen::Vector2d(2, -1));
  CHECK(same_bits(v, w));
  CHECK(v[77] > 1);
}

TEST_CASE("indices are integers of any kind", "[sparse]") {
  const Eigen::Matrix2d g = Eigen::Matrix2d::Ones();
  Eigen::MatrixXd expected = Eigen::MatrixXd::Zero(2, 5);
  expected.col(1).setConstant(-1), expected.col(4).setConstant(-1);
  const auto check = [&](const auto& columns) {
    Eigen::MatrixXd x = Eigen::MatrixXd::Zero(2, 5);
    SGD<double> sgd({.learning_rate = 1});
    sgd.step_columns(x, columns, g);
    CHECK(x == expected);
  };
  check(std::vector<int>{1, 4});
  check(std::array<unsigned char, 2>{4, 1});
  check(Eigen::Vector2i(1, 4));
  check(Eigen::Vector<std::int64_t, Eigen::Dynamic>(Eigen::Vector2i(4, 1).cast<std::int64_t>()));
}

TEST_CASE("a zero gradient changes nothing with SGD and AdaGrad, and something with all others", "[sparse]") {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Optimizer<R, double> optimizer(rule);
    Vector<double> x = start<double>(rows);
    for (int t = 1; t <= 4; ++t) optimizer.step(x, mixed_gradient<double>(rows, t));
    const Vector<double> x_before = x;
    Optimizer<R, double> before = optimizer;
    optimizer.step(x, Vector<double>::Zero(rows));
    bool same = same_bits(x, x_before);
    for (std::size_t slot = 0; slot < R::state_names.size(); ++slot)
      same = same && same_bits(optimizer.state(slot), before.state(slot));
    if (!std::is_same_v<R, rules::Ftrl>)  // which rounds anew
      CHECK(same == (std::is_same_v<R, rules::SGD> || std::is_same_v<R, rules::AdaGrad>));
  });
}

TEST_CASE("with SGD and AdaGrad sparse steps are dense ones", "[sparse]") {
  const auto compare = []<class R>(const R& rule) {
    Optimizer<R, float> sparse(rule), dense(rule);
    Matrix<float> x = start<float>(rows * cols).reshaped(rows, cols), y = x;
    for (int t = 1; t <= steps; ++t) {
      const std::vector<int> columns = some(t, cols);
      const Matrix<float> g =
          Matrix<float>::Constant(rows, static_cast<Index>(columns.size()), static_cast<float>(t % 7) + 1);
      Matrix<float> all = Matrix<float>::Zero(rows, cols);
      for (std::size_t k = 0; k < columns.size(); ++k) all.col(columns[k]) += g.col(static_cast<Index>(k));
      sparse.step_columns(x, columns, g);
      dense.step(y, all);
      REQUIRE(same_bits(x, y));
      REQUIRE(same_state(sparse, dense));
    }
  };
  compare(rules::SGD{.learning_rate = 0.03});
  compare(rules::AdaGrad{.learning_rate = 0.03, .learning_rate_decay = 0.1});
  compare(Chain{transforms::GradientScale{0.3}, transforms::ClipValue{0.7}, rules::AdaGrad{}});
}

TEST_CASE("links of a chain act on what is named, and see the tensor that it is part of", "[sparse]") {
  const Chain rule{rules::SGD{.learning_rate = 0.5},
                   transforms::WeightDecay{.weight_decay = 0.5, .matrices_only = true}, transforms::Bounds{-1, 1}};
  auto optimizer = make_optimizer<double>(rule);
  Eigen::MatrixXd x = Eigen::MatrixXd::Constant(2, 3, 4);
  optimizer.step_columns(x, std::vector{1}, Eigen::Vector2d(1, 9));
  CHECK(x == (Eigen::MatrixXd(2, 3) << 4, 1, 4, 4, -1, 4).finished());  // 4 - 0.5 - 1 and 4 - 4.5 - 1, bounded
  auto of_vector = make_optimizer<double>(rule);
  Eigen::VectorXd v = Eigen::VectorXd::Constant(2, 0.5);
  of_vector.step_rows(v, std::vector{1}, Eigen::Matrix<double, 1, 1>(0.5));
  CHECK(v == Eigen::Vector2d(0.5, 0.25));
}

TEST_CASE("dense and sparse steps take turns", "[sparse]") {
  for (const Index r : {Index{3}, rows}) {  // small and large steps
    Optimizer<rules::Adam, double> optimizer(adam);
    Matrix<double> x = start<double>(r * cols).reshaped(r, cols);
    OnArrays<rules::Adam, double> expected(adam, x);
    std::vector<int> all(cols);
    for (int c = 0; c < cols; ++c) all[static_cast<std::size_t>(c)] = c;
    for (int t = 1; t <= steps; ++t) {
      const bool is_dense = t % 3 != 1;
      const std::vector<int> columns = is_dense ? all : some(t, cols);
      const Matrix<double> g = mixed_matrix<double>(r, static_cast<Index>(columns.size()), t);
      if (is_dense)
        optimizer.step(x, g);
      else
        optimizer.step_columns(x, columns, g);
      expected.step(columns, g);
      REQUIRE(same_bits(x, expected.x));
    }
  }
}

TEST_CASE("a gradient may share memory with the parameters or the state", "[sparse]") {
  Matrix<double> x = start<double>(rows * cols).reshaped(rows, cols), y = x;
  Optimizer<rules::Adam, double> optimizer(adam), apart(adam);
  const std::vector<int> columns{3, 4, 5, 2};
  for (int t = 1; t <= 5; ++t) {
    const Matrix<double> g = y.middleCols(2, 4);
    optimizer.step_columns(x, columns, x.middleCols(2, 4));
    apart.step_columns(y, columns, g);
    REQUIRE(same_bits(x, y));
    const Matrix<double> moments = Eigen::Map<const Matrix<double>>(apart.state(0).data() + rows, rows, 4);
    optimizer.step_columns(x, columns, Eigen::Map<const Matrix<double>>(optimizer.state(0).data() + rows, rows, 4));
    apart.step_columns(y, columns, moments);
    REQUIRE(same_bits(x, y));
    optimizer.step_columns(x, columns, 0.5 * x.leftCols(4) + x.rightCols(4));
    apart.step_columns(y, columns, (0.5 * y.leftCols(4) + y.rightCols(4)).eval());
    REQUIRE(same_bits(x, y));
  }
  CHECK(same_state(optimizer, apart));
}

TEST_CASE("errors of sparse steps say what is wrong, and change nothing", "[sparse]") {
  Optimizer<rules::Adam, double> optimizer(adam);
  Matrix<double> x = Matrix<double>::Ones(2, 5);
  const Matrix<double> g = Matrix<double>::Ones(2, 3), other = Matrix<double>::Ones(3, 3);
  for (const bool first : {true, false}) {
    if (!first) optimizer.step_columns(x, std::vector{1, 2, 3}, g);
    const Matrix<double> x_before = x;
    const Unchanged unchanged{optimizer};
    CHECK(complaint<std::out_of_range>([&] { optimizer.step_columns(x, std::vector{0, 1, 5}, g); }) ==
          "descent: no column 5; the parameters have 5, and both they and the given ones, of which this is number 2, "
          "count from 0");
    CHECK(complaint<std::out_of_range>([&] { optimizer.step_columns(x, std::vector{0, -1, 5}, g); }) ==
          "descent: no column -1; the parameters have 5, and both they and the given ones, of which this is number 1, "
          "count from 0");
    CHECK(complaint<std::out_of_range>([&] {
      optimizer.step_rows(x, Eigen::Vector2i(1, 2), Matrix<double>::Ones(2, 5));
    }).starts_with("descent: no row 2; the parameters have 2"));
    CHECK(complaint([&] { optimizer.step_columns(x, std::vector{0, 1}, g); }) ==
          "descent: the gradient is 2x3, but for 2 columns of parameters that are 2x5 it must be 2x2");
    CHECK(complaint([&] { optimizer.step_columns(x, std::vector{0, 1, 2}, other); }) ==
          "descent: the gradient is 3x3, but for 3 columns of parameters that are 2x5 it must be 2x3");
    CHECK(complaint([&] { optimizer.step_columns(x, std::vector{0, 1, 2}, 2 * other); }) ==
          "descent: the gradient is 3x3, but for 3 columns of parameters that are 2x5 it must be 2x3");
    CHECK(complaint([&] { optimizer.step_rows(x, std::vector{0, 1, 0}, other); }) ==
          "descent: the gradient is 3x3, but for 3 rows of parameters that are 2x5 it must be 3x5");
    CHECK(complaint([&] { optimizer.step_sparse(x, Eigen::SparseMatrix<double>(5, 2)); }) ==
          "descent: the gradient is 5x2, but the parameters are 2x5");
    const int begins[] = {0, 1, 1, 1, 1, 2}, inner[] = {1, 2};
    const double values[] = {1, 1};
    CHECK(complaint<std::out_of_range>([&] {
      optimizer.step_sparse(x, Eigen::Map<const Eigen::SparseMatrix<double>>(2, 5, 2, begins, inner, values));
    }).starts_with("descent: no row 2; the parameters have 2"));
    optimizer.learning_rate = -1;
    CHECK(complaint([&] {
      optimizer.step_columns(x, std::vector{0, 1, 2}, g);
    }).starts_with("descent::Adam: learning_rate = -1"));
    optimizer.learning_rate = adam.learning_rate;
    Matrix<double> wider = Matrix<double>::Ones(2, 6);
    if (!first)
      CHECK(complaint([&] {
        optimizer.step_columns(wider, std::vector{0, 1, 2}, g);
      }).starts_with("descent: the parameters are 2x6, but in the steps so far they were 2x5"));
    CHECK(same_bits(x, x_before));
    CHECK(unchanged());
  }
}

TEST_CASE("NonFinite also concerns sparse gradients and their sums", "[sparse]") {
  constexpr double inf = std::numeric_limits<double>::infinity(), large = 1e153;
  Optimizer<rules::Adam, double> optimizer(adam);
  Matrix<double> x = Matrix<double>::Ones(2, 5);
  Matrix<double> g = Matrix<double>::Ones(2, 3);
  const std::vector<int> columns{4, 2, 4};
  optimizer.step_columns(x, columns, g);
  const Matrix<double> x_before = x;
  const auto rejects = [&](const auto& step, const std::string& text) {
    const Unchanged unchanged{optimizer};
    CHECK(complaint<std::domain_error>(step) == text);
    CHECK(unchanged());
    CHECK(same_bits(x, x_before));
  };
  optimizer.set_nonfinite(NonFinite::reject);
  g(1, 2) = inf;
  rejects([&] { optimizer.step_columns(x, columns, g); }, "descent: the gradient is not finite: (1, 2) is inf");
  rejects([&] { optimizer.step_columns(x, columns, 1 * g); }, "descent: the gradient is not finite: (1, 2) is inf");
  Matrix<double> rows_of_g = Matrix<double>::Ones(1, 5);
  rows_of_g(0, 3) = -inf;
  rejects([&] { optimizer.step_rows(x, std::vector{1}, rows_of_g); },
          "descent: the gradient is not finite: (0, 3) is -inf");
  g.setConstant(1);
  g(0, 0) = g(0, 2) = 9 * large;
  rejects([&] { optimizer.step_columns(x, columns, g); },
          "descent: the gradient is too large: the square of (0, 0) is inf; it is 1.8e+154");
  Matrix<double> two_rows = Matrix<double>::Ones(2, 5);
  two_rows(0, 3) = two_rows(1, 3) = 9 * large;
  rejects([&] { optimizer.step_rows(x, std::vector{1, 1}, two_rows); },
          "descent: the gradient is too large: the square of (0, 3) is inf; it is 1.8e+154");
  Eigen::SparseMatrix<double> sparse(2, 5);
  sparse.insert(0, 1) = 1;
  sparse.insert(1, 3) = inf;
  rejects([&] { optimizer.step_sparse(x, sparse); }, "descent: the gradient is not finite: (1, 3) is inf");

  optimizer.set_nonfinite(NonFinite::skip, 2);
  optimizer.step_columns(x, columns, g);
  optimizer.step_sparse(x, sparse);
  CHECK(optimizer.skipped_steps() == 2);
  CHECK(optimizer.steps() == 1);
  rejects([&] { optimizer.step_sparse(x, sparse); },
          "descent: the gradient, after 2 skipped steps in a row, is not finite: (1, 3) is inf");
  g.setConstant(1);
  optimizer.step_columns(x, columns, g);
  CHECK(optimizer.steps() == 2);
  optimizer.step_sparse(x, sparse);  // no longer in a row
  CHECK(optimizer.skipped_steps() == 3);
}

TEST_CASE("frozen tensors and tensors with their own hyperparameters take sparse steps likewise", "[sparse]") {
  Optimizer<rules::Adam, double> optimizer(adam), alone(adam);
  Matrix<double> x = Matrix<double>::Ones(2, 5), y = x;
  const Matrix<double> g = Matrix<double>::Ones(2, 2);
  const std::vector<int> columns{3, 1};
  const auto step = [&](auto& one, auto& its_x) { one.step_columns(its_x, columns, g); };
  step(optimizer, x), step(alone, y);
  optimizer.freeze(0);
  optimizer.set_nonfinite(NonFinite::reject);
  optimizer.step_columns(x, columns, Matrix<double>::Constant(2, 2, std::nan("")));
  CHECK(same_bits(x, y));
  CHECK(optimizer.steps() == 2);
  optimizer.unfreeze(0);
  step(optimizer, x), step(alone, y);
  CHECK(same_bits(x, y));
  optimizer.tensor_rule(0).beta1 = alone.beta1 = 0.3;
  optimizer.tensor_rule(0).learning_rate = alone.learning_rate = 0.1;
  step(optimizer, x), step(alone, y);
  CHECK(same_bits(x, y));
  CHECK(optimizer.steps() == 4);

  Optimizer<rules::Adam, double> of_two(adam);
  of_two.freeze(1);
  CHECK(complaint<std::out_of_range>([&] { step(of_two, y); }).starts_with("descent: no tensor 1"));
}

TEST_CASE("nothing to step is a step", "[sparse]") {
  Adam<double> optimizer;
  Matrix<double> x = Matrix<double>::Ones(2, 5), empty(0, 5);
  optimizer.step_columns(x, std::vector<int>(), Matrix<double>(2, 0));
  optimizer.step_sparse(x, Eigen::SparseMatrix<double>(2, 5));
  CHECK(optimizer.steps() == 2);
  CHECK(x.isOnes());
  Adam<double> of_nothing;
  of_nothing.step_columns(empty, std::vector{4, 2, 4}, Matrix<double>(0, 3));
  CHECK(of_nothing.steps() == 1);
}

// ---- PyTorch -------------------------------------------------------------------------------------

namespace {

template <class Scalar, class R>
void follow(const golden::Trajectory& golden, const R& rule) {
  Optimizer<R, Scalar> optimizer(rule);
  Optimizer<R, double> twin(rule);
  Vector<Scalar> x = golden.at(0).template cast<Scalar>();
  Vector<double> now = golden.at(0), twin_now = Vector<double>::Zero(8);
  constexpr double u = std::numeric_limits<Scalar>::epsilon() / 2.0;
  golden::Bound bound(now, u > 1e-15 ? 1e-3 : 1e-12);
  for (int t = 1; t <= golden::steps; ++t) {
    const Vector<double>& g = golden::gradients()[static_cast<std::size_t>(t - 1)];
    const Vector<double> before = now, twin_before = twin_now;
    if (t == golden::halved_after + 1) optimizer.learning_rate = twin.learning_rate = rule.learning_rate / 2;
    std::vector<int> indices;
    for (int i = 0; i < 8; ++i)
      if (g[i] != 0) indices.push_back(i);
    const Vector<double> values = g(indices), sizes = values.cwiseAbs();
    const Vector<Scalar> halves = (values / 2).template cast<Scalar>().replicate(2, 1);
    std::vector<int> twice = indices;
    twice.insert(twice.end(), indices.begin(), indices.end());
    optimizer.step_rows(x, twice, halves);
    twin.step_rows(twin_now, indices, sizes);
    now = x.template cast<double>();
    bound.step(now - before, twin_now - twin_before, now, golden::step_roundings(rule, t, u));
    if (golden.contains(t)) bound.check(now, golden.at(t), t, u);
  }
}

}  // namespace

TEST_CASE("PyTorch's optimizers take the same sparse steps", "[sparse]") {
  auto goldens = golden::trajectories("sparse.txt");
  const auto takes = [&](const std::string& name, const auto& rule) {
    INFO(name);
    follow<float>(goldens.take(name + " float"), rule);
    follow<double>(goldens.take(name + " double"), rule);
  };
  namespace pytorch = presets::pytorch;
  takes("sparse_adam", pytorch::sparse_adam());
  takes("sparse_adam_betas_eps", golden::with(pytorch::sparse_adam(), [](auto& rule) {
    rule.beta1 = 0.5;
    rule.beta2 = 0.9;
    rule.epsilon = 1e-3;
  }));
  takes("adagrad", pytorch::adagrad());
  takes("adagrad_lr_decay", golden::with(pytorch::adagrad(), [](auto& rule) { rule.learning_rate_decay = 0.1; }));
  takes("sgd", pytorch::sgd());
  CHECK(goldens.left() == "");
}

// SPDX-License-Identifier: MIT
//
// No allocation after the first step, and none at all with a fixed size; the first test checks that the count works. A
// program of its own, because it replaces malloc.
#include <array>
#include <new>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include <Eigen/SparseCore>

#include <descent/resize.hpp>
#include <descent/rules/adafactor.hpp>
#include <descent/rules/muon.hpp>
#include <descent/sparse.hpp>

#include "catch.hpp"
#include "counted_heap.hpp"
#include "variants.hpp"
#include "views.hpp"

namespace {

using namespace descent;
using namespace descent::test;

template <class Call>
long allocations_of(Call&& call) {
  return heap::use_of(call).allocations;
}

}  // namespace

TEST_CASE("the count sees what allocates", "[allocation]") {
  CHECK(allocations_of([] { Eigen::VectorXd x(100); }) == 1);
  CHECK(allocations_of([] { ::operator delete(::operator new(64)); }) == 1);
  CHECK(allocations_of([] { ::operator delete(::operator new(64, std::align_val_t{64}), std::align_val_t{64}); }) == 1);
  CHECK(allocations_of([] {}) == 0);
}

TEST_CASE("only the first step allocates", "[allocation]") {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Optimizer<R, double> optimizer(rule);
    Vector<double> x = start<double>(50);
    const Vector<double> g = mixed_gradient<double>(50, 1);
    CHECK(allocations_of([&] { optimizer.step(x, g); }) <= 2);  // the state and the list of shapes
    CHECK(allocations_of([&] {
      for (int t = 0; t < 50; ++t) optimizer.step(x, g);
    }) == 0);
    CHECK(allocations_of([&] { optimizer.step(x, x); }) == 0);
  });
}

TEST_CASE("only the first step allocates, whatever the arguments", "[allocation]") {
  Adam<double> several, range, strided;
  Vector<double> x = start<double>(50), y = x;
  const Vector<double> g = mixed_gradient<double>(50, 1);
  std::vector<Vector<double>> params(5, x);
  const std::vector<Vector<double>> gradients(5, g);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic> m = x.replicate(1, 3).transpose();
  const auto step_all = [&] {
    several.step(std::tie(x, y), std::tie(g, g));
    range.step(params, std::span(gradients));
    strided.step(m.row(1), g.transpose());
  };
  step_all();
  CHECK(allocations_of([&] {
    for (int t = 0; t < 50; ++t) step_all();
  }) == 0);
}

TEST_CASE("only the first step of a chain allocates, and the first call for a tensor of its own", "[allocation]") {
  using namespace transforms;
  const Chain chain{ClipNorm{0.1}, ClipTensorNorm{0.05}, rules::Adam{}, WeightDecay{}, TrustRatio{}, Average{}};
  Optimizer<std::remove_const_t<decltype(chain)>, double> optimizer(chain);
  Optimizer<std::remove_const_t<decltype(chain)>, double, 50> fixed(chain);
  Vector<double> x = start<double>(50), y = start<double>(5000);
  Eigen::Vector<double, 50> z = x;
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor> m = y.reshaped(100, 50);
  const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> dm = m;
  const Vector<double> g = mixed_gradient<double>(50, 1), h = mixed_gradient<double>(5000, 1);
  const auto step = [&] { optimizer.step(std::tie(x, y, m), std::tie(g, h, dm)); };
  CHECK(allocations_of([&] { fixed.step(z, g); }) == 0);
  CHECK(allocations_of(step) <= 2 + 2);  // the state, the first shape, and what the others need
  CHECK(allocations_of(step) == 0);
  CHECK(allocations_of([&] { optimizer.freeze(1); }) > 0);
  CHECK(allocations_of([&] {
    for (int t = 0; t < 50; ++t) {
      step();
      optimizer.unfreeze(1);
      optimizer.tensor_rule(1).learning_rate = 0.01;
      step();
      optimizer.common_rule(1);
      optimizer.freeze(1);
    }
  }) == 0);
}

TEMPLATE_TEST_CASE("only the first step of whole matrices allocates, and none of a fixed size", "[allocation]",
                   rules::Muon, rules::Adafactor) {
  Optimizer<TestType, double> optimizer;
  Optimizer<TestType, double, 50> fixed;
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  Matrix small = Matrix::Identity(5, 7), large = Matrix::Identity(20, 9);
  Vector<double> x = start<double>(50);
  Eigen::Matrix<double, 5, 9, Eigen::ColMajor> W = small.leftCols<1>().replicate<1, 9>();
  Eigen::Vector<double, 5> b = x.head<5>();
  const auto step = [&] { optimizer.step(std::tie(small, x, large), std::tie(small, x, large)); };
  CHECK(allocations_of(step) <= 2 + 2 + 3);  // the same, and three sizes of work
  CHECK(allocations_of([&] {
    for (int t = 0; t < 50; ++t) step();
  }) == 0);
  CHECK(allocations_of([&] {
    for (int t = 0; t < 3; ++t) fixed.step(std::tie(W, b), std::tie(W, b));
  }) == 0);
}

TEMPLATE_TEST_CASE("if a step of a whole matrix finds no memory, all is as before", "[allocation]", rules::Muon,
                   rules::Adafactor) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  const Matrix start = Matrix::Identity(5, 7);
  int failures = 0;
  for (bool failed = true; failed;) {
    Optimizer<TestType, double> optimizer;
    Matrix W = start;
    heap::first_failing = heap::last_failing = failures + 1;
    failed = false;
    allocations_of([&] {
      try {
        optimizer.step(std::tie(W), std::tie(start));
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    heap::first_failing = heap::last_failing = 0;
    if (!failed) break;
    ++failures;
    CHECK(W == start);
    CHECK(optimizer.steps() == 0);
    optimizer.step(W, start);
    CHECK(optimizer.steps() == 1);
  }
  CHECK(failures == 4);  // for the shape, the state, and two for the work
}

TEST_CASE("a gradient expression costs memory once, not at every step", "[allocation]") {
  Adam<double> one, matrix, several, range, in_view, by_filter, overlapping;
  Vector<double> x = start<double>(50), y = x, z = x;
  Eigen::MatrixXd W = x.reshaped(5, 10);
  const Vector<double> g = mixed_gradient<double>(50, 1);
  const Eigen::MatrixXd dW = g.reshaped(5, 10);
  std::vector<Vector<double>> params(20, x), viewed = params, filtered = params;
  const std::vector<Vector<double>> gradients(20, g);
  using Doubled = std::remove_const_t<decltype(2 * g)>;
  const std::vector<Doubled> expressions(20, 2 * g);
  const auto step_all = [&] {
    one.step(x, 2 * g);
    matrix.step(W, -dW.cwiseProduct(dW));
    several.step(std::tie(y, W), std::tuple(2 * g, 2 * dW));
    range.step(params, expressions);
#if defined(DESCENT_TEST_VIEWS)
    in_view.step(viewed, gradients | std::views::transform([](const auto& of) { return 2 * of; }));
    const auto all = std::views::filter([](const auto& of) { return of.size() > 0; });
    by_filter.step(filtered | all, gradients | all);
#endif
    overlapping.step(z.tail(40), z.head(40));
  };
  step_all();
  CHECK(allocations_of([&] {
    for (int t = 0; t < 50; ++t) step_all();
  }) == 0);
}

TEST_CASE("only the first sparse steps allocate", "[allocation]") {
  Adam<double> by_columns, by_rows, by_elements;
  Eigen::MatrixXd x = Eigen::MatrixXd::Ones(20, 30), y = x, z = x;
  Eigen::SparseMatrix<double> sparse(20, 30);
  for (int k = 0; k < 20; ++k) sparse.insert(k, k) = 1;
  const auto step_all = [&](std::size_t touched) {
    std::array<int, 9> which{7, 3, 7, 19, 0, 3, 3, 5, 1};
    const std::span columns(which.data(), touched);
    const auto n = static_cast<Eigen::Index>(touched);
    by_columns.step_columns(x, columns, 2 * y.leftCols(n));
    by_rows.step_rows(y, columns, x.topRows(n));
    by_elements.step_sparse(z, sparse);
  };
  step_all(9);
  CHECK(allocations_of([&] {
    for (int t = 0; t < 50; ++t) step_all(static_cast<std::size_t>(t % 10));
  }) == 0);
}

TEST_CASE("a sparse step or a change of columns that finds no memory leaves all as before", "[allocation]") {
  const Eigen::MatrixXd start = Eigen::MatrixXd::Ones(5, 7), g = Eigen::MatrixXd::Constant(5, 3, 0.5);
  const auto check = [&](bool first, int expected, const auto& change) {
    Adam<double> before;
    Eigen::MatrixXd x = start;
    if (!first) before.step(x, x);
    const Eigen::MatrixXd x_before = x;
    int failures = 0;
    for (bool failed = true; failed;) {
      Adam<double> optimizer = before;
      heap::first_failing = heap::last_failing = failures + 1;
      failed = false;
      allocations_of([&] {
        try {
          change(optimizer, x);
        } catch (const std::bad_alloc&) {
          failed = true;
        }
      });
      heap::first_failing = heap::last_failing = 0;
      if (!failed) break;
      ++failures;
      CHECK(x == x_before);
      CHECK(same_state(optimizer, before));
      Eigen::MatrixXd y = x;
      optimizer.step(y, y);
      CHECK(optimizer.steps() == before.steps() + 1);
    }
    CHECK(failures == expected);
  };
  const std::array<int, 3> columns{4, 1, 4};
  const auto step = [&](auto& optimizer, auto& x) { optimizer.step_columns(x, columns, 2 * g); };
  check(true, 8, step);  // what is kept, indices, slices, expression, sums and hash table, and two for the state
  check(false, 6, step);
  check(false, 3, [&](auto& optimizer, auto&) { optimizer.keep_columns(std::array{4, 1}); });
  check(false, 2, [&](auto& optimizer, auto&) { optimizer.append_rows(2); });
}

TEST_CASE("only the first cycle of an accumulator allocates", "[allocation]") {
  GradientAccumulator<double> single, several, range, expression;
  Vector<double> x = start<double>(50), y = x;
  const Vector<double> g = mixed_gradient<double>(50, 1);
  std::vector<Vector<double>> params(5, x);
  const std::vector<Vector<double>> gradients(5, g);
  double sum = 0;
  const auto accumulate = [&] {
    for (int k = 0; k < 3; ++k) {
      single.add(g);
      several.add(std::tie(x, g));
      range.add(gradients);
      expression.add(2 * g);
    }
    sum += single.take_mean(x)[0] + std::get<1>(several.take_sum(std::tie(x, y)))[0] + expression.take_mean(x)[0];
    for (const auto& mean : range.take_mean(params)) sum += mean[0];
  };
  accumulate();
  CHECK(allocations_of([&] {
    for (int t = 0; t < 10; ++t) accumulate();
  }) == 0);
}

TEST_CASE("an accumulator that finds no memory is as before", "[allocation]") {
  const Vector<double> g = mixed_gradient<double>(50, 1), longer = mixed_gradient<double>(500, 1);
  int failures = 0;
  for (bool failed = true; failed;) {
    GradientAccumulator<double> accumulator;
    accumulator.add(g);
    accumulator.reset();
    heap::first_failing = heap::last_failing = failures + 1;
    failed = false;
    allocations_of([&] {
      try {
        accumulator.add(1 * longer);
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    heap::first_failing = heap::last_failing = 0;
    if (!failed) break;
    ++failures;
    CHECK(accumulator.count() == 0);
    accumulator.add(g);
    CHECK(accumulator.take_mean(g) == g);
  }
  CHECK(failures == 2);  // for the values, and for their sum
}

TEST_CASE("a fixed size never allocates", "[allocation]") {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Eigen::Vector<float, 6> x = start<float>(6);
    const Eigen::Vector<float, 6> g = mixed_gradient<float>(6, 1);
    CHECK(allocations_of([&] {
      Optimizer<R, float, 6> optimizer(rule);
      for (int t = 0; t < 3; ++t) optimizer.step(x, g);
      optimizer.step(x, x + g);
      Optimizer<R, float, 6> copy = optimizer;
      copy.step(x, g);
      optimizer.reset();
      optimizer.step(x, g);
    }) == 0);
  });

  Eigen::Vector<float, 2> a = Eigen::Vector<float, 2>::Ones();
  Eigen::Matrix<float, 2, 2> b = Eigen::Matrix<float, 2, 2>::Identity();
  CHECK(allocations_of([&] {
    Adam<float, 6> several;
    for (int t = 0; t < 3; ++t) several.step(std::tie(a, b), std::tie(a, b));
  }) == 0);
}

// SPDX-License-Identifier: MIT
//
// The norms that links of a chain are given: against sums in long double, with sizes around the blocks and lanes of
// kernel/norm.hpp, and beyond the range of squares.
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string_view>
#include <tuple>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

constexpr auto infinity = std::numeric_limits<double>::infinity();

/// Notes the norms that it is given, and passes on what arrives.
template <Place at, NormOf of, int number>
struct Notes {
  static inline double norm = 0, parameter_norm = 0;

  static constexpr std::string_view name = "Notes";
  static constexpr auto place = at;
  static constexpr auto norm_of = of;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) { return list(); }
  auto kernel(const auto& step) const {
    norm = step.norm;
    parameter_norm = step.parameter_norm;
    return [](const auto&, const auto& value) __attribute__((always_inline)) { return copied(value); };
  }
};
using OfAll = Notes<Place::gradient, NormOf::all_tensors, 0>;
using OfLast = Notes<Place::gradient, NormOf::each_tensor, 0>;
using OfStep = Notes<Place::step, NormOf::each_tensor, 0>;

using Chained = Chain<OfAll, OfLast, rules::SGD, OfStep>;

/// The norm of x, by sums of 1000 squares each, as the ratio `x.norm() / scale`.
template <class X>
long double norm_of(const X& x, long double scale = 1) {
  long double sum = 0;
  for (Eigen::Index begin = 0; begin < x.size(); begin += 1000) {
    long double part = 0;
    for (Eigen::Index i = begin; i < (std::min)(begin + 1000, x.size()); ++i) {
      const long double element = static_cast<long double>(x[i]) / scale;
      part += element * element;
    }
    sum += part;
  }
  return std::sqrt(sum) * scale;
}

template <class Scalar>
Vector<Scalar> random_vector(Eigen::Index n) {
  std::mt19937_64 random(static_cast<std::uint64_t>(n));
  std::normal_distribution<Scalar> normal;
  return Vector<Scalar>::NullaryExpr(n, [&] { return normal(random); });
}

/// Checks a norm of n numbers. Its sum has at most 256 roundings in a lane and one in each square, 4 for the lanes, and
/// one for each block; as all terms are positive, these are relative errors of the sum, and half as large for its root,
/// which has another.
void check_norm(double norm, long double expected, Eigen::Index n) {
  const long double u = std::numeric_limits<double>::epsilon() / 2;
  const long double roundings = (257 + 4 + n / 4096 + 1) / 2.0L + 1;
  INFO(n << " numbers, " << norm);
  CHECK(std::abs(norm - expected) <= roundings * u * expected);
}

}  // namespace

TEMPLATE_TEST_CASE("norms are those of sums in long double", "[norm]", float, double) {
  for (const Eigen::Index n : {0, 1, 2, 3, 15, 16, 17, 31, 100, 4095, 4096, 4097, 4111, 8192, 20'000, 100'003}) {
    Optimizer<Chained, TestType> optimizer(Chained{{}, {}, {.learning_rate = 0.25}, {}});
    Vector<TestType> x = random_vector<TestType>(n + 1).tail(n), y = random_vector<TestType>(17);
    const Vector<TestType> g = random_vector<TestType>(n), h = random_vector<TestType>(n + 18).tail(17);
    const long double of_x = norm_of(y);
    optimizer.step(std::tie(x, y), std::tie(g, h));
    check_norm(OfAll::norm, std::hypot(norm_of(g), norm_of(h)), n + 17);
    check_norm(OfLast::norm, norm_of(h), 17);
    check_norm(OfStep::norm, norm_of(h) / 4, 17);  // a product with a power of two is exact
    check_norm(OfStep::parameter_norm, of_x, 17);
  }
}

TEST_CASE("norms of long double", "[norm]") {
  Optimizer<Chained, long double> optimizer;
  Vector<long double> x = random_vector<long double>(5000);
  const Vector<long double> g = random_vector<long double>(5000);
  optimizer.step(x, g);
  check_norm(OfAll::norm, norm_of(g), 5000);
}

TEMPLATE_TEST_CASE("norms neither overflow nor vanish where the squares do", "[norm]", float, double) {
  const auto largest = (std::numeric_limits<TestType>::max)();
  const auto smallest = (std::numeric_limits<TestType>::min)();
  for (const TestType scale :
       {largest / 256, std::sqrt(largest), std::sqrt(smallest), std::sqrt(smallest) / 0x1p15F, smallest * 4096}) {
    Optimizer<Chained, TestType> optimizer(Chained{{}, {}, {.learning_rate = 1}, {}});
    Vector<TestType> x = Vector<TestType>::Constant(5000, 1);
    const Vector<TestType> g = random_vector<TestType>(5000).cwiseMin(2).cwiseMax(-2) * scale;
    optimizer.step(x, g);
    check_norm(OfAll::norm, norm_of(g, scale), 5000);
    check_norm(OfLast::norm, norm_of(g, scale), 5000);
    check_norm(OfStep::norm, norm_of(g, scale), 5000);
    check_norm(OfStep::parameter_norm, std::sqrt(5000.0L), 5000);
  }
}

TEMPLATE_TEST_CASE("norms of nothing, of zeros, infinities and NaN", "[norm]", float, double) {
  Optimizer<Chained, TestType> optimizer;
  Vector<TestType> x = Vector<TestType>::Zero(100), g = x;
  optimizer.step(x, g);
  CHECK(OfAll::norm == 0);
  CHECK(OfStep::norm == 0);
  g[70] = -std::numeric_limits<TestType>::infinity();
  optimizer.step(x, g);
  CHECK(OfAll::norm == infinity);
  CHECK(OfStep::norm == infinity);
  g[99] = std::numeric_limits<TestType>::quiet_NaN();
  optimizer.step(x, g);
  CHECK(std::isnan(OfAll::norm));
  CHECK(std::isnan(OfLast::norm));
}

TEMPLATE_TEST_CASE("a norm does not depend on layout and alignment", "[norm]", float, double) {
  using RowMajor = Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using ColMajor = Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  for (const auto& [rows, cols] : {std::pair{90, 113}, {5000, 3}, {3, 5000}, {1, 4099}}) {
    const auto n = static_cast<Eigen::Index>(rows * cols);
    const Vector<TestType> numbers = random_vector<TestType>(n);
    const ColMajor g = numbers.reshaped(rows, cols), x = g.reverse();
    Optimizer<Chained, TestType> plain;
    ColMajor y = x;
    plain.step(y, g);
    const std::array expected{OfAll::norm, OfLast::norm, OfStep::norm, OfStep::parameter_norm};
    check_norm(OfAll::norm, norm_of(numbers), n);
    const auto same_norms = [&] {
      return std::array{OfAll::norm, OfLast::norm, OfStep::norm, OfStep::parameter_norm} == expected;
    };

    Optimizer<Chained, TestType> other_layout;
    ColMajor z = x;
    other_layout.step(z, RowMajor(g));
    CHECK(same_norms());
    CHECK(z == y);

    Optimizer<Chained, TestType> strided;
    ColMajor wide = ColMajor::Zero(2 * rows + 1, cols + 1);
    auto part = wide(Eigen::seqN(1, rows, 2), Eigen::seqN(1, cols));
    part = x;
    using Strided = Eigen::Map<ColMajor, Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
    Strided map(&wide(1, 1), rows, cols, {wide.rows(), 2});
    strided.step(map, g);
    CHECK(same_norms());
    CHECK(map == y);
  }
}

// SPDX-License-Identifier: MIT
//
// GradientAccumulator: sums and means by single operations, for every kind of argument, ready for a step.
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <list>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <descent/training/gradient_accumulator.hpp>

#include "catch.hpp"
#include "variants.hpp"
#include "views.hpp"

namespace {

using descent::GradientAccumulator;
using descent::test::complaint;
using descent::test::mixed_gradient;
using descent::test::same_bits;
using descent::test::Vector;

using Eigen::Index;
template <class Scalar>
using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class Scalar>
using ColMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

/// ((g1 + g2) + g3) + ..., each number through memory
template <class Scalar>
Vector<Scalar> sum_of(const std::vector<Vector<Scalar>>& gradients) {
  Vector<Scalar> sum = gradients[0];
  for (std::size_t k = 1; k < gradients.size(); ++k)
    for (Index i = 0; i < sum.size(); ++i) {
      volatile Scalar element = sum[i];
      element = element + gradients[k][i];
      sum[i] = element;
    }
  return sum;
}

template <class Scalar>
Vector<Scalar> mean_of(const std::vector<Vector<Scalar>>& gradients) {
  Vector<Scalar> mean = sum_of(gradients);
  volatile Scalar count = static_cast<Scalar>(gradients.size());
  for (Index i = 0; i < mean.size(); ++i) mean[i] = mean[i] / count;
  return mean;
}

template <class Scalar>
std::vector<Vector<Scalar>> some_gradients(Index size, int count) {
  std::vector<Vector<Scalar>> gradients;
  for (int k = 1; k <= count; ++k) gradients.push_back(mixed_gradient<Scalar>(size, k));
  return gradients;
}

template <class Scalar>
Vector<Scalar> flat(const auto& tensor) {
  return ColMajor<Scalar>(tensor).reshaped();
}

template <class Scalar>
void check_sums_and_means() {
  GradientAccumulator<Scalar> accumulator;
  for (const Index size : {0, 1, 2, 3, 7, 8, 9, 16, 31, 100, 1001})
    for (const int count : {1, 2, 3, 7}) {
      const auto gradients = some_gradients<Scalar>(size, count);
      for (const auto& gradient : gradients) accumulator.add(gradient);
      CHECK(accumulator.count() == count);
      CHECK(same_bits(flat<Scalar>(accumulator.take_sum(gradients[0])), sum_of(gradients)));
      CHECK(accumulator.count() == 0);
      for (const auto& gradient : gradients) accumulator.add(gradient);
      CHECK(same_bits(flat<Scalar>(accumulator.take_mean(gradients[0])), mean_of(gradients)));
      CHECK(accumulator.count() == 0);
    }
}

}  // namespace

TEST_CASE("sums in the order of the calls, divided once", "[gradient_accumulator]") {
  check_sums_and_means<float>();
  check_sums_and_means<double>();
  check_sums_and_means<long double>();

  GradientAccumulator<float> accumulator;
  const Eigen::Vector2f large(0x1p24f, -0.0f), one(1, -0.0f), back(-0x1p24f, -0.0f);
  for (const auto& gradient : {large, one, back}) accumulator.add(gradient);  // 2^24 + 1 is rounded to 2^24
  CHECK(same_bits(Eigen::Vector2f(accumulator.take_sum(one)), Eigen::Vector2f(0, -0.0f)));
  for (const auto& gradient : {large, back, one}) accumulator.add(gradient);
  CHECK(same_bits(Eigen::Vector2f(accumulator.take_sum(one)), Eigen::Vector2f(1, -0.0f)));
}

TEST_CASE("gradients that are not finite stay so", "[gradient_accumulator]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  GradientAccumulator<float> accumulator;
  accumulator.add(Eigen::Vector3f(infinity, infinity, 1));
  accumulator.add(Eigen::Vector3f(1, -infinity, std::numeric_limits<float>::quiet_NaN()));
  const Eigen::Vector3f mean = accumulator.take_mean(Eigen::Vector3f());
  CHECK(mean[0] == infinity);
  CHECK(std::isnan(mean[1]));
  CHECK(std::isnan(mean[2]));
}

TEST_CASE("every kind of gradient", "[gradient_accumulator]") {
  constexpr Index rows = 5, cols = 7;
  const auto gradients = some_gradients<double>(rows * cols, 3);
  const Vector<double> expected = mean_of(gradients);
  const auto matrix = [&](std::size_t k) { return gradients[k].reshaped(rows, cols); };
  const ColMajor<double> shape(rows, cols);
  const RowMajor<double> by_rows = matrix(2);
  Eigen::MatrixXd larger = Eigen::MatrixXd::Constant(2 * rows, 3 * cols, 7);
  auto strided = larger(Eigen::seqN(1, rows, Eigen::fix<2>), Eigen::seqN(0, cols, Eigen::fix<3>));
  strided = matrix(2);
  const Eigen::Matrix<double, rows, cols> fixed = matrix(2);
  const Eigen::ArrayXXd array = matrix(2);
  const Eigen::Ref<const Eigen::MatrixXd> ref(array.matrix());

  GradientAccumulator<double> accumulator;
  const auto check = [&](const auto& first, const auto& second, const auto& third) {
    accumulator.add(first);
    accumulator.add(second);
    accumulator.add(third);
    const auto mean = accumulator.take_mean(shape);
    CHECK(same_bits(flat<double>(mean), expected));
    for (Index row = 0; row < rows; ++row) CHECK(mean(row, 3) == expected[row + 3 * rows]);
  };
  const ColMajor<double> first = matrix(0), second = matrix(1);
  const RowMajor<double> first_by_rows = first;
  check(first, second, matrix(2));
  check(first, second, by_rows);
  check(first_by_rows, second, by_rows);
  check(first_by_rows, second, strided);
  check(first.array(), second, strided);
  check(first, second, fixed);
  check(first, second, array);
  check(first, second, ref);
  check(first, second, 0.5 * (2 * array));
  check(first * Eigen::MatrixXd::Identity(cols, cols), second, 1 * strided);
  check(first.rowwise().reverse().rowwise().reverse(), second, by_rows.transpose().transpose());

  // And of mean.
  accumulator.add(first);
  accumulator.add(second);
  accumulator.add(by_rows);
  const RowMajor<double> params_by_rows = first;
  const auto mean = accumulator.take_mean(params_by_rows);
  static_assert(decltype(mean)::IsRowMajor);
  CHECK(same_bits(flat<double>(mean), expected));
  for (const auto& gradient : gradients) accumulator.add(gradient.transpose());
  CHECK(same_bits(flat<double>(accumulator.take_mean(gradients[0].transpose())), expected));
  for (const auto& gradient : gradients) accumulator.add(gradient.array());
  CHECK((accumulator.take_mean(gradients[0].array()) * 1 == expected.array()).all());  // of an array an array
}

TEST_CASE("a tuple and a range of gradients", "[gradient_accumulator]") {
  const auto gradients = some_gradients<float>(6 + 4 + 6, 4);
  const Vector<float> expected = mean_of(gradients);
  const auto W = [&](std::size_t k) { return RowMajor<float>(gradients[k].head(6).reshaped(2, 3)); };
  const auto b = [&](std::size_t k) { return Vector<float>(gradients[k].segment(6, 4)); };
  const auto V = [&](std::size_t k) { return gradients[k].tail(6).reshaped(3, 2) * 1; };

  GradientAccumulator<float> accumulator;
  for (std::size_t k = 0; k < 4; ++k) accumulator.add(std::tuple(W(k), b(k), V(k)));
  RowMajor<float> params_W(2, 3);
  Vector<float> params_b(4);
  Eigen::Matrix<float, 3, 2> params_V;
  const auto [mean_W, mean_b, mean_V] = accumulator.take_mean(std::tie(params_W, params_b, params_V));
  CHECK(same_bits(flat<float>(mean_W), Vector<float>(expected.head(6))));
  CHECK(same_bits(flat<float>(mean_b), Vector<float>(expected.segment(6, 4))));
  CHECK(same_bits(flat<float>(mean_V), Vector<float>(expected.tail(6))));

  // The order within a range is that of the first gradient.
  std::list<Eigen::MatrixXf> params{params_W, params_V};
  accumulator.add(std::vector<RowMajor<float>>{W(0), V(0)});
  for (std::size_t k = 1; k < 4; ++k) accumulator.add(std::list<Eigen::MatrixXf>{W(k), V(k)});
  const auto means = accumulator.take_mean(params);
  REQUIRE(means.size() == 2);
  static_assert(std::forward_iterator<decltype(means.begin())>);
  CHECK(same_bits(flat<float>(means[0]), Vector<float>(expected.head(6))));
  CHECK(same_bits(flat<float>(means[1]), Vector<float>(expected.tail(6))));
  Index tensor = 0;
  for (const auto& mean : means)
    CHECK(same_bits(flat<float>(mean), flat<float>(means[static_cast<std::size_t>(tensor++)])));
  CHECK(tensor == 2);

  accumulator.add(std::vector<Eigen::MatrixXf>{});
  CHECK(accumulator.take_sum(std::vector<Eigen::MatrixXf>{}).size() == 0);
}

TEST_CASE("a step takes what accumulates", "[gradient_accumulator]") {
  const auto gradients = some_gradients<double>(12 + 5, 4);
  const Vector<double> mean = mean_of(gradients);
  const auto W_of = [](const auto& all) { return all.head(12).reshaped(3, 4); };
  const auto b_of = [](const auto& all) { return all.tail(5); };

  ColMajor<double> W = ColMajor<double>::Ones(3, 4), expected_W = W;
  Vector<double> b = Vector<double>::Ones(5), expected_b = b;
  descent::Adam<double> adam, expected_adam;
  GradientAccumulator<double> accumulator;
  for (int step = 0; step < 3; ++step) {
    for (const auto& gradient : gradients) accumulator.add(std::tuple(W_of(gradient), b_of(gradient)));
    adam.step(std::tie(W, b), accumulator.take_mean(std::tie(W, b)));
    expected_adam.step(std::tie(expected_W, expected_b), std::tuple(W_of(mean), b_of(mean)));
  }
  CHECK(adam.steps() == 3);
  CHECK(same_bits(W, expected_W));
  CHECK(same_bits(b, expected_b));

  // One tensor, and a range, without a copy of what the accumulator has.
  descent::SGD<double> sgd({.learning_rate = 1}), sgd_of_range({.learning_rate = 1});
  Vector<double> x = Vector<double>::Zero(17);
  for (const auto& gradient : gradients) accumulator.add(gradient);
  sgd.step(x, accumulator.take_sum(x));
  CHECK(same_bits(x, Vector<double>(Vector<double>::Zero(17) - sum_of(gradients))));
  std::vector<ColMajor<double>> layers{ColMajor<double>::Zero(3, 4), ColMajor<double>::Zero(5, 1)};
  for (const auto& gradient : gradients) accumulator.add(std::vector<ColMajor<double>>{W_of(gradient), b_of(gradient)});
  sgd_of_range.step(layers, accumulator.take_sum(layers));
  CHECK(same_bits(flat<double>(layers[0]), Vector<double>(x.head(12))));
  CHECK(same_bits(flat<double>(layers[1]), Vector<double>(x.tail(5))));
  static_assert(descent::detail::in_memory<decltype(accumulator.take_sum(x))>);
  static_assert(descent::detail::in_memory<decltype(accumulator.take_sum(layers))>);
  static_assert(descent::detail::in_memory<decltype(accumulator.take_sum(std::tie(W, b)))>);
}

TEST_CASE("what does not fit is refused, and nothing has changed", "[gradient_accumulator]") {
  const std::string of = "descent::GradientAccumulator: ";
  const Eigen::Vector3d g(1, 2, 3);
  const Eigen::Vector2d other(1, 2);
  GradientAccumulator<double> accumulator;
  CHECK(complaint<std::logic_error>([&] { accumulator.take_sum(g); }) ==
        of + "no gradient has been added, so there is neither sum nor mean");
  CHECK(complaint<std::logic_error>([&] { accumulator.take_mean(g); }) ==
        of + "no gradient has been added, so there is neither sum nor mean");

  accumulator.add(g);
  const std::string in_another_shape = of + "the gradient is 2x1, but so far it was 3x1; reset() starts anew";
  CHECK(complaint([&] { accumulator.add(other); }) == in_another_shape);
  CHECK(complaint([&] { accumulator.add(2 * other); }) == in_another_shape);
  CHECK(complaint([&] { accumulator.add(g.transpose()); }) ==
        of + "the gradient is 1x3, but so far it was 3x1; reset() starts anew");
  CHECK(complaint([&] { accumulator.add(std::tie(g, g)); }) ==
        of + "2 gradients, but so far they were 1; reset() starts anew");
  CHECK(complaint([&] { accumulator.add(std::tuple(2 * g, 2 * g)); }) ==
        of + "2 gradients, but so far they were 1; reset() starts anew");
  CHECK(complaint([&] { accumulator.take_sum(other); }) ==
        of + "the parameters are 2x1, but the gradients that were added are 3x1");
  CHECK(complaint([&] { accumulator.take_mean(std::tie(g, other)); }) ==
        of + "2 tensors of parameters, but 1 gradients were added");
  CHECK(accumulator.count() == 1);
  accumulator.add(g);
  CHECK(same_bits(Eigen::Vector3d(accumulator.take_mean(g)), g));

  accumulator.add(std::tie(g, other));
  CHECK(complaint([&] { accumulator.add(std::tie(g, g)); }) ==
        of + "the gradient of tensor 1 (of 2, from 0) is 3x1, but so far it was 2x1; reset() starts anew");
  CHECK(complaint([&] { accumulator.take_mean(std::tie(g, g)); }) ==
        of + "the parameters of tensor 1 (of 2, from 0) are 3x1, but the gradients that were added are 2x1");
  CHECK(accumulator.count() == 1);

  // After a reset, or when a mean was taken, other shapes are right.
  accumulator.reset();
  CHECK(accumulator.count() == 0);
  accumulator.add(other);
  const auto mean = accumulator.take_mean(other);
  CHECK(complaint([&] { accumulator.add(mean); }) == of + "the gradient is in the memory of the accumulator itself");
  CHECK(accumulator.count() == 0);
  accumulator.add(3 * mean);  // an expression is evaluated before
  CHECK(same_bits(Eigen::Vector2d(accumulator.take_mean(other)), Eigen::Vector2d(3, 6)));
}

TEST_CASE("copies are independent", "[gradient_accumulator]") {
  const Eigen::Vector2d g(1, 2);
  GradientAccumulator<double> accumulator;
  accumulator.add(g);
  GradientAccumulator<double> copy = accumulator, assigned;
  assigned.add(Eigen::Vector3d(1, 2, 3));
  assigned = accumulator;
  accumulator.add(g);
  copy.add(3 * g);
  CHECK(same_bits(Eigen::Vector2d(accumulator.take_sum(g)), Eigen::Vector2d(2, 4)));
  CHECK(same_bits(Eigen::Vector2d(copy.take_sum(g)), Eigen::Vector2d(4, 8)));
  CHECK(same_bits(Eigen::Vector2d(assigned.take_sum(g)), g));
}

#if defined(DESCENT_TEST_VIEWS)
TEST_CASE("gradients and parameters that a filter chooses", "[gradient_accumulator]") {
  using namespace descent;
  using namespace descent::test;
  std::vector<Eigen::VectorXd> params{start<double>(5), start<double>(2), start<double>(3)},
      plain{params[0], params[2]};
  const std::vector<Eigen::VectorXd> gradients = params, plain_gradients = plain;
  const auto large = std::views::filter([](const auto& tensor) { return tensor.size() > 2; });
  Adam<double> by_filter, adam;
  GradientAccumulator<double> chosen, all;
  for (int t = 0; t < 3; ++t) {
    for (int k = 0; k < 2; ++k) {
      chosen.add(gradients | large);
      all.add(plain_gradients);
    }
    by_filter.step(params | large, chosen.take_mean(params | large));
    adam.step(plain, all.take_mean(plain));
  }
  CHECK(same_bits(params[0], plain[0]));
  CHECK(params[1] == gradients[1]);
  CHECK(same_bits(params[2], plain[1]));
}
#endif

// SPDX-License-Identifier: MIT
//
// What users of other libraries were bitten by, each ruled out by a test that names it. Some are ruled out by tests of
// wider claims:
//   - copies that share state: properties.cpp, "a copy goes on exactly as the original would"
//   - a rate that cannot change during a run: formulas.cpp, "a hyperparameter changed during a run counts from the next
//     step", and golden.cpp, where it is halved in every run
//   - a beta that rounds to 1, an epsilon that rounds to 0: bad_input.cpp, "an error says what the scalar makes of a
//     value"
//   - other bits in the vector body than in the tail: sweep.cpp, "every length, misalignment and number of
//     state arrays"
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

}  // namespace

TEST_CASE("bias correction advances once a step, not once for each tensor", "[bitten]") {
  // With a constant gradient g, every step is learning_rate g / (|g| + epsilon) if 1 - beta^t is right: after t = 2, 4,
  // 6 instead of 1, 2, 3 it would be shorter by a factor of 1.8.
  Adam<double> adam({.learning_rate = 0.25, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 1e-300});
  Eigen::VectorXd a = Eigen::VectorXd::Zero(3), b = a;
  const Eigen::VectorXd g = Eigen::VectorXd::Constant(3, 2);
  for (int t = 1; t <= 3; ++t) {
    adam.step(std::tie(a, b), std::tie(g, g));
    CHECK(adam.steps() == t);
    // 16 roundings a step (formulas.cpp), relative to a path of at most t steps.
    const double bound = 16 * t * std::numeric_limits<double>::epsilon() / 2 * 0.25 * t;
    CHECK((a.array() + 0.25 * t).abs().maxCoeff() <= bound);
    CHECK(same_bits(a, b));
  }
}

TEST_CASE("state belongs to the place of a tensor among the arguments, not to an address", "[bitten]") {
  Run<double, rules::Adam> plain(rules::Adam{});
  Adam<double> adam;
  constexpr Eigen::Index half = runs::n / 2;
  Eigen::VectorXd memory[2] = {plain.x.head(half), plain.x.tail(half)};
  for (std::int64_t t = 1; t <= 10; ++t) {
    // The two exchange their memory before each step.
    const Eigen::VectorXd kept = memory[0];
    memory[0] = memory[1];
    memory[1] = kept;
    auto& first = memory[t % 2];
    auto& second = memory[1 - t % 2];
    const Vector<double> g = mixed_gradient<double>(runs::n, t);
    adam.step(std::tie(first, second), std::tuple(g.head(half), g.tail(half)));
    plain.go(t, t);
    CHECK(same_bits(first, plain.x.head(half)));
    CHECK(same_bits(second, plain.x.tail(half)));
  }

  // One gradient in the same memory for two tensors, and in new memory for each step.
  Momentum<double> both, alone;
  Eigen::VectorXd one = Eigen::VectorXd::Zero(half), two = one, x = one;
  std::vector<Eigen::VectorXd> gradients;
  for (int t = 0; t < 3; ++t) {
    gradients.emplace_back(Eigen::VectorXd::Ones(half));
    both.step(std::tie(one, two), std::tie(gradients.back(), gradients.back()));
  }
  for (int t = 0; t < 3; ++t) alone.step(x, gradients[0]);
  CHECK(same_bits(one, x));
  CHECK(same_bits(two, x));
}

TEST_CASE("state goes on from one run to the next, and reset forgets it", "[bitten]") {
  const auto objective = [](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
    gradient = 2 * x;
    return x.squaredNorm();
  };
  const auto run = [&](Eigen::VectorXd& x, Adam<double>& adam, std::int64_t steps) {
    CHECK(minimize(objective, x, adam, {.max_steps = steps}).steps == steps);
  };
  Adam<double> whole, parts;
  Eigen::VectorXd x = start<double>(5), y = x;
  run(x, whole, 20);
  run(y, parts, 8);
  run(y, parts, 12);
  CHECK(same_bits(x, y));
  CHECK(same_state(whole, parts));

  parts.reset();
  y = start<double>(5);
  run(y, parts, 20);
  CHECK(same_bits(x, y));
  CHECK(same_state(whole, parts));
}

TEST_CASE("1 - beta2 keeps its digits in float", "[bitten]") {
  // As a float beta2 is 1 - 2^-23, and 1 minus that is 1.19e-7 instead of 1e-7.
  const double beta2 = 0.9999999;
  Adam<float> adam({.learning_rate = 0.25, .beta2 = beta2, .epsilon = 1e-30});
  Eigen::VectorXf x = Eigen::VectorXf::Zero(9);
  adam.step(x, Eigen::VectorXf::Ones(9));
  CHECK(adam.state("second_moment")[0] == static_cast<float>(1 - beta2));
  CHECK(std::abs(x[0] + 0.25f) <= 16 * std::numeric_limits<float>::epsilon() / 2 * 0.25f);
}

TEMPLATE_TEST_CASE("centered RMSProp takes no root of a negative number", "[bitten]", float, double) {
  // For hundreds of 2000 constant gradients, rounding makes s - m^2 negative.
  constexpr Eigen::Index n = 2000;
  const Vector<TestType> g = Vector<TestType>::LinSpaced(n, TestType(0.1), TestType(1000));
  for (const EpsilonPlacement placement : {EpsilonPlacement::outside, EpsilonPlacement::inside}) {
    CenteredRMSProp<TestType> centered({.epsilon_placement = placement});
    Vector<TestType> x = Vector<TestType>::Zero(n);
    for (int t = 0; t < 600; ++t) centered.step(x, g);
    Eigen::Index negative = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      const TestType square = centered.state("mean_gradient")[i] * centered.state("mean_gradient")[i];
      negative += centered.state("squared_gradient")[i] < square;
    }
    CHECK(negative > 100);
    CHECK(x.allFinite());
    // What keeps the variance from being negative does not hide that infinity - infinity is not a number.
    centered.step(x, Vector<TestType>::Constant(n, std::numeric_limits<TestType>::infinity()));
    CHECK(x.array().isNaN().all());
  }
}

TEST_CASE("an epsilon that the bias correction takes below the smallest number still prevents 0 / 0", "[bitten]") {
  for (const EpsilonPlacement placement :
       {EpsilonPlacement::outside, EpsilonPlacement::inside, EpsilonPlacement::hat}) {
    Adam<float> adam({.epsilon = 1e-45, .epsilon_placement = placement});
    Eigen::VectorXf x = Eigen::VectorXf::Ones(9);
    for (int t = 0; t < 20; ++t) adam.step(x, Eigen::VectorXf::Zero(9));
    CHECK(same_bits(x, Eigen::VectorXf::Ones(9)));
  }
}

TEST_CASE("nothing is divided by a batch size", "[bitten]") {
  // The step is for the gradient as given, whatever the size and number of tensors.
  for (const Eigen::Index size : {1, 2, 32, 100}) {
    SGD<double> sgd({.learning_rate = 0.5});
    Eigen::MatrixXd W = Eigen::MatrixXd::Zero(size, 3);
    Eigen::VectorXd b = Eigen::VectorXd::Zero(size);
    sgd.step(std::tie(W, b), std::tuple(Eigen::MatrixXd::Ones(size, 3), Eigen::VectorXd::Ones(size)));
    CHECK(W == Eigen::MatrixXd::Constant(size, 3, -0.5));
    CHECK(b == Eigen::VectorXd::Constant(size, -0.5));
  }

  // The last batch, of 4 instead of 32, shows its size: sums over batches add up to the sum over all.
  SGD<double> sgd({.learning_rate = 0.5});
  Eigen::VectorXd x = Eigen::VectorXd::Zero(1);
  Minibatches batches(100, 32, 1);
  for (const auto& batch : batches.epoch())
    sgd.step(x, Eigen::VectorXd::Constant(1, static_cast<double>(batch.size())));
  CHECK(x[0] == -50);
}

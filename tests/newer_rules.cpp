// SPDX-License-Identifier: MIT
//
// The rules of rules/all.hpp beyond the classical ones, on gradients for which a step can be computed by hand, and the
// averages of the schedule-free ones.
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <tuple>

#include <descent/rules/all.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::VectorXd;

constexpr double unit = std::numeric_limits<double>::epsilon() / 2;
constexpr double negligible = 1e-300;  ///< an epsilon beside which everything else is large

VectorXd one(double value) { return VectorXd::Constant(1, value); }

/// The steps of an optimizer from 0 with these gradients, one by one.
template <class O, std::size_t count>
std::array<double, count> steps_of(O optimizer, const std::array<double, count>& gradients) {
  std::array<double, count> steps{};
  VectorXd x = one(0);
  for (std::size_t i = 0; i < count; ++i) {
    const double before = x[0];
    optimizer.step(x, one(gradients[i]));
    steps[i] = before - x[0];
  }
  return steps;
}

bool close(double a, double b, double roundings = 16) { return std::abs(a - b) <= roundings * unit * std::abs(b); }

}  // namespace

TEST_CASE("AdamW without a gradient only decays", "[newer rules]") {
  AdamW<> adamw({.learning_rate = 0.5, .weight_decay = 0.5});
  VectorXd x = one(1);
  for (int t = 1; t <= 10; ++t) {
    adamw.step(x, one(0));
    CHECK(x[0] == std::pow(0.75, t));
  }
}

TEST_CASE("AMSGrad remembers the largest gradient", "[newer rules]") {
  const std::array gradients{1.0, 4.0, 1.0, -2.0};
  const rules::AMSGrad forgetful{.learning_rate = 1, .beta1 = 0, .beta2 = 0, .epsilon = negligible};
  CHECK(steps_of(AMSGrad<>(forgetful), gradients) == std::array{1.0, 1.0, 0.25, -0.5});

  // With a constant gradient, the raw second moment grows, and the corrected one is constant from the first step on.
  rules::AMSGrad rule{.learning_rate = 1, .beta1 = 0, .beta2 = 0.75, .epsilon = negligible};
  for (const double step : steps_of(AMSGrad<>(rule), std::array{2.0, 2.0, 2.0})) CHECK(close(step, 1));
  rule.maximum_of = MaximumOf::corrected;
  for (const double step : steps_of(AMSGrad<>(rule), std::array{2.0, 2.0, 2.0})) CHECK(close(step, 1));
  // After it the maximum stays: corrected, it is what it was; raw, its correction comes closer to 1.
  CHECK(close(steps_of(AMSGrad<>(rule), std::array{2.0, 1.0})[1], 0.5));
  rule.maximum_of = MaximumOf::raw;
  CHECK(close(steps_of(AMSGrad<>(rule), std::array{2.0, 1.0})[1], std::sqrt((1 - 0.5625) / (0.75 + 0.25))));
}

TEST_CASE("NAdam's momentum: constant, or growing from a half", "[newer rules]") {
  const double b = 0.5, infinity = std::numeric_limits<double>::infinity();
  rules::NAdam rule{.learning_rate = 1, .beta1 = b, .epsilon = negligible, .momentum_decay = infinity};
  CHECK(close(steps_of(NAdam<>(rule), std::array{3.0})[0], 1 + b * (1 - b) / (1 - b * b)));
  rule.momentum_decay = 1;
  const double mu1 = b * (1 - 0.96 / 2), mu2 = b * (1 - 0.96 * 0.96 / 2);
  CHECK(close(steps_of(NAdam<>(rule), std::array{3.0})[0], 1 + mu2 * (1 - b) / (1 - mu1 * mu2)));
}

TEST_CASE("RAdam is momentum at first", "[newer rules]") {
  const std::array<double, 8> gradients{3, 3, 3, 3, 3, 3, 3, 3};
  const auto steps = steps_of(RAdam<>({.learning_rate = 0.5}), gradients);
  for (std::size_t t = 1; t <= 5; ++t) CHECK(close(steps[t - 1], 1.5));
  for (std::size_t t = 6; t <= 8; ++t) CHECK(std::abs(steps[t - 1]) < 0.5 * 0.05);  // r is 0.02 to 0.04 there
  CHECK(std::abs(steps_of(RAdam<>({.learning_rate = 0.5, .threshold = 4}), gradients)[4]) < 0.5 * 0.05);
}

TEST_CASE("a constant gradient makes steps of the learning rate", "[newer rules]") {
  const std::array<double, 5> gradients{-3, -3, -3, -3, -3};
  for (const double step : steps_of(AdaMax<>({.learning_rate = 0.5, .epsilon = negligible}), gradients))
    CHECK(close(step, -0.5));
  for (const double step : steps_of(Adan<>({.learning_rate = 0.5, .epsilon = negligible}), gradients))
    CHECK(close(step, -0.5, 64));
  for (const double step : steps_of(Lion<>({.learning_rate = 0.5}), gradients)) CHECK(step == -0.5);
}

TEST_CASE("AdaMax forgets the largest gradient slowly", "[newer rules]") {
  const auto steps = steps_of(AdaMax<>({.learning_rate = 1, .beta1 = 0, .beta2 = 0.5, .epsilon = negligible}),
                              std::array{8.0, 1.0, 1.0, 1.0, 1.0});
  CHECK(steps == std::array{1.0, 0.25, 0.5, 1.0, 1.0});
}

TEST_CASE("AdaBelief's first step is as far as the gradient is from its own mean", "[newer rules]") {
  const rules::AdaBelief rule{.learning_rate = 1, .beta1 = 0.8, .epsilon = negligible, .epsilon_root = 0};
  CHECK(close(steps_of(AdaBelief<>(rule), std::array{3.0})[0], 1 / 0.8));
}

TEST_CASE("Yogi's second moment moves by a share of the gradient's square", "[newer rules]") {
  Yogi<> yogi({.beta2 = 0.75, .initial_accumulator = 0, .bias_correction = false});
  VectorXd x = one(0);
  for (const auto& [g, v] : {std::pair{2.0, 1.0}, {2.0, 2.0}, {2.0, 3.0}, {2.0, 4.0}, {2.0, 4.0}, {1.0, 3.75}}) {
    yogi.step(x, one(g));
    CHECK(yogi.state("second_moment")[0] == v);
  }
  // Optax's accumulators, which are of both moments, move a parameter without a gradient.
  Yogi<> accumulated;
  accumulated.step(x, one(0));
  CHECK(accumulated.state("first_moment")[0] == 0.9 * 1e-6);
}

TEST_CASE("Adan's decay: a division behind the step, or a factor before it", "[newer rules]") {
  VectorXd x = one(1);
  Adan<> proximal({.learning_rate = 0.5, .weight_decay = 2});
  proximal.step(x, one(0));
  CHECK(x[0] == 0.5);
  Adan<> not_proximal({.learning_rate = 0.5, .weight_decay = 1, .proximal = false});
  not_proximal.step(x, one(0));
  CHECK(x[0] == 0.25);
}

TEST_CASE("Lion steps by a sign, which is 0 for 0", "[newer rules]") {
  CHECK(steps_of(Lion<>({.learning_rate = 0.5, .beta1 = 0.5, .beta2 = 0}), std::array{0.0, 1.0, -1.0, -3.0, 0.0}) ==
        std::array{0.0, 0.5, 0.0, -0.5, -0.5});
}

TEST_CASE("Rprop's step sizes grow, shrink and keep within their limits", "[newer rules]") {
  const rules::Rprop rule{
      .initial_step_size = 1, .eta_minus = 0.5, .eta_plus = 2, .min_step_size = 0.75, .max_step_size = 4};
  // The first gradient has none before it to agree with; after a change of sign, one step is left out.
  CHECK(steps_of(Rprop<>(rule), std::array{0.1, 9.0, 1.0, 1.0, -1.0, -1.0, 1e-9, 1.0, -1.0}) ==
        std::array{1.0, 2.0, 4.0, 4.0, 0.0, -2.0, 0.0, 1.0, 0.0});
}

TEST_CASE("Ftrl leaves a parameter at 0 until its gradients add up to l1", "[newer rules]") {
  Ftrl<> ftrl({.learning_rate = 1, .beta = 1, .l1 = 1, .l2 = 2});
  VectorXd x = one(0);
  for (int t = 1; t <= 4; ++t) {
    ftrl.step(x, one(0.25));
    CHECK(x[0] == 0);
  }
  ftrl.step(x, one(0.25));
  CHECK(close(x[0], -0.25 / (1 + std::sqrt(5 * 0.0625) + 2)));
}

TEST_CASE("the average of schedule-free SGD is the mean of its iterates", "[newer rules]") {
  ScheduleFreeSGD<> sgd({.learning_rate = 0.5, .momentum = 0.75});
  VectorXd y = start<double>(9);
  const VectorXd z0 = y, g = mixed_gradient<double>(9, 1);
  CHECK(same_bits(sgd.averaged(y), y));
  for (int t = 1; t <= 20; ++t) {
    sgd.step(y, g);
    const VectorXd x = z0 - 0.5 * g * (t + 1) / 2, z = z0 - 0.5 * g * t;
    const VectorXd size = z0.cwiseAbs() + 0.5 * t * g.cwiseAbs();
    const VectorXd average = sgd.averaged(y);
    for (Eigen::Index i = 0; i < 9; ++i) {
      // Each step makes 6 roundings in y and z, which 1 / momentum enlarges.
      CHECK(std::abs(y[i] - (0.25 * z[i] + 0.75 * x[i])) <= 8 * t * unit * size[i]);
      CHECK(std::abs(average[i] - x[i]) <= 16 * t * unit * size[i]);
    }
  }
}

TEST_CASE("a schedule-free rule whose rate is 0 stays where it is, and goes on", "[newer rules]") {
  ScheduleFreeSGD<> sgd({.learning_rate = 0});
  VectorXd y = one(1);
  for (int t = 1; t <= 3; ++t) sgd.step(y, one(2));
  CHECK(y[0] == 1);
  CHECK(sgd.averaged(y)[0] == 1);
  sgd.learning_rate = 0.5;
  sgd.step(y, one(2));
  CHECK(y[0] == 0);  // the first step of any weight: x and z are 1 - 0.5 * 2
}

TEST_CASE("averages of schedule-free rules in chains, of several tensors, some of their own", "[newer rules]") {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  auto optimizer = make_optimizer<double>(
      Chain{transforms::ClipValue{100}, rules::ScheduleFreeAdamW{.learning_rate = 0.1, .beta1 = 0.75}});
  Matrix W = start<double>(12).reshaped(3, 4);
  VectorXd b = start<double>(5), c = b;
  const Matrix dW = mixed_gradient<double>(12, 1).reshaped(3, 4);
  const VectorXd db = mixed_gradient<double>(5, 2);
  optimizer.freeze(2);
  for (int t = 1; t <= 3; ++t) optimizer.step(std::tie(W, b, c), std::tie(dW, db, db));
  optimizer.tensor_rule(1).beta1 = 1;

  const auto [W_average, b_average, c_average] = optimizer.averaged(std::tie(W, b, c));
  const auto z = optimizer.state("z");
  const Matrix z_of_W = Eigen::Map<const Matrix>(z.data(), 3, 4);
  const Matrix expected = W - (1 / 0.75 - 1) * (z_of_W - W);
  CHECK((W_average - expected).cwiseAbs().maxCoeff() <= 4 * unit * 2);
  CHECK((W_average - W).cwiseAbs().maxCoeff() > 0.01);
  CHECK(same_bits(b_average, b));  // with a beta1 of 1, y is x
  CHECK(same_bits(c_average, c));
  CHECK_THROWS_AS(optimizer.averaged(std::tie(W, b, W)), std::invalid_argument);
}

TEST_CASE("LARS: a step as long as the parameters, times the trust, where nothing decays", "[newer rules]") {
  Optimizer lars(Chain{rules::SGD{.learning_rate = 0.5}, transforms::LayerwiseRate{.trust_coefficient = 0.25},
                       transforms::MomentumOfSteps{0}});
  VectorXd x = start<double>(50), zero = VectorXd::Zero(50);
  const VectorXd before = x, g = mixed_gradient<double>(50, 1);
  lars.step(x, g);
  CHECK(std::abs((x - before).norm() - 0.125 * before.norm()) <= 64 * unit * before.norm());

  Optimizer decaying(rules::LARS{{.learning_rate = 0.5}, {.trust_coefficient = 0.25, .weight_decay = 2}, {}});
  x = before;
  decaying.step(x, g);
  const double ratio = 0.125 * before.norm() / (g.norm() + 2 * before.norm());
  const VectorXd expected = before - ratio * (g + 2 * before);
  CHECK((x - expected).cwiseAbs().maxCoeff() <= 64 * unit * (before.norm() + ratio * g.norm()));

  Optimizer from_zero(rules::LARS{{.learning_rate = 0.5}, {}, {}});
  from_zero.step(zero, VectorXd::Ones(50));  // a rate of 0 would never leave 0
  CHECK((zero.array() == -0.5).all());
}

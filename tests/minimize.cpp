// SPDX-License-Identifier: MIT
//
// minimize: every way to end, what it leaves, and what the observer sees.
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::VectorXd;

const double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// f = |x|^2 / 2: SGD at rate 1/2 halves x exactly at every step.
double bowl(const VectorXd& x, VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

SGD<> halving() { return SGD<>({.learning_rate = 0.5}); }

}  // namespace

TEST_CASE("each criterion ends a run", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  MinimizeResult<double> result{};
  SECTION("gradient tolerance") {
    result = minimize(bowl, x, sgd, {.gradient_tolerance = 0.1});
    CHECK(result.status == MinimizeStatus::gradient_tolerance);
    CHECK(result.steps == 4);
  }
  SECTION("gradient tolerance, equal") {
    result = minimize(bowl, x, sgd, {.gradient_tolerance = 0.125});
    CHECK(result.steps == 3);
  }
  SECTION("step tolerance") {
    result = minimize(bowl, x, sgd, {.gradient_tolerance = 0, .step_tolerance = 0.125});
    CHECK(result.status == MinimizeStatus::step_tolerance);
    CHECK(result.steps == 3);
  }
  SECTION("value tolerance, absolute below 1") {
    // f = 1, 1/4, 1/16, ...: the third change is 3/64.
    result = minimize(bowl, x, sgd, {.gradient_tolerance = 0, .value_tolerance = 3.0 / 64});
    CHECK(result.status == MinimizeStatus::value_tolerance);
    CHECK(result.steps == 3);
  }
  SECTION("value tolerance, relative above 1") {
    x *= 1024;  // every change is 3 times the new value
    result = minimize(bowl, x, sgd, {.gradient_tolerance = 0, .value_tolerance = 3});
    CHECK(result.status == MinimizeStatus::value_tolerance);
    CHECK(result.steps == 1);
  }
  SECTION("max_steps") {
    result = minimize(bowl, x, sgd, {.max_steps = 5});
    CHECK(result.status == MinimizeStatus::max_steps);
    CHECK(result.steps == 5);
  }
  SECTION("the observer") {
    result = minimize(bowl, x, sgd, {}, [](const auto& progress) { return progress.steps == 2; });
    CHECK(result.status == MinimizeStatus::stopped_by_observer);
    CHECK(result.steps == 2);
  }
  SECTION("at the minimum already") {
    x.setZero();
    result = minimize(bowl, x, sgd);
    CHECK(result.status == MinimizeStatus::gradient_tolerance);
    CHECK(result.steps == 0);
  }
  // Value and gradient norm are those of the x that is left.
  CHECK(result.value == x.squaredNorm() / 2);
  CHECK(result.gradient_norm == x.cwiseAbs().maxCoeff());
  CHECK(sgd.steps() == result.steps);
  if (x[0] != 0 && x[0] < 100) CHECK(x[0] == std::pow(0.5, static_cast<double>(result.steps)));
}

TEST_CASE("0 switches a criterion off", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Zero(2);
  // The gradient is exactly 0, and so is every change.
  CHECK(minimize(bowl, x, sgd, {.max_steps = 7, .gradient_tolerance = 0}).steps == 7);
  // Without max_steps the others decide.
  x.setOnes();
  CHECK(minimize(bowl, x, sgd, {.max_steps = 0, .gradient_tolerance = 1e-300}).status ==
        MinimizeStatus::gradient_tolerance);
}

TEST_CASE("each status has a message of its own", "[minimize]") {
  std::set<std::string> messages;
  using enum MinimizeStatus;
  for (const auto status :
       {gradient_tolerance, step_tolerance, value_tolerance, max_steps, stopped_by_observer, non_finite}) {
    const MinimizeResult<double> result{status, 0, 0, 0};
    CHECK(result.message().size() > 20);
    messages.emplace(result.message());
  }
  CHECK(messages.size() == 6);
}

TEST_CASE("the observer sees every step", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  std::int64_t seen = 0;
  minimize(bowl, x, sgd, {.max_steps = 6}, [&](const Progress<VectorXd>& progress) {
    CHECK(progress.steps == ++seen);
    CHECK(progress.x[1] == std::pow(0.5, seen));
    CHECK(progress.value == progress.x.squaredNorm() / 2);
    CHECK(progress.gradient_norm == progress.x[0]);
  });
  CHECK(seen == 6);
}

TEST_CASE("a value or a gradient that is not finite ends the run at the last finite x", "[minimize]") {
  const double bad_value = GENERATE(std::numeric_limits<double>::infinity(), not_a_number);
  const bool in_gradient = GENERATE(false, true);
  const auto breaks_below = [&](const VectorXd& x, VectorXd& gradient) {
    gradient = x;
    const bool broken = x[0] < 0.2;
    if (broken && in_gradient) gradient[1] = bad_value;
    return broken && !in_gradient ? bad_value : x.squaredNorm() / 2;
  };
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  const auto result = minimize(breaks_below, x, sgd);
  CHECK(result.status == MinimizeStatus::non_finite);
  CHECK(x[0] == 0.25);
  CHECK(result.value == 0.0625);
  CHECK(result.gradient_norm == 0.25);
  CHECK(result.steps == 3);
}

TEST_CASE("an objective that is not finite at the start is an error, and nothing changes", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  const auto broken = [](const VectorXd& at, VectorXd& gradient) {
    gradient = at;
    return not_a_number;
  };
  try {
    minimize(broken, x, sgd);
    FAIL("NaN was accepted");
  } catch (const std::domain_error& error) {
    CHECK(std::string(error.what()).find("not finite at the x to start from: value nan") != std::string::npos);
  }
  CHECK(x == VectorXd::Ones(2));
  CHECK(sgd.steps() == 0);
}

TEST_CASE("options out of range", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  for (const double bad : {-1.0, not_a_number, std::numeric_limits<double>::infinity()}) {
    CHECK(complaint([&] { minimize(bowl, x, sgd, {.gradient_tolerance = bad}); }).find("gradient_tolerance = ") !=
          std::string::npos);
    CHECK(complaint([&] { minimize(bowl, x, sgd, {.step_tolerance = bad}); }).find("step_tolerance = ") !=
          std::string::npos);
    CHECK(complaint([&] { minimize(bowl, x, sgd, {.value_tolerance = bad}); }).find("value_tolerance = ") !=
          std::string::npos);
  }
  CHECK(complaint([&] { minimize(bowl, x, sgd, {.max_steps = -1}); }) ==
        "descent::minimize: max_steps = -1; it must be >= 0 (0: off)");
  CHECK(complaint([&] { minimize(bowl, x, sgd, {.max_steps = 0, .gradient_tolerance = 0}); }).find("never end") !=
        std::string::npos);
  CHECK(complaint([&] {
          minimize(
              [](const VectorXd& at, VectorXd& g) {
                g.resize(3);
                return at[0];
              },
              x, sgd);
        }) == "descent::minimize: the objective's gradient is 3x1, but x is 2x1");
  CHECK(x == VectorXd::Ones(2));
}

TEST_CASE("what the objective throws leaves x alone", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  int calls = 0;
  const auto throws_later = [&](const VectorXd& at, VectorXd& gradient) {
    if (++calls == 3) throw std::runtime_error("the simulator is gone");
    return bowl(at, gradient);
  };
  CHECK_THROWS_AS(minimize(throws_later, x, sgd), std::runtime_error);
  CHECK(x == VectorXd::Ones(2));
}

TEST_CASE("minimize takes the gradient where Nesterov wants it", "[minimize]") {
  Nesterov<> by_hand({.learning_rate = 0.125, .momentum = 0.5, .gradient_at = GradientAt::lookahead});
  Nesterov<> inside = by_hand;
  VectorXd x = VectorXd::Ones(2), y = x, gradient(2);
  for (int t = 0; t < 10; ++t) {
    bowl(by_hand.lookahead(y), gradient);
    by_hand.step(y, gradient);
  }
  const auto result = minimize(bowl, x, inside, {.max_steps = 10});
  CHECK(same_bits(x, y));
  CHECK(result.value == x.squaredNorm() / 2);
}

TEST_CASE("minimize works on every kind of argument", "[minimize]") {
  const auto objective = [](const auto& x, auto& gradient) {
    gradient = x;
    return x.matrix().squaredNorm() / 2;
  };
  const MinimizeOptions options{.gradient_tolerance = 1e-3};
  Eigen::Vector2d fixed = Eigen::Vector2d::Ones();
  minimize(objective, fixed, SGD<double, 2>({.learning_rate = 0.5}), options);
  CHECK(fixed[0] == std::pow(0.5, 10));

  Eigen::MatrixXf matrix = Eigen::MatrixXf::Ones(3, 4);
  minimize(objective, matrix.block(1, 1, 2, 2), SGD<float>({.learning_rate = 0.5}), options);
  CHECK(matrix(1, 1) == std::pow(0.5f, 10.f));
  CHECK(matrix(0, 0) == 1);

  Eigen::ArrayXd array = Eigen::ArrayXd::Ones(3);
  minimize(objective, array, SGD<>({.learning_rate = 0.5}), options);
  CHECK(array[2] == std::pow(0.5, 10));

  VectorXd empty;
  CHECK(minimize(objective, empty, SGD<>{}).status == MinimizeStatus::gradient_tolerance);
}

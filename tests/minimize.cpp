// SPDX-License-Identifier: MIT
//
// minimize: every way to end, what it leaves, what the observer sees, and which objectives it takes.
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

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

/// The same for anything that can be assigned to.
double bowl_of(const auto& x, auto& gradient) {
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
  // Value and gradient norm are those at the final x.
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
  // Without max_steps, the other criteria decide.
  x.setOnes();
  CHECK(minimize(bowl, x, sgd, {.max_steps = 0, .gradient_tolerance = 1e-300}).status ==
        MinimizeStatus::gradient_tolerance);
}

TEST_CASE("each status has a message of its own", "[minimize]") {
  std::set<std::string> messages;
  using enum MinimizeStatus;
  for (const auto status :
       {gradient_tolerance, step_tolerance, value_tolerance, max_steps, stopped_by_observer, non_finite, stalled}) {
    const MinimizeResult<double> result{status, 0, 0, 0};
    CHECK(result.message().size() > 20);
    messages.emplace(result.message());
  }
  CHECK(messages.size() == 7);
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

  x[1] = not_a_number;
  CHECK(complaint<std::domain_error>([&] { minimize(bowl, x, sgd); }) ==
        "descent::minimize: the x to start from is not finite: (1, 0) is nan");
}

TEST_CASE("an x that is not finite ends a run, whatever the objective makes of it", "[minimize]") {
  // The step overflows, and at -infinity the ramp is as flat as at a minimum.
  const auto ramp = [](const VectorXd& x, VectorXd& gradient) {
    gradient = (x.array() > 0).select(1e308, VectorXd::Zero(x.size()));
    return x[0] > 0 ? 1.0 : 0.0;
  };
  SGD<> sgd({.learning_rate = 100});
  VectorXd x = VectorXd::Ones(2);
  const auto result = minimize(ramp, x, sgd);
  CHECK(result.status == MinimizeStatus::non_finite);
  CHECK(x == VectorXd::Ones(2));
}

// ---- Steps that change nothing ---------------------------------------------------------------------

TEST_CASE("a step that changes nothing meets no tolerance", "[minimize]") {
  const double rate = GENERATE(0.0, 0x1p-60);  // the second is lost in the rounding of x
  const bool by_step = GENERATE(true, false);
  const MinimizeOptions options{
      .max_steps = 0, .step_tolerance = by_step ? 1.0 : 0.0, .value_tolerance = by_step ? 0.0 : 1.0};
  SGD<> sgd({.learning_rate = rate});
  VectorXd x = VectorXd::Ones(2);
  const auto result = minimize(bowl, x, sgd, options);
  CHECK(result.status == MinimizeStatus::stalled);
  CHECK(result.message().find("failed: ") == 0);
  CHECK(result.steps == 1000);
  CHECK(x == VectorXd::Ones(2));

  MinimizeOptions few = options;
  few.max_idle_steps = 5;
  CHECK(minimize(bowl, x, sgd, few).steps == 5);
  few.max_idle_steps = 0;
  few.max_steps = 2000;
  CHECK(minimize(bowl, x, sgd, few).status == MinimizeStatus::max_steps);
}

TEST_CASE("at a gradient of 0 a step that changes nothing is convergence", "[minimize]") {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Zero(2);
  CHECK(minimize(bowl, x, sgd, {.gradient_tolerance = 0, .step_tolerance = 1e-9}).status ==
        MinimizeStatus::step_tolerance);
  CHECK(minimize(bowl, x, sgd, {.gradient_tolerance = 0, .value_tolerance = 1e-9}).status ==
        MinimizeStatus::value_tolerance);
  CHECK(sgd.steps() == 2);
}

TEST_CASE("a run moves on after idle steps", "[minimize]") {
  SECTION("a warm-up from a rate of 0, by the observer") {
    SGD<> sgd({.learning_rate = 0});
    VectorXd x = VectorXd::Ones(2);
    const auto warm_up = [&](const auto& progress) { sgd.learning_rate = progress.steps % 4 == 3 ? 0.5 : 0; };
    const auto result = minimize(bowl, x, sgd, {.step_tolerance = 0.125, .max_idle_steps = 4}, warm_up);
    CHECK(result.status == MinimizeStatus::step_tolerance);
    CHECK(result.steps == 12);  // idle steps count only in a row
  }
  SECTION("momentum that gathers speed") {
    // The velocity in units of 2^-55 is 1, 1.9, 2.71: the third is more than half the distance from 1 to the number
    // below.
    Momentum<> momentum({.learning_rate = 0x1p-55, .momentum = 0.9});
    VectorXd x = VectorXd::Ones(1);
    const auto slope = [](const VectorXd& at, VectorXd& gradient) {
      gradient.setOnes();
      return at[0];
    };
    const auto result = minimize(slope, x, momentum, {.step_tolerance = 1, .max_idle_steps = 3});
    CHECK(result.status == MinimizeStatus::step_tolerance);
    CHECK(result.steps == 3);
    CHECK(x[0] == 1 - 0x1p-53);
  }
  SECTION("AdaDelta's slow start") {
    // Its first steps are about sqrt(20 epsilon) = 0.003 long, and grow; half the distance between numbers near 1e5 is
    // 0.004.
    AdaDelta<float> adadelta({.epsilon = 5e-7});
    Eigen::VectorXf x = Eigen::VectorXf::Constant(1, 1e5f);
    const auto slope = [](const Eigen::VectorXf& at, Eigen::VectorXf& gradient) {
      gradient.setOnes();
      return at[0];
    };
    const auto result = minimize(slope, x, adadelta, {.step_tolerance = 1});
    CHECK(result.status == MinimizeStatus::step_tolerance);
    CHECK(result.steps > 100);
  }
}

// (In AdaDelta, a square that overflows counts as the largest number.)
TEMPLATE_TEST_CASE("state that has overflowed is no convergence", "[minimize]", AdaGrad<float>, RMSProp<float>,
                   CenteredRMSProp<float>, Adam<float>) {
  const bool all = GENERATE(true, false);
  // The square of the first gradient, and with `all` that of the other too, is above the largest float.
  const auto steep = [=](const Eigen::VectorXf& x, Eigen::VectorXf& gradient) {
    gradient = x;
    gradient[0] *= 1e20f;
    if (all) gradient[1] *= 1e20f;
    return x.squaredNorm();
  };
  const MinimizeOptions options = GENERATE(MinimizeOptions{.step_tolerance = 1}, MinimizeOptions{.value_tolerance = 1});
  TestType optimizer;
  Eigen::VectorXf x = Eigen::VectorXf::Ones(2);
  const auto result = minimize(steep, x, optimizer, options);
  CHECK(result.status == MinimizeStatus::non_finite);
  CHECK(result.message().find("state") != std::string::npos);
  CHECK(result.steps == 1);
  CHECK(x[0] == 1);
  CHECK((x[1] == 1) == all);
}

TEST_CASE("a skipped step is no convergence", "[minimize]") {
  // At the first step x goes to 0.875, where the gradient is `there`; from there the look-ahead is 0.8125.
  const double there = GENERATE(0.0, 0.5);
  const auto cliff = [=](const VectorXd& x, VectorXd& gradient) {
    gradient[0] = x[0] == 1 ? 1 : there;
    if (x[0] < 0.85) gradient[0] = not_a_number;
    return x[0];
  };
  Nesterov<> nesterov({.learning_rate = 0.125, .momentum = 0.5, .gradient_at = GradientAt::lookahead});
  VectorXd x = VectorXd::Ones(1);
  const MinimizeOptions options =
      GENERATE(MinimizeOptions{.gradient_tolerance = 0, .step_tolerance = 1e-3, .max_idle_steps = 20},
               MinimizeOptions{.gradient_tolerance = 0, .value_tolerance = 1e-3, .max_idle_steps = 20});
  SECTION("the optimizer gives up first") {
    nesterov.set_nonfinite(NonFinite::skip);
    CHECK(complaint<std::domain_error>([&] {
      minimize(cliff, x, nesterov, options);
    }).find("after 10 skipped steps in a row") != std::string::npos);
    CHECK(nesterov.skipped_steps() == 10);
  }
  SECTION("the run does") {
    nesterov.set_nonfinite(NonFinite::skip, 1000);
    const auto result = minimize(cliff, x, nesterov, options);
    CHECK(result.status == MinimizeStatus::stalled);
    CHECK(result.steps == 21);
    CHECK(nesterov.skipped_steps() == 20);
  }
  CHECK(x[0] == 0.875);
  CHECK(nesterov.steps() == 1);
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
  CHECK(complaint([&] { minimize(bowl, x, sgd, {.max_idle_steps = -1}); }) ==
        "descent::minimize: max_idle_steps = -1; it must be >= 0 (0: off)");
  CHECK(complaint([&] { minimize(bowl, x, sgd, {.max_steps = 0, .gradient_tolerance = 0}); }).find("never end") !=
        std::string::npos);
  CHECK(complaint([&] {
    minimize([](const VectorXd& at, VectorXd& g) {
      g.resize(3);
      return at[0];
    }, x, sgd);
  }) == "descent::minimize: the objective's gradient is 3x1, but x is 2x1");
  CHECK(x == VectorXd::Ones(2));
}

// ---- What is thrown --------------------------------------------------------------------------------

TEST_CASE("what is thrown leaves x and optimizer together", "[minimize]") {
  struct Gone {};
  Eigen::MatrixXd m = Eigen::MatrixXd::Ones(2, 3);
  const auto column = [&]() -> decltype(auto) { return m.col(1); };
  SGD<> sgd = halving();
  SECTION("the objective, at first") {
    const auto gone = [](const VectorXd&, VectorXd&) -> double { throw Gone{}; };
    CHECK_THROWS_AS(minimize(gone, column(), sgd), Gone);
    CHECK(sgd.steps() == 0);
  }
  SECTION("the objective, later") {
    const auto gone_below = [](const VectorXd& x, VectorXd& gradient) {
      if (x[0] < 0.2) throw Gone{};
      return bowl(x, gradient);
    };
    CHECK_THROWS_AS(minimize(gone_below, column(), sgd), Gone);
    CHECK(sgd.steps() == 3);
  }
  SECTION("the observer") {
    const auto gone_at = [](const auto& progress) {
      if (progress.steps == 2) throw Gone{};
    };
    CHECK_THROWS_AS(minimize(bowl, column(), sgd, {}, gone_at), Gone);
    CHECK(sgd.steps() == 2);
  }
  SECTION("the step") {
    const auto spoil = [&](const auto& progress) { sgd.learning_rate = progress.steps == 4 ? -1 : 0.5; };
    CHECK_THROWS_AS(minimize(bowl, column(), sgd, {}, spoil), std::invalid_argument);
    CHECK(sgd.steps() == 4);
  }
  CHECK(m(0, 1) == std::pow(0.5, static_cast<double>(sgd.steps())));
  CHECK(m(1, 1) == m(0, 1));
  CHECK((m.array() == 1).count() >= 4);
}

TEST_CASE("what is thrown at the look-ahead leaves x behind it", "[minimize]") {
  struct Gone {};
  Nesterov<> nesterov({.learning_rate = 0.125, .momentum = 0.5, .gradient_at = GradientAt::lookahead});
  VectorXd x = VectorXd::Ones(1);
  const auto gone_below = [](const VectorXd& at, VectorXd& gradient) {
    if (at[0] < 0.85) throw Gone{};
    return bowl(at, gradient);
  };
  CHECK_THROWS_AS(minimize(gone_below, x, nesterov), Gone);
  CHECK(x[0] == 0.875);
  CHECK(nesterov.steps() == 1);
}

TEST_CASE("a run goes on after an exception as if there had been none", "[minimize]") {
  struct Gone {};
  Adam<> adam({.learning_rate = 0.1}), undisturbed = adam;
  VectorXd x = VectorXd::LinSpaced(5, -1, 1), y = x;
  bool thrown = false;
  const auto once = [&](const auto&) {
    if (adam.steps() == 7 && !std::exchange(thrown, true)) throw Gone{};
  };
  CHECK_THROWS_AS(minimize(bowl, x, adam, {.max_steps = 20}, once), Gone);
  minimize(bowl, x, adam, {.max_steps = 13}, once);
  minimize(bowl, y, undisturbed, {.max_steps = 20});
  CHECK(same_bits(x, y));
  CHECK(same_state(adam, undisturbed));
}

// ---- Objectives that do not write the gradient -----------------------------------------------------

TEST_CASE("a gradient that the objective does not set is an error", "[minimize]") {
  Adam<> adam;
  VectorXd x = VectorXd::Constant(3, 5);
  const auto told = [&](const auto& objective) {
    const std::string text = complaint([&] { minimize(objective, x, adam); });
    CHECK(x == VectorXd::Constant(3, 5));
    CHECK(adam.steps() == 0);
    return text;
  };
  CHECK(told([](const VectorXd& at, VectorXd&) { return at.squaredNorm(); }) ==
        "descent::minimize: the objective does not set component (0, 0) of the gradient; it must assign each, and not "
        "add to what is there");
  CHECK(told([](const auto& at, const auto&) { return at.squaredNorm(); }).find("set component (0, 0)") !=
        std::string::npos);
  CHECK(told([](const VectorXd& at, VectorXd& gradient) {
    gradient += 2 * at;
    return at.squaredNorm();
  }).find("set component (0, 0)") != std::string::npos);
  CHECK(told([](const VectorXd& at, VectorXd& gradient) {
    gradient.head(2) = 2 * at.head(2);
    return at.squaredNorm();
  }).find("set component (2, 0)") != std::string::npos);

  // A NaN of its own is a different matter.
  const auto nan_in_gradient = [](const VectorXd& at, VectorXd& gradient) {
    gradient = at;
    gradient[1] = not_a_number;
    return at.squaredNorm();
  };
  CHECK(complaint<std::domain_error>([&] { minimize(nan_in_gradient, x, adam); }) ==
        "descent::minimize: the objective is not finite at the x to start from: value 75, largest |gradient| nan");
}

TEST_CASE("a gradient that the objective does not set later on is not the last one", "[minimize]") {
  const auto forgets_below = [](const VectorXd& x, VectorXd& gradient) {
    if (x[0] > 0.3) gradient = x;
    return x.squaredNorm() / 2;
  };
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);
  const auto result = minimize(forgets_below, x, sgd);
  CHECK(result.status == MinimizeStatus::non_finite);
  CHECK(x[0] == 0.5);
}

namespace {

template <class F>
constexpr bool takes(const F&) {
  return Objective<F, VectorXd>;
}

double by_value(const VectorXd& x, VectorXd gradient) { return x.sum() + gradient.sum(); }
double by_ref(const VectorXd& x, Eigen::Ref<VectorXd> gradient) noexcept { return bowl_of(x, gradient); }

struct ForTwoScalars {
  double operator()(const VectorXd& x, VectorXd& gradient) const { return bowl(x, gradient); }
  float operator()(const Eigen::VectorXf& x, Eigen::VectorXf& gradient) const { return gradient = x, x.sum(); }
};
struct CopiesOfTwoScalars {
  double operator()(const VectorXd& x, VectorXd gradient) const { return x.sum() + gradient.sum(); }
  float operator()(const Eigen::VectorXf& x, Eigen::VectorXf gradient) const { return x.sum() + gradient.sum(); }
};
struct OfMatrices {
  template <class A, class B>
  double operator()(const Eigen::MatrixBase<A>& x, Eigen::MatrixBase<B>& gradient) {
    return bowl_of(x, gradient);
  }
};
struct OfConstMatrices {
  template <class A, class B>
  double operator()(const Eigen::MatrixBase<A>& x, const Eigen::MatrixBase<B>& gradient) const {
    return bowl_of(x, const_cast<Eigen::MatrixBase<B>&>(gradient));
  }
};

}  // namespace

TEST_CASE("an objective takes its gradient in any way that can write it", "[minimize]") {
  const auto ends = [](auto&& objective) {
    SGD<> sgd = halving();
    VectorXd x = VectorXd::Ones(2);
    const bool there = minimize(objective, x, sgd, {.max_steps = 3}).steps == 3 && x[0] == 0.125;
    return there && check_gradient(objective, x).passed();
  };
  CHECK(ends(bowl));
  CHECK(ends(&bowl));
  CHECK(ends(by_ref));
  CHECK(ends(std::function<double(const VectorXd&, VectorXd&)>(bowl)));
  CHECK(ends(std::ref(bowl)));
  CHECK(ends(ForTwoScalars{}));
  CHECK(ends(OfMatrices{}));
  CHECK(ends(OfConstMatrices{}));
  CHECK(ends([](VectorXd x, VectorXd& gradient) mutable { return bowl(x, gradient); }));
  CHECK(ends([](Eigen::Ref<const VectorXd> x, Eigen::Ref<VectorXd>&& gradient) { return bowl_of(x, gradient); }));
  CHECK(ends([](const auto& x, auto& gradient) { return bowl(x, gradient); }));
  CHECK(ends([](auto x, auto& gradient) mutable { return bowl(x, gradient); }));
  CHECK(ends([](auto&& x, auto&& gradient) {
    static_assert(std::is_same_v<decltype(gradient), VectorXd&>);
    return bowl(x, gradient);
  }));
  CHECK(ends([](auto&&... arguments) { return bowl(std::forward<decltype(arguments)>(arguments)...); }));
}

TEST_CASE("an objective that takes a copy of its gradient, or a const one, is refused", "[minimize]") {
  STATIC_REQUIRE(!takes(by_value));
  STATIC_REQUIRE(!takes(&by_value));
  STATIC_REQUIRE(!Objective<std::function<double(const VectorXd&, VectorXd)>, VectorXd>);
  STATIC_REQUIRE(!takes(CopiesOfTwoScalars{}));
  STATIC_REQUIRE(!takes([](const VectorXd& x, const VectorXd&) { return x.sum(); }));
  STATIC_REQUIRE(!takes([](VectorXd x, const VectorXd) mutable { return x.sum(); }));
  STATIC_REQUIRE(!takes([](const VectorXd& x, Eigen::Ref<const VectorXd>) { return x.sum(); }));
  STATIC_REQUIRE(!takes([](const VectorXd& x, const Eigen::Ref<VectorXd>&) { return x.sum(); }));
  STATIC_REQUIRE(!takes([](const VectorXd& x, auto gradient) { return gradient = x, x.sum(); }));
  STATIC_REQUIRE(!takes([](auto&& x, auto gradient) mutable noexcept { return gradient = x, x.sum(); }));
  STATIC_REQUIRE(!takes([](auto... arguments) { return bowl(arguments...); }));
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

TEST_CASE("minimize takes chains: projected gradient stops at a bound", "[minimize]") {
  Optimizer projected(Chain{rules::SGD{.learning_rate = 0.5}, transforms::Bounds{.lower = 1}});
  VectorXd x = VectorXd::Constant(2, 4);
  const auto result = minimize(bowl, x, projected);
  CHECK(result.status == MinimizeStatus::stalled);  // the gradient is not 0, and no step leads on
  CHECK(x == VectorXd::Ones(2));
  CHECK(result.value == 1);
}

// ---- The best x --------------------------------------------------------------------------------------

namespace {

/// Down and up the bowl: x = 1, 1/2, 1/4, -1/2, 1/4, -1/2, 1, -2.
struct UpAndDown {
  SGD<> sgd = halving();
  VectorXd x = VectorXd::Ones(2);

  Minimized<VectorXd> run(const MinimizeOptions& options, const auto& watch) {
    return minimize(bowl, x, sgd, options, [&](const auto& progress) {
      sgd.learning_rate = progress.steps == 1 ? 0.5 : progress.steps == 3 ? 1.5 : 3;
      return watch(progress);
    });
  }
};
const auto go_on = [](const auto&) { return false; };

}  // namespace

TEST_CASE("the best x of a run is kept if that is asked for", "[minimize]") {
  UpAndDown walk;
  const auto result = walk.run({.max_steps = 7, .keep_best = true}, go_on);
  CHECK(result.value == 4);
  CHECK(walk.x == VectorXd::Constant(2, -2));  // the last one
  CHECK(result.best_value == 0.0625);
  CHECK(result.best_steps == 2);  // the first with that value
  REQUIRE(result.best_x.has_value());
  CHECK(*result.best_x == VectorXd::Constant(2, 0.25));
}

TEST_CASE("the best value is there in any case", "[minimize]") {
  UpAndDown walk;
  const auto result = walk.run({.max_steps = 7}, go_on);
  CHECK(result.best_value == 0.0625);
  CHECK(result.best_steps == 2);
  CHECK(!result.best_x.has_value());
}

TEST_CASE("the best x may be the first or the last", "[minimize]") {
  const bool falls = GENERATE(true, false);
  SGD<> sgd({.learning_rate = falls ? 0.5 : 3});
  VectorXd x = VectorXd::Ones(2);
  const auto result = minimize(bowl, x, sgd, {.max_steps = 3, .keep_best = true});
  CHECK(result.best_steps == (falls ? 3 : 0));
  CHECK(result.best_value == (falls ? result.value : 1));
  CHECK(*result.best_x == (falls ? x : VectorXd(VectorXd::Ones(2))));
}

TEST_CASE("the best x is kept by every end", "[minimize]") {
  const auto breaks_above = [](const VectorXd& x, VectorXd& gradient) {
    return x[0] > 1.5 ? not_a_number : bowl(x, gradient);
  };
  SGD<> sgd({.learning_rate = 3});
  VectorXd x = VectorXd::Constant(2, 0.5);
  const auto result = minimize(breaks_above, x, sgd, {.keep_best = true});
  CHECK(result.status == MinimizeStatus::non_finite);
  CHECK(*result.best_x == VectorXd::Constant(2, 0.5));
  x.setZero();
  CHECK(*minimize(bowl, x, sgd, {.keep_best = true}).best_x == x);
}

TEST_CASE("an observer sees the best value so far, and can stop when it is old", "[minimize]") {
  UpAndDown walk;
  std::vector<std::int64_t> best_steps;
  const auto result = walk.run({}, [&](const Progress<VectorXd>& progress) {
    best_steps.push_back(progress.best_steps);
    CHECK(progress.best_value == (progress.steps == 1 ? 0.25 : 0.0625));
    return progress.steps - progress.best_steps == 3;
  });
  CHECK(best_steps == std::vector<std::int64_t>{1, 2, 2, 2, 2});
  CHECK(result.status == MinimizeStatus::stopped_by_observer);
  CHECK(result.steps == 5);
  CHECK(walk.x == VectorXd::Constant(2, -0.5));  // what was reached
}

TEST_CASE("a run that was stopped goes on as if it had not been", "[minimize]") {
  const bool by_observer = GENERATE(true, false);
  ScheduleFreeAdamW<> rule({.learning_rate = 0.1}), undisturbed = rule;
  VectorXd x = VectorXd::LinSpaced(5, -1, 1), y = x;
  const auto watch = [&](const auto& progress) { return by_observer && progress.steps == 9; };
  minimize(bowl, x, rule, {.max_steps = 9 + by_observer}, watch);
  CHECK(rule.steps() == 9);
  minimize(bowl, x, rule, {.max_steps = 11});
  const auto whole = minimize(bowl, y, undisturbed, {.max_steps = 20});
  CHECK(same_bits(x, y));
  CHECK(same_state(rule, undisturbed));
  // The run is about x; what a schedule-free rule means to be used is its average.
  CHECK(whole.value == x.squaredNorm() / 2);
  CHECK(rule.averaged(x) != x);
}

// ---- Several tensors ---------------------------------------------------------------------------------

namespace {

using MatrixXd = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using Pair = std::tuple<MatrixXd, VectorXd>;

/// |W|^2 / 2 + |b|^2 / 2.
double two_bowls(const Pair& params, Pair& gradient) {
  gradient = params;
  return (std::get<0>(params).squaredNorm() + std::get<1>(params).squaredNorm()) / 2;
}

/// The same for any number.
double bowls(const std::vector<MatrixXd>& params, std::vector<MatrixXd>& gradient) {
  double sum = 0;
  for (std::size_t i = 0; i < params.size(); ++i) {
    gradient[i] = params[i];
    sum += params[i].squaredNorm() / 2;
  }
  return sum;
}

}  // namespace

TEMPLATE_TEST_CASE("several tensors take the steps of one vector", "[minimize]", Adam<>, Nesterov<>, Rprop<>) {
  VectorXd flat = VectorXd::LinSpaced(10, -1, 1);
  MatrixXd W = flat.head(6).reshaped(2, 3);
  VectorXd b = flat.tail(4);
  std::vector<MatrixXd> all{W, b};
  TestType one, two, many;
  if constexpr (requires { one.gradient_at; })
    one.gradient_at = two.gradient_at = many.gradient_at = GradientAt::lookahead;
  const auto result = minimize(bowl, flat, one, {.max_steps = 20});
  const auto of_tuple = minimize(two_bowls, std::tie(W, b), two, {.max_steps = 20});
  const auto of_range = minimize(bowls, all, many, {.max_steps = 20});
  CHECK(of_tuple.steps == 20);
  CHECK(of_range.steps == 20);
  CHECK(same_bits(W.reshaped(), flat.head(6)));
  CHECK(same_bits(b, flat.tail(4)));
  CHECK(same_bits(all[0], W));
  CHECK(same_bits(all[1].reshaped(), b));
  CHECK(same_state(one, two));
  CHECK(same_state(one, many));
  CHECK(of_tuple.gradient_norm == result.gradient_norm);
  CHECK(of_range.gradient_norm == result.gradient_norm);
  Pair gradient;
  CHECK(of_tuple.value == two_bowls({W, b}, gradient));
}

TEST_CASE("each criterion sees every tensor", "[minimize]") {
  const bool first = GENERATE(true, false);
  SGD<> sgd = halving();
  MatrixXd W = MatrixXd::Constant(2, 3, first ? 1 : 1e-9);
  VectorXd b = VectorXd::Constant(4, first ? 1e-9 : 1);
  const auto run = [&](const MinimizeOptions& options) { return minimize(two_bowls, std::tie(W, b), sgd, options); };
  SECTION("gradient tolerance") {
    const auto result = run({.gradient_tolerance = 0.125});
    CHECK(result.status == MinimizeStatus::gradient_tolerance);
    CHECK(result.steps == 3);
    CHECK(result.gradient_norm == 0.125);
  }
  SECTION("step tolerance") {
    const auto result = run({.gradient_tolerance = 0, .step_tolerance = 0.125});
    CHECK(result.status == MinimizeStatus::step_tolerance);
    CHECK(result.steps == 3);
  }
  SECTION("idle steps") {
    sgd.freeze(first ? 0 : 1);  // the other one moves
    CHECK(run({.max_steps = 20, .step_tolerance = 1e-300, .max_idle_steps = 3}).status == MinimizeStatus::max_steps);
    sgd.freeze(first ? 1 : 0);
    CHECK(run({.max_steps = 20, .max_idle_steps = 3}).status == MinimizeStatus::stalled);
  }
  SECTION("x that is not finite") {
    // The step overflows, and at -infinity the ramp is flat.
    const auto ramp = [=](const Pair&, Pair& gradient) {
      std::get<0>(gradient).setConstant(first ? 1e308 : 0);
      std::get<1>(gradient).setConstant(first ? 0 : 1e308);
      return 1.0;
    };
    sgd.learning_rate = 100;
    CHECK(minimize(ramp, std::tie(W, b), sgd).status == MinimizeStatus::non_finite);
    CHECK(W(0, 0) == (first ? 1 : 1e-9));
    CHECK(b[0] == (first ? 1e-9 : 1));
  }
  SECTION("a gradient that is not finite") {
    const auto breaks = [=](const Pair& params, Pair& gradient) {
      const double value = two_bowls(params, gradient);
      if (value > 1e-3) return value;
      if (first) std::get<0>(gradient)(1, 2) = not_a_number;
      if (!first) std::get<1>(gradient)[3] = not_a_number;
      return value;
    };
    const auto result = minimize(breaks, std::tie(W, b), sgd);
    CHECK(result.status == MinimizeStatus::non_finite);
    CHECK(result.value > 1e-3);
  }
}

TEST_CASE("an observer sees tuples, and the best x is one", "[minimize]") {
  SGD<> sgd = halving();
  MatrixXd W = MatrixXd::Ones(2, 3);
  VectorXd b = VectorXd::Ones(4);
  const auto watch = [&](const Progress<Pair>& progress) {
    const auto& [its_W, its_b] = progress.x;
    CHECK(its_W(1, 2) == its_b[3]);
    CHECK(W(1, 2) == 1);  // not yet
    sgd.learning_rate = progress.steps == 2 ? 3 : 0.5;
    return progress.steps == 3;
  };
  const auto result = minimize(two_bowls, std::tie(W, b), sgd, {.keep_best = true}, watch);
  CHECK(result.best_steps == 2);
  CHECK(W == MatrixXd::Constant(2, 3, -0.5));
  std::tie(W, b) = *result.best_x;
  CHECK(W == MatrixXd::Constant(2, 3, 0.25));
  CHECK(b == VectorXd::Constant(4, 0.25));
}

TEST_CASE("minimize works on every kind of several tensors", "[minimize]") {
  const MinimizeOptions options{.gradient_tolerance = 1e-3};
  const double end = std::pow(0.5, 10);
  MatrixXd W = MatrixXd::Ones(3, 4);
  VectorXd b = VectorXd::Ones(2);
  SECTION("a tuple of views that goes away") {
    minimize(two_bowls, std::tuple(W.block(0, 0, 2, 2), Eigen::Map<VectorXd>(b.data(), 1)), halving(), options);
    CHECK(W(1, 1) == end);
    CHECK(W(2, 2) == 1);
    CHECK(b == Eigen::Vector2d(end, 1));
  }
  SECTION("a pair that owns its tensors, and a generic objective") {
    std::pair<MatrixXd, Eigen::Array2d> params(W, Eigen::Array2d::Ones());
    const auto objective = [](const auto& x, auto& gradient) {
      const auto& [its_W, its_b] = x;
      auto& [dW, db] = gradient;
      dW = its_W;
      db = its_b;
      return 0.0;
    };
    minimize(objective, params, halving(), options);
    CHECK(params.first(2, 3) == end);
    CHECK(params.second[1] == end);
  }
  SECTION("fixed sizes") {
    Eigen::Vector2f x(1, 1), y(1, 1);
    const auto objective = [](const auto& params, auto& gradient) { return gradient = params, 1; };
    minimize(objective, std::tie(x, y), SGD<float, 4>({.learning_rate = 0.5}), options);
    CHECK(y[1] == static_cast<float>(end));
  }
  SECTION("a vector of views") {
    std::vector<Eigen::Map<MatrixXd>> views{{W.data(), 2, 2}, {W.data() + 4, 1, 3}};
    minimize(bowls, views, halving(), options);
    CHECK(W.reshaped().head(7) == VectorXd::Constant(7, end));
    CHECK(W.reshaped().tail(5) == VectorXd::Ones(5));
  }
  SECTION("an array, a span") {
    std::array<MatrixXd, 2> both{W, W};
    minimize(bowls, both, halving(), options);
    CHECK(both[1](2, 3) == end);
    std::vector<MatrixXd> many(3, W);
    minimize(bowls, std::span(many).first(2), halving(), options);
    CHECK(many[1](2, 3) == end);
    CHECK(many[2] == W);
  }
  SECTION("nothing") {
    std::vector<MatrixXd> none;
    CHECK(minimize(bowls, none, halving()).status == MinimizeStatus::gradient_tolerance);
  }
}

TEST_CASE("what is wrong with one of several tensors is said with its number", "[minimize]") {
  SGD<> sgd = halving();
  MatrixXd W = MatrixXd::Ones(2, 3);
  VectorXd b = VectorXd::Ones(4);
  const auto told = [&](const auto& objective) { return complaint([&] { minimize(objective, std::tie(W, b), sgd); }); };
  CHECK(told([](const Pair& params, Pair& gradient) {
    std::get<1>(gradient).resize(5);
    return std::get<0>(gradient) = std::get<0>(params), 1.0;
  }) == "descent::minimize: the objective's gradient of tensor 1 (of 2, from 0) is 5x1, but x is 4x1");
  CHECK(told([](const Pair& params, Pair& gradient) {
    std::get<0>(gradient) = std::get<0>(params);
    std::get<1>(gradient).head(2).setZero();
    return 1.0;
  }) == "descent::minimize: the objective does not set component (2, 0) of the gradient of tensor 1 (of 2, from 0); it "
        "must assign each, and not add to what is there");
  std::vector<MatrixXd> many(3, W);
  CHECK(complaint([&] {
    minimize([](const auto& params, auto& gradient) {
      gradient.assign(2, params[0]);
      return 1.0;
    }, many, sgd);
  }) == "descent::minimize: the objective's gradient has 2 tensors, but x has 3");
  b[2] = not_a_number;
  CHECK(complaint<std::domain_error>([&] { minimize(two_bowls, std::tie(W, b), sgd); }) ==
        "descent::minimize: the x to start from of tensor 1 (of 2, from 0) is not finite: (2, 0) is nan");
  CHECK(sgd.steps() == 0);
  CHECK(W == MatrixXd::Ones(2, 3));
}

TEST_CASE("what is thrown leaves several tensors and the optimizer together", "[minimize]") {
  struct Gone {};
  SGD<> sgd = halving();
  MatrixXd W = MatrixXd::Ones(2, 3);
  VectorXd b = VectorXd::Ones(4);
  const auto gone_below = [](const Pair& params, Pair& gradient) {
    if (std::get<1>(params)[0] < 0.2) throw Gone{};
    return two_bowls(params, gradient);
  };
  CHECK_THROWS_AS(minimize(gone_below, std::tie(W, b), sgd), Gone);
  CHECK(sgd.steps() == 3);
  CHECK(W == MatrixXd::Constant(2, 3, 0.125));
  CHECK(b == VectorXd::Constant(4, 0.125));
}

TEST_CASE("an objective of several tensors that takes a copy of its gradient is refused", "[minimize]") {
  using Many = std::vector<MatrixXd>;
  STATIC_REQUIRE(Objective<decltype(two_bowls), Pair>);
  STATIC_REQUIRE(!Objective<double (*)(const Pair&, Pair), Pair>);
  STATIC_REQUIRE(!Objective<double (*)(const Pair&, const Pair&), Pair>);
  STATIC_REQUIRE(Objective<double (*)(const Many&, Many&), Many>);
  STATIC_REQUIRE(Objective<double (*)(Many, std::span<MatrixXd>), Many>);
  STATIC_REQUIRE(!Objective<double (*)(const Many&, Many), Many>);
  STATIC_REQUIRE(!Objective<double (*)(const Many&, const Many&), Many>);
  STATIC_REQUIRE(!Objective<double (*)(const Many&, std::span<const MatrixXd>), Many>);
  const auto by_copy = [](const auto& params, auto gradient) { return gradient = params, 1.0; };
  STATIC_REQUIRE(!Objective<decltype(by_copy), Pair>);
  STATIC_REQUIRE(!Objective<decltype(by_copy), Many>);
}

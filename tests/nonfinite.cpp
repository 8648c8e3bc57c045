// SPDX-License-Identifier: MIT
//
// Gradients that are not finite: what each policy does with them, for every optimizer.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

template <class Scalar>
constexpr Scalar infinity = std::numeric_limits<Scalar>::infinity();
template <class Scalar>
constexpr Scalar nan_of = std::numeric_limits<Scalar>::quiet_NaN();

/// A usual gradient with one special element.
template <class Scalar>
Vector<Scalar> spoilt(Eigen::Index n, Eigen::Index at, Scalar value) {
  Vector<Scalar> g = mixed_gradient<Scalar>(n, 3);
  g[at] = value;
  return g;
}

}  // namespace

TEST_CASE("by default a NaN goes into the parameters", "[nonfinite]") {
  for_each_variant([](const char* name, const auto& rule) {
    INFO(name);
    Optimizer<std::remove_cvref_t<decltype(rule)>, double> optimizer(rule);
    Vector<double> x = start<double>(37);
    optimizer.step(x, spoilt<double>(37, 20, nan_of<double>));
    CHECK(std::isnan(x[20]));
    CHECK(optimizer.steps() == 1);
    CHECK(optimizer.skipped_steps() == 0);
  });
}

TEST_CASE("reject throws for each kind of element, and nothing has changed", "[nonfinite]") {
  for_each_variant([](const char* name, const auto& rule) {
    INFO(name);
    using O = Optimizer<std::remove_cvref_t<decltype(rule)>, double>;
    O optimizer(rule), untouched(rule);
    optimizer.set_nonfinite(NonFinite::reject);
    Vector<double> x = start<double>(37), y = x;
    for (int t = 1; t <= 40; ++t) {
      for (const double bad : {nan_of<double>, infinity<double>, -infinity<double>})
        CHECK_THROWS_AS(optimizer.step(x, spoilt<double>(37, t % 37, bad)), std::domain_error);
      const Vector<double> g = mixed_gradient<double>(37, t);
      optimizer.step(x, g);
      untouched.step(y, g);
    }
    CHECK(same_bits(x, y));
    CHECK(optimizer.steps() == untouched.steps());
    for (std::size_t slot = 0; slot < O::state_names.size(); ++slot)
      CHECK(same_bits(optimizer.state(slot), untouched.state(slot)));
  });
}

TEMPLATE_TEST_CASE("the largest and the smallest numbers are finite", "[nonfinite]", float, double, long double) {
  SGD<TestType> sgd({.learning_rate = 0.5});
  sgd.set_nonfinite(NonFinite::reject);
  using Limits = std::numeric_limits<TestType>;
  int taken = 0;
  for (const TestType value : {Limits::max(), -Limits::max(), Limits::denorm_min(), Limits::min()}) {
    Vector<TestType> x = Vector<TestType>::Zero(5);
    CHECK_NOTHROW(sgd.step(x, Vector<TestType>::Constant(5, value)));
    CHECK(sgd.steps() == ++taken);
  }
}

TEMPLATE_TEST_CASE("one element that is not finite is found wherever it is", "[nonfinite]", float, double,
                   long double) {
  SGD<TestType> sgd;
  sgd.set_nonfinite(NonFinite::reject);
  Vector<TestType> x = start<TestType>(37);
  for (Eigen::Index at = 0; at < 37; ++at)
    for (const TestType bad : {nan_of<TestType>, infinity<TestType>, -infinity<TestType>})
      CHECK_THROWS_AS(sgd.step(x, spoilt<TestType>(37, at, bad)), std::domain_error);
  CHECK(same_bits(x, start<TestType>(37)));
}

TEST_CASE("the error names tensor, place and value", "[nonfinite]") {
  Adam<float> adam;
  adam.set_nonfinite(NonFinite::reject);
  Eigen::VectorXf b = Eigen::VectorXf::Ones(4), db = b;
  Eigen::MatrixXf W = Eigen::MatrixXf::Ones(3, 5), dW = W;
  dW(2, 3) = dW(0, 4) = infinity<float>;
  CHECK(complaint<std::domain_error>([&] { adam.step(std::tie(b, W), std::tie(db, dW)); }) ==
        "descent: the gradient of tensor 1 (of 2, from 0) is not finite: (2, 3) is inf");
  db[3] = nan_of<float>;
  CHECK(complaint<std::domain_error>([&] { adam.step(b, db.reverse()); }) ==
        "descent: the gradient is not finite: (0, 0) is nan");

  // Rows of a matrix whose columns are contiguous, and a block of it.
  CHECK_THROWS_AS(adam.step(W.row(2), dW.row(2)), std::domain_error);
  CHECK_NOTHROW(adam.step(W.row(1), dW.row(1)));
  adam.reset();
  CHECK_NOTHROW(adam.step(W.block(0, 0, 3, 3), dW.block(0, 0, 3, 3)));
  adam.reset();
  CHECK_THROWS_AS(adam.step(W.block(1, 1, 2, 3), dW.block(1, 1, 2, 3)), std::domain_error);
}

TEST_CASE("skip skips steps, counts them, and throws after too many in a row", "[nonfinite]") {
  for_each_variant([](const char* name, const auto& rule) {
    INFO(name);
    using O = Optimizer<std::remove_cvref_t<decltype(rule)>, double>;
    O optimizer(rule), untouched(rule);
    optimizer.set_nonfinite(NonFinite::skip, 2);
    Vector<double> x = start<double>(9), y = x;
    const Vector<double> bad = spoilt<double>(9, 8, nan_of<double>);
    for (int t = 1; t <= 3; ++t) {
      optimizer.step(x, bad);
      optimizer.step(x, bad);
      CHECK(optimizer.skipped_steps() == 2 * t);
      CHECK(complaint<std::domain_error>([&] { optimizer.step(x, bad); }) ==
            "descent: the gradient, after 2 skipped steps in a row, is not finite: (8, 0) is nan");
      CHECK(optimizer.skipped_steps() == 2 * t);
      const Vector<double> g = mixed_gradient<double>(9, t);
      optimizer.step(x, g);
      untouched.step(y, g);
      CHECK(optimizer.steps() == t);
      CHECK(same_bits(x, y));
    }
    const O copy = optimizer;
    CHECK(copy.skipped_steps() == 6);
    optimizer.reset();
    CHECK(optimizer.skipped_steps() == 0);
    optimizer.step(x, bad);  // reset keeps the policy
    CHECK(optimizer.skipped_steps() == 1);
  });
}

TEST_CASE("the policy may be set between steps", "[nonfinite]") {
  Adam<double> adam;
  Vector<double> x = start<double>(4);
  const Vector<double> g = x, bad = spoilt<double>(4, 1, infinity<double>);
  for (int t = 1; t <= 4; ++t) adam.step(x, g);
  adam.set_nonfinite(NonFinite::reject);
  CHECK_THROWS_AS(adam.step(x, bad), std::domain_error);
  for (int t = 5; t <= 8; ++t) adam.step(x, g);
  CHECK_THROWS_AS(adam.step(x, bad), std::domain_error);
  adam.set_nonfinite(NonFinite::propagate);
  CHECK_NOTHROW(adam.step(x, bad));
  CHECK(adam.steps() == 9);
}

TEST_CASE("a step that is skipped is still checked", "[nonfinite]") {
  Adam<double> adam;
  adam.set_nonfinite(NonFinite::skip);
  Vector<double> x = start<double>(4), other = start<double>(5);
  adam.step(x, x);
  const Vector<double> bad = spoilt<double>(5, 1, infinity<double>);
  CHECK_THROWS_AS(adam.step(x, bad), std::invalid_argument);
  CHECK_THROWS_AS(adam.step(other, bad), std::invalid_argument);
  CHECK(adam.skipped_steps() == 0);
}

TEST_CASE("set_nonfinite refuses a number in a row below 1, and keeps what was set", "[nonfinite]") {
  SGD<double> sgd;
  sgd.set_nonfinite(NonFinite::reject);
  CHECK(complaint([&] { sgd.set_nonfinite(NonFinite::skip, 0); }) == "descent: most_in_a_row = 0; it must be >= 1");
  Vector<double> x = start<double>(2);
  CHECK_THROWS_AS(sgd.step(x, spoilt<double>(2, 0, nan_of<double>)), std::domain_error);
}

TEMPLATE_TEST_CASE("a gradient whose square overflows is refused by the rules that square it", "[nonfinite]", float,
                   double) {
  // The largest number whose square is finite, and the next one.
  TestType fits = std::sqrt(std::numeric_limits<TestType>::max()), overflows = 0;
  while (!std::isinf(fits * fits)) fits = std::nextafter(fits, infinity<TestType>);
  while (std::isinf(fits * fits)) fits = std::nextafter(fits, TestType(0));
  overflows = std::nextafter(fits, infinity<TestType>);

  for_each_variant([&]<class R>(const char* name, const R& rule) {
    INFO(name);
    const bool squares = [] {
      for (const auto state : R::state_names)
        if (state.starts_with("squared") || state == "second_moment") return true;
      return false;
    }();
    for (const TestType sign : {TestType(1), TestType(-1)}) {
      Optimizer<R, TestType> optimizer(rule);
      optimizer.set_nonfinite(NonFinite::reject);
      Vector<TestType> x = start<TestType>(9);
      CHECK_NOTHROW(optimizer.step(x, spoilt<TestType>(9, 4, sign * fits)));
      const Vector<TestType> before = x;
      const Vector<TestType> g = spoilt<TestType>(9, 4, sign * overflows);
      if (squares) {
        CHECK(complaint<std::domain_error>([&] {
          optimizer.step(x, g);
        }).starts_with("descent: the gradient is too large: the square of (4, 0) is inf"));
        CHECK(same_bits(x, before));
        CHECK(optimizer.steps() == 1);
        optimizer.set_nonfinite(NonFinite::skip);
        optimizer.step(x, g);
        CHECK(optimizer.skipped_steps() == 1);
      } else {
        CHECK_NOTHROW(optimizer.step(x, g));
      }
    }
  });
}

TEMPLATE_TEST_CASE("a finite gradient makes no NaN, however large", "[nonfinite]", float, double) {
  const TestType largest = std::numeric_limits<TestType>::max();
  for_each_variant([&]<class R>(const char* name, const R& rule) {
    INFO(name);
    // x + step may overflow, and momentum may add infinities of both signs, but squares alone give no NaN.
    for (const TestType size : {std::sqrt(largest) * 2, std::sqrt(largest) * 100, largest / 64}) {
      Optimizer<R, TestType> optimizer(rule);
      Vector<TestType> x = start<TestType>(9);
      for (int t = 1; t <= 40; ++t) {
        optimizer.step(x, Vector<TestType>::Constant(9, t < 20 ? size : TestType(0)));
        INFO("size " << size << ", t = " << t);
        REQUIRE_FALSE(x.hasNaN());
        for (std::size_t k = 0; k < R::state_names.size(); ++k) REQUIRE_FALSE(optimizer.state(k).hasNaN());
      }
    }
  });
}

TEMPLATE_TEST_CASE("the largest rate makes no NaN of a zero gradient", "[nonfinite]", float, double) {
  for_each_variant([&]<class R>(const char* name, R rule) {
    INFO(name);
    if constexpr (requires { rule.learning_rate; })
      rule.learning_rate = static_cast<double>(std::numeric_limits<TestType>::max());
    if constexpr (std::is_same_v<R, rules::Yogi>) rule.initial_accumulator = 0;
    Optimizer<R, TestType> optimizer(rule);
    Vector<TestType> x = Vector<TestType>::Zero(9);
    for (int t = 1; t <= 3; ++t) optimizer.step(x, Vector<TestType>::Zero(9));
    CHECK(same_bits(x, Vector<TestType>(Vector<TestType>::Zero(9))));
  });
}

TEST_CASE("a chain checks the gradient as it is given", "[nonfinite]") {
  using namespace transforms;
  const rules::Adam adam{.learning_rate = 0.5};
  const auto check = [](const auto& chain, bool takes_huge) {
    Optimizer<std::remove_cvref_t<decltype(chain)>, double> optimizer(chain), untouched(chain);
    INFO(chain.name);
    optimizer.set_nonfinite(NonFinite::reject);
    Vector<double> x = start<double>(37), y = x;
    for (int t = 1; t <= 3; ++t) {
      for (const double bad : {nan_of<double>, infinity<double>, -infinity<double>})
        CHECK_THROWS_AS(optimizer.step(x, spoilt<double>(37, 7, bad)), std::domain_error);
      optimizer.step(x, mixed_gradient<double>(37, t));
      untouched.step(y, mixed_gradient<double>(37, t));
      REQUIRE(same_bits(x, y));
    }
    const Vector<double> huge = spoilt<double>(37, 7, 1e200);  // whose square overflows
    if (takes_huge) {
      optimizer.step(x, huge);
      CHECK(x.allFinite());
    } else {
      CHECK_THROWS_AS(optimizer.step(x, huge), std::domain_error);
    }
  };
  check(Chain{ClipNorm{1}, adam}, true);                         // the norm shows it
  check(Chain{GradientScale{1e-200}, ClipNorm{1}, adam}, true);  // likewise
  check(Chain{ClipValue{1}, ClipNorm{1}, adam}, true);           // what is clipped to 1 is no longer infinite
  check(Chain{ClipTensorNorm{1}, adam}, true);
  check(Chain{L2Penalty{0.1}, ClipNorm{1}, adam, Average{}}, true);
  check(Chain{L2Penalty{0.1}, adam}, false);  // its square is infinite in Adam's state
  check(Chain{adam, WeightDecay{0.1}, TrustRatio{}}, false);
}

TEST_CASE("a chain with a norm skips bad gradients, and counts them", "[nonfinite]") {
  Optimizer optimizer(Chain{transforms::ClipNorm{1}, rules::Momentum{}});
  optimizer.set_nonfinite(NonFinite::skip, 2);
  Vector<double> x = start<double>(37), y = x;
  const Vector<double> bad = spoilt<double>(37, 7, infinity<double>);
  optimizer.step(x, bad);
  optimizer.step(x, bad);
  CHECK(same_bits(x, y));
  CHECK(optimizer.steps() == 0);
  CHECK(optimizer.state(0).size() == 0);
  CHECK(optimizer.skipped_steps() == 2);
  CHECK_THROWS_AS(optimizer.step(x, bad), std::domain_error);
  Vector<double> other = start<double>(5);  // no step was taken, so no shape is fixed
  optimizer.step(other, mixed_gradient<double>(5, 1));
  CHECK(optimizer.steps() == 1);
}

// SPDX-License-Identifier: MIT
//
// What holds for every optimizer in every variant: one table, and every property checked over all of it. Each property
// uses only the scalars that can make a difference to it, because each is a template to compile for each rule; likewise
// for kinds of arguments, if the rule makes no difference to them.
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::test::runs;

template <class R, class... Rules>
constexpr bool is_any_of = (std::is_same_v<R, Rules> || ...);

/// Whether the rule moves the parameters even if the gradient is 0.
template <class R>
constexpr bool moves_by_itself =
    requires(const R& rule) { rule.weight_decay; } || is_any_of<R, rules::Yogi, rules::Ftrl>;

/// Whether a part of the state does not go to 0 with the gradient.
template <class R>
constexpr bool keeps_state =
    moves_by_itself<R> || is_any_of<R, rules::AdaGrad, rules::AMSGrad, rules::AdaMax, rules::AdaBelief, rules::Rprop>;

/// The rule with which to try what does not depend on the rule.
template <class R>
constexpr bool tries_arguments = std::is_same_v<R, rules::Adam>;

template <class Scalar, class Property>
void for_each_run(Property&& property) {
  for_each_variant([&]<class R>(const char* name, const R& rule) {
    INFO(name);
    Run<Scalar, R> plain(rule);
    plain.go();
    property(rule, plain);
  });
}

}  // namespace

TEMPLATE_TEST_CASE("a copy goes on exactly as the original would", "[properties]", float, long double) {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Run<TestType, R> whole(rule), half(rule);
    whole.go();
    half.go(1, steps / 2);

    Run<TestType, R> copy = half;
    CHECK(same_state(copy.optimizer, half.optimizer));
    first_hyperparameter(half.optimizer) /= 2;
    half.go(steps / 2 + 1);
    copy.go(steps / 2 + 1);
    CHECK(same_bits(copy.x, whole.x));
    CHECK(same_state(copy.optimizer, whole.optimizer));

    Run<TestType, R> assigned(R{});
    assigned.go(1, 3);
    assigned = copy;
    CHECK(same_state(assigned.optimizer, copy.optimizer));
    CHECK(first_hyperparameter(assigned.optimizer) == first_hyperparameter(rule));

    Run<TestType, R> moved = std::move(copy);
    CHECK(same_state(moved.optimizer, whole.optimizer));
    // A moved-from optimizer is like a newly constructed one.
    CHECK(copy.optimizer.steps() == 0);  // NOLINT(bugprone-use-after-move)
    copy.x = start<TestType>(n);
    copy.go();
    CHECK(same_bits(copy.x, whole.x));

    Run<TestType, R> move_assigned(R{});
    move_assigned.go(1, 3);
    move_assigned = std::move(moved);
    CHECK(same_state(move_assigned.optimizer, whole.optimizer));
    CHECK(moved.optimizer.steps() == 0);  // NOLINT(bugprone-use-after-move)

    auto& itself = assigned;
    assigned = itself;
    CHECK(assigned.optimizer.steps() == steps);
  });
}

TEMPLATE_TEST_CASE("a parameter moves by itself, however few there are", "[properties]", float, double) {
  for_each_run<TestType>([]<class R>(const R& rule, const Run<TestType, R>& plain) {
    for (Eigen::Index few = 0; few < n; ++few) {
      Optimizer<R, TestType> optimizer(rule);
      Vector<TestType> x = start<TestType>(n).head(few);
      for (std::int64_t t = 1; t <= steps; ++t) {
        const Vector<TestType> gradient = mixed_gradient<TestType>(n, t).head(few);
        optimizer.step(x, gradient);
      }
      CHECK(same_bits(x, plain.x.head(few)));
      for (std::size_t k = 0; k < R::state_names.size(); ++k)
        CHECK(same_bits(optimizer.state(k), plain.optimizer.state(k).head(few)));
    }
  });
}

TEMPLATE_TEST_CASE("what has decayed to nothing is 0 at step 32", "[properties]", float, double) {
  // 2^26 times the smallest normal number, as Optimizer documents it for a velocity.
  const TestType smallest = std::ldexp(std::numeric_limits<TestType>::min(), 26);
  for (const Eigen::Index few : {1, 7, 15, 100}) {
    Momentum<TestType> momentum({.learning_rate = 1});
    Vector<TestType> x = start<TestType>(few), gradient = Vector<TestType>::Constant(few, 2 * smallest);
    for (int t = 1; t <= 31; ++t) {
      momentum.step(x, gradient);
      gradient.setZero();
    }
    CHECK((momentum.state(0).array() > 0).all());
    CHECK((momentum.state(0).array() < smallest).all());
    momentum.step(x, gradient);
    CHECK((momentum.state(0).array() == 0).all());
  }
}

TEST_CASE("reset equals fresh", "[properties]") {
  for_each_run<double>([]<class R>(const R& rule, const Run<double, R>& plain) {
    Optimizer<R, double> optimizer(rule);
    Vector<double> other = start<double>(7);
    optimizer.step(other, mixed_gradient<double>(7, 5));
    optimizer.reset();
    CHECK(optimizer.steps() == 0);
    for (std::size_t k = 0; k < R::state_names.size(); ++k) CHECK(optimizer.state(k).size() == 0);

    Vector<double> x = start<double>(n);
    for (std::int64_t t = 1; t <= steps; ++t) optimizer.step(x, mixed_gradient<double>(n, t));
    CHECK(same_bits(x, plain.x));
    CHECK(same_state(optimizer, plain.optimizer));
  });
}

TEST_CASE("when step throws, nothing has changed", "[properties]") {
  for_each_run<double>([]<class R>(const R& rule, const Run<double, R>& plain) {
    Run<double, R> disturbed(rule);
    for (std::int64_t t = 1; t <= steps; ++t) {
      auto& optimizer = disturbed.optimizer;
      const Vector<double> x = disturbed.x;
      Vector<double> longer = start<double>(n + 1);
      Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic> square = start<double>(n).reshaped(4, 6);
      CHECK_THROWS_AS(optimizer.step(disturbed.x, longer), std::invalid_argument);
      if (t > 1) {  // before the first step any shape is allowed
        CHECK_THROWS_AS(optimizer.step(longer, longer), std::invalid_argument);
        if constexpr (tries_arguments<R>) {
          CHECK_THROWS_AS(optimizer.step(square, square), std::invalid_argument);
          CHECK_THROWS_AS(optimizer.step(std::tie(disturbed.x, longer), std::tie(disturbed.x, longer)),
                          std::invalid_argument);
        }
        CHECK(same_bits(longer, start<double>(n + 1)));
      }
      if constexpr (tries_arguments<R>)
        CHECK_THROWS_AS(optimizer.step(disturbed.x, disturbed.x.transpose()), std::invalid_argument);
      first_hyperparameter(optimizer) = -1;
      CHECK_THROWS_AS(optimizer.step(disturbed.x, x), std::invalid_argument);
      first_hyperparameter(optimizer) = first_hyperparameter(rule);
      CHECK(same_bits(disturbed.x, x));
      CHECK(optimizer.steps() == t - 1);
      disturbed.go(t, t);
    }
    CHECK(same_bits(disturbed.x, plain.x));
    CHECK(same_state(disturbed.optimizer, plain.optimizer));
  });
}

TEMPLATE_TEST_CASE("a zero gradient never makes a NaN", "[properties]", float, double) {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Optimizer<R, TestType> optimizer(rule);
    Vector<TestType> x = start<TestType>(n);
    for (int t = 0; t < 300; ++t) {
      optimizer.step(x, Vector<TestType>::Zero(n));
      if (t == 0 && !moves_by_itself<R>) CHECK(same_bits(x, start<TestType>(n)));
      REQUIRE(x.allFinite());
    }
  });
}

TEMPLATE_TEST_CASE("NaN and infinity propagate to their own element only", "[properties]", float, double) {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Optimizer<R, TestType> optimizer(rule), clean(rule);
    Vector<TestType> x = start<TestType>(n), y = x;
    for (std::int64_t t = 1; t <= 3; ++t) {
      Vector<TestType> g = mixed_gradient<TestType>(n, t);
      clean.step(y, g);
      g[5] = std::numeric_limits<TestType>::quiet_NaN();
      optimizer.step(x, g);
    }
    CHECK(std::isnan(x[5]));
    x[5] = y[5];
    CHECK(same_bits(x, y));
  });
}

TEST_CASE("state by name and by index", "[properties]") {
  for_each_run<double>([]<class R>(const R&, const Run<double, R>& plain) {
    for (std::size_t k = 0; k < R::state_names.size(); ++k) {
      CHECK(plain.optimizer.state(R::state_names[k]).data() == plain.optimizer.state(k).data());
      CHECK(plain.optimizer.state(k).size() == n);
    }
    CHECK_THROWS_AS(plain.optimizer.state(R::state_names.size()), std::out_of_range);
    try {
      plain.optimizer.state("velocities");
      FAIL("an unknown name was accepted");
    } catch (const std::out_of_range& error) {
      INFO(error.what());
      for (const auto name : R::state_names)
        CHECK(std::string(error.what()).find("\"" + std::string(name) + "\"") != std::string::npos);
      CHECK(std::string(error.what()).find("velocities") != std::string::npos);
    }
  });
}

TEMPLATE_TEST_CASE("empty parameters are fine", "[properties]", float, long double) {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Optimizer<R, TestType> optimizer(rule);
    Vector<TestType> x;
    optimizer.step(x, x);
    optimizer.step(x, x);
    CHECK(optimizer.steps() == 2);
    if constexpr (tries_arguments<R>) {
      Optimizer<R, TestType> none(rule);
      std::vector<Vector<TestType>> no_tensors;
      none.step(no_tensors, no_tensors);
      CHECK(none.steps() == 1);
      Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic> wide(0, 5), tall(5, 0);
      Optimizer<R, TestType> shaped(rule);
      shaped.step(wide, wide);
      CHECK_THROWS_AS(shaped.step(tall, tall), std::invalid_argument);
    }
  });
}

TEST_CASE("lookahead is x - mu v, for one tensor and several", "[properties]") {
  Nesterov<double> one({.momentum = 0.5, .gradient_at = GradientAt::lookahead});
  Vector<double> x = start<double>(n);
  CHECK(same_bits(one.lookahead(x), x));
  one.step(x, mixed_gradient<double>(n, 1));
  const Vector<double> exact = x - 0.5 * one.state("velocity");  // halving is exact
  CHECK(same_bits(one.lookahead(x), exact));
  CHECK(same_bits(one.lookahead(x.transpose().transpose()), exact));
  CHECK_THROWS_AS(one.lookahead(x.head(3)), std::invalid_argument);

  Nesterov<double> several({.momentum = 0.5, .gradient_at = GradientAt::lookahead});
  x = start<double>(n);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> W = x.head(20).reshaped<Eigen::RowMajor>(4, 5);
  Eigen::VectorXd b = x.tail(4);
  const Vector<double> g = mixed_gradient<double>(n, 1);
  const Eigen::MatrixXd dW = g.head(20).reshaped<Eigen::RowMajor>(4, 5);
  const Eigen::VectorXd db = g.tail(4);
  several.step(std::tie(W, b), std::tie(dW, db));
  const auto [W_ahead, b_ahead] = several.lookahead(std::tie(W, b));
  CHECK(same_bits(W_ahead.reshaped<Eigen::RowMajor>(), exact.head(20)));
  CHECK(same_bits(b_ahead, exact.tail(4)));

  Nesterov<double> in_range({.momentum = 0.5, .gradient_at = GradientAt::lookahead});
  std::vector<Eigen::VectorXd> parts{start<double>(n).head(20), start<double>(n).tail(4)};
  in_range.step(parts, std::vector<Eigen::VectorXd>{g.head(20), g.tail(4)});
  CHECK(same_bits(in_range.lookahead(parts)[1], exact.tail(4)));
}

TEMPLATE_TEST_CASE("state that decays ends at 0, not in the subnormal numbers", "[properties]", float, double) {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    INFO(name);
    if constexpr (R::state_names.size() > 0 && !keeps_state<R>) {
      Optimizer<R, TestType> optimizer(rule);
      Vector<TestType> x = start<TestType>(n), g = mixed_gradient<TestType>(n, 1);
      g[3] = std::numeric_limits<TestType>::quiet_NaN();
      optimizer.step(x, g);
      g.setZero();
      g[3] = std::numeric_limits<TestType>::quiet_NaN();
      bool flushed = false;
      for (int t = 0; t < 100000 && !flushed; ++t) {
        optimizer.step(x, g);
        flushed = true;
        for (std::size_t k = 0; k < R::state_names.size(); ++k)
          for (const TestType s : optimizer.state(k)) flushed = flushed && (s == 0 || std::isnan(s));
      }
      CHECK(flushed);
      CHECK(std::isnan(optimizer.state(0)[3]));
    }
  });
}

TEST_CASE("make_optimizer makes the optimizer of a rule", "[properties]") {
  auto made = make_optimizer<float>(presets::keras::adam());
  STATIC_REQUIRE(std::is_same_v<decltype(made), Adam<float>>);
  CHECK(made.epsilon == 1e-7);
  auto fixed = make_optimizer<double, 3>(rules::SGD{.learning_rate = 0.5});
  STATIC_REQUIRE(std::is_same_v<decltype(fixed), SGD<double, 3>>);
  Eigen::Vector3d x(1, 2, 3);
  fixed.step(x, x);
  CHECK(x == Eigen::Vector3d(0.5, 1, 1.5));
  CHECK_THROWS_AS(make_optimizer<float>(rules::SGD{.learning_rate = -1}), std::invalid_argument);
}

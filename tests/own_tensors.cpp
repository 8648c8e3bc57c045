// SPDX-License-Identifier: MIT
//
// Tensors of their own: frozen ones, and those with hyperparameters of their own, step as they would in an optimizer of
// their own.
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

using Tensor = Vector<double>;
constexpr Eigen::Index size = 19;

const rules::Adam adam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99};

Tensor gradient(std::int64_t t, int tensor) { return mixed_gradient<double>(size, 10 * t + tensor); }

/// Three tensors in one optimizer, beside which each has one for itself.
template <class R>
struct Beside {
  explicit Beside(const R& rule) : together(rule), apart(3, Optimizer<R, double>(rule)) {}

  /// Steps all tensors together, and apart those that take part.
  void step(std::int64_t t, std::vector<int> apart_too) {
    std::vector<Tensor> g;
    for (int i = 0; i < 3; ++i) g.push_back(gradient(t, i));
    together.step(x, g);
    for (const int i : apart_too) {
      const auto at = static_cast<std::size_t>(i);
      apart[at].step(y[at], g[at]);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      INFO("step " << t << ", tensor " << i);
      REQUIRE(same_bits(x[i], y[i]));
      for (std::size_t slot = 0; slot < R::state_names.size(); ++slot) {
        const Tensor own = together.state(slot).segment(static_cast<Eigen::Index>(i) * size, size);
        if (apart[i].steps() > 0) REQUIRE(same_bits(own, apart[i].state(slot)));
      }
    }
  }

  std::vector<Tensor> x = std::vector<Tensor>(3, Tensor::Constant(size, 0.5)), y = x;
  Optimizer<R, double> together;
  std::vector<Optimizer<R, double>> apart;
};

template <class Error, class Call>
std::string text_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("a frozen tensor rests, with its state and its counter", "[own_tensors]") {
  Beside all(adam);
  for (int t = 1; t <= 80; ++t) {
    if (t == 11) all.together.freeze(1);
    if (t == 45) all.together.unfreeze(1);
    CHECK(all.together.frozen(1) == (t >= 11 && t < 45));
    CHECK(!all.together.frozen(0));
    if (t >= 11 && t < 45)
      all.step(t, {0, 2});
    else
      all.step(t, {0, 1, 2});
  }
  CHECK(all.together.steps() == 80);
}

TEST_CASE("a tensor may be frozen before the first step, and again later", "[own_tensors]") {
  Beside all(adam);
  all.together.freeze(0);
  all.together.freeze(2);
  for (int t = 1; t <= 10; ++t) all.step(t, {1});
  all.together.unfreeze(0);
  for (int t = 11; t <= 50; ++t) all.step(t, {0, 1});
  all.together.freeze(0);
  all.together.unfreeze(2);
  all.together.unfreeze(1);  // which it never was
  for (int t = 51; t <= 100; ++t) all.step(t, {1, 2});
}

TEST_CASE("a tensor's own rule is a copy of the common one at first, and then apart from it", "[own_tensors]") {
  Beside all(adam);
  for (int t = 1; t <= 5; ++t) all.step(t, {0, 1, 2});
  rules::Adam& own = all.together.tensor_rule(1);
  CHECK(own.beta1 == 0.8);
  own.beta1 = all.apart[1].beta1 = 0.5;
  for (int t = 6; t <= 10; ++t) all.step(t, {0, 1, 2});
  all.together.learning_rate = all.apart[0].learning_rate = all.apart[2].learning_rate = 0.01;
  own.beta2 = all.apart[1].beta2 = 0.9;
  for (int t = 11; t <= 15; ++t) all.step(t, {0, 1, 2});

  // The reference outlives rules of other tensors, and another call gives the same.
  all.together.tensor_rule(0).learning_rate = all.apart[0].learning_rate = 0.1;
  CHECK(&own == &all.together.tensor_rule(1));
  CHECK(own.beta1 == 0.5);
  for (int t = 16; t <= 40; ++t) all.step(t, {0, 1, 2});

  all.together.common_rule(1);
  static_cast<rules::Adam&>(all.apart[1]) = all.together;
  all.together.common_rule(2);  // which it has anyway
  for (int t = 41; t <= 50; ++t) all.step(t, {0, 1, 2});
  CHECK(all.together.tensor_rule(1).beta1 == 0.8);  // a copy again
}

TEST_CASE("frozen tensors with a rule of their own, of rules in several kernels", "[own_tensors]") {
  Beside all(rules::Nesterov{.learning_rate = 0.03, .momentum = 0.8});
  all.together.tensor_rule(0).form = all.apart[0].form = MomentumForm::accumulated;
  for (int t = 1; t <= 10; ++t) all.step(t, {0, 1, 2});
  all.together.freeze(0);
  for (int t = 11; t <= 20; ++t) all.step(t, {1, 2});
  all.together.unfreeze(0);
  for (int t = 21; t <= 40; ++t) all.step(t, {0, 1, 2});
}

TEST_CASE("the look-ahead of a tensor is by its own rule, and that of a frozen one is where it is", "[own_tensors]") {
  Optimizer nesterov(rules::Nesterov{.learning_rate = 0.5, .momentum = 0.5, .gradient_at = GradientAt::lookahead});
  std::vector<Tensor> x(3, Tensor::Constant(size, 4));
  const std::vector<Tensor> g(3, Tensor::Constant(size, 2));
  nesterov.step(x, g);  // the velocity is 1
  nesterov.freeze(0);
  nesterov.tensor_rule(1).momentum = 0.25;
  const std::vector<Tensor> ahead = nesterov.lookahead(x);
  CHECK(same_bits(ahead[0], Tensor::Constant(size, 3)));
  CHECK(same_bits(ahead[1], Tensor::Constant(size, 2.75)));
  CHECK(same_bits(ahead[2], Tensor::Constant(size, 2.5)));
}

TEST_CASE("a frozen tensor is in no norm, and its gradient may be anything", "[own_tensors]") {
  const Chain chain{transforms::ClipNorm{1}, adam};
  Optimizer both(chain);
  Optimizer one(chain);
  both.freeze(0);
  both.set_nonfinite(NonFinite::reject);
  Tensor x = Tensor::Constant(size, 0.5), y = x, z = x;
  const Tensor bad = Tensor::Constant(size, std::numeric_limits<double>::quiet_NaN());
  for (int t = 1; t <= 5; ++t) {
    both.step(std::tie(z, x), std::tuple(bad, gradient(t, 0)));
    one.step(y, gradient(t, 0));
    REQUIRE(same_bits(x, y));
  }
  CHECK(same_bits(z, Tensor::Constant(size, 0.5)));
  CHECK(text_of<std::domain_error>([&] { both.step(std::tie(z, x), std::tuple(bad, bad)); }) ==
        "descent: the gradient of tensor 1 (of 2, from 0) is not finite: (0, 0) is nan");

  Optimizer without_norm(adam);
  without_norm.freeze(0);
  without_norm.set_nonfinite(NonFinite::reject);
  CHECK_NOTHROW(without_norm.step(std::tie(z, x), std::tuple(bad, gradient(1, 0))));
}

TEST_CASE("the only tensor, frozen after small steps", "[own_tensors]") {
  Optimizer<rules::Adam, double, 2> optimizer(adam);
  Eigen::Vector2d x(1, 2);
  const Eigen::Vector2d g(1, 1);
  for (int t = 0; t < 3; ++t) optimizer.step(x, g);
  const Eigen::Vector2d before = x;
  optimizer.freeze(0);
  for (int t = 0; t < 3; ++t) optimizer.step(x, g);
  CHECK(same_bits(x, before));
  CHECK(optimizer.steps() == 6);
  optimizer.unfreeze(0);
  Optimizer<rules::Adam, double, 2> other(adam);
  Eigen::Vector2d y(1, 2);
  for (int t = 0; t < 4; ++t) other.step(y, g);
  optimizer.step(x, g);
  CHECK(same_bits(x, y));
}

TEST_CASE("a tensor that does not exist is an error that names the count", "[own_tensors]") {
  Optimizer optimizer(adam);
  const auto complaint = [&](auto&& call) { return text_of<std::out_of_range>([&] { call(optimizer); }); };
  CHECK(complaint([](auto& o) { o.freeze(-1); }) == "descent: no tensor -1; they count from 0");
  std::vector<Tensor> x(3, Tensor::Zero(size)), g(3, Tensor::Ones(size));

  optimizer.freeze(3);  // as it is not known yet how many there will be
  CHECK(complaint([&](auto& o) { o.step(x, g); }) == "descent: no tensor 3; the parameters have 3, counted from 0");
  CHECK(optimizer.steps() == 0);
  CHECK(same_bits(x[0], Tensor::Zero(size)));

  optimizer = Optimizer(adam);
  optimizer.step(x, g);
  const std::string expected = "descent: no tensor 3; the parameters have 3, counted from 0";
  CHECK(complaint([](auto& o) { o.freeze(3); }) == expected);
  CHECK(complaint([](auto& o) { o.unfreeze(3); }) == expected);
  CHECK(complaint([](auto& o) { static_cast<void>(o.frozen(3)); }) == expected);
  CHECK(complaint([](auto& o) { o.tensor_rule(3); }) == expected);
  CHECK(complaint([](auto& o) { o.common_rule(3); }) == expected);
}

TEST_CASE("a bad hyperparameter of one tensor changes nothing", "[own_tensors]") {
  Optimizer optimizer(adam);
  std::vector<Tensor> x(3, Tensor::Zero(size)), g(3, Tensor::Ones(size));
  optimizer.step(x, g);
  const std::vector<Tensor> before = x;
  optimizer.tensor_rule(1).beta1 = 1;
  CHECK(text_of<std::invalid_argument>([&] { optimizer.step(x, g); }) ==
        "descent::Adam of tensor 1: beta1 = 1; it must be in [0, 1)");
  for (std::size_t i = 0; i < 3; ++i) CHECK(same_bits(x[i], before[i]));
  CHECK(optimizer.steps() == 1);
}

TEST_CASE("whatever is wrong with hyperparameters of one tensor, the error names it", "[own_tensors]") {
  const std::vector<Tensor> x(3, Tensor::Zero(size));
  const auto complaint = [&](auto&& optimizer, const auto& spoil) {
    spoil(optimizer.tensor_rule(2));
    std::vector<Tensor> params = x;
    return text_of<std::invalid_argument>([&] { optimizer.step(params, x); });
  };
  CHECK(complaint(descent::Adam<double>(), [](auto& own) { own.epsilon_placement = EpsilonPlacement{7}; }) ==
        "descent::Adam of tensor 2: epsilon_placement = 7; it must be outside, inside or hat");
  CHECK(complaint(descent::Nesterov<double>(), [](auto& own) {
    own.gradient_at = GradientAt::lookahead;
    own.form = MomentumForm::accumulated;
  }) == "descent::Nesterov of tensor 2: form must be velocity if gradient_at is lookahead");
  CHECK(complaint(make_optimizer<double>(Chain{rules::SGD{}, transforms::WeightDecay{}}), [](auto& own) {
    own.weight_decay = -1;
  }) == "descent::WeightDecay of tensor 2: weight_decay = -1; it must be finite and >= 0");

  descent::Nesterov<double> ahead({.gradient_at = GradientAt::lookahead});
  ahead.tensor_rule(2).momentum = 2;
  CHECK(text_of<std::invalid_argument>([&] { static_cast<void>(ahead.lookahead(x)); }) ==
        "descent::Nesterov of tensor 2: momentum = 2; it must be in [0, 1]");
}

TEST_CASE("copies, moves and reset keep which tensors are their own", "[own_tensors]") {
  Optimizer optimizer(adam);
  std::vector<Tensor> x(3, Tensor::Zero(size)), y = x, z = x;
  const std::vector<Tensor> g(3, Tensor::Ones(size));
  optimizer.freeze(1);
  optimizer.tensor_rule(2).learning_rate = 0.5;
  for (int t = 0; t < 3; ++t) optimizer.step(x, g);

  Optimizer copy = optimizer;
  copy.unfreeze(1);
  copy.tensor_rule(2).learning_rate = 0.25;
  CHECK(optimizer.frozen(1));
  CHECK(optimizer.tensor_rule(2).learning_rate == 0.5);

  Optimizer moved = std::move(optimizer);
  CHECK(moved.frozen(1));
  CHECK(!optimizer.frozen(1));  // NOLINT(*-use-after-move): like a newly constructed one

  moved.reset();
  CHECK(moved.frozen(1));
  CHECK(moved.tensor_rule(2).learning_rate == 0.5);
  for (int t = 0; t < 3; ++t) moved.step(y, g);
  for (std::size_t i = 0; i < 3; ++i) CHECK(same_bits(x[i], y[i]));

  copy = moved;
  CHECK(copy.frozen(1));
  CHECK(&copy.tensor_rule(2) != &moved.tensor_rule(2));
}

TEST_CASE("averages of tensors that have taken no step are the tensors", "[own_tensors]") {
  Optimizer optimizer(Chain{adam, transforms::Average{0.5}});
  std::vector<Tensor> x(2, Tensor::Constant(size, 0.5));
  const std::vector<Tensor> g(2, Tensor::Ones(size));
  CHECK(same_bits(optimizer.averaged(x)[1], x[1]));
  optimizer.freeze(1);
  optimizer.step(x, g);
  CHECK(same_bits(optimizer.averaged(x)[0], x[0]));
  CHECK(same_bits(optimizer.averaged(x)[1], x[1]));
  const Tensor first = x[0];
  optimizer.step(x, g);
  CHECK(same_bits(optimizer.averaged(x)[0], (0.5 * first + 0.5 * x[0]).eval()));
  x.resize(1);
  CHECK_THROWS_AS(optimizer.averaged(x), std::invalid_argument);
}

TEST_CASE("averages have the layout of the parameters", "[own_tensors]") {
  using RowMajor = Eigen::Matrix<double, 3, 2, Eigen::RowMajor>;
  using ColMajor = Eigen::Matrix<double, 3, 2, Eigen::ColMajor>;
  Optimizer optimizer(Chain{rules::SGD{.learning_rate = 1}, transforms::Average{0.5}});
  ColMajor x = ColMajor::Zero();
  ColMajor g;
  g << 1, 2, 3, 4, 5, 6;
  optimizer.step(x, g);
  CHECK(optimizer.averaged(x) == x);
  CHECK(optimizer.averaged(RowMajor(x)) == RowMajor(x));

  Optimizer of_row_major(Chain{rules::SGD{.learning_rate = 1}, transforms::Average{0.5}});
  RowMajor y = RowMajor::Zero();
  of_row_major.step(y, g);
  CHECK(of_row_major.averaged(y) == x);
}

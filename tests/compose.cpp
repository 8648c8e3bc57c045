// SPDX-License-Identifier: MIT
//
// Rules that wrap a rule give, bit for bit, what they would give if written out.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using rules::WithMomentum;
using rules::WithWeightDecay;

/// Checks that the composed rule, given g, moves x as the plain one does when given gradient_for(x, g).
template <class Scalar, class Composed, class Plain, class GradientFor>
void same_as(const Composed& composed_rule, const Plain& plain_rule, GradientFor&& gradient_for) {
  Optimizer<Composed, Scalar> composed(composed_rule);
  Optimizer<Plain, Scalar> plain(plain_rule);
  Vector<Scalar> x = start<Scalar>(runs::n), y = x;
  for (std::int64_t t = 1; t <= runs::steps; ++t) {
    if (t == 11) composed.learning_rate = plain.learning_rate = plain.learning_rate / 3;
    const Vector<Scalar> g = mixed_gradient<Scalar>(runs::n, t);
    composed.step(x, g);
    plain.step(y, gradient_for(y, g));
    REQUIRE(same_bits(x, y));
  }
  for (const auto name : Plain::state_names) CHECK(same_bits(composed.state(name), plain.state(name)));
}

constexpr std::string_view velocity = "velocity", speed = "speed";

template <const std::string_view& second>
struct OfTwoStates {
  static constexpr std::array<std::string_view, 2> state_names{"squared_gradient", second};
};

}  // namespace

TEMPLATE_TEST_CASE("weight decay is a gradient of g + lambda x", "[compose]", float, double, long double) {
  // The product with a power of two is exact, so that no compiler can fuse it with the sum.
  const auto decayed = [](const auto& x, const auto& g) { return (g + TestType(0x1p-7) * x).eval(); };
  const rules::Adam adam{.learning_rate = 0.03, .epsilon_placement = EpsilonPlacement::inside};
  const rules::AdaGrad adagrad{.learning_rate = 0.03, .initial_accumulator = 0.1};
  same_as<TestType>(WithWeightDecay{adam, 0x1p-7}, adam, decayed);
  same_as<TestType>(WithWeightDecay{adagrad, 0x1p-7}, adagrad, decayed);
}

TEMPLATE_TEST_CASE("momentum around SGD is Momentum", "[compose]", float, double, long double) {
  const auto as_it_is = [](const auto&, const auto& g) { return g; };
  for (const MomentumForm form : {MomentumForm::velocity, MomentumForm::accumulated})
    same_as<TestType>(WithMomentum{rules::SGD{.learning_rate = 0.03}, 0.8, form},
                      rules::Momentum{.learning_rate = 0.03, .momentum = 0.8, .form = form}, as_it_is);
}

TEST_CASE("the states of a composed rule are those of its parts, with their starts", "[compose]") {
  Optimizer both(WithWeightDecay{WithMomentum{rules::AdaGrad{.initial_accumulator = 0.25}, 0.5}, 0.5});
  STATIC_REQUIRE(decltype(both)::state_names == std::array<std::string_view, 2>{"velocity", "squared_gradient"});
  Vector<double> x = Vector<double>::Constant(9, 2);
  both.step(x, Vector<double>::Constant(9, -1));  // which the weight decay of 0.5 * 2 makes 0
  CHECK(same_bits(both.state("squared_gradient"), Vector<double>::Constant(9, 0.25)));
  CHECK(same_bits(both.state("velocity"), Vector<double>::Zero(9)));
}

TEST_CASE("a rule with the state \"velocity\", wherever it stands, takes no momentum around it", "[compose]") {
  STATIC_REQUIRE(HasMomentum<OfTwoStates<velocity>>);
  STATIC_REQUIRE(!HasMomentum<OfTwoStates<speed>>);
}

TEST_CASE("a composed rule has a name of its own and all hyperparameters", "[compose]") {
  using Decayed = WithWeightDecay<rules::Adam>;
  using Both = WithWeightDecay<WithMomentum<rules::RMSProp>>;
  CHECK(Decayed::name == "descent::Adam with weight decay");
  CHECK(Both::name == "descent::RMSProp with momentum with weight decay");
  constexpr auto count = [](const auto&... each) { return sizeof...(each); };
  STATIC_REQUIRE(Decayed::hyperparameters(count) == rules::Adam::hyperparameters(count) + 1);
  STATIC_REQUIRE(Both::hyperparameters(count) == rules::RMSProp::hyperparameters(count) + 3);
}

TEST_CASE("beta^t goes through a composed rule", "[compose]") {
  // Adam's first step is the rate, to rounding, whatever the betas are.
  Optimizer adam(WithMomentum{rules::Adam{.learning_rate = 0.5, .epsilon = 1e-300}, 0.5});
  Vector<double> x = Vector<double>::Zero(9);
  adam.step(x, Vector<double>::Constant(9, 3));
  CHECK(std::abs(x[8] + 0.5) <= 16 * std::numeric_limits<double>::epsilon() / 2 * 0.5);
}

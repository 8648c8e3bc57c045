// SPDX-License-Identifier: MIT
//
// Chains of a rule and one link give, bit for bit, what they would give if written out.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using transforms::L2Penalty;
using transforms::MomentumOfSteps;

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

}  // namespace

TEMPLATE_TEST_CASE("weight decay is a gradient of g + lambda x", "[compose]", float, double, long double) {
  // The product with a power of two is exact, so that no compiler can fuse it with the sum.
  const auto decayed = [](const auto& x, const auto& g) { return (g + TestType(0x1p-7) * x).eval(); };
  const rules::Adam adam{.learning_rate = 0.03, .epsilon_placement = EpsilonPlacement::inside};
  const rules::AdaGrad adagrad{.learning_rate = 0.03, .initial_accumulator = 0.1};
  same_as<TestType>(Chain{L2Penalty{0x1p-7}, adam}, adam, decayed);
  same_as<TestType>(Chain{L2Penalty{0x1p-7}, adagrad}, adagrad, decayed);
}

TEMPLATE_TEST_CASE("momentum of the steps of SGD is Momentum", "[compose]", float, double, long double) {
  const auto as_it_is = [](const auto&, const auto& g) { return g; };
  for (const MomentumForm form : {MomentumForm::velocity, MomentumForm::accumulated})
    same_as<TestType>(Chain{rules::SGD{.learning_rate = 0.03}, MomentumOfSteps{0.8, form}},
                      rules::Momentum{.learning_rate = 0.03, .momentum = 0.8, .form = form}, as_it_is);
}

TEST_CASE("the states of a chain are those of its links, with their starts", "[compose]") {
  Optimizer both(Chain{L2Penalty{0.5}, rules::AdaGrad{.initial_accumulator = 0.25}, MomentumOfSteps{0.5}});
  STATIC_REQUIRE(decltype(both)::state_names == std::array<std::string_view, 2>{"squared_gradient", "velocity"});
  Vector<double> x = Vector<double>::Constant(9, 2);
  both.step(x, Vector<double>::Constant(9, -1));  // which the weight decay of 0.5 * 2 makes 0
  CHECK(same_bits(both.state("squared_gradient"), Vector<double>::Constant(9, 0.25)));
  CHECK(same_bits(both.state("velocity"), Vector<double>::Zero(9)));
}

TEST_CASE("a chain has a name of its own and all hyperparameters", "[compose]") {
  using Both = Chain<L2Penalty, rules::RMSProp, MomentumOfSteps>;
  CHECK(Both::name == "descent::Chain<descent::L2Penalty, descent::RMSProp, descent::MomentumOfSteps>");
  constexpr auto count = [](const auto&... each) { return sizeof...(each); };
  STATIC_REQUIRE(Both::hyperparameters(count) == rules::RMSProp::hyperparameters(count) + 3);
}

TEST_CASE("two hyperparameters of one name are listed with the names of their links", "[compose]") {
  constexpr auto names = [](const auto&... each) { return std::array{each.name...}; };
  STATIC_REQUIRE(Chain<L2Penalty, rules::SGD, transforms::WeightDecay>::hyperparameters(names) ==
                 std::array<std::string_view, 4>{"L2Penalty.weight_decay", "learning_rate", "WeightDecay.weight_decay",
                                                 "matrices_only"});
}

TEST_CASE("a link is reached by its type", "[compose]") {
  Optimizer optimizer(Chain{L2Penalty{0.25}, rules::SGD{}, transforms::WeightDecay{}});
  optimizer.link<transforms::WeightDecay>().weight_decay = 0.5;
  CHECK(std::as_const(optimizer).link<L2Penalty>().weight_decay == 0.25);
  Vector<double> x = Vector<double>::Constant(1, 8);
  optimizer.learning_rate = 0.5;
  optimizer.step(x, Vector<double>::Zero(1));
  CHECK(x[0] == 8 - 0.5 * (0.25 * 8) - 0.5 * 0.5 * 8);
}

TEST_CASE("the number of passes over memory is a constant of the chain", "[compose]") {
  using namespace transforms;
  STATIC_REQUIRE(Chain<GradientScale, ClipValue, rules::Adam, WeightDecay, Bounds, Average>::passes == 1);
  STATIC_REQUIRE(Chain<ClipNorm, rules::Adam>::passes == 2);
  STATIC_REQUIRE(Chain<rules::Adam, WeightDecay, TrustRatio>::passes == 2);
  STATIC_REQUIRE(Chain<ClipNorm, ClipTensorNorm, rules::Adam, TrustRatio>::passes == 4);
  // The norms of each tensor are taken once more for the norm over all of them.
  STATIC_REQUIRE(Chain<ClipTensorNorm, ClipNorm, rules::Adam>::passes == 4);
}

TEST_CASE("beta^t goes through a chain", "[compose]") {
  // Adam's first step is the rate, to rounding, whatever the betas are.
  Optimizer adam(Chain{rules::Adam{.learning_rate = 0.5, .epsilon = 1e-300}, MomentumOfSteps{0.5}});
  Vector<double> x = Vector<double>::Zero(9);
  adam.step(x, Vector<double>::Constant(9, 3));
  CHECK(std::abs(x[8] + 0.5) <= 16 * std::numeric_limits<double>::epsilon() / 2 * 0.5);
}

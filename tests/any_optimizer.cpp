// SPDX-License-Identifier: MIT
//
// Optimizers that are chosen when the program runs give the bits of those that are chosen when it is compiled, and say
// what can be chosen.
#include <descent/any_optimizer.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <descent/any/names.hpp>
#include <descent/by_name.hpp>

#include "any_components.hpp"
#include "catch.hpp"
#include "steps.hpp"

// With sanitizers or counters, only float, because the rules take minutes to compile.
#if !defined(DESCENT_ANY_SCALARS)
#define DESCENT_ANY_SCALARS float, double
#endif

using namespace descent;
using namespace descent::test;

namespace {

template <class A, class B>
void require_same_state(const A& any, const B& typed) {
  REQUIRE(any.state_names().size() == B::state_names.size());
  for (std::size_t slot = 0; slot < B::state_names.size(); ++slot) {
    CHECK(any.state_names()[slot] == B::state_names[slot]);
    CHECK(same_bits(any.state(B::state_names[slot]), typed.state(slot)));
  }
  CHECK(any.steps() == typed.steps());
}

/// Tensors of several shapes and layouts, one of them longer than a block of a norm, and one that is not contiguous.
template <class Scalar>
struct SomeTensors {
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  using RowMajorMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  Matrix a = start<Scalar>(35).reshaped(5, 7);
  RowMajorMatrix b = start<Scalar>(24).reshaped(4, 6);
  Vector<Scalar> c = start<Scalar>(4099);
  Matrix d = start<Scalar>(70).reshaped(10, 7);

  auto all() {
    return std::tuple<Matrix&, RowMajorMatrix&, Vector<Scalar>&, Eigen::Block<Matrix>>(a, b, c, d.block(1, 2, 6, 3));
  }
  auto gradients(std::int64_t t) const {
    const auto of = [t](Eigen::Index rows, Eigen::Index cols) {
      return Matrix(mixed_gradient<Scalar>(rows * cols, t).reshaped(rows, cols));
    };
    return std::tuple(of(5, 7), of(4, 6), mixed_gradient<Scalar>(4099, t), of(6, 3));
  }
  bool operator==(const SomeTensors& other) const {
    return same_bits(a, other.a) && same_bits(b, other.b) && same_bits(c, other.c) && same_bits(d, other.d);
  }
};

/// Steps on several tensors; on the way, hyperparameters change, a tensor rests, and another gets a rule of its own.
template <class Scalar, class R>
void require_same_run(const R& rule) {
  Optimizer<R, Scalar> typed(rule);
  AnyOptimizer<Scalar> any = make_optimizer<Scalar>(components_of(rule));
  SomeTensors<Scalar> x, y;
  for (std::int64_t t = 1; t <= 35; ++t) {
    if (t == 4)
      if constexpr (requires { typed.learning_rate; }) any.set("learning_rate", typed.learning_rate = 0.07);
    if (t == 6) {
      typed.freeze(1);
      any.freeze(1);
    }
    if (t == 9) {
      typed.unfreeze(1);
      any.unfreeze(1);
    }
    if (t == 7)
      if constexpr (requires { typed.learning_rate; })
        any.tensor_rule(0).set("learning_rate", typed.tensor_rule(0).learning_rate = 0.01);
    if (t == 12) {
      typed.common_rule(0);
      any.common_rule(0);
    }
    typed.step(x.all(), x.gradients(t));
    any.step(y.all(), y.gradients(t));
    REQUIRE(x == y);
  }
  require_same_state(any, typed);
  CHECK(any.keeps_average() == KeepsAverage<R>);
  const auto average = any.averaged(y.all());
  if constexpr (KeepsAverage<R>) {
    const auto expected = typed.averaged(x.all());
    CHECK(same_bits(std::get<0>(average), std::get<0>(expected)));
    CHECK(same_bits(std::get<1>(average), std::get<1>(expected)));
    CHECK(same_bits(std::get<3>(average), std::get<3>(expected)));
  } else {
    CHECK(same_bits(std::get<0>(average), y.a));
  }
}

template <class Scalar>
std::string complaint_of(const std::vector<Component>& components) {
  return complaint([&] { make_optimizer<Scalar>(components); });
}

}  // namespace

TEMPLATE_TEST_CASE("an optimizer chosen at run time has the bits of its rule", "[any]", DESCENT_ANY_SCALARS) {
  for_each_variant([]<class R>(const std::string& name, const R& rule) {
    INFO(name);
    Run<TestType, R> typed(rule);
    AnyOptimizer<TestType> any = make_optimizer<TestType>(components_of(rule));
    Vector<TestType> x = start<TestType>(runs::n);
    CHECK(any.looks_ahead() == LooksAhead<R>);
    for (std::int64_t t = 1; t <= runs::steps; ++t) {
      typed.go(t, t);
      any.step(x, mixed_gradient<TestType>(runs::n, t));
      REQUIRE(same_bits(x, typed.x));
      if constexpr (LooksAhead<R>)
        CHECK(same_bits(any.lookahead(x), typed.optimizer.lookahead(x)));
      else
        CHECK(same_bits(any.lookahead(x), x));
    }
    require_same_state(any, typed.optimizer);
  });
}

TEMPLATE_TEST_CASE("a chain put together at run time has the bits of its Chain", "[any]", DESCENT_ANY_SCALARS) {
  using namespace transforms;
  const rules::Adam adam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6};
  SECTION("all places") {
    require_same_run<TestType>(Chain{GradientScale{0.5}, L2Penalty{0x1p-5}, ClipNorm{2.5}, adam,
                                     WeightDecay{.weight_decay = 0.25, .matrices_only = true}, Average{0.9}});
  }
  SECTION("norms of each tensor, before and behind the rule, and of all behind those of each") {
    require_same_run<TestType>(
        Chain{ClipTensorNorm{1.5}, ClipNorm{2.0}, adam, TrustRatio{0.25}, Lookahead{.period = 3, .alpha = 0.25}});
  }
  SECTION("a norm of what depends on the state of two parts") {
    require_same_run<TestType>(Chain{ClipValue{0.75}, rules::RMSProp{.learning_rate = 0.03},
                                     MomentumOfSteps{0.75, MomentumForm::accumulated}, LayerwiseRate{0.5, 0.125},
                                     Bounds{-0.75, 0.75}, EqualAverage{5}});
  }
  SECTION("a rule with an average, and links of the parameters") {
    require_same_run<TestType>(
        Chain{L1Penalty{0x1p-5}, rules::ScheduleFreeAdamW{.learning_rate = 0.03}, SoftThreshold{0x1p-6}});
  }
}

TEST_CASE("a preset that is a chain can stand among links", "[any]") {
  using namespace transforms;
  Optimizer<Chain<ClipNorm, rules::Adam, WeightDecay, TrustRatio>, float> typed;
  const rules::LAMB lamb = presets::optax::lamb();
  static_cast<rules::Adam&>(typed) = lamb;
  static_cast<WeightDecay&>(typed) = lamb;
  static_cast<TrustRatio&>(typed) = lamb;
  AnyOptimizer<float> any = make_optimizer<float>({{"clip_norm"}, {"optax.lamb"}});
  CHECK(any.rule() == decltype(typed)::name);
  Vector<float> x = start<float>(10), y = x;
  for (int t = 1; t <= 3; ++t) {
    typed.step(x, mixed_gradient<float>(10, t));
    any.step(y, mixed_gradient<float>(10, t));
  }
  CHECK(same_bits(x, y));
}

TEST_CASE("every rule and preset can be chosen by its name", "[any]") {
  int count = 0;
  detail::for_each_named_rule([&]<class R>(std::string_view name, const R& rule) {
    const AnyOptimizer<float> any = make_optimizer<float>(name);
    CHECK(any.rule() == R::name);
    const auto values = any.hyperparameters(), expected = detail::infos_of(rule);
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(values[i].name == expected[i].name);
      CHECK(values[i].value == expected[i].value);
      CHECK(any.get(values[i].name) == values[i].value);
    }
    ++count;
  });
  CHECK(count > 100);
  CHECK(make_optimizer<float>("ADAM").rule() == "descent::Adam");
  CHECK(make_optimizer<float>("ScheduleFreeAdamW").rule() == "descent::ScheduleFreeAdamW");
}

TEST_CASE("the list of hyperparameters says what they may be", "[any]") {
  const AnyOptimizer<float> any = make_optimizer<float>("adam", {{"learning_rate", 0.5}});
  const auto all = any.hyperparameters();
  const auto info = [&](std::string_view name) { return *std::ranges::find(all, name, &HyperparameterInfo::name); };
  CHECK(info("learning_rate").value == Value(0.5));
  CHECK(info("learning_rate").range == "finite and >= 0");
  CHECK(info("learning_rate").lower == 0);
  CHECK(info("learning_rate").upper == std::numeric_limits<double>::infinity());
  CHECK(info("learning_rate").includes_lower);
  CHECK_FALSE(info("learning_rate").includes_upper);
  CHECK(info("beta1").upper == 1);
  CHECK_FALSE(info("beta1").includes_upper);
  CHECK_FALSE(info("epsilon").includes_lower);
  CHECK(info("epsilon_placement").value == Value(std::string("outside")));
  CHECK(info("epsilon_placement").choices == std::vector<std::string_view>{"outside", "inside", "hat"});
  CHECK(info("bias_correction").value == Value(true));
}

TEST_CASE("hyperparameters are set by name, whatever kind of number is given", "[any]") {
  AnyOptimizer<float> any = make_optimizer<float>({{"adamw"}, {"weight_decay"}, {"lookahead"}});
  any.set("learning_rate", 1);
  CHECK(any.get("learning_rate") == Value(1.0));
  any.set("period", 7.0);
  CHECK(any.get("period") == Value(std::int64_t{7}));
  any.set("WeightDecay.weight_decay", 0.5);
  any.set("AdamW.weight_decay", 0.25);
  CHECK(any.get("WeightDecay.weight_decay") == Value(0.5));
  CHECK(any.get("AdamW.weight_decay") == Value(0.25));
  any.set("matrices_only", true);
  CHECK(any.get("matrices_only") == Value(true));

  constexpr std::int64_t large = (std::int64_t{1} << 53) + 1;  // which no double is
  any.set("period", large);
  CHECK(any.get("period") == Value(large));
  AnyOptimizer<float> clipped = make_optimizer<float>({{"clip_norm", {{"max_norm", "inf"}}}, {"sgd"}});
  CHECK(clipped.get("max_norm") == Value(std::numeric_limits<double>::infinity()));
}

TEST_CASE("hyperparameters of one tensor can be given back, and taken again by what was kept", "[any]") {
  for (const auto& parts : {std::vector<Component>{{"sgd"}}, std::vector<Component>{{"gradient_scale"}, {"sgd"}}}) {
    AnyOptimizer<float> any = make_optimizer<float>(parts);
    auto kept = any.tensor_rule(0);
    kept.set("learning_rate", 0.5);
    any.common_rule(0);
    any.set("learning_rate", 0.25);
    CHECK(kept.get("learning_rate") == Value(0.25));
    CHECK(complaint([&] { kept.set("learning_rate", -1.0); }).find("learning_rate = -1") != std::string::npos);
    any.set("learning_rate", 0.125);
    CHECK(kept.get("learning_rate") == Value(0.125));  // what was refused left nothing behind

    kept.set("learning_rate", 2.0);
    CHECK(any.get("learning_rate") == Value(0.125));
    Vector<float> x = Vector<float>::Ones(3);
    any.step(x, x);
    CHECK(x == Vector<float>::Constant(3, -1));
    CHECK(complaint<std::out_of_range>([&] { any.tensor_rule(1); }).find("no tensor 1") != std::string::npos);
  }
}

TEST_CASE("what cannot be chosen or set is answered with what can, and nothing changes", "[any]") {
  CHECK(complaint([] {
    make_optimizer<float>("sdg");
  }).starts_with("descent: no rule \"sdg\"; there are sgd, momentum, "));
  CHECK(complaint([] {
    make_optimizer<float>("sdg");
  }).ends_with("; presets begin with pytorch., keras., optax. or paper."));
  CHECK(complaint([] {
    make_optimizer<float>("pytorch.ftrl");
  }).starts_with("descent: no rule \"pytorch.ftrl\"; there are pytorch.sgd, pytorch.momentum, "));
  CHECK(complaint_of<float>({{"clipnorm"}, {"clip"}, {"adam"}}).find("\"clip\"; there are sgd, ") != std::string::npos);
  CHECK(complaint([] { make_optimizer<float>("sgd", {{"lr", 0.1}}); }) ==
        "descent::SGD has no hyperparameter \"lr\"; it has learning_rate");

  AnyOptimizer<float> any = make_optimizer<float>("adam");
  const auto before = any.hyperparameters();
  const auto says = [&](std::string_view name, const Value& value) { return complaint([&] { any.set(name, value); }); };
  CHECK(says("beta1", 1.0) == "descent::Adam: beta1 = 1; it must be in [0, 1)");
  CHECK(says("beta1", 0.9999999999) == "descent::Adam: beta1 = 0.9999999999 becomes 1 as float; it must be in [0, 1)");
  CHECK(says("beta1", std::string("high")) == "descent::Adam: beta1 = \"high\"; it must be a number, in [0, 1)");
  CHECK(says("epsilon_placement", std::string("top")) ==
        "descent::Adam: epsilon_placement = \"top\"; it must be outside, inside or hat");
  CHECK(says("epsilon_placement", 1.0) == "descent::Adam: epsilon_placement = 1; it must be outside, inside or hat");
  CHECK(says("bias_correction", 1.0) == "descent::Adam: bias_correction = 1; it must be true or false");
  CHECK(says("beta3", 1.0).starts_with("descent::Adam has no hyperparameter \"beta3\"; it has learning_rate, "));
  CHECK(complaint([&] { any.get("beta3"); }).starts_with("descent::Adam has no hyperparameter \"beta3\"; "));
  CHECK(complaint([] { make_optimizer<float>({{"sgd"}, {"lookahead", {{"period", 2.5}}}}); }) ==
        "descent::Lookahead: period = 2.5; it must be an integer, finite and >= 1");
  const auto after = any.hyperparameters();
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(before[i].value == after[i].value);
}

TEST_CASE("a chain whose parts cannot stand so is refused", "[any]") {
  CHECK(complaint_of<float>({}) == "descent: a Chain has exactly one rule, this one has none");
  CHECK(complaint_of<float>({{"clip_norm"}, {"average"}}) ==
        "descent: a Chain has exactly one rule, this one has none");
  CHECK(complaint_of<float>({{"sgd"}, {"adam"}}) ==
        "descent: a Chain has exactly one rule, not descent::SGD and descent::Adam");
  CHECK(complaint_of<float>({{"sgd"}, {"clip_norm"}}) ==
        "descent: in a Chain, descent::ClipNorm acts on the gradient and belongs before the rule");
  CHECK(complaint_of<float>({{"weight_decay"}, {"sgd"}}) ==
        "descent: in a Chain, descent::WeightDecay acts on the step and belongs after the rule, and before the links "
        "that act on the parameters");
  CHECK(complaint_of<float>({{"sgd"}, {"average"}, {"weight_decay"}}).find("descent::WeightDecay") !=
        std::string::npos);
  CHECK(complaint_of<float>({{"average"}, {"sgd"}}) ==
        "descent: in a Chain, descent::Average acts on the parameters and belongs after the rule");
  CHECK(complaint_of<float>({{"clip_norm"}, {"clip_norm"}, {"sgd"}}) ==
        "descent: descent::ClipNorm stands twice in a Chain");
  CHECK(complaint_of<float>({{"sgd"}, {"average"}, {"equal_average"}}) ==
        "descent: in a Chain, descent::Average and descent::EqualAverage both have a state \"average\"");
  CHECK(complaint_of<float>({{"clip_norm"}, {"muon"}}) ==
        "descent::Muon steps tensors as a whole, so it stands in no Chain");
  AnyOptimizer<float> ahead =
      make_optimizer<float>({{"clip_norm"}, {"nesterov", {{"gradient_at", std::string("lookahead")}}}});
  Vector<float> x = start<float>(3);
  CHECK(complaint([&] { ahead.step(x, x); }).find("gradient_at must be parameters in a Chain") != std::string::npos);
  CHECK(same_bits(x, start<float>(3)));
}

TEST_CASE("copies of an optimizer chosen at run time are independent, and moves take it along", "[any]") {
  for (AnyOptimizer<float> any : {make_optimizer<float>("adam"), make_optimizer<float>({{"clip_norm"}, {"adam"}})}) {
    Vector<float> x = start<float>(9);
    any.step(x, mixed_gradient<float>(9, 1));
    AnyOptimizer<float> copy = any;
    Vector<float> y = x;
    any.set("learning_rate", 0.25);
    CHECK(copy.get("learning_rate") == Value(0.001));
    any.set("learning_rate", 0.001);
    AnyOptimizer<float> moved = std::move(any);
    moved.step(x, mixed_gradient<float>(9, 2));
    copy.step(y, mixed_gradient<float>(9, 2));
    CHECK(same_bits(x, y));
    CHECK(complaint<std::logic_error>([&] { any.steps(); }).find("was moved from") != std::string::npos);  // NOLINT
    any = copy;
    CHECK(any.steps() == 2);
  }
}

TEST_CASE("a step of an optimizer chosen at run time that throws changes nothing", "[any]") {
  for (AnyOptimizer<float> any : {make_optimizer<float>("adam"), make_optimizer<float>({{"clip_norm"}, {"adam"}})}) {
    Vector<float> x = start<float>(9), g = x;
    any.step(x, g);
    const Vector<float> before = x, state = any.state("first_moment");
    CHECK(complaint([&] { any.step(x, Vector<float>(g.head(8))); }).find("the gradient is 8x1") != std::string::npos);
    Vector<float> longer = start<float>(10);
    CHECK(complaint([&] { any.step(longer, longer); }).find("reset() starts anew") != std::string::npos);
    any.set_nonfinite(NonFinite::reject);
    g[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK(complaint<std::domain_error>([&] { any.step(x, g); }).find("(3, 0) is nan") != std::string::npos);
    any.set_nonfinite(NonFinite::skip, 2);
    any.step(x, g);
    CHECK(any.skipped_steps() == 1);
    CHECK(same_bits(x, before));
    CHECK(same_bits(Vector<float>(any.state("first_moment")), state));
    CHECK(any.steps() == 1);
    CHECK(complaint<std::out_of_range>([&] { any.freeze(1); }).find("no tensor 1") != std::string::npos);
    CHECK(complaint<std::out_of_range>([&] { any.state("x"); }).find("no state \"x\"") != std::string::npos);
    any.reset();
    CHECK(any.steps() == 0);
    any.step(longer, longer);
  }
}

TEST_CASE("a gradient that shares memory with parameters or state is read before it is overwritten", "[any]") {
  for (const auto& parts : {std::vector<Component>{{"adam"}}, std::vector<Component>{{"clip_norm"}, {"adam"}}}) {
    AnyOptimizer<float> any = make_optimizer<float>(parts), other = any;
    Vector<float> memory = start<float>(5000), x = memory.tail(4999);  // each element is a gradient after it has moved
    for (int t = 0; t < 3; ++t) {
      const Vector<float> gradient = memory.head(4999);
      any.step(memory.tail(4999), memory.head(4999));
      other.step(x, gradient);
      REQUIRE(same_bits(Vector<float>(memory.tail(4999)), x));
    }
    const Vector<float> moment = any.state("first_moment");
    any.step(memory.tail(4999), any.state("first_moment"));
    other.step(x, moment);
    CHECK(same_bits(Vector<float>(memory.tail(4999)), x));
  }
}

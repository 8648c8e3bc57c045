// SPDX-License-Identifier: MIT
//
// Each link of a chain against its formula, with numbers that can be checked by hand, and at its limits. Most are
// powers of two, so that nothing is rounded. (How links work together: chain_interpreter.cpp.)
#include <cmath>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::transforms;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class S = double>
Vector<S> vector(std::initializer_list<double> numbers) {
  Vector<S> all(static_cast<Eigen::Index>(numbers.size()));
  Eigen::Index i = 0;
  for (const double number : numbers) all[i++] = static_cast<S>(number);
  return all;
}

/// Bit for bit, except that all NaNs are the same.
template <class A, class B>
bool same(const A& a, const B& b) {
  if (a.size() != b.size()) return false;
  for (Eigen::Index i = 0; i < a.size(); ++i)
    if (!(std::isnan(a[i]) && std::isnan(b[i])) && !same_bits(a.segment(i, 1), b.segment(i, 1))) return false;
  return true;
}

/// Where x is after one step.
template <class S, class... Links>
Vector<S> after_step(const Chain<Links...>& chain, Vector<S> x, const Vector<S>& g) {
  Optimizer<Chain<Links...>, S> optimizer(chain);
  optimizer.step(x, g);
  return x;
}

/// What a link makes of a gradient. All parameters are -0, because -(-0 - u) is u even if that is a 0.
template <class S, class Link>
Vector<S> gradient_after(const Link& link, const Vector<S>& g) {
  return -after_step<S>(Chain<Link, rules::SGD>{link, {1}}, Vector<S>::Constant(g.size(), S(-0.0)), g);
}

/// What a link makes of the parameters, if the step of the rule is 0.
template <class S, class Link>
Vector<S> parameters_after(const Link& link, const Vector<S>& x, double learning_rate = 1) {
  return after_step<S>(Chain<rules::SGD, Link>{{learning_rate}, link}, x, Vector<S>::Zero(x.size()));
}

/// The text of the error for a link with these hyperparameters: before or after SGD, at its construction.
template <class Link>
std::string complaint_of(const Link& link) {
  return complaint([&] {
    if constexpr (Link::place == Place::gradient)
      Optimizer<Chain<Link, rules::SGD>, double>(Chain<Link, rules::SGD>{link, {}});
    else
      Optimizer<Chain<rules::SGD, Link>, double>(Chain<rules::SGD, Link>{{}, link});
  });
}

/// Checks that the text names the link and the hyperparameter.
void check_names(const std::string& text, const std::string& link, const std::string& hyperparameter) {
  INFO(text);
  CHECK(text.find(link) != std::string::npos);
  CHECK(text.find(hyperparameter) != std::string::npos);
  CHECK(text.find("must be") != std::string::npos);
}

}  // namespace

TEST_CASE("the defaults of links are as documented", "[links]") {
  CHECK(GradientScale{}.factor == 1);
  CHECK(ClipValue{}.limit == 1);
  CHECK(ClipNorm{}.max_norm == 1);
  CHECK(ClipTensorNorm{}.max_norm == 1);
  CHECK(L2Penalty{}.weight_decay == 0);
  CHECK(L1Penalty{}.weight_decay == 0);
  CHECK(WeightDecay{}.weight_decay == 0.01);
  CHECK_FALSE(WeightDecay{}.matrices_only);
  CHECK(TrustRatio{}.trust_coefficient == 1);
  CHECK(LayerwiseRate{}.trust_coefficient == 0.001);
  CHECK(LayerwiseRate{}.weight_decay == 0);
  CHECK(MomentumOfSteps{}.momentum == 0.9);
  CHECK(MomentumOfSteps{}.form == MomentumForm::velocity);
  CHECK(Bounds{}.lower == -inf);
  CHECK(Bounds{}.upper == inf);
  CHECK(SoftThreshold{}.weight == 0);
  CHECK(Average{}.decay == 0.999);
  CHECK(EqualAverage{}.start == 0);
  CHECK(Lookahead{}.period == 5);
  CHECK(Lookahead{}.alpha == 0.5);
}

TEMPLATE_TEST_CASE("GradientScale: factor g", "[links]", float, double) {
  using S = TestType;
  const Vector<S> g = vector<S>({2, -4, 1e-3, inf, not_a_number});
  CHECK(same(gradient_after<S>(GradientScale{-0.5}, g), vector<S>({-1, 2, -0.5e-3, -inf, not_a_number})));
  CHECK(same(gradient_after<S>(GradientScale{}, g), g));
  CHECK(same(gradient_after<S>(GradientScale{0.1}, vector<S>({3})), vector<S>({S(0.1) * S(3)})));
  for (const double factor : {inf, -inf, not_a_number})
    check_names(complaint_of(GradientScale{factor}), "GradientScale", "factor");
}

TEMPLATE_TEST_CASE("ClipValue: each component into [-limit, limit]; NaN stays", "[links]", float, double) {
  using S = TestType;
  const Vector<S> g = vector<S>({2, -3, 0.5, -0.25, 1, inf, -inf, not_a_number});
  CHECK(same(gradient_after<S>(ClipValue{1}, g), vector<S>({1, -1, 0.5, -0.25, 1, 1, -1, not_a_number})));
  CHECK(same(gradient_after<S>(ClipValue{inf}, g), g));
  for (const double limit : {0.0, -1.0, not_a_number})
    check_names(complaint_of(ClipValue{limit}), "ClipValue", "limit");
}

TEMPLATE_TEST_CASE("ClipNorm: max_norm / norm if the norm is above max_norm", "[links]", float, double) {
  using S = TestType;
  const Vector<S> g = vector<S>({3, 0, -4});
  CHECK(same(gradient_after<S>(ClipNorm{2.5}, g), vector<S>({1.5, 0, -2})));
  CHECK(same(gradient_after<S>(ClipNorm{1}, g), Vector<S>(S(0.2) * g)));
  for (const double no_limit : {5.0, 6.0, inf}) CHECK(same(gradient_after<S>(ClipNorm{no_limit}, g), g));
  CHECK(same(gradient_after<S>(ClipNorm{1}, vector<S>({0, 0})), vector<S>({0, 0})));

  // A norm that is NaN is not above max_norm; an infinite one takes the factor to 0.
  CHECK(same(gradient_after<S>(ClipNorm{1}, vector<S>({30, not_a_number})), vector<S>({30, not_a_number})));
  CHECK(same(gradient_after<S>(ClipNorm{1}, vector<S>({30, inf})), vector<S>({0, not_a_number})));
  CHECK(same(gradient_after<S>(ClipNorm{inf}, vector<S>({30, inf})), vector<S>({30, inf})));

  // Squares that overflow or vanish.
  for (const int exponent : {-120, 100, -980, 1000}) {
    if (std::is_same_v<S, float> && std::abs(exponent) > 120) continue;
    const double size = std::ldexp(1, exponent);
    CHECK(same(gradient_after<S>(ClipNorm{size}, Vector<S>(g * static_cast<S>(size))),
               Vector<S>(S(0.2) * (g * static_cast<S>(size)))));
  }
  for (const double max_norm : {0.0, -1.0, not_a_number})
    check_names(complaint_of(ClipNorm{max_norm}), "ClipNorm", "max_norm");
}

TEST_CASE("ClipNorm takes all tensors together, ClipTensorNorm each by itself", "[links]") {
  std::vector<Vector<double>> x{vector({0}), vector({}), vector({0, 0})}, y = x;
  const std::vector<Vector<double>> g{vector({3}), vector({}), vector({0, 4})};
  Optimizer<Chain<ClipNorm, rules::SGD>, double> together({{2.5}, {1}});
  together.step(x, g);
  CHECK(x == std::vector<Vector<double>>{vector({-1.5}), vector({}), vector({0, -2})});
  Optimizer<Chain<ClipTensorNorm, rules::SGD>, double> each({{2}, {1}});
  each.step(y, g);
  CHECK(same(y[0], vector({-(2.0 / 3) * 3})));
  CHECK(same(y[2], vector({0, -2})));

  // A frozen tensor is in no norm.
  Optimizer<Chain<ClipNorm, rules::SGD>, double> without({{2}, {1}});
  without.freeze(0);
  x = {vector({7}), vector({}), vector({0, 0})};
  without.step(x, g);
  CHECK(x == std::vector<Vector<double>>{vector({7}), vector({}), vector({0, -2})});
}

TEMPLATE_TEST_CASE("ClipTensorNorm: as ClipNorm, for one tensor", "[links]", float, double) {
  using S = TestType;
  const Vector<S> g = vector<S>({3, 0, -4});
  CHECK(same(gradient_after<S>(ClipTensorNorm{2.5}, g), vector<S>({1.5, 0, -2})));
  CHECK(same(gradient_after<S>(ClipTensorNorm{1}, g), Vector<S>(S(0.2) * g)));
  for (const double no_limit : {5.0, inf}) CHECK(same(gradient_after<S>(ClipTensorNorm{no_limit}, g), g));
  CHECK(same(gradient_after<S>(ClipTensorNorm{1}, vector<S>({30, not_a_number})), vector<S>({30, not_a_number})));
  for (const double max_norm : {0.0, -1.0, not_a_number})
    check_names(complaint_of(ClipTensorNorm{max_norm}), "ClipTensorNorm", "max_norm");
}

TEMPLATE_TEST_CASE("L2Penalty: g + weight_decay x", "[links]", float, double) {
  using S = TestType;
  const Chain<L2Penalty, rules::SGD> chain{{0.25}, {1}};
  CHECK(same(after_step<S>(chain, vector<S>({8, -4, 0, not_a_number}), vector<S>({1, 1, 1, 1})),
             vector<S>({8 - 3, -4 - 0, 0 - 1, not_a_number})));
  for (const double decay : {-1.0, inf, not_a_number})
    check_names(complaint_of(L2Penalty{decay}), "L2Penalty", "weight_decay");
}

TEMPLATE_TEST_CASE("L1Penalty: g + weight_decay sign(x), where sign(0) is 0", "[links]", float, double) {
  using S = TestType;
  const Chain<L1Penalty, rules::SGD> chain{{0.25}, {1}};
  CHECK(same(after_step<S>(chain, vector<S>({8, -4, 0.5, -0.5, 0, -0.0, inf}), vector<S>({1, 1, 1, 1, 1, 1, 1})),
             vector<S>({6.75, -4.75, -0.75, -1.25, -1, -1, inf})));
  for (const double decay : {-1.0, inf, not_a_number})
    check_names(complaint_of(L1Penalty{decay}), "L1Penalty", "weight_decay");
}

TEMPLATE_TEST_CASE("WeightDecay: u + learning_rate weight_decay x", "[links]", float, double) {
  using S = TestType;
  const Chain<rules::SGD, WeightDecay> chain{{0.5}, {0.25}};
  CHECK(same(after_step<S>(chain, vector<S>({8, -8}), vector<S>({2, 2})), vector<S>({8 - 2, -8 - 0})));
  for (const double decay : {-1.0, inf, not_a_number})
    check_names(complaint_of(WeightDecay{decay}), "WeightDecay", "weight_decay");
}

TEST_CASE("WeightDecay with matrices_only spares a tensor with one row or one column", "[links]") {
  Optimizer<Chain<rules::SGD, WeightDecay>, double> optimizer({{0.5}, {0.25, true}});
  Eigen::MatrixXd square = Eigen::MatrixXd::Constant(2, 2, 8), one_row = Eigen::MatrixXd::Constant(1, 2, 8),
                  one_column = Eigen::MatrixXd::Constant(2, 1, 8);
  Eigen::VectorXd vector = Eigen::VectorXd::Constant(2, 8);
  Eigen::RowVectorXd row = Eigen::RowVectorXd::Constant(2, 8);
  Eigen::MatrixXd one(1, 1);
  one << 8;
  const auto all = std::tie(square, one_row, one_column, vector, row, one);
  const auto zeros = std::apply([](const auto&... each) { return std::tuple((each * 0).eval()...); }, all);
  optimizer.step(all, zeros);
  CHECK((square.array() == 7).all());
  CHECK((one_row.array() == 8).all());
  CHECK((one_column.array() == 8).all());
  CHECK((vector.array() == 8).all());
  CHECK((row.array() == 8).all());
  CHECK(one(0, 0) == 8);

  optimizer.link<WeightDecay>().matrices_only = false;
  optimizer.step(all, zeros);
  CHECK((square.array() == 7 - 0.875).all());
  CHECK((one_row.array() == 7).all());
  CHECK((row.array() == 7).all());
}

TEMPLATE_TEST_CASE("TrustRatio: learning_rate |x| / |u| u", "[links]", float, double) {
  using S = TestType;
  const Chain<rules::SGD, TrustRatio> chain{{0.5}, {}};
  // u = (0, 2), and the ratio is 0.5 * 5 / 2.
  CHECK(same(after_step<S>(chain, vector<S>({3, 4}), vector<S>({0, 4})), vector<S>({3, 1.5})));
  const S small = S(0x1p-4);
  CHECK(same(after_step<S>(chain, small * vector<S>({3, 4}), small * vector<S>({0, 4})), small * vector<S>({3, 1.5})));
  // With a norm of 0, the step stays: before that of the parameters, then that of the step.
  CHECK(same(after_step<S>(chain, vector<S>({0, 0}), vector<S>({0, 4})), vector<S>({0, -2})));
  CHECK(same(after_step<S>(chain, vector<S>({3, 4}), vector<S>({0, 0})), vector<S>({3, 4})));
  CHECK(same(after_step<S>(chain, vector<S>({not_a_number, 4}), vector<S>({0, 4})), vector<S>({not_a_number, 2})));
  // A ratio beyond the largest number is that number: 0.5 * 2^100 / 2^-100 for float.
  const int exponent = std::is_same_v<S, float> ? 100 : 1000;
  const S x = std::ldexp(S(1), exponent), u = std::ldexp(S(1), -exponent), largest = std::numeric_limits<S>::max();
  CHECK(same(after_step<S>(chain, vector<S>({x}), vector<S>({2 * u})), vector<S>({x - largest * u})));
  CHECK(same(after_step<S>(Chain<rules::SGD, TrustRatio>{{0}, {}}, vector<S>({3, 4}), vector<S>({0, 4})),
             vector<S>({3, 4})));
}

TEST_CASE("TrustRatio has the norms of each tensor", "[links]") {
  Optimizer<Chain<rules::SGD, TrustRatio>, double> optimizer({{1}, {}});
  std::vector<Vector<double>> x{vector({3, 4}), vector({8})};
  optimizer.step(x, std::vector<Vector<double>>{vector({2, 0}), vector({-32})});
  CHECK(x == std::vector<Vector<double>>{vector({-2, 4}), vector({16})});
}

TEMPLATE_TEST_CASE("LayerwiseRate: r (u + decay x), r = learning_rate trust |x| / (|u| + decay |x|)", "[links]", float,
                   double) {
  using S = TestType;
  const Chain<rules::SGD, LayerwiseRate> chain{{0.5}, {.trust_coefficient = 0.25, .weight_decay = 1}};
  // u = (0, 1.5), decay x = (1.5, 2), and r is 0.5 * 0.25 * 5 / (1.5 + 2.5) = 5 / 32. Small numbers are no exception.
  for (const S size : {S(1), S(0x1p-4)})
    CHECK(same(after_step<S>(chain, size * vector<S>({3, 4}), size * vector<S>({0, 3})),
               size * vector<S>({3 - 7.5 / 32, 4 - 17.5 / 32})));
  // With a norm of 0, r is 1.
  CHECK(same(after_step<S>(chain, vector<S>({0, 0}), vector<S>({0, 3})), vector<S>({0, -1.5})));
  CHECK(same(after_step<S>(chain, vector<S>({3, 4}), vector<S>({0, 0})), vector<S>({1.5, 2})));
  for (const double value : {-1.0, inf, not_a_number}) {
    check_names(complaint_of(LayerwiseRate{value}), "LayerwiseRate", "trust_coefficient");
    check_names(complaint_of(LayerwiseRate{1, value}), "LayerwiseRate", "weight_decay");
  }
}

TEST_CASE("MomentumOfSteps: v = momentum v + u; the step is v, or learning_rate v", "[links]") {
  Optimizer<Chain<rules::SGD, MomentumOfSteps>, double> optimizer({{2}, {0.5}});
  Vector<double> x = vector({0});
  const Vector<double> g = vector({1});
  optimizer.step(x, g);  // v = 2
  CHECK(x[0] == -2);
  optimizer.step(x, g);  // v = 3
  CHECK(x[0] == -5);
  optimizer.learning_rate = 1;
  optimizer.step(x, g);  // v = 2.5
  CHECK(x[0] == -7.5);
  CHECK(optimizer.state("velocity")[0] == 2.5);

  // Here everything before it has a learning rate of 1: the rule, and the decay of x, 0.25 x.
  Optimizer<Chain<rules::SGD, WeightDecay, MomentumOfSteps>, double> accumulated(
      {{2}, {0.25}, {0.5, MomentumForm::accumulated}});
  x = vector({4});
  accumulated.step(x, g);  // v = 1 + 1
  CHECK(x[0] == 0);
  accumulated.learning_rate = 8;
  accumulated.step(x, g);  // v = 1 + 1 + 0
  CHECK(x[0] == -16);
  CHECK(accumulated.state("velocity")[0] == 2);

  // But not what comes after it.
  Optimizer<Chain<rules::SGD, MomentumOfSteps, WeightDecay>, double> decayed_after(
      {{2}, {0.5, MomentumForm::accumulated}, {0.25}});
  x = vector({4});
  decayed_after.step(x, g);
  CHECK(x[0] == 4 - 2 - 2);

  for (const double momentum : {-0.5, 1.5, not_a_number})
    check_names(complaint_of(MomentumOfSteps{momentum}), "MomentumOfSteps", "momentum");
  check_names(complaint_of(MomentumOfSteps{0.5, MomentumForm::averaged}), "MomentumOfSteps", "form");
}

TEMPLATE_TEST_CASE("MomentumOfSteps behind SGD is Momentum", "[links]", float, double) {
  for (const MomentumForm form : {MomentumForm::velocity, MomentumForm::accumulated}) {
    Optimizer<Chain<rules::SGD, MomentumOfSteps>, TestType> chain({{0.03}, {0.8, form}});
    Optimizer<rules::Momentum, TestType> momentum({.learning_rate = 0.03, .momentum = 0.8, .form = form});
    Vector<TestType> x = start<TestType>(runs::n), y = x;
    for (std::int64_t t = 1; t <= runs::steps; ++t) {
      if (t == 11) chain.learning_rate = momentum.learning_rate = 0.01;
      const Vector<TestType> g = mixed_gradient<TestType>(runs::n, t);
      chain.step(x, g);
      momentum.step(y, g);
      REQUIRE(same_bits(x, y));
    }
    CHECK(same_bits(chain.state("velocity"), momentum.state("velocity")));
  }
}

TEMPLATE_TEST_CASE("Bounds: the parameters into [lower, upper]; NaN stays", "[links]", float, double) {
  using S = TestType;
  const Vector<S> x = vector<S>({-3, -1, 0.25, 2, inf, -inf, not_a_number});
  CHECK(same(parameters_after<S>(Bounds{-1, 0.5}, x), vector<S>({-1, -1, 0.25, 0.5, 0.5, -1, not_a_number})));
  CHECK(same(parameters_after<S>(Bounds{}, x), x));
  CHECK(same(parameters_after<S>(Bounds{.lower = 0}, x), vector<S>({0, 0, 0.25, 2, inf, 0, not_a_number})));
  CHECK(same(parameters_after<S>(Bounds{2, 2}, x), vector<S>({2, 2, 2, 2, 2, 2, not_a_number})));
  // After the step, not before it.
  CHECK(same(after_step<S>(Chain<rules::SGD, Bounds>{{1}, {0, 1}}, vector<S>({5, 5}), vector<S>({4.5, 9})),
             vector<S>({0.5, 0})));
  check_names(complaint_of(Bounds{1, 0.5}) + " must be", "Bounds", "lower");
  check_names(complaint_of(Bounds{not_a_number, 1}) + " must be", "Bounds", "lower");
  check_names(complaint_of(Bounds{0, not_a_number}) + " must be", "Bounds", "upper");
}

TEMPLATE_TEST_CASE("SoftThreshold: towards 0 by learning_rate weight, but not beyond", "[links]", float, double) {
  using S = TestType;
  const Vector<S> x = vector<S>({3, -3, 0.5, -0.5, 1, 0, -inf, not_a_number});
  CHECK(same(parameters_after<S>(SoftThreshold{2}, x, 0.5), vector<S>({2, -2, 0, 0, 0, 0, -inf, not_a_number})));
  CHECK(same(parameters_after<S>(SoftThreshold{0}, x), x));
  CHECK(same(parameters_after<S>(SoftThreshold{}, x), x));
  for (const double weight : {-1.0, inf, not_a_number})
    check_names(complaint_of(SoftThreshold{weight}), "SoftThreshold", "weight");
}

TEMPLATE_TEST_CASE("Average: decay a + (1 - decay) x, and x itself at first", "[links]", float, double) {
  using S = TestType;
  Optimizer<Chain<rules::SGD, Average>, S> optimizer({{1}, {0.75}});
  Vector<S> x = vector<S>({4, -0.0, 0.3, inf}), plain = x;
  const Vector<S> g = vector<S>({0, 0, 0.1, 0});
  CHECK(same(optimizer.averaged(x), x));
  optimizer.step(x, g);
  plain -= g;
  CHECK(same(x, plain));
  CHECK(same(optimizer.averaged(x), x));
  CHECK(same(optimizer.state("average"), x));
  optimizer.step(x, vector<S>({8, 0, 0, 0}));  // x = -4
  CHECK(optimizer.averaged(x)[0] == 0.75 * 4 - 0.25 * 4);
  CHECK(x[0] == -4);
  for (const double decay : {-0.5, 1.5, not_a_number}) check_names(complaint_of(Average{decay}), "Average", "decay");
}

TEST_CASE("averaged has the shapes of the parameters", "[links]") {
  Optimizer<Chain<rules::SGD, Average>, double> optimizer({{1}, {0.5}});
  Eigen::Matrix<double, 2, 3, Eigen::RowMajor> W = Eigen::Matrix<double, 2, 3>::Constant(4);
  Eigen::VectorXd b = Eigen::VectorXd::Constant(2, 4);
  const auto step = [&] {
    const Eigen::Matrix<double, 2, 3> dW = (Eigen::Matrix<double, 2, 3>() << 1, 2, 3, 4, 5, 6).finished();
    const Eigen::VectorXd db = Eigen::Vector2d(7, 8);
    optimizer.step(std::tie(W, b), std::tie(dW, db));
  };
  optimizer.freeze(1);
  step();
  const Eigen::MatrixXd first = W;
  step();
  const auto [average_of_W, average_of_b] = optimizer.averaged(std::tie(W, b));
  CHECK(average_of_W == (first + W) / 2);
  CHECK(average_of_b == b);  // it has not taken a step
  optimizer.unfreeze(1);
  step();
  CHECK(std::get<1>(optimizer.averaged(std::tie(W, b))) == b);  // its first
  CHECK(b == Eigen::Vector2d(-3, -4));
}

TEST_CASE("EqualAverage: the mean of the parameters after step `start`", "[links]") {
  const auto averages = [](int start) {
    Optimizer<Chain<rules::SGD, EqualAverage>, double> optimizer({{1}, {start}});
    Vector<double> x = vector({0}), all(5);
    for (int t = 0; t < 5; ++t) {
      const Vector<double> g = vector({-std::ldexp(12, t) + (t == 0 ? 0 : std::ldexp(12, t - 1))});
      optimizer.step(x, g);  // x is 12, 24, 48, 96, 192
      all[t] = optimizer.averaged(x)[0];
    }
    CHECK(x[0] == 192);
    return all;
  };
  CHECK(averages(0).head(4) == vector({12, 18, 18 + (1.0 / 3) * 30, 28 + (1.0 / 4) * 68}));
  CHECK(averages(1).head(4) == vector({12, 24, 36, 36 + (1.0 / 3) * 60}));
  CHECK(averages(3) == vector({12, 24, 48, 96, 144}));
  CHECK(averages(9) == vector({12, 24, 48, 96, 192}));
  check_names(complaint_of(EqualAverage{-1}), "EqualAverage", "start");
}

TEST_CASE("Lookahead: every period-th step, the slow parameters follow and the fast ones return", "[links]") {
  Optimizer<Chain<rules::SGD, Lookahead>, double> optimizer({{1}, {2, 0.5}});
  Vector<double> x = vector({8});
  const Vector<double> g = vector({-4});
  const double fast[] = {12, 12, 16, 16, 20}, slow[] = {8, 12, 12, 16, 16};
  for (int t = 0; t < 5; ++t) {
    optimizer.step(x, g);
    CHECK(x[0] == fast[t]);
    CHECK(optimizer.state("slow")[0] == slow[t]);
  }
  // A period of 1 synchronizes in the first step.
  CHECK(same(after_step<double>(Chain<rules::SGD, Lookahead>{{1}, {1, 0.25}}, vector({8}), g), vector({9})));
  check_names(complaint_of(Lookahead{0}), "Lookahead", "period");
  for (const double alpha : {-0.5, 1.5, not_a_number})
    check_names(complaint_of(Lookahead{5, alpha}), "Lookahead", "alpha");
}

TEST_CASE("links of a place work in the order in which they are written", "[links]") {
  const Vector<double> x = vector({0}), g = vector({8});
  CHECK(after_step<double>(Chain<GradientScale, ClipValue, rules::SGD>{{0.5}, {2}, {1}}, x, g)[0] == -2);
  CHECK(after_step<double>(Chain<ClipValue, GradientScale, rules::SGD>{{2}, {0.5}, {1}}, x, g)[0] == -1);
}

TEST_CASE("a hyperparameter of a link may change during a run, and is checked", "[links]") {
  auto optimizer = make_optimizer<double>(Chain{ClipValue{.limit = 1}, rules::SGD{.learning_rate = 1}});
  Vector<double> x = vector({0});
  const Vector<double> g = vector({8});
  optimizer.step(x, g);
  CHECK(x[0] == -1);
  optimizer.link<ClipValue>().limit = 3;
  optimizer.step(x, g);
  CHECK(x[0] == -4);
  optimizer.link<ClipValue>().limit = 0;
  check_names(complaint([&] { optimizer.step(x, g); }), "ClipValue", "limit");
  CHECK(x[0] == -4);
  CHECK(optimizer.steps() == 2);

  // So are those of a tensor of its own.
  optimizer.link<ClipValue>().limit = 2;
  optimizer.tensor_rule(0).learning_rate = 0.5;
  optimizer.step(x, g);
  CHECK(x[0] == -5);
  optimizer.tensor_rule(0).learning_rate = -1;
  CHECK_THROWS_AS(optimizer.step(x, g), std::invalid_argument);
  CHECK(x[0] == -5);
  optimizer.common_rule(0);
  optimizer.step(x, g);
  CHECK(x[0] == -7);
}

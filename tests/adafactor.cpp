// SPDX-License-Identifier: MIT
//
// Adafactor: its step against the formula in long double and against the frameworks, and everything that an optimizer
// promises, for matrices, whose state is factored, beside vectors, whose state is not.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <descent/checkpoint.hpp>
#include <descent/presets.hpp>
#include <descent/rules/adafactor.hpp>

#include "catch.hpp"
#include "matrices.hpp"
#include "variants.hpp"

/// Every member compiles, also those for rules with a kernel.
template class descent::Optimizer<descent::rules::Adafactor, float>;

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::Dynamic, Eigen::Index;

/// A name, a rule, for every choice that Adafactor has.
template <class Visit>
void for_each_adafactor(const Visit& visit) {
  const rules::Adafactor adafactor{.learning_rate = 0.3, .decay_rate = 0.7, .epsilon1 = 1e-3, .epsilon2 = 0.1};
  const auto with = [&](const char* name, auto&& change) {
    rules::Adafactor rule = adafactor;
    change(rule);
    visit(name, rule);
  };
  with("paper", [](auto&) {});
  with("clipped more", [](auto& its) { its.clip_threshold = 0.4; });
  with("not clipped", [](auto& its) { its.clip_threshold = std::numeric_limits<double>::infinity(); });
  with("unscaled", [](auto& its) { its.scale_parameter = false; });
  with("small parameters", [](auto& its) { its.epsilon2 = 3; });
  with("fixed rate", [](auto& its) { its.relative_step = false, its.learning_rate = 0.01; });
  with("falling rate", [](auto& its) { its.learning_rate = 2; });
  with("with decay", [](auto& its) { its.weight_decay = 0.2; });
  with("least", [](auto& its) { its.epsilon_form = AdafactorEpsilon::least, its.epsilon1 = 0.5; });
  with("least machine epsilon", [](auto& its) { its.epsilon_form = AdafactorEpsilon::least, its.epsilon1 = 0; });
}

// ---- The formula in long double ------------------------------------------------------------------

/// Adafactor for one tensor, with a bound for the difference in the Frobenius norm of a step with roundings of u. Rates
/// and root mean squares are in double, whatever the scalar.
struct Plain {
  rules::Adafactor rule;
  long double machine_epsilon;
  long double u = std::max(machine_epsilon / 2, static_cast<long double>(u_of(0.0)));
  Exact v = {}, v_row = {}, v_col = {};  ///< the last two only of matrices
  long double x_error = 0;

  void step(Exact& x, const Exact& g, int t) {
    const long double rest = std::pow(static_cast<long double>(t), -static_cast<long double>(rule.decay_rate));
    const bool is_added = rule.epsilon_form == AdafactorEpsilon::added;
    const long double epsilon = rule.epsilon1 > 0 ? static_cast<long double>(rule.epsilon1) : machine_epsilon;
    const Exact squares = g.cwiseAbs2().array() + (is_added ? epsilon : 0);
    const auto average = [&](Exact& mean, const Exact& next) {
      if (mean.size() == 0) mean = Exact::Zero(next.rows(), next.cols());
      mean = (1 - rest) * mean + rest * next;
    };
    Exact v_hat;
    if (x.rows() > 1 && x.cols() > 1) {
      average(v_row, squares.rowwise().mean());
      average(v_col, squares.colwise().mean());
      v_hat = v_row * v_col / (is_added ? v_row.mean() : std::max(v_row.mean(), epsilon));
    } else {
      average(v, squares);
      v_hat = v;
    }
    if (!is_added) v_hat = v_hat.cwiseMax(epsilon * epsilon);
    const Exact direction = g.cwiseQuotient(v_hat.cwiseSqrt());

    const auto rms = [](const Exact& of) { return of.norm() / std::sqrt(static_cast<long double>(of.size())); };
    const long double rate = rule.learning_rate;
    const long double rho = rule.relative_step ? std::min(rate, 1 / std::sqrt(static_cast<long double>(t))) : rate;
    const long double alpha =
        rule.scale_parameter ? rho * std::max(static_cast<long double>(rule.epsilon2), rms(x)) : rho;
    const Exact step = alpha / std::max(1.0L, rms(direction) / rule.clip_threshold) * direction;

    // Sums of up to 64 squares have as many roundings; v_row, v_col, their mean and v_hat at most 8 at each step; half
    // of all that is in the root. Then come the root, a quotient, the rates and a product. An error of x changes
    // rms(x), and so the length of the step.
    const auto roundings = static_cast<long double>(64 + 4 * t + 16);
    x_error += step.norm() * (roundings * u + x_error / std::max(x.norm(), x_error)) + 4 * u * x.norm();
    x = x - rate * rule.weight_decay * x - step;
  }
};

template <class Scalar>
ColMajor<Scalar> gradient_at(Index rows, Index cols, int t) {
  return random_matrix<Scalar>(rows, cols, static_cast<std::uint64_t>(t));
}

template <class O, class Params>
void go(O& optimizer, Params& x, int from, int to) {
  using Scalar = typename Params::Scalar;
  for (int t = from; t <= to; ++t) optimizer.step(x, gradient_at<Scalar>(x.rows(), x.cols(), t));
}

}  // namespace

TEMPLATE_TEST_CASE("Adafactor's step is its formula", "[adafactor]", float, double, long double) {
  for_each_adafactor([&](const char* name, const rules::Adafactor& rule) {
    for (const auto& [rows, cols] : {std::pair<Index, Index>{3, 3}, {2, 5}, {6, 2}, {7, 1}, {1, 4}, {40, 23}}) {
      INFO(name << ", " << rows << " by " << cols);
      ColMajor<TestType> x = random_matrix<TestType>(rows, cols, 100);
      Exact wanted = x.template cast<long double>();
      Plain plain{rule, std::numeric_limits<TestType>::epsilon()};
      Optimizer<rules::Adafactor, TestType> adafactor(rule);
      for (int t = 1; t <= 5; ++t)
        plain.step(wanted, gradient_at<TestType>(rows, cols, t).template cast<long double>(), t);
      go(adafactor, x, 1, 5);
      CHECK((x.template cast<long double>() - wanted).norm() <= plain.x_error);
      CHECK(plain.x_error < 1e4L * plain.u * wanted.norm());  // far less than an error in the formula
      const bool is_matrix = rows > 1 && cols > 1;
      CHECK(adafactor.state("second_moment").size() == (is_matrix ? rows + cols : rows * cols));
    }
  });
}

TEST_CASE("the state of a matrix is the means of its rows, then those of its columns", "[adafactor]") {
  ColMajor<double> W(2, 3);
  W << 1, 2, 3, 4, 5, 6;
  RowMajor<double> V = W;
  Adafactor<double> of_columns, of_rows;
  const ColMajor<double> g = W;
  of_columns.step(W, g);
  of_rows.step(V, g);
  for (const auto* adafactor : {&of_columns, &of_rows}) {
    const auto state = adafactor->state("second_moment");
    REQUIRE(state.size() == 5);
    CHECK(state[0] == Approx(14.0 / 3));
    CHECK(state[1] == Approx(77.0 / 3));
    CHECK(state[2] == Approx(17.0 / 2));
    CHECK(state[3] == Approx(29.0 / 2));
    CHECK(state[4] == Approx(45.0 / 2));
  }
}

TEMPLATE_TEST_CASE("Adafactor takes gradients of any size", "[adafactor]", float, double) {
  using Limits = std::numeric_limits<TestType>;
  for (const auto& [rows, cols] : {std::pair<Index, Index>{5, 4}, {6, 1}})
    for (const auto form : {AdafactorEpsilon::added, AdafactorEpsilon::least}) {
      for (const TestType size : {TestType(0), Limits::denorm_min(), (Limits::min)(), TestType(1), (Limits::max)()}) {
        INFO(rows << " by " << cols << ", " << size);
        Optimizer<rules::Adafactor, TestType> adafactor({.epsilon_form = form});
        ColMajor<TestType> x = random_matrix<TestType>(rows, cols, 100), g = size * random_matrix<TestType>(rows, cols);
        for (int t = 1; t <= 3; ++t) adafactor.step(x, g);
        g(1, 0) = size == 0 ? (Limits::max)() : TestType(0);
        for (int t = 4; t <= 40; ++t) adafactor.step(x, g);
        CHECK(x.allFinite());
      }
    }
}

TEMPLATE_TEST_CASE("Adafactor's bits do not depend on the layout of the gradient", "[adafactor]", float, double) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{17, 17}, {9, 30}, {2, 2}}) {
    const auto compare = [&, rows = rows, cols = cols](auto&& x, auto gradient, auto y) {
      Optimizer<rules::Adafactor, TestType> adafactor({.weight_decay = 0.1}), other = adafactor;
      x = random_matrix<TestType>(rows, cols, 100), y = x;
      for (int t = 1; t <= 3; ++t) {
        const ColMajor<TestType> g = gradient_at<TestType>(rows, cols, t);
        gradient = g;
        adafactor.step(y, g);
        other.step(x, gradient);
      }
      CHECK(same_bits(ColMajor<TestType>(x), ColMajor<TestType>(y)));
    };
    ColMajor<TestType> columns;
    RowMajor<TestType> in_rows;
    compare(columns, RowMajor<TestType>(), ColMajor<TestType>());
    compare(in_rows, RowMajor<TestType>(), RowMajor<TestType>());
    using Strided = Eigen::Map<ColMajor<TestType>, Eigen::Unaligned, Eigen::Stride<Dynamic, Dynamic>>;
    ColMajor<TestType> wide = ColMajor<TestType>::Zero(2 * rows + 1, cols + 1);
    compare(Strided(&wide(1, 1), rows, cols, {wide.rows(), 2}), ColMajor<TestType>(), ColMajor<TestType>());
    RowMajor<TestType> high = RowMajor<TestType>::Zero(rows + 3, cols + 1);
    compare(high.block(2, 1, rows, cols), ColMajor<TestType>(), RowMajor<TestType>());
  }
}

TEST_CASE("Adafactor's bits do not depend on the number of threads", "[adafactor]") {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{300, 400}, {120'000, 1}}) {
    ColMajor<float> one = random_matrix<float>(rows, cols, 100), several = one;
    Adafactor<float> adafactor, shared;
    shared.set_threads(3);
    go(adafactor, one, 1, 2);
    go(shared, several, 1, 2);
    CHECK(same_bits(one, several));
  }
}

TEST_CASE("each tensor is stepped by itself", "[adafactor]") {
  const ColMajor<double> start = random_matrix<double>(4, 3, 100);
  const Vector<double> start_of_b = start.reshaped();
  ColMajor<double> A = start, B = start, C = start, alone = start, slow = start;
  Vector<double> b = start_of_b, b_alone = b;
  Adafactor<double> adafactor, single, single_b, slower({.learning_rate = 0.001, .clip_threshold = 0.5});
  adafactor.freeze(0);
  adafactor.tensor_rule(3).learning_rate = 0.001;
  adafactor.tensor_rule(3).clip_threshold = 0.5;
  for (int t = 1; t <= 3; ++t) {
    const ColMajor<double> g = gradient_at<double>(4, 3, t);
    const Vector<double> h = gradient_at<double>(12, 1, t);
    adafactor.step(std::tie(A, B, b, C), std::tie(g, g, h, g));
    single.step(alone, g);
    single_b.step(b_alone, h);
    slower.step(slow, g);
  }
  CHECK(same_bits(A, start));
  CHECK(same_bits(B, alone));
  CHECK(same_bits(b, b_alone));
  CHECK(same_bits(C, slow));
  const auto state = adafactor.state("second_moment");
  REQUIRE(state.size() == 7 + 7 + 12 + 7);
  CHECK(state.head(7).isZero(0));
  CHECK(same_bits(state.segment(7, 7), single.state(0)));
  CHECK(same_bits(state.segment(14, 12), single_b.state(0)));
}

TEST_CASE("a gradient that overlaps Adafactor's parameters is copied first", "[adafactor]") {
  const ColMajor<double> start = random_matrix<double>(6, 6, 100);
  ColMajor<double> x = start, y = start, in_place = start;
  Adafactor<double> adafactor, other, itself, apart;
  adafactor.step(x, ColMajor<double>(start.transpose()));
  other.step(y, y.transpose());
  CHECK(same_bits(x, y));
  itself.step(in_place, in_place);
  x = start;
  apart.step(x, start);
  CHECK(same_bits(x, in_place));
}

TEST_CASE("Adafactor of a fixed size", "[adafactor]") {
  Adafactor<float, 17> fixed({.weight_decay = 0.1});
  Adafactor<float> dynamic({.weight_decay = 0.1});
  Eigen::Matrix<float, 4, 3, Eigen::ColMajor> W = random_matrix<float>(4, 3, 100), V = W, g;
  Eigen::Vector<float, 5> b = start<float>(5), c = b;
  for (int t = 1; t <= 40; ++t) {
    g = gradient_at<float>(4, 3, t);
    const Eigen::Vector<float, 5> h = mixed_gradient<float>(5, t);
    fixed.step(std::tie(W, b), std::tie(g, h));
    dynamic.step(std::tie(V, c), std::tie(g, h));
  }
  CHECK(same_bits(W, V));
  CHECK(same_bits(b, c));
  CHECK(fixed.state(0).size() == 4 + 3 + 5);
  CHECK(same_bits(fixed.state(0), dynamic.state(0)));
}

TEST_CASE("Adafactor continues from a checkpoint with the same bits, in any storage order", "[adafactor]") {
  const rules::Adafactor rule{
      .learning_rate = 0.02, .epsilon1 = 0, .relative_step = false, .epsilon_form = AdafactorEpsilon::least};
  for (const Index cols : {2, 5}) {  // two by two elements are as many as rows and columns
    Adafactor<float> adafactor(rule), loaded;
    ColMajor<float> W = random_matrix<float>(2, cols, 100), V = ColMajor<float>::Zero(2, cols);
    Vector<float> b = start<float>(20), c = Vector<float>::Zero(20);
    const auto step = [&](auto& optimizer, auto& matrix, auto& vector, int t) {
      optimizer.step(std::tie(matrix, vector),
                     std::tuple(gradient_at<float>(2, cols, t), mixed_gradient<float>(20, t)));
    };
    for (int t = 1; t <= 5; ++t) step(adafactor, W, b, t);
    std::stringstream file;
    save(file, adafactor, std::tie(W, b));
    const std::string saved = file.str();
    load(file, loaded, std::tie(V, c));
    CHECK(loaded.epsilon_form == AdafactorEpsilon::least);
    CHECK_FALSE(loaded.relative_step);
    Adafactor<float> copy = adafactor, in_rows;
    ColMajor<float> U = W;
    Vector<float> a = b;
    for (int t = 6; t <= 9; ++t) step(adafactor, W, b, t), step(loaded, V, c, t), step(copy, U, a, t);
    CHECK(same_bits(W, V));
    CHECK(same_bits(b, c));
    CHECK(same_bits(W, U));
    CHECK(same_state(adafactor, loaded));
    CHECK(same_state(adafactor, copy));

    RowMajor<float> rows(2, cols);
    Vector<float> d(20);
    std::istringstream again(saved);
    load(again, in_rows, std::tie(rows, d));
    std::ostringstream out;
    save(out, in_rows, std::tie(rows, d));
    CHECK(out.str() == saved);
  }
}

TEST_CASE("a hyperparameter of Adafactor that is out of range is named", "[adafactor]") {
  const auto named = [](const std::string& text, auto&& change) {
    Adafactor<double> adafactor;
    ColMajor<double> W = random_matrix<double>(4, 3, 100);
    change(static_cast<rules::Adafactor&>(adafactor));
    const std::string error = complaint([&] { adafactor.step(W, W); });
    INFO(error);
    CHECK(error.find("descent::Adafactor: " + text) == 0);
    CHECK(same_bits(W, random_matrix<double>(4, 3, 100)));
    CHECK(adafactor.steps() == 0);
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const auto& [field, member, below, beyond] :
       {std::tuple{"learning_rate", &rules::Adafactor::learning_rate, -1e-9, infinity},
        {"decay_rate", &rules::Adafactor::decay_rate, 0.0, infinity},
        {"epsilon1", &rules::Adafactor::epsilon1, -1e-9, infinity},
        {"epsilon2", &rules::Adafactor::epsilon2, -1e-9, infinity},
        {"clip_threshold", &rules::Adafactor::clip_threshold, 0.0, -1.0},
        {"weight_decay", &rules::Adafactor::weight_decay, -1e-9, infinity}})
    for (const double value : {below, beyond, nan})
      named(std::string(field) + " = ", [&, its = member](rules::Adafactor& rule) { rule.*its = value; });
  named("epsilon_form = 2", [](auto& rule) { rule.epsilon_form = static_cast<AdafactorEpsilon>(2); });
  named("epsilon1 must be > 0 unless epsilon_form is least", [](auto& rule) { rule.epsilon1 = 0; });
}

TEST_CASE("Adafactor's defaults are the paper's", "[adafactor]") {
  const rules::Adafactor adafactor;
  CHECK(adafactor.learning_rate == 0.01);
  CHECK(adafactor.decay_rate == 0.8);
  CHECK(adafactor.epsilon1 == 1e-30);
  CHECK(adafactor.epsilon2 == 1e-3);
  CHECK(adafactor.clip_threshold == 1);
  CHECK(adafactor.scale_parameter);
  CHECK(adafactor.relative_step);
  CHECK(adafactor.weight_decay == 0);
  CHECK(adafactor.epsilon_form == AdafactorEpsilon::added);
}

TEST_CASE("Adafactor refuses, skips or spreads a gradient that is not finite", "[adafactor]") {
  check_nonfinite<rules::Adafactor>();
}

// ---- The frameworks ------------------------------------------------------------------------------

#if defined(DESCENT_GOLDEN_DIR)
namespace {

template <class Scalar>
void compare(const Golden& golden, const std::string& name, rules::Adafactor rule, double u) {
  INFO(name);
  rule.learning_rate = 0.05;
  ColMajor<Scalar> x = golden.start.cast<Scalar>();
  Optimizer<rules::Adafactor, Scalar> adafactor(rule);
  double bound = 0;
  for (int t = 1; t <= 10; ++t) {
    const ColMajor<Scalar> before = x;
    adafactor.step(x, golden.gradient_at<Scalar>(t));
    // As above, for both of them; the frameworks also round each mean of up to 7 squares as often.
    const double step = static_cast<double>((x - before).norm()), size = static_cast<double>(x.norm());
    bound += step * ((8 * t + 48) * u + bound / size) + 8 * u * size;
  }
  REQUIRE(golden.ends.contains(name));
  CHECK((x.template cast<double>() - golden.ends.at(name)).norm() <= bound);
  CHECK(bound < 1e4 * u * golden.start.norm());
}

}  // namespace

TEST_CASE("Adafactor's steps are those of PyTorch, optax and Keras", "[adafactor]") {
  const rules::Adafactor pytorch = presets::pytorch::adafactor();
  rules::Adafactor with_decay = pytorch;
  with_decay.weight_decay = 0.1;
  with_decay.clip_threshold = 1.5;
  with_decay.epsilon1 = 1e-3;
  with_decay.epsilon2 = 1e-2;
  rules::Adafactor unscaled = presets::optax::adafactor();
  unscaled.scale_parameter = false;
  unscaled.clip_threshold = std::numeric_limits<double>::infinity();
  for (const char* shape : {"square", "tall", "wide", "vector"}) {
    INFO(shape);
    const Golden golden = golden_of(shape);
    const auto compare_both = [&](const std::string& name, const rules::Adafactor& rule) {
      // In double, too, optax rounds beta2(t) to float, and Keras the root mean squares.
      const double of_float = u_of(0.0F), of_double = name.starts_with("pytorch") ? u_of(0.0) : of_float / 8;
      compare<float>(golden, "adafactor_" + name + "_float", rule, of_float);
      compare<double>(golden, "adafactor_" + name + "_double", rule, of_double);
    };
    compare_both("pytorch", pytorch);
    compare_both("pytorch_decay", with_decay);
    compare_both("keras", presets::keras::adafactor());
    compare_both("optax", presets::optax::adafactor());
    compare_both("optax_unscaled", unscaled);
  }
}
#endif

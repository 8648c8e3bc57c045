// SPDX-License-Identifier: MIT
//
// Muon: its product of matrices against single operations and against sums in long double; its step against the formula
// in long double and against the frameworks; and everything that an optimizer promises, for matrices beside vectors.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Eigenvalues>

#include <descent/checkpoint.hpp>
#include <descent/presets.hpp>
#include <descent/rules/adamw.hpp>
#include <descent/rules/muon.hpp>

#include "catch.hpp"
#include "matrices.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::Dynamic, Eigen::Index;

/// A name, a rule, for every choice that Muon has.
template <class Visit>
void for_each_muon(const Visit& visit) {
  const rules::Muon muon{.learning_rate = 0.3, .momentum = 0.8, .epsilon = 0.25};
  const auto with = [&](const char* name, auto&& change) {
    rules::Muon rule = muon;
    change(rule);
    visit(name, rule);
  };
  with("reference", [](auto&) {});
  with("without nesterov", [](auto& its) { its.nesterov = false; });
  with("accumulated", [](auto& its) { its.form = MomentumForm::accumulated; });
  with("bias-corrected", [](auto& its) { its.bias_correction = true; });
  with("bias-corrected without nesterov", [](auto& its) { its.bias_correction = true, its.nesterov = false; });
  with("at least epsilon", [](auto& its) { its.epsilon_form = MuonEpsilon::least; });
  with("at least a large epsilon", [](auto& its) { its.epsilon_form = MuonEpsilon::least, its.epsilon = 20; });
  with("other polynomial", [](auto& its) { its.ns_steps = 2, its.ns_a = 2, its.ns_b = -1.5, its.ns_c = 0.5; });
  with("no polynomial", [](auto& its) { its.ns_steps = 0; });
  with("like AdamW", [](auto& its) { its.scale = MuonScale::match_rms_adamw, its.rms = 0.3, its.weight_decay = 0.2; });
  with("spectral", [](auto& its) { its.scale = MuonScale::spectral_unclamped; });
  with("unscaled", [](auto& its) { its.scale = MuonScale::none, its.weight_decay = 0.1; });
}

// ---- The formula in long double ------------------------------------------------------------------

/// Muon for one matrix, with a bound for the difference in the Frobenius norm of a step with roundings of u.
struct Plain {
  rules::Muon rule;
  long double u;
  Exact m = {};
  long double power = 1;
  long double m_error = 0, x_error = 0;

  void step(Exact& x, const Exact& g) {
    if (m.size() == 0) m = Exact::Zero(x.rows(), x.cols());
    const long double mu = rule.momentum;
    const long double rest = rule.form == MomentumForm::averaged ? 1 - mu : 1;
    power *= mu;
    m_error = mu * m_error + 3 * u * (mu * m.norm() + rest * g.norm());
    m = mu * m + rest * g;
    long double of_m = rule.nesterov ? mu : 1, of_g = rule.nesterov ? rest : 0;
    if (rule.bias_correction) of_m /= rule.nesterov ? 1 - power * mu : 1 - power;
    if (rule.bias_correction) of_g /= 1 - power;
    const Exact direction = of_m * m + of_g * g;
    long double error = of_m * m_error + 8 * u * (of_m * m.norm() + of_g * g.norm());

    const long double norm = direction.norm(), epsilon = rule.epsilon;
    const long double divisor = rule.epsilon_form == MuonEpsilon::added ? norm + epsilon : std::max(norm, epsilon);
    Exact X = direction / divisor;
    error = 2 * error / divisor + 4 * u * X.norm();
    const bool tall = x.rows() > x.cols();
    if (tall) X = X.transpose().eval();
    for (int i = 0; i < rule.ns_steps; ++i) error = iterate(X, error);
    if (tall) X = X.transpose().eval();

    // Coefficients are computed in double, whatever the scalar.
    const auto rows = static_cast<double>(x.rows()), cols = static_cast<double>(x.cols());
    const double scale = rule.scale == MuonScale::original             ? std::sqrt(std::max(1.0, rows / cols))
                         : rule.scale == MuonScale::match_rms_adamw    ? rule.rms * std::sqrt(std::max(rows, cols))
                         : rule.scale == MuonScale::spectral_unclamped ? std::sqrt(rows / cols)
                                                                       : 1.0;
    const long double rate = rule.learning_rate * scale, decay = rule.learning_rate * rule.weight_decay;
    x_error += rate * error + 3 * u * rate * X.norm() + 4 * u * x.norm();
    x = x - decay * x;
    x = x - rate * X;
    x_error += u * x.norm();
  }

  /// One application of the polynomial to X, which has an error; returns that of the result.
  ///
  /// An error of X changes the result by at most the largest slope of ax + bx^3 + cx^5 between 0 and the largest
  /// singular value, as that is the largest of its divided differences. A sum of n products has n roundings, each of at
  /// most u times the sum of their absolute values, and the norm of these is at most the product of the factors' norms.
  long double iterate(Exact& X, long double error) const {
    const long double a = rule.ns_a, b = rule.ns_b, c = rule.ns_c;
    const auto p = static_cast<long double>(X.rows()), q = static_cast<long double>(X.cols());
    const Exact A = X * X.transpose();
    const Exact B = b * A + c * A * A;
    const long double top = std::sqrt(A.norm()) + error;
    long double slope = 0;
    for (int i = 0; i <= 1000; ++i) {
      const long double x2 = std::pow(top * i / 1000, 2.0L);
      slope = std::max(slope, std::abs(a + 3 * b * x2 + 5 * c * x2 * x2));
    }
    const long double of_A = q * u * X.squaredNorm();
    const long double of_B = (std::abs(b) + 2 * std::abs(c) * A.norm()) * of_A +
                             (p + 4) * u * (std::abs(b) * A.norm() + std::abs(c) * A.squaredNorm());
    const long double of_X = X.norm() * of_B + (p + 3) * u * (std::abs(a) + B.norm()) * X.norm();
    X = a * X + B * X;
    return 1.1L * slope * error + 1.1L * of_X;
  }
};

/// The parameters after some steps, and the largest error that they may have.
template <class Scalar>
std::pair<Exact, long double> expected(const rules::Muon& rule, const ColMajor<Scalar>& start, int steps) {
  Plain plain{rule, u_of(Scalar())};
  Exact x = start.template cast<long double>();
  for (int t = 1; t <= steps; ++t)
    plain.step(x,
               random_matrix<Scalar>(x.rows(), x.cols(), static_cast<std::uint64_t>(t)).template cast<long double>());
  return {x, plain.x_error};
}

template <class O, class Params>
void go(O& optimizer, Params& x, int from, int to) {
  using Scalar = typename Params::Scalar;
  for (int t = from; t <= to; ++t)
    optimizer.step(x, random_matrix<Scalar>(x.rows(), x.cols(), static_cast<std::uint64_t>(t)));
}

}  // namespace

// ---- The product ---------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("a product adds in the order of its columns, and writes nothing else", "[muon]", float, double,
                   long double) {
  using Blocks = kernel::Blocks<TestType>;
  constexpr Index margin = 100;
  for (const Index rows : {Index{1}, Index{3}, Index{Blocks::tile_rows}, Index{2 * Blocks::tile_rows + 1}})
    for (const Index cols : {Index{1}, Index{Blocks::tile_cols}, Index{Blocks::cols + 5}})
      for (const Index depth : {Index{1}, Index{7}, Index{Blocks::depth}, Index{Blocks::depth + 3}}) {
        INFO(rows << " by " << cols << ", " << depth << " products each");
        const ColMajor<TestType> A = random_matrix<TestType>(rows, depth, 1),
                                 B = random_matrix<TestType>(depth, cols, 2);
        Vector<TestType> memory = Vector<TestType>::Constant(rows * cols + 2 * margin, 12345);
        const auto in_memory = [&] { return Eigen::Map<ColMajor<TestType>>(memory.data() + margin, rows, cols); };
        in_memory() = random_matrix<TestType>(rows, cols, 3);
        const Vector<TestType> before = memory;

        Vector<TestType> wanted = memory;
        Exact exact = in_memory().template cast<long double>(), sizes = exact.cwiseAbs();
        for (Index j = 0; j < cols; ++j)
          for (Index i = 0; i < rows; ++i) {
            volatile TestType sum = in_memory()(i, j), product = 0;  // volatile: each number goes through memory
            for (Index k = 0; k < depth; ++k) {
              product = A(i, k) * B(k, j);
              sum = sum + product;
            }
            wanted[margin + i + j * rows] = sum;
          }
        exact += A.template cast<long double>() * B.template cast<long double>();
        sizes += A.cwiseAbs().template cast<long double>() * B.cwiseAbs().template cast<long double>();

        // A copy of A, because a factor is const where a matrix is not.
        ColMajor<TestType> a = A, b = B, b_transposed = B.transpose();
        const kernel::Matrix<TestType> factor{a.data(), rows, depth}, product{memory.data() + margin, rows, cols};
        product.add_product(factor, kernel::Matrix<TestType>{b.data(), depth, cols}.as_factor(), 1);
        CHECK(same_bits(memory, wanted));
        const long double roundings = static_cast<long double>(depth + 1) * u_of(TestType()) * 1.01L;
        if constexpr (!std::is_same_v<TestType, long double>)
          CHECK(((in_memory().template cast<long double>() - exact).array().abs() <= roundings * sizes.array()).all());

        memory = before;
        product.add_product(factor, kernel::Matrix<TestType>{b_transposed.data(), cols, depth}.transposed(), 1);
        CHECK(same_bits(memory, wanted));
      }
}

TEMPLATE_TEST_CASE("threads that share a product leave no trace", "[muon]", float, double) {
  for (const Index cols : {13, 150}) {
    ColMajor<TestType> a = random_matrix<TestType>(130, 800 / cols * 100, 1);
    ColMajor<TestType> b = random_matrix<TestType>(a.cols(), cols, 2);
    const auto product = [&](int threads) {
      ColMajor<TestType> c = ColMajor<TestType>::Zero(a.rows(), cols);
      kernel::Matrix<TestType>{c.data(), c.rows(), c.cols()}.add_product({a.data(), a.rows(), a.cols()},
                                                                         {b.data(), 1, b.rows()}, threads);
      return c;
    };
    for (const int threads : {2, 3, 7}) CHECK(same_bits(product(threads), product(1)));
  }
}

// ---- The step ------------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("Muon's step is its formula", "[muon]", float, double, long double) {
  for_each_muon([&](const char* name, const rules::Muon& rule) {
    for (const auto& [rows, cols] : {std::pair<Index, Index>{3, 3}, {2, 5}, {6, 2}}) {
      INFO(name << ", " << rows << " by " << cols);
      ColMajor<TestType> x = random_matrix<TestType>(rows, cols, 100);
      const auto [wanted, bound] = expected(rule, x, 3);
      Optimizer<rules::Muon, TestType> muon(rule);
      go(muon, x, 1, 3);
      CHECK((x.template cast<long double>() - wanted).norm() <= bound);
      CHECK(bound < (std::is_same_v<TestType, float> ? 0.2L : 1e-8L));  // far less than an error in the formula
      CHECK(muon.state("second_moment").isZero(0));
    }
  });
}

TEST_CASE("Muon's step is its formula for larger matrices", "[muon]") {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{20, 33}, {70, 9}, {24, 24}}) {
    ColMajor<double> x = random_matrix<double>(rows, cols, 100);
    const auto [wanted, bound] = expected({}, x, 2);
    Muon<double> muon;
    go(muon, x, 1, 2);
    CHECK((x.cast<long double>() - wanted).norm() <= bound);
    CHECK(bound < 1e-6L);
  }
}

TEMPLATE_TEST_CASE("Muon's step has singular values around 1", "[muon]", float, double) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{20, 20}, {12, 40}, {50, 7}}) {
    ColMajor<TestType> x = ColMajor<TestType>::Zero(rows, cols);
    Optimizer<rules::Muon, TestType> muon({.learning_rate = 1, .scale = MuonScale::none});
    go(muon, x, 1, 1);
    ColMajor<double> X = x.template cast<double>();
    if (rows > cols) X = X.transpose().eval();
    const ColMajor<double> A = X * X.transpose();
    const Vector<double> squares = Eigen::SelfAdjointEigenSolver<ColMajor<double>>(A).eigenvalues();
    CHECK(squares.minCoeff() > 0.68 * 0.68);
    CHECK(squares.maxCoeff() < 1.21 * 1.21);
    if (rows != cols) CHECK(squares.maxCoeff() < 1.14 * 1.14);
  }
}

TEMPLATE_TEST_CASE("Muon takes gradients of any size", "[muon]", float, double) {
  const ColMajor<TestType> g = random_matrix<TestType>(5, 4);
  const auto step_for = [&](const ColMajor<TestType>& gradient, double epsilon) {
    Optimizer<rules::Muon, TestType> muon({.learning_rate = 1, .epsilon = epsilon});
    ColMajor<TestType> x = ColMajor<TestType>::Zero(5, 4);
    muon.step(x, gradient);
    return x;
  };
  const double smallest = static_cast<double>((std::numeric_limits<TestType>::min)());
  const ColMajor<TestType> usual = step_for(g, smallest);
  const TestType huge = std::ldexp(TestType(1), std::numeric_limits<TestType>::max_exponent - 1);
  CHECK(step_for(huge * g, smallest).isApprox(usual, TestType(0.01)));
  CHECK(step_for(g / (huge / 4096), smallest).isApprox(usual, TestType(0.01)));
  CHECK(step_for(0 * g, smallest).isZero(0));
  CHECK(step_for(0 * g, 1e-7).isZero(0));
}

// ---- The promises --------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("Muon's bits do not depend on layout", "[muon]", float, double) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{17, 17}, {9, 30}, {30, 9}, {2, 2}}) {
    const ColMajor<TestType> start = random_matrix<TestType>(rows, cols, 100);
    const auto compare = [&, rows = rows, cols = cols](auto&& x, auto gradient) {
      ColMajor<TestType> y = start;
      Optimizer<rules::Muon, TestType> muon({.weight_decay = 0.1}), other = muon;
      x = start;
      for (int t = 1; t <= 3; ++t) {
        const ColMajor<TestType> g = random_matrix<TestType>(rows, cols, static_cast<std::uint64_t>(t));
        gradient = g;
        muon.step(y, g);
        other.step(x, gradient);
      }
      CHECK(same_bits(ColMajor<TestType>(x), y));
    };
    compare(ColMajor<TestType>(start), RowMajor<TestType>());
    compare(RowMajor<TestType>(start), RowMajor<TestType>());
    compare(RowMajor<TestType>(start), ColMajor<TestType>());
    using Strided = Eigen::Map<ColMajor<TestType>, Eigen::Unaligned, Eigen::Stride<Dynamic, Dynamic>>;
    ColMajor<TestType> wide = ColMajor<TestType>::Zero(2 * rows + 1, cols + 1);
    compare(Strided(&wide(1, 1), rows, cols, {wide.rows(), 2}), ColMajor<TestType>());
    RowMajor<TestType> high = RowMajor<TestType>::Zero(rows + 3, cols + 1);
    compare(high.block(2, 1, rows, cols), RowMajor<TestType>());
  }
}

TEST_CASE("Muon's bits do not depend on the number of threads", "[muon]") {
  ColMajor<float> one = random_matrix<float>(150, 200, 100), several = one;
  Muon<float> muon, shared;
  shared.set_threads(3);
  go(muon, one, 1, 2);
  go(shared, several, 1, 2);
  CHECK(same_bits(one, several));
}

TEST_CASE("a gradient that overlaps the parameters is copied first", "[muon]") {
  const ColMajor<double> start = random_matrix<double>(6, 6, 100);
  ColMajor<double> x = start, y = start, z = start, in_place = start;
  Muon<double> muon, other = muon, expression = muon, itself = muon;
  muon.step(x, ColMajor<double>(start.transpose()));
  other.step(y, y.transpose());
  expression.step(z, 0.5 * z.transpose() + 0.5 * z.transpose());
  CHECK(same_bits(x, y));
  CHECK(same_bits(x, z));
  ColMajor<double> apart = start;
  itself.step(in_place, in_place);
  Muon<double>().step(apart, start);
  CHECK(same_bits(in_place, apart));
}

TEMPLATE_TEST_CASE("what is no matrix is stepped by AdamW, bit for bit", "[muon]", float, double) {
  const rules::Muon rule{.adamw_learning_rate = 0.03,
                         .adamw_beta1 = 0.8,
                         .adamw_beta2 = 0.99,
                         .adamw_epsilon = 1e-6,
                         .adamw_weight_decay = 0.1,
                         .adamw_epsilon_root = 1e-9,
                         .adamw_epsilon_placement = EpsilonPlacement::hat};
  Optimizer<rules::AdamW, TestType> adamw({0.03, 0.8, 0.99, 1e-6, 0.1, 1e-9, EpsilonPlacement::hat});
  Optimizer<rules::Muon, TestType> alone(rule), muon(rule), both(rule);
  Vector<TestType> x = start<TestType>(20), y = x, b = x;
  ColMajor<TestType> W = random_matrix<TestType>(5, 4, 100), row = ColMajor<TestType>(x.transpose()), V = W, last = W;
  for (int t = 1; t <= 40; ++t) {
    const Vector<TestType> g = mixed_gradient<TestType>(20, t);
    const ColMajor<TestType> dW = random_matrix<TestType>(5, 4, static_cast<std::uint64_t>(t));
    const ColMajor<TestType> d_row = g.transpose();
    adamw.step(x, g);
    alone.step(y, g);
    muon.step(W, dW);
    both.step(std::tie(V, b, row, last), std::tie(dW, g, d_row, dW));
  }
  CHECK(same_bits(x, y));
  CHECK(same_bits(x, b));
  CHECK(same_bits(x, Vector<TestType>(row.transpose())));
  CHECK(same_bits(W, V));
  CHECK(same_bits(W, last));
  CHECK(same_state(adamw, Optimizer<rules::AdamW, TestType>(adamw)));
  for (const char* array : {"first_moment", "second_moment"}) {
    CHECK(same_bits(alone.state(array), adamw.state(array)));
    CHECK(same_bits(both.state(array).segment(20, 20), adamw.state(array)));
    CHECK(same_bits(both.state(array).head(20), muon.state(array)));
    CHECK(same_bits(both.state(array).tail(20), muon.state(array)));
  }
}

TEST_CASE("Muon continues from a checkpoint with the same bits", "[muon]") {
  const rules::Muon rule{.momentum = 0.8,
                         .nesterov = false,
                         .bias_correction = true,
                         .epsilon_form = MuonEpsilon::least,
                         .ns_steps = 3,
                         .scale = MuonScale::match_rms_adamw};
  Muon<float> muon(rule), loaded;
  ColMajor<float> W = random_matrix<float>(5, 4, 100), V = ColMajor<float>::Zero(5, 4);
  Vector<float> b = start<float>(20), c = Vector<float>::Zero(20);
  const auto step = [](auto& optimizer, auto& matrix, auto& vector, int t) {
    optimizer.step(std::tie(matrix, vector),
                   std::tuple(random_matrix<float>(5, 4, static_cast<std::uint64_t>(t)), mixed_gradient<float>(20, t)));
  };
  for (int t = 1; t <= 5; ++t) step(muon, W, b, t);
  std::stringstream file;
  save(file, muon, std::tie(W, b));
  load(file, loaded, std::tie(V, c));
  CHECK(loaded.ns_steps == 3);
  CHECK(loaded.epsilon_form == MuonEpsilon::least);
  Muon<float> copy = muon;
  ColMajor<float> U = W;
  Vector<float> a = b;
  for (int t = 6; t <= 9; ++t) step(muon, W, b, t), step(loaded, V, c, t), step(copy, U, a, t);
  CHECK(same_bits(W, V));
  CHECK(same_bits(b, c));
  CHECK(same_bits(W, U));
  CHECK(same_state(muon, loaded));
  CHECK(same_state(muon, copy));
}

TEST_CASE("frozen matrices, and those with hyperparameters of their own", "[muon]") {
  ColMajor<double> A = random_matrix<double>(4, 3, 100), B = A, C = A, alone = A, slow = A;
  Muon<double> muon, single, slower({.learning_rate = 0.001, .ns_steps = 3});
  muon.freeze(0);
  muon.tensor_rule(2).learning_rate = 0.001;
  muon.tensor_rule(2).ns_steps = 3;
  for (int t = 1; t <= 3; ++t) {
    const ColMajor<double> g = random_matrix<double>(4, 3, static_cast<std::uint64_t>(t));
    muon.step(std::tie(A, B, C), std::tie(g, g, g));
    single.step(alone, g);
    slower.step(slow, g);
  }
  CHECK(same_bits(A, random_matrix<double>(4, 3, 100)));
  CHECK(same_bits(B, alone));
  CHECK(same_bits(C, slow));
  CHECK(muon.state("first_moment").head(12).isZero(0));
}

TEST_CASE("a hyperparameter of Muon that is out of range is named", "[muon]") {
  const auto named = [](const char* field, auto&& change) {
    Muon<double> muon;
    ColMajor<double> W = random_matrix<double>(4, 3, 100);
    change(static_cast<rules::Muon&>(muon));
    const std::string text = complaint([&] { muon.step(W, W); });
    INFO(text);
    CHECK(text.find(std::string("descent::Muon: ") + field) == 0);
    CHECK(same_bits(W, random_matrix<double>(4, 3, 100)));
    CHECK(muon.steps() == 0);
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const auto& [field, member, below, beyond] :
       {std::tuple{"learning_rate", &rules::Muon::learning_rate, -1e-9, infinity},
        {"momentum", &rules::Muon::momentum, -1e-9, 1.0},
        {"epsilon", &rules::Muon::epsilon, 0.0, infinity},
        {"ns_a", &rules::Muon::ns_a, -infinity, infinity},
        {"ns_b", &rules::Muon::ns_b, -infinity, infinity},
        {"ns_c", &rules::Muon::ns_c, -infinity, infinity},
        {"rms", &rules::Muon::rms, -1e-9, infinity},
        {"weight_decay", &rules::Muon::weight_decay, -1e-9, infinity},
        {"adamw_learning_rate", &rules::Muon::adamw_learning_rate, -1e-9, infinity},
        {"adamw_beta1", &rules::Muon::adamw_beta1, -1e-9, 1.0},
        {"adamw_beta2", &rules::Muon::adamw_beta2, -1e-9, 1.0},
        {"adamw_epsilon", &rules::Muon::adamw_epsilon, 0.0, infinity},
        {"adamw_weight_decay", &rules::Muon::adamw_weight_decay, -1e-9, infinity},
        {"adamw_epsilon_root", &rules::Muon::adamw_epsilon_root, -1e-9, infinity}})
    for (const double value : {below, beyond, nan})
      named((std::string(field) + " = ").c_str(), [&, its = member](rules::Muon& rule) { rule.*its = value; });
  named("ns_steps = -1", [](auto& rule) { rule.ns_steps = -1; });
  named("form = velocity", [](auto& rule) { rule.form = MomentumForm::velocity; });
  named("scale = 4", [](auto& rule) { rule.scale = static_cast<MuonScale>(4); });
  named("epsilon_form = 2", [](auto& rule) { rule.epsilon_form = static_cast<MuonEpsilon>(2); });
  named("bias_correction must be false", [](auto& rule) {
    rule.bias_correction = true;
    rule.form = MomentumForm::accumulated;
  });
}

TEST_CASE("Muon's defaults are those of its reference", "[muon]") {
  const rules::Muon muon;
  CHECK(muon.learning_rate == 0.02);
  CHECK(muon.momentum == 0.95);
  CHECK(muon.nesterov);
  CHECK(muon.form == MomentumForm::averaged);
  CHECK_FALSE(muon.bias_correction);
  CHECK(muon.epsilon == 1e-7);
  CHECK(muon.epsilon_form == MuonEpsilon::added);
  CHECK(muon.ns_steps == 5);
  CHECK(std::array{muon.ns_a, muon.ns_b, muon.ns_c} == std::array{3.4445, -4.775, 2.0315});
  CHECK(muon.scale == MuonScale::original);
  CHECK(muon.rms == 0.2);
  CHECK(muon.weight_decay == 0);
  CHECK(muon.adamw_learning_rate == 3e-4);
  CHECK(muon.adamw_beta1 == 0.9);
  CHECK(muon.adamw_beta2 == 0.95);
  CHECK(muon.adamw_epsilon == 1e-10);
  CHECK(muon.adamw_weight_decay == 0);
}

TEST_CASE("a gradient that is not finite is refused or skipped, or spreads", "[muon]") {
  check_nonfinite<rules::Muon>();
}

TEST_CASE("Muon of a fixed size", "[muon]") {
  Muon<float, 17> fixed({.weight_decay = 0.1});
  Muon<float> dynamic({.weight_decay = 0.1});
  Eigen::Matrix<float, 4, 3, Eigen::ColMajor> W = random_matrix<float>(4, 3, 100), V = W, g;
  Eigen::Vector<float, 5> b = start<float>(5), c = b;
  for (int t = 1; t <= 5; ++t) {
    g = random_matrix<float>(4, 3, static_cast<std::uint64_t>(t));
    const Eigen::Vector<float, 5> h = mixed_gradient<float>(5, t);
    fixed.step(std::tie(W, b), std::tie(g, h));
    dynamic.step(std::tie(V, c), std::tie(g, h));
  }
  CHECK(same_bits(W, V));
  CHECK(same_bits(b, c));
}

TEST_CASE("momentum that fades stops at 0", "[muon]") {
  Muon<float> muon({.momentum = 0.5});
  ColMajor<float> W = random_matrix<float>(4, 3, 100);
  muon.step(W, W);
  const ColMajor<float> zero = ColMajor<float>::Zero(4, 3);
  for (int t = 2; t <= 160; ++t) muon.step(W, zero);
  CHECK(muon.state("first_moment").isZero(0));
}

// ---- The frameworks ------------------------------------------------------------------------------

#if defined(DESCENT_GOLDEN_DIR)
namespace {

/// Ten steps with the gradients of golden/make_matrices.py, and roundings of u.
template <class Scalar>
void compare(const Golden& golden, const std::string& name, const rules::Muon& rule, double u) {
  INFO(name);
  ColMajor<Scalar> x = golden.start.cast<Scalar>();
  Optimizer<rules::Muon, Scalar> muon(rule);
  for (int t = 1; t <= 10; ++t) {
    muon.step(x, golden.gradient_at<Scalar>(t));
  }
  REQUIRE(golden.ends.contains(name));
  // Five applications of the polynomial multiply an error by up to 4.3^5 = 1500.
  const double of_one_step = rule.learning_rate * 3 * 1500 * 30 * u + 3 * u * golden.start.norm();
  CHECK((x.template cast<double>() - golden.ends.at(name)).norm() <= 10 * of_one_step);
}

}  // namespace

TEST_CASE("Muon's steps are those of PyTorch, optax and Keras", "[muon]") {
  const auto at_that_rate = [](rules::Muon rule) {
    rule.learning_rate = 0.05;
    return rule;
  };
  const rules::Muon pytorch = at_that_rate(presets::pytorch::muon());
  rules::Muon pytorch_rms = pytorch;
  pytorch_rms.scale = MuonScale::match_rms_adamw;
  pytorch_rms.nesterov = false;
  rules::Muon pytorch_spectral = pytorch;
  pytorch_spectral.scale = MuonScale::spectral_unclamped;
  const rules::Muon keras = at_that_rate(presets::keras::muon());
  rules::Muon optax = at_that_rate(presets::optax::muon());
  optax.weight_decay = 0.1;
  for (const char* shape : {"square", "tall", "wide"}) {
    INFO(shape);
    const Golden golden = golden_of(shape);
    const auto compare_both = [&](const std::string& name, const rules::Muon& rule) {
      const double of_float = u_of(0.0F), of_double = name == "keras" ? of_float / 30 : u_of(0.0);
      compare<float>(golden, name + "_float", rule, of_float);
      compare<double>(golden, name + "_double", rule, of_double);  // Keras rounds |u|_F to float even then
    };
    compare_both("pytorch", pytorch);
    compare_both("pytorch_rms", pytorch_rms);
    compare_both("pytorch_spectral", pytorch_spectral);
    compare_both("keras", keras);
    compare_both("optax", optax);
  }
}
#endif

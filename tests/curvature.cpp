// SPDX-License-Identifier: MIT
//
// The methods that use curvature, against their closed forms: exact line search, preconditioning and Newton, natural
// gradient; and what they refuse.
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <descent/curvature/natural_gradient.hpp>
#include <descent/curvature/preconditioned_descent.hpp>
#include <descent/curvature/steepest_descent.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Real = long double;

template <class Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

template <class Scalar>
constexpr Real unit = std::numeric_limits<Scalar>::epsilon() / 2;

template <class Scalar>
Vector<Scalar> vector(const std::vector<double>& numbers) {
  return Eigen::Map<const Eigen::VectorXd>(numbers.data(), static_cast<Eigen::Index>(numbers.size())).cast<Scalar>();
}

/// For 2 x 2 matrices with unit diagonal (scaled as in PositiveDefinite) and a condition number below 4: a solve is
/// then right to 7u * 2 * 4 (Higham 2002, theorem 10.4) and a few u of scaling, in the norm.
template <class Scalar>
Matrix<Scalar> well_conditioned() {
  Matrix<Scalar> H(2, 2);
  H << 4, 2, 2, 3;
  return H;
}
constexpr Real solve_error = 64;

}  // namespace

// ---- Exact line search -----------------------------------------------------------------------------

TEMPLATE_TEST_CASE("steepest descent zigzags at Kantorovich's rate", "[steepest]", float, double, long double) {
  const auto kappa = static_cast<TestType>(GENERATE(3, 9, 99));
  INFO("kappa = " << kappa);
  const Matrix<TestType> H = Eigen::Vector<TestType, 2>(1, kappa).asDiagonal();
  const auto value = [&](const Vector<TestType>& x) {
    return (Real(x[0]) * Real(x[0]) + Real(kappa) * Real(x[1]) * Real(x[1])) / 2;
  };
  const Real root_of_rate = (Real(kappa) - 1) / (Real(kappa) + 1);

  // H x = kappa (1, 1), the sum of the outermost eigenvectors: the worst start.
  Vector<TestType> x(2);
  x << kappa, 1;
  for (int t = 1; t <= 30; ++t) {
    const Vector<TestType> before = x;
    const TestType alpha = SteepestDescent<TestType>().step(x, H * x, H);
    CHECK(std::abs(Real(alpha) - 2 / (1 + Real(kappa))) <= 100 * t * unit<TestType>);
    // Errors in alpha, and in the position of the iterate on the zigzag, count only in second order. In first order
    // count those of g, of alpha g and of the difference, 8u for kappa >= 3, and those of the values here if Real is no
    // longer than the scalar.
    CHECK(std::abs(value(x) / value(before) - root_of_rate * root_of_rate) <= 24 * unit<TestType>);
    CHECK((x[0] > 0) == (before[0] > 0));
    CHECK((x[1] > 0) != (before[1] > 0));
  }
}

TEST_CASE("from any start steepest descent is at least that fast", "[steepest]") {
  const Eigen::Vector<double, 4> eigenvalues(1, 2, 5, 10);
  const Matrix<double> H = eigenvalues.asDiagonal();
  const Real rate = 81.0L / 121;
  for (std::int64_t seed = 1; seed <= 20; ++seed) {
    Vector<double> x = mixed_gradient<double>(4, seed) + Vector<double>::Ones(4);
    for (int t = 0; t < 10; ++t) {
      const Real before = x.dot(H * x);
      SteepestDescent<double>().step(x, H * x, H);
      CHECK(Real(x.dot(H * x)) <= (rate + 40 * unit<double>)*before);
    }
  }
}

TEST_CASE("after an exact line search the gradient is orthogonal to the last", "[steepest]") {
  // Whole numbers, so that the first gradient is exact.
  Matrix<double> H(3, 3);
  H << 6, 2, -1, 2, 5, 1, -1, 1, 4;
  const Vector<double> b = vector<double>({1, -2, 3}), start_at = vector<double>({3, 1, -2});
  const Vector<double> g = H * start_at - b;
  Vector<double> x = start_at;
  const double alpha = SteepestDescent<double>().step(x, g, H);

  using Reals = Vector<Real>;
  const Reals gr = g.cast<Real>(), xr = x.cast<Real>();
  const Matrix<Real> Hr = H.cast<Real>();
  CHECK(std::abs(Real(alpha) - gr.dot(gr) / gr.dot(Hr * gr)) <= 24 * unit<double> * Real(alpha));
  // alpha accumulates 2n + 7 roundings, alpha g and the difference one each.
  const Real scale = gr.cwiseAbs().dot(Hr.cwiseAbs() * (xr.cwiseAbs() + Real(alpha) * gr.cwiseAbs()));
  CHECK(std::abs((Hr * xr - b.cast<Real>()).dot(gr)) <= 14 * unit<double> * scale);
}

TEST_CASE("the Hessian may be a function", "[steepest]") {
  const Matrix<double> H = well_conditioned<double>();
  Vector<double> by_matrix = vector<double>({1, -2}), by_function = by_matrix;
  for (int t = 0; t < 5; ++t) {
    SteepestDescent<> steepest;
    const double alpha = steepest.step(by_matrix, H * by_matrix, H);
    const auto product = [&](const Vector<double>& v) { return H * v; };
    CHECK(steepest.step(by_function, H * by_function, product) == alpha);
    CHECK(same_bits(by_matrix, by_function));
  }
}

TEMPLATE_TEST_CASE("steepest descent of any size of gradient", "[steepest]", float, double, long double) {
  // The squares of these would overflow or vanish; powers of two, so that the step is exact.
  for (const TestType size : {std::numeric_limits<TestType>::max() / 4, 8 * std::numeric_limits<TestType>::min()}) {
    const TestType power = std::exp2(std::floor(std::log2(size)));
    Vector<TestType> x = power * vector<TestType>({1, -1});
    const Matrix<TestType> H = 2 * Matrix<TestType>::Identity(2, 2);
    CHECK(SteepestDescent<TestType>().step(x, x, H) == TestType(0.5));
    CHECK(x == power * vector<TestType>({0.5, -0.5}));
  }
}

TEMPLATE_TEST_CASE("steepest descent of any size of Hessian", "[steepest]", float, double, long double) {
  // The sum u'Hu of the largest would overflow; powers of two, so that the step is exact.
  const int e = std::numeric_limits<TestType>::max_exponent - 1;
  for (const int exponent : {e, 1 - e}) {
    const TestType c = std::ldexp(TestType(1), exponent);
    const Matrix<TestType> H = c * Matrix<TestType>::Identity(4, 4);
    const Vector<TestType> g = Vector<TestType>::Constant(4, c);
    const auto product = [&](const Vector<TestType>& v) { return c * v; };
    Vector<TestType> x = Vector<TestType>::Constant(4, 3), by_function = x;
    CHECK(SteepestDescent<TestType>().step(x, g, H) == 1 / c);
    CHECK(x == Vector<TestType>::Constant(4, 2));
    CHECK(SteepestDescent<TestType>().step(by_function, g, product) == 1 / c);
    CHECK(same_bits(by_function, x));
  }
}

TEST_CASE("a zero gradient is no step", "[steepest]") {
  const Vector<double> zero = Vector<double>::Zero(2);
  Vector<double> x = vector<double>({1, 2}), none;
  CHECK(SteepestDescent<>().step(x, zero, well_conditioned<double>()) == 0);
  CHECK(x == vector<double>({1, 2}));
  CHECK(SteepestDescent<>().step(none, none, Matrix<double>()) == 0);
}

TEST_CASE("no minimum along the gradient", "[steepest]") {
  Matrix<double> H = Eigen::Vector2d(1, -2).asDiagonal();
  Vector<double> x = vector<double>({3, 4});
  const Vector<double> before = x;
  const auto told = [&](const Vector<double>& g, const auto& hessian) {
    return complaint<std::domain_error>([&] { SteepestDescent<>().step(x, g, hessian); });
  };
  CHECK(told(vector<double>({0, 5}), H) ==
        "descent::SteepestDescent: the curvature along the gradient, g'Hg / g'g, is -2; it must be finite and > 0, or "
        "the line has no minimum");
  H(1, 1) = 0;
  CHECK(told(vector<double>({0, 5}), H).find("g'Hg / g'g, is 0;") != std::string::npos);
  const auto infinite = [](const Vector<double>& v) { return Vector<double>(v * HUGE_VAL); };
  CHECK(told(vector<double>({1, 1}), infinite).find("g'Hg / g'g, is inf;") != std::string::npos);
  const auto tiny = [](const Vector<double>& v) { return Vector<double>(v * 1e-310); };
  CHECK(told(vector<double>({1, 1}), tiny) ==
        "descent::SteepestDescent: the curvature along the gradient, g'Hg / g'g, is 1e-310, and alpha, its reciprocal, "
        "not finite; it must be at least 5.56268e-309");
  CHECK(told(vector<double>({1, std::nan("")}), H) == "descent: the gradient is not finite: (1, 0) is nan");
  CHECK(same_bits(x, before));

  const auto longer = [](const Vector<double>& v) { return Vector<double>::Zero(v.size() + 1); };
  CHECK(complaint([&] { SteepestDescent<>().step(x, x, longer); }) ==
        "descent::SteepestDescent: hessian(v) is 3x1, but v is 2x1");
  CHECK(same_bits(x, before));
}

// ---- Preconditioning and Newton --------------------------------------------------------------------

TEST_CASE("preconditioned by the Hessian, the error shrinks by 1 - eta", "[preconditioned]") {
  const Matrix<double> H = well_conditioned<double>();
  const PositiveDefinite<double> P = H;
  const Vector<double> start_at = vector<double>({1, -2});
  Vector<double> x = start_at, factored_anew = start_at;
  const PreconditionedDescent<double> quarter({.learning_rate = 0.25});
  for (int t = 1; t <= 30; ++t) {
    quarter.step(x, H * x, P);
    quarter.step(factored_anew, H * factored_anew, H);
    CHECK(same_bits(x, factored_anew));
    const Vector<Real> exact = std::pow(0.75L, Real(t)) * start_at.cast<Real>();
    // A third of the solve's error for each step, because eta / (1 - eta) = 1/3, including that of H x.
    CHECK((x.cast<Real>() - exact).norm() <= solve_error * t * unit<double> * exact.norm());
  }
}

TEST_CASE("preconditioned by the identity it is SGD", "[preconditioned]") {
  Vector<double> x = start<double>(5), y = x;
  SGD<double> sgd({.learning_rate = 0.25});
  const PreconditionedDescent<double> preconditioned({.learning_rate = 0.25});
  for (int t = 1; t <= 10; ++t) {
    const Vector<double> g = mixed_gradient<double>(5, t);
    sgd.step(x, g);
    preconditioned.step(y, g, Matrix<double>::Identity(5, 5));
    CHECK(same_bits(x, y));
  }
}

TEMPLATE_TEST_CASE("Newton takes one step to the minimum of a quadratic", "[newton]", float, double, long double) {
  const Matrix<TestType> H = well_conditioned<TestType>();
  const Vector<TestType> minimum = vector<TestType>({3, -5});
  Vector<TestType> x = vector<TestType>({-1, 7});
  const Real distance = (x - minimum).norm();
  Newton<TestType>().step(x, H * (x - minimum), H);
  CHECK(Real((x - minimum).norm()) <= 2 * solve_error * unit<TestType> * distance);
}

TEST_CASE("Newton converges quadratically", "[newton]") {
  // On log cosh the step from x is sinh(2 x) / 2, so that x - sinh(2 x) / 2 = -(2/3) x^3 - ... follows.
  Vector<double> x = vector<double>({0.3});
  for (int t = 0; t < 3; ++t) {
    const double before = x[0];
    const Matrix<double> H = Matrix<double>::Constant(1, 1, 1 / (std::cosh(before) * std::cosh(before)));
    Newton<>().step(x, Vector<double>::Constant(1, std::tanh(before)), H);
    CHECK(std::abs(x[0] - (before - std::sinh(2 * before) / 2)) <= 16 * unit<double> * std::abs(before));
  }
  CHECK(std::abs(x[0]) < 1e-14);
}

TEMPLATE_TEST_CASE("units of the parameters do not count", "[newton]", float, double) {
  // Parameters in units of 2^k and 2^-k: condition numbers far beyond 1 / eps, and the same step.
  const Matrix<TestType> H = well_conditioned<TestType>();
  const int k = std::numeric_limits<TestType>::max_exponent / 3;
  const Vector<TestType> units = vector<TestType>({std::ldexp(1.0, k), std::ldexp(1.0, -k)});
  Vector<TestType> x = vector<TestType>({1, -2}), in_units = x.cwiseProduct(units);
  const Vector<TestType> g = vector<TestType>({0.3, 0.7});
  Newton<TestType>().step(x, g, H);
  const Matrix<TestType> H_in_units = units.cwiseInverse().asDiagonal() * H * units.cwiseInverse().asDiagonal();
  Newton<TestType>().step(in_units, g.cwiseQuotient(units), H_in_units);
  CHECK(same_bits(in_units, Vector<TestType>(x.cwiseProduct(units))));
}

TEST_CASE("every kind of tensor, column after column", "[newton]") {
  Matrix<double> H = Eigen::Vector4d(1, 2, 4, 8).asDiagonal();
  H(1, 0) = H(0, 1) = 0.5;
  Vector<double> expected = vector<double>({1, 2, 3, 4});
  const Vector<double> g = expected;
  Newton<>().step(expected, g, H);

  Eigen::Matrix2d columns = g.reshaped(2, 2);
  Newton<>().step(columns, columns, H);
  CHECK(same_bits(columns.reshaped().eval(), expected));

  Eigen::Matrix<double, 2, 2, Eigen::RowMajor> rows = g.reshaped(2, 2);
  Newton<>().step(rows, Eigen::Matrix2d(g.reshaped(2, 2)), H);
  CHECK(same_bits(Eigen::Matrix2d(rows).reshaped().eval(), expected));

  Eigen::ArrayXXd array = g.reshaped(2, 2);
  Newton<>().step(array, 1 * array, H.array());
  CHECK(same_bits(array.matrix().reshaped().eval(), expected));

  Matrix<double> larger = Matrix<double>::Constant(6, 6, 9);
  larger.row(3).tail(4) = g.transpose();
  Newton<>().step(larger.row(3).tail(4), g.transpose(), 0.5 * (H + H.transpose()));
  CHECK(same_bits(larger.row(3).tail(4).transpose().eval(), expected));
  CHECK((larger.array() == 9).count() == 32);

  Vector<double> none;
  CHECK_NOTHROW(Newton<>().step(none, none, Matrix<double>()));
}

TEST_CASE("matrices that are refused, and leave the parameters alone", "[bad input]") {
  Vector<double> x = vector<double>({1, -2});
  const Vector<double> before = x;
  Matrix<double> A = well_conditioned<double>();
  const auto told = [&]<class Error>(std::type_identity<Error>) {
    const auto newton = complaint<Error>([&] { Newton<>().step(x, x, A); });
    CHECK(complaint<Error>([&] { NaturalGradient<>().step(x, x, A); }) == newton);
    CHECK(same_bits(x, before));
    return newton;
  };
  constexpr std::type_identity<std::invalid_argument> invalid;
  constexpr std::type_identity<std::domain_error> out_of_domain;
  const std::string can_help = "; a multiple of the identity added to it can help";

  A(1, 0) = 2.5;
  CHECK(told(invalid) == "descent: the matrix is not symmetric: (1, 0) is 2.5, but (0, 1) is 2");
  CHECK(complaint([&] { SteepestDescent<>().step(x, x, A); }) == told(invalid));

  A << 4, 2, 2, -3;
  CHECK(told(out_of_domain) == "descent: the matrix is not positive definite: (1, 1) is -3" + can_help);
  A << 4, 2, 2, 0;
  CHECK(told(out_of_domain) == "descent: the matrix is not positive definite: (1, 1) is 0" + can_help);
  A << 1, 2, 2, 1;  // indefinite
  CHECK(told(out_of_domain) ==
        "descent: the matrix is not positive definite: a pivot of its Cholesky factor is <= 0" + can_help);
  A << 1, 2, 2, 4;  // singular
  CHECK(told(out_of_domain) ==
        "descent: the matrix is not positive definite: a pivot of its Cholesky factor is <= 0" + can_help);
  A << 1, 1, 1, 1 + std::numeric_limits<double>::epsilon();
  CHECK(told(out_of_domain)
            .find("descent: the matrix is singular to working precision: scaled to a unit diagonal, its "
                  "reciprocal condition number is ") == 0);
  A << 4, std::nan(""), 2, 3;
  CHECK(told(out_of_domain) == "descent: the matrix is not finite: (0, 1) is nan");

  A = Matrix<double>::Identity(3, 3);
  CHECK(told(invalid) == "descent: the matrix is 3x3, but there are 2 parameters: it must be 2x2");
  CHECK(complaint([&] { SteepestDescent<>().step(x, x, A); }) == told(invalid));
  A = Matrix<double>::Ones(2, 3);
  CHECK(told(invalid) == "descent: the matrix is 2x3; it must be square");
}

TEST_CASE("a step that leads beyond the largest number is refused", "[bad input]") {
  Eigen::Matrix2d x = Eigen::Matrix2d::Constant(-1), g = x;
  const auto told = [&](const auto& step) {
    const Eigen::Matrix2d before = x;
    const auto text = complaint<std::domain_error>(step);
    CHECK(same_bits(x, before));
    return text;
  };
  const std::string overflow = "descent: a parameter after the step is not finite: (0, 1) is inf";
  Matrix<double> A = Matrix<double>::Identity(4, 4);

  // In A^-1 g, in the product with the rate, in the difference.
  A(2, 2) = 1e-200;
  g(0, 1) = -1e200;
  CHECK(told([&] { Newton<>().step(x, g, A); }) == overflow);
  CHECK(told([&] { NaturalGradient<>().step(x, g, A); }) == overflow);
  A.setIdentity();
  CHECK(told([&] { PreconditionedDescent<>({.learning_rate = 1e200}).step(x, g, A); }) == overflow);
  CHECK(told([&] { NaturalGradient<>({.lambda = 1e-200}).step(x, g, A); }) == overflow);
  CHECK(told([&] { SteepestDescent<>().step(x, g, 1e-200 * A); }) == overflow);
  x(0, 1) = 1e308;
  g(0, 1) = -1e308;
  CHECK(told([&] { Newton<>().step(x, g, A); }) == overflow);
  CHECK(told([&] { NaturalGradient<>().step(x, g, A); }) == overflow);
  CHECK(told([&] { SteepestDescent<>().step(x, g, A); }) == overflow);
}

TEST_CASE("matrices of extreme entries are solved, or refused", "[newton]") {
  for (const double size : {std::numeric_limits<double>::max() / 4, 4 * std::numeric_limits<double>::min()}) {
    const double power = std::exp2(std::floor(std::log2(size)));
    Vector<double> x = vector<double>({1, -2}), by_one = x;
    const Matrix<double> H = well_conditioned<double>() / 4;
    const Vector<double> g = vector<double>({0.3, 0.7});
    Newton<>().step(by_one, g, H);
    Newton<>().step(x, power * g, power * H);
    CHECK((x - by_one).norm() <= 2 * static_cast<double>(solve_error * unit<double>) * by_one.norm());
  }
  Matrix<double> A(2, 2);
  A << 1e-300, 1e200, 1e200, 1e-300;  // its entries overflow when scaled
  CHECK(complaint<std::domain_error>([&] {
    PositiveDefinite<double>{A};
  }).find("descent: the matrix is not positive definite: ") == 0);
  A << 1, 1.5e308, -1.5e308, 1;  // the difference of its entries overflows
  CHECK(complaint([&] { PositiveDefinite<double>{A}; }).find("descent: the matrix is not symmetric: ") == 0);
}

TEST_CASE("gradients of samples that give no Fisher matrix", "[natural]") {
  Matrix<double> G = Matrix<double>::Ones(2, 3);
  const auto told = [&] { return complaint<std::domain_error>([&] { estimate_fisher(G); }); };
  G(1, 2) = HUGE_VAL;
  CHECK(told() == "descent::estimate_fisher: a gradient is not finite: (1, 2) is inf");
  G(1, 2) = 1e200;
  CHECK(told() == "descent::estimate_fisher: the gradients are too large; the matrix is not finite: (1, 1) is inf");
}

TEST_CASE("symmetric up to the rounding of a product is symmetric", "[newton]") {
  Matrix<double> A = well_conditioned<double>();
  Vector<double> x = vector<double>({1, -2});
  A(1, 0) += 4 * 1e-8;  // sqrt(eps) is 1.5e-8, the largest entry 4
  CHECK_NOTHROW(Newton<>().step(x, x, A));
  A(1, 0) += 4 * 1e-8;
  CHECK_THROWS_AS(Newton<>().step(x, x, A), std::invalid_argument);
}

TEST_CASE("gradients and hyperparameters that are refused", "[bad input]") {
  Vector<double> x = vector<double>({1, -2}), longer = vector<double>({1, 2, 3});
  const Vector<double> before = x;
  const Matrix<double> H = well_conditioned<double>();
  const auto told = [&](const Vector<double>& g) {
    const auto newton = complaint([&] { Newton<>().step(x, g, H); });
    CHECK(complaint([&] { NaturalGradient<>().step(x, g, H); }) == newton);
    CHECK(complaint([&] { SteepestDescent<>().step(x, g, H); }) == newton);
    return newton;
  };
  CHECK(told(longer) == "descent: the gradient is 3x1, but the parameters are 2x1");
  CHECK(complaint<std::domain_error>([&] { Newton<>().step(x, vector<double>({1, HUGE_VAL}), H); }) ==
        "descent: the gradient is not finite: (1, 0) is inf");

  CHECK(complaint([&] { PreconditionedDescent<>({.learning_rate = -1}).step(x, x, H); }) ==
        "descent::PreconditionedDescent: learning_rate = -1; it must be finite and >= 0");
  CHECK(complaint([&] { NaturalGradient<>({.lambda = 0}).step(x, x, H); }) ==
        "descent::NaturalGradient: lambda = 0; it must be finite and > 0");
  CHECK(complaint([&] { estimate_fisher(H, -1); }) ==
        "descent::estimate_fisher: damping = -1; it must be finite and >= 0");
  CHECK(complaint([&] { estimate_fisher(Matrix<double>(2, 0)); }) ==
        "descent::estimate_fisher: there is no sample; each column is the gradient of one");
  CHECK(same_bits(x, before));
}

// ---- Natural gradient ------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("two natural steps find a Gaussian's mean and variance", "[natural]", float, double) {
  // J = log(v) / 2 + (s + (m - mu)^2) / 2v, for samples of mean m and variance s, and F = diag(1 / v, 1 / 2v^2): one
  // step gives mu = m, v = s + (m - mu)^2, the next v = s. The initial variance may be tiny: the condition number of F
  // is 1 / 2v.
  const TestType m = 3, s = TestType(0.25);
  const TestType v_0 = GENERATE(TestType(2), TestType(1e-15));
  Vector<TestType> params = vector<TestType>({1, 0});
  params[1] = v_0;
  const auto step = [&](double lambda) {
    const TestType mu = params[0], v = params[1];
    const TestType spread = s + (m - mu) * (m - mu);
    Vector<TestType> g(2);
    g << -(m - mu) / v, (1 - spread / v) / (2 * v);
    const Matrix<TestType> F = Eigen::Vector<TestType, 2>(1 / v, 1 / (2 * v * v)).asDiagonal();
    NaturalGradient<TestType>({.lambda = lambda}).step(params, g, F);
  };
  // A step accumulates fewer than 16 roundings, of terms no larger than v + s + (m - mu)^2 <= 8, and m.
  const Real error = 16 * 8 * unit<TestType>;
  SECTION("lambda = 1") {
    step(1);
    CHECK(std::abs(Real(params[0]) - 3) <= error);
    CHECK(std::abs(Real(params[1]) - 4.25L) <= error);
    step(1);
    CHECK(std::abs(Real(params[0]) - 3) <= error);
    CHECK(std::abs(Real(params[1]) - 0.25L) <= error);
  }
  SECTION("lambda = 4: a quarter of the way") {
    step(4);
    CHECK(std::abs(Real(params[0]) - 1.5L) <= error);
    CHECK(std::abs(Real(params[1]) - (Real(v_0) + (4.25L - Real(v_0)) / 4)) <= error);
  }
}

TEMPLATE_TEST_CASE("a Gaussian's Fisher matrix from samples", "[natural]", float, double, long double) {
  // Scores are of second order in y, and their products of fourth. So the six samples mu (four times) and mu +- sqrt(3
  // v), which are Gauss and Hermite's nodes by weight, give the exact expectation, diag(1/v, 1/2v^2).
  const TestType v = 2;
  Matrix<TestType> scores(2, 6);
  for (Eigen::Index i = 0; i < 6; ++i) {
    const TestType off = i < 4 ? TestType(0) : (i == 4 ? 1 : -1) * std::sqrt(3 * v);
    scores.col(i) << -off / v, (1 - off * off / v) / (2 * v);
  }
  const auto F = estimate_fisher(scores);
  CHECK(std::abs(Real(F(0, 0)) - 0.5L) <= 16 * unit<TestType>);
  CHECK(std::abs(Real(F(1, 1)) - 0.125L) <= 16 * unit<TestType>);
  CHECK(std::abs(F(1, 0)) <= 16 * unit<TestType>);

  const auto damped = estimate_fisher(scores, 0.25);
  CHECK(damped(0, 0) == F(0, 0) + TestType(0.25));
  CHECK(damped(1, 1) == F(1, 1) + TestType(0.25));
  CHECK(damped(0, 1) == F(0, 1));
}

TEST_CASE("one sample and damping: the formula of Sherman and Morrison", "[natural]") {
  // (g g' + delta I)^-1 g = g / (delta + g'g)
  const Vector<double> g = vector<double>({3, 4});
  const Matrix<double> F = estimate_fisher(g, 7);
  CHECK(F == F.transpose());
  Vector<double> x = Vector<double>::Zero(2);
  NaturalGradient<>().step(x, g, F);
  CHECK((x + g / 32).norm() <= 128 * static_cast<double>(unit<double>) * x.norm());
  CHECK_THROWS_AS(NaturalGradient<>().step(x, g, estimate_fisher(g)), std::domain_error);
}

TEST_CASE("on logistic regression the natural step is Newton's", "[natural]") {
  SECTION("an intercept alone: 4 mean(y) - 2, from 0") {
    Vector<double> theta = Vector<double>::Zero(1);
    const Vector<double> g = vector<double>({0.5 - 0.75});
    NaturalGradient<double>().step(theta, g, Matrix<double>::Constant(1, 1, 0.25));
    CHECK(theta[0] == 1);
  }
  SECTION("labels in the model's proportions: the Fisher matrix from samples is the Hessian") {
    // At theta = (log 3, 0) the inputs' probabilities are 3/4, 1/4 and 1/2; four labels for each.
    Eigen::Matrix<double, 2, 3> inputs;
    inputs << 1, -1, 0, 2, 1, 1;
    const std::array<int, 3> ones{3, 1, 2};
    Vector<double> theta = vector<double>({0, 0});
    theta[0] = std::log(3.0);
    Matrix<double> scores(2, 12), H = Matrix<double>::Zero(2, 2);
    for (Eigen::Index i = 0; i < 3; ++i) {
      const Vector<double> input = inputs.col(i);
      const double p = 1 / (1 + std::exp(-theta.dot(input)));
      for (int k = 0; k < 4; ++k) scores.col(4 * i + k) = (p - (k < ones[static_cast<std::size_t>(i)] ? 1 : 0)) * input;
      H += p * (1 - p) / 3 * input * input.transpose();
    }
    const auto F = estimate_fisher(scores);
    // At most 12 terms, each with p right to 4u: entries are right to 32u, and the step to the condition number 2 times
    // that, and two solves.
    CHECK(Real((F - H).cwiseAbs().maxCoeff()) <= 32 * unit<double> * Real(H.maxCoeff()));
    Vector<double> natural = theta, newton = theta;
    const Vector<double> g = vector<double>({0.3, -0.2});
    NaturalGradient<double>().step(natural, g, F);
    Newton<double>().step(newton, g, H);
    CHECK(Real((natural - newton).norm()) <=
          (64 + 2 * solve_error) * unit<double> * Real((theta - newton).norm() + theta.norm()));
    natural = theta;
    NaturalGradient<double>().step(natural, g, H);
    CHECK(same_bits(natural, newton));
  }
}

TEMPLATE_TEST_CASE("a constrained natural step has the divergence that is asked for", "[natural]", float, double) {
  // Between Gaussians of known variances v, the divergence is exactly d'Fd / 2 with F = diag(1 / v).
  const Vector<TestType> v = vector<TestType>({0.25, 1, 16}), g = vector<TestType>({3, -1, 0.5});
  const Matrix<TestType> F = v.cwiseInverse().asDiagonal();
  const auto product = [&](const Vector<TestType>& u) -> Vector<TestType> { return u.cwiseQuotient(v); };
  const TestType divergence = TestType(0.125);
  const Real expected_rate = std::sqrt(2 * Real(divergence) / Real(v.dot(g.cwiseAbs2())));
  for (const TestType size : {TestType(1), std::sqrt(std::numeric_limits<TestType>::max()),
                              std::sqrt(std::numeric_limits<TestType>::min()) / 64}) {
    const NaturalGradient<TestType> natural;
    Vector<TestType> x = vector<TestType>({1, 2, 3}), y = x;
    const Vector<TestType> before = x;
    const TestType rate = natural.constrained_step(x, size * g, F, divergence);
    const TestType rate_by_product = natural.constrained_step(y, size * g, product, divergence);
    // A solve makes 4 roundings in each component. The conjugate gradients make some 10 in each of 3 iterations, which
    // the condition number of F, 64, may enlarge.
    CHECK(std::abs(Real(rate) * Real(size) - expected_rate) <= 32 * unit<TestType> * expected_rate);
    CHECK(std::abs(Real(rate_by_product) * Real(size) - expected_rate) <= 64 * 30 * unit<TestType> * expected_rate);
    for (const Vector<TestType>& after : {x, y}) {
      const Vector<TestType> d = before - after;
      const Real found = Real(d.cwiseAbs2().cwiseQuotient(v).sum()) / 2;
      CHECK(std::abs(found - Real(divergence)) <= 64 * 30 * unit<TestType>);
      CHECK((d - static_cast<TestType>(expected_rate) * v.cwiseProduct(g)).norm() <= 64 * 30 * unit<TestType>);
    }
  }
}

TEST_CASE("a natural step by products is that by the matrix", "[natural]") {
  const Matrix<double> F = well_conditioned<double>();
  Vector<double> x = vector<double>({1, 2}), y = x, z = x;
  const Vector<double> g = vector<double>({3, -1});
  const NaturalGradient<> natural({.lambda = 2});
  natural.step(x, g, F);
  natural.step(y, g, [&](const Vector<double>& v) { return F * v; });
  CHECK((x - y).norm() <= 64 * static_cast<double>(unit<double>));

  // One iteration is a step along the gradient, by the curvature on it.
  const NaturalGradient<> truncated({.max_iterations = 1});
  truncated.step(z, g, [&](const Vector<double>& v) { return F * v; });
  const Vector<double> expected = vector<double>({1, 2}) - g * g.squaredNorm() / g.dot(F * g);
  CHECK((z - expected).norm() <= 64 * static_cast<double>(unit<double>));

  x = y;
  CHECK(natural.constrained_step(x, vector<double>({0, 0}), F, 1) == 0);
  CHECK(natural.constrained_step(x, vector<double>({0, 0}), [](const Vector<double>& v) { return v; }, 1) == 0);
  CHECK(natural.constrained_step(x, g, F, 0) == 0);
  CHECK(same_bits(x, y));
}

TEST_CASE("what is wrong with a constrained natural step", "[natural]") {
  Vector<double> x = vector<double>({1, 2});
  const Vector<double> before = x, g = vector<double>({3, -1});
  const Matrix<double> F = well_conditioned<double>();
  const auto identity = [](const Vector<double>& v) { return v; };
  const NaturalGradient<> natural;
  for (const double bad : {-1.0, HUGE_VAL, std::nan("")})
    CHECK(complaint([&] { natural.constrained_step(x, g, F, bad); }).find("descent::NaturalGradient: divergence = ") ==
          0);
  CHECK(complaint([&] { natural.constrained_step(x, g, Matrix<double>(Matrix<double>::Identity(3, 3)), 1); }) ==
        "descent: the matrix is 3x3, but there are 2 parameters: it must be 2x2");
  CHECK(complaint([&] { natural.constrained_step(x, 0 * g, Matrix<double>(Matrix<double>::Identity(3, 3)), 1); }) ==
        "descent: the matrix is 3x3, but there are 2 parameters: it must be 2x2");
  CHECK(complaint([&] {
    natural.constrained_step(x, g, [](const Vector<double>&) { return Vector<double>(3); }, 1);
  }) == "descent::NaturalGradient: F(v) is 3x1, but v is 2x1");
  CHECK(complaint<std::domain_error>([&] {
    natural.constrained_step(x, g, [](const Vector<double>& v) { return Vector<double>(-v); }, 1);
  }).find("descent::NaturalGradient: F is not positive definite: d'Fd is -") == 0);
  CHECK(complaint<std::domain_error>([&] {
    natural.step(x, g, [](const Vector<double>& v) { return Vector<double>(0 * v); });
  }).find("descent::NaturalGradient: F is not positive definite: d'Fd is ") == 0);
  CHECK(complaint([&] { NaturalGradient<>({.max_iterations = 0}).step(x, g, identity); }) ==
        "descent::NaturalGradient: max_iterations = 0; it must be finite and >= 1");
  CHECK(complaint([&] { NaturalGradient<>({.tolerance = -1}).step(x, g, identity); }) ==
        "descent::NaturalGradient: tolerance = -1; it must be finite and >= 0");
  CHECK(complaint([&] { NaturalGradient<>({.lambda = 0}).step(x, g, identity); }) ==
        "descent::NaturalGradient: lambda = 0; it must be finite and > 0");
  CHECK(same_bits(x, before));
}

// SPDX-License-Identifier: MIT
//
// Whole trajectories with a closed form: quadratics for the methods without scaling, constant gradients for the
// adaptive ones.
#include <cmath>
#include <complex>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Real = long double;

template <class Scalar>
constexpr Real unit = std::numeric_limits<Scalar>::epsilon() / 2;

/// On f = lambda x^2 / 2, a method with velocity is linear: (x, v) <- A (x, v). Rounding errors made at step k, at most
/// 6u of the largest number there, are propagated by A^(t-k).
template <class Scalar, class O>
void follow_linear_method(O& optimizer, Real lambda, const Eigen::Matrix<Real, 2, 2>& A, int steps) {
  Vector<Scalar> x = Vector<Scalar>::Ones(1);
  Eigen::Matrix<Real, 2, 2> power = Eigen::Matrix<Real, 2, 2>::Identity();
  std::vector<Real> growth{1};
  for (int t = 1; t <= steps; ++t) {
    Vector<Scalar> g = static_cast<Scalar>(lambda) * x;
    if constexpr (requires { optimizer.gradient_at; })
      if (optimizer.gradient_at == GradientAt::lookahead) g = static_cast<Scalar>(lambda) * optimizer.lookahead(x);
    optimizer.step(x, g);
    power = A * power;
    growth.push_back(power.cwiseAbs().rowwise().sum().maxCoeff());

    // The closed form: powers of the eigenvalues of A; for x_0 = 1, v_0 = 0 with x_1 = A_00,
    // x_t = (c1 r1^t + c2 r2^t), or (1 + c t) r^t where they coincide.
    const Real trace = A.trace();
    const Real determinant = A(0, 0) * A(1, 1) - A(0, 1) * A(1, 0);
    const std::complex<Real> root = std::sqrt(std::complex<Real>(trace * trace / 4 - determinant));
    const std::complex<Real> r1 = trace / 2 + root, r2 = trace / 2 - root;
    Real exact = 0;
    if (std::abs(root) < 1e-9L) {
      const Real r = trace / 2;
      exact = (1 + (A(0, 0) - r) / r * static_cast<Real>(t)) * std::pow(r, static_cast<Real>(t));
    } else {
      const std::complex<Real> c1 = (A(0, 0) - r2) / (r1 - r2), c2 = std::complex<Real>(1) - c1;
      exact = (c1 * std::pow(r1, t) + c2 * std::pow(r2, t)).real();
    }
    Real bound = 0;
    for (int k = 1; k <= t; ++k)
      bound += 6 * unit<Scalar> * growth[static_cast<std::size_t>(k - 1)] * growth[static_cast<std::size_t>(t - k)];
    INFO("t = " << t);
    REQUIRE(std::abs(Real(x[0]) - exact) <= 3 * bound);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("SGD on a quadratic is (1 - eta lambda)^t", "[closed form]", float, double) {
  // eta lambda = 3/8 and the product lambda x are exact up to one rounding each; three a step.
  SGD<TestType> sgd({.learning_rate = 0.125});
  Vector<TestType> x = Vector<TestType>::Ones(5);
  for (int t = 1; t <= 60; ++t) {
    sgd.step(x, 3 * x);
    const Real exact = std::pow(1 - 0.375L, static_cast<Real>(t));
    REQUIRE(std::abs(Real(x[2]) - exact) <= 3 * t * unit<TestType> * exact);
  }
}

TEMPLATE_TEST_CASE("momentum on a quadratic follows the roots of its recurrence", "[closed form]", float, double) {
  // x_{t+1} = x - mu v - eta lambda x, v_{t+1} = mu v + eta lambda x; all numbers exact in float.
  const Real lambda = 1;
  // Real roots for sqrt(mu) < 1 - sqrt(eta lambda), double for equality, else complex.
  const auto [eta, mu] = GENERATE(table<double, double>({{0.0625, 0.5}, {0.25, 0.25}, {0.5, 0.75}, {1.5, 0.875}}));
  INFO("eta = " << eta << ", mu = " << mu);
  const Real h = eta * lambda, m = mu;
  Eigen::Matrix<Real, 2, 2> A;
  A << 1 - h, -m, h, m;
  SECTION("Momentum, velocity") {
    Momentum<TestType> optimizer({.learning_rate = eta, .momentum = mu});
    follow_linear_method<TestType>(optimizer, lambda, A, 80);
  }
  SECTION("Momentum, accumulated") {
    Momentum<TestType> optimizer({.learning_rate = eta, .momentum = mu, .form = MomentumForm::accumulated});
    follow_linear_method<TestType>(optimizer, lambda, A, 80);
  }
  SECTION("Momentum, averaged: velocity at eta (1 - mu)") {
    Momentum<TestType> optimizer({.learning_rate = eta / (1 - mu), .momentum = mu, .form = MomentumForm::averaged});
    if (eta != 1.5) follow_linear_method<TestType>(optimizer, lambda, A, 80);
  }
  SECTION("Nesterov, look-ahead") {
    // g at x - mu v: x_{t+1} = x - mu v - h (x - mu v).
    A << 1 - h, -m + h * m, h, m - h * m;
    Nesterov<TestType> optimizer({.learning_rate = eta, .momentum = mu, .gradient_at = GradientAt::lookahead});
    follow_linear_method<TestType>(optimizer, lambda, A, 80);
  }
  SECTION("Nesterov, at the parameters") {
    // step = mu v_{t+1} + h x = mu^2 v + (mu h + h) x.
    A << 1 - h - m * h, -m * m, h, m;
    Nesterov<TestType> optimizer({.learning_rate = eta, .momentum = mu});
    follow_linear_method<TestType>(optimizer, lambda, A, 80);
  }
}

TEST_CASE("both forms of Nesterov are one method in shifted coordinates", "[closed form]") {
  Nesterov<double> ahead({.learning_rate = 0.05, .momentum = 0.9, .gradient_at = GradientAt::lookahead});
  Nesterov<double> here({.learning_rate = 0.05, .momentum = 0.9});
  const auto gradient = [](const Vector<double>& x) { return Vector<double>(x.array().cube() + x.array()); };
  Vector<double> x = start<double>(7), y = x;
  for (int t = 0; t < 100; ++t) {
    ahead.step(x, gradient(ahead.lookahead(x)));
    here.step(y, gradient(y));
    // y is the other's x - mu v; the map is a contraction here, so errors stay about as large as those of one step.
    REQUIRE((ahead.lookahead(x) - y).cwiseAbs().maxCoeff() <= 100 * std::numeric_limits<double>::epsilon());
  }
}

TEST_CASE("momentum 1 keeps the energy: no friction", "[closed form]") {
  // The symplectic Euler method: x_t = cos(t w) x_0 + ..., bounded for ever; here cos w = 1 - eta / 2.
  Momentum<double> momentum({.learning_rate = 0.01, .momentum = 1});
  Vector<double> x = Vector<double>::Ones(1);
  double largest = 0, last_largest = 0;
  for (int t = 0; t < 20000; ++t) {
    momentum.step(x, x);
    largest = std::max(largest, std::abs(x[0]));
    if (t >= 19000) last_largest = std::max(last_largest, std::abs(x[0]));
  }
  // |A^k| <= 1 / cos(w / 2) < 1.01; one rounding error of u a step adds at most 20000 u.
  CHECK(largest < 1.01);
  CHECK(last_largest > 0.99);
}

TEMPLATE_TEST_CASE("a constant gradient gives the adaptive methods' closed forms", "[closed form]", float, double) {
  const double eta = 0.125, epsilon = 1e-3;
  Vector<TestType> g(4);
  g << static_cast<TestType>(1), static_cast<TestType>(-0.5), static_cast<TestType>(1e-3), static_cast<TestType>(1e4);
  const auto follow = [&](auto optimizer, const auto& step_at) {
    Vector<TestType> x = Vector<TestType>::Zero(4);
    Real exact[4] = {};
    Real travelled[4] = {};
    for (int t = 1; t <= 50; ++t) {
      optimizer.step(x, g);
      for (Eigen::Index i = 0; i < 4; ++i) {
        const Real step = step_at(Real(g[i]), static_cast<Real>(t));
        exact[i] -= step;
        travelled[i] += std::abs(step);
        // s accumulates t + 3 roundings, halved by the root; a step has 8 more, each sum one.
        INFO("t = " << t << ", g = " << g[i]);
        REQUIRE(std::abs(Real(x[i]) - exact[i]) <= (2 * t + 16) * unit<TestType> * travelled[i]);
      }
    }
  };
  SECTION("AdaGrad: a harmonic sum of roots") {
    follow(AdaGrad<TestType>({.learning_rate = eta, .epsilon = epsilon}),
           [&](Real g_i, Real t) { return Real(eta) * g_i / (std::sqrt(t) * std::abs(g_i) + Real(epsilon)); });
    follow(AdaGrad<TestType>({.learning_rate = eta, .epsilon = epsilon, .epsilon_placement = EpsilonPlacement::inside}),
           [&](Real g_i, Real t) { return Real(eta) * g_i / std::sqrt(t * g_i * g_i + Real(epsilon)); });
  }
  SECTION("RMSProp: a geometric sum") {
    const double gamma = 0.75;
    follow(RMSProp<TestType>({.learning_rate = eta, .decay = gamma, .epsilon = epsilon}), [&](Real g_i, Real t) {
      return Real(eta) * g_i / (std::sqrt(1 - std::pow(Real(gamma), t)) * std::abs(g_i) + Real(epsilon));
    });
  }
  SECTION("Adam: exactly eta g / (|g| + epsilon), at every step") {
    // Betas with few bits, so that the running products are exact for longer than the test.
    follow(Adam<TestType>({.learning_rate = eta, .beta1 = 0.5, .beta2 = 0.75, .epsilon = epsilon}),
           [&](Real g_i, Real) { return Real(eta) * g_i / (std::abs(g_i) + Real(epsilon)); });
  }
}

TEST_CASE("AdaDelta's first step is sqrt(epsilon / ((1 - rho) g^2 + epsilon)) g", "[closed form]") {
  AdaDelta<double> adadelta;
  Vector<double> x = Vector<double>::Zero(2);
  adadelta.step(x, Eigen::Vector2d(1, -300));
  for (auto [i, g] : {std::pair{0, 1.0L}, std::pair{1, -300.0L}}) {
    const Real step = std::sqrt(1e-6L / (0.05L * g * g + 1e-6L)) * g;
    CHECK(std::abs(Real(x[i]) + step) <= 16 * unit<double> * std::abs(step));
  }
}

TEST_CASE("a soft threshold finds the minimum of |x - c|^2 / 2 + w |x|_1, which is sparse", "[closed form]") {
  // c, shrunk by w towards 0. With a step half as long as the way, the rest halves at each step, without rounding.
  Optimizer ista(Chain{rules::SGD{.learning_rate = 0.5}, transforms::SoftThreshold{1}});
  const Eigen::Vector4d c(3, -2, 0.75, -1), minimum(2, -1, 0, 0);
  Vector<double> x = Vector<double>::Constant(4, 8);
  for (int t = 0; t < 80; ++t) ista.step(x, x - c);
  CHECK(x == minimum);
}

TEST_CASE("LAMB's step is as long as its parameters, times the rate", "[closed form]") {
  Optimizer lamb(Chain{rules::Adam{.learning_rate = 0.25}, transforms::WeightDecay{0.1}, transforms::TrustRatio{}});
  Vector<double> x = start<double>(50), zero = Vector<double>::Zero(50);
  for (int t = 1; t <= 10; ++t) {
    const Vector<double> before = x, g = mixed_gradient<double>(50, t);
    lamb.step(x, g);
    // 3 roundings in the ratio and the product, those of x - step, and those of Eigen's norms.
    CHECK(std::abs((x - before).norm() - 0.25 * before.norm()) <= 64 * unit<double> * before.norm());
  }
  Optimizer unscaled(Chain{rules::Adam{.learning_rate = 0.25}, transforms::TrustRatio{}});
  unscaled.step(zero, Vector<double>::Ones(50));  // a ratio of 0 / |step| would never leave 0
  CHECK(zero.maxCoeff() < -0.24);
}

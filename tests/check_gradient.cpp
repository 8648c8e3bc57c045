// SPDX-License-Identifier: MIT
//
// check_gradient: correct gradients pass, wrong ones are found and named, and what cannot be compared is an error.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using Eigen::VectorXd;

/// f = sum x_i^3 + products of neighbours, with its gradient; for any shape.
const auto curved = [](const auto& x, auto& gradient) {
  using Scalar = typename std::remove_cvref_t<decltype(x)>::Scalar;
  Scalar value = 0;
  for (Eigen::Index j = 0; j < x.cols(); ++j)
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      value += x(i, j) * x(i, j) * x(i, j) + (i > 0 ? x(i, j) * x(i - 1, j) : 0);
      gradient(i, j) = 3 * x(i, j) * x(i, j) + (i > 0 ? x(i - 1, j) : 0) + (i + 1 < x.rows() ? x(i + 1, j) : 0);
    }
  return value;
};

/// f = slope x in one variable, but it writes another slope.
auto line(double slope, double written) {
  return [=](const auto& x, auto& gradient) {
    using Scalar = typename std::remove_cvref_t<decltype(x)>::Scalar;
    gradient.setConstant(static_cast<Scalar>(written));
    return static_cast<Scalar>(slope) * x(0, 0);
  };
}

}  // namespace

TEMPLATE_TEST_CASE("a right gradient passes, in every shape", "[check_gradient]", float, double, long double) {
  const Vector<TestType> x = start<TestType>(12) * TestType(3);
  const auto passes = [](const auto& at) {
    const auto check = check_gradient(curved, at);
    INFO(check.message());
    CHECK(check.passed());
    CHECK(check.error > 0);
  };
  passes(x);
  passes(x.reshaped(3, 4).eval());
  passes(Eigen::Matrix<TestType, 3, 4, Eigen::RowMajor>(x.reshaped(3, 4)));
  passes(x.array().eval());
  passes(x.head(5));
  passes(2 * x.transpose());
  CHECK(check_gradient(curved, Vector<TestType>()).passed());
  CHECK(check_gradient(curved, Vector<TestType>()).message() == "passed: x is empty");
}

TEST_CASE("the worst component is named", "[check_gradient]") {
  const auto wrong_twice = [](const Eigen::MatrixXd& x, Eigen::MatrixXd& gradient) {
    const double value = curved(x, gradient);
    gradient(0, 1) *= 1.01;
    gradient(1, 2) *= -1;
    return value;
  };
  Eigen::MatrixXd x = Eigen::MatrixXd::Constant(2, 3, 2);
  const Eigen::MatrixXd before = x;
  const auto check = check_gradient(wrong_twice, x);
  CHECK_FALSE(check.passed());
  CHECK(check.row == 1);
  CHECK(check.col == 2);
  CHECK(check.analytic == -14);
  CHECK(std::abs(check.numeric - 14) <= 14 * check.tolerance);
  CHECK(std::abs(check.error - 2) <= check.tolerance);
  CHECK(check.message() ==
        "FAILED: at worst, in component (1, 2), the gradient is -14 and the difference quotient 14; error 2, tolerance "
        "6.1e-06");
  CHECK(same_bits(x, before));
}

TEMPLATE_TEST_CASE("the difference is central, and its step fits x", "[check_gradient]", float, double, long double) {
  // The quotient of x^3 at 0 is h^2; eps^(2/3), to a few roundings.
  const auto eps = std::numeric_limits<TestType>::epsilon();
  const auto cube = check_gradient(curved, Vector<TestType>::Zero(1));
  CHECK(std::abs(cube.numeric / std::pow(eps, TestType(2) / 3) - 1) <=
        16 * std::numeric_limits<double>::epsilon() + 16 * eps);

  // The quotient of x itself is exactly 1 if the step is the difference between the points as rounded.
  for (const double at : {0.0, 1e-9, 1.1, -7.3, 3e5}) {
    std::vector<TestType> seen;
    const auto identity = [&](const Vector<TestType>& x, Vector<TestType>& gradient) {
      seen.push_back(x[0]);
      gradient.setOnes();
      return x[0];
    };
    const Vector<TestType> x = Vector<TestType>::Constant(1, static_cast<TestType>(at));
    CHECK(check_gradient(identity, x).numeric == 1);
    REQUIRE(seen.size() == 3);
    CHECK(seen[0] == x[0]);
    const double h = std::cbrt(static_cast<double>(eps)) * std::max(1.0, std::abs(at));
    CHECK(std::abs(static_cast<double>(seen[1] - x[0]) - h) <= 0.01 * h);
    CHECK(std::abs(static_cast<double>(x[0] - seen[2]) - h) <= 0.01 * h);
  }
}

TEMPLATE_TEST_CASE("the tolerance: relative above 1, absolute below", "[check_gradient]", float, double) {
  const Vector<TestType> x = Vector<TestType>::Zero(1);
  const auto passes = [&](double slope, double written) {
    return check_gradient(line(slope, written), x, 0.01).passed();
  };
  CHECK(passes(1000, 1009));
  CHECK_FALSE(passes(1000, 1011));
  CHECK(passes(-1000, -1009));
  CHECK(passes(0, 0.009));
  CHECK_FALSE(passes(0, 0.011));
  CHECK_FALSE(passes(0.5, -0.5));

  // The default is cbrt(eps).
  const double tolerance = std::cbrt(static_cast<double>(std::numeric_limits<TestType>::epsilon()));
  CHECK(check_gradient(line(1, 1 + 0.9 * tolerance), x).passed());
  CHECK_FALSE(check_gradient(line(1, 1 + 1.1 * tolerance), x).passed());
  CHECK(check_gradient(line(1, 1), x).tolerance == tolerance);
}

TEMPLATE_TEST_CASE("the rounding of a large value is no error of the gradient", "[check_gradient]", float, double) {
  // A value of f (1 + k eps) above x and of f below: the quotient is k eps f / 2h, which may be rounding up to 10
  // cbrt(eps)^2 f, that is for k = 20.
  const auto passes = [](TestType k) {
    const auto rounded = [&](const Vector<TestType>& x, Vector<TestType>& gradient) {
      gradient.setZero();
      const TestType large = std::ldexp(TestType(1), 60);
      return x[0] > 0 ? large * (1 + k * std::numeric_limits<TestType>::epsilon()) : large;
    };
    return check_gradient(rounded, Vector<TestType>::Zero(1)).passed();
  };
  CHECK(passes(1));
  CHECK(passes(18));
  CHECK_FALSE(passes(22));
}

TEST_CASE("an objective that does not set its gradient", "[check_gradient]") {
  const VectorXd x = VectorXd::Ones(2);
  CHECK(complaint([&] {
    check_gradient([](const VectorXd& at, VectorXd& g) {
      g[0] = 2 * at[0];
      return at.squaredNorm();
    }, x);
  }) == "descent::check_gradient: the objective does not set component (1, 0) of the gradient; it must assign "
        "each, and not add to what is there");
  CHECK(complaint([&] {
    check_gradient([](const VectorXd& at, VectorXd& g) {
      g += 2 * at;
      return at.squaredNorm();
    }, x);
  }).find("does not set component (0, 0)") != std::string::npos);
  CHECK(complaint([&] {
    check_gradient([](const VectorXd& at, VectorXd& g) {
      g = VectorXd::Zero(3);
      return at.squaredNorm();
    }, x);
  }) == "descent::check_gradient: the objective's gradient is 3x1, but x is 2x1");
}

TEST_CASE("what is not finite is named", "[check_gradient]") {
  VectorXd x = VectorXd::Ones(2);
  const auto told = [&](const auto& objective) {
    return complaint<std::domain_error>([&] { check_gradient(objective, x); });
  };
  const auto nan_in_gradient = [](const VectorXd& at, VectorXd& g) {
    g = at;
    g[1] = std::nan("");
    return at.squaredNorm() / 2;
  };
  CHECK(told(nan_in_gradient) == "descent::check_gradient: the gradient is not finite: (1, 0) is nan");
  const auto infinite = [](const VectorXd& at, VectorXd& g) {
    g = at;
    return HUGE_VAL;
  };
  CHECK(told(infinite) == "descent::check_gradient: the value at x is inf; it must be finite");
  const auto ends_at_one = [](const VectorXd& at, VectorXd& g) {
    g.setOnes();
    return at[1] > 1 ? std::nan("") : at.sum();
  };
  CHECK(told(ends_at_one) ==
        "descent::check_gradient: the value is nan near x, where component (1, 0) is 1.00001 instead of 1; it must be "
        "finite");
  x[1] = std::nan("");
  CHECK(told(curved) == "descent::check_gradient: x is not finite: (1, 0) is nan");
}

TEST_CASE("a quotient that overflows does not pass", "[check_gradient]") {
  const double large = std::numeric_limits<double>::max();
  const auto cliff = [&](const VectorXd& at, VectorXd& g) {
    g.setZero();
    return at[1] > 0 ? large : (at[1] < 0 ? -large : 0);
  };
  const auto check = check_gradient(cliff, VectorXd::Zero(3));
  CHECK_FALSE(check.passed());
  CHECK(check.row == 1);
}

TEST_CASE("a tolerance out of range", "[check_gradient]") {
  for (const double bad : {0.0, -1e-6, HUGE_VAL, std::nan("")})
    CHECK(complaint([&] {
      check_gradient(curved, VectorXd::Ones(2), bad);
    }).find("descent::check_gradient: tolerance = ") == 0);
  CHECK(complaint([&] { check_gradient(curved, VectorXd::Ones(2), 0); }) ==
        "descent::check_gradient: tolerance = 0; it must be finite and > 0");
}

TEST_CASE("what the objective throws passes through", "[check_gradient]") {
  const auto gone = [](const VectorXd&, VectorXd&) -> double { throw std::runtime_error("the simulator is gone"); };
  CHECK_THROWS_AS(check_gradient(gone, VectorXd::Ones(2)), std::runtime_error);
}

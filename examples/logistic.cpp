// SPDX-License-Identifier: MIT
//
// What knowing the curvature is worth: logistic regression with the methods beside the seven, from exact line search to
// Newton, after a check of its gradient. The program ends with exit status 1 unless all find the same minimum.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <random>

#include <Eigen/Core>

#include <descent/curvature/natural_gradient.hpp>
#include <descent/curvature/preconditioned_descent.hpp>
#include <descent/curvature/steepest_descent.hpp>
#include <descent/descent.hpp>

#include "output.hpp"

namespace {

using Eigen::ArrayXd;
using Eigen::Matrix3d;
using Eigen::Vector3d;
using Samples = Eigen::Matrix<double, 3, Eigen::Dynamic>;

/// Whether a part fails, depending on its temperature (in 10 °C) and its load: P(fails) = 1 / (1 + exp(-w'x)).
struct Parts {
  Samples x;  ///< one column for each part: 1, temperature, load
  ArrayXd failed;

  explicit Parts(Eigen::Index count) : x(3, count), failed(count) {
    std::mt19937 random(1);
    const auto uniform = [&] { return static_cast<double>(random()) / 4294967296.0; };
    for (Eigen::Index i = 0; i < count; ++i) x.col(i) << 1, 2 + 6 * uniform(), 2 * uniform();
    const ArrayXd truth = probability(Vector3d(-4, 0.8, -1));
    for (Eigen::Index i = 0; i < count; ++i) failed[i] = uniform() < truth[i] ? 1 : 0;
  }

  ArrayXd probability(const Vector3d& w) const { return 1 / (1 + (-(x.transpose() * w)).array().exp()); }

  /// The gradient of each part's -log P; the objective's gradient is their mean.
  Samples gradients(const Vector3d& w) const { return x * (probability(w) - failed).matrix().asDiagonal(); }

  /// The mean of -log P.
  double objective(const Vector3d& w, Vector3d& gradient) const {
    gradient = gradients(w).rowwise().mean();
    const ArrayXd p = probability(w);
    return -(failed * p.log() + (1 - failed) * (1 - p).log()).mean();
  }

  /// The Hessian of the objective, which is also the model's Fisher matrix, because w are its natural parameters.
  Matrix3d hessian(const Vector3d& w) const {
    const ArrayXd p = probability(w);
    return x * (p * (1 - p)).matrix().asDiagonal() * x.transpose() / static_cast<double>(x.cols());
  }
};

struct Fit {
  Vector3d w = Vector3d::Zero();
  int steps = 0;
};

/// Calls step(w, gradient) until no component of the gradient is above 1e-8.
template <class Step>
Fit fit(const char* name, const char* given, const Parts& parts, Step&& step) {
  Fit fit;
  Vector3d gradient;
  double value = parts.objective(fit.w, gradient);
  for (; fit.steps < 100'000 && gradient.cwiseAbs().maxCoeff() > 1e-8; ++fit.steps) {
    step(fit.w, gradient);
    value = parts.objective(fit.w, gradient);
  }
  std::printf("%-22s %-38s %6d   %.8f   %.4f %+.4f %+.4f\n", name, given, fit.steps, value, fit.w[0], fit.w[1],
              fit.w[2]);
  return fit;
}

}  // namespace

int main() try {
  const Parts parts(400);
  const auto objective = [&](const Vector3d& w, Vector3d& gradient) { return parts.objective(w, gradient); };
  const auto not_divided_by_n = [&](const Vector3d& w, Vector3d& gradient) {
    const double value = parts.objective(w, gradient);
    gradient = parts.gradients(w).rowwise().sum();
    return value;
  };
  const auto right = descent::check_gradient(objective, Vector3d(-1, 0.1, 0.2));
  const auto wrong = descent::check_gradient(not_divided_by_n, Vector3d(-1, 0.1, 0.2));
  std::printf("The gradient, checked: %s\nA wrong one (no / n):  %s\n\n", right.message().c_str(),
              wrong.message().c_str());

  // p (1 - p) <= 1/4, so this bounds the Hessian everywhere (Boehning & Lindsay 1988).
  const Matrix3d bound = parts.x * parts.x.transpose() / (4 * static_cast<double>(parts.x.cols()));
  descent::SGD<double> sgd({.learning_rate = 1 / bound.trace()});
  const descent::SteepestDescent<double> steepest;
  const descent::PreconditionedDescent<double> preconditioned;
  const descent::NaturalGradient<double> natural;
  const descent::Newton<double> newton;

  std::printf("%-22s %-38s %6s   %-10s   %s\n", "method", "what it knows besides the gradient", "steps", "value", "w");
  const Fit fits[] = {
      fit("SGD", "nothing", parts, [&](auto& w, const auto& g) { sgd.step(w, g); }),
      fit("SteepestDescent", "the Hessian times the gradient", parts,
          [&](auto& w, const auto& g) { steepest.step(w, g, parts.hessian(w)); }),
      fit("PreconditionedDescent", "a bound of the Hessian, factored once", parts,
          [&, P = descent::PositiveDefinite<double>(bound)](auto& w, const auto& g) { preconditioned.step(w, g, P); }),
      fit("NaturalGradient", "a Fisher matrix from sample gradients", parts,
          [&](auto& w, const auto& g) { natural.step(w, g, descent::estimate_fisher(parts.gradients(w), 1e-3)); }),
      fit("NaturalGradient", "the Fisher matrix", parts,
          [&](auto& w, const auto& g) { natural.step(w, g, parts.hessian(w)); }),
      fit("Newton", "the Hessian, here the same matrix", parts,
          [&](auto& w, const auto& g) { newton.step(w, g, parts.hessian(w)); }),
  };

  const Fit& best = fits[5];
  const bool agree = std::all_of(std::begin(fits), std::end(fits), [&](const Fit& other) {
    return (other.w - best.w).cwiseAbs().maxCoeff() < 1e-4 && other.steps < 100'000;
  });
  const bool as_expected = right.passed() && !wrong.passed() && agree && best.steps <= 10 && best.w == fits[4].w;
  std::printf("\n%s\n", as_expected ? "All found the same minimum." : "NOT as expected.");
  examples::finish_standard_output();
  return as_expected ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "logistic: %s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: MIT
//
// NaturalGradient: steepest descent among distributions, and an estimate of the Fisher matrix.
#pragma once

#include <cmath>
#include <limits>
#include <stdexcept>

#include <Eigen/Core>
#include <Eigen/IterativeLinearSolvers>

#include <descent/curvature/one_tensor.hpp>
#include <descent/curvature/positive_definite.hpp>
#include <descent/errors.hpp>
#include <descent/rule.hpp>
#include <descent/tensors.hpp>

namespace descent {
inline namespace DESCENT_FLAGS {

/// Natural gradient descent (Amari 1998, Natural Gradient Works Efficiently in Learning, theorem 1). Its
/// step has a price, or a given length (Schulman et al. 2015, Trust Region Policy Optimization, arXiv:1502.05477,
/// appendix C, without its line search).
///
///     step:              (1 / lambda) F^-1 g
///     constrained_step:  sqrt(2 divergence / g'F^-1 g) F^-1 g
///
/// where F = E[s s'] is the Fisher matrix of a model p(y | params), s is the gradient of -log p(y | params), and y is
/// drawn from the model. The step d minimizes -g'd + (lambda / 2) d'Fd: lambda is the price of the divergence between
/// the distributions before and after, about d'Fd / 2, so that, to first order, the step does not depend on how they
/// are parametrized. The constrained step maximizes g'd among those of one divergence, d'Fd / 2 = divergence.
///
/// For the gradient of a mean over samples, F is the matrix of one sample; for the gradient of a sum, it is the sum of
/// theirs.
///
/// If p is an exponential family in its natural parameters, as in logistic regression, F is the Hessian of -log p, and
/// lambda = 1 gives Newton's step.
///
/// State: none.
template <class Scalar = double>
struct NaturalGradient {
  double lambda = 1;         ///< finite and > 0; 1 / lambda is the learning rate
  int max_iterations = 100;  ///< of conjugate gradients, >= 1; TRPO has 10
  double tolerance = 1e-10;  ///< at which they end, |g - F d| <= tolerance |g|; finite and >= 0

  /// params is one writable tensor of n parameters, and gradient has its shape. F is the Fisher matrix at params,
  /// symmetric n x n, known or from `estimate_fisher`, or a PositiveDefinite made from it.
  ///
  /// Throws std::invalid_argument if a shape differs, F is not symmetric or lambda is out of range, and
  /// std::domain_error if the gradient or the result of the step is not finite, or F is not positive definite: see
  /// PositiveDefinite. The parameters are then unchanged.
  template <class Params, class Gradient>
  requires OneTensorStep<Params, Gradient, Scalar>
  void step(Params&& params, const Gradient& gradient, const PositiveDefinite<Scalar>& F) const {
    detail::require_in_range<Scalar>({"descent::NaturalGradient"}, "lambda", lambda, interval::positive);
    detail::subtract(params, F.solve(detail::gradient_column(params, gradient)) / static_cast<Scalar>(lambda));
  }
  /// F is a function: F(v) is the Fisher matrix times the column v. d = F^-1 g is found by conjugate gradients
  /// (Hestenes & Stiefel 1952; Eigen's), in at most max_iterations products; the step uses whatever they have reached.
  /// In exact arithmetic n of them are enough.
  ///
  /// Throws as above, where F is not positive definite only if it shows: if d'Fd is not > 0.
  template <class Params, class Gradient, MatrixProduct<Scalar> Product>
  requires OneTensorStep<Params, Gradient, Scalar>
  void step(Params&& params, const Gradient& gradient, const Product& F) const {
    detail::require_in_range<Scalar>({"descent::NaturalGradient"}, "lambda", lambda, interval::positive);
    const Direction direction = solve(F, detail::gradient_column(params, gradient));
    detail::subtract(params, direction.d * (direction.gradient_size / static_cast<Scalar>(lambda)));
  }

  /// A step of the given divergence, in nats, up to second order: finite and >= 0. Returns the learning rate that it
  /// comes to, sqrt(2 divergence / g'F^-1 g). If the gradient is 0, returns 0 and changes nothing. Otherwise as `step`.
  template <class Params, class Gradient>
  requires OneTensorStep<Params, Gradient, Scalar>
  Scalar constrained_step(Params&& params, const Gradient& gradient, const PositiveDefinite<Scalar>& F,
                          double divergence) const {
    const detail::Column<Scalar> g = detail::gradient_column(params, gradient);
    const Scalar size = largest(g);
    if (size == 0) {
      detail::require_size(F.size(), g.size());
      return 0;
    }
    const detail::Column<Scalar> u = g / size, d = F.solve(u);
    return move_by_divergence(params, Direction{d, size, u.dot(d)}, divergence);
  }
  template <class Params, class Gradient, MatrixProduct<Scalar> Product>
  requires OneTensorStep<Params, Gradient, Scalar>
  Scalar constrained_step(Params&& params, const Gradient& gradient, const Product& F, double divergence) const {
    return move_by_divergence(params, solve(F, detail::gradient_column(params, gradient)), divergence);
  }

 private:
  /// The natural gradient, divided by the largest component of the gradient, so that its square neither overflows nor
  /// vanishes.
  struct Direction {
    detail::Column<Scalar> d;
    Scalar gradient_size;
    Scalar squared_length;  ///< d'Fd
  };

  /// A function v -> F v as Eigen's conjugate gradients want it: `F * v`.
  template <class Product>
  struct Multiplied {
    const Product& product;
    Eigen::Index size;

    Eigen::Index cols() const { return size; }
    detail::Column<Scalar> operator*(const detail::Column<Scalar>& v) const {
      return detail::checked_product(product, v, "descent::NaturalGradient: F");
    }
  };

  static Scalar largest(const detail::Column<Scalar>& g) { return g.size() == 0 ? 0 : g.cwiseAbs().maxCoeff(); }

  template <class Product>
  Direction solve(const Product& F, const detail::Column<Scalar>& g) const {
    detail::require_in_range<Scalar>({"descent::NaturalGradient"}, "max_iterations", max_iterations,
                                     interval::at_least_one);
    detail::require_in_range<Scalar>({"descent::NaturalGradient"}, "tolerance", tolerance, interval::nonnegative);
    Direction found{detail::Column<Scalar>::Zero(g.size()), largest(g), 0};
    if (found.gradient_size == 0) return found;
    const Multiplied<Product> matrix{F, g.size()};
    const detail::Column<Scalar> u = g / found.gradient_size;
    Eigen::Index iterations = max_iterations;
    auto error = static_cast<Scalar>(tolerance);
    Eigen::internal::conjugate_gradient(matrix, u, found.d, Eigen::IdentityPreconditioner(), iterations, error);
    found.squared_length = found.d.dot(matrix * found.d);
    if (!(found.squared_length > 0 && found.squared_length <= (std::numeric_limits<Scalar>::max)()))
      detail::fail<std::domain_error>({"descent::NaturalGradient: F is not positive definite: d'Fd is ",
                                       detail::Rounded{found.squared_length, 6},
                                       "; a multiple of v added to F(v) can help"});
    return found;
  }

  template <class Params>
  static Scalar move_by_divergence(Params& params, const Direction& direction, double divergence) {
    detail::require_in_range<Scalar>({"descent::NaturalGradient"}, "divergence", divergence, interval::nonnegative);
    if (direction.gradient_size == 0) return 0;
    const Scalar rate = std::sqrt(2 * static_cast<Scalar>(divergence) / direction.squared_length);
    detail::subtract(params, rate * direction.d);
    return rate / direction.gradient_size;
  }
};

/// The Fisher matrix of one sample, estimated from the gradients g_1 ... g_N of -log p at N samples, which are the
/// columns of an n x N matrix, and damped (Martens 2020, arXiv:1412.1193).
///
///     F = (1 / N) sum g_i g_i' + damping I
///
/// If each y_i is drawn from the model, this is an unbiased estimate, apart from the damping. With the observed y_i it
/// is the "empirical Fisher", which is close only if the model fits (Kunstner, Hennig & Balles 2019, arXiv:1905.12558).
/// Without damping, F is singular if N < n.
///
/// Throws std::invalid_argument if there is no sample or damping is not finite and >= 0, and std::domain_error if a
/// gradient is not finite or so large that F is not. Returns an n x n matrix that is exactly symmetric.
template <DenseTensor Gradients>
auto estimate_fisher(const Gradients& sample_gradients, double damping = 0) {
  using Scalar = typename Gradients::Scalar;
  using Matrix = detail::Square<Scalar>;
  detail::require_in_range<Scalar>({"descent::estimate_fisher"}, "damping", damping, interval::nonnegative);
  const Eigen::Ref<const Matrix> G(sample_gradients.matrix());
  if (G.cols() == 0)
    detail::fail<std::invalid_argument>(
        "descent::estimate_fisher: there is no sample; each column is the gradient of one");
  detail::require_finite("descent::estimate_fisher: a gradient", G);
  Matrix F = Matrix::Zero(G.rows(), G.rows());
  F.template selfadjointView<Eigen::Lower>().rankUpdate(G, 1 / static_cast<Scalar>(G.cols()));
  F.diagonal().array() += static_cast<Scalar>(damping);
  F.template triangularView<Eigen::StrictlyUpper>() = F.transpose();
  detail::require_finite("descent::estimate_fisher: the gradients are too large; the matrix", F);
  return F;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent

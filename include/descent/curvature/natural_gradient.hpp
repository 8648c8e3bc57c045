// SPDX-License-Identifier: MIT
//
// NaturalGradient: steepest descent among distributions, and an estimate of the Fisher matrix.
#pragma once

#include <stdexcept>

#include <Eigen/Core>

#include <descent/curvature/one_tensor.hpp>
#include <descent/curvature/positive_definite.hpp>
#include <descent/errors.hpp>
#include <descent/rule.hpp>
#include <descent/tensors.hpp>

namespace descent {
inline namespace DESCENT_FLAGS {

/// Natural gradient descent (Amari 1998, Natural Gradient Works Efficiently in Learning, theorem 1).
///
///     step = (1 / lambda) F^-1 g
///
/// where F = E[s s'] is the Fisher matrix of a model p(y | params), s is the gradient of -log p(y | params), and y is
/// drawn from the model. The step d minimizes -g'd + (lambda / 2) d'Fd: lambda is the price of the divergence between
/// the distributions before and after, about d'Fd / 2, so that, to first order, the step does not depend on how they
/// are parametrized. For the gradient of a mean over samples, F is the matrix of one sample; for the gradient of a sum,
/// it is the sum of theirs.
///
/// If p is an exponential family in its natural parameters, as in logistic regression, F is the Hessian of -log p, and
/// lambda = 1 gives Newton's step.
///
/// State: none.
template <class Scalar = double>
struct NaturalGradient {
  double lambda = 1;  ///< finite and > 0; 1 / lambda is the learning rate

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

// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include <descent/matrix_step.hpp>
#include <descent/rule.hpp>
#include <descent/rules/adamw.hpp>
#include <descent/rules/momentum.hpp>

namespace descent {

/// By what Muon multiplies the orthogonalized matrix.
enum class MuonScale { original, match_rms_adamw, spectral_unclamped, none };

consteval std::array<std::string_view, 4> enumerator_names(MuonScale) {
  return {"original", "match_rms_adamw", "spectral_unclamped", "none"};
}

/// How epsilon keeps Muon from dividing by 0.
enum class MuonEpsilon { added, least };

consteval std::array<std::string_view, 2> enumerator_names(MuonEpsilon) { return {"added", "least"}; }

namespace rules {

/// Muon for matrices, AdamW for all else (Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks).
///
/// A tensor with more than one row and more than one column moves along its momentum with all singular values made
/// about equal, by a polynomial (a Newton-Schulz iteration) that is applied ns_steps times:
///
///     m <- momentum m + rest g,  rest = 1 - momentum for `averaged`, 1 for `accumulated`
///     u  = momentum m + rest g if nesterov, else m
///     X  = u / (|u|_F + epsilon) for `added`, u / max(|u|_F, epsilon) for `least`
///     A  = X X^T,  B = ns_b A + ns_c A^2,  X <- ns_a X + B X,  repeated
///     x <- x - learning_rate weight_decay x
///     x <- x - learning_rate scale X
///     original:            scale = sqrt(max(1, rows / cols))
///     match_rms_adamw:     scale = rms sqrt(max(rows, cols))  (Liu et al. 2025, arXiv:2502.16982)
///     spectral_unclamped:  scale = sqrt(rows / cols)          (Bernstein 2025, Deriving Muon)
///     none:                scale = 1
///
/// If u has more rows than columns, X is its transpose, which changes only the cost: n m^2 + m^3 + n m^2 products for
/// m <= n rows and columns, each time. After five times with the defaults, a singular value that was above 1/600 of
/// |u|_F is in [0.68, 1.21], and in [0.68, 1.14] if it was above 1/50. The forms of momentum differ only by what
/// epsilon does, and once momentum changes during a run. bias_correction divides in u: g by 1 - momentum^t and m
/// by 1 - momentum^(t+1), or without nesterov m by 1 - momentum^t.
///
/// The defaults are those of the reference implementation (github.com/KellerJordan/Muon), which computes X in bfloat16,
/// as PyTorch does; here everything is computed in the scalar of the parameters. How others differ:
///   - PyTorch: `least`, learning_rate 0.001, weight_decay 0.1; AdamW is another optimizer.
///   - Keras: `accumulated`, match_rms_adamw, learning_rate 0.001, weight_decay 0.004; Adam's epsilon in the hat.
///   - optax: bias_correction, epsilon 1e-8, AdamW's decays 0.9 and 0.999. Its matrices are the transposes of ours, so
///     its scale is sqrt(max(1, cols / rows)).
/// Embeddings and last layers are matrices, too, but better left to AdamW: in another optimizer.
///
/// State: "first_moment" (m) and "second_moment", one scalar per parameter each, starting at 0, as in AdamW. The second
/// stays 0 for matrices. X, A and B take up to four scalars per parameter of the largest matrix besides.
struct Muon {
  double learning_rate = 0.02;                    ///< eta of matrices, finite and >= 0
  double momentum = 0.95;                         ///< mu, in [0, 1)
  bool nesterov = true;                           ///< mix m with the gradient
  MomentumForm form = MomentumForm::averaged;     ///< averaged or accumulated
  bool bias_correction = false;                   ///< optax's
  double epsilon = 1e-7;                          ///< finite and > 0
  MuonEpsilon epsilon_form = MuonEpsilon::added;  ///< added or least
  int ns_steps = 5;                               ///< repetitions, >= 0
  double ns_a = 3.4445;                           ///< coefficients of the polynomial, finite
  double ns_b = -4.7750;
  double ns_c = 2.0315;
  MuonScale scale = MuonScale::original;  ///< original, match_rms_adamw, spectral_unclamped or none
  double rms = 0.2;                       ///< of match_rms_adamw, finite and >= 0
  double weight_decay = 0;                ///< lambda of matrices, finite and >= 0
  double adamw_learning_rate = 3e-4;      ///< AdamW's hyperparameters, for all other tensors
  double adamw_beta1 = 0.9;
  double adamw_beta2 = 0.95;
  double adamw_epsilon = 1e-10;
  double adamw_weight_decay = 0;
  double adamw_epsilon_root = 0;
  EpsilonPlacement adamw_epsilon_placement = EpsilonPlacement::outside;

  static constexpr std::string_view name = "descent::Muon";
  static constexpr auto state_names = AdamW::state_names;
  static constexpr auto state_powers = AdamW::state_powers;
  template <class Scalar>
  using WholeStep = detail::MatrixStep<Muon, Scalar>;
  static constexpr auto hyperparameters(const auto& list) {
    return list(
        Hyperparameter{"learning_rate", &Muon::learning_rate, nonnegative},
        Hyperparameter{"momentum", &Muon::momentum, below_one}, Hyperparameter{"nesterov", &Muon::nesterov},
        Hyperparameter{"form", &Muon::form, one_of<MomentumForm::accumulated, MomentumForm::averaged>},
        Hyperparameter{"bias_correction", &Muon::bias_correction}, Hyperparameter{"epsilon", &Muon::epsilon, positive},
        Hyperparameter{"epsilon_form", &Muon::epsilon_form}, Hyperparameter{"ns_steps", &Muon::ns_steps, nonnegative},
        Hyperparameter{"ns_a", &Muon::ns_a, any_finite}, Hyperparameter{"ns_b", &Muon::ns_b, any_finite},
        Hyperparameter{"ns_c", &Muon::ns_c, any_finite}, Hyperparameter{"scale", &Muon::scale},
        Hyperparameter{"rms", &Muon::rms, nonnegative},
        Hyperparameter{"weight_decay", &Muon::weight_decay, nonnegative},
        Hyperparameter{"adamw_learning_rate", &Muon::adamw_learning_rate, nonnegative},
        Hyperparameter{"adamw_beta1", &Muon::adamw_beta1, below_one},
        Hyperparameter{"adamw_beta2", &Muon::adamw_beta2, below_one},
        Hyperparameter{"adamw_epsilon", &Muon::adamw_epsilon, positive},
        Hyperparameter{"adamw_weight_decay", &Muon::adamw_weight_decay, nonnegative},
        Hyperparameter{"adamw_epsilon_root", &Muon::adamw_epsilon_root, nonnegative},
        Hyperparameter{"adamw_epsilon_placement", &Muon::adamw_epsilon_placement});
  }

  void validate(const auto& expect) const {
    expect(!bias_correction || form == MomentumForm::averaged, "bias_correction must be false unless form is averaged");
  }

  /// AdamW's, and momentum^t.
  auto running_factors(const auto& list) const { return list(adamw_beta1, adamw_beta2, momentum); }

  /// For what is no matrix.
  auto kernel(const auto& step) const {
    const AdamW adamw{adamw_learning_rate,    adamw_beta1,        adamw_beta2,
                      adamw_epsilon,          adamw_weight_decay, adamw_epsilon_root,
                      adamw_epsilon_placement};
    return adamw.kernel(step);
  }

  void step_whole(auto& matrix) const {
    const auto step = matrix.step();
    matrix.pass(momentum_kernel(step));
    matrix.scale(1 / divisor_of(matrix));
    for (int i = 0; i < ns_steps; ++i) matrix.iterate(step.real(ns_a), step.real(ns_b), step.real(ns_c));
    matrix.move([rate = step.real(learning_rate * scale_of(matrix))](const auto&, const auto& X)
                    __attribute__((always_inline)) { return rate * X; });
  }

 private:
  /// Sets m and u, and returns the weight decay.
  auto momentum_kernel(const auto& step) const {
    const double rest = form == MomentumForm::averaged ? 1 - momentum : 1, power = step.products[2];
    const double correction = bias_correction ? 1 - power : 1;
    const double next = bias_correction ? 1 - descent::kernel::rounded_product(power, momentum) : 1;
    return [mu = step.real(momentum), rest = step.real(rest),
            of_m = step.finite(nesterov ? momentum / next : 1 / correction),
            of_g = step.finite(nesterov ? rest / correction : 0), shrinkage = step.real(learning_rate * weight_decay)](
               const auto& x, const auto& g, auto& m, auto& u) __attribute__((always_inline)) {
      m = mu * m + rest * g;
      u = of_m * m + of_g * g;
      return shrinkage * x;
    };
  }

  auto divisor_of(const auto& matrix) const {
    const auto norm = matrix.norm();
    return epsilon_form == MuonEpsilon::added ? norm + epsilon : (std::max)(norm, decltype(norm + epsilon){epsilon});
  }

  double scale_of(const auto& matrix) const {
    using descent::kernel::rounded_product, descent::kernel::square_root;
    const double rows = matrix.rows(), cols = matrix.cols();
    switch (scale) {
      case MuonScale::original:
        return square_root((std::max)(1.0, rows / cols));
      case MuonScale::match_rms_adamw:
        return rounded_product(rms, square_root((std::max)(rows, cols)));
      case MuonScale::spectral_unclamped:
        return square_root(rows / cols);
      case MuonScale::none:
        break;
    }
    return 1;
  }
};

}  // namespace rules

}  // namespace descent

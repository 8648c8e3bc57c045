// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include <descent/factored_step.hpp>
#include <descent/kernel/scalar_math.hpp>
#include <descent/rule.hpp>

namespace descent {

/// How epsilon1 keeps Adafactor from dividing by 0.
enum class AdafactorEpsilon { added, least };

consteval std::array<std::string_view, 2> enumerator_names(AdafactorEpsilon) { return {"added", "least"}; }

namespace rules {

/// Adafactor: RMSProp that keeps, for a matrix, only the means of its rows and columns (Shazeer & Stern 2018,
/// Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235, Algorithms 4 and 5).
///
///     beta2(t) = 1 - t^-decay_rate
///     v <- beta2(t) v + (1 - beta2(t)) (g^2 + epsilon1),   v_hat = v
///     u  = g / sqrt(v_hat)
///     x <- x - alpha u / max(1, rms(u) / clip_threshold) - learning_rate weight_decay x
///     alpha = rho max(epsilon2, rms(x)) if scale_parameter, else rho
///     rho   = min(learning_rate, 1 / sqrt(t)) if relative_step, else learning_rate
///
/// For a tensor with more than one row and more than one column, only the means of v over each row and over each column
/// are kept, v_row and v_col, and v_hat[i, j] = v_row[i] v_col[j] / mean(v_row). rms is the root of the mean square of
/// the tensor's elements. With the epsilon_form `least`, nothing is added to g^2, but mean(v_row) is at least epsilon1
/// and v_hat at least epsilon1^2; an epsilon1 of 0 is then the machine epsilon of the scalar.
///
/// The defaults are the paper's, and transformers'. How others differ:
///   - PyTorch: `least` with an epsilon1 of 0 (its eps None).
///   - Keras: learning_rate 0.001. It also keeps an array as large as the parameters, which it does not need.
///   - optax: a learning rate of the user's without relative_step; it factors only matrices with at least
///     min_dim_size_to_factor = 128 rows and columns, and its weight decay is not multiplied by the rate.
/// None of them keeps a first moment by default, and here it is missing.
///
/// State: "second_moment": for a matrix v_row and then v_col, rows + columns scalars; otherwise v, one scalar per
/// parameter. It starts at 0. A step takes up to four scalars per parameter of the largest tensor besides.
struct Adafactor {
  double learning_rate = 0.01;  ///< rho, or its upper bound with relative_step; finite and >= 0
  double decay_rate = 0.8;      ///< finite and > 0
  double epsilon1 = 1e-30;      ///< finite and >= 0, but not 0 for `added`
  double epsilon2 = 1e-3;       ///< the least rms of the parameters for scale_parameter, finite and >= 0
  double clip_threshold = 1;    ///< d, > 0; infinity for no clipping
  bool scale_parameter = true;  ///< steps in proportion to the parameters
  bool relative_step = true;    ///< a rate that falls with 1 / sqrt(t)
  double weight_decay = 0;      ///< lambda, finite and >= 0
  AdafactorEpsilon epsilon_form = AdafactorEpsilon::added;  ///< added or least

  static constexpr std::string_view name = "descent::Adafactor";
  static constexpr std::array<std::string_view, 1> state_names{"second_moment"};
  static constexpr std::array<int, 1> state_powers{2};
  template <class Scalar>
  using WholeStep = detail::FactoredStep<Adafactor, Scalar>;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Adafactor::learning_rate, nonnegative},
                Hyperparameter{"decay_rate", &Adafactor::decay_rate, positive},
                Hyperparameter{"epsilon1", &Adafactor::epsilon1, nonnegative},
                Hyperparameter{"epsilon2", &Adafactor::epsilon2, nonnegative},
                Hyperparameter{"clip_threshold", &Adafactor::clip_threshold, positive_or_infinite},
                Hyperparameter{"scale_parameter", &Adafactor::scale_parameter},
                Hyperparameter{"relative_step", &Adafactor::relative_step},
                Hyperparameter{"weight_decay", &Adafactor::weight_decay, nonnegative},
                Hyperparameter{"epsilon_form", &Adafactor::epsilon_form});
  }

  void validate(const auto& expect) const {
    expect(epsilon1 > 0 || epsilon_form == AdafactorEpsilon::least,
           "epsilon1 must be > 0 unless epsilon_form is least");
  }

  void step_whole(auto& tensor) const {
    using descent::kernel::rounded, descent::kernel::rounded_product;
    const auto step = tensor.step();
    const auto t = static_cast<double>(step.t);
    tensor.divide_by_root(second_moment(step));
    const auto [rms_x, rms_u] = tensor.root_mean_squares();
    const double rho = relative_step ? (std::min)(learning_rate, 1 / descent::kernel::square_root(t)) : learning_rate;
    const double alpha = scale_parameter ? rounded_product(rho, (std::max)(epsilon2, static_cast<double>(rms_x))) : rho;
    const double excess = (std::max)(1.0, rounded(static_cast<double>(rms_u) / clip_threshold));
    tensor.move([rate = step.finite(rounded(alpha / excess)),
                 shrinkage = step.real(rounded_product(learning_rate, weight_decay))](const auto& x, const auto& u)
                    __attribute__((always_inline)) { return rate * u + shrinkage * x; });
  }

 private:
  auto second_moment(const auto& step) const {
    using Scalar = decltype(step.real(0));
    const double rest = descent::kernel::pow(static_cast<double>(step.t), -decay_rate);
    const bool is_added = epsilon_form == AdafactorEpsilon::added;
    const auto machine_epsilon = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    const double epsilon = epsilon1 > 0 ? epsilon1 : machine_epsilon;
    return detail::SecondMoment<Scalar>{
        {step.real(1 - rest), step.real(rest)},
        step.real(is_added ? step.normal(epsilon) : 0),
        step.real(step.normal(is_added ? 0 : epsilon)),
        step.real(step.normal(is_added ? 0 : descent::kernel::rounded_product(epsilon, epsilon)))};
  }
};

}  // namespace rules

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// The links of a chain (chain.hpp) that stand before the rule and change the gradient g.
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/transforms/link.hpp>

namespace descent::transforms {

using namespace interval;

/// g <- factor g, for instance to undo a loss scale, or to average over the micro-batches of a sum.
struct GradientScale {
  double factor = 1;  ///< finite

  static constexpr std::string_view name = "descent::GradientScale";
  static constexpr auto place = Place::gradient;
  static constexpr bool rescales_gradient = true, keeps_nonfinite = true;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"factor", &GradientScale::factor, any_finite});
  }

  auto kernel(const auto& step) const {
    return [factor = step.real(factor)](const auto&, const auto& g)
               __attribute__((always_inline)) { return factor * g; };
  }
};

/// Moves each element of g into [-limit, limit]; NaN stays. (PyTorch: clip_grad_value_; Keras: clipvalue; optax: clip)
struct ClipValue {
  double limit = 1;  ///< > 0; infinity turns it off

  static constexpr std::string_view name = "descent::ClipValue";
  static constexpr auto place = Place::gradient;
  static constexpr bool rescales_gradient = true;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"limit", &ClipValue::limit, positive_or_infinite});
  }

  auto kernel(const auto& step) const {
    return [limit = step.real(limit)](const auto&, const auto& g)
               __attribute__((always_inline)) { return clamp(g, -limit, limit); };
  }
};

/// Shortens g to max_norm if its Euclidean norm |g|, over all tensors that are not frozen, is larger.
///
///     g <- (max_norm / |g|) g  if |g| > max_norm
///
/// The norm is that of the gradient as it arrives at this link. (optax: clip_by_global_norm; Keras: global_clipnorm.
/// PyTorch's clip_grad_norm_ divides by |g| + 1e-6.) If |g| is NaN, g stays.
struct ClipNorm {
  double max_norm = 1;  ///< > 0; infinity turns it off

  static constexpr std::string_view name = "descent::ClipNorm";
  static constexpr auto place = Place::gradient;
  static constexpr auto norm_of = NormOf::all_tensors;
  static constexpr bool rescales_gradient = true, keeps_nonfinite = true;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"max_norm", &ClipNorm::max_norm, positive_or_infinite});
  }

  auto kernel(const auto& step) const { return clipping_kernel(step, max_norm); }

  static auto clipping_kernel(const auto& step, double max_norm) {
    return [factor = step.real(step.norm > max_norm ? max_norm / step.norm : 1)](const auto&, const auto& g)
               __attribute__((always_inline)) { return factor * g; };
  }
};

/// ClipNorm for each tensor by itself, with the norm of its own gradient. (Keras: clipnorm; optax: per-leaf
/// clip_by_block_norm)
struct ClipTensorNorm {
  double max_norm = 1;  ///< > 0; infinity turns it off

  static constexpr std::string_view name = "descent::ClipTensorNorm";
  static constexpr auto place = Place::gradient;
  static constexpr auto norm_of = NormOf::each_tensor;
  static constexpr bool rescales_gradient = true, keeps_nonfinite = true;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"max_norm", &ClipTensorNorm::max_norm, positive_or_infinite});
  }

  auto kernel(const auto& step) const { return ClipNorm::clipping_kernel(step, max_norm); }
};

/// g <- g + weight_decay x, the gradient of the penalty weight_decay |x|^2 / 2.
///
/// This is PyTorch's `weight_decay` in all optimizers except AdamW. A rule that scales its gradient scales the decay
/// with it; WeightDecay does not. With Nesterov, the gradient is the one at the parameters.
struct L2Penalty {
  double weight_decay = 0;  ///< lambda, finite and >= 0

  static constexpr std::string_view name = "descent::L2Penalty";
  static constexpr auto place = Place::gradient;
  static constexpr bool keeps_nonfinite = true;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"weight_decay", &L2Penalty::weight_decay, nonnegative});
  }

  auto kernel(const auto& step) const {
    return [lambda = step.real(weight_decay)](const auto& x, const auto& g)
               __attribute__((always_inline)) { return g + lambda * x; };
  }
};

/// g <- g + weight_decay sign(x), a subgradient of the penalty weight_decay |x|_1, with sign(0) = 0. It makes
/// parameters small but rarely 0, as SoftThreshold does.
struct L1Penalty {
  double weight_decay = 0;  ///< lambda, finite and >= 0

  static constexpr std::string_view name = "descent::L1Penalty";
  static constexpr auto place = Place::gradient;
  static constexpr bool keeps_nonfinite = true;
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"weight_decay", &L1Penalty::weight_decay, nonnegative});
  }

  auto kernel(const auto& step) const {
    using Scalar = decltype(step.real(0));
    return [lambda = step.real(weight_decay)](const auto& x, const auto& g) __attribute__((always_inline)) {
      return g + select(x > Scalar(0), lambda, select(x < Scalar(0), -lambda, Scalar(0)));
    };
  }
};

}  // namespace descent::transforms

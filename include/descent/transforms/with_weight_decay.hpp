// SPDX-License-Identifier: MIT
//
// Weight decay before a rule, in the same pass over memory:
//
//     using descent::rules::WithWeightDecay;
//     descent::Optimizer optimizer(WithWeightDecay{descent::rules::Adam{.learning_rate = 0.01}, 1e-4});
//     optimizer.learning_rate *= 0.5;   // it has the members of Adam and its own
//     optimizer.weight_decay = 0;
#pragma once

#include <concepts>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/transforms/extended_rule.hpp>

namespace descent {

namespace detail {
inline constexpr std::string_view with_weight_decay = " with weight decay";
}

/// A rule that weight decay can wrap: it has no member `weight_decay`, which would be hidden.
template <class R>
concept TakesWeightDecay = Rule<R> && !requires { &R::weight_decay; };

namespace rules {

/// Weight decay before a rule, as the gradient of an L2 penalty, weight_decay |x|^2 / 2.
///
///     step = R's step for the gradient g + weight_decay x
///
/// This is PyTorch's `weight_decay` in all optimizers except AdamW. A rule that scales its gradient scales the decay
/// with it. The decoupled decay of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) and of Keras, which shrinks x
/// itself, is a different method. With Nesterov, the gradient is the one at the parameters.
///
/// State: the state of R.
template <TakesWeightDecay R>
struct WithWeightDecay : R {
  double weight_decay = 0;  ///< lambda, finite and >= 0

  static constexpr std::string_view name = detail::extended_name<R, detail::with_weight_decay>;
  static constexpr auto hyperparameters(const auto& list) {
    return R::hyperparameters([&](const auto&... its) {
      return list(its..., Hyperparameter{"weight_decay", &WithWeightDecay::weight_decay, nonnegative});
    });
  }
  void validate(const auto& expect) const {
    detail::validate_itself(static_cast<const R&>(*this), expect);
    if constexpr (requires {
                    { this->gradient_at } -> std::convertible_to<GradientAt>;
                  })
      expect(this->gradient_at == GradientAt::parameters, "gradient_at must be parameters with weight decay");
  }

  auto kernel(const auto& step) const {
    return detail::map_kernel(R::kernel(step), [lambda = step.real(weight_decay)](const auto& inner) {
      return [=](const auto& x, const auto& g, auto&... state)
                 __attribute__((always_inline)) { return inner(x, g + lambda * x, state...); };
    });
  }
};

template <class R>
WithWeightDecay(R, double) -> WithWeightDecay<R>;

}  // namespace rules

}  // namespace descent

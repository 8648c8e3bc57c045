// SPDX-License-Identifier: MIT
//
// Rules around a rule, in its one pass over memory: weight decay before it, momentum after it.
//
//     using descent::rules::WithWeightDecay;
//     descent::Optimizer optimizer(WithWeightDecay{descent::rules::Adam{.learning_rate = 0.01}, 1e-4});
//     optimizer.learning_rate *= 0.5;   // its members are those of Adam and its own
//     optimizer.weight_decay = 0;
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>

#include <descent/concepts.hpp>
#include <descent/hyperparameter.hpp>
#include <descent/momentum.hpp>
#include <descent/nesterov.hpp>
#include <descent/optimizer.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

template <class R, class Scalar, class... Products>
concept GivesKernel = requires(const R& rule, std::int64_t t, const Products&... products) {
  rule.template kernel<Scalar>(t, products...);
};

/// f(kernel), for a rule's kernel; for a choice of kernels, the choice of what f makes of each.
template <class Kernel, class F>
auto map_kernel(const Kernel& kernel, const F& f) {
  return f(kernel);
}
template <class... Kernels, class F>
auto map_kernel(const std::variant<Kernels...>& choice, const F& f) {
  using Mapped = std::variant<std::invoke_result_t<const F&, const Kernels&>...>;
  return std::visit([&](const auto& kernel) { return Mapped(f(kernel)); }, choice);
}

template <class R>
constexpr bool names_state(std::string_view name) {
  return std::apply([&](auto... its) { return ((its == name) || ...); }, R::state_names);
}

/// `first`, then `rest`.
template <class T, std::size_t N>
constexpr std::array<T, N + 1> prepended(T first, const std::array<T, N>& rest) {
  return std::apply([&](auto... its) { return std::array<T, N + 1>{first, its...}; }, rest);
}

/// Those of R; where it has none, 0, which is neither of the two.
template <class R>
constexpr std::array<int, R::state_names.size()> state_powers_of() {
  if constexpr (HasStatePowers<R>)
    return R::state_powers;
  else
    return {};
}

/// The name of a rule around R: that of R and more. It is none where R lists no hyperparameters, so that such
/// a rule cannot be saved either.
inline constexpr std::string_view with_weight_decay = " with weight decay";
inline constexpr std::string_view with_momentum = " with momentum";

template <class R, const std::string_view& suffix>
inline constexpr auto extended_name_text = [] {
  std::array<char, R::name.size() + suffix.size()> text{};
  char* to = text.data();
  for (const char c : R::name) *to++ = c;
  for (const char c : suffix) *to++ = c;
  return text;
}();
template <class R, const std::string_view& suffix>
constexpr auto extended_name() {
  if constexpr (ListsHyperparameters<R>)
    return std::string_view(extended_name_text<R, suffix>.data(), extended_name_text<R, suffix>.size());
  else
    return std::false_type();
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// A rule that weight decay can be put around: without a member `weight_decay`, which would be hidden.
template <class R>
concept TakesWeightDecay = Rule<R> && !requires {
  &R::weight_decay;
};

/// A rule that has what WithMomentum would put beside it or hide.
template <class R>
concept HasMomentum = detail::names_state<R>("velocity") || requires {
  &R::momentum;
} || requires {
  &R::form;
};

/// A rule that momentum can be put around: with a `learning_rate`, without a look-ahead, and without the
/// state "velocity" or the members `momentum` and `form`.
template <class R>
concept TakesMomentum = Rule<R> && !LooksAhead<R> && !HasMomentum<R> && requires(R & rule) {
  rule.learning_rate = 1.0;
};

namespace rules {

/// Weight decay before a rule, as the gradient of an L2 penalty, weight_decay |x|^2 / 2.
///
///     step = that of R for the gradient g + weight_decay x
///
/// It is PyTorch's `weight_decay` of all optimizers but AdamW. A rule that scales its gradient scales
/// the decay with it; the decoupled decay of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) and of
/// Keras, which shrinks x itself, is another method. With Nesterov, the gradient is that at the
/// parameters.
///
/// State: that of R.
template <TakesWeightDecay R>
struct WithWeightDecay : R {
  double weight_decay = 0;  ///< lambda, finite and >= 0

  static constexpr auto name = detail::extended_name<R, detail::with_weight_decay>();
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) requires ListsHyperparameters<R> {
    return R::hyperparameters([&](const auto&... its) {
      return use(its..., Hyperparameter{"weight_decay", &WithWeightDecay::weight_decay});
    });
  }

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    detail::validate<Scalar>(static_cast<const R&>(*this));
    require_in_range<Scalar>("descent::WithWeightDecay", "weight_decay", weight_decay, interval::nonnegative);
    if constexpr (requires {
                    { this->gradient_at } -> std::convertible_to<GradientAt>;
                  })
      require_choice(this->gradient_at == GradientAt::parameters, "descent::WithWeightDecay",
                     "gradient_at must be parameters");
  }

  template <class Scalar, class Inner>
  struct DESCENT_TAGGED Kernel {
    Inner inner;
    Scalar weight_decay;

    template <class Pack, class... State>
    [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, State&... state) const {
      return inner(x, g + weight_decay * x, state...);
    }
  };

  /// With R's running products, where it has some.
  template <class Scalar, class... Products>
  requires detail::GivesKernel<R, Scalar, Products...> DESCENT_TAGGED auto kernel(std::int64_t t,
                                                                                  const Products&... products) const {
    const auto lambda = static_cast<Scalar>(weight_decay);
    return detail::map_kernel(R::template kernel<Scalar>(t, products...), [&]<class Inner>(const Inner& inner) {
      return Kernel<Scalar, Inner>{inner, lambda};
    });
  }
};

template <class R>
WithWeightDecay(R, double) -> WithWeightDecay<R>;

/// Momentum after a rule, over its steps u.
///
///     velocity:     v <- momentum v + u,   step = v
///     accumulated:  v <- momentum v + u,   step = learning_rate v,   with u taken at the learning rate 1
///
/// The forms differ once the learning rate changes during a run. The momentum of RMSProp, centered or
/// not, is `velocity` in Keras and optax, and `accumulated` in PyTorch.
///
/// State: "velocity", one scalar per parameter, from 0; then that of R.
template <TakesMomentum R>
struct WithMomentum : R {
  double momentum = 0.9;                       ///< mu, in [0, 1]
  MomentumForm form = MomentumForm::velocity;  ///< velocity or accumulated

  static constexpr auto name = detail::extended_name<R, detail::with_momentum>();
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) requires ListsHyperparameters<R> {
    return R::hyperparameters([&](const auto&... its) {
      return use(its..., Hyperparameter{"momentum", &WithMomentum::momentum},
                 Hyperparameter{"form", &WithMomentum::form});
    });
  }
  static constexpr auto state_names = detail::prepended<std::string_view>("velocity", R::state_names);
  static constexpr auto state_powers = detail::prepended<int>(1, detail::state_powers_of<R>());

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    detail::validate<Scalar>(static_cast<const R&>(*this));
    require_in_range<Scalar>("descent::WithMomentum", "momentum", momentum, interval::unit_interval);
    require_choice(form == MomentumForm::velocity || form == MomentumForm::accumulated, "descent::WithMomentum",
                   "form must be velocity or accumulated");
  }

  DESCENT_TAGGED auto initial_state() const requires HasInitialState<R> {
    return detail::prepended<double>(0, R::initial_state());
  }

  template <class Scalar, class Inner>
  struct DESCENT_TAGGED Kernel {
    Inner inner;
    Scalar momentum, step_factor;

    template <class Pack, class... State>
    [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, Pack& v, State&... state) const {
      v = momentum * v + inner(x, g, state...);
      return step_factor * v;
    }
  };

  /// With R's running products, where it has some.
  template <class Scalar, class... Products>
  requires detail::GivesKernel<R, Scalar, Products...> DESCENT_TAGGED auto kernel(std::int64_t t,
                                                                                  const Products&... products) const {
    const bool accumulated = form == MomentumForm::accumulated;
    R rule = *this;
    if (accumulated) rule.learning_rate = 1;
    const auto mu = static_cast<Scalar>(momentum);
    const auto step_factor = static_cast<Scalar>(accumulated ? this->learning_rate : 1);
    return detail::map_kernel(rule.template kernel<Scalar>(t, products...), [&]<class Inner>(const Inner& inner) {
      return Kernel<Scalar, Inner>{inner, mu, step_factor};
    });
  }
};

template <class R>
WithMomentum(R, double) -> WithMomentum<R>;
template <class R>
WithMomentum(R, double, MomentumForm) -> WithMomentum<R>;

}  // namespace rules

}  // namespace descent

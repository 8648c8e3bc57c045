// SPDX-License-Identifier: MIT
//
// Chain: links before and after a rule become one rule, whose step is one pass over memory.
//
//     using namespace descent;
//     auto optimizer = make_optimizer<float>(Chain{
//         transforms::ClipNorm{1.0},                                               // on the gradient
//         rules::Adam{.learning_rate = 3e-4},                                      // exactly one rule
//         transforms::WeightDecay{.weight_decay = 0.1, .matrices_only = true},     // on its step
//         transforms::Average{0.999}});                                            // on the new parameters
//     optimizer.learning_rate = 1e-4;                                              // members of all links
//     optimizer.link<transforms::WeightDecay>().weight_decay = 0.05;
//
// A kernel of a chain calls those of its links one after the other. A link that needs a norm costs one more pass, which
// only reads: the kernel of that pass calls those of the links before it (kernel/norm.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <descent/rule.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/transforms/link.hpp>

namespace descent {

template <class... Links>
struct Chain;

namespace detail {
inline namespace DESCENT_FLAGS {

template <class L>
concept HasPlace = std::same_as<std::remove_cvref_t<decltype(L::place)>, Place>;

template <class L>
concept HasNorm = std::same_as<std::remove_cvref_t<decltype(L::norm_of)>, NormOf>;

/// Norms over all tensors are those of gradients, and the new parameters have none.
template <class L>
concept HasAllowedNormIfAny =
    !HasNorm<L> || L::place == Place::gradient || (L::place == Place::step && L::norm_of == NormOf::each_tensor);

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// A link of a chain other than its rule: an aggregate with `place`, and the members of a rule. Its kernel is called as
/// `k(x, value, state...)` on packs and returns what the value becomes: the gradient, the step or the new parameters.
template <class L>
concept Link = detail::HasPlace<L> && std::is_aggregate_v<L> && std::copyable<L> && NamesItsState<L> &&
               ListsHyperparameters<L> && ValidateIfAny<L> && RunningFactorsIfAny<L> && InitialStateIfAny<L> &&
               StatePowersIfAny<L> && detail::HasAllowedNormIfAny<L> && !HasRunningNumbers<L> &&
               requires(const L& link, const LinkStep<double, detail::count_running_factors<L>()>& step) {
                 requires detail::is_step_kernel<decltype(link.kernel(step)), L::state_names.size()>;
               };

namespace detail {
inline namespace DESCENT_FLAGS {

// ---- What a chain must be ------------------------------------------------------------------------

template <class L, bool is_one>
struct IsALinkOrARule {
  static_assert(is_one, "descent: each part of a Chain is a Rule or a Link; see these concepts");
  static_assert(!IsChain<L>, "descent: a Chain does not contain another; list the links of both in one");
  static_assert(!StepsWhole<L>, "descent: a rule that steps tensors as a whole stands in no Chain");
};

/// Whether a part satisfies its concept. That takes long to compile, so a chain asks when it makes its first kernel.
template <class L>
inline constexpr bool is_link_or_rule = Link<L> || (!HasPlace<L> && Rule<L>);

template <class L>
struct BelongsBeforeTheRule {
  static constexpr bool fails() {
    static_assert(sizeof(L) == 0, "descent: in a Chain, a link that acts on the gradient belongs before the rule");
    return false;
  }
};
template <class L>
struct BelongsBetweenTheRuleAndLinksOfTheParameters {
  static constexpr bool fails() {
    static_assert(sizeof(L) == 0,
                  "descent: in a Chain, a link that acts on the step belongs after the rule, and before the links that "
                  "act on the parameters");
    return false;
  }
};
template <class L>
struct BelongsAfterTheRule {
  static constexpr bool fails() {
    static_assert(sizeof(L) == 0, "descent: in a Chain, a link that acts on the parameters belongs after the rule");
    return false;
  }
};

/// The order of the places, the rule's included.
enum class Order { gradient, rule, step, parameters };

template <class L>
constexpr Order order_of() {
  if constexpr (!HasPlace<L>)
    return Order::rule;
  else
    return L::place == Place::gradient ? Order::gradient : L::place == Place::step ? Order::step : Order::parameters;
}

/// Checks that the first link may stand before the second. If it may not, the error names the one that is not the rule.
template <class First, class Second>
constexpr bool require_order() {
  if constexpr (order_of<First>() > order_of<Second>()) {
    using Misplaced = std::conditional_t<order_of<Second>() == Order::rule, First, Second>;
    if constexpr (order_of<Misplaced>() == Order::gradient)
      return BelongsBeforeTheRule<Misplaced>::fails();
    else if constexpr (order_of<Misplaced>() == Order::step)
      return BelongsBetweenTheRuleAndLinksOfTheParameters<Misplaced>::fails();
    else
      return BelongsAfterTheRule<Misplaced>::fails();
  }
  return true;
}

/// All arrays, one after the other.
template <class T, std::size_t... n>
[[gnu::always_inline]] constexpr std::array<T, (0 + ... + n)> joined(const std::array<T, n>&... parts) {
  std::array<T, (0 + ... + n)> all{};
  [[maybe_unused]] std::size_t end = 0;
  [[maybe_unused]] const auto append = [&](const T* part, std::size_t count) __attribute__((always_inline)) {
    for (std::size_t i = 0; i < count; ++i) all[end++] = part[i];
  };
  (append(parts.data(), n), ...);
  return all;
}

/// The state_powers of a rule; if it has none, 0, which is no power.
template <class R>
constexpr std::array<int, R::state_names.size()> state_powers_of() {
  if constexpr (HasStatePowers<R>)
    return R::state_powers;
  else
    return {};
}

template <class L>
constexpr bool has_norm_of_all_tensors() {
  if constexpr (HasNorm<L>) return L::norm_of == NormOf::all_tensors;
  return false;
}

template <class L>
constexpr bool keeps_nonfinite() {
  return requires { requires L::keeps_nonfinite; };
}
template <class L>
constexpr bool rescales_gradient() {
  return requires { requires L::rescales_gradient; };
}

/// What can be said of a chain at compile time.
template <class... Links>
struct ChainOf {
  static constexpr std::size_t count = sizeof...(Links);
  static constexpr std::array<Order, count> orders{order_of<Links>()...};
  static constexpr std::array<std::size_t, count> state_counts{Links::state_names.size()...};
  static constexpr std::array<std::size_t, count> factor_counts{count_running_factors<Links>()...};

  template <std::size_t at>
  using Nth = std::tuple_element_t<at, std::tuple<Links...>>;

  static constexpr std::size_t count_of(Order order) {
    std::size_t found = 0;
    for (const Order each : orders) found += each == order ? 1 : 0;
    return found;
  }
  static constexpr std::size_t rule = count_of(Order::gradient);  ///< the place of the rule
  using Rule = Nth<rule>;
  static constexpr std::size_t parameters = count - count_of(Order::parameters);  ///< the first link of them

  /// The sum of the counts of the links before one.
  static constexpr std::size_t sum_before(const std::array<std::size_t, count>& counts, std::size_t link) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < link; ++i) sum += counts[i];
    return sum;
  }

  template <std::size_t... at>
  static constexpr bool require_orders(std::index_sequence<at...>) {
    return (require_order<Nth<at>, Nth<at + 1>>() && ...);
  }

  /// For each link, how many numbers of Step::norms it has: of a step, also that of the parameters.
  static constexpr std::array<std::size_t, count> norm_counts{(!HasNorm<Links>                    ? std::size_t{0}
                                                               : order_of<Links>() == Order::step ? std::size_t{2}
                                                                                                  : std::size_t{1})...};
  static constexpr std::size_t norm_link_count = (std::size_t{0} + ... + (HasNorm<Links> ? 1 : 0));
  static constexpr std::array<bool, count> of_all_tensors{has_norm_of_all_tensors<Links>()...};

  /// The links that have a norm, by their number in the chain.
  static constexpr auto with_norm = [] {
    std::array<std::size_t, norm_link_count> links{};
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i)
      if (norm_counts[i] > 0) links[found++] = i;
    return links;
  }();
  static constexpr auto norm_links = [] {
    std::array<NormLink, norm_link_count> links{};
    for (std::size_t i = 0; i < norm_link_count; ++i) {
      const std::size_t at = with_norm[i];
      links[i] = {of_all_tensors[at], sum_before(norm_counts, at), norm_counts[at], sum_before(state_counts, at) > 0};
    }
    return links;
  }();

  /// A norm over all tensors takes those of each tensor before it once more.
  static constexpr int passes = [] {
    int passes = 1, of_each = 0;
    for (const NormLink& link : norm_links) {
      passes += link.of_all_tensors ? 1 + of_each : 1;
      of_each += link.of_all_tensors ? 0 : 1;
    }
    return passes;
  }();

  /// Whether an infinity or a NaN in the gradient makes the first norm infinite or NaN, which is then over all tensors.
  static constexpr bool norm_shows_nonfinite = [] {
    constexpr std::array<bool, count> keeps{keeps_nonfinite<Links>()...};
    if (norm_link_count == 0 || !norm_links[0].of_all_tensors) return false;
    for (std::size_t i = 0; i < with_norm[0]; ++i)
      if (!keeps[i]) return false;
    return true;
  }();
};

constexpr bool all_differ(const auto& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (names[i] == names[j]) return false;
  return true;
}

// ---- Names ---------------------------------------------------------------------------------------

/// A text made at compile time.
template <std::size_t size>
struct StaticText {
  std::array<char, size> characters;

  constexpr operator std::string_view() const { return {characters.data(), size}; }  // NOLINT(*-explicit-*)
};

/// descent::Chain<descent::ClipNorm, descent::Adam>
template <class... Links>
inline constexpr auto chain_name_text = [] {
  constexpr std::string_view begin = "descent::Chain<", separator = ", ";
  StaticText<begin.size() + (0 + ... + (Links::name.size() + separator.size())) - separator.size() + 1> text{};
  char* to = text.characters.data();
  const auto append = [&](std::string_view part) {
    for (const char c : part) *to++ = c;
  };
  append(begin);
  bool first = true;
  ((append(first ? "" : separator), append(Links::name), first = false), ...);
  append(">");
  return text;
}();

/// A link's name without namespaces.
template <class L>
constexpr std::string_view short_name() {
  const std::size_t colon = L::name.rfind(':');
  return colon == std::string_view::npos ? L::name : L::name.substr(colon + 1);
}

/// The names of a link's hyperparameters.
struct ListNames {
  constexpr auto operator()(const auto&... its) const {
    return std::array<std::string_view, sizeof...(its)>{its.name...};
  }
};
template <class L>
inline constexpr auto hyperparameter_names = L::hyperparameters(ListNames{});

template <class L, std::size_t at>
inline constexpr auto qualified_name_text = [] {
  constexpr std::string_view owner = short_name<L>(), name = hyperparameter_names<L>[at];
  StaticText<owner.size() + 1 + name.size()> text{};
  char* to = text.characters.data();
  for (const char c : owner) *to++ = c;
  *to++ = '.';
  for (const char c : name) *to++ = c;
  return text;
}();

/// The hyperparameter as the chain lists it: with its name alone if no other link has one of that name, else as
/// "WeightDecay.weight_decay".
template <class L, std::size_t at, class... Links>
constexpr std::string_view name_in_chain() {
  constexpr std::string_view name = hyperparameter_names<L>[at];
  if constexpr ((0 + ... + std::ranges::count(hyperparameter_names<Links>, name)) > 1)
    return qualified_name_text<L, at>;
  else
    return name;
}

/// Calls `list` with those given and the hyperparameters of all links from `at` on, each with its name in the chain.
template <std::size_t at, class... Links, class... Given>
[[gnu::always_inline]] constexpr auto list_from(const auto& list, const Given&... given) {
  if constexpr (at == sizeof...(Links)) {
    return list(given...);
  } else {
    using L = typename ChainOf<Links...>::template Nth<at>;
    return L::hyperparameters([&](const auto&... its) __attribute__((always_inline)) {
      return [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
        return list_from<at + 1, Links...>(list, given...,
                                           Hyperparameter{name_in_chain<L, i, Links...>(), its.member, its.range}...);
      }(std::make_index_sequence<sizeof...(its)>());
    });
  }
}

// ---- Kernels -------------------------------------------------------------------------------------

template <std::size_t link, class Kernel>
struct LinkKernel {
  Kernel kernel;
};

/// The kernels of the first links of a chain, the rule's among them if they reach so far; that of the last link is the
/// first in memory. So the coefficients of a link that comes first do not share a store with the rule's rate, which
/// takes a root and a division to compute, and the first pack need not wait for it. (Not in a std::tuple: looking up
/// its constructors takes the compiler as long as all the rest.)
template <class Of, class Numbers, class... Kernels>
struct ChainKernel;
template <class Of, std::size_t... number, class... Kernels>
struct ChainKernel<Of, std::index_sequence<number...>, Kernels...> : LinkKernel<number, Kernels>... {
  static constexpr bool is_long = sizeof...(Kernels) > 1;  ///< see kernel/sweep.hpp

  /// What the links from `from` up to `to` make of a value.
  template <std::size_t from, std::size_t to, class Pack>
  [[gnu::always_inline]] Pack through(const Pack& x, const Pack& value, Pack* const* state) const {
    if constexpr (from == to)
      return copied(value);
    else if constexpr (from + 1 == to)
      return call<from>(*this, Slots<from>(), x, value, state);
    else
      return through<from + 1, to>(x, call<from>(*this, Slots<from>(), x, value, state), state);
  }

  template <class Pack, class... State>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, State&... state) const {
    Pack* const all[] = {&state..., nullptr};
    return through<0, (std::min)(Of::parameters, sizeof...(Kernels))>(x, g, all);
  }
  template <class Pack, class... State>
  requires(Of::parameters < sizeof...(Kernels))
  [[gnu::always_inline]] Pack after_step(const Pack& x, const Pack& moved, State&... state) const {
    Pack* const all[] = {&state..., nullptr};
    return through<Of::parameters, sizeof...(Kernels)>(x, moved, all);
  }

 private:
  template <std::size_t link>
  using Slots = std::make_index_sequence<Of::state_counts[link]>;

  template <std::size_t link, class Kernel, std::size_t... slot, class Pack>
  [[gnu::always_inline]] static Pack call(const LinkKernel<link, Kernel>& one, std::index_sequence<slot...>,
                                          const Pack& x, const Pack& value, [[maybe_unused]] Pack* const* state) {
    return one.kernel(x, value, *state[Of::sum_before(Of::state_counts, link) + slot]...);
  }
};

/// Returns what a link needs a norm of, as packs: of a step, first the parameters.
template <bool of_step, class Kernel>
struct NormKernel {
  Kernel kernel;

  template <class Pack, class... State>
  [[gnu::always_inline]] auto operator()(const Pack& x, const Pack& g, State&... state) const {
    if constexpr (of_step)
      return std::array<Pack, 2>{copied(x), kernel(x, g, state...)};
    else
      return std::array<Pack, 1>{kernel(x, g, state...)};
  }
};

/// f(kernel) for a rule's kernel; for a choice of kernels, the choice among what f makes of each.
template <class Kernel, class F>
auto map_kernel(const Kernel& kernel, const F& f) {
  return f(kernel);
}
template <class... Kernels, class F>
auto map_kernel(const std::variant<Kernels...>& choice, const F& f) {
  using Mapped = std::variant<std::invoke_result_t<const F&, const Kernels&>...>;
  return std::visit([&](const auto& kernel) { return Mapped(f(kernel)); }, choice);
}

/// Links see the parameters, not a point ahead of them.
template <class R>
void expect_gradient_at_parameters(const R& rule, const auto& expect) {
  if constexpr (requires {
                  { rule.gradient_at } -> std::convertible_to<GradientAt>;
                })
    expect(rule.gradient_at == GradientAt::parameters, "gradient_at must be parameters in a Chain");
}

template <class... Links>
const auto& rule_of(const Chain<Links...>& chain) {
  return static_cast<const typename ChainOf<Links...>::Rule&>(chain);
}

/// The step of a chain as one of its links sees it.
template <std::size_t at, class... Links, class ChainStep>
auto step_of_link(const Chain<Links...>& chain, const ChainStep& step) {
  using Of = ChainOf<Links...>;
  constexpr std::size_t factors = Of::factor_counts[at], first_factor = Of::sum_before(Of::factor_counts, at);
  constexpr std::size_t norms = Of::norm_counts[at], first_norm = Of::sum_before(Of::norm_counts, at);
  constexpr std::size_t number_count = at == Of::rule ? count_running_numbers<typename Of::Rule>() : 0;
  LinkStep<typename ChainStep::Scalar, factors, number_count> own{{step.t, {}, {}}, step.is_matrix, 1, 0, 0};
  if constexpr (factors > 0)
    for (std::size_t i = 0; i < factors; ++i) own.products[i] = step.products[first_factor + i];
  if constexpr (number_count > 0) own.numbers = step.numbers;
  if constexpr (norms > 0) own.norm = step.norms[first_norm + norms - 1];
  if constexpr (norms > 1) own.parameter_norm = step.norms[first_norm];
  if constexpr (at + 1 < Of::count) {  // the links behind it come first
    using Next = typename Of::template Nth<at + 1>;
    const auto next = step_of_link<at + 1>(chain, step);
    own.learning_rate = next.learning_rate;
    if constexpr (requires(const Next& link) { link.learning_rate_before(next); })
      own.learning_rate = static_cast<const Next&>(chain).learning_rate_before(next);
  } else if constexpr (requires { rule_of(chain).learning_rate; }) {
    own.learning_rate = rule_of(chain).learning_rate;
  }
  return own;
}

/// The kernel of a chain's rule, at the learning rate that the links behind it leave to it.
template <class... Links, class ChainStep>
auto kernel_of_rule(const Chain<Links...>& chain, const ChainStep& step) {
  constexpr std::size_t at = ChainOf<Links...>::rule;
  const auto own = step_of_link<at>(chain, step);
  auto rule = rule_of(chain);
  if constexpr (requires { rule.learning_rate; }) rule.learning_rate = own.learning_rate;
  return rule.kernel(static_cast<const StepOf<decltype(rule), typename ChainStep::Scalar>&>(own));
}

/// The kernel of one link of a chain; that of its rule is given.
template <std::size_t link, class... Links, class ChainStep, class RuleKernel>
auto kernel_of_link(const Chain<Links...>& chain, const ChainStep& step, const RuleKernel& rule_kernel) {
  using Of = ChainOf<Links...>;
  if constexpr (link == Of::rule)
    return rule_kernel;
  else
    return static_cast<const typename Of::template Nth<link>&>(chain).kernel(step_of_link<link>(chain, step));
}

/// The kernel of the first links of a chain, each made where it stays: a copy of what was just written waits for it.
template <std::size_t... number, class... Links, class ChainStep>
auto kernel_of_links(std::index_sequence<number...>, const Chain<Links...>& chain, const ChainStep& step) {
  using Of = ChainOf<Links...>;
  constexpr std::size_t last = sizeof...(number) - 1;
  const auto with_rule = [&]([[maybe_unused]] const auto& rule_kernel) {
    return ChainKernel<Of, std::index_sequence<last - number...>,
                       decltype(kernel_of_link<last - number>(chain, step, rule_kernel))...>{
        {kernel_of_link<last - number>(chain, step, rule_kernel)}...};
  };
  if constexpr (Of::rule < sizeof...(number))
    return map_kernel(kernel_of_rule(chain, step), with_rule);
  else
    return with_rule(nullptr);
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// Links in the order of their places: those that act on the gradient (transforms/gradient.hpp), exactly one rule,
/// those that act on its step (transforms/step.hpp), and those that act on the new parameters
/// (transforms/parameters.hpp). Within a place, the written order is the order of arithmetic.
///
///     g <- each link of the gradient (x, g)
///     u  = the rule's step for x and g
///     u <- each link of the step (x, u)
///     y  = x - u
///     y <- each link of the parameters (x, y)
///     x <- y
///
/// A chain is a rule: optimizers, checkpoints, minimize and step_arrays take it like any other. It derives from its
/// links, so their hyperparameters are its members. A name that two links have is reached by `link`; in a checkpoint,
/// it is preceded by the link's, as in "WeightDecay.weight_decay". In an error, a link speaks for itself.
///
/// A link of your own is a rule with a `place` (see Link). Each type of link stands at most once in a chain.
///
/// State: that of its links, in order.
template <class... Links>
struct Chain : Links... {
 private:
  using Of = detail::ChainOf<Links...>;
  static_assert((sizeof(detail::IsALinkOrARule<Links, NamesItsState<Links>>) && ...));
  static_assert(Of::count_of(detail::Order::rule) == 1, "descent: a Chain has exactly one rule");
  static_assert(Of::require_orders(std::make_index_sequence<sizeof...(Links) - 1>()));

 public:
  /// The number of passes over memory in a step: one, and one that only reads for each norm. If a norm over all tensors
  /// stands behind norms of each tensor, these are taken once more for it.
  static constexpr int passes = Of::passes;

  static constexpr std::string_view name = detail::chain_name_text<Links...>;
  static constexpr auto state_names = detail::joined(Links::state_names...);
  static constexpr auto state_powers = detail::joined(detail::state_powers_of<Links>()...);
  static_assert(detail::all_differ(state_names), "descent: two parts of a Chain have state of the same name");
  static constexpr bool rescales_gradient = (detail::rescales_gradient<Links>() || ...);
  static constexpr bool starts_at_parameters = (StartsAtParameters<Links> || ...);

  static constexpr auto hyperparameters(const auto& list) { return detail::list_from<0, Links...>(list); }
  void validate(const auto& expect) const { detail::expect_gradient_at_parameters(*this, expect); }
  void for_each_link(const auto& visit) const { (visit(static_cast<const Links&>(*this)), ...); }
  [[gnu::always_inline]] bool each_link_is(const auto& like, const Chain& other) const {
    return (like(static_cast<const Links&>(*this), static_cast<const Links&>(other)) && ...);
  }

  /// Chains take the gradient at the parameters.
  static constexpr bool lookahead_kernel = false;

  auto running_factors(const auto&) const { return detail::joined(detail::running_factors_of<Links>(*this)...); }
  auto initial_state(const auto&) const { return detail::joined(detail::initial_state_of<Links>(*this)...); }

  auto kernel(const auto& step) const {
    static_assert((sizeof(detail::IsALinkOrARule<Links, detail::is_link_or_rule<Links>>) && ...));
    return detail::kernel_of_links(std::make_index_sequence<Of::count>(), *this, step);
  }

  // Norms, for the optimizer.
  static constexpr auto norm_links = Of::norm_links;
  static constexpr std::size_t norm_count = Of::sum_before(Of::norm_counts, Of::count);
  static constexpr bool norm_shows_nonfinite = Of::norm_shows_nonfinite;
  template <std::size_t number>
  auto norm_kernel(const auto& step) const {
    constexpr std::size_t at = Of::with_norm[number];
    return detail::map_kernel(detail::kernel_of_links(std::make_index_sequence<at>(), *this, step),
                              []<class Kernel>(const Kernel& kernel) {
      return detail::NormKernel<Of::orders[at] == detail::Order::step, Kernel>{kernel};
    });
  }

  /// The link of type L: `optimizer.link<transforms::ClipNorm>().max_norm = 1`.
  template <class L>
  requires(std::same_as<L, Links> || ...)
  constexpr L& link() {
    return *this;
  }
  template <class L>
  requires(std::same_as<L, Links> || ...)
  constexpr const L& link() const {
    return *this;
  }
};

template <class... Links>
Chain(Links...) -> Chain<Links...>;

}  // namespace descent

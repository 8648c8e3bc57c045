// SPDX-License-Identifier: MIT
//
// What a rule is: an aggregate of hyperparameters that lists each once, with its range, names the arrays of its state,
// and turns itself into the kernel of a step. Everything else is the optimizer's: checks, memory, the pass over it.
//
//     struct SGD {
//       double learning_rate = 0.01;
//
//       static constexpr std::string_view name = "SGD";
//       static constexpr std::array<std::string_view, 0> state_names{};
//       static constexpr auto hyperparameters(const auto& list) {
//         return list(descent::Hyperparameter{"learning_rate", &SGD::learning_rate, descent::interval::nonnegative});
//       }
//       auto kernel(const auto& step) const {
//         return [rate = step.real(learning_rate)](const auto& x, const auto& g) __attribute__((always_inline)) {
//           return rate * g;
//         };
//       }
//     };
//
// Other members that a rule may have are told at the concepts below. Functions that take `const auto&` are templates
// over types of the library, whose names carry the compiler flags (kernel/flags.hpp); so do their own names then.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <descent/errors.hpp>
#include <descent/kernel/pack.hpp>

namespace descent {

// ---- Hyperparameters -------------------------------------------------------------------------------

/// The ranges, each a type of its own, so that a check is two comparisons with constants.
namespace interval {
inline namespace DESCENT_FLAGS {

/// [0, infinity)
inline constexpr struct Nonnegative {
  static constexpr std::string_view text = "finite and >= 0";
  static constexpr bool contains(auto value) {
    return value >= 0 && value <= (std::numeric_limits<decltype(value)>::max)();
  }
} nonnegative;

/// (0, infinity)
inline constexpr struct Positive {
  static constexpr std::string_view text = "finite and > 0";
  static constexpr bool contains(auto value) { return value > 0 && Nonnegative::contains(value); }
} positive;

/// (-infinity, infinity)
inline constexpr struct AnyFinite {
  static constexpr std::string_view text = "finite";
  static constexpr bool contains(auto value) { return Nonnegative::contains(value < 0 ? -value : value); }
} any_finite;

/// [1, infinity)
inline constexpr struct AtLeastOne {
  static constexpr std::string_view text = "finite and >= 1";
  static constexpr bool contains(auto value) { return value >= 1 && Nonnegative::contains(value); }
} at_least_one;

/// [0, 1]
inline constexpr struct UnitInterval {
  static constexpr std::string_view text = "in [0, 1]";
  static constexpr bool contains(auto value) { return value >= 0 && value <= 1; }
} unit_interval;

/// [0, 1)
inline constexpr struct BelowOne {
  static constexpr std::string_view text = "in [0, 1)";
  static constexpr bool contains(auto value) { return value >= 0 && value < 1; }
} below_one;

/// Every value of the type; of an enum, every one that has a name.
inline constexpr struct Everything {
} everything;

/// These values of an enum.
template <auto... values>
struct OneOf {};
template <auto... values>
inline constexpr OneOf<values...> one_of;

}  // namespace DESCENT_FLAGS
}  // namespace interval

namespace rules {
using namespace interval;
}

/// An enum that lists the names of its values, which count from 0, in a function beside it:
///
///     enum class Form { velocity, averaged };
///     consteval std::array<std::string_view, 2> enumerator_names(Form) { return {"velocity", "averaged"}; }
template <class T>
concept NamedEnum = std::is_enum_v<T> && requires {
  { enumerator_names(T{})[0] } -> std::convertible_to<std::string_view>;
};

/// What a hyperparameter can be.
template <class T>
concept HyperparameterValue = NamedEnum<T> || std::integral<T> || std::same_as<T, float> || std::same_as<T, double>;

namespace detail {
template <class Range, class T>
inline constexpr bool is_choice_of = false;
template <class T, T... values>
inline constexpr bool is_choice_of<interval::OneOf<values...>, T> = true;
}  // namespace detail

/// The range of a hyperparameter of type T: some of its values for an enum, an interval for a number, or everything.
template <class Range, class T>
concept RangeOf = std::same_as<Range, interval::Everything> || detail::is_choice_of<Range, T> ||
                  (std::is_arithmetic_v<T> && requires(T value) {
                    { Range::contains(value) } -> std::same_as<bool>;
                    { Range::text } -> std::convertible_to<std::string_view>;
                  });

inline namespace DESCENT_FLAGS {

/// One hyperparameter of a rule: its name, the member that holds it, and its range. Validation, saving and the texts
/// of errors come from the list of them: a member that is not listed is neither saved nor checked.
template <class R, class T, class Range = interval::Everything>
struct Hyperparameter {
  static_assert(HyperparameterValue<T>,
                "descent: a hyperparameter is a float, a double, an integer, a bool or an enum with enumerator_names");
  static_assert(RangeOf<Range, T>, "descent: the range of a number is an interval, that of an enum one_of its values");
  std::string_view name;
  T R::* member;
  Range range{};
};
template <class R, class T>
Hyperparameter(std::string_view, T R::*) -> Hyperparameter<R, T>;
template <class R, class T, class Range>
Hyperparameter(std::string_view, T R::*, Range) -> Hyperparameter<R, T, Range>;

}  // namespace DESCENT_FLAGS

namespace detail {
inline namespace DESCENT_FLAGS {

template <class Scalar>
constexpr std::string_view scalar_name() {
  if constexpr (std::is_same_v<Scalar, float>) return "float";
  if constexpr (std::is_same_v<Scalar, double>) return "double";
  return "long double";
}

template <class Scalar>
[[noreturn, gnu::cold, gnu::noinline]] void fail_out_of_range(std::string_view owner, std::string_view field,
                                                              double value, bool is_in_range, std::string_view range) {
  if (is_in_range)
    fail<std::invalid_argument>({owner, ": ", field, " = ", value, " becomes ", static_cast<Scalar>(value), " as ",
                                 scalar_name<Scalar>(), "; it must be ", range});
  fail<std::invalid_argument>({owner, ": ", field, " = ", value, "; it must be ", range});
}

/// Throws std::invalid_argument unless the value is in its range both as it is and rounded to Scalar.
template <class Scalar, class Range>
[[gnu::always_inline]] inline void require_in_range(std::string_view owner, std::string_view field, double value,
                                                    Range) {
  if (!Range::contains(value) || !Range::contains(static_cast<Scalar>(value))) [[unlikely]]
    fail_out_of_range<Scalar>(owner, field, value, Range::contains(value), Range::text);
}

/// The values of an enum that a range has, as indices of their names.
template <class T>
constexpr auto choices_of(interval::Everything) {
  std::array<std::size_t, enumerator_names(T{}).size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}
template <class T, auto... values>
constexpr auto choices_of(interval::OneOf<values...>) {
  return std::array{static_cast<std::size_t>(values)...};
}

template <NamedEnum T, class Range>
[[noreturn, gnu::cold, gnu::noinline]] void fail_bad_choice(std::string_view owner, std::string_view field, T value) {
  constexpr auto names = enumerator_names(T{});
  constexpr auto choices = choices_of<T>(Range{});
  const auto given = static_cast<std::size_t>(value);
  Text text{owner, ": ", field, " = ", given < names.size() ? Part(names[given]) : Part(given), "; it must be "};
  for (std::size_t i = 0; i < choices.size(); ++i)
    text.add({i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", names[choices[i]]});
  fail<std::invalid_argument>(text.c_str());
}

template <class Scalar, class R, class Owner, class T, class Range>
[[gnu::always_inline]] inline void validate_one(const R& rule, const Hyperparameter<Owner, T, Range>& its) {
  if constexpr (std::is_enum_v<T>) {
    const auto is_value = [&](auto choice) { return static_cast<std::size_t>(rule.*its.member) == choice; };
    constexpr auto choices = choices_of<T>(Range{});
    if (!std::apply([&](auto... choice) { return (is_value(choice) || ...); }, choices)) [[unlikely]]
      fail_bad_choice<T, Range>(R::name, its.name, rule.*its.member);
  } else if constexpr (!std::is_same_v<Range, interval::Everything>) {
    require_in_range<Scalar>(R::name, its.name, static_cast<double>(rule.*its.member), its.range);
  }
}

/// What `validate` of a rule calls with a condition between members, and the text of the error where it does not hold.
template <class R>
struct Expect {
  void operator()(bool holds, std::string_view otherwise) const {
    if (!holds) [[unlikely]]
      fail<std::invalid_argument>({R::name, ": ", otherwise});
  }
};

template <class R>
concept ExpectsOfItself = requires(const R& rule, const Expect<R>& expect) { rule.validate(expect); };

/// The rule's own check, where it has one.
template <class R, class E>
void validate_itself(const R& rule, const E& expect) {
  if constexpr (requires { rule.validate(expect); })
    rule.validate(expect);
  else if constexpr (requires { rule.validate(); })
    rule.validate();
}

/// Throws std::invalid_argument, naming rule, hyperparameter, value and range, unless each is in its range, as it is
/// and rounded to Scalar, and what the rule itself checks holds.
template <class Scalar, class R>
void validate(const R& rule) {
  R::hyperparameters([&](const auto&... its) { (validate_one<Scalar>(rule, its), ...); });
  validate_itself(rule, Expect<R>{});
}

/// Whether two rules have the same hyperparameters, bit by bit.
template <class R>
[[gnu::always_inline]] inline bool same_hyperparameters(const R& a, const R& b) {
  const auto same = []<class T>(const T& one, const T& other) __attribute__((always_inline)) {
    if constexpr (std::is_same_v<T, double>)  // an integer's comparison is the shorter one
      return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
    else
      return one == other;
  };
  return R::hyperparameters([&](const auto&... its)
                                __attribute__((always_inline)) { return (same(a.*its.member, b.*its.member) && ...); });
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

// ---- Steps -----------------------------------------------------------------------------------------

namespace detail {
inline namespace DESCENT_FLAGS {

/// `count` numbers, all equal at first; an empty class where there are none, which std::array is not.
template <std::size_t count>
struct Numbers : std::array<double, count> {
  constexpr Numbers() = default;
  constexpr Numbers(double each) { this->fill(each); }
};
template <>
struct Numbers<0> {
  constexpr Numbers() = default;
  constexpr Numbers(double) {}
  template <class Index>
  double operator[](Index) const {
    static_assert(sizeof(Index) == 0, "descent: a step has products where its rule has running_factors");
    return 0;
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// The step that a rule is asked for a kernel of: which it is, and the scalar that the kernel computes in.
template <class Scalar_, std::size_t factors>
struct Step {
  using Scalar = Scalar_;

  std::int64_t t;                                           ///< 1 at the first step
  [[no_unique_address]] detail::Numbers<factors> products;  ///< of the running factors, this step's included

  /// A number rounded to the scalar.
  static constexpr Scalar real(double number) { return static_cast<Scalar>(number); }
  /// The number itself, but the smallest normal number of the scalar where it is less.
  static constexpr double normal(double number) {
    return (std::max)(number, static_cast<double>((std::numeric_limits<Scalar>::min)()));
  }
  /// The number rounded, but the largest number where it would be infinite.
  static constexpr Scalar finite(double number) {
    return real((std::min)(number, static_cast<double>((std::numeric_limits<Scalar>::max)())));
  }
};

}  // namespace DESCENT_FLAGS

// ---- Concepts --------------------------------------------------------------------------------------

/// `static constexpr std::array<std::string_view, K> state_names`: the names of the K >= 0 arrays of
/// state, each as long as the parameters.
template <class R>
concept NamesItsState = requires {
  { R::state_names.size() } -> std::convertible_to<std::size_t>;
  requires std::same_as<std::remove_cvref_t<decltype(R::state_names)>,
                        std::array<std::string_view, R::state_names.size()>>;
};

namespace detail {
inline namespace DESCENT_FLAGS {

template <class T, class R>
inline constexpr bool is_hyperparameter_of = false;
template <class Owner, class T, class Range, class R>
inline constexpr bool is_hyperparameter_of<Hyperparameter<Owner, T, Range>, R> = std::is_base_of_v<Owner, R>;

/// Whether all in a list are hyperparameters of R.
template <class R>
struct AreHyperparameters {
  template <class... Each>
  constexpr auto operator()(const Each&...) const {
    return std::bool_constant<(is_hyperparameter_of<Each, R> && ...)>();
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `static constexpr std::string_view name`, and `hyperparameters`, which returns what the list that it is given makes
/// of a Hyperparameter for each member.
template <class R>
concept ListsHyperparameters = requires {
  { R::name } -> std::convertible_to<std::string_view>;
  requires decltype(R::hyperparameters(detail::AreHyperparameters<R>()))::value;
};

/// `void validate(const auto& expect) const`, for conditions between members: it calls `expect(holds, "text of the
/// error")` for each. Or `void validate() const`, which throws by itself.
template <class R>
concept HasValidate = detail::ExpectsOfItself<R> || requires(const R& rule) { rule.validate(); };

namespace detail {
inline namespace DESCENT_FLAGS {

struct ListNumbers {
  constexpr auto operator()(std::convertible_to<double> auto... numbers) const {
    return std::array<double, sizeof...(numbers)>{static_cast<double>(numbers)...};
  }
};
template <class T>
inline constexpr bool is_list_of_numbers = false;
template <std::size_t count>
inline constexpr bool is_list_of_numbers<std::array<double, count>> = true;

/// Has what a rule may do without: a name that the rule has, too, then means two things. (The address of a member that
/// is a template would not tell that there is one.)
struct OptionalNames {
  int running_factors, initial_state, state_powers, validate;
};
template <class R>
struct WithOptionalNames : R, OptionalNames {};

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `auto running_factors(const auto& list) const { return list(beta1, beta2); }`, for a rule that needs products such
/// as beta^t: the optimizer keeps the product of each factor over all steps taken so far, this one included, and hands
/// them to `kernel` as `step.products`.
template <class R>
concept HasRunningFactors = requires(const R& rule, const detail::ListNumbers& list) {
  requires detail::is_list_of_numbers<decltype(rule.running_factors(list))>;
};

/// `auto initial_state(const auto& list) const`, which lists a number for each array, for a rule whose state does not
/// start at zero.
template <class R>
concept HasInitialState = requires(const R& rule, const detail::ListNumbers& list) {
  { rule.initial_state(list) } -> std::same_as<std::array<double, R::state_names.size()>>;
};

/// `static constexpr std::array<int, K> state_powers`, for a rule that tells the size of its state: 1 for an array
/// that holds something of the size of gradients or steps (a moment, a velocity), 2 for their squares. It decides
/// below which size an element of state counts as 0 (see Optimizer); and where there is a 2, NonFinite::reject and skip
/// refuse a gradient whose square is not finite.
template <class R>
concept HasStatePowers = requires {
  requires std::same_as<std::remove_cvref_t<decltype(R::state_powers)>, std::array<int, R::state_names.size()>>;
};

/// A rule may do without any of these, but not have one in another form, which would count for nothing.
template <class R>
concept RunningFactorsIfAny = HasRunningFactors<R> || requires { &detail::WithOptionalNames<R>::running_factors; };
template <class R>
concept InitialStateIfAny = HasInitialState<R> || requires { &detail::WithOptionalNames<R>::initial_state; };
template <class R>
concept StatePowersIfAny = HasStatePowers<R> || requires { &detail::WithOptionalNames<R>::state_powers; };
template <class R>
concept ValidateIfAny = HasValidate<R> || requires { &detail::WithOptionalNames<R>::validate; };

namespace detail {
inline namespace DESCENT_FLAGS {

template <class R>
constexpr std::size_t count_running_factors() {
  if constexpr (HasRunningFactors<R>)
    return std::tuple_size_v<decltype(std::declval<const R&>().running_factors(ListNumbers{}))>;
  else
    return 0;
}
template <class R>
using RunningFactors = std::array<double, count_running_factors<R>()>;
template <class R>
RunningFactors<R> running_factors_of(const R& rule) {
  if constexpr (HasRunningFactors<R>)
    return rule.running_factors(ListNumbers{});
  else
    return {};
}
template <class R, class Scalar>
using StepOf = Step<Scalar, count_running_factors<R>()>;

/// Whether a rule is known to square its gradient.
template <class R>
constexpr bool finds_square() {
  if constexpr (HasStatePowers<R>)
    for (const int power : R::state_powers)
      if (power == 2) return true;
  return false;
}
template <class R>
inline constexpr bool squares_gradient = finds_square<R>();

template <class K, class Pack, std::size_t... slot>
constexpr bool steps_on_packs(std::index_sequence<slot...>) {
  return requires(const K& kernel, const Pack& x, const Pack& g, std::array<Pack, sizeof...(slot)>& state) {
    { kernel(x, g, state[slot]...) } -> std::convertible_to<Pack>;
  };
}
template <class K, std::size_t state_count>
inline constexpr bool is_step_kernel =
    steps_on_packs<K, kernel::Pack<double, 0>>(std::make_index_sequence<state_count>{});
template <class... Ks, std::size_t state_count>
inline constexpr bool is_step_kernel<std::variant<Ks...>, state_count> = (is_step_kernel<Ks, state_count> && ...);

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `auto kernel(const auto& step) const`: the kernel of one step; `step` is a Step. It is a template, as there is a
/// kernel for each scalar.
template <class R>
concept HasKernel =
    requires(const R& rule, const detail::StepOf<R, double>& step) { rule.kernel(step); } && !requires { &R::kernel; };

/// What `kernel` returns is called as `step = k(x, g, state...)` on packs (x and g const, each state
/// by reference) and gives a pack. A rule that chooses among several kernels returns a std::variant of them: the choice
/// is made once a step, outside the loop over memory.
template <class R>
concept KernelReturnsStep = requires(const R& rule, const detail::StepOf<R, double>& step) {
  requires detail::is_step_kernel<decltype(rule.kernel(step)), R::state_names.size()>;
};

/// `auto lookahead_kernel(const auto& step) const`, for a rule whose gradient is to be taken ahead of the parameters:
/// called as `step = k(x, s)` with the rule's first state s, it gives the step from the parameters to that point.
template <class R>
concept LooksAhead =
    requires(const R& rule, const detail::StepOf<R, double>& step, const kernel::Pack<double, 0>& pack) {
      { rule.lookahead_kernel(step)(pack, pack) } -> std::convertible_to<kernel::Pack<double, 0>>;
    };

/// An update rule: its hyperparameters and its formula, without memory.
template <class R>
concept Rule =
    std::is_aggregate_v<R> && std::copyable<R> && NamesItsState<R> && ListsHyperparameters<R> && ValidateIfAny<R> &&
    RunningFactorsIfAny<R> && InitialStateIfAny<R> && StatePowersIfAny<R> && HasKernel<R> && KernelReturnsStep<R>;

inline namespace DESCENT_FLAGS {

/// How many steps of a rule were taken, t, and the products of its running factors over all of them, such as beta^t.
template <Rule R>
struct StepCounter {
  std::int64_t t = 0;
  [[no_unique_address]] detail::Numbers<detail::count_running_factors<R>()> products = {1};

  /// One step further. A product of less than 2^-60 becomes 0: next to 1 both are nothing, and it would otherwise end
  /// in the slow subnormal numbers.
  [[gnu::always_inline]] StepCounter next(const R& rule) const {
    StepCounter next{t + 1, {}};
    if constexpr (HasRunningFactors<R>) {
      const detail::RunningFactors<R> factors = detail::running_factors_of(rule);
      for (std::size_t i = 0; i < factors.size(); ++i) {
        const double product = kernel::rounded_product(products[i], factors[i]);
        next.products[i] = product < 0x1p-60 && product > -0x1p-60 ? 0 : product;
      }
    }
    return next;
  }

  /// Number by number: copied as a whole, through memory, the next step would wait until it has reached the cache.
  [[gnu::always_inline]] void advance_to(const StepCounter& next) {
    t = next.t;
    if constexpr (HasRunningFactors<R>)
      for (std::size_t i = 0; i < products.size(); ++i) products[i] = next.products[i];
  }
};

/// What each array of a rule's state holds before the first step.
template <Rule R>
std::array<double, R::state_names.size()> initial_state(const R& rule) {
  if constexpr (HasInitialState<R>)
    return rule.initial_state(detail::ListNumbers{});
  else
    return {};
}

}  // namespace DESCENT_FLAGS

/// A rule with a memory (optimizer.hpp).
template <Rule R, class Scalar = double, int Size = -1>
class Optimizer;

}  // namespace descent

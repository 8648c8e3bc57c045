// SPDX-License-Identifier: MIT
//
// What a rule is: an aggregate of hyperparameters. It lists each of them once, with its range, names its state arrays,
// and supplies the kernel of a step. Everything else is up to the optimizer: checks, memory and the pass over it.
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
// The concepts below describe the optional members of a rule. Functions that take `const auto&` are templates over
// types of the library, whose names carry the compiler flags (kernel/flags.hpp), so their own names carry the flags
// too.
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
#include <descent/fwd.hpp>
#include <descent/kernel/pack.hpp>

namespace descent {

// ---- Hyperparameters -------------------------------------------------------------------------------

namespace detail {
inline constexpr double unbounded = std::numeric_limits<double>::infinity();
}  // namespace detail

/// The ranges. Each is a type of its own, so that a check is two comparisons with constants.
namespace interval {
inline namespace DESCENT_FLAGS {

/// [0, infinity)
inline constexpr struct Nonnegative {
  static constexpr double lower = 0, upper = detail::unbounded;
  static constexpr std::string_view text = "finite and >= 0";
  static constexpr bool contains(auto value) {
    return value >= 0 && value <= (std::numeric_limits<decltype(value)>::max)();
  }
} nonnegative;

/// (0, infinity)
inline constexpr struct Positive {
  static constexpr double lower = 0, upper = detail::unbounded;
  static constexpr std::string_view text = "finite and > 0";
  static constexpr bool contains(auto value) { return value > 0 && Nonnegative::contains(value); }
} positive;

/// (-infinity, infinity)
inline constexpr struct AnyFinite {
  static constexpr double lower = -detail::unbounded, upper = detail::unbounded;
  static constexpr std::string_view text = "finite";
  static constexpr bool contains(auto value) { return Nonnegative::contains(value < 0 ? -value : value); }
} any_finite;

/// (0, infinity]
inline constexpr struct PositiveOrInfinite {
  static constexpr double lower = 0, upper = detail::unbounded;
  static constexpr std::string_view text = "> 0";
  static constexpr bool contains(auto value) { return value > 0; }
} positive_or_infinite;

/// [-infinity, infinity]
inline constexpr struct NotNaN {
  static constexpr double lower = -detail::unbounded, upper = detail::unbounded;
  static constexpr std::string_view text = "a number, not NaN";
  static constexpr bool contains(auto value) { return value <= std::numeric_limits<decltype(value)>::infinity(); }
} not_nan;

/// [1, infinity)
inline constexpr struct AtLeastOne {
  static constexpr double lower = 1, upper = detail::unbounded;
  static constexpr std::string_view text = "finite and >= 1";
  static constexpr bool contains(auto value) { return value >= 1 && Nonnegative::contains(value); }
} at_least_one;

/// [0, 1]
inline constexpr struct UnitInterval {
  static constexpr double lower = 0, upper = 1;
  static constexpr std::string_view text = "in [0, 1]";
  static constexpr bool contains(auto value) { return value >= 0 && value <= 1; }
} unit_interval;

/// (0, 1]
inline constexpr struct AboveZero {
  static constexpr double lower = 0, upper = 1;
  static constexpr std::string_view text = "in (0, 1]";
  static constexpr bool contains(auto value) { return value > 0 && value <= 1; }
} above_zero;

/// [0, 1)
inline constexpr struct BelowOne {
  static constexpr double lower = 0, upper = 1;
  static constexpr std::string_view text = "in [0, 1)";
  static constexpr bool contains(auto value) { return value >= 0 && value < 1; }
} below_one;

/// Every value of the type; for an enum, every value that has a name.
inline constexpr struct Everything {
} everything;

/// Only these values of an enum.
template <auto... values>
struct OneOf {};
template <auto... values>
inline constexpr OneOf<values...> one_of;

}  // namespace DESCENT_FLAGS
}  // namespace interval

namespace rules {
using namespace interval;
}  // namespace rules

/// An enum whose values count from 0 and whose names are listed by a function next to it:
///
///     enum class Form { velocity, averaged };
///     consteval std::array<std::string_view, 2> enumerator_names(Form) { return {"velocity", "averaged"}; }
template <class T>
concept NamedEnum = std::is_enum_v<T> && requires {
  { enumerator_names(T{})[0] } -> std::convertible_to<std::string_view>;
};

/// The types that a hyperparameter can have.
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

/// One hyperparameter of a rule: its name, the member that holds it, and its range. Validation, checkpoints and the
/// texts of errors all use the list of them: a member that is not listed is neither checked nor saved.
template <class R, class T, class Range = interval::Everything>
struct Hyperparameter {
  static_assert(HyperparameterValue<T>,
                "descent: a hyperparameter is a float, a double, an integer, a bool or an enum with enumerator_names");
  static_assert(RangeOf<Range, T>,
                "descent: the range of a number is an interval, the range of an enum is one_of its values");
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

/// Whose hyperparameters an error is about: those of a rule, or of one tensor alone.
struct Owner {
  std::string_view name;
  std::ptrdiff_t tensor = -1;  ///< counted from 0; -1 for all of them

  Text operator()() const { return tensor < 0 ? Text{name} : Text{name, " of tensor ", tensor}; }
};

template <class Scalar>
[[noreturn, gnu::cold, gnu::noinline]] void fail_out_of_range(Owner owner, std::string_view field, double value,
                                                              bool is_in_range, std::string_view range) {
  if (is_in_range)
    fail<std::invalid_argument>({owner(), ": ", field, " = ", value, " becomes ", static_cast<Scalar>(value), " as ",
                                 scalar_name<Scalar>(), "; it must be ", range});
  fail<std::invalid_argument>({owner(), ": ", field, " = ", value, "; it must be ", range});
}

/// Throws std::invalid_argument unless the value is in its range, both as given and rounded to Scalar.
template <class Scalar, class Range>
[[gnu::always_inline]] inline void require_in_range(Owner owner, std::string_view field, double value, Range) {
  if (!Range::contains(value) || !Range::contains(static_cast<Scalar>(value))) [[unlikely]]
    fail_out_of_range<Scalar>(owner, field, value, Range::contains(value), Range::text);
}

/// The values of an enum that a range contains, as indices into its names.
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

template <NamedEnum T>
Part name_of(T value) {
  constexpr auto names = enumerator_names(T{});
  const auto given = static_cast<std::size_t>(value);
  return given < names.size() ? Part(names[given]) : Part(given);
}

template <NamedEnum T, class Range>
[[noreturn, gnu::cold, gnu::noinline]] void fail_bad_choice(Owner owner, std::string_view field, const Part& given) {
  constexpr auto names = enumerator_names(T{});
  constexpr auto choices = choices_of<T>(Range{});
  Text text{owner(), ": ", field, " = ", given, "; it must be "};
  for (std::size_t i = 0; i < choices.size(); ++i)
    text.add({i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", names[choices[i]]});
  fail<std::invalid_argument>(text.c_str());
}

template <class Scalar, class R, class Listed, class T, class Range>
[[gnu::always_inline]] inline void validate_one(const R& rule, const Hyperparameter<Listed, T, Range>& its,
                                                std::ptrdiff_t tensor) {
  if constexpr (std::is_enum_v<T>) {
    const auto is_value = [&](auto choice) { return static_cast<std::size_t>(rule.*its.member) == choice; };
    constexpr auto choices = choices_of<T>(Range{});
    if (!std::apply([&](auto... choice) { return (is_value(choice) || ...); }, choices)) [[unlikely]]
      fail_bad_choice<T, Range>({R::name, tensor}, its.name, name_of(rule.*its.member));
  } else if constexpr (!std::is_same_v<Range, interval::Everything>) {
    require_in_range<Scalar>({R::name, tensor}, its.name, static_cast<double>(rule.*its.member), its.range);
  }
}

/// A rule's `validate` calls this with a condition between members, and with the text of the error if it does not hold.
template <class R>
struct Expect {
  std::ptrdiff_t tensor = -1;  ///< as in Owner

  void operator()(bool holds, std::string_view otherwise) const {
    if (!holds) [[unlikely]]
      fail<std::invalid_argument>({Owner{R::name, tensor}(), ": ", otherwise});
  }
};

template <class R>
concept ExpectsOfItself = requires(const R& rule, const Expect<R>& expect) { rule.validate(expect); };

/// Runs the rule's own check, if it has one.
template <class R, class E>
void validate_itself(const R& rule, const E& expect) {
  if constexpr (requires { rule.validate(expect); })
    rule.validate(expect);
  else if constexpr (requires { rule.validate(); })
    rule.validate();
}

/// Throws std::invalid_argument, naming rule, hyperparameter, value and range, unless every hyperparameter is in its
/// range, both as given and rounded to Scalar, and the rule's own check holds. Of a chain, the links are checked. The
/// error also names the tensor, unless it is -1.
template <class Scalar, class R>
void validate(const R& rule, std::ptrdiff_t tensor = -1) {
  if constexpr (requires { rule.for_each_link(rule); })
    rule.for_each_link([&](const auto& link) { validate<Scalar>(link, tensor); });
  else
    R::hyperparameters([&](const auto&... its) { (validate_one<Scalar>(rule, its, tensor), ...); });
  validate_itself(rule, Expect<R>{tensor});
}

/// Whether two rules have the same hyperparameters.
template <class R>
[[gnu::always_inline]] inline bool same_hyperparameters(const R& a, const R& b) {
  const auto same = []<class T>(const T& one, const T& other) __attribute__((always_inline)) {
    if constexpr (std::is_same_v<T, double>)  // comparing integers takes less code
      return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
    else
      return one == other;
  };
  if constexpr (requires { a.each_link_is(same, a); })
    return a.each_link_is([](const auto& one, const auto& other) __attribute__((always_inline)) {
      return same_hyperparameters(one, other);
    }, b);
  else
    return R::hyperparameters(
        [&](const auto&... its) __attribute__((always_inline)) { return (same(a.*its.member, b.*its.member) && ...); });
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

// ---- Steps -----------------------------------------------------------------------------------------

namespace detail {
inline namespace DESCENT_FLAGS {

/// `count` numbers, all equal at first. With a count of 0 it is an empty class, which std::array is not; those of
/// different kinds take no space beside each other.
template <std::size_t count, class Kind = void>
struct Numbers : std::array<double, count> {
  constexpr Numbers() = default;
  constexpr Numbers(double each) { this->fill(each); }
};
template <class Kind>
struct Numbers<0, Kind> {
  constexpr Numbers() = default;
  constexpr Numbers(double) {}
  template <class Index>
  double operator[](Index) const {
    static_assert(sizeof(Index) == 0,
                  "descent: a step has products only if its rule has running_factors, and numbers only if it has "
                  "running_numbers");
    return 0;
  }
};
template <std::size_t count>
using Products = Numbers<count>;
template <std::size_t count>
using RunningNumbers = Numbers<count, class OfSteps>;
template <std::size_t count>
using Norms = Numbers<count, class OfTensors>;

}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// The exponential moving average of which most rules are made: from s and the next x, decay s + (1 - decay) x.
template <class Scalar>
struct MovingAverage {
  Scalar decay, rest;

  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack& s, const Pack& x) const {
    return decay * s + rest * x;
  }
};

/// Describes one step to a rule's `kernel`: its number, the products of the running factors, the running numbers, and
/// the scalar of the arithmetic.
template <class Scalar_, std::size_t factors, std::size_t number_count = 0>
struct Step {
  using Scalar = Scalar_;

  std::int64_t t;                                                           ///< 1 at the first step
  [[no_unique_address]] detail::Products<factors> products;                 ///< of the factors, including this step's
  [[no_unique_address]] detail::RunningNumbers<number_count> numbers = {};  ///< including this step

  /// The number rounded to the scalar.
  static constexpr Scalar real(double number) { return static_cast<Scalar>(number); }
  /// The number, or the smallest normal number of the scalar if that is larger.
  static constexpr double normal(double number) {
    return (std::max)(number, static_cast<double>((std::numeric_limits<Scalar>::min)()));
  }
  /// The number rounded to the scalar, but at most its largest finite number.
  static constexpr Scalar finite(double number) {
    return real((std::min)(number, static_cast<double>((std::numeric_limits<Scalar>::max)())));
  }
  /// For a kernel: mean(s, x) is decay s + (1 - decay) x.
  static constexpr MovingAverage<Scalar> moving_average(double decay) { return {real(decay), real(1 - decay)}; }
};

}  // namespace DESCENT_FLAGS

// ---- Concepts --------------------------------------------------------------------------------------

namespace detail {
inline namespace DESCENT_FLAGS {

/// A chain (chain.hpp), which lists its links that need norms in `norm_links`. It has checked its links, and what it
/// makes of them takes long to compile, so it need not satisfy what follows once more.
template <class R>
concept IsChain = requires { R::norm_links.size(); };

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `static constexpr std::array<std::string_view, K> state_names`: the names of the K >= 0 state arrays, each as long
/// as the parameters.
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
template <class Listed, class T, class Range, class R>
inline constexpr bool is_hyperparameter_of<Hyperparameter<Listed, T, Range>, R> = std::is_base_of_v<Listed, R>;

/// Whether all elements of a list are hyperparameters of R.
template <class R>
struct AreHyperparameters {
  template <class... Each>
  constexpr auto operator()(const Each&...) const {
    return std::bool_constant<(is_hyperparameter_of<Each, R> && ...)>();
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `static constexpr std::string_view name`, and `hyperparameters`, which calls the given `list` with a Hyperparameter
/// for each member and returns the result.
template <class R>
concept ListsHyperparameters = detail::IsChain<R> || requires {
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

/// Declares the names of all optional members. A name that the rule has as well is then ambiguous. (Taking the address
/// of a member template would not show that it exists.)
struct OptionalNames {
  int running_factors, running_numbers, initial_state, state_powers, validate;
};

/// What running_numbers gets: the number of the step that begins, and the numbers at the step before it.
struct ListRunningNumbers : ListNumbers {
  std::int64_t t = 1;
  const double* numbers = nullptr;

  double before(std::size_t number) const { return t > 1 ? numbers[number] : 0; }
};
template <class R>
struct WithOptionalNames : R, OptionalNames {};

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `auto running_factors(const auto& list) const { return list(beta1, beta2); }`, for a rule that needs products such
/// as beta^t: the optimizer keeps the product of each factor over all steps so far, including this one, and passes the
/// products to `kernel` as `step.products`.
template <class R>
concept HasRunningFactors = requires(const R& rule, const detail::ListNumbers& list) {
  requires detail::is_list_of_numbers<decltype(rule.running_factors(list))>;
};

/// `auto running_numbers(const auto& list) const`, for a rule that needs other numbers than products over all steps,
/// such as the sum of its rates: `return list(list.before(0) + learning_rate)`. `list.before(i)` is number i at the
/// step before, 0 at the first, and `list.t` the number of the step that begins. They are finite, and passed to
/// `kernel` as `step.numbers`.
template <class R>
concept HasRunningNumbers = requires(const R& rule, const detail::ListRunningNumbers& list) {
  requires detail::is_list_of_numbers<decltype(rule.running_numbers(list))>;
};

/// `auto initial_state(const auto& list) const`, for a rule whose state does not start at zero: it lists one number for
/// each state array.
template <class R>
concept HasInitialState = requires(const R& rule, const detail::ListNumbers& list) {
  { rule.initial_state(list) } -> std::same_as<std::array<double, R::state_names.size()>>;
};

/// `static constexpr std::array<int, K> state_powers`, for a rule that states the magnitude of its state: 1 for an
/// array whose elements are of the size of gradients or steps (a moment, a velocity), 2 for their squares. This decides
/// below which size an element of state counts as 0 (see Optimizer). If there is a 2, NonFinite::reject and skip refuse
/// a gradient whose square is not finite.
template <class R>
concept HasStatePowers = requires {
  requires std::same_as<std::remove_cvref_t<decltype(R::state_powers)>, std::array<int, R::state_names.size()>>;
};

/// `static constexpr bool starts_at_parameters = true`, for a rule of which some state is, from the first step on, a
/// copy of the parameters. Such state cannot be made for parameters that a step does not see, so there are no sparse
/// steps of the rule (sparse.hpp), and no parameters are appended (resize.hpp).
template <class R>
concept StartsAtParameters = requires { requires R::starts_at_parameters; };

/// A rule may omit any of these members, but it must not have one in another form, which would be ignored silently.
template <class R>
concept RunningFactorsIfAny =
    detail::IsChain<R> || HasRunningFactors<R> || requires { &detail::WithOptionalNames<R>::running_factors; };
/// The same of running_numbers.
template <class R>
concept RunningNumbersIfAny =
    detail::IsChain<R> || HasRunningNumbers<R> || requires { &detail::WithOptionalNames<R>::running_numbers; };
/// The same of initial_state.
template <class R>
concept InitialStateIfAny =
    detail::IsChain<R> || HasInitialState<R> || requires { &detail::WithOptionalNames<R>::initial_state; };
/// The same of state_powers.
template <class R>
concept StatePowersIfAny =
    detail::IsChain<R> || HasStatePowers<R> || requires { &detail::WithOptionalNames<R>::state_powers; };
/// The same of validate.
template <class R>
concept ValidateIfAny = detail::IsChain<R> || HasValidate<R> || requires { &detail::WithOptionalNames<R>::validate; };

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

template <class R>
constexpr std::size_t count_running_numbers() {
  if constexpr (HasRunningNumbers<R>)
    return std::tuple_size_v<decltype(std::declval<const R&>().running_numbers(ListRunningNumbers{}))>;
  else
    return 0;
}

template <class R>
std::array<double, R::state_names.size()> initial_state_of(const R& rule) {
  if constexpr (HasInitialState<R>)
    return rule.initial_state(ListNumbers{});
  else
    return {};
}

/// A link of a chain that needs norms of what arrives at it: which numbers of ChainStep::norms they are, whether they
/// are over all tensors, and whether what arrives depends on state.
struct NormLink {
  bool of_all_tensors;
  std::size_t first;
  std::size_t count;
  bool reads_state;
};

/// One step of one tensor, as a chain sees it.
template <class Scalar, std::size_t factors, std::size_t number_count, std::size_t norm_count>
struct ChainStep : Step<Scalar, factors, number_count> {
  bool is_matrix;  ///< whether the tensor has more than one row and more than one column
  [[no_unique_address]] Norms<norm_count> norms;
};

template <class R, class Scalar>
constexpr auto step_type() {
  if constexpr (IsChain<R>)
    return std::type_identity<
        ChainStep<Scalar, count_running_factors<R>(), count_running_numbers<R>(), R::norm_count>>();
  else
    return std::type_identity<Step<Scalar, count_running_factors<R>(), count_running_numbers<R>()>>();
}
template <class R, class Scalar>
using StepOf = typename decltype(step_type<R, Scalar>())::type;

/// Whether a rule is known to square its gradient, as it is given.
template <class R>
constexpr bool finds_square() {
  if constexpr (HasStatePowers<R> && !requires { requires R::rescales_gradient; })
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

/// `template <class Scalar> using WholeStep = …`, for a rule that steps tensors as a whole, such as matrices: the
/// optimizer calls `rule.step_whole(tensor)` for each tensor that `WholeStep::takes(shape)`, with a WholeStep
/// (matrix_step.hpp, factored_step.hpp), and makes a pass with the rule's kernel for the others. A rule that takes all
/// needs no kernel. If `WholeStep::factors_state(shape)`, each state array has one element for each of its rows and
/// columns instead of one for each parameter. Such a rule stands in no chain.
template <class R>
concept StepsWhole = requires { typename R::template WholeStep<double>; };

/// `auto kernel(const auto& step) const`: returns the kernel of one step; `step` is a Step. It is a template, because
/// each scalar has its own kernel.
template <class R>
concept HasKernel =
    detail::IsChain<R> || StepsWhole<R> || (requires(const R& rule, const detail::StepOf<R, double>& step) {
      rule.kernel(step);
    } && !requires { &R::kernel; });

/// The kernel is called as `step = k(x, g, state...)` on packs (x and g const, each state by reference) and returns a
/// pack. A rule that chooses among several kernels returns a std::variant of them: the choice is made once per step,
/// outside the loop over memory.
template <class R>
concept KernelReturnsStep =
    detail::IsChain<R> || StepsWhole<R> || requires(const R& rule, const detail::StepOf<R, double>& step) {
      requires detail::is_step_kernel<decltype(rule.kernel(step)), R::state_names.size()>;
    };

/// `auto lookahead_kernel(const auto& step) const`, for a rule whose gradient is to be taken ahead of the parameters.
/// The kernel that it returns is called as `step = k(x, s)` with the rule's first state s, and returns the step from
/// the parameters to that point.
template <class R>
concept LooksAhead =
    requires(const R& rule, const detail::StepOf<R, double>& step, const kernel::Pack<double, 0>& pack) {
      { rule.lookahead_kernel(step)(pack, pack) } -> std::convertible_to<kernel::Pack<double, 0>>;
    };

namespace detail {
inline namespace DESCENT_FLAGS {

template <class R>
constexpr bool has_state(std::string_view name) {
  return std::ranges::find(R::state_names, name) != R::state_names.end();
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `auto averaged_kernel(const auto& step) const`, for a rule whose average of the parameters is computed from them and
/// from a state array "z". The kernel that it returns is called as `step = k(x, z)`, and returns the step from the
/// parameters to their average.
template <class R>
concept ComputesAverage =
    NamesItsState<R> && detail::has_state<R>("z") &&
    requires(const R& rule, const detail::StepOf<R, double>& step, const kernel::Pack<double, 0>& pack) {
      { rule.averaged_kernel(step)(pack, pack) } -> std::convertible_to<kernel::Pack<double, 0>>;
    };

/// A rule that keeps an average of the parameters: it has a state array "average", or computes it.
template <class R>
concept KeepsAverage = NamesItsState<R> && (detail::has_state<R>("average") || ComputesAverage<R>);

/// A rule stands by itself; a link of a chain has a `place` and does not.
template <class R>
concept StandsAlone = detail::IsChain<R> || !requires { R::place; };

/// An update rule: its hyperparameters and its formula, without memory.
template <class R>
concept Rule = StandsAlone<R> && std::is_aggregate_v<R> && std::copyable<R> && NamesItsState<R> &&
               ListsHyperparameters<R> && ValidateIfAny<R> && RunningFactorsIfAny<R> && RunningNumbersIfAny<R> &&
               InitialStateIfAny<R> && StatePowersIfAny<R> && HasKernel<R> && KernelReturnsStep<R>;

inline namespace DESCENT_FLAGS {

/// How many steps of a rule have been taken, t, the products of its running factors over all of them, such as beta^t,
/// and its running numbers. (Or of a link, which counts its steps in a chain.)
template <ListsHyperparameters R>
struct StepCounter {
  std::int64_t t = 0;
  [[no_unique_address]] detail::Products<detail::count_running_factors<R>()> products = {1};
  [[no_unique_address]] detail::RunningNumbers<detail::count_running_numbers<R>()> numbers = {0};

  /// Returns the counter after one more step. A product below 2^-60 in absolute value becomes 0: next to 1 both are
  /// negligible, and it would otherwise end up among the slow subnormal numbers.
  [[gnu::always_inline]] StepCounter next(const R& rule) const {
    StepCounter next{t + 1, {}, {}};
    if constexpr (detail::count_running_factors<R>() > 0) {
      const detail::RunningFactors<R> factors = detail::running_factors_of(rule);
      for (std::size_t i = 0; i < factors.size(); ++i) {
        const double product = kernel::rounded_product(products[i], factors[i]);
        next.products[i] = product < 0x1p-60 && product > -0x1p-60 ? 0 : product;
      }
    }
    if constexpr (detail::count_running_numbers<R>() > 0) {
      const auto after = rule.running_numbers(detail::ListRunningNumbers{{}, t + 1, numbers.data()});
      for (std::size_t i = 0; i < after.size(); ++i) next.numbers[i] = after[i];
    }
    return next;
  }

  /// Copies number by number. If they were copied as a whole, through memory, the next step would wait until the copy
  /// has reached the cache.
  [[gnu::always_inline]] void advance_to(const StepCounter& next) {
    t = next.t;
    if constexpr (detail::count_running_factors<R>() > 0)
      for (std::size_t i = 0; i < products.size(); ++i) products[i] = next.products[i];
    if constexpr (detail::count_running_numbers<R>() > 0)
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = next.numbers[i];
  }
};

/// What each state array of a rule holds before the first step.
template <Rule R>
std::array<double, R::state_names.size()> initial_state(const R& rule) {
  return detail::initial_state_of(rule);
}

}  // namespace DESCENT_FLAGS

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// What a rule must have, what `step` accepts, and the small concepts that both are made of: an error
// in a rule or in an argument names the one that is not met.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <Eigen/Core>

#include <descent/kernel/pack.hpp>

namespace descent {

// ---- Rules ----------------------------------------------------------------------------------------

/// `static constexpr std::array<std::string_view, K> state_names`: the names of the K >= 0 arrays of
/// state, each as long as the parameters.
template <class R>
concept NamesItsState = requires {
  { R::state_names.size() } -> std::convertible_to<std::size_t>;
  requires std::same_as<std::remove_cvref_t<decltype(R::state_names)>,
                        std::array<std::string_view, R::state_names.size()>>;
};

/// `void validate() const`: throws std::invalid_argument where a hyperparameter is out of range. As a
/// template, `template <class Scalar = double> void validate() const`, it is told for which scalar.
template <class R>
concept ValidatesItself = requires(const R& rule) {
  rule.validate();
};

namespace detail {
template <class Scalar, class Array>
using ArrayOf = std::array<Scalar, std::tuple_size<Array>::value>;
}

/// `std::array<double, P> running_factors() const`, for a rule that needs products such as beta^t:
/// the optimizer keeps the product of each factor over all steps taken so far, this one included,
/// and hands the products to `kernel` after t.
template <class R>
concept HasRunningFactors = requires(const R& rule) {
  { rule.running_factors() } -> std::same_as<detail::ArrayOf<double, decltype(rule.running_factors())>>;
};

/// `std::array<double, K> initial_state() const`, for a rule whose state does not start at zero.
template <class R>
concept HasInitialState = requires(const R& rule) {
  { rule.initial_state() } -> std::same_as<std::array<double, R::state_names.size()>>;
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
concept RunningFactorsIfAny = HasRunningFactors<R> || !requires {
  &R::running_factors;
};
template <class R>
concept InitialStateIfAny = HasInitialState<R> || !requires {
  &R::initial_state;
};
template <class R>
concept StatePowersIfAny = HasStatePowers<R> || !requires {
  R::state_powers;
};

namespace detail {
inline namespace DESCENT_FLAGS {

template <class R>
constexpr std::size_t count_running_factors() {
  if constexpr (HasRunningFactors<R>)
    return std::tuple_size_v<decltype(std::declval<const R&>().running_factors())>;
  else
    return 0;
}

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

/// The products of a rule's running factors, each 1 before the first step.
template <class R>
using RunningProducts = std::array<double, count_running_factors<R>()>;

template <class Scalar, HasRunningFactors R>
auto kernel_of(const R& rule, std::int64_t t, const RunningProducts<R>& products)
    -> decltype(rule.template kernel<Scalar>(t, products)) {
  return rule.template kernel<Scalar>(t, products);
}
template <class Scalar, class R>
requires(!HasRunningFactors<R>) auto kernel_of(const R& rule, std::int64_t t, const RunningProducts<R>&)
    -> decltype(rule.template kernel<Scalar>(t)) {
  return rule.template kernel<Scalar>(t);
}

template <class K, class Pack, std::size_t... Slot>
constexpr bool steps_on_packs(std::index_sequence<Slot...>) {
  return requires(const K& kernel, const Pack& x, const Pack& g, std::array<Pack, sizeof...(Slot)>& state) {
    { kernel(x, g, state[Slot]...) } -> std::convertible_to<Pack>;
  };
}

template <class K>
inline constexpr bool is_variant = false;
template <class... Ks>
inline constexpr bool is_variant<std::variant<Ks...>> = true;

template <class K, std::size_t Slots>
struct IsStepKernel
    : std::bool_constant<steps_on_packs<K, kernel::Pack<double, 0>>(std::make_index_sequence<Slots>{})> {};
template <class... Ks, std::size_t Slots>
struct IsStepKernel<std::variant<Ks...>, Slots> : std::conjunction<IsStepKernel<Ks, Slots>...> {};

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// `template <class Scalar> auto kernel(std::int64_t t) const`, t = 1 at the first step; with
/// running factors `kernel(std::int64_t t, const std::array<double, P>& products) const`.
template <class R>
concept HasKernel = requires(const R& rule, const detail::RunningProducts<R>& products) {
  detail::kernel_of<double>(rule, std::int64_t{1}, products);
};

/// What `kernel` returns is called as `step = k(x, g, state...)` on packs (x and g const, each state
/// by reference) and gives a pack. A rule that chooses among several kernels returns a std::variant
/// of them: the choice is made once a step, outside the loop over memory.
template <class R>
concept KernelReturnsStep = requires(const R& rule, const detail::RunningProducts<R>& products) {
  requires detail::IsStepKernel<decltype(detail::kernel_of<double>(rule, std::int64_t{1}, products)),
                                R::state_names.size()>::value;
};

/// `template <class Scalar> auto lookahead_kernel() const`, for a rule whose gradient is to be taken
/// ahead of the parameters: called as `step = k(x, s)` with the rule's first state s, it gives the
/// step from the parameters to that point.
template <class R>
concept LooksAhead = requires(const R& rule, const kernel::Pack<double, 0>& pack) {
  { rule.template lookahead_kernel<double>()(pack, pack) } -> std::convertible_to<kernel::Pack<double, 0>>;
};

/// An update rule: its hyperparameters and its formula, without memory.
template <class R>
concept Rule = std::is_aggregate_v<R> && std::copyable<R> && NamesItsState<R> && ValidatesItself<R> &&
    RunningFactorsIfAny<R> && InitialStateIfAny<R> && StatePowersIfAny<R> && HasKernel<R> && KernelReturnsStep<R>;

// ---- Arguments of `step` ---------------------------------------------------------------------------

namespace detail {
inline namespace DESCENT_FLAGS {

template <class Derived>
void as_dense(const Eigen::DenseBase<Derived>&);
template <class Derived>
void as_plain(const Eigen::PlainObjectBase<Derived>&);

template <class T>
concept Plain = requires(const T& t) {
  as_plain(t);
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// One dense Eigen object: a matrix, an array, or any expression of them.
template <class T>
concept DenseTensor = requires(const std::remove_cvref_t<T>& t) {
  detail::as_dense(t);
};

namespace detail {
inline namespace DESCENT_FLAGS {

template <class T>
using RangeElement = decltype(*std::begin(std::declval<T&>()));

template <class T>
concept TensorRange = !DenseTensor<T> && requires(T & t) {
  std::begin(t);
  std::end(t);
  requires DenseTensor<RangeElement<T>>;
};

template <class T, std::size_t At>
using TupleElement = decltype(std::get<At>(std::declval<T>()));

template <class T>
inline constexpr auto tuple_indices = std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<T>>>{};

template <class T, std::size_t... At>
constexpr bool all_tensors(std::index_sequence<At...>) {
  return (DenseTensor<TupleElement<T, At>> && ...);
}

template <class T>
concept TensorTuple = !DenseTensor<T> && !TensorRange<T> && requires {
  std::tuple_size<std::remove_cvref_t<T>>::value;
}
&&all_tensors<T>(tuple_indices<T>);

/// Whether every tensor type in T, as T hands it out, has the property.
template <class T, class Property>
constexpr bool for_all_tensors(Property property) {
  if constexpr (DenseTensor<T>)
    return property(std::type_identity<T>{});
  else if constexpr (TensorRange<T>)
    return property(std::type_identity<RangeElement<T>>{});
  else
    return [&]<std::size_t... At>(std::index_sequence<At...>) {
      return (property(std::type_identity<TupleElement<T, At>>{}) && ...);
    }
  (tuple_indices<T>);
}

/// A tensor that has an address. (Eigen 3.4 sets the bit also on views by strided sequences of indices,
/// and gives them none.)
template <class T>
concept TensorInMemory = (std::remove_cvref_t<T>::Flags & Eigen::DirectAccessBit) != 0 && requires(T& tensor) {
  tensor.data();
};

template <class T>
inline constexpr bool is_writable_tensor =
    !std::is_const_v<std::remove_reference_t<T>> && (std::remove_cvref_t<T>::Flags & Eigen::LvalueBit) != 0 &&
    TensorInMemory<T> && (std::is_lvalue_reference_v<T> || !Plain<std::remove_cvref_t<T>>);

template <class T>
constexpr bool is_writable() {
  // A range that dies with the call must not own what is written: its elements stay writable where
  // the range itself is const.
  if constexpr (TensorRange<T> && !std::is_lvalue_reference_v<T>)
    return is_writable_tensor<RangeElement<const T>>;
  else
    return for_all_tensors<T>([]<class E>(std::type_identity<E>) { return is_writable_tensor<E>; });
}

template <class T, class Scalar>
constexpr bool is_of_scalar() {
  return for_all_tensors<T>(
      []<class E>(std::type_identity<E>) { return std::is_same_v<typename std::remove_cvref_t<E>::Scalar, Scalar>; });
}

template <class T>
constexpr int static_size() {
  if constexpr (DenseTensor<T>) {
    return std::remove_cvref_t<T>::SizeAtCompileTime;
  } else if constexpr (TensorTuple<T>) {
    return []<std::size_t... At>(std::index_sequence<At...>) {
      const bool known = ((static_size<TupleElement<T, At>>() != Eigen::Dynamic) && ...);
      return known ? (0 + ... + static_size<TupleElement<T, At>>()) : Eigen::Dynamic;
    }
    (tuple_indices<T>);
  } else {
    return Eigen::Dynamic;
  }
}

template <class A, class B>
constexpr bool pairs_up() {
  if constexpr (TensorTuple<A> && TensorTuple<B>)
    return std::tuple_size_v<std::remove_cvref_t<A>> == std::tuple_size_v<std::remove_cvref_t<B>>;
  else
    return (DenseTensor<A> && DenseTensor<B>) || (TensorRange<A> && TensorRange<B>);
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// One tensor, a tuple of tensors (`std::tie(W, b)`), or a range of tensors.
template <class T>
concept Tensors = DenseTensor<T> || detail::TensorRange<T> || detail::TensorTuple<T>;

/// Tensors that can be written in place: not const, not a temporary that owns its numbers, not an
/// expression.
template <class T>
concept Writable = detail::is_writable<T>();

/// Tensors of that very scalar; nothing is converted.
template <class T, class Scalar>
concept OfScalar = detail::is_of_scalar<T, Scalar>();

/// Tensors that can have `Size` elements in all (always so where either is Eigen::Dynamic).
template <class T, int Size>
concept OfSize = Size == Eigen::Dynamic || detail::static_size<T>() == Eigen::Dynamic
                 || detail::static_size<T>() == Size;

/// One gradient for each tensor of Params: a tensor for a tensor, a tuple for a tuple of the same
/// length, a range for a range.
template <class Gradient, class Params>
concept PairsUpWith = detail::pairs_up<Gradient, Params>();

/// What `step` takes as parameters; Params is an lvalue reference type for an lvalue.
template <class Params, class Scalar, int Size>
concept ParametersOf = Tensors<Params> && Writable<Params> && OfScalar<Params, Scalar> && OfSize<Params, Size>;

/// What `step` takes as their gradient.
template <class Gradient, class Params, class Scalar>
concept GradientOf = Tensors<Gradient> && OfScalar<Gradient, Scalar> && PairsUpWith<Gradient, Params>;

/// `optimizer.step(params, gradient)` is valid for an lvalue of Params.
template <class O, class Params, class Gradient>
concept OptimizerFor = requires(O& optimizer, Params& params, const Gradient& gradient) {
  optimizer.step(params, gradient);
};

}  // namespace descent

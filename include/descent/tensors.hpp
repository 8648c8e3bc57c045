// SPDX-License-Identifier: MIT
//
// What `step` takes: concepts for its arguments, whose names appear in compiler errors, and the views into which `step`
// turns its arguments first. Everything after that is written once, for views.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

template <class Derived>
void as_dense(const Eigen::DenseBase<Derived>&);
template <class Derived>
void as_plain(const Eigen::PlainObjectBase<Derived>&);

template <class T>
concept Plain = requires(const T& t) { as_plain(t); };

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// One dense Eigen object: a matrix, an array, or any expression of them.
template <class T>
concept DenseTensor = requires(const std::remove_cvref_t<T>& t) { detail::as_dense(t); };

namespace detail {
inline namespace DESCENT_FLAGS {

template <class T>
using RangeElement = decltype(*std::begin(std::declval<T&>()));

template <class T>
concept TensorRange = !DenseTensor<T> && requires(T& t) {
  std::begin(t);
  std::end(t);
  requires DenseTensor<RangeElement<T>>;
};

/// A range such as std::views::filter that cannot be walked through if it is const. A copy can be, and costs nothing,
/// because it owns no tensors. (<string_view> declares enable_view, too; <ranges> takes a fifth of all to compile.)
template <class T>
concept WalkedAsCopy =
    !DenseTensor<T> && !TensorRange<const std::remove_reference_t<T>> && TensorRange<std::remove_cvref_t<T>> &&
    std::ranges::enable_view<std::remove_cvref_t<T>> && std::copyable<std::remove_cvref_t<T>>;

/// T, or what stands in for a const T.
template <class T>
using Walked = std::conditional_t<WalkedAsCopy<T>, std::remove_cvref_t<T>, T>;

template <class T, std::size_t At>
using TupleElement = decltype(std::get<At>(std::declval<T>()));

template <class T>
inline constexpr auto tuple_indices = std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<T>>>{};

template <class T, std::size_t... At>
constexpr bool all_tensors(std::index_sequence<At...>) {
  return (DenseTensor<TupleElement<T, At>> && ...);
}

template <class T>
concept TensorTuple = !DenseTensor<T> && !TensorRange<T> &&
                      requires { std::tuple_size<std::remove_cvref_t<T>>::value; } && all_tensors<T>(tuple_indices<T>);

/// Whether every tensor type in T has the property, with the reference and const that T yields it with.
template <class T, class Property>
constexpr bool for_all_tensors(Property property) {
  if constexpr (DenseTensor<T>)
    return property(std::type_identity<T>{});
  else if constexpr (TensorRange<T>)
    return property(std::type_identity<RangeElement<T>>{});
  else
    return [&]<std::size_t... At>(std::index_sequence<At...>) {
      return (property(std::type_identity<TupleElement<T, At>>{}) && ...);
    }(tuple_indices<T>);
}

/// A tensor that has an address. (Eigen 3.4 also sets the flag for views by strided sequences of indices, which have
/// none.)
template <class T>
concept TensorInMemory =
    (std::remove_cvref_t<T>::Flags & Eigen::DirectAccessBit) != 0 && requires(T& tensor) { tensor.data(); };

template <class T>
inline constexpr bool is_writable_tensor =
    !std::is_const_v<std::remove_reference_t<T>> && (std::remove_cvref_t<T>::Flags & Eigen::LvalueBit) != 0 &&
    TensorInMemory<T> && (std::is_lvalue_reference_v<T> || !Plain<std::remove_cvref_t<T>>);

template <class T>
constexpr bool is_writable() {
  // A temporary range must not own what is written: its elements are views, or stay writable when the range itself is
  // const or copied.
  if constexpr (TensorRange<T> && !std::is_lvalue_reference_v<T>)
    return is_writable_tensor<RangeElement<T>> && (!Plain<std::remove_cvref_t<RangeElement<T>>> || requires {
             requires is_writable_tensor<RangeElement<Walked<const T>>>;
           });
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
    }(tuple_indices<T>);
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

/// Tensors that can be read where they, or the range that has them, are const. std::views::filter can, unless it owns
/// the tensors that it chooses from.
template <class T>
concept ReadableWhenConst = Tensors<detail::Walked<const std::remove_reference_t<T>>>;

/// Tensors that can be written in place: not const, not a temporary that owns its numbers, not an
/// expression.
template <class T>
concept Writable = detail::is_writable<T>();

/// Tensors of exactly this scalar; nothing is converted.
template <class T, class Scalar>
concept OfScalar = detail::is_of_scalar<T, Scalar>();

/// Tensors that can have `Size` elements in total (always true if either is Eigen::Dynamic).
template <class T, int Size>
concept OfSize =
    Size == Eigen::Dynamic || detail::static_size<T>() == Eigen::Dynamic || detail::static_size<T>() == Size;

/// One gradient for each tensor of Params: a tensor for a tensor, a tuple for a tuple of the same
/// length, a range for a range.
template <class Gradient, class Params>
concept PairsUpWith = detail::pairs_up<Gradient, Params>();

/// What `step` takes as parameters; Params is an lvalue reference type for an lvalue.
template <class Params, class Scalar, int Size>
concept ParametersOf = Tensors<Params> && Writable<Params> && OfScalar<Params, Scalar> && OfSize<Params, Size>;

/// What `step` takes as their gradient.
template <class Gradient, class Params, class Scalar>
concept GradientOf =
    Tensors<Gradient> && ReadableWhenConst<Gradient> && OfScalar<Gradient, Scalar> && PairsUpWith<Gradient, Params>;

/// A sparse matrix or vector whose stored elements lie in memory: Eigen::SparseMatrix, SparseVector, or a Map of one.
template <class T>
concept SparseTensor = requires(const T& t) {
  typename T::StorageIndex;
  t.valuePtr();
  t.innerIndexPtr();
  t.outerIndexPtr();
};

/// Integers, such as a std::vector<int> or an Eigen::VectorXi, which number columns or rows from 0.
template <class T>
concept Indices = requires(const T& t) {
  std::end(t);
  requires std::integral<std::remove_cvref_t<decltype(*std::begin(t))>>;
};

/// `optimizer.step(params, gradient)` is valid for an lvalue of type Params.
template <class O, class Params, class Gradient>
concept OptimizerFor =
    requires(O& optimizer, Params& params, const Gradient& gradient) { optimizer.step(params, gradient); };

// ---- Views -----------------------------------------------------------------------------------------

namespace detail {
inline namespace DESCENT_FLAGS {

using Eigen::Index;

/// Rows and columns of one tensor, and the order in which its elements lie in the state. A type with a single row or
/// column counts as column-major.
struct Shape {
  Index rows = 0;
  Index cols = 0;
  bool row_major = false;

  Index size() const { return rows * cols; }
  bool is_matrix() const { return rows > 1 && cols > 1; }
  /// Columns and order as one number, which together with a size above 0 determines the shape.
  Index layout() const { return 2 * cols + (row_major ? 1 : 0); }
  friend bool operator==(const Shape& a, const Shape& b) { return a.rows == b.rows && a.cols == b.cols; }
};

/// A tensor in memory.
template <class Scalar>
struct View {
  Scalar* data;
  Shape shape;
  Index row_stride;  ///< from an element to the one in the next row
  Index col_stride;

  /// The tensor as `outer` runs of `inner` elements, in the order in which they lie in the state.
  struct Runs {
    Index inner, outer, inner_stride, outer_stride;

    bool contiguous() const { return inner_stride == 1 && (outer == 1 || outer_stride == inner); }
  };
  Runs runs(bool row_major) const {
    const Runs runs = row_major ? Runs{shape.cols, shape.rows, col_stride, row_stride}
                                : Runs{shape.rows, shape.cols, row_stride, col_stride};
    if (runs.inner == 1) return {runs.outer, 1, runs.outer_stride, 1};  // one long run, not many of one element
    if (runs.outer == 1) return {runs.inner, 1, runs.inner_stride, 1};
    return runs;
  }

  /// The lowest address, and the one past the highest.
  std::array<const Scalar*, 2> extent() const {
    if (shape.size() == 0) return {data, data};
    const Index down = (shape.rows - 1) * row_stride;
    const Index right = (shape.cols - 1) * col_stride;
    return {data + (std::min<Index>)(0, down) + (std::min<Index>)(0, right),
            data + (std::max<Index>)(0, down) + (std::max<Index>)(0, right) + 1};
  }

  operator View<const Scalar>() const {  // NOLINT(*-explicit-*)
    return {data, shape, row_stride, col_stride};
  }
  friend bool operator==(const View& a, const View& b) {
    return a.data == b.data && a.shape == b.shape && a.shape.row_major == b.shape.row_major &&
           a.row_stride == b.row_stride && a.col_stride == b.col_stride;
  }
};

/// One view for each tensor.
template <class Scalar>
struct Views {
  const View<Scalar>* first;
  Index count;

  const View<Scalar>* begin() const { return first; }
  const View<Scalar>* end() const { return first + count; }
  const View<Scalar>& operator[](Index tensor) const { return first[tensor]; }
};

[[gnu::cold]] inline Text to_text(const Shape& shape) { return {shape.rows, "x", shape.cols}; }

/// The position of a component, for the text of an error.
[[gnu::cold]] inline Text to_text(Index row, Index col) { return {"(", row, ", ", col, ")"}; }

/// Which of several tensors it is, for the text of an error.
[[gnu::cold]] inline Text place(Index tensor, Index count) {
  return count == 1 ? Text{} : Text{" of tensor ", tensor, " (of ", count, ", from 0)"};
}

template <DenseTensor T>
Shape shape_of(const T& tensor) {
  return {tensor.rows(), tensor.cols(), T::IsRowMajor && !T::IsVectorAtCompileTime};
}

template <class T>
auto view_of(T& tensor) {
  using Scalar = std::remove_pointer_t<decltype(tensor.data())>;
  return View<Scalar>{tensor.data(), shape_of(tensor), tensor.rowStride(), tensor.colStride()};
}

/// The view of elements that are contiguous in memory.
template <class Scalar>
View<Scalar> contiguous_view(Scalar* data, const Shape& shape) {
  if (shape.row_major) return {data, shape, shape.cols, 1};
  return {data, shape, 1, shape.rows};
}

/// The same tensor with rows for columns.
template <class Scalar>
View<Scalar> transposed(const View<Scalar>& view) {
  return {view.data, {view.shape.cols, view.shape.rows, !view.shape.row_major}, view.col_stride, view.row_stride};
}

template <class Scalar>
Index size_of(const Views<Scalar>& views) {
  Index size = 0;
  for (const auto& view : views) size += view.shape.size();
  return size;
}

template <class T>
inline constexpr bool is_plain_map = false;
template <class T, int options>
inline constexpr bool is_plain_map<Eigen::Map<T, options, Eigen::Stride<0, 0>>> = true;

/// A tensor whose elements are contiguous, in the order of its type, whatever its size.
template <class T>
concept Contiguous = TensorInMemory<T> && (Plain<T> || is_plain_map<T> ||
                                           bool(T::IsVectorAtCompileTime && T::InnerStrideAtCompileTime == 1));

template <class P, class G>
inline constexpr bool contiguous_alike = [] {
  using A = std::remove_cvref_t<P>;
  using B = std::remove_cvref_t<G>;
  if constexpr (DenseTensor<A> && DenseTensor<B>)
    if constexpr (Contiguous<A> && Contiguous<B>)
      return (A::IsVectorAtCompileTime && B::IsVectorAtCompileTime) || bool(A::IsRowMajor) == bool(B::IsRowMajor);
  return false;
}();

// ---- From arguments to views -----------------------------------------------------------------------

/// Calls visit(tensor) for each tensor, in order.
template <class T, class Visit>
[[gnu::always_inline]] inline void for_each_tensor(T&& tensors, Visit&& visit) {
  if constexpr (DenseTensor<T>)
    visit(tensors);
  else if constexpr (TensorRange<T>)
    for (auto&& tensor : tensors) visit(tensor);
  else if constexpr (WalkedAsCopy<T>)
    for (auto copy = tensors; auto&& tensor : copy) visit(tensor);
  else
    std::apply([&](auto&&... tensor) { (visit(tensor), ...); }, tensors);
}

/// Calls visit(a's tensor, b's tensor) for each pair, in order. Both must have the same number of tensors.
template <class A, class B, class Visit>
void for_each_pair(A&& a, B&& b, Visit&& visit) {
  if constexpr (DenseTensor<A>) {
    visit(a, b);
  } else if constexpr (TensorRange<A>) {
    auto other = std::begin(b);
    for (auto&& tensor : a) visit(tensor, *other++);
  } else {
    [&]<std::size_t... At>(std::index_sequence<At...>) {
      (visit(std::get<At>(a), std::get<At>(b)), ...);
    }(tuple_indices<A>);
  }
}

template <class T>
Index count_tensors(T&& tensors) {
  if constexpr (DenseTensor<T>) {
    return 1;
  } else if constexpr (TensorRange<T>) {
    return static_cast<Index>(std::ranges::distance(std::begin(tensors), std::end(tensors)));
  } else if constexpr (WalkedAsCopy<T>) {
    auto copy = tensors;
    return count_tensors(copy);
  } else {
    return static_cast<Index>(std::tuple_size_v<std::remove_cvref_t<T>>);
  }
}

/// The same tensors as objects that own their numbers: a plain object, a tuple or a vector of them.
template <class T>
auto copies_of(const T& tensors) {
  if constexpr (DenseTensor<T>)
    return typename T::PlainObject(tensors);
  else if constexpr (TensorRange<T>) {
    std::vector<typename std::remove_cvref_t<RangeElement<Walked<const T>>>::PlainObject> copies;
    copies.reserve(static_cast<std::size_t>(count_tensors(tensors)));
    for_each_tensor(tensors, [&](const auto& tensor) { copies.emplace_back(tensor); });
    return copies;
  } else
    return std::apply([](const auto&... tensor) { return std::tuple(copies_of(tensor)...); }, tensors);
}

template <class T>
inline constexpr bool is_ref_to_const = false;
template <class T, int options, class Stride>
inline constexpr bool is_ref_to_const<Eigen::Ref<const T, options, Stride>> = true;

/// Whether every tensor lies in memory, so that nothing needs to be evaluated, and stays there while it is read. A
/// temporary that owns its numbers does not stay, and a Ref to something const may own them.
template <class T>
inline constexpr bool in_memory = for_all_tensors<Walked<const T&>>([]<class E>(std::type_identity<E>) {
  return TensorInMemory<E> && (std::is_lvalue_reference_v<E> || !(Plain<E> || is_ref_to_const<std::remove_cv_t<E>>));
});

/// The number of tensors in T if its type determines it, else 0.
template <class T>
inline constexpr std::size_t static_count = [] {
  if constexpr (DenseTensor<T>)
    return std::size_t{1};
  else if constexpr (TensorTuple<T>)
    return std::tuple_size<std::remove_cvref_t<T>>::value;
  else
    return std::size_t{0};
}();

/// Writes a view of each tensor to `views`, in order. Returns whether any of them differs from the one there before.
template <class Scalar, class T>
bool place_views(T& tensors, View<Scalar>* views) {
  bool differs = false;
  for_each_tensor(tensors, [&](auto& tensor) {
    const View<Scalar> view = view_of(tensor);
    if (!(view == *views)) {
      *views = view;
      differs = true;
    }
    ++views;
  });
  return differs;
}

/// A view of each tensor in memory.
template <class Scalar, class T>
std::vector<View<Scalar>> views_of(T& tensors) {
  std::vector<View<Scalar>> views(static_cast<std::size_t>(count_tensors(tensors)));
  place_views(tensors, views.data());
  return views;
}
template <class Scalar>
Views<Scalar> views_in(const std::vector<View<Scalar>>& views) {
  return {views.data(), static_cast<Index>(views.size())};
}

/// The same for tensors that are not in memory yet: shapes only.
template <class Scalar, class T>
void place_shapes(const T& tensors, View<Scalar>* views) {
  for_each_tensor(tensors, [&](const auto& tensor) { *views++ = contiguous_view<Scalar>(nullptr, shape_of(tensor)); });
}

/// Writes the tensors' values to `memory`, one after the other, and points the views, which already have their shapes,
/// at these copies.
template <class Scalar, class T>
void evaluate(const T& tensors, View<const Scalar>* views, Scalar* memory) {
  for_each_tensor(tensors, [&](const auto& tensor) {
    using Plain = typename std::remove_cvref_t<decltype(tensor)>::PlainObject;
    Eigen::Map<Plain> values(memory, views->shape.rows, views->shape.cols);
    if constexpr (requires { values.noalias(); })
      values.noalias() = tensor;
    else
      values = tensor;
    *views = view_of(std::as_const(values));
    memory += values.size();
    ++views;
  });
}

// ---- Checks ----------------------------------------------------------------------------------------

/// Throws std::domain_error if a component is not finite, naming the first one.
template <class Dense>
void require_finite(std::string_view what, const Dense& dense) {
  for (Index col = 0; col < dense.cols(); ++col)
    for (Index row = 0; row < dense.rows(); ++row)
      if (!std::isfinite(dense(row, col)))
        fail<std::domain_error>({what, " is not finite: ", to_text(row, col), " is ", dense(row, col)});
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_counts(Index gradients, Index params) {
  fail<std::invalid_argument>({"descent: ", gradients, " gradients for ", params, " tensors of parameters"});
}

/// `count`: the number of tensors, or -1 if it is not known yet.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_no_tensor(Index tensor, Index count) {
  if (count < 0) fail<std::out_of_range>({"descent: no tensor ", tensor, "; they count from 0"});
  fail<std::out_of_range>({"descent: no tensor ", tensor, "; the parameters have ", count, ", counted from 0"});
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_other_count(Index now, Index so_far) {
  fail<std::invalid_argument>(
      {"descent: ", now, " tensors of parameters, but the steps so far had ", so_far, "; reset() starts anew"});
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_shape(const char* whose, const char* is, const Shape& found,
                                                              const char* but, const Shape& expected,
                                                              const char* advice, Index tensor, Index count) {
  fail<std::invalid_argument>({whose, place(tensor, count), is, to_text(found), but, to_text(expected), advice});
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_gradient_shape(const Shape& gradient, const Shape& params,
                                                                       Index tensor, Index count) {
  fail_shape("descent: the gradient", " is ", gradient, ", but the parameters are ", params, "", tensor, count);
}

/// Checks that each tensor has one gradient, of the same shape.
template <class Scalar>
void require_pairs(Views<Scalar> params, Views<const Scalar> gradient) {
  if (gradient.count != params.count) [[unlikely]]
    fail_counts(gradient.count, params.count);
  for (Index i = 0; i < params.count; ++i)
    if (gradient[i].shape != params[i].shape) [[unlikely]]
      fail_gradient_shape(gradient[i].shape, params[i].shape, i, params.count);
}

template <class Scalar, class G, class Kept, class Take>
bool with_gradient_views(Views<Scalar> params, const G& gradient, View<const Scalar>* views, bool params_disjoint,
                         Kept& kept, const Take& take) {
  if constexpr (in_memory<G>) {
    const bool moved = place_views(gradient, views);
    return take(params, Views<const Scalar>{views, params.count}, params_disjoint && !moved);
  } else {
    place_shapes(gradient, views);
    require_pairs(params, {views, params.count});
    kept.with_copy(size_of(params), [&](Scalar* copy) {
      evaluate(gradient, views, copy);
      take(params, Views<const Scalar>{views, params.count}, true);
    });
    return false;
  }
}

/// Turns the arguments of a step into views, and calls take(params, gradient, disjoint) with them. The views are on the
/// stack if the types say how many there are, in `kept` memory for ranges. A gradient that is an expression is
/// evaluated into kept memory, but only once its shapes are known to be right. `disjoint` tells whether it is known
/// that the step overwrites no gradient before reading it; take returns whether it is known then.
template <class Scalar, class P, class G, class Kept, class Take>
[[gnu::noinline]] void with_views(P& params, const G& gradient, Kept& kept, const Take& take) {
  constexpr std::size_t count = static_count<P>;
  if constexpr (count > 0) {
    std::array<View<Scalar>, count> x{};
    std::array<View<const Scalar>, count> g{};
    place_views(params, x.data());
    with_gradient_views<Scalar>({x.data(), count}, gradient, g.data(), false, kept, take);
  } else {
    const Index n = count_tensors(params);
    if (const Index gradients = count_tensors(gradient); gradients != n) fail_counts(gradients, n);
    auto&& scratch = kept.scratch(n);
    const bool moved = place_views(params, scratch.params);
    const bool disjoint = std::exchange(scratch.disjoint, false) && !moved;
    scratch.disjoint =
        with_gradient_views<Scalar>({scratch.params, n}, gradient, scratch.gradient, disjoint, kept, take);
  }
}

/// Checks that every tensor has the same shape as in the steps so far.
template <class Scalar, class Shapes>
void require_shapes(Views<Scalar> params, const Shapes& so_far) {
  if (params.count != so_far.size()) [[unlikely]]
    fail_other_count(params.count, so_far.size());
  for (Index i = 0; i < params.count; ++i)
    if (params[i].shape != so_far[i]) [[unlikely]]
      fail_shape("descent: the parameters", " are ", params[i].shape, ", but in the steps so far they were ", so_far[i],
                 "; reset() starts anew", i, params.count);
}

/// The addresses from `begin` up to but not including `end`.
struct AddressRange {
  const void* begin;
  const void* end;

  static bool lower(const void* a, const void* b) { return std::less<>()(a, b); }
  bool overlaps(const AddressRange& other) const { return lower(begin, other.end) && lower(other.begin, end); }
  friend bool operator<(const AddressRange& a, const AddressRange& b) { return lower(a.begin, b.begin); }
};

template <class Scalar>
AddressRange address_range_of(const View<Scalar>& view) {
  const auto [begin, end] = view.extent();
  return {begin, end};
}

/// Address ranges in order of their beginnings, each of which ends where the furthest so far does.
struct SortedRanges {
  AddressRange* first;
  Index count;

  [[gnu::cold, gnu::noinline]] void sort() const {
    std::make_heap(first, first + count);
    std::sort_heap(first, first + count);
    for (Index i = 1; i < count; ++i)
      if (AddressRange::lower(first[i].end, first[i - 1].end)) first[i].end = first[i - 1].end;
  }
  /// Whether `reading` overlaps one of them.
  [[gnu::noinline]] bool overlap(const AddressRange& reading) const {
    const AddressRange* const behind = std::lower_bound(
        first, first + count, reading,
        [](const AddressRange& a, const AddressRange& b) { return AddressRange::lower(a.begin, b.end); });
    return behind != first && AddressRange::lower(reading.begin, std::prev(behind)->end);
  }
};

/// Whether stepping the tensors in order could overwrite a gradient before it is read, because parameters or state
/// share its memory. A gradient that is its own parameters, element by element, is read just before they are written.
/// More than 16 tensors, which no optimizer of a fixed size takes, are sorted, so that n of them take n log n
/// comparisons.
template <class Scalar>
bool overwrites_gradient(Views<Scalar> params, Views<const Scalar> gradient, const AddressRange& state, auto& shapes) {
  const auto is_in_place = [&](Index i) {
    const View<const Scalar> own = params[i];
    return own.data == gradient[i].data && own.row_stride == gradient[i].row_stride &&
           own.col_stride == gradient[i].col_stride;
  };
  SortedRanges sorted{nullptr, params.count};
  if constexpr (requires { shapes.address_ranges(params.count); })
    if (constexpr Index few = 16; params.count > few) {
      sorted.first = shapes.address_ranges(params.count);
      for (Index i = 0; i < params.count; ++i) sorted.first[i] = address_range_of(params[i]);
      sorted.sort();
    }
  for (Index i = 0; i < gradient.count; ++i) {
    const AddressRange reading = address_range_of(gradient[i]);
    if (reading.overlaps(state)) return true;
    if (sorted.first != nullptr) {
      if (!is_in_place(i) && sorted.overlap(reading)) return true;
    } else {
      for (Index j = 0; j < params.count; ++j)
        if (reading.overlaps(address_range_of(params[j])) && !(i == j && is_in_place(i))) return true;
    }
  }
  return false;
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

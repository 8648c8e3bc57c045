// SPDX-License-Identifier: MIT
//
// How the arguments of `step` lie in memory: visiting their tensors in order, comparing their shapes,
// and walking one tensor of any strides through the sweep.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/concepts.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/text.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

using Eigen::Index;

/// Rows and columns of one tensor, and the order in which its elements lie in the state.
struct Shape {
  Index rows = 0;
  Index cols = 0;
  bool row_major = false;

  friend bool operator==(const Shape& a, const Shape& b) { return a.rows == b.rows && a.cols == b.cols; }
};

/// Equal to that of no tensor.
inline constexpr Shape no_shape{-1, -1, false};

inline std::string to_string(const Shape& shape) { return text(shape.rows, "x", shape.cols); }

/// The place of a component.
inline std::string to_string(Index row, Index col) { return text("(", row, ", ", col, ")"); }

/// Which of several tensors, for an error's text.
inline std::string place(Index tensor, Index count) {
  return count == 1 ? "" : text(" of tensor ", tensor, " (of ", count, ", from 0)");
}

// The errors stand apart and out of line: their texts are longer than a step.

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_counts(Index gradients, Index params) {
  throw std::invalid_argument(text("descent: ", gradients, " gradients for ", params, " tensors of parameters"));
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_gradient_shape(Index tensor, Index count,
                                                                        const Shape& gradient, const Shape& params) {
  throw std::invalid_argument(text("descent: the gradient", place(tensor, count), " is ", to_string(gradient),
                                   ", but the parameters are ", to_string(params)));
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_other_count(Index now, Index so_far) {
  throw std::invalid_argument(
      text("descent: ", now, " tensors of parameters, but the steps so far had ", so_far, "; reset() starts anew"));
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_other_shape(Index tensor, Index count, const Shape& now,
                                                                     const Shape& so_far) {
  throw std::invalid_argument(text("descent: the parameters", place(tensor, count), " are ", to_string(now),
                                   ", but in the steps so far they were ", to_string(so_far), "; reset() starts anew"));
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_not_fixed_size(Index params, int size) {
  throw std::invalid_argument(text("descent: ", params, " parameters, but the optimizer has the fixed size ", size));
}

template <DenseTensor T>
Shape shape_of(const T& tensor) {
  return {tensor.rows(), tensor.cols(), (std::remove_cvref_t<T>::Flags & Eigen::RowMajorBit) != 0};
}

/// Throws std::domain_error, naming the first component that is not finite.
template <class Dense>
void require_finite(std::string_view what, const Dense& dense) {
  for (Index col = 0; col < dense.cols(); ++col)
    for (Index row = 0; row < dense.rows(); ++row)
      if (!std::isfinite(dense(row, col)))
        throw std::domain_error(text(what, " is not finite: ", to_string(row, col), " is ", dense(row, col)));
}

// ---- Visiting --------------------------------------------------------------------------------------

/// visit(tensor) for each tensor, in order.
template <class T, class Visit>
[[gnu::always_inline]] inline void for_each_tensor(T&& tensors, Visit&& visit) {
  if constexpr (DenseTensor<T>)
    visit(tensors);
  else if constexpr (TensorRange<T>)
    for (auto&& tensor : tensors) visit(tensor);
  else
    std::apply([&](auto&&... tensor) { (visit(tensor), ...); }, tensors);
}

/// visit(a's tensor, b's tensor) for each pair, in order; the two have equally many.
template <class A, class B, class Visit>
[[gnu::always_inline]] inline void for_each_pair(A&& a, B&& b, Visit&& visit) {
  if constexpr (DenseTensor<A>) {
    visit(a, b);
  } else if constexpr (TensorRange<A>) {
    auto other = std::begin(b);
    for (auto&& tensor : a) {
      auto&& partner = *other;
      visit(tensor, partner);
      ++other;
    }
  } else {
    [&]<std::size_t... At>(std::index_sequence<At...>) { (visit(std::get<At>(a), std::get<At>(b)), ...); }
    (tuple_indices<A>);
  }
}

template <class T>
Index count_tensors(const T& tensors) {
  if constexpr (DenseTensor<T>)
    return 1;
  else if constexpr (TensorRange<T>)
    return static_cast<Index>(std::distance(std::begin(tensors), std::end(tensors)));
  else
    return static_cast<Index>(std::tuple_size_v<T>);
}

/// The same tensors as objects that own their numbers: a plain object, a tuple or a vector of them.
template <class T>
auto copies_of(const T& tensors) {
  if constexpr (DenseTensor<T>)
    return typename T::PlainObject(tensors);
  else if constexpr (TensorRange<T>) {
    std::vector<typename std::remove_cvref_t<RangeElement<const T>>::PlainObject> copies;
    copies.reserve(static_cast<std::size_t>(count_tensors(tensors)));
    for (auto&& tensor : tensors) copies.emplace_back(tensor);
    return copies;
  } else
    return std::apply([](const auto&... tensor) { return std::tuple(copies_of(tensor)...); }, tensors);
}

/// Whether every tensor lies in memory, so that nothing needs to be evaluated.
template <class T>
inline constexpr bool in_memory = for_all_tensors<const T&>([]<class E>(std::type_identity<E>) {
  return TensorInMemory<E>;
});

// ---- Memory ----------------------------------------------------------------------------------------

/// A tensor in memory, its elements `inner_stride` and its runs of `inner` elements `outer_stride`
/// apart, in the order in which they lie in the state.
template <class Scalar>
struct Walk {
  Scalar* data;
  Index inner;
  Index outer;
  Index inner_stride;
  Index outer_stride;

  /// The lowest address, and the one behind the highest.
  std::array<const Scalar*, 2> extent() const {
    if (inner == 0 || outer == 0) return {data, data};
    const Index along = (inner - 1) * inner_stride;
    const Index across = (outer - 1) * outer_stride;
    return {data + (std::min<Index>)(0, along) + (std::min<Index>)(0, across),
            data + (std::max<Index>)(0, along) + (std::max<Index>)(0, across) + 1};
  }
};

template <class T>
auto walk(T& tensor, bool row_major) {
  using Scalar = std::remove_pointer_t<decltype(tensor.data())>;
  if constexpr (T::IsVectorAtCompileTime) return Walk<Scalar>{tensor.data(), tensor.size(), 1, tensor.innerStride(), 0};
  const Index down = tensor.rowStride();
  const Index right = tensor.colStride();
  Walk<Scalar> walk = row_major ? Walk<Scalar>{tensor.data(), tensor.cols(), tensor.rows(), right, down}
                                : Walk<Scalar>{tensor.data(), tensor.rows(), tensor.cols(), down, right};
  if (walk.inner == 1) {  // one long run rather than many of one element
    std::swap(walk.inner, walk.outer);
    std::swap(walk.inner_stride, walk.outer_stride);
  }
  return walk;
}

/// Whether two stretches of memory have something in common.
template <class Scalar>
bool meet(const Scalar* a_begin, const Scalar* a_end, const Scalar* b_begin, const Scalar* b_end) {
  const std::less<> before;
  return before(a_begin, b_end) && before(b_begin, a_end);
}

/// Whether the two have memory in common; `element_by_element`: other than that every element of g
/// is read just before the same element of p is written.
template <class P, class G>
bool overlap(P& p, const G& g, bool element_by_element) {
  const bool row_major = shape_of(p).row_major;
  const auto x = walk(p, row_major);
  const auto d = walk(g, row_major);
  const auto [x_begin, x_end] = x.extent();
  const auto [d_begin, d_end] = d.extent();
  if (!meet(x_begin, x_end, d_begin, d_end)) return false;
  const bool coincide =
      x.data == d.data && x.inner == d.inner && x.inner_stride == d.inner_stride && x.outer_stride == d.outer_stride;
  return !(element_by_element && coincide);
}

/// Whether stepping the tensors in order would write a parameter, or state, which lies in [state_begin, state_end),
/// before a gradient that shares its memory is read.
template <class Params, class Gradient, class Scalar>
bool steps_disturb(Params& params, const Gradient& gradient, const Scalar* state_begin, const Scalar* state_end) {
  if constexpr (Plain<Params> && Plain<Gradient>) {
    return false;  // two owners of memory share all of it or none
  } else {
    bool disturbed = false;
    Index reading = 0;
    for_each_tensor(gradient, [&](const auto& g) {
      const auto [g_begin, g_end] = walk(g, shape_of(g).row_major).extent();
      disturbed = disturbed || meet(g_begin, g_end, state_begin, state_end);
      Index writing = 0;
      for_each_tensor(params, [&](auto& p) {
        if (writing <= reading) disturbed = disturbed || overlap(p, g, writing == reading);
        ++writing;
      });
      ++reading;
    });
    return disturbed;
  }
}

/// Whether the elements lie one behind the other, in the order in which they lie in the state.
template <class T>
bool contiguous(const T& tensor, bool row_major) {
  if constexpr (T::IsVectorAtCompileTime) return tensor.innerStride() == 1;
  return T::IsRowMajor == row_major && tensor.innerStride() == 1 && tensor.outerStride() == tensor.innerSize();
}

/// Any two walks: run by run where their runs are contiguous, else through buffers. Kept out of line, so
/// that the common case stays small.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::noinline]] void sweep_walks(const Kernel kernel, const Walk<Scalar> x, const Walk<const Scalar> g,
                                   kernel::Arrays<Scalar, Slots> state, int threads,
                                   const kernel::Thresholds<Scalar, Slots>* flush = nullptr) {
  constexpr Index chunk = 64;
  std::array<Scalar, chunk> x_buffer;
  std::array<Scalar, chunk> g_buffer;
  const bool in_runs = x.inner_stride == 1 && g.inner_stride == 1;
  for (Index run = 0; run < x.outer; ++run)
    for (Index begin = 0, n = 0; begin < x.inner; begin += n) {
      Scalar* const x_part = x.data + run * x.outer_stride + begin * x.inner_stride;
      const Scalar* const g_part = g.data + run * g.outer_stride + begin * g.inner_stride;
      n = in_runs ? x.inner : (std::min)(chunk, x.inner - begin);
      if (!in_runs)
        for (Index i = 0; i < n; ++i) {
          x_buffer[static_cast<std::size_t>(i)] = x_part[i * x.inner_stride];
          g_buffer[static_cast<std::size_t>(i)] = g_part[i * g.inner_stride];
        }
      kernel::sweep(kernel, in_runs ? x_part : x_buffer.data(), in_runs ? g_part : g_buffer.data(), state, n, threads,
                    flush);
      if (!in_runs)
        for (Index i = 0; i < n; ++i) x_part[i * x.inner_stride] = x_buffer[static_cast<std::size_t>(i)];
      for (Scalar*& array : state) array += n;
    }
}

/// One tensor through the sweep; `state` are the tensor's own arrays.
template <class Kernel, class P, class G, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_tensor(const Kernel& kernel, P& p, const G& g, bool row_major,
                                                const kernel::Arrays<Scalar, Slots>& state, int threads,
                                                const kernel::Thresholds<Scalar, Slots>* flush) {
  if (contiguous(p, row_major) && contiguous(g, row_major)) [[likely]]
    kernel::sweep(kernel, p.data(), g.data(), state, p.size(), threads, flush);
  else
    sweep_walks(kernel, walk(p, row_major), walk(g, row_major), state, threads, flush);
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

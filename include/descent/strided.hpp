// SPDX-License-Identifier: MIT
//
// Takes one tensor with any strides through the pass over memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <descent/kernel/norm.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Copies a matrix and swaps its indices: to[j * to_stride + i] = from[i * from_stride + j]. Squares of 16 bytes a side
/// go through registers. (bench: "row-major with column-major gradient")
template <class Scalar>
void copy_transposed(const Scalar* from, Index from_stride, Index rows, Index cols, Scalar* to, Index to_stride) {
  Index i = 0;
#if defined(DESCENT_BASELINE_BYTES)
  if constexpr (sizeof(Scalar) <= sizeof(double)) {
    using Packed = typename kernel::Register<Scalar, DESCENT_BASELINE_BYTES>::Value;
    using InMemory = typename kernel::Register<Scalar, DESCENT_BASELINE_BYTES>::InMemory;
    constexpr Index side = DESCENT_BASELINE_BYTES / static_cast<Index>(sizeof(Scalar));
    for (; i + side <= rows; i += side) {
      Index j = 0;
      for (; j + side <= cols; j += side) {
        const auto in = [&](Index row) -> Packed {
          return *reinterpret_cast<const InMemory*>(from + (i + row) * from_stride + j);
        };
        const auto out = [&](Index col, const Packed& value) {
          *reinterpret_cast<InMemory*>(to + (j + col) * to_stride + i) = value;
        };
        if constexpr (side == 2) {
          const Packed a = in(0), b = in(1);
          out(0, __builtin_shufflevector(a, b, 0, 2));
          out(1, __builtin_shufflevector(a, b, 1, 3));
        } else {
          const Packed a = in(0), b = in(1), c = in(2), d = in(3);
          const Packed ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                       ab_end = __builtin_shufflevector(a, b, 2, 6, 3, 7);
          const Packed cd = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                       cd_end = __builtin_shufflevector(c, d, 2, 6, 3, 7);
          out(0, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
          out(1, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
          out(2, __builtin_shufflevector(ab_end, cd_end, 0, 1, 4, 5));
          out(3, __builtin_shufflevector(ab_end, cd_end, 2, 3, 6, 7));
        }
      }
      for (; j < cols; ++j)
        for (Index row = i; row < i + side; ++row) to[j * to_stride + row] = from[row * from_stride + j];
    }
  }
#endif
  for (; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

/// A buffer for a part of a tensor, run after run. If runs lie side by side, as in a matrix of the other storage order,
/// it is filled and written back across them, so that each cache line is loaded only once.
template <class Scalar>
struct Tile {
  static constexpr Index most_runs = 16, most_in_run = 128;

  std::array<Scalar, most_runs * most_in_run> elements;

  [[gnu::noinline]] void read(const Scalar* from, Index runs, Index in_run, Index outer_stride, Index inner_stride) {
    if (outer_stride == 1)
      copy_transposed(from, inner_stride, in_run, runs, elements.data(), in_run);
    else
      for (Index r = 0; r < runs; ++r)
        for (Index i = 0; i < in_run; ++i) elements[at(r, i, in_run)] = from[r * outer_stride + i * inner_stride];
  }
  [[gnu::noinline]] void write(Scalar* to, Index runs, Index in_run, Index outer_stride, Index inner_stride) {
    if (outer_stride == 1)
      copy_transposed(elements.data(), in_run, runs, in_run, to, inner_stride);
    else
      for (Index r = 0; r < runs; ++r)
        for (Index i = 0; i < in_run; ++i) to[r * outer_stride + i * inner_stride] = elements[at(r, i, in_run)];
  }

 private:
  static std::size_t at(Index run, Index i, Index in_run) { return static_cast<std::size_t>(run * in_run + i); }
};

/// x and g have the same shape; `arrays` is the tensor's own state, in the order given by row_major.
template <class Scalar, std::size_t state_count>
void sweep_strided(const kernel::Pass<Scalar, state_count>& pass, const View<Scalar>& x, const View<const Scalar>& g,
                   bool row_major, const kernel::Arrays<Scalar, state_count>& arrays) {
  const auto [inner, outer, x_inner, x_outer] = x.runs(row_major);
  const auto g_runs = g.runs(row_major);
  const auto arrays_from = [&](Index element) {
    kernel::Arrays<Scalar, state_count> from = arrays;
    for (Scalar*& array : from) array += element;
    return from;
  };
  if (x_inner == 1 && g_runs.inner_stride == 1) {
    for (Index run = 0; run < outer; ++run)
      pass(x.data + run * x_outer, g.data + run * g_runs.outer_stride, arrays_from(run * inner), inner);
    return;
  }
  using Tile = Tile<Scalar>;
  Tile x_tile, g_tile;
  for (Index run = 0; run < outer; run += Tile::most_runs)
    for (Index begin = 0; begin < inner; begin += Tile::most_in_run) {
      const Index runs = (std::min)(Tile::most_runs, outer - run);
      const Index in_run = (std::min)(Tile::most_in_run, inner - begin);
      Scalar* const x_part = x.data + run * x_outer + begin * x_inner;
      const Scalar* const g_part = g.data + run * g_runs.outer_stride + begin * g_runs.inner_stride;
      if (x_inner != 1) x_tile.read(x_part, runs, in_run, x_outer, x_inner);
      if (g_runs.inner_stride != 1) g_tile.read(g_part, runs, in_run, g_runs.outer_stride, g_runs.inner_stride);
      Scalar* const x_runs = x_inner != 1 ? x_tile.elements.data() : x_part;
      const Scalar* const g_begin = g_runs.inner_stride != 1 ? g_tile.elements.data() : g_part;
      const Index x_stride = x_inner != 1 ? in_run : x_outer,
                  g_stride = g_runs.inner_stride != 1 ? in_run : g_runs.outer_stride;
      if (in_run == inner && x_stride == inner && g_stride == inner)
        pass(x_runs, g_begin, arrays_from(run * inner), runs * inner);
      else
        for (Index r = 0; r < runs; ++r)
          pass(x_runs + r * x_stride, g_begin + r * g_stride, arrays_from((run + r) * inner + begin), in_run);
      if (x_inner != 1) x_tile.write(x_part, runs, in_run, x_outer, x_inner);
    }
}

/// Takes one tensor through the pass; see sweep_strided.
template <class Scalar, std::size_t state_count>
void sweep_view(const kernel::Pass<Scalar, state_count>& pass, const View<Scalar>& x, const View<const Scalar>& g,
                bool row_major, const kernel::Arrays<Scalar, state_count>& arrays) {
  if (x.runs(row_major).contiguous() && g.runs(row_major).contiguous()) [[likely]]
    pass(x.data, g.data, arrays, x.shape.size());
  else
    sweep_strided(pass, x, g, row_major, arrays);
}

/// Calls visit(data, stride, count, done) for each run, or part of one, among `count` elements of a tensor from number
/// `begin` on, in the order given by row_major; `done` is the number of elements before it.
template <class Scalar, class Visit>
void for_each_run(const View<Scalar>& tensor, bool row_major, Index begin, Index count, const Visit& visit) {
  const auto runs = tensor.runs(row_major);
  if (runs.contiguous()) return visit(tensor.data + begin, Index{1}, count, Index{0});
  Index run = begin / runs.inner, i = begin % runs.inner;
  for (Index done = 0; done < count; ++run, i = 0) {
    const Index in_run = (std::min)(runs.inner - i, count - done);
    visit(tensor.data + run * runs.outer_stride + i * runs.inner_stride, runs.inner_stride, in_run, done);
    done += in_run;
  }
}

/// Copies contiguous elements to those of a tensor from number `begin` on, in the order given by row_major.
template <class Scalar>
void assign_part(const View<Scalar>& to, bool row_major, Index begin, Index count, const Scalar* from) {
  for_each_run(to, row_major, begin, count, [&](Scalar* run, Index stride, Index in_run, Index done) {
    if (stride == 1)
      std::copy_n(from + done, in_run, run);
    else
      for (Index i = 0; i < in_run; ++i) run[i * stride] = from[done + i];
  });
}
template <class Scalar>
void assign(const View<Scalar>& to, const Scalar* from, bool row_major) {
  if (to.shape.size() > 0) assign_part(to, row_major, 0, to.shape.size(), from);
}

/// Copies `count` elements from number `begin` on, in the order given by row_major, to `to`.
template <class Scalar>
[[gnu::noinline]] void copy_part(const View<const Scalar>& from, bool row_major, Index begin, Index count, Scalar* to) {
  for_each_run(from, row_major, begin, count, [&](const Scalar* run, Index stride, Index in_run, Index done) {
    if (stride == 1)
      std::copy_n(run, in_run, to + done);
    else
      for (Index i = 0; i < in_run; ++i) to[done + i] = run[i * stride];
  });
}

/// Adds the sums of one tensor to `sums`; block by block, what is not contiguous is copied first.
template <class Scalar, std::size_t state_count, std::size_t count>
void sum_view(const kernel::NormPass<Scalar, state_count, count>& pass, const View<Scalar>& x,
              const View<const Scalar>& g, bool row_major, const kernel::Arrays<Scalar, state_count>& arrays,
              kernel::Sums<Scalar, count>& sums) {
  const Index n = x.shape.size();
  const bool contiguous = x.runs(row_major).contiguous() && g.runs(row_major).contiguous();
  pass([&](Index block, const auto& sum) {
    const auto begin = static_cast<Index>(block * kernel::norm_block);
    if (contiguous) return sum(x.data + begin, g.data + begin);
    const auto in_block = (std::min)(static_cast<Index>(kernel::norm_block), n - begin);
    std::array<Scalar, kernel::norm_block> x_part, g_part;
    copy_part<Scalar>(x, row_major, begin, in_block, x_part.data());
    copy_part<Scalar>(g, row_major, begin, in_block, g_part.data());
    sum(x_part.data(), g_part.data());
  }, n, arrays, sums);
}

/// Copies the elements to `to`, contiguously and in the order of `shape`; returns the end of the copy.
template <class Scalar>
Scalar* copy_elements(const View<const Scalar>& from, const Shape& shape, Scalar* to) {
  const auto runs = from.runs(shape.row_major);
  if (runs.contiguous()) return std::copy_n(from.data, shape.size(), to);
  for (Index run = 0; run < runs.outer; ++run)
    for (Index i = 0; i < runs.inner; ++i) *to++ = from.data[run * runs.outer_stride + i * runs.inner_stride];
  return to;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

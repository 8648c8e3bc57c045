// SPDX-License-Identifier: MIT
//
// Parameters that come and go: the state of a tensor follows the columns or rows that its owner removes, reorders or
// adds, as when points are pruned and split, or when a vocabulary grows.
//
//     const std::vector<int> kept = visible(points);     // numbers, in any order
//     points = points(Eigen::all, kept).eval();
//     adam.keep_columns(kept);
//     points.conservativeResize(Eigen::NoChange, points.cols() + 100);
//     adam.append_columns(100);
//
// An optional header that descent.hpp does not include.
//
//     keep_columns(columns, tensor = 0)    the columns with these numbers, each at most once, in this order; or a mask:
//     keep_rows(rows, tensor = 0)          as many bools as there are columns, true for those that stay
//     append_columns(count, tensor = 0)    so many columns behind the last, with the state that the rule has before its
//     append_rows(count, tensor = 0)       first step: zeros for most
//
// A vector is a matrix of one column, and a row vector one of one row. The state of all else, the counters, the
// hyperparameters and what is frozen stay. Before the first step there is no state, and nothing happens.
//
// The next step takes parameters of the new shape. Its bits are those of a run whose state had been like this; new
// columns have the bias corrections of the others.
//
// A rule's state may be made of all columns and rows of a matrix: that of Adafactor, where a matrix must then stay one.
// Nothing can be appended if state starts at the parameters (Average, EqualAverage, Lookahead, the schedule-free
// rules), and an optimizer of a fixed size keeps its size; both are said at compile time.
//
// Throws std::out_of_range for a column, row or tensor that does not exist, std::invalid_argument for one that is named
// twice, a mask of another length, a negative count or a matrix that is to become none, and std::bad_alloc or
// std::length_error if memory runs out; then nothing has changed. Both allocate memory for all of the new state.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/memory.hpp>
#include <descent/optimizer.hpp>
#include <descent/rule.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Which old column or row each new one is; `fresh` is none of them.
using Origins = std::vector<Index>;
inline constexpr Index fresh = -1;

/// Checks that all are in [0, count), none of them twice.
inline void require_distinct(const Origins& kept, bool rows, Index count) {
  std::vector<bool> seen(static_cast<std::size_t>(count));
  for (std::size_t at = 0; at < kept.size(); ++at) {
    const Index index = kept[at];
    if (index < 0 || index >= count)
      fail<std::out_of_range>({"descent: no ", rows ? "row " : "column ", index, " to keep; there are ", count,
                               ", and both they and the given ones, of which this is number ", at, ", count from 0"});
    if (seen[static_cast<std::size_t>(index)])
      fail<std::invalid_argument>({"descent: ", rows ? "row " : "column ", index,
                                   " is to be kept twice, the second time as number ", at,
                                   " of those given, counted from 0"});
    seen[static_cast<std::size_t>(index)] = true;
  }
}

/// Copies the columns that stay to their new places; those of a row-major matrix row by row.
template <class Scalar>
void copy_columns(const View<const Scalar>& from, const View<Scalar>& to, const Origins& origins) {
  const Index rows_at_once = to.shape.row_major ? 1 : to.shape.rows;
  for (Index row = 0; row < to.shape.rows; row += rows_at_once)
    for (std::size_t col = 0; col < origins.size(); ++col) {
      if (origins[col] == fresh) continue;
      const Scalar* source = from.data + row * from.row_stride + origins[col] * from.col_stride;
      Scalar* target = to.data + row * to.row_stride + static_cast<Index>(col) * to.col_stride;
      for (Index i = 0; i < rows_at_once; ++i) target[i * to.row_stride] = source[i * from.row_stride];
    }
}

template <class R, class Scalar, int Size>
struct Resize<Optimizer<R, Scalar, Size>> {
  static_assert(Size == Eigen::Dynamic, "descent: the parameters of an optimizer of a fixed size do not come and go");

  using O = Optimizer<R, Scalar, Size>;

  static void keep_columns(O& optimizer, const auto& columns, Index tensor) { keep(optimizer, false, columns, tensor); }
  static void keep_rows(O& optimizer, const auto& rows, Index tensor) { keep(optimizer, true, rows, tensor); }

  static void append_columns(O& optimizer, auto count, Index tensor) { append(optimizer, false, count, tensor); }
  static void append_rows(O& optimizer, auto count, Index tensor) { append(optimizer, true, count, tensor); }

 private:
  template <class Given>
  static void keep(O& optimizer, bool rows, const Given& given, Index tensor) {
    optimizer.require_tensor(tensor);
    if (optimizer.steps() == 0) return;
    const Index count = count_of(optimizer, rows, tensor);
    const auto length = static_cast<Index>(std::distance(std::begin(given), std::end(given)));
    Origins kept;
    kept.reserve(static_cast<std::size_t>(length));
    if constexpr (std::same_as<std::remove_cvref_t<decltype(*std::begin(given))>, bool>) {
      if (length != count)
        fail<std::invalid_argument>({"descent: a mask of ", length, " for ", count, rows ? " rows" : " columns"});
      Index index = 0;
      for (const bool stays : given) {
        if (stays) kept.push_back(index);
        ++index;
      }
    } else {
      for (const auto index : given) kept.push_back(static_cast<Index>(index));
      require_distinct(kept, rows, count);
    }
    rebuild(optimizer, rows, tensor, kept);
  }

  template <class Count>
  static void append(O& optimizer, bool rows, Count given, Index tensor) {
    static_assert(
        !StartsAtParameters<R>,
        "descent: the state of a rule that follows the parameters, such as an average or a schedule-free one, "
        "starts at them; nothing can be appended to it without them");
    optimizer.require_tensor(tensor);
    const auto count = static_cast<Index>(given);
    if (count < 0)
      fail<std::invalid_argument>({"descent: ", count, rows ? " rows" : " columns", " to append; it must be >= 0"});
    if (optimizer.steps() == 0) return;
    const Shape& shape = optimizer.memory_.shapes[tensor];
    const Index before = count_of(optimizer, rows, tensor), across = rows ? shape.cols : shape.rows;
    if (count > (std::numeric_limits<Index>::max)() / (std::max)(across, Index{1}) - before)
      fail<std::length_error>({"descent: ", count, rows ? " rows" : " columns", " are too many to append"});
    Origins origins(static_cast<std::size_t>(before + count), fresh);
    std::iota(origins.begin(), origins.begin() + before, Index{0});
    rebuild(optimizer, rows, tensor, origins);
  }

  static Index count_of(const O& optimizer, bool rows, Index tensor) {
    const Shape& shape = optimizer.memory_.shapes[tensor];
    return rows ? shape.rows : shape.cols;
  }

  /// Makes all of the state anew, and only then changes anything.
  static void rebuild(O& optimizer, bool rows, Index tensor, const Origins& origins) {
    auto& memory = optimizer.memory_;
    const Shape before = memory.shapes[tensor];
    Shape after = before;
    (rows ? after.rows : after.cols) = static_cast<Index>(origins.size());
    if (factors_state<R, Scalar>(before) != factors_state<R, Scalar>(after))
      fail<std::invalid_argument>({"descent: tensor ", tensor, " is ", to_text(before), " and cannot become ",
                                   to_text(after), ", because the state of a matrix differs from that of a vector"});

    std::remove_cvref_t<decltype(memory.state)> state;
    state.fill(optimizer.state_size() - state_size<R, Scalar>(before) + state_size<R, Scalar>(after),
               initial_state(optimizer.rule()));
    for (std::size_t slot = 0; slot < R::state_names.size(); ++slot) {
      const Scalar* from = std::as_const(memory.state).array(slot);
      Scalar* to = state.array(slot);
      for (Index i = 0; i < memory.shapes.size(); ++i) {
        const Index size = state_size<R, Scalar>(memory.shapes[i]);
        if (i == tensor)
          copy_state(from, before, to, after, rows, origins);
        else
          std::copy_n(from, size, to);
        from += size;
        to += i == tensor ? state_size<R, Scalar>(after) : size;
      }
    }
    memory.state = std::move(state);
    memory.shapes.reshape(tensor, after);
    memory.fast_path_size = -1;
  }

  static void copy_state(const Scalar* from, const Shape& before, Scalar* to, const Shape& after, bool rows,
                         const Origins& origins) {
    if (factors_state<R, Scalar>(before)) {  // one number for each row, and then one for each column
      const Index skipped = rows ? 0 : before.rows;
      copy_columns<Scalar>(contiguous_view(from + skipped, {1, 0, false}), contiguous_view(to + skipped, {1, 0, false}),
                           origins);
      if (rows)
        std::copy_n(from + before.rows, before.cols, to + after.rows);
      else
        std::copy_n(from, before.rows, to);
    } else if (rows) {
      copy_columns<Scalar>(transposed(contiguous_view(from, before)), transposed(contiguous_view(to, after)), origins);
    } else {
      copy_columns<Scalar>(contiguous_view(from, before), contiguous_view(to, after), origins);
    }
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

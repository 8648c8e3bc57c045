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
// An optional header that descent.hpp does not include. An AnyOptimizer does not need it.
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
// rules), and an optimizer of a fixed size keeps its size; both are said at compile time, or by std::invalid_argument.
//
// Throws std::out_of_range for a column, row or tensor that does not exist, std::invalid_argument for one that is named
// twice, a mask of another length, a negative count or a matrix that is to become none, and std::bad_alloc or
// std::length_error if memory runs out; then nothing has changed. Both allocate memory for all of the new state.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/indices.hpp>
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

inline Index count_of(const Shape& shape, bool rows) { return rows ? shape.rows : shape.cols; }

/// Those of the columns or rows that stay. Checks that each exists, and is named once.
inline Origins origins_of(Kept kept, const Shape& shape, bool rows) {
  const Index count = count_of(shape, rows);
  if (kept.mask_length >= 0 && kept.mask_length != count)
    fail<std::invalid_argument>({"descent: a mask of ", kept.mask_length, " for ", count, rows ? " rows" : " columns"});
  std::vector<bool> seen(static_cast<std::size_t>(count));
  for (std::size_t at = 0; at < kept.numbers.size(); ++at) {
    const Index index = kept.numbers[at];
    if (index < 0 || index >= count)
      fail<std::out_of_range>({"descent: no ", rows ? "row " : "column ", index, " to keep; there are ", count,
                               ", and both they and the given ones, of which this is number ", at, ", count from 0"});
    if (seen[static_cast<std::size_t>(index)])
      fail<std::invalid_argument>({"descent: ", rows ? "row " : "column ", index,
                                   " is to be kept twice, the second time as number ", at,
                                   " of those given, counted from 0"});
    seen[static_cast<std::size_t>(index)] = true;
  }
  return std::move(kept.numbers);
}

inline void require_append(Index count, bool rows) {
  if (count < 0)
    fail<std::invalid_argument>({"descent: ", count, rows ? " rows" : " columns", " to append; it must be >= 0"});
}
/// Those of all that there are, and of as many new ones behind the last.
inline Origins origins_with(Index count, const Shape& shape, bool rows) {
  const Index before = count_of(shape, rows), across = count_of(shape, !rows);
  if (count > (std::numeric_limits<Index>::max)() / (std::max)(across, Index{1}) - before)
    fail<std::length_error>({"descent: ", count, rows ? " rows" : " columns", " are too many to append"});
  Origins origins(static_cast<std::size_t>(before + count), fresh);
  std::iota(origins.begin(), origins.begin() + before, Index{0});
  return origins;
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

template <class R, class Scalar>
void copy_state(const Scalar* from, const Shape& before, Scalar* to, const Shape& after, bool rows,
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

/// A change of the columns, or rows, of one tensor.
template <class Scalar>
struct Reshaping {
  const TensorShapes<Scalar, Eigen::Dynamic>& shapes;
  Index tensor;
  bool rows;
  const Origins& origins;

  Shape before() const { return shapes[tensor]; }
  Shape after() const {
    Shape after = before();
    (rows ? after.rows : after.cols) = static_cast<Index>(origins.size());
    return after;
  }

  /// A rule's state of all tensors, made anew.
  template <class R>
  auto state_of(const R& rule, const StateArrays<Scalar, R::state_names.size(), Eigen::Dynamic>& state) const {
    if (factors_state<R, Scalar>(before()) != factors_state<R, Scalar>(after()))
      fail<std::invalid_argument>({"descent: tensor ", tensor, " is ", to_text(before()), " and cannot become ",
                                   to_text(after()), ", because the state of a matrix differs from that of a vector"});
    const auto size_after = [this](Index i) { return state_size<R, Scalar>(i == tensor ? after() : shapes[i]); };
    Index size = 0;
    for (Index i = 0; i < shapes.size(); ++i) size += size_after(i);
    StateArrays<Scalar, R::state_names.size(), Eigen::Dynamic> made;
    made.fill(size, initial_state_of(rule));
    for (std::size_t slot = 0; slot < R::state_names.size(); ++slot) {
      const Scalar* from = state.array(slot);
      Scalar* to = made.array(slot);
      for (Index i = 0; i < shapes.size(); to += size_after(i++)) {
        if (i == tensor)
          copy_state<R>(from, before(), to, after(), rows, origins);
        else
          std::copy_n(from, size_after(i), to);
        from += state_size<R, Scalar>(shapes[i]);
      }
    }
    return made;
  }
};

/// Why nothing can be appended with rules that are chosen at run time: what Resize says, where only literals can stand.
inline constexpr const char* nothing_can_be_appended =
    "descent: the state of a rule that follows the parameters, such as an average or a schedule-free one, starts at "
    "them; nothing can be appended to it without them";

template <class R, class Scalar, int Size>
struct Resize<Optimizer<R, Scalar, Size>> {
  static_assert(Size == Eigen::Dynamic, "descent: the parameters of an optimizer of a fixed size do not come and go");

  using O = Optimizer<R, Scalar, Size>;

  static void keep_columns(O& optimizer, const auto& columns, Index tensor) {
    keep(optimizer, false, kept_of(columns), tensor);
  }
  static void keep_rows(O& optimizer, const auto& rows, Index tensor) { keep(optimizer, true, kept_of(rows), tensor); }
  static void append_columns(O& optimizer, auto count, Index tensor) {
    append(optimizer, false, static_cast<Index>(count), tensor);
  }
  static void append_rows(O& optimizer, auto count, Index tensor) {
    append(optimizer, true, static_cast<Index>(count), tensor);
  }

  static void keep(O& optimizer, bool rows, Kept kept, Index tensor) {
    optimizer.require_tensor(tensor);
    if (optimizer.steps() > 0)
      rebuild(optimizer, rows, tensor, origins_of(std::move(kept), optimizer.memory_.shapes[tensor], rows));
  }
  static void append(O& optimizer, bool rows, Index count, Index tensor) {
    static_assert(
        !StartsAtParameters<R>,
        "descent: the state of a rule that follows the parameters, such as an average or a schedule-free one, "
        "starts at them; nothing can be appended to it without them");
    optimizer.require_tensor(tensor);
    require_append(count, rows);
    if (optimizer.steps() > 0)
      rebuild(optimizer, rows, tensor, origins_with(count, optimizer.memory_.shapes[tensor], rows));
  }

 private:
  /// Makes all of the state anew, and only then changes anything.
  static void rebuild(O& optimizer, bool rows, Index tensor, const Origins& origins) {
    auto& memory = optimizer.memory_;
    const Reshaping<Scalar> change{memory.shapes, tensor, rows, origins};
    memory.state = change.state_of(optimizer.rule(), memory.state);
    memory.shapes.reshape(tensor, change.after());
    memory.fast_path_size = -1;
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

// SPDX-License-Identifier: MIT
//
// Sparse steps: `optimizer.step_columns(params, columns, gradient)` and `step_rows` step the columns or rows that they
// name, `step_sparse(params, gradient)` the elements that an Eigen::SparseMatrix or SparseVector stores. All else is
// not even read, which is what embeddings and other large tables need:
//
//     Eigen::MatrixXf table(32, 60'000), gradient(32, words.size());
//     adam.step_columns(table, words, gradient);  // gradient.col(k) belongs to table.col(words[k])
//
// An optional header that descent.hpp does not include. An AnyOptimizer does not need it.
//
//     step_columns    params rows x cols, gradient rows x k, columns: k integers in [0, cols)
//     step_rows       params rows x cols, gradient k x cols, rows: k integers in [0, rows)
//     step_sparse     gradient rows x cols, compressed or not; stored zeros count as elements
//
// Parameters and gradient are one tensor each, of any layout; columns of a column-major matrix and rows of a row-major
// one are fast (bench: "sparse steps").
//
// A parameter that is named gets the bits of a usual step, number t = steps() + 1 of the optimizer, with the same
// gradient. One that is not keeps its bits, and so does its state:
//
//   - All parameters share the counter, and with it bias corrections, whenever they were last touched. Dense and sparse
//     steps may take turns. (PyTorch: SparseAdam, which is Adam with epsilon_placement hat)
//   - Moments do not decay, momentum does not move, weight decay and the other links of a chain do not act where there
//     is no gradient. With SGD and AdaGrad, also behind GradientScale or ClipValue, that is no difference: a zero
//     gradient changes no bit there. With Ftrl without l2_shrinkage it changes what is rounded, with all other rules
//     more.
//   - At every 32nd step, tiny state becomes 0 where it is touched.
//   - Gradients for the same column, row or element are added in the order in which they are given, and then stepped
//     once.
//   - Frozen tensors, tensors with their own hyperparameters, and NonFinite are as in `step`, also if gradients are
//     finite and their sum is not. Threads are not used.
//
// Throws std::out_of_range for an index that does not exist, and otherwise like `step`; whenever it throws, nothing has
// changed. The first step allocates the state of all parameters. What a step needs besides is kept, in powers of two: a
// later step allocates only if it names more than all before it, and seldom then.
//
// Three kinds of rules take no sparse steps, and say so at compile time (an AnyOptimizer by std::invalid_argument):
// those with norms of tensors (ClipNorm, ClipTensorNorm, TrustRatio, LAMB, LARS), those that step matrices as a whole
// (Muon, Adafactor), and those that follow the parameters at every step (Average, EqualAverage, Lookahead, the
// schedule-free ones). So do optimizers of a fixed size.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/finite_gradient.hpp>
#include <descent/indices.hpp>
#include <descent/kernel/mean.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/memory.hpp>
#include <descent/optimizer.hpp>
#include <descent/rule.hpp>
#include <descent/strided.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_no_index(const char* what, Index index, Index at, Index count) {
  fail<std::out_of_range>({"descent: no ", what, " ", index, "; the parameters have ", count,
                           ", and both they and the given ones, of which this is number ", at, ", count from 0"});
}

// ---- The pass over what is named -----------------------------------------------------------------

/// The slices of a sparse step: where each begins, how long each is, and how far apart its elements lie. Those of a
/// slice of the gradient are contiguous.
struct Slices {
  Slice* first;
  Index count;
  Index length, x_stride, state_stride;
};

/// Elements that are not contiguous, copied to where they are.
template <class Scalar, std::size_t state_count>
struct GatheredElements {
  static constexpr std::size_t most = 256;

  std::size_t count = 0;
  std::array<Index, most> x_at, state_at;
  std::array<Scalar, most> x, g;
  std::array<std::array<Scalar, most>, state_count> state;

  void add(Index its_x, Index its_state, Scalar its_g) {
    x_at[count] = its_x;
    state_at[count] = its_state;
    g[count++] = its_g;
  }
  void step(const kernel::Pass<Scalar, state_count>& pass, Scalar* params,
            const kernel::Arrays<Scalar, state_count>& arrays) {
    kernel::Arrays<Scalar, state_count> gathered{};
    for (std::size_t i = 0; i < count; ++i) x[i] = params[x_at[i]];
    for (std::size_t slot = 0; slot < state_count; ++slot) {
      gathered[slot] = state[slot].data();
      for (std::size_t i = 0; i < count; ++i) state[slot][i] = arrays[slot][state_at[i]];
    }
    pass(x.data(), g.data(), gathered, static_cast<std::ptrdiff_t>(count));
    for (std::size_t i = 0; i < count; ++i) params[x_at[i]] = x[i];
    for (std::size_t slot = 0; slot < state_count; ++slot)
      for (std::size_t i = 0; i < count; ++i) arrays[slot][state_at[i]] = state[slot][i];
    count = 0;
  }
};

template <class Scalar, std::size_t state_count>
[[gnu::noinline]] void sweep_elements(const kernel::Pass<Scalar, state_count>& pass, const Slices& slices, Scalar* x,
                                      const Scalar* g, const kernel::Arrays<Scalar, state_count>& arrays) {
  GatheredElements<Scalar, state_count> elements;
  for (const Slice* slice = slices.first; slice != slices.first + slices.count; ++slice)
    for (Index i = 0; i < slices.length; ++i) {
      elements.add(slice->x + i * slices.x_stride, slice->state + i * slices.state_stride, g[slice->gradient + i]);
      if (elements.count == elements.most) elements.step(pass, x, arrays);
    }
  elements.step(pass, x, arrays);
}

/// Slices lie anywhere in memory, so those that come next are fetched ahead: their beginnings, on which the processor
/// goes on by itself. (bench: "sparse steps")
template <class Scalar, std::size_t state_count>
[[gnu::noinline]] void sweep_slices(const kernel::Pass<Scalar, state_count>& pass, const Slices& slices, Scalar* x,
                                    const Scalar* g, const kernel::Arrays<Scalar, state_count>& arrays) {
  constexpr Index ahead = 6, line = static_cast<Index>(cache_line / sizeof(Scalar));
  const Index fetched = (std::min)(slices.length, 4 * line);
  for (Index k = 0; k < slices.count; ++k) {
    const Slice& slice = slices.first[k];
    if (k + ahead < slices.count) {
      const Slice& next = slices.first[k + ahead];
      for (Index i = 0; i < fetched; i += line) {
        __builtin_prefetch(x + next.x + i, 1);
        for (Scalar* const array : arrays) __builtin_prefetch(array + next.state + i, 1);
      }
    }
    kernel::Arrays<Scalar, state_count> its_arrays = arrays;
    for (Scalar*& array : its_arrays) array += slice.state;
    pass(x + slice.x, g + slice.gradient, its_arrays, slices.length);
  }
}

// ---- Duplicates ----------------------------------------------------------------------------------

/// Leaves the first slice of each place, and calls add(first, k) for each other one, number k, in order. `table` is a
/// hash table of the slices that stay; its size is a power of two and at least twice their number.
template <class Add>
void merge_duplicates(Slices& slices, Index* table, std::size_t table_size, const Add& add) {
  std::fill_n(table, table_size, Index{-1});
  const int shift = 64 - std::countr_zero(table_size);
  Index kept = 0;
  for (Index k = 0; k < slices.count; ++k) {
    const Index place = slices.first[k].state;
    std::size_t at = static_cast<std::uint64_t>(place) * 0x9E37'79B9'7F4A'7C15 >> shift;
    while (table[at] >= 0 && slices.first[table[at]].state != place) at = (at + 1) & (table_size - 1);
    if (table[at] >= 0) {
      add(slices.first[table[at]], k);
    } else {
      table[at] = kept;
      slices.first[kept++] = slices.first[k];
    }
  }
  slices.count = kept;
}

// ---- The step ------------------------------------------------------------------------------------

/// Finds the slices that are named. Returns whether each lies behind the one before it, so that none occurs twice.
template <class Scalar>
bool place_slices(Slices& slices, const SparseArguments<Scalar>& given, const Shape& so_far, Index g_stride) {
  const Named named = given.named;
  const Index* const indices = given.indices;
  View<Scalar> x = given.params;
  View<Scalar> state = contiguous_view<Scalar>(nullptr, {x.shape.rows, x.shape.cols, so_far.row_major});
  if (named == Named::rows) {
    x = transposed(x);
    state = transposed(state);
  }
  const Shape& shape = x.shape;
  Index last = -1;
  bool increasing = true;
  for (Index k = 0; k < slices.count; ++k) {
    const Index row = named == Named::elements ? indices[2 * k] : 0;
    const Index col = named == Named::elements ? indices[2 * k + 1] : indices[k];
    if (row < 0 || (named == Named::elements && row >= shape.rows)) [[unlikely]]
      fail_no_index("row", row, k, shape.rows);
    if (col < 0 || col >= shape.cols) [[unlikely]]
      fail_no_index(named == Named::rows ? "row" : "column", col, k, shape.cols);
    slices.first[k] = {row * x.row_stride + col * x.col_stride, row * state.row_stride + col * state.col_stride,
                       k * g_stride};
    increasing = increasing && slices.first[k].state > last;
    last = slices.first[k].state;
  }
  if (named != Named::elements) {
    slices.length = shape.rows;
    slices.x_stride = x.row_stride;
    slices.state_stride = state.row_stride;
  }
  return increasing;
}

/// Adds gradients of the same slice to the first of them, in the copy that copy_gradient makes. Returns whether there
/// were any.
template <class Scalar, class CopyGradient>
bool add_duplicates(Slices& slices, auto& sparse, const CopyGradient& copy_gradient) {
  const Index table_size = capacity(2 * slices.count);
  Index* const table = sparse.table.of(table_size);
  const kernel::Add add;
  const kernel::Pass<Scalar, 0> adding(add, 1, nullptr);
  bool found = false;
  merge_duplicates(slices, table, static_cast<std::size_t>(table_size), [&](const Slice& first, Index k) {
    Scalar* const sums = copy_gradient();
    adding(sums + first.gradient, sums + k * slices.length, {}, slices.length);
    found = true;
  });
  return found;
}

/// A sparse step of an optimizer of any kind: all but its pass. `its` has
///
///     validate()                         what a step checks first
///     steps(), shapes(), remember(views)
///     accepts(gradient, positions)       as detail::accepts; `positions` is described in finite_gradient.hpp
///     overlaps_state(addresses)
///     pass(params, slices, g)            steps what is named, and counts
template <class Scalar, class Its>
[[gnu::noinline]] void take_sparse_step(const Its& its, const SparseArguments<Scalar>& given) {
  const View<Scalar>& params = given.params;
  const Views<Scalar> all{&params, 1};
  const Index count = given.count;
  const Index* const positions = given.named == Named::elements ? given.indices : nullptr;
  const auto by_slices = [&](const auto& view) { return given.named == Named::rows ? transposed(view) : view; };
  auto& shapes = its.shapes();

  its.validate();
  if (its.steps() > 0) require_shapes(all, shapes);
  require_sparse_gradient(given.gradient.shape, params.shape, given.named, count);
  View<const Scalar> g = by_slices(given.gradient);
  Slices slices{shapes.sparse().slices.of(capacity(count)), count, 1, 1, 1};
  const bool increasing = place_slices(slices, given, its.steps() > 0 ? shapes[0] : params.shape, g.col_stride);
  if (its.steps() == 0) its.remember(all);
  if (!its.accepts(given.gradient, positions)) return;

  Scalar* copy = nullptr;
  const auto copy_gradient = [&] {
    if (copy != nullptr) return copy;
    shapes.with_work(capacity(g.shape.size()), [&](Scalar* work) { copy = work; });
    const Shape shape{g.shape.rows, g.shape.cols, false};
    copy_elements(g, shape, copy);
    g = contiguous_view<const Scalar>(copy, shape);
    for (Index k = 0; k < count; ++k) slices.first[k].gradient = k * slices.length;
    return copy;
  };
  const AddressRange reading = address_range_of(given.gradient);
  if ((slices.length > 1 && g.row_stride != 1) || reading.overlaps(address_range_of(params)) ||
      its.overlaps_state(reading))
    copy_gradient();
  if (!increasing && add_duplicates<Scalar>(slices, shapes.sparse(), copy_gradient) &&
      !its.accepts(by_slices(g), positions))
    return;
  its.pass(params, slices, g.data);
}

/// Why rules that are chosen at run time take no sparse steps: what SparseStep says, where only literals can stand.
inline constexpr const char* no_sparse_steps_with_norms =
    "descent: a rule with norms of tensors takes no sparse steps, because they are norms of all elements";
inline constexpr const char* no_sparse_steps_of_matrices =
    "descent: a rule that steps matrices as a whole takes no sparse steps";
inline constexpr const char* no_sparse_steps_from_parameters =
    "descent: a rule that follows the parameters at every step, such as an average or a schedule-free one, takes no "
    "sparse steps";

template <class R, class Scalar, int Size>
struct SparseStep<Optimizer<R, Scalar, Size>> {
  static_assert(Size == Eigen::Dynamic, "descent: an optimizer of a fixed size takes no sparse steps");
  static_assert(norm_link_count<R> == 0,
                "descent: a rule with norms of tensors takes no sparse steps, because they are norms of all elements");
  static_assert(!StepsWhole<R>, "descent: a rule that steps matrices as a whole takes no sparse steps");
  static_assert(!StartsAtParameters<R>,
                "descent: a rule that follows the parameters at every step, such as an average or a schedule-free one, "
                "takes no sparse steps");

  using O = Optimizer<R, Scalar, Size>;
  static constexpr std::size_t state_count = R::state_names.size();

  static void columns(O& optimizer, auto& params, const auto& columns, const auto& gradient) {
    with_sparse_arguments<Scalar>(params, Named::columns, columns, gradient, optimizer.memory_.shapes,
                                  [&](const auto& arguments) { step(optimizer, arguments); });
  }
  static void rows(O& optimizer, auto& params, const auto& rows, const auto& gradient) {
    with_sparse_arguments<Scalar>(params, Named::rows, rows, gradient, optimizer.memory_.shapes,
                                  [&](const auto& arguments) { step(optimizer, arguments); });
  }
  static void elements(O& optimizer, auto& params, const auto& gradient) {
    with_sparse_arguments<Scalar>(params, gradient, optimizer.memory_.shapes,
                                  [&](const auto& arguments) { step(optimizer, arguments); });
  }
  static void step(O& optimizer, const SparseArguments<Scalar>& arguments) {
    take_sparse_step(SparseStep{optimizer}, arguments);
  }

  // For take_sparse_step.

  void validate() const {
    optimizer.validate_all();
    optimizer.validated_ = optimizer.rule();
    optimizer.require_own_tensors(1);
  }
  std::int64_t steps() const { return optimizer.steps(); }
  auto& shapes() const { return optimizer.memory_.shapes; }
  void remember(Views<Scalar> params) const { optimizer.remember(params); }
  bool accepts(const View<const Scalar>& gradient, const Index* positions) const {
    return optimizer.settings_.nonfinite == NonFinite::propagate || optimizer.all_accepted({&gradient, 1}, positions);
  }
  bool overlaps_state(const AddressRange& reading) const {
    return reading.overlaps(optimizer.memory_.state.address_range());
  }
  void pass(const View<Scalar>& params, const Slices& slices, const Scalar* g) const {
    auto& memory = optimizer.memory_;
    memory.skips.in_a_row = 0;
    const StepCounter<R> counter = memory.counter.next(optimizer.rule());
    if (OwnTensor<R>* const own = optimizer.own_.find(0); own == nullptr || !own->frozen) {
      const R& its_rule = optimizer.rule_of(own);
      if (own != nullptr) own->counter = own->counter.next(its_rule);
      with_pass<Scalar>(its_rule, own != nullptr ? own->counter : counter, 1, [&](const auto& pass) {
        // A run of fewer elements takes longer by itself than together with others.
        const bool long_runs = slices.x_stride == 1 && slices.state_stride == 1 && slices.length >= 8;
        (long_runs ? sweep_slices<Scalar, state_count> : sweep_elements<Scalar, state_count>)(pass, slices, params.data,
                                                                                              g, optimizer.arrays());
      }, facts_of<R>(params.shape.size(), params.shape.layout()));
    }
    memory.counter.advance_to(counter);
  }

  O& optimizer;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

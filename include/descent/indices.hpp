// SPDX-License-Identifier: MIT
//
// Columns, rows and elements that are named by their numbers: what sparse steps (sparse.hpp) and changes of shape
// (resize.hpp) are given, in plain types.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <class Range>
Index length_of(const Range& given) {
  return static_cast<Index>(std::distance(std::begin(given), std::end(given)));
}
template <class Range>
inline constexpr bool is_mask =
    std::same_as<std::remove_cvref_t<decltype(*std::begin(std::declval<const Range&>()))>, bool>;

// ---- Sparse steps --------------------------------------------------------------------------------

/// What the indices of a sparse gradient number. Of an element there are two, its row and its column.
enum class Named { columns, rows, elements };

/// `indices` has `count` numbers of columns or rows, or as many pairs of the row and the column of an element, whose
/// gradients are a row.
template <class Scalar>
struct SparseArguments {
  View<Scalar> params;
  Named named;
  const Index* indices;
  Index count;
  View<const Scalar> gradient;
};

/// Steps rarely need the same amount of memory: the power of two at or above the count.
inline Index capacity(Index count) {
  Index capacity = 1;
  while (capacity < count) capacity *= 2;
  return capacity;
}

inline void require_sparse_gradient(const Shape& gradient, const Shape& params, Named named, Index count) {
  const Shape expected = named == Named::columns ? Shape{params.rows, count}
                         : named == Named::rows  ? Shape{count, params.cols}
                                                 : Shape{1, count};
  if (gradient != expected) [[unlikely]]
    fail<std::invalid_argument>({"descent: the gradient is ", to_text(gradient), ", but for ", count,
                                 named == Named::columns ? " columns" : " rows", " of parameters that are ",
                                 to_text(params), " it must be ", to_text(expected)});
}

template <class Scalar, class Kept>
Scalar* copy_memory(Kept& kept, Index n) {
  Scalar* memory = nullptr;
  kept.with_copy(capacity(n), [&](Scalar* copy) { memory = copy; });
  return memory;
}

/// Calls take(arguments) with those of step_columns or step_rows. What they need besides is in `kept` memory.
template <class Scalar, class Params, class Given, class G, class Kept, class Take>
void with_sparse_arguments(Params& params, Named named, const Given& given, const G& gradient, Kept& kept,
                           const Take& take) {
  static_assert(!is_mask<Given>, "descent: columns and rows are numbers, not a mask");
  const Index count = length_of(given);
  Index* const indices = kept.indices(capacity(count));
  std::transform(std::begin(given), std::end(given), indices, [](auto index) { return static_cast<Index>(index); });
  if constexpr (in_memory<G>) {
    take(SparseArguments<Scalar>{view_of(params), named, indices, count, view_of(gradient)});
  } else {
    View<const Scalar> view = contiguous_view<const Scalar>(nullptr, shape_of(gradient));
    require_sparse_gradient(view.shape, shape_of(params), named, count);
    evaluate(gradient, &view, copy_memory<Scalar>(kept, view.shape.size()));
    take(SparseArguments<Scalar>{view_of(params), named, indices, count, view});
  }
}

/// The same with those of step_sparse.
template <class Scalar, class Params, SparseTensor G, class Kept, class Take>
void with_sparse_arguments(Params& params, const G& gradient, Kept& kept, const Take& take) {
  const Shape shape = shape_of(params);
  if (const Shape its{gradient.rows(), gradient.cols()}; its != shape) fail_gradient_shape(its, shape, 0, 1);
  const auto count = static_cast<Index>(gradient.nonZeros());
  Index* const indices = kept.indices(capacity(2 * count));
  const Scalar* values = gradient.valuePtr();
  Scalar* const copy = gradient.isCompressed() ? nullptr : copy_memory<Scalar>(kept, count);
  Index at = 0;
  const auto add_run = [&](Index outer, Index begin, Index end) {
    for (Index i = begin; i < end; ++i, ++at) {
      const auto inner = static_cast<Index>(gradient.innerIndexPtr()[i]);
      indices[2 * at] = G::IsRowMajor ? outer : inner;
      indices[2 * at + 1] = G::IsRowMajor ? inner : outer;
      if (copy != nullptr) copy[at] = values[i];
    }
  };
  if (const auto* const begins = gradient.outerIndexPtr(); begins == nullptr) {
    add_run(0, 0, count);
  } else {
    if (copy == nullptr) values += begins[0];  // of a Map or of some columns
    for (Index outer = 0; outer < gradient.outerSize(); ++outer)
      add_run(outer, begins[outer],
              copy == nullptr ? begins[outer + 1] : begins[outer] + gradient.innerNonZeroPtr()[outer]);
  }
  take(SparseArguments<Scalar>{view_of(params), Named::elements, indices, count,
                               contiguous_view(copy == nullptr ? values : copy, {1, count, false})});
}

// ---- Changes of shape ----------------------------------------------------------------------------

/// Which columns or rows stay, in order, and the length of the mask if one is given; else -1.
struct Kept {
  std::vector<Index> numbers;
  Index mask_length = -1;
};

template <class Given>
Kept kept_of(const Given& given) {
  Kept kept;
  const Index length = length_of(given);
  kept.numbers.reserve(static_cast<std::size_t>(length));
  if constexpr (is_mask<Given>) {
    kept.mask_length = length;
    Index index = 0;
    for (const bool stays : given) {
      if (stays) kept.numbers.push_back(index);
      ++index;
    }
  } else {
    for (const auto index : given) kept.numbers.push_back(static_cast<Index>(index));
  }
  return kept;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

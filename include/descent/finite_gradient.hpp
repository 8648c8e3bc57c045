// SPDX-License-Identifier: MIT
//
// How a step finds out whether a gradient contains an infinity or a NaN, and where.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <type_traits>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/kernel/pack.hpp>
#include <descent/settings.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Whether no number, or no square of a number, is an infinity or a NaN: only for those is 0 times the number not 0.
template <bool squared, class Scalar>
[[gnu::noinline]] bool all_finite(const Scalar* numbers, Index n) {
#if defined(DESCENT_BASELINE_BYTES)
  using Pack = kernel::Pack<Scalar, std::is_same_v<Scalar, long double> ? 0 : DESCENT_BASELINE_BYTES>;
#else
  using Pack = kernel::Pack<Scalar, 0>;
#endif
  constexpr Index lanes = Pack::lanes;
  const auto zero_of = [](const auto& number) __attribute__((always_inline)) {
    using Number = std::remove_cvref_t<decltype(number)>;
    if constexpr (squared)
      return Number(Scalar(0)) * (number * number);
    else
      return Number(Scalar(0)) * number;
  };
  const Pack zero = Scalar(0);
  Pack a = zero, b = zero, c = zero, d = zero;  // four sums, none of which waits for another
  Index i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = a + zero_of(Pack::load(numbers + i));
    b = b + zero_of(Pack::load(numbers + i + lanes));
    c = c + zero_of(Pack::load(numbers + i + 2 * lanes));
    d = d + zero_of(Pack::load(numbers + i + 3 * lanes));
  }
  std::array<Scalar, lanes> sums;
  (a + b + (c + d)).store(sums.data());
  Scalar sum = 0;
  for (const Scalar lane : sums) sum += lane;
  for (; i < n; ++i) sum += zero_of(numbers[i]);
  return sum == 0;
}

template <bool squared, class Scalar>
bool all_finite(const View<const Scalar>& tensor) {
  const auto runs = tensor.runs(tensor.shape.row_major);
  for (Index run = 0; run < runs.outer; ++run) {
    const Scalar* const begin = tensor.data + run * runs.outer_stride;
    if (runs.inner_stride == 1) {
      if (!all_finite<squared>(begin, runs.inner)) return false;
    } else {
      for (Index i = 0; i < runs.inner; ++i)
        if (!all_finite<squared>(begin + i * runs.inner_stride, 1)) return false;
    }
  }
  return true;
}

/// An element of a gradient that is not finite, or whose square is not.
template <class Scalar>
struct NotFinite {
  bool overflows;  ///< it is the square
  Text place;
  Scalar value;
};

/// Throws std::domain_error for a gradient with such an element.
template <class Scalar>
[[noreturn, gnu::cold, gnu::noinline]] void fail_not_finite(const NotFinite<Scalar>& element, Index tensor, Index count,
                                                            std::int64_t skipped_in_a_row) {
  Text what{"descent: the gradient", place(tensor, count)};
  if (skipped_in_a_row > 0) what.add({", after ", skipped_in_a_row, " skipped steps in a row,"});
  if (!element.overflows) fail<std::domain_error>({what, " is not finite: ", element.place, " is ", element.value});
  fail<std::domain_error>({what, " is too large: the square of ", element.place, " is inf; it is ", element.value});
}

/// The same for the first such element. If the gradient is a row of elements of a sparse matrix, `positions` has the
/// row and the column of each.
template <class Scalar>
[[noreturn, gnu::cold, gnu::noinline]] void fail_not_finite(const View<const Scalar>& gradient, Index tensor,
                                                            Index count, std::int64_t skipped_in_a_row,
                                                            const Index* positions = nullptr) {
  for (const bool overflows : {false, true})  // first look for numbers that are not finite
    for (Index col = 0; col < gradient.shape.cols; ++col)
      for (Index row = 0; row < gradient.shape.rows; ++row) {
        const Scalar g = gradient.data[row * gradient.row_stride + col * gradient.col_stride];
        if (std::isfinite(overflows ? g * g : g)) continue;
        const Text where =
            positions == nullptr ? to_text(row, col) : to_text(positions[2 * col], positions[2 * col + 1]);
        fail_not_finite(NotFinite<Scalar>{overflows, where, g}, tensor, count, skipped_in_a_row);
      }
  std::abort();
}

/// The steps that were skipped because of their gradient.
struct Skips {
  std::int64_t total = 0;
  std::int64_t in_a_row = 0;  ///< since the last step that was taken

  bool allow_one(const Settings& settings) const {
    return settings.nonfinite == NonFinite::skip && in_a_row < settings.most_in_a_row;
  }
  void add_one() {
    ++total;
    ++in_a_row;
  }
};

/// Whether the gradient of tensors that are not frozen is accepted. If it is not, the step is skipped and counted, or
/// an error is thrown.
template <bool squared, class Scalar, class IsFrozen>
bool accepts(Views<const Scalar> gradient, const IsFrozen& is_frozen, const Settings& settings, Skips& skips,
             const Index* positions = nullptr) {
  for (Index i = 0; i < gradient.count; ++i) {
    if (is_frozen(i) || all_finite<squared>(gradient[i])) continue;
    if (!skips.allow_one(settings)) fail_not_finite(gradient[i], i, gradient.count, skips.in_a_row, positions);
    skips.add_one();
    return false;
  }
  return true;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

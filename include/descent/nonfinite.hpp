// SPDX-License-Identifier: MIT
//
// What a step does with a gradient that contains an infinity or a NaN, and how it finds one.
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
#include <descent/tensors.hpp>

namespace descent {

/// The policies of Optimizer::set_nonfinite. The last two read the gradient once more before the step.
/// (bench: "gradients that are checked")
///
///     propagate   the step is taken: IEEE arithmetic carries the NaN into parameters and state
///     reject      std::domain_error is thrown, naming the first such element, and nothing has changed
///     skip        the step is skipped and counted; after most_in_a_row of them in a row, as with `reject`
///
/// With the last two, rules that square their gradient also refuse one whose square overflows, from 1.9e19 on in float
/// and 1.4e154 in double: their state would stay infinite for good, and their steps would be 0.
enum class NonFinite : std::uint8_t { propagate, reject, skip };

namespace detail {
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

/// Throws std::domain_error for a gradient that is not finite, or whose square is not. If it is a row of elements of a
/// sparse matrix, `positions` has the row and the column of each.
template <class Scalar>
[[noreturn, gnu::cold, gnu::noinline]] void fail_not_finite(const View<const Scalar>& gradient, Index tensor,
                                                            Index count, std::int64_t skipped_in_a_row,
                                                            const Index* positions = nullptr) {
  Text what{"descent: the gradient", place(tensor, count)};
  if (skipped_in_a_row > 0) what.add({", after ", skipped_in_a_row, " skipped steps in a row,"});
  for (const bool overflows : {false, true})  // first look for numbers that are not finite
    for (Index col = 0; col < gradient.shape.cols; ++col)
      for (Index row = 0; row < gradient.shape.rows; ++row) {
        const Scalar g = gradient.data[row * gradient.row_stride + col * gradient.col_stride];
        if (std::isfinite(overflows ? g * g : g)) continue;
        const Text where =
            positions == nullptr ? to_text(row, col) : to_text(positions[2 * col], positions[2 * col + 1]);
        if (!overflows) fail<std::domain_error>({what, " is not finite: ", where, " is ", g});
        fail<std::domain_error>({what, " is too large: the square of ", where, " is inf; it is ", g});
      }
  std::abort();
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

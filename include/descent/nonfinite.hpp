// SPDX-License-Identifier: MIT
//
// What a step does with a gradient that holds an infinity or a NaN, and how one is found.
#pragma once

#include <cstdint>
#include <string>

#include <Eigen/Core>

#include <descent/tensors.hpp>

namespace descent {

/// The policies of Optimizer::set_nonfinite. The last two read the gradient once more before the step.
/// (bench: "gradients that are checked")
///
///     propagate   the step is taken: IEEE arithmetic carries the NaN into parameters and state
///     reject      std::domain_error, naming the first such element, and nothing has changed
///     skip        the step is not taken, and counted; after so many in a row as `reject`
enum class NonFinite { propagate, reject, skip };

namespace detail {
inline namespace DESCENT_FLAGS {

/// Whether a tensor has no infinity and no NaN: 0 times those alone is not 0.
template <class Scalar>
[[gnu::noinline]] bool all_finite(const Walk<const Scalar> tensor) {
  using Run = Eigen::ArrayX<Scalar>;
  for (Index i = 0; i < tensor.outer; ++i) {
    const Scalar* const begin = tensor.data + i * tensor.outer_stride;
    const Scalar sum = tensor.inner_stride == 1
                           ? (Scalar(0) * Eigen::Map<const Run>(begin, tensor.inner)).sum()
                           : (Scalar(0) * Eigen::Map<const Run, 0, Eigen::InnerStride<>>(
                                              begin, tensor.inner, Eigen::InnerStride<>(tensor.inner_stride)))
                                 .sum();
    if (sum != 0) return false;
  }
  return true;
}

/// Throws std::domain_error for a gradient that is not finite.
template <class T>
[[gnu::cold, gnu::noinline]] void throw_not_finite(const T& gradient, Index tensor, Index count,
                                                   std::int64_t skipped_in_a_row) {
  std::string what = "descent: the gradient" + place(tensor, count);
  if (skipped_in_a_row > 0) what += ", after " + std::to_string(skipped_in_a_row) + " skipped steps in a row,";
  require_finite(what, gradient);
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

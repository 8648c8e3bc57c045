// SPDX-License-Identifier: MIT
//
// What an optimizer allocates on the heap, counted rather than timed: in its first step beyond one scalar for each
// parameter and state array, and in the steps after it.
#pragma once

#include <string_view>

#include <Eigen/Core>

namespace bench {

struct HeapUse {
  double beyond_state;       ///< bytes, in the first step
  double later_allocations;  ///< in the next hundred
};

/// One parameter more than fills whole cache lines.
inline constexpr Eigen::Index n_of_heap_use = 10'001;

/// NaN if it cannot be counted: with any C library other than GNU's.
HeapUse heap_use(std::string_view rule, std::string_view scalar);

}  // namespace bench

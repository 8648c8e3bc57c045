// SPDX-License-Identifier: MIT
//
// The settings of an optimizer, apart from its hyperparameters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include <Eigen/Core>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <descent/errors.hpp>
#include <descent/nonfinite.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

struct Settings {
  std::int32_t most_in_a_row = 1;
  std::int16_t threads = 1;
  NonFinite nonfinite = NonFinite::propagate;

  void set_threads(int wanted) {
    if (wanted < 0)
      fail<std::invalid_argument>(
          {"descent: threads = ", wanted, "; it must be >= 1, or 0 for as many as Eigen::nbThreads()"});
    threads = static_cast<std::int16_t>((std::min)(wanted, int{INT16_MAX}));
  }
  void set_nonfinite(NonFinite policy, int most) {
    if (most < 1) fail<std::invalid_argument>({"descent: most_in_a_row = ", most, "; it must be >= 1"});
    nonfinite = policy;
    most_in_a_row = most;
  }
  /// No more than the machine has processors.
  int usable_threads() const {
#if defined(_OPENMP)
    const int wanted = threads == 0 ? Eigen::nbThreads() : threads;
    return wanted == 1 ? 1 : (std::min)(wanted, omp_get_num_procs());
#else
    return 1;
#endif
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

// SPDX-License-Identifier: MIT
//
// Which packs this CPU can run: decided at run time, so that a program compiled with default flags
// uses AVX2 where there is AVX2. The answer is one load and one test; asking at each step is cheaper
// than remembering it.
#pragma once

#include <cstddef>

namespace descent::kernel {

/// The widest packs that every CPU of the target has (0: single lanes).
#if defined(__x86_64__) || defined(__aarch64__)
inline constexpr int baseline_bytes = 16;
#else
inline constexpr int baseline_bytes = 0;
#endif

/// The widest packs that this CPU has, in bytes.
inline int widest_bytes() {
#if defined(__AVX2__)
  return 32;
#elif defined(__x86_64__)
  return __builtin_cpu_supports("avx2") ? 32 : baseline_bytes;
#else
  return baseline_bytes;
#endif
}

}  // namespace descent::kernel

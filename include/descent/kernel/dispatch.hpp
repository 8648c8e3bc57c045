// SPDX-License-Identifier: MIT
//
// Which packs to use: the widest that this CPU has, decided at run time, so that a program compiled
// with default flags uses AVX2 where there is AVX2.
//
// The environment variable DESCENT_ISA caps the choice: lanes (single numbers), then baseline (packs
// of 16 bytes: SSE2, NEON), then wide (AVX2, or AVX-512 in a program compiled for it). The bits of a
// step do not depend on it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <descent/kernel/flags.hpp>
#include <descent/kernel/pack.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

enum class Isa { lanes, baseline, wide };

/// What this CPU has.
inline Isa widest_isa() {
#if defined(DESCENT_WIDE_BYTES)
#if DESCENT_WIDE_BYTES == 64
  return Isa::wide;
#else
  return __builtin_cpu_supports("avx2") ? Isa::wide : Isa::baseline;
#endif
#elif defined(DESCENT_BASELINE_BYTES)
  return Isa::baseline;
#else
  return Isa::lanes;
#endif
}

/// What DESCENT_ISA leaves of it. Throws std::invalid_argument where it is none of the names.
inline Isa capped_isa() {
  const char* const cap = std::getenv("DESCENT_ISA");
  if (cap == nullptr || std::string_view(cap) == "wide") return widest_isa();
  if (std::string_view(cap) == "baseline") return std::min(widest_isa(), Isa::baseline);
  if (std::string_view(cap) == "lanes") return Isa::lanes;
  throw std::invalid_argument("descent: the environment variable DESCENT_ISA is \"" + std::string(cap) +
                              "\"; it must be lanes, baseline or wide");
}

/// What is used: decided once.
inline Isa isa() {
  static const Isa isa = capped_isa();
  return isa;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

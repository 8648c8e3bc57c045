// SPDX-License-Identifier: MIT
//
// Chooses the packs to use: the widest that this CPU has, decided at run time, so that a program compiled with default
// flags uses AVX2 if the CPU has it.
//
// The environment variable DESCENT_ISA limits the choice: lanes (single numbers), baseline (packs of 16 bytes: SSE2,
// NEON), or wide (AVX2, or AVX-512 in a program compiled for it). The bits of a step do not depend on it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>
#include <descent/kernel/pack.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

enum class Isa { lanes, baseline, wide };

/// The widest packs that this CPU has.
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

/// The choice that DESCENT_ISA leaves, and whether its value is not a known one.
struct Choice {
  Isa isa;
  bool unrecognized;
};

inline Choice choose() noexcept {
  const char* const cap = std::getenv("DESCENT_ISA");
  const std::string_view name = cap == nullptr ? "wide" : cap;
  if (name == "wide") return {widest_isa(), false};
  if (name == "baseline") return {(std::min)(widest_isa(), Isa::baseline), false};
  return {Isa::lanes, name != "lanes"};
}

/// Chosen once, before main. Until then it is zero, which means single lanes: slower, but the same bits.
inline const Choice choice = choose();

/// Whether packs of 16 bytes may be used, if the target has them.
inline bool may_use_baseline() {
#if defined(DESCENT_BASELINE_BYTES)
  return choice.isa != Isa::lanes;
#else
  return true;
#endif
}

/// Throws std::invalid_argument if DESCENT_ISA has an unknown value.
inline void require_choice_of_isa() {
  if (!choice.unrecognized) [[likely]]
    return;
  const char* const name = std::getenv("DESCENT_ISA");  // null if it has been unset since
  detail::fail<std::invalid_argument>({"descent: the environment variable DESCENT_ISA is \"",
                                       name == nullptr ? "" : name, "\"; it must be lanes, baseline or wide"});
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

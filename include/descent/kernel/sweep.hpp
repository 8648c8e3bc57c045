// SPDX-License-Identifier: MIT
//
// The one pass over memory: x <- x - kernel(x, g, state...), element by element, on whole packs.
//
// x, every state array and g are contiguous and of any alignment; x and the state arrays do not
// overlap, and g is either apart from them or x itself. Elements never look at each other and every
// operation is correctly rounded, so the width of the packs, the order and the splitting leave no
// trace in the bits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include <descent/kernel/dispatch.hpp>
#include <descent/kernel/pack.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

template <class Kernel, class Scalar, std::size_t Slots>
inline void sweep(const Kernel& kernel, Scalar* x, const Scalar* g, const std::array<Scalar*, Slots>& arrays,
                  std::ptrdiff_t n, int threads);

/// The state arrays of one sweep.
template <class Scalar, std::size_t Slots>
using Arrays = std::array<Scalar*, Slots>;

/// One pack of everything that a step writes.
template <class Pack, std::size_t Slots>
struct Stepped {
  Pack x;
  std::array<Pack, Slots> state;

  template <class Scalar>
  [[gnu::always_inline]] void store(Scalar* to, const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t at) const {
    x.store(to + at);
    for (std::size_t k = 0; k < Slots; ++k) state[k].store(arrays[k] + at);
  }
};

template <class Pack, class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline Stepped<Pack, Slots> step_at(const Kernel& kernel, const Scalar* x, const Scalar* g,
                                                           const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t at) {
  return [&]<std::size_t... K>(std::index_sequence<K...>) __attribute__((always_inline)) {
    Stepped<Pack, Slots> stepped{Pack::load(x + at), {Pack::load(arrays[K] + at)...}};
    const Pack gradient = Pack::load(g + at);
    stepped.x = stepped.x - kernel(std::as_const(stepped.x), gradient, stepped.state[K]...);
    return stepped;
  }
  (std::make_index_sequence<Slots>{});
}

/// All whole packs: two at a time, read both before either is written, so that two chains of arithmetic
/// are under way at once; then one more where their number is odd.
///
/// The kernel and the arrays are taken by value: what a function owns, its stores to memory cannot
/// change, so the coefficients stay in registers.
template <class Pack, class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_whole_packs(const Kernel kernel, Scalar* x, const Scalar* g,
                                                     const Arrays<Scalar, Slots> arrays, std::ptrdiff_t n) {
  constexpr std::ptrdiff_t lanes = Pack::lanes;
  std::ptrdiff_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto first = step_at<Pack>(kernel, x, g, arrays, i);
    const auto second = step_at<Pack>(kernel, x, g, arrays, i + lanes);
    first.store(x, arrays, i);
    second.store(x, arrays, i + lanes);
  }
  if (i + lanes <= n) step_at<Pack>(kernel, x, g, arrays, i).store(x, arrays, i);
}

/// n is at least one pack. What the whole packs leave over is part of a last pack that overlaps the one
/// before it: computed first, from what nothing has written yet, and stored last. The elements that the
/// two have in common get the same values twice.
template <class Pack, class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_packs(const Kernel& kernel, Scalar* x, const Scalar* g,
                                               const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n) {
  if (n % Pack::lanes == 0) return sweep_whole_packs<Pack>(kernel, x, g, arrays, n);
  const std::ptrdiff_t at = n - Pack::lanes;
  const auto last = step_at<Pack>(kernel, x, g, arrays, at);
  sweep_whole_packs<Pack>(kernel, x, g, arrays, n);
  last.store(x, arrays, at);
}

template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_lanes(const Kernel kernel, Scalar* x, const Scalar* g,
                                               const Arrays<Scalar, Slots> arrays, std::ptrdiff_t begin,
                                               std::ptrdiff_t n) {
  for (std::ptrdiff_t i = begin; i < n; ++i) step_at<Pack<Scalar, 0>>(kernel, x, g, arrays, i).store(x, arrays, i);
}

template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::noinline]] void sweep_on_lanes(const Kernel& kernel, Scalar* x, const Scalar* g,
                                      const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n) {
  sweep_lanes(kernel, x, g, arrays, 0, n);
}

// `flatten` inlines a user's kernel that is not marked always_inline, with g++ at least.

#if defined(DESCENT_BASELINE_BYTES)
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::flatten, gnu::noinline]] void sweep_on_baseline(const Kernel& kernel, Scalar* x, const Scalar* g,
                                                       const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n) {
  sweep_packs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(kernel, x, g, arrays, n);
}
#endif

#if defined(DESCENT_WIDE_BYTES)
template <class Kernel, class Scalar, std::size_t Slots>
DESCENT_WIDE_TARGET [[gnu::flatten, gnu::noinline]] void sweep_on_wide(const Kernel& kernel, Scalar* x, const Scalar* g,
                                                                       const Arrays<Scalar, Slots>& arrays,
                                                                       std::ptrdiff_t n) {
  sweep_packs<Pack<Scalar, DESCENT_WIDE_BYTES>>(kernel, x, g, arrays, n);
}
#endif

/// Below this many elements a second thread costs more than it brings.
inline constexpr std::ptrdiff_t parallel_threshold = 50'000;

#if defined(_OPENMP)
/// The pass shared by threads, in parts of whole cache lines, so that no two of them write the same one.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::noinline]] void sweep_shared(const Kernel& kernel, Scalar* x, const Scalar* g,
                                    const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n, int threads) {
  const std::ptrdiff_t part = (n / threads + 63) / 64 * 64;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int i = 0; i < threads; ++i) {
    const std::ptrdiff_t begin = std::min(i * part, n);
    const std::ptrdiff_t end = i + 1 == threads ? n : std::min(begin + part, n);
    Arrays<Scalar, Slots> own = arrays;
    for (Scalar*& array : own) array += begin;
    if (begin < end) sweep(kernel, x + begin, g + begin, own, end - begin, 1);
  }
}
#endif

/// Less than 32 bytes, where a call and a choice would cost more than the arithmetic: in place, with one
/// pack for every CPU of the target where it is filled.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_in_place(const Kernel& kernel, Scalar* x, const Scalar* g,
                                                  const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n) {
  std::ptrdiff_t done = 0;
#if defined(DESCENT_BASELINE_BYTES)
  if constexpr (!std::is_same_v<Scalar, long double>) {
    using Baseline = Pack<Scalar, DESCENT_BASELINE_BYTES>;
    if (n >= Baseline::lanes) {
      step_at<Baseline>(kernel, x, g, arrays, 0).store(x, arrays, 0);
      done = Baseline::lanes;
    }
  }
#endif
  sweep_lanes(kernel, x, g, arrays, done, n);
}

/// The pass itself, on the widest packs that this CPU has and n fills, shared by up to `threads`.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep(const Kernel& kernel, Scalar* x, const Scalar* g,
                                         const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n,
                                         [[maybe_unused]] int threads) {
  [[maybe_unused]] const std::ptrdiff_t bytes = n * static_cast<std::ptrdiff_t>(sizeof(Scalar));
  if (bytes < 32) return sweep_in_place(kernel, x, g, arrays, n);
#if defined(_OPENMP)
  if (n >= parallel_threshold && threads > 1) return sweep_shared(kernel, x, g, arrays, n, threads);
#endif
  if constexpr (!std::is_same_v<Scalar, long double>) {
#if defined(DESCENT_WIDE_BYTES)
    if (bytes >= DESCENT_WIDE_BYTES && choice.isa == Isa::wide) return sweep_on_wide(kernel, x, g, arrays, n);
#endif
#if defined(DESCENT_BASELINE_BYTES)
    if (choice.isa >= Isa::baseline) return sweep_on_baseline(kernel, x, g, arrays, n);
#endif
  }
  sweep_on_lanes(kernel, x, g, arrays, n);
}

/// The kernel of a sweep that sets to 0 what lies below the smallest normal number, and keeps NaN.
template <class Scalar>
struct FlushSubnormals {
  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack&) const {
    return select(max(x, -x) < std::numeric_limits<Scalar>::min(), x, Scalar(0));
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

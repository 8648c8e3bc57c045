// SPDX-License-Identifier: MIT
//
// The one pass over memory: x <- x - kernel(x, g, state...), element by element, on whole packs.
//
// x, every state array and g are contiguous and of any alignment; x and the state arrays do not
// overlap, and g is either apart from them or x itself. Elements never look at each other and every
// operation is correctly rounded, so the width of the packs, the order and the splitting leave no
// trace in the bits. Packs go in pairs and never overlap: bench/DEAD_ENDS.md has what either is worth, and
// descent_bench compares the whole with hand-written intrinsics.
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

/// All whole packs from `begin` on; returns where they end.
///
/// The kernel and the arrays are taken by value: what a function owns, its stores to memory cannot
/// change, so the coefficients stay in registers.
template <class Pack, class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline std::ptrdiff_t sweep_packs(const Kernel kernel, Scalar* x, const Scalar* g,
                                                         const Arrays<Scalar, Slots> arrays, std::ptrdiff_t begin,
                                                         std::ptrdiff_t n) {
  std::ptrdiff_t i = begin;
  for (; i + Pack::lanes <= n; i += Pack::lanes) step_at<Pack>(kernel, x, g, arrays, i).store(x, arrays, i);
  return i;
}

/// n is a multiple of two packs: both are read before either is written, so that two chains of
/// arithmetic are under way at once.
template <class Pack, class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_pairs(const Kernel kernel, Scalar* x, const Scalar* g,
                                               const Arrays<Scalar, Slots> arrays, std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; i += 2 * Pack::lanes) {
    const auto first = step_at<Pack>(kernel, x, g, arrays, i);
    const auto second = step_at<Pack>(kernel, x, g, arrays, i + Pack::lanes);
    first.store(x, arrays, i);
    second.store(x, arrays, i + Pack::lanes);
  }
}

// `flatten` inlines a user's kernel that is not marked always_inline, with g++ at least.

template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::noinline]] void sweep_on_lanes(const Kernel kernel, Scalar* x, const Scalar* g,
                                      const Arrays<Scalar, Slots> arrays, std::ptrdiff_t n) {
  sweep_packs<Pack<Scalar, 0>>(kernel, x, g, arrays, 0, n);
}

#if defined(DESCENT_BASELINE_BYTES)
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::flatten, gnu::noinline]] void sweep_on_baseline(const Kernel kernel, Scalar* x, const Scalar* g,
                                                       const Arrays<Scalar, Slots> arrays, std::ptrdiff_t n) {
  sweep_pairs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(kernel, x, g, arrays, n);
}
#endif

#if defined(DESCENT_WIDE_BYTES)
template <class Kernel, class Scalar, std::size_t Slots>
DESCENT_WIDE_TARGET [[gnu::flatten, gnu::noinline]] void sweep_on_wide(const Kernel kernel, Scalar* x, const Scalar* g,
                                                                       const Arrays<Scalar, Slots> arrays,
                                                                       std::ptrdiff_t n) {
  sweep_pairs<Pack<Scalar, DESCENT_WIDE_BYTES>>(kernel, x, g, arrays, n);
}
#endif

/// What goes through the loops above: elements by the block, which is two packs of the widest kind. For
/// less, a call and a choice would cost more than the arithmetic.
#if defined(DESCENT_WIDE_BYTES)
template <class Scalar>
inline constexpr std::ptrdiff_t block = 2 * (DESCENT_WIDE_BYTES / sizeof(Scalar));
#else
template <class Scalar>
inline constexpr std::ptrdiff_t block = 64 / sizeof(Scalar);
#endif

/// Whole blocks, on the widest packs that this CPU has.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep_blocks(const Kernel& kernel, Scalar* x, const Scalar* g,
                                                const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n) {
  if constexpr (!std::is_same_v<Scalar, long double>) {
#if defined(DESCENT_WIDE_BYTES)
    if (choice.isa == Isa::wide) return sweep_on_wide(kernel, x, g, arrays, n);
#endif
#if defined(DESCENT_BASELINE_BYTES)
    if (choice.isa == Isa::baseline) return sweep_on_baseline(kernel, x, g, arrays, n);
#endif
  }
  sweep_on_lanes(kernel, x, g, arrays, n);
}

template <class Scalar, std::size_t Slots>
void flush_subnormals(const Arrays<Scalar, Slots> arrays, std::ptrdiff_t begin, std::ptrdiff_t n);

/// Whole blocks whose state is flushed first: part by part, so that it comes from memory once.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::noinline]] void flush_and_sweep_blocks(const Kernel kernel, Scalar* x, const Scalar* g,
                                              Arrays<Scalar, Slots> arrays, std::ptrdiff_t n) {
  constexpr std::ptrdiff_t part = 4096;
  for (std::ptrdiff_t begin = 0; begin < n; begin += part) {
    const std::ptrdiff_t count = std::min(part, n - begin);
    flush_subnormals(arrays, 0, count);
    sweep_blocks(kernel, x + begin, g + begin, arrays, count);
    for (Scalar*& array : arrays) array += count;
  }
}

/// Below this many elements a second thread costs more than it brings.
inline constexpr std::ptrdiff_t parallel_threshold = 50'000;

#if defined(_OPENMP)
/// Whole blocks, shared by threads.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::noinline]] void share_blocks(const Kernel kernel, Scalar* x, const Scalar* g, const Arrays<Scalar, Slots> arrays,
                                    std::ptrdiff_t n, int threads, bool flush) {
  const std::ptrdiff_t part = (n / block<Scalar> + threads - 1) / threads * block<Scalar>;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int i = 0; i < threads; ++i) {
    const std::ptrdiff_t begin = std::min(i * part, n);
    const std::ptrdiff_t count = std::min(part, n - begin);
    Arrays<Scalar, Slots> own = arrays;
    for (Scalar*& array : own) array += begin;
    if (flush)
      flush_and_sweep_blocks(kernel, x + begin, g + begin, own, count);
    else
      sweep_blocks(kernel, x + begin, g + begin, own, count);
  }
}
#endif

/// The pass itself, shared by up to `threads`: whole blocks, then what is left, which is the whole of a
/// small step, in place: on packs that every CPU of the target has, and on single lanes. With `flush`,
/// state below the smallest normal number becomes 0 first.
///
/// No pack overlaps another: the next step would wait until what two stores wrote has reached the cache.
template <class Kernel, class Scalar, std::size_t Slots>
[[gnu::always_inline]] inline void sweep(const Kernel& kernel, Scalar* x, const Scalar* g,
                                         const Arrays<Scalar, Slots>& arrays, std::ptrdiff_t n,
                                         [[maybe_unused]] int threads, bool flush = false) {
  std::ptrdiff_t done = 0;
  if (n >= block<Scalar>) {
    done = n - n % block<Scalar>;
#if defined(_OPENMP)
    if (n >= parallel_threshold && threads > 1)
      share_blocks(kernel, x, g, arrays, done, threads, flush);
    else
#endif
        if (flush) [[unlikely]]
      flush_and_sweep_blocks(kernel, x, g, arrays, done);
    else
      sweep_blocks(kernel, x, g, arrays, done);
  }
  if (flush) [[unlikely]]
    flush_subnormals(arrays, done, n);
#if defined(DESCENT_BASELINE_BYTES)
  if constexpr (!std::is_same_v<Scalar, long double>)
    if (choice.isa != Isa::lanes)
      done = sweep_packs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(kernel, x, g, arrays, done, n);
#endif
  sweep_packs<Pack<Scalar, 0>>(kernel, x, g, arrays, done, n);
}

/// x minus itself where it lies below the smallest normal number; NaN stays.
template <class Scalar>
struct FlushSubnormals {
  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack&) const {
    return select(abs(x) < std::numeric_limits<Scalar>::min(), x, Scalar(0));
  }
};

/// Sets to 0 what lies below the smallest normal number, from `begin` to n in each array.
template <class Scalar, std::size_t Slots>
[[gnu::noinline]] void flush_subnormals(const Arrays<Scalar, Slots> arrays, std::ptrdiff_t begin, std::ptrdiff_t n) {
  for (Scalar* const array : arrays) {
    Scalar* const from = array + begin;
    sweep(FlushSubnormals<Scalar>{}, from, static_cast<const Scalar*>(from), Arrays<Scalar, 0>{}, n - begin, 1);
  }
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

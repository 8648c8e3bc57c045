// SPDX-License-Identifier: MIT
//
// The one pass over memory: x <- x - kernel(x, g, state...), element by element, on whole packs. A kernel that has more
// to do with the new parameters has a member `after_step`: then x <- kernel.after_step(x, x - step, state...).
//
// x, every state array and g are contiguous and may have any alignment; x and the state arrays do not overlap, and g is
// either apart from them or x itself. Elements do not depend on each other and every operation is correctly rounded, so
// the width of the packs, the order and the splitting leave no trace in the bits. Packs are processed in pairs and
// never overlap: bench/DEAD_ENDS.md says what each is worth, and descent_bench compares the whole with hand-written
// intrinsics.
#pragma once

#include <algorithm>
#include <array>
#if defined(_OPENMP)
#include <cfenv>
#endif
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include <descent/kernel/dispatch.hpp>
#include <descent/kernel/pack.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

/// The state arrays of one sweep.
template <class Scalar, std::size_t state_count>
using Arrays = std::array<Scalar*, state_count>;

/// One pack of everything that a step writes.
template <class Pack, std::size_t state_count>
struct Stepped {
  Pack x;
  std::array<Pack, state_count> state;

  template <class Scalar>
  [[gnu::always_inline]] void store(Scalar* to, const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t at) const {
    x.store(to + at);
    for (std::size_t k = 0; k < state_count; ++k) state[k].store(arrays[k] + at);
  }
};

template <class Pack, class Kernel, class Scalar, std::size_t state_count>
[[gnu::always_inline]] inline Stepped<Pack, state_count> step_at(const Kernel& kernel, const Scalar* x, const Scalar* g,
                                                                 const Arrays<Scalar, state_count>& arrays,
                                                                 std::ptrdiff_t at) {
  return [&]<std::size_t... K>(std::index_sequence<K...>) __attribute__((always_inline, flatten)) {
    Stepped<Pack, state_count> stepped{Pack::load(x + at), {Pack::load(arrays[K] + at)...}};
    const Pack gradient = Pack::load(g + at);
    const auto step = [&]() __attribute__((always_inline)) {
      return kernel(std::as_const(stepped.x), gradient, stepped.state[K]...);
    };
    if constexpr (requires { kernel.after_step(gradient, gradient, stepped.state[K]...); })
      stepped.x = kernel.after_step(std::as_const(stepped.x), stepped.x - step(), stepped.state[K]...);
    else
      stepped.x = stepped.x - step();
    return stepped;
  }(std::make_index_sequence<state_count>{});
}

/// n % divisor for n >= 0; the conversion tells the compiler that n is not negative.
template <std::size_t divisor>
constexpr std::ptrdiff_t remainder(std::ptrdiff_t n) {
  return static_cast<std::ptrdiff_t>(static_cast<std::size_t>(n) % divisor);
}

/// Steps all whole packs from `begin`, which is a multiple of their lanes; returns where they end.
///
/// Kernel and arrays are passed by value: stores to memory cannot change what a function owns, so the coefficients stay
/// in registers.
template <class Pack, class Kernel, class Scalar, std::size_t state_count>
[[gnu::always_inline]] inline std::ptrdiff_t sweep_packs(const Kernel kernel, Scalar* x, const Scalar* g,
                                                         const Arrays<Scalar, state_count> arrays, std::ptrdiff_t begin,
                                                         std::ptrdiff_t n) {
  const std::ptrdiff_t end = n - remainder<Pack::lanes>(n);
  for (std::ptrdiff_t i = begin; i != end; i += Pack::lanes) step_at<Pack>(kernel, x, g, arrays, i).store(x, arrays, i);
  return end;
}

/// Steps everything from `begin` on, inlined: in packs that every CPU of the target has, then in single lanes. This is
/// the whole of a small step, if may_use_baseline(), and the remainder of a large one. No pack overlaps another: the
/// next step would wait until what two stores wrote has reached the cache.
template <class Kernel, class Scalar, std::size_t state_count>
[[gnu::always_inline]] inline void sweep_narrow(const Kernel& kernel, Scalar* x, const Scalar* g,
                                                const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t begin,
                                                std::ptrdiff_t n) {
#if defined(DESCENT_BASELINE_BYTES)
  if constexpr (!std::is_same_v<Scalar, long double>)
    begin = sweep_packs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(kernel, x, g, arrays, begin, n);
#endif
  sweep_packs<Pack<Scalar, 0>>(kernel, x, g, arrays, begin, n);
}

/// A kernel that takes so long to compile that it is not copied into every function that has a remainder: that is left
/// to sweep_rest, and its end to sweep_last. The calls take 3 to 5 ns.
template <class Kernel>
concept IsLong = requires { requires Kernel::is_long; };

template <class Kernel, class Scalar, std::size_t state_count>
[[gnu::noinline]] void sweep_last(const Kernel& kernel, Scalar* x, const Scalar* g,
                                  const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t begin, std::ptrdiff_t n) {
  sweep_packs<Pack<Scalar, 0>>(kernel, x, g, arrays, begin, n);
}

/// What sweep_narrow does.
template <class Kernel, class Scalar, std::size_t state_count>
[[gnu::noinline]] void sweep_rest(const Kernel& kernel, Scalar* x, const Scalar* g,
                                  const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t begin, std::ptrdiff_t n) {
#if defined(DESCENT_BASELINE_BYTES)
  if constexpr (!std::is_same_v<Scalar, long double>)
    begin = sweep_packs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(kernel, x, g, arrays, begin, n);
#endif
  if (begin < n) sweep_last(kernel, x, g, arrays, begin, n);
}

/// Steps two packs at a time: both are read before either is written, so that two chains of arithmetic run at once.
/// Then steps the remainder, with the original of the kernel if it is not inlined.
template <class Pack, class Kernel, class Scalar, std::size_t state_count>
[[gnu::always_inline]] inline void sweep_pairs(const Kernel& original, Scalar* x, const Scalar* g,
                                               const Arrays<Scalar, state_count> arrays, std::ptrdiff_t n) {
  const Kernel kernel = original;
  const std::ptrdiff_t end = n - remainder<2 * Pack::lanes>(n);
  for (std::ptrdiff_t i = 0; i < end; i += 2 * Pack::lanes) {
    const auto first = step_at<Pack>(kernel, x, g, arrays, i);
    const auto second = step_at<Pack>(kernel, x, g, arrays, i + Pack::lanes);
    first.store(x, arrays, i);
    second.store(x, arrays, i + Pack::lanes);
  }
  if constexpr (IsLong<Kernel>) {
    if (end < n) sweep_rest(original, x, g, arrays, end, n);
  } else {
    sweep_narrow(kernel, x, g, arrays, end, n);
  }
}

// One function for each kind of pack, behind a pointer that knows nothing of the kernel, so that everything below is
// compiled once for all kernels. They read the kernel where it is: a copy through the stack would wait for the stores
// that made it (bench/DEAD_ENDS.md). Because of `flatten`, here and in step_at, clang++ inlines a user's kernel that is
// not marked always_inline. g++ gives up earlier, because the kernel alone is compiled for older CPUs; README.md has a
// check for it.

template <class Scalar, std::size_t state_count>
using SweepFunction = void (*)(const void* kernel, Scalar* x, const Scalar* g, Arrays<Scalar, state_count> arrays,
                               std::ptrdiff_t n);

template <class Kernel, class Scalar, std::size_t state_count>
void sweep_on_lanes(const void* kernel, Scalar* x, const Scalar* g, Arrays<Scalar, state_count> arrays,
                    std::ptrdiff_t n) {
  if constexpr (IsLong<Kernel>)
    sweep_last(*static_cast<const Kernel*>(kernel), x, g, arrays, 0, n);
  else
    sweep_packs<Pack<Scalar, 0>>(*static_cast<const Kernel*>(kernel), x, g, arrays, 0, n);
}

#if defined(DESCENT_BASELINE_BYTES)
/// In pairs only if no CPU of the target has wider packs: otherwise it would be compiled only for old ones.
template <class Kernel, class Scalar, std::size_t state_count>
[[gnu::flatten]] void sweep_on_baseline(const void* kernel, Scalar* x, const Scalar* g,
                                        Arrays<Scalar, state_count> arrays, std::ptrdiff_t n) {
#if defined(DESCENT_WIDE_BYTES)
  if constexpr (IsLong<Kernel>)
    sweep_rest(*static_cast<const Kernel*>(kernel), x, g, arrays, 0, n);
  else
    sweep_narrow(*static_cast<const Kernel*>(kernel), x, g, arrays, 0, n);
#else
  sweep_pairs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(*static_cast<const Kernel*>(kernel), x, g, arrays, n);
#endif
}
#endif

#if defined(DESCENT_WIDE_BYTES)
template <class Kernel, class Scalar, std::size_t state_count>
DESCENT_WIDE_TARGET [[gnu::flatten]] void sweep_on_wide(const void* kernel, Scalar* x, const Scalar* g,
                                                        Arrays<Scalar, state_count> arrays, std::ptrdiff_t n) {
  sweep_pairs<Pack<Scalar, DESCENT_WIDE_BYTES>>(*static_cast<const Kernel*>(kernel), x, g, arrays, n);
}
#endif

/// The function for the widest packs that this CPU has.
template <class Kernel, class Scalar, std::size_t state_count>
SweepFunction<Scalar, state_count> widest_sweep() {
  if constexpr (!std::is_same_v<Scalar, long double>) {
#if defined(DESCENT_WIDE_BYTES)
    if (choice.isa == Isa::wide) return sweep_on_wide<Kernel, Scalar, state_count>;
#endif
#if defined(DESCENT_BASELINE_BYTES)
    if (choice.isa == Isa::baseline) return sweep_on_baseline<Kernel, Scalar, state_count>;
#endif
  }
  return sweep_on_lanes<Kernel, Scalar, state_count>;
}

/// For each state array, the size below which its elements count as 0.
template <class Scalar, std::size_t state_count>
using Thresholds = std::array<Scalar, state_count>;

/// A kernel whose step is x itself if x lies below the threshold, so that x becomes 0; NaN stays.
template <class Scalar>
struct FlushBelow {
  Scalar threshold;

  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack&) const {
    return select(abs(x) < threshold, x, Scalar(0));
  }
};

/// With fewer elements per thread, another thread costs more than it saves.
inline constexpr std::ptrdiff_t least_for_a_thread = 25'000;

#if defined(_OPENMP)
/// Gives a thread the caller's rounding mode and treatment of subnormal numbers for a while: threads keep those from
/// the moment they were created.
class ScopedFloatingPoint {
 public:
  explicit ScopedFloatingPoint(const std::fenv_t& caller) {
    std::fegetenv(&own_);
    std::fesetenv(&caller);
  }
  ScopedFloatingPoint(const ScopedFloatingPoint&) = delete;
  ScopedFloatingPoint& operator=(const ScopedFloatingPoint&) = delete;
  ~ScopedFloatingPoint() { std::fesetenv(&own_); }

 private:
  std::fenv_t own_;
};

/// Calls work(thread) for each thread below `threads`, in that thread.
template <class Work>
void in_threads(int threads, const Work& work) {
  std::fenv_t caller;
  std::fegetenv(&caller);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread) {
    const ScopedFloatingPoint same(caller);
    work(thread);
  }
}
#endif

/// The pass of one kernel over memory: with which function, with how many threads, and whether state below its
/// thresholds is set to 0 first. The kernel must outlive it.
template <class Scalar, std::size_t state_count>
class Pass {
 public:
  template <class Kernel>
  Pass(const Kernel& kernel, int threads, const Thresholds<Scalar, state_count>* flush)
      : sweep_(widest_sweep<Kernel, Scalar, state_count>()),
        kernel_(&kernel),
        flush_(flush),
        threads_(threads),
        is_plain_(flush == nullptr && threads == 1) {}

  /// Steps n elements, shared by as many threads as there is work for.
  [[gnu::always_inline]] void operator()(Scalar* x, const Scalar* g, const Arrays<Scalar, state_count>& arrays,
                                         std::ptrdiff_t n) const {
    if (is_plain_) [[likely]]
      sweep_(kernel_, x, g, arrays, n);
    else
      slow_path(x, g, arrays, n);
  }

 private:
  [[gnu::noinline]] void slow_path(Scalar* x, const Scalar* g, const Arrays<Scalar, state_count>& arrays,
                                   std::ptrdiff_t n) const {
#if defined(_OPENMP)
    const auto threads = static_cast<int>((std::min<std::ptrdiff_t>)(threads_, n / least_for_a_thread));
    if (threads > 1) return multi_threaded(x, g, arrays, n, threads);
#endif
    single_threaded(x, g, arrays, n);
  }

  void single_threaded(Scalar* x, const Scalar* g, const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t n) const {
    if (flush_ == nullptr)
      sweep_(kernel_, x, g, arrays, n);
    else
      with_flush(x, g, arrays, n);
  }

  /// Works part by part, so that state is loaded from memory only once.
  void with_flush(Scalar* x, const Scalar* g, Arrays<Scalar, state_count> arrays, std::ptrdiff_t n) const {
    constexpr std::ptrdiff_t part = 4096;
    const auto flush = widest_sweep<FlushBelow<Scalar>, Scalar, 0>();
    for (std::ptrdiff_t begin = 0; begin < n; begin += part) {
      const std::ptrdiff_t count = (std::min)(part, n - begin);
      for (std::size_t k = 0; k < state_count; ++k) {
        const FlushBelow<Scalar> below{(*flush_)[k]};
        flush(&below, arrays[k], arrays[k], {}, count);
      }
      sweep_(kernel_, x + begin, g + begin, arrays, count);
      for (Scalar*& array : arrays) array += count;
    }
  }

#if defined(_OPENMP)
  /// Splits the work into parts of whole cache lines, one for each thread.
  void multi_threaded(Scalar* x, const Scalar* g, const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t n,
                      int threads) const {
    constexpr std::ptrdiff_t chunk = 64;
    const std::ptrdiff_t part = (n / chunk / threads + 1) * chunk;
    in_threads(threads, [&](int thread) {
      const std::ptrdiff_t begin = (std::min)(thread * part, n);
      Arrays<Scalar, state_count> own = arrays;
      for (Scalar*& array : own) array += begin;
      single_threaded(x + begin, g + begin, own, (std::min)(part, n - begin));
    });
  }
#endif

  SweepFunction<Scalar, state_count> sweep_;
  const void* kernel_;
  const Thresholds<Scalar, state_count>* flush_;
  int threads_;
  bool is_plain_;
};

/// Whether a sweep of n elements is best inlined, by sweep_narrow: a call and a choice would cost more than wider packs
/// save.
template <class Scalar>
constexpr bool is_small(std::ptrdiff_t n) {
  return n < static_cast<std::ptrdiff_t>(64 / sizeof(Scalar));
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

// SPDX-License-Identifier: MIT
//
// Sums of squares with the same bits everywhere: of what a kernel(x, g, state...) returns, which is not written.
//
// The elements of a tensor are taken in blocks of 4096 from its start. In a block, element e is added to lane e % 16,
// in double; then the lanes are added in halves, lane i + 8 to lane i and so on. The sums of the blocks are added in
// order. So neither the width of the packs nor the number of threads leaves a trace in the bits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include <descent/kernel/dispatch.hpp>
#include <descent/kernel/pack.hpp>
#include <descent/kernel/sweep.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

inline constexpr std::ptrdiff_t norm_block = 4096;
inline constexpr std::size_t norm_lanes = 16;

/// The scalar of the sums.
template <class Scalar>
using Wide = std::conditional_t<std::is_same_v<Scalar, long double>, long double, double>;

/// The values of `count` quantities, of which a kernel's sums are taken.
template <class Scalar, std::size_t count>
using Sums = std::array<Wide<Scalar>, count>;

template <class Number>
[[gnu::always_inline]] inline void add_to(Number& sum, const std::type_identity_t<Pack<Number, 0>>& value) {
  (Pack<Number, 0>(sum) + value).store(&sum);
}

/// Kernel(x, g, state...) at one pack, with copies of the state.
template <class Pack, class Kernel, class Scalar, std::size_t state_count>
[[gnu::always_inline]] inline auto values_at(const Kernel& kernel, const Scalar* x, const Scalar* g,
                                             const Arrays<Scalar, state_count>& arrays, std::ptrdiff_t at) {
  return [&]<std::size_t... K>(std::index_sequence<K...>) __attribute__((always_inline, flatten)) {
    std::array<Pack, state_count> state{Pack::load(arrays[K] + at)...};
    const Pack here = Pack::load(x + at), gradient = Pack::load(g + at);
    return kernel(here, gradient, state[K]...);
  }(std::make_index_sequence<state_count>{});
}

/// The lanes of one quantity, as packs.
template <class Pack>
struct Lanes {
  static constexpr std::size_t packs = norm_lanes / static_cast<std::size_t>(Pack::lanes);

  std::array<Pack, packs> sums;

  /// Adds the squares of `values`, which are the packs from `first` on.
  template <std::size_t first, std::size_t count, class Scale>
  [[gnu::always_inline]] void add(const std::array<Pack, count>& values, const Scale& scale) {
    [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
      ((sums[first + i] = sums[first + i] + square_of(scale(values[i]))), ...);
    }(std::make_index_sequence<count>());
  }

 private:
  [[gnu::always_inline]] static Pack square_of(const Pack& value) { return value * value; }
};

/// A number before it is squared: only the squares of double can overflow or vanish.
template <class Scalar, class Pack>
[[gnu::always_inline]] inline Pack scaled(const Pack& value, [[maybe_unused]] Wide<Scalar> factor) {
  if constexpr (std::is_same_v<Scalar, double>)
    return value * Pack(factor);
  else
    return copied(value);
}

/// The sums of each lane.
template <class Scalar, std::size_t count>
using LaneSums = std::array<std::array<Wide<Scalar>, norm_lanes>, count>;

/// Sums all whole groups of 16 of n elements, in packs of a type; returns where they end.
template <class Pack, class Kernel, class Scalar, std::size_t state_count, std::size_t count>
[[gnu::always_inline]] inline std::ptrdiff_t sum_squares_in_packs(const Kernel kernel, const Scalar* x, const Scalar* g,
                                                                  const Arrays<Scalar, state_count> arrays,
                                                                  std::ptrdiff_t n, Wide<Scalar> factor,
                                                                  LaneSums<Scalar, count>& sums) {
  using WidePack = typename std::remove_cvref_t<decltype(widened(std::declval<Pack>()))>::value_type;
  constexpr std::size_t packs = norm_lanes / static_cast<std::size_t>(Pack::lanes);
  constexpr std::size_t wide_packs = Lanes<WidePack>::packs / packs;  // for each pack
  const std::ptrdiff_t end = n - remainder<norm_lanes>(n);
  [&]<std::size_t... k>(std::index_sequence<k...>) __attribute__((always_inline)) {
    std::array<Lanes<WidePack>, count> lanes;
    ((lanes[k].sums.fill(WidePack(0))), ...);
    for (std::ptrdiff_t i = 0; i < end; i += static_cast<std::ptrdiff_t>(norm_lanes)) {
      // CPUs do not read ahead of a single stream beyond its page. (bench: "recipes")
      __builtin_prefetch(reinterpret_cast<const char*>(g + i) + 4096);
      [&]<std::size_t... p>(std::index_sequence<p...>) __attribute__((always_inline)) {
        const auto add = [&]<std::size_t pack>(std::integral_constant<std::size_t, pack>)
                             __attribute__((always_inline)) {
          const auto values =
              values_at<Pack>(kernel, x, g, arrays, i + static_cast<std::ptrdiff_t>(pack) * Pack::lanes);
          const auto scale = [&](const WidePack& value)
                                 __attribute__((always_inline)) { return scaled<Scalar>(value, factor); };
          (lanes[k].template add<pack * wide_packs>(widened(values[k]), scale), ...);
        };
        (add(std::integral_constant<std::size_t, p>()), ...);
      }(std::make_index_sequence<packs>());
    }
    for (std::size_t quantity = 0; quantity < count; ++quantity)
      for (std::size_t p = 0; p < Lanes<WidePack>::packs; ++p)
        lanes[quantity].sums[p].store(sums[quantity].data() + p * static_cast<std::size_t>(WidePack::lanes));
  }(std::make_index_sequence<count>());
  return end;
}

/// The sum of the lanes, in halves.
template <class Number>
Number sum_of(std::array<Number, norm_lanes>& lanes) {
  for (std::size_t half = norm_lanes / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) add_to(lanes[i], lanes[i + half]);
  return lanes[0];
}

// One function for each kind of pack, behind a pointer, as in sweep.hpp.

/// Sums over elements of one block of n <= 4096; every number is multiplied by `factor` before it is squared, if it is
/// a double. In packs, it sets `lanes` to the sums over all whole groups of 16, and returns where these end. One by
/// one, it adds the elements from `begin` on.
template <class Scalar, std::size_t state_count, std::size_t count>
using SumFunction = std::ptrdiff_t (*)(const void* kernel, const Scalar* x, const Scalar* g,
                                       Arrays<Scalar, state_count> arrays, std::ptrdiff_t begin, std::ptrdiff_t n,
                                       Wide<Scalar> factor, LaneSums<Scalar, count>& lanes);

template <class Kernel, class Scalar, std::size_t state_count, std::size_t count>
std::ptrdiff_t sum_on_lanes(const void* kernel, const Scalar* x, const Scalar* g, Arrays<Scalar, state_count> arrays,
                            std::ptrdiff_t begin, std::ptrdiff_t n, Wide<Scalar> factor,
                            LaneSums<Scalar, count>& lanes) {
  const Kernel own = *static_cast<const Kernel*>(kernel);
  for (std::ptrdiff_t i = begin; i < n; ++i) {
    const auto values = values_at<Pack<Scalar, 0>>(own, x, g, arrays, i);
    for (std::size_t k = 0; k < count; ++k) {
      const Pack<Wide<Scalar>, 0> value = scaled<Scalar>(widened(values[k])[0], factor);
      add_to(lanes[k][static_cast<std::size_t>(i) % norm_lanes], value * value);
    }
  }
  return n;
}

#if defined(DESCENT_BASELINE_BYTES)
template <class Kernel, class Scalar, std::size_t state_count, std::size_t count>
[[gnu::flatten]] std::ptrdiff_t sum_on_baseline(const void* kernel, const Scalar* x, const Scalar* g,
                                                Arrays<Scalar, state_count> arrays, std::ptrdiff_t, std::ptrdiff_t n,
                                                Wide<Scalar> factor, LaneSums<Scalar, count>& lanes) {
  return sum_squares_in_packs<Pack<Scalar, DESCENT_BASELINE_BYTES>>(*static_cast<const Kernel*>(kernel), x, g, arrays,
                                                                    n, factor, lanes);
}
#endif

#if defined(DESCENT_WIDE_BYTES)
template <class Kernel, class Scalar, std::size_t state_count, std::size_t count>
DESCENT_WIDE_TARGET [[gnu::flatten]] std::ptrdiff_t sum_on_wide(const void* kernel, const Scalar* x, const Scalar* g,
                                                                Arrays<Scalar, state_count> arrays, std::ptrdiff_t,
                                                                std::ptrdiff_t n, Wide<Scalar> factor,
                                                                LaneSums<Scalar, count>& lanes) {
  return sum_squares_in_packs<Pack<Scalar, DESCENT_WIDE_BYTES>>(*static_cast<const Kernel*>(kernel), x, g, arrays, n,
                                                                factor, lanes);
}
#endif

/// The function for the widest packs that this CPU has, or null for single lanes.
template <class Kernel, class Scalar, std::size_t state_count, std::size_t count>
SumFunction<Scalar, state_count, count> widest_sum() {
  if constexpr (!std::is_same_v<Scalar, long double>) {
#if defined(DESCENT_WIDE_BYTES)
    if (choice.isa == Isa::wide) return sum_on_wide<Kernel, Scalar, state_count, count>;
#endif
#if defined(DESCENT_BASELINE_BYTES)
    if (choice.isa == Isa::baseline) return sum_on_baseline<Kernel, Scalar, state_count, count>;
#endif
  }
  return nullptr;
}

/// Calls take(number) for the blocks from `begin` up to `end`, shared by as many threads as there is work for.
template <class Take>
void for_each_block(std::ptrdiff_t begin, std::ptrdiff_t end, [[maybe_unused]] int threads, const Take& take) {
#if defined(_OPENMP)
  threads = static_cast<int>((std::min<std::ptrdiff_t>)(threads, (end - begin) * norm_block / least_for_a_thread));
  if (threads > 1)
    return in_threads(threads, [&](int thread) {
      const std::ptrdiff_t part = (end - begin + threads - 1) / threads, first = begin + thread * part;
      for (std::ptrdiff_t number = first; number < (std::min)(first + part, end); ++number) take(number);
    });
#endif
  for (std::ptrdiff_t number = begin; number < end; ++number) take(number);
}

/// The pass of one kernel that only reads. The kernel must outlive it.
template <class Scalar, std::size_t state_count, std::size_t count>
class NormPass {
 public:
  template <class Kernel>
  NormPass(const Kernel& kernel, int threads, Wide<Scalar> factor)
      : sum_(widest_sum<Kernel, Scalar, state_count, count>()),
        sum_rest_(sum_on_lanes<Kernel, Scalar, state_count, count>),
        kernel_(&kernel),
        threads_(threads),
        factor_(factor) {}

  /// Adds the sums over n elements, of which block_at(number, x and g) tells the addresses, to `sums`.
  template <class BlockAt>
  void operator()(const BlockAt& block_at, std::ptrdiff_t n, const Arrays<Scalar, state_count>& arrays,
                  Sums<Scalar, count>& sums) const {
    for_each_sum(block_at, n, arrays, [&](const Sums<Scalar, count>& of_block) {
      for (std::size_t k = 0; k < count; ++k) add_to(sums[k], of_block[k]);
    });
  }

  /// Calls add(sums) with those of each block, in order.
  ///
  /// The blocks are taken in rounds, so that the sums of one round fit on the stack, whoever takes them.
  template <class BlockAt, class AddSums>
  void for_each_sum(const BlockAt& block_at, std::ptrdiff_t n, const Arrays<Scalar, state_count>& arrays,
                    const AddSums& add) const {
    constexpr std::ptrdiff_t in_round = 256;
    std::array<Sums<Scalar, count>, in_round> of_block;
    const std::ptrdiff_t blocks = (n + norm_block - 1) / norm_block;
    for (std::ptrdiff_t begin = 0; begin < blocks; begin += in_round) {
      const std::ptrdiff_t end = (std::min)(begin + in_round, blocks);
      const auto take = [&](std::ptrdiff_t number) {
        Arrays<Scalar, state_count> own = arrays;
        for (Scalar*& array : own) array += number * norm_block;
        block_at(number, [&](const Scalar* x, const Scalar* g) {
          of_block[static_cast<std::size_t>(number - begin)] =
              sums_of(x, g, own, (std::min)(norm_block, n - number * norm_block));
        });
      };
      for_each_block(begin, end, threads_, take);
      for (std::ptrdiff_t number = begin; number < end; ++number)
        add(of_block[static_cast<std::size_t>(number - begin)]);
    }
  }

 private:
  Sums<Scalar, count> sums_of(const Scalar* x, const Scalar* g, const Arrays<Scalar, state_count>& arrays,
                              std::ptrdiff_t n) const {
    LaneSums<Scalar, count> lanes{};
    const std::ptrdiff_t begin = sum_ == nullptr ? 0 : sum_(kernel_, x, g, arrays, 0, n, factor_, lanes);
    if (begin < n) sum_rest_(kernel_, x, g, arrays, begin, n, factor_, lanes);
    Sums<Scalar, count> sums;
    for (std::size_t k = 0; k < count; ++k) sums[k] = sum_of(lanes[k]);
    return sums;
  }

  SumFunction<Scalar, state_count, count> sum_;  ///< null if there are no packs
  SumFunction<Scalar, state_count, count> sum_rest_;
  const void* kernel_;
  int threads_;
  Wide<Scalar> factor_;
};

/// The roots of what sums_of(factor) returns, with another try where squares of double overflow or vanish; each number
/// is multiplied by the factor before it is squared.
template <class Scalar, class SumsOf>
auto norms_of(const SumsOf& sums_of) {
  auto norms = sums_of(Wide<Scalar>(1));
  for (Wide<Scalar>& norm : norms) {
    const Wide<Scalar> sum = norm;
    norm = square_root(sum);
    if constexpr (std::is_same_v<Scalar, double>)
      if (!(sum >= 0x1p-900 && sum < std::numeric_limits<double>::infinity())) {
        const double factor = sum < 1 ? 0x1p600 : 0x1p-600;
        norm = square_root(sums_of(factor)[static_cast<std::size_t>(&norm - norms.data())]) / factor;
      }
  }
  return norms;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

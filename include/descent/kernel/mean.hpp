// SPDX-License-Identifier: MIT
//
// Sums and means of gradients, element by element: ((g1 + g2) + g3 + ...) / n, with the same bits on every CPU.
#pragma once

#include <cstddef>
#include <type_traits>

#include <descent/kernel/pack.hpp>
#include <descent/kernel/sweep.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

/// The kernel of x <- x + g: a pass takes away what its kernel says.
struct Add {
  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g) const {
    return -g;
  }
};

/// sum <- sum + g
template <class Scalar>
void add(Scalar* sum, const Scalar* g, std::ptrdiff_t n) {
  const Add kernel;
  Pass<Scalar, 0>(kernel, 1, nullptr)(sum, g, {}, n);
}

/// sum <- sum / divisor
template <class Scalar>
void divide(Scalar* sum, std::ptrdiff_t n, Scalar divisor) {
  std::ptrdiff_t i = 0;
  const auto in_packs = [&]<class Pack>(std::type_identity<Pack>) {
    for (; i + Pack::lanes <= n; i += Pack::lanes) (Pack::load(sum + i) / Pack(divisor)).store(sum + i);
  };
#if defined(DESCENT_BASELINE_BYTES)
  if constexpr (!std::is_same_v<Scalar, long double>)
    in_packs(std::type_identity<Pack<Scalar, DESCENT_BASELINE_BYTES>>());
#endif
  in_packs(std::type_identity<Pack<Scalar, 0>>());
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

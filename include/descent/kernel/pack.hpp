// SPDX-License-Identifier: MIT
//
// A pack: one register full of numbers, with the arithmetic that a rule's kernel needs.
//
// Pack<Scalar, Bytes> holds `Bytes` bytes of lanes; Pack<Scalar, 0> is a single lane of any Scalar. Every operator is
// one correctly rounded IEEE operation per lane, so a kernel gives the same bits on packs of every width. What would
// break this is kept out here:
//   - contraction of a * b + c into one fused operation, by an empty asm on every product;
//   - -ffast-math and its parts, by the error below if a macro reveals them. clang++ defines none for
//     -fassociative-math, -freciprocal-math, -fno-signed-zeros and -fapprox-func: it is told to ignore them in
//     the operators, and where a rule of the library computes a coefficient, `rounded` keeps the operations
//     apart.
//
// With these four flags of clang++, the promise does not hold
//   - for a coefficient that a rule of your own computes without `rounded`;
//   - for any kernel on a target other than x86-64 and, from clang++ 17 on, AArch64;
//   - below the smallest normal number, if the program is also linked with -Ofast or
//     -funsafe-math-optimizations: it then treats such numbers as 0.
// Nor does it hold with -fno-honor-nans or -fno-honor-infinities, for which clang++ has no macro either.
//
// A pack keeps its lanes as an array, not as a vector: the calling convention for a vector depends on the instruction
// set of the function, so a helper of a user's kernel that is not inlined would be called by one convention and
// compiled for another. All functions pass arrays in memory. The array is aligned no more than its scalars: without
// optimization, g++ 12 does not align temporaries of wider types in functions that are not compiled for them. Neither
// choice costs anything, because optimizers keep inlined packs in registers. (tests/own_rules.cpp: helpers of a kernel)
#pragma once

#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <descent/kernel/flags.hpp>

#if !defined(DESCENT_ALLOW_FAST_MATH)
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error \
    "descent promises the same bits everywhere, which -ffast-math breaks, as do its parts -ffinite-math-only, -fassociative-math, -freciprocal-math and -fno-signed-zeros: compile without them, or define DESCENT_ALLOW_FAST_MATH to give the promise up"
#endif
// For the flags that have no macro.
#if defined(__clang__) && (defined(__x86_64__) || (defined(__aarch64__) && __clang_major__ >= 17))
#define DESCENT_PRECISE_MATH
#endif
#endif
#if FLT_EVAL_METHOD != 0 && !defined(DESCENT_ALLOW_FAST_MATH)
#error \
    "descent needs float and double arithmetic without excess precision (FLT_EVAL_METHOD == 0; on 32-bit x86: -msse2 -mfpmath=sse)"
#endif

// The constraint for a floating-point operand in asm.
#if defined(__AVX512F__)
#define DESCENT_FP_REGISTER "v"
#elif defined(__x86_64__)
#define DESCENT_FP_REGISTER "x"
#elif defined(__aarch64__)
#define DESCENT_FP_REGISTER "w"
#elif defined(__riscv_flen) && __riscv_flen >= 64
#define DESCENT_FP_REGISTER "f"
#else
#define DESCENT_FP_REGISTER "m"
#endif

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

/// The number itself, rounded here, before anything else is done with it: the compiler cannot see how it was computed.
inline double rounded(double number) {
  asm("" : "+" DESCENT_FP_REGISTER(number));
  return number;
}

/// The product of two coefficients, rounded before anything is added to it.
inline double rounded_product(double a, double b) { return rounded(a * b); }

#if defined(__x86_64__)
/// The roots of 16 bytes of numbers, or of only the first of them. Not by asm, which would fix one of two encodings:
/// the AVX encoding stops older CPUs, and the SSE2 encoding takes up to 20 times as long in a function compiled for
/// AVX2 (bench/DEAD_ENDS.md).
template <bool first_alone = false, class Vector>
[[gnu::always_inline]] inline Vector square_roots(Vector squares) {
#if __has_builtin(__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt(squares);
#else
  if constexpr (sizeof(squares[0]) == sizeof(float))
    return first_alone ? __builtin_ia32_sqrtss(squares) : __builtin_ia32_sqrtps(squares);
  else
    return first_alone ? __builtin_ia32_sqrtsd(squares) : __builtin_ia32_sqrtpd(squares);
#endif
}
#endif

/// The root of one number, without the test for negative numbers with which std::sqrt sets errno.
template <class Scalar>
[[gnu::always_inline]] inline Scalar square_root(Scalar square) {
#if defined(__x86_64__)
  if constexpr (sizeof(Scalar) <= sizeof(double)) {
    using Vector [[gnu::vector_size(16)]] = Scalar;
    return square_roots<true>(Vector{square})[0];
  }
#endif
  return std::sqrt(square);
}

/// 2^exponent.
template <class Scalar>
constexpr Scalar two_to(int exponent) {
  Scalar power = 1;
  for (; exponent < 0; ++exponent) power /= 2;
  for (; exponent > 0; --exponent) power *= 2;
  return power;
}

/// What counts as 0, because CPUs take 10 to 100 times as long for factors or products below the smallest normal
/// number, min. (bench: "zero gradients", "sparse gradients", "gradients around 1e-25")
template <class Scalar>
struct Negligible {
  /// The square of a number of this size is normal even times 1 - 0.999: (2^10 min)^(1/2), 2^-58 for float.
  static constexpr Scalar squared = two_to<Scalar>((std::numeric_limits<Scalar>::min_exponent + 9) / 2);

  /// For state of the size of gradients or steps: after 32 steps of decay by 0.9, its product with 1e-5 is still
  /// normal: 2^26 min, 2^-100 for float.
  static constexpr Scalar linear_state = two_to<Scalar>(std::numeric_limits<Scalar>::min_exponent + 25);

  /// For state of the size of their squares: after 32 steps of decay by 0.9, it is still normal: 2^5 min, 2^-121 for
  /// float.
  static constexpr Scalar squared_state = two_to<Scalar>(std::numeric_limits<Scalar>::min_exponent + 4);
};

/// The compiler's types for `Bytes` bytes of lanes: one to compute with, and one to read and write lanes of any
/// alignment that belong to other types. Only the latter may alias: in arithmetic, a may_alias type would force every
/// intermediate result into memory.
template <class Scalar, int Bytes>
struct Register {
  using Value [[gnu::vector_size(Bytes)]] = Scalar;
  using InMemory [[gnu::vector_size(Bytes), gnu::may_alias, gnu::aligned(alignof(Scalar))]] = Scalar;
};

template <class Scalar>
struct Register<Scalar, 0> {
  using Value = Scalar;
  using InMemory = Scalar;
};

template <class Scalar, int Bytes>
class Pack;

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

// The definition of Pack is one text for all widths, included once for each: the target attribute, which lets a program
// compiled for any x86-64 contain wider packs, cannot depend on a template parameter.
#define DESCENT_PACK_BYTES 0
#define DESCENT_PACK_TARGET
#include <descent/kernel/pack.inc>

#if defined(__x86_64__) || defined(__aarch64__)
#define DESCENT_BASELINE_BYTES 16
#define DESCENT_PACK_BYTES DESCENT_BASELINE_BYTES
#define DESCENT_PACK_TARGET
#include <descent/kernel/pack.inc>
#endif

// The widest packs: 64 bytes if the program is compiled for AVX-512, else 32, in functions that may be compiled for
// AVX2 even if the program is not. (bench/DEAD_ENDS.md: AVX-512 chosen at run time.)
#if defined(__x86_64__)
#if defined(__AVX512F__)
#define DESCENT_WIDE_BYTES 64
#define DESCENT_WIDE_TARGET
#else
#define DESCENT_WIDE_BYTES 32
#if defined(__AVX2__)
#define DESCENT_WIDE_TARGET
#else
#define DESCENT_WIDE_TARGET [[gnu::target("avx2")]]
#endif
#endif
#define DESCENT_PACK_BYTES DESCENT_WIDE_BYTES
#define DESCENT_PACK_TARGET DESCENT_WIDE_TARGET
#include <descent/kernel/pack.inc>
#endif

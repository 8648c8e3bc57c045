// SPDX-License-Identifier: MIT
//
// A tag for the compiler flags of a translation unit.
//
// A program may link files that were compiled for different CPUs. The linker keeps one copy of each inline function. If
// that is the copy with AVX-512, the program dies on a CPU without it; if it was compiled without exceptions, it aborts
// where a file with exceptions would catch. So everything that the flags change carries their name: namespaces by
// `inline namespace DESCENT_FLAGS`, members of classes that must stay one type in all files by DESCENT_TAGGED.
// tests/linkage shows that this works.
#pragma once

// Every header includes this one before any code of its own, so that an older standard gives one error instead of
// hundreds: the missing file ends the compilation.
#if __cplusplus < 202002L
#error "descent needs C++20: compile with -std=c++20"
#include <descent/needs_c++20>
#endif

#if defined(__AVX512F__)
#define DESCENT_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define DESCENT_ISA avx2_fma
#elif defined(__AVX2__)
#define DESCENT_ISA avx2
#elif defined(__AVX__)
#define DESCENT_ISA avx
#elif defined(__SSE4_2__)
#define DESCENT_ISA sse4_2
#elif defined(__SSE3__)
#define DESCENT_ISA sse3
#elif defined(__ARM_FEATURE_SVE)
#define DESCENT_ISA sve
#elif defined(__riscv_vector)
#define DESCENT_ISA rvv
#else
#define DESCENT_ISA baseline
#endif

#if defined(_OPENMP)
#define DESCENT_THREADS _openmp
#else
#define DESCENT_THREADS
#endif

#if defined(__cpp_exceptions)
#define DESCENT_ERRORS
#else
#define DESCENT_ERRORS _no_exceptions  // errors.hpp
#endif

#define DESCENT_JOIN_EXPANDED(a, b) a##b
#define DESCENT_JOIN(a, b) DESCENT_JOIN_EXPANDED(a, b)
#define DESCENT_STRING_EXPANDED(a) #a
#define DESCENT_STRING(a) DESCENT_STRING_EXPANDED(a)

#define DESCENT_FLAGS DESCENT_JOIN(DESCENT_JOIN(DESCENT_ISA, DESCENT_THREADS), DESCENT_ERRORS)
#define DESCENT_TAGGED [[gnu::abi_tag(DESCENT_STRING(DESCENT_FLAGS))]]

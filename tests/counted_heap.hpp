// SPDX-License-Identifier: MIT
//
// The C library's heap, counted, and failing when told to: for one source file of a program, in which it replaces
// malloc (so not under a sanitizer, which does the same). Eigen allocates with malloc; so does operator new.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include <Eigen/Core>  // first, because compilers' headers for SSE declare posix_memalign in their own way

namespace heap {

inline bool counting = false;
inline long allocations = 0;
inline std::size_t bytes = 0;
inline std::ptrdiff_t live = 0, peak = 0;  ///< bytes held more than at the beginning

/// The allocations that fail, from the first to the last of these numbers, counted from 1.
inline long first_failing = 0, last_failing = 0;

/// Counts an allocation, and returns whether it is to succeed.
inline bool admits(std::size_t size) {
  if (!counting) return true;
  ++allocations;
  bytes += size;
  const bool fails = first_failing <= allocations && allocations <= last_failing;
  if (fails) errno = ENOMEM;
  return !fails;
}

inline void* taken(void* memory) {
  if (counting && memory != nullptr)
    peak = std::max(peak, live += static_cast<std::ptrdiff_t>(::malloc_usable_size(memory)));
  return memory;
}
inline void* given_back(void* memory) {
  if (counting && memory != nullptr) live -= static_cast<std::ptrdiff_t>(::malloc_usable_size(memory));
  return memory;
}

struct Use {
  long allocations;
  std::size_t bytes;
  std::ptrdiff_t peak;
};

/// The allocations and bytes that the call requests, and how much it holds at most at once.
template <class Call>
Use use_of(Call&& call) {
  allocations = 0;
  bytes = 0;
  live = peak = 0;
  counting = true;
  call();
  counting = false;
  return {allocations, bytes, peak};
}

}  // namespace heap

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void __libc_free(void*);

void* malloc(std::size_t size) { return heap::admits(size) ? heap::taken(__libc_malloc(size)) : nullptr; }
void* calloc(std::size_t count, std::size_t size) {
  return heap::admits(count * size) ? heap::taken(__libc_calloc(count, size)) : nullptr;
}
void* realloc(void* memory, std::size_t size) {
  return heap::admits(size) ? heap::taken(__libc_realloc(heap::given_back(memory), size)) : nullptr;
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return heap::admits(size) ? heap::taken(__libc_memalign(alignment, size)) : nullptr;
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  *memory = aligned_alloc(alignment, size);
  return *memory ? 0 : ENOMEM;
}
void free(void* memory) { __libc_free(heap::given_back(memory)); }
}

// SPDX-License-Identifier: MIT
//
// The C library's heap, counted: for one source file of a program, in which it replaces malloc (so not
// under a sanitizer, which does the same). Eigen allocates with malloc; so does operator new.
#pragma once

#include <cstddef>
#include <cstdlib>

#include <Eigen/Core>  // before what follows: compilers' headers for SSE declare posix_memalign in their own way

namespace heap {

inline bool counting = false;
inline long allocations = 0;
inline std::size_t bytes = 0;

inline std::size_t counted(std::size_t size) {
  allocations += counting;
  bytes += counting ? size : 0;
  return size;
}

struct Use {
  long allocations;
  std::size_t bytes;
};

/// What the call asks for.
template <class Call>
Use use_of(Call&& call) {
  allocations = 0;
  bytes = 0;
  counting = true;
  call();
  counting = false;
  return {allocations, bytes};
}

}  // namespace heap

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) { return __libc_malloc(heap::counted(size)); }
void* calloc(std::size_t count, std::size_t size) {
  heap::counted(count * size);
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) { return __libc_realloc(memory, heap::counted(size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return __libc_memalign(alignment, heap::counted(size)); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  *memory = __libc_memalign(alignment, heap::counted(size));
  return *memory ? 0 : 12;
}
}

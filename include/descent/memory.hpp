// SPDX-License-Identifier: MIT
//
// What an optimizer remembers of its tensors: the state arrays, flat over all of them, and their
// shapes. With a fixed size both live inside the optimizer, and nothing touches the heap.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

#include <descent/kernel/sweep.hpp>
#include <descent/tensors.hpp>
#include <descent/text.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

inline constexpr std::size_t cache_line = 64;

template <class T>
struct CacheAligned {
  using value_type = T;

  CacheAligned() = default;
  template <class U>
  CacheAligned(const CacheAligned<U>&) {}

  T* allocate(std::size_t n) {
    if (n > PTRDIFF_MAX / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{cache_line}));
  }
  void deallocate(T* memory, std::size_t) { ::operator delete (memory, std::align_val_t{cache_line}); }

  friend bool operator==(const CacheAligned&, const CacheAligned&) { return true; }
};

/// `Slots` arrays of n scalars; on the heap, each begins at a cache line.
template <class Scalar, std::size_t Slots, int Size>
class StateArrays {
  static constexpr bool fixed = Size != Eigen::Dynamic;
  using Storage = std::conditional_t<fixed, std::array<Scalar, Slots* static_cast<std::size_t>(fixed ? Size : 0)>,
                                     std::vector<Scalar, CacheAligned<Scalar>>>;

 public:
  /// Makes room for n scalars in each array, all equal to the array's initial value.
  void fill(Eigen::Index n, const std::array<double, Slots>& initial) {
    if constexpr (!fixed) {
      constexpr std::size_t line = cache_line / sizeof(Scalar);
      const std::size_t stride = (static_cast<std::size_t>(n) + line - 1) / line * line;
      scalars_.resize(Slots * stride);
      stride_ = stride;
    }
    for (std::size_t slot = 0; slot < Slots; ++slot)
      std::fill_n(scalars_.data() + slot * stride_, stride_, static_cast<Scalar>(initial[slot]));
  }

  kernel::Arrays<Scalar, Slots> arrays() {
    kernel::Arrays<Scalar, Slots> arrays;
    for (std::size_t slot = 0; slot < Slots; ++slot) arrays[slot] = scalars_.data() + slot * stride_;
    return arrays;
  }
  const Scalar* array(std::size_t slot) const { return scalars_.data() + slot * stride_; }
  const Scalar* end() const { return array(Slots); }

 private:
  Storage scalars_{};
  std::conditional_t<fixed, std::integral_constant<std::size_t, static_cast<std::size_t>(fixed ? Size : 0)>,
                     std::size_t>
      stride_{};
};

/// The shape of each tensor, in order.
template <int Size>
class Shapes {
  static constexpr bool fixed = Size != Eigen::Dynamic;

 public:
  /// A fixed size holds this many tensors.
  static constexpr Eigen::Index max_count =
      fixed ? (std::min)(Size + 4, 16) : (std::numeric_limits<Eigen::Index>::max)();

  void resize(Eigen::Index count) {
    if constexpr (fixed) {
      if (count > max_count)
        throw std::invalid_argument(text("descent: ", count, " tensors; an optimizer of the fixed size ", Size,
                                         " takes at most ", max_count, ", one of Eigen::Dynamic any number"));
    } else {
      shapes_.resize(static_cast<std::size_t>(count));
    }
    count_ = count;
  }
  Eigen::Index size() const { return count_; }
  Shape& operator[](Eigen::Index i) { return shapes_[static_cast<std::size_t>(i)]; }
  const Shape& operator[](Eigen::Index i) const { return shapes_[static_cast<std::size_t>(i)]; }

 private:
  std::conditional_t<fixed, std::array<Shape, static_cast<std::size_t>(fixed ? max_count : 0)>, std::vector<Shape>>
      shapes_;
  Eigen::Index count_ = 0;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

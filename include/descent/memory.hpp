// SPDX-License-Identifier: MIT
//
// What an optimizer remembers about its tensors: the state arrays, flat over all of them, and their shapes. With a
// fixed size, both live inside the optimizer, and nothing touches the heap.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

inline constexpr std::size_t cache_line = 64;

struct FreeAligned {
  void operator()(void* memory) const { ::operator delete(memory, std::align_val_t{cache_line}); }
};
template <class Scalar>
using AlignedArray = std::unique_ptr<Scalar[], FreeAligned>;

/// Memory for n scalars, aligned to a cache line.
template <class Scalar>
AlignedArray<Scalar> new_aligned(std::size_t n) {
  if (n > PTRDIFF_MAX / sizeof(Scalar)) fail<std::length_error>({"descent: ", n, " scalars of state are too many"});
  return AlignedArray<Scalar>(static_cast<Scalar*>(::operator new(n * sizeof(Scalar), std::align_val_t{cache_line})));
}

/// `state_count` arrays of n scalars on the heap, each aligned to a cache line.
template <class Scalar, std::size_t state_count, int Size>
class StateArrays {
 public:
  StateArrays() = default;
  StateArrays(const StateArrays& other)
      : lines_(other.size_ == 0 ? nullptr : new_aligned<Scalar>(other.length())), size_(other.size_) {
    std::copy_n(other.lines_.get(), length(), lines_.get());
  }
  StateArrays(StateArrays&& other) noexcept : lines_(std::move(other.lines_)), size_(std::exchange(other.size_, 0)) {}
  StateArrays& operator=(StateArrays other) noexcept {
    std::swap(lines_, other.lines_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~StateArrays() = default;

  /// Allocates n scalars for each array, all equal to the array's initial value.
  void fill(Eigen::Index n, const std::array<double, state_count>& initial) {
    StateArrays filled;
    filled.size_ = n;
    filled.lines_ = new_aligned<Scalar>(filled.length());
    for (std::size_t slot = 0; slot < state_count; ++slot)
      std::fill_n(filled.array(slot), filled.stride(), static_cast<Scalar>(initial[slot]));
    *this = std::move(filled);
  }

  Eigen::Index size() const { return size_; }
  AddressRange address_range() const { return {array(0), array(state_count)}; }
  Scalar* array(std::size_t slot) { return lines_.get() + slot * stride(); }
  const Scalar* array(std::size_t slot) const { return lines_.get() + slot * stride(); }

 private:
  std::size_t stride() const {
    constexpr std::size_t line = cache_line / sizeof(Scalar);
    return (static_cast<std::size_t>(size_) + line - 1) / line * line;
  }
  std::size_t length() const { return state_count * stride(); }

  AlignedArray<Scalar> lines_;
  Eigen::Index size_ = 0;
};

/// The same, stored inside the optimizer.
template <class Scalar, std::size_t state_count, int Size>
requires(Size != Eigen::Dynamic)
class StateArrays<Scalar, state_count, Size> {
 public:
  void fill(Eigen::Index, const std::array<double, state_count>& initial) {
    for (std::size_t slot = 0; slot < state_count; ++slot)
      std::fill_n(array(slot), Size, static_cast<Scalar>(initial[slot]));
  }

  static constexpr Eigen::Index size() { return Size; }
  AddressRange address_range() const { return {array(0), array(state_count)}; }
  Scalar* array(std::size_t slot) { return scalars_.data() + slot * static_cast<std::size_t>(Size); }
  const Scalar* array(std::size_t slot) const { return scalars_.data() + slot * static_cast<std::size_t>(Size); }

 private:
  std::array<Scalar, state_count* static_cast<std::size_t>(Size)> scalars_{};
};

/// The shape of each tensor, in order, and memory that steps reuse: for the views of ranges, for sorting many tensors
/// by address, and for the copy of a gradient. Copies of the optimizer do not include the reused memory.
template <class Scalar, int Size>
class TensorShapes {
 public:
  static constexpr Eigen::Index max_count = (std::numeric_limits<Eigen::Index>::max)();

  struct Scratch {
    std::vector<View<Scalar>> params;
    std::vector<View<const Scalar>> gradient;
    bool disjoint = false;  ///< whether the last step with these could overwrite no gradient before reading it
    std::vector<AddressRange> address_ranges;
    AlignedArray<Scalar> copy;
    std::size_t copy_size = 0;
  };

  TensorShapes() = default;
  TensorShapes(const TensorShapes& other) {
    if (other.storage_ != nullptr)
      storage_ =
          std::make_unique<Storage>(Storage{other.storage_->count, other.storage_->first, other.storage_->others, {}});
  }
  TensorShapes(TensorShapes&&) noexcept = default;
  TensorShapes& operator=(TensorShapes other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~TensorShapes() = default;

  template <class S>
  [[gnu::cold]] void remember(Views<S> views) {
    std::vector<Shape> others(static_cast<std::size_t>(views.count > 0 ? views.count - 1 : 0));
    for (Eigen::Index i = 1; i < views.count; ++i) others[static_cast<std::size_t>(i - 1)] = views[i].shape;
    storage().others = std::move(others);
    if (views.count > 0) storage().first = views[0].shape;
    storage().count = views.count;
  }
  Eigen::Index size() const { return storage_ == nullptr ? 0 : storage_->count; }
  const Shape& operator[](Eigen::Index tensor) const {
    return tensor == 0 ? storage_->first : storage_->others[static_cast<std::size_t>(tensor - 1)];
  }

  /// Has space for the views of `count` tensors.
  Scratch& scratch(Eigen::Index count) {
    Scratch& all = scratch();
    all.params.resize(static_cast<std::size_t>(count));
    all.gradient.resize(static_cast<std::size_t>(count));
    return all;
  }
  std::vector<AddressRange>& address_ranges() { return scratch().address_ranges; }

  /// Calls use(memory for n scalars).
  template <class Use>
  void with_copy(Eigen::Index n, Use&& use) {
    Scratch& all = scratch();
    if (const auto size = static_cast<std::size_t>(n); all.copy_size < size) {
      all.copy = new_aligned<Scalar>(size);
      all.copy_size = size;
    }
    use(all.copy.get());
  }

 private:
  /// One struct, so that an optimizer of one tensor makes one allocation.
  struct Storage {
    Eigen::Index count = 0;
    Shape first;
    std::vector<Shape> others;
    std::unique_ptr<Scratch> scratch;
  };
  Scratch& scratch() {
    auto& scratch = storage().scratch;
    if (scratch == nullptr) scratch = std::make_unique<Scratch>();
    return *scratch;
  }
  Storage& storage() {
    if (storage_ == nullptr) storage_ = std::make_unique<Storage>();
    return *storage_;
  }

  std::unique_ptr<Storage> storage_;
};

/// Without the heap: as many tensors as scalars, at most 16, with their sizes in the smallest integers that can hold
/// them.
template <class Scalar, int Size>
requires(Size != Eigen::Dynamic)
class TensorShapes<Scalar, Size> {
 public:
  static constexpr Eigen::Index max_count = (std::clamp)(Size, 1, 16);

  template <class S>
  [[gnu::cold]] void remember(Views<S> views) {
    require_count(views.count);
    constexpr Eigen::Index most = (std::numeric_limits<Extent>::max)();
    for (Eigen::Index i = 0; i < views.count; ++i)
      if (const Shape& shape = views[i].shape; shape.rows > most || shape.cols > most)  // so it has no elements
        fail<std::invalid_argument>({"descent: the parameters", place(i, views.count), " are ", to_text(shape),
                                     "; an optimizer of the fixed size ", Size, " takes up to ", most,
                                     " rows or columns"});
    row_major_ = 0;
    for (Eigen::Index i = 0; i < views.count; ++i) {
      const Shape& shape = views[i].shape;
      rows_[static_cast<std::size_t>(i)] = static_cast<Extent>(shape.rows);
      cols_[static_cast<std::size_t>(i)] = static_cast<Extent>(shape.cols);
      if (shape.row_major) row_major_ = static_cast<Bits>(row_major_ | (1U << i));
    }
    count_ = static_cast<std::uint8_t>(views.count);
  }
  Eigen::Index size() const { return count_; }
  Shape operator[](Eigen::Index tensor) const {
    return {rows_[static_cast<std::size_t>(tensor)], cols_[static_cast<std::size_t>(tensor)],
            (row_major_ >> tensor & 1U) != 0};
  }

  struct Scratch {
    std::array<View<Scalar>, static_cast<std::size_t>(max_count)> params;
    std::array<View<const Scalar>, static_cast<std::size_t>(max_count)> gradient;
    bool disjoint = false;
  };
  Scratch scratch(Eigen::Index count) {
    require_count(count);
    return {};
  }

  template <class Use>
  void with_copy(Eigen::Index, Use&& use) {
    std::array<Scalar, static_cast<std::size_t>(Size)> copy;
    use(copy.data());
  }

 private:
  static void require_count(Eigen::Index count) {
    if (count > max_count)
      fail<std::invalid_argument>({"descent: ", count, " tensors; an optimizer of the fixed size ", Size,
                                   " takes at most ", max_count, ", one of Eigen::Dynamic any number"});
  }

  using Extent =
      std::conditional_t<(Size < 256), std::uint8_t, std::conditional_t<(Size < 65536), std::uint16_t, std::int32_t>>;
  using Bits = std::conditional_t<(max_count <= 8), std::uint8_t, std::uint16_t>;
  std::array<Extent, static_cast<std::size_t>(max_count)> rows_{}, cols_{};
  Bits row_major_ = 0;
  std::uint8_t count_ = 0;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

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
#include <string_view>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

inline constexpr std::size_t cache_line = 64;

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_no_state(const Text& which, const std::string_view* known,
                                                                 std::size_t count) {
  Text text{"descent: no state ", which, count == 0 ? "; this rule has none" : "; the known ones are"};
  for (std::size_t slot = 0; slot < count; ++slot) text.add({slot == 0 ? " \"" : ", \"", known[slot], "\""});
  fail<std::out_of_range>(text.c_str());
}

/// An array on the heap, aligned to a cache line. One class for all types, which compiles faster than a std::vector of
/// each.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~Buffer() { ::operator delete(memory_, std::align_val_t{cache_line}); }

  /// Takes the place of the array with another of n numbers or plain structs, which have no values yet.
  template <class T>
  T* allocate(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    allocate(n, sizeof(T));
    return array<T>();
  }
  template <class T>
  T* array() const {
    return static_cast<T*>(memory_);
  }

 private:
  [[gnu::cold, gnu::noinline]] void allocate(std::size_t n, std::size_t size) {
    if (n > PTRDIFF_MAX / size) fail<std::length_error>({"descent: ", n, " scalars of state are too many"});
    Buffer other;
    other.memory_ = ::operator new(n * size, std::align_val_t{cache_line});
    *this = std::move(other);
  }

  void* memory_ = nullptr;
};

/// An array that steps use again. It only grows, and then loses its values.
template <class T>
struct ReusedArray {
  Buffer memory;
  Eigen::Index count = 0;

  T* of(Eigen::Index n) {
    if (n > count) {
      std::fill_n(memory.allocate<T>(static_cast<std::size_t>(n)), n, T{});
      count = n;
    }
    return memory.array<T>();
  }
};

/// What the views of a step's arguments need (with_views), if their number is not known at compile time or a gradient
/// is copied.
template <class Scalar>
struct StepMemory {
  ReusedArray<View<Scalar>> params;
  ReusedArray<View<const Scalar>> gradient;
  ReusedArray<Scalar> copied;
  ReusedArray<Index> numbers;
  bool disjoint = false;  ///< whether the last step with these could overwrite no gradient before reading it

  struct Scratch {
    View<Scalar>* params;
    View<const Scalar>* gradient;
    bool& disjoint;
  };
  /// Has space for the views of `count` tensors, and keeps those of the last step.
  Scratch scratch(Eigen::Index count) { return {params.of(count), gradient.of(count), disjoint}; }
  /// Calls use(memory for n scalars).
  template <class Use>
  void with_copy(Eigen::Index n, Use&& use) {
    use(copied.of(n));
  }
  /// For n numbers of columns or rows (indices.hpp).
  Index* indices(Eigen::Index n) { return numbers.of(n); }
};

/// A column, a row or an element that a sparse gradient names: how far its first element lies from the first of the
/// parameters, of the tensor's state and of the gradient.
struct Slice {
  Index x, state, gradient;
};

/// `state_count` arrays of n scalars on the heap, each aligned to a cache line.
template <class Scalar, std::size_t state_count, int Size>
class StateArrays {
 public:
  StateArrays() = default;
  StateArrays(const StateArrays& other) : size_(other.size_) {
    if (size_ > 0) std::copy_n(other.array(0), length(), memory_.template allocate<Scalar>(length()));
  }
  StateArrays(StateArrays&& other) noexcept : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
  StateArrays& operator=(StateArrays other) noexcept {
    memory_ = std::move(other.memory_);
    size_ = other.size_;
    return *this;
  }
  ~StateArrays() = default;

  /// Allocates n scalars for each array, all equal to the array's initial value.
  void fill(Eigen::Index n, const std::array<double, state_count>& initial) {
    StateArrays filled;
    filled.size_ = n;
    filled.memory_.template allocate<Scalar>(filled.length());
    for (std::size_t slot = 0; slot < state_count; ++slot)
      std::fill_n(filled.array(slot), filled.stride(), static_cast<Scalar>(initial[slot]));
    *this = std::move(filled);
  }

  Eigen::Index size() const { return size_; }
  AddressRange address_range() const { return {array(0), array(state_count)}; }
  Scalar* array(std::size_t slot) { return memory_.array<Scalar>() + slot * stride(); }
  const Scalar* array(std::size_t slot) const { return memory_.array<Scalar>() + slot * stride(); }

 private:
  std::size_t stride() const {
    constexpr std::size_t line = cache_line / sizeof(Scalar);
    return (static_cast<std::size_t>(size_) + line - 1) / line * line;
  }
  std::size_t length() const { return state_count * stride(); }

  Buffer memory_;
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
/// by address, for the copy of a gradient, for the step of a matrix, and for sparse steps. Copies of the optimizer do
/// not include the reused memory.
template <class Scalar, int Size>
class TensorShapes {
 public:
  static constexpr Eigen::Index max_count = (std::numeric_limits<Eigen::Index>::max)();

  TensorShapes() = default;
  TensorShapes(const TensorShapes& other) {
    if (other.storage_ != nullptr) copy(other.size(), [&](Eigen::Index i) { return other[i]; });
  }
  TensorShapes(TensorShapes&&) noexcept = default;
  TensorShapes& operator=(TensorShapes other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~TensorShapes() = default;

  template <class S>
  [[gnu::cold]] void remember(Views<S> views) {
    copy(views.count, [&](Eigen::Index i) { return views[i].shape; });
  }
  Eigen::Index size() const {
    if (storage_ == nullptr) return 0;
    return storage_->more == nullptr ? 1 : storage_->more->count;
  }
  const Shape& operator[](Eigen::Index tensor) const {
    return tensor == 0 ? storage_->first : storage_->more->others.template array<Shape>()[tensor - 1];
  }

  auto scratch(Eigen::Index count) { return more().step.scratch(count); }
  AddressRange* address_ranges(Eigen::Index count) { return more().address_ranges.of(count); }
  template <class Use>
  void with_copy(Eigen::Index n, Use&& use) {
    more().step.with_copy(n, use);
  }
  Index* indices(Eigen::Index n) { return more().step.indices(n); }

  /// Calls use(memory for n scalars), with which a step of a matrix computes; allocates nothing if `reserve_work` has.
  template <class Use>
  void with_work(Eigen::Index n, Use&& use) {
    use(more().work.of(n));
  }
  void reserve_work(Eigen::Index n) { more().work.of(n); }

  /// For sparse steps (sparse.hpp).
  struct Sparse {
    ReusedArray<Slice> slices;
    ReusedArray<Index> table;
  };
  Sparse& sparse() { return more().sparse; }

  /// Changes the shape of one tensor (resize.hpp).
  void reshape(Eigen::Index tensor, const Shape& shape) {
    (tensor == 0 ? storage_->first : storage_->more->others.template array<Shape>()[tensor - 1]) = shape;
    if (storage_->more != nullptr) storage_->more->step.disjoint = false;
  }

 private:
  /// What one tensor that is stepped element by element does not need.
  struct More {
    Eigen::Index count = 0;
    Buffer others;
    StepMemory<Scalar> step;
    ReusedArray<AddressRange> address_ranges;
    ReusedArray<Scalar> work;
    Sparse sparse;
  };
  struct Storage {
    Shape first;
    std::unique_ptr<More> more;
  };
  Storage& storage() {
    if (storage_ == nullptr) storage_ = std::make_unique<Storage>();
    return *storage_;
  }
  More& more() {
    if (storage_ == nullptr || storage_->more == nullptr) [[unlikely]]
      make_more();
    return *storage_->more;
  }
  [[gnu::cold, gnu::noinline]] void make_more() {
    const Eigen::Index count = size();
    storage().more = std::make_unique<More>();
    storage_->more->count = count;
  }
  template <class ShapeOf>
  void copy(Eigen::Index count, const ShapeOf& shape_of) {
    if (count > 1) {
      auto* to = more().others.template allocate<Shape>(static_cast<std::size_t>(count - 1));
      for (Eigen::Index i = 1; i < count; ++i) *to++ = shape_of(i);
    }
    Storage& all = storage();
    if (count > 0) all.first = shape_of(0);
    if (count != 1 || all.more != nullptr) more().count = count;
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
    View<Scalar> params[max_count];
    View<const Scalar> gradient[max_count];
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

  /// Up to four times as many as a matrix has elements.
  template <class Use>
  void with_work(Eigen::Index, Use&& use) {
    std::array<Scalar, 4 * static_cast<std::size_t>(Size)> work{};
    use(work.data());
  }
  void reserve_work(Eigen::Index) {}

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

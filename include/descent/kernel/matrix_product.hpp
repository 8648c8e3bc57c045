// SPDX-License-Identifier: MIT
//
// The product of two matrices with the same bits everywhere: C <- C + A B.
//
// Each element of C has one sum, to which its products are added in the order of k, each product rounded by itself. So
// neither the width of the packs nor the blocks nor the number of threads leave a trace in the bits.
//
// The sums of one tile of C stay in registers while k runs through a block. What a tile reads is copied first, in the
// order in which it is read: A in panels as high as a tile, B in strips as wide as one, both filled up with zeros.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <descent/kernel/dispatch.hpp>
#include <descent/kernel/pack.hpp>
#include <descent/kernel/sweep.hpp>

namespace descent::kernel {
inline namespace DESCENT_FLAGS {

/// A factor of a product, with any strides.
template <class Scalar>
struct Factor {
  const Scalar* data;
  std::ptrdiff_t row_stride, col_stride;

  Factor transposed() const { return {data, col_stride, row_stride}; }
  Factor from(std::ptrdiff_t row, std::ptrdiff_t col) const {
    return {data + row * row_stride + col * col_stride, row_stride, col_stride};
  }
};

/// The blocks of a product, in elements: two of the widest packs by six columns are what 16 registers hold; a block of
/// A takes 8 KiB if packs have 32 bytes, and one of B 24.
template <class Scalar>
struct Blocks {
  static constexpr std::ptrdiff_t lanes =
#if defined(DESCENT_WIDE_BYTES)
      DESCENT_WIDE_BYTES / sizeof(Scalar);
#elif defined(DESCENT_BASELINE_BYTES)
      DESCENT_BASELINE_BYTES / sizeof(Scalar);
#else
      1;
#endif
  static constexpr std::ptrdiff_t tile_rows = 2 * lanes, tile_cols = 6;
  static constexpr std::ptrdiff_t depth = 512 / sizeof(Scalar), cols = 8 * tile_cols;
};

/// Adds the product of a panel and a strip to a tile.
template <class Pack, class Scalar>
[[gnu::always_inline]] inline void add_to_tile(const Scalar* a, const Scalar* b, std::ptrdiff_t depth, Scalar* c,
                                               std::ptrdiff_t c_stride) {
  constexpr std::ptrdiff_t rows = Blocks<Scalar>::tile_rows, cols = Blocks<Scalar>::tile_cols, lanes = Pack::lanes;
  [&]<std::size_t... col>(std::index_sequence<col...>) __attribute__((always_inline)) {
    const auto at = [&](std::ptrdiff_t column, std::ptrdiff_t row)
                        __attribute__((always_inline)) { return c + column * c_stride + row; };
    for (std::ptrdiff_t row = 0; row < rows; row += 2 * lanes) {
      std::array<Pack, sizeof...(col)> upper{Pack::load(at(col, row))...}, lower{Pack::load(at(col, row + lanes))...};
      for (std::ptrdiff_t k = 0; k < depth; ++k) {
        const Pack high = Pack::load(a + k * rows + row), low = Pack::load(a + k * rows + row + lanes);
        const auto add = [&](Pack& above, Pack& below, const Pack& factor) __attribute__((always_inline)) {
          above = above + high * factor;
          below = below + low * factor;
        };
        (add(upper[col], lower[col], Pack(b[k * cols + static_cast<std::ptrdiff_t>(col)])), ...);
      }
      (upper[col].store(at(col, row)), ...);
      (lower[col].store(at(col, row + lanes)), ...);
    }
  }(std::make_index_sequence<static_cast<std::size_t>(cols)>());
}

// One function for each kind of pack, behind a pointer, as in sweep.hpp.

template <class Scalar>
using TileFunction = void (*)(const Scalar* a, const Scalar* b, std::ptrdiff_t depth, Scalar* c,
                              std::ptrdiff_t c_stride);

template <class Scalar>
void add_to_tile_on_lanes(const Scalar* a, const Scalar* b, std::ptrdiff_t depth, Scalar* c, std::ptrdiff_t c_stride) {
  add_to_tile<Pack<Scalar, 0>>(a, b, depth, c, c_stride);
}

#if defined(DESCENT_BASELINE_BYTES)
template <class Scalar>
[[gnu::flatten]] void add_to_tile_on_baseline(const Scalar* a, const Scalar* b, std::ptrdiff_t depth, Scalar* c,
                                              std::ptrdiff_t c_stride) {
  add_to_tile<Pack<Scalar, DESCENT_BASELINE_BYTES>>(a, b, depth, c, c_stride);
}
#endif

#if defined(DESCENT_WIDE_BYTES)
template <class Scalar>
DESCENT_WIDE_TARGET [[gnu::flatten]] void add_to_tile_on_wide(const Scalar* a, const Scalar* b, std::ptrdiff_t depth,
                                                              Scalar* c, std::ptrdiff_t c_stride) {
  add_to_tile<Pack<Scalar, DESCENT_WIDE_BYTES>>(a, b, depth, c, c_stride);
}
#endif

/// The function for the widest packs that this CPU has.
template <class Scalar>
TileFunction<Scalar> widest_tile() {
  if constexpr (!std::is_same_v<Scalar, long double>) {
#if defined(DESCENT_WIDE_BYTES)
    if (choice.isa == Isa::wide) return add_to_tile_on_wide<Scalar>;
#endif
#if defined(DESCENT_BASELINE_BYTES)
    if (choice.isa == Isa::baseline) return add_to_tile_on_baseline<Scalar>;
#endif
  }
  return add_to_tile_on_lanes<Scalar>;
}

/// The columns of C that one thread computes, block by block.
template <class Scalar>
class ProductOfColumns {
  using Size = Blocks<Scalar>;

 public:
  void operator()(Scalar* c, const Scalar* a, std::ptrdiff_t rows, Factor<Scalar> b, std::ptrdiff_t depth,
                  std::ptrdiff_t cols) {
    for (std::ptrdiff_t k = 0; k < depth; k += Size::depth)
      for (std::ptrdiff_t col = 0; col < cols; col += Size::cols)
        add_block(c + col * rows, a + k * rows, rows, b.from(k, col), (std::min)(Size::depth, depth - k),
                  (std::min)(Size::cols, cols - col));
  }

 private:
  void add_block(Scalar* c, const Scalar* a, std::ptrdiff_t rows, Factor<Scalar> b, std::ptrdiff_t depth,
                 std::ptrdiff_t cols) {
    for (std::ptrdiff_t col = 0; col < cols; col += Size::tile_cols)
      copy_strip(b.from(0, col), depth, (std::min)(Size::tile_cols, cols - col), strip_at(col, depth));
    for (std::ptrdiff_t row = 0; row < rows; row += Size::tile_rows) {
      const std::ptrdiff_t tile_rows = (std::min)(Size::tile_rows, rows - row);
      copy_panel(a + row, rows, depth, tile_rows);
      for (std::ptrdiff_t col = 0; col < cols; col += Size::tile_cols)
        add_tile(c + col * rows + row, rows, strip_at(col, depth), depth, tile_rows,
                 (std::min)(Size::tile_cols, cols - col));
    }
  }

  Scalar* strip_at(std::ptrdiff_t col, std::ptrdiff_t depth) { return strips_.data() + col * depth; }
  static void copy_strip(Factor<Scalar> b, std::ptrdiff_t depth, std::ptrdiff_t cols, Scalar* to) {
    if (cols < Size::tile_cols) std::fill_n(to, depth * Size::tile_cols, Scalar(0));
    for (std::ptrdiff_t col = 0; col < cols; ++col)
      for (std::ptrdiff_t k = 0; k < depth; ++k) to[k * Size::tile_cols + col] = *b.from(k, col).data;
  }
  void copy_panel(const Scalar* a, std::ptrdiff_t a_stride, std::ptrdiff_t depth, std::ptrdiff_t rows) {
    Scalar* to = panel_.data();
    for (std::ptrdiff_t k = 0; k < depth; ++k, a += a_stride, to += Size::tile_rows) {
      if (rows == Size::tile_rows)
        std::copy_n(a, Size::tile_rows, to);
      else
        std::fill(std::copy_n(a, rows, to), to + Size::tile_rows, Scalar(0));
    }
  }

  /// A tile that reaches beyond C is computed in memory of its own.
  void add_tile(Scalar* c, std::ptrdiff_t c_stride, const Scalar* strip, std::ptrdiff_t depth, std::ptrdiff_t rows,
                std::ptrdiff_t cols) {
    if (rows == Size::tile_rows && cols == Size::tile_cols) return add_(panel_.data(), strip, depth, c, c_stride);
    std::array<Scalar, Size::tile_rows * Size::tile_cols> whole{};
    for (std::ptrdiff_t col = 0; col < cols; ++col)
      std::copy_n(c + col * c_stride, rows, whole.data() + col * Size::tile_rows);
    add_(panel_.data(), strip, depth, whole.data(), Size::tile_rows);
    for (std::ptrdiff_t col = 0; col < cols; ++col)
      std::copy_n(whole.data() + col * Size::tile_rows, rows, c + col * c_stride);
  }

  TileFunction<Scalar> add_ = widest_tile<Scalar>();
  alignas(64) std::array<Scalar, Size::tile_rows * Size::depth> panel_;
  alignas(64) std::array<Scalar, Size::cols * Size::depth> strips_;
};

/// A matrix in memory, column by column without gaps.
template <class Scalar>
struct Matrix {
  Scalar* data;
  std::ptrdiff_t rows, cols;

  Scalar* end() const { return data + rows * cols; }
  Factor<Scalar> as_factor() const { return {data, 1, rows}; }
  Factor<Scalar> transposed() const { return {data, rows, 1}; }

  void set_zero() const { std::fill(data, end(), Scalar(0)); }
  /// The product of a number and a matrix of the same shape, perhaps this one.
  void set(Scalar factor, const Matrix& other) const {
    std::transform(other.data, other.end(), data, [factor](Scalar element) { return factor * element; });
  }
  /// Adds A B, neither of which this matrix overlaps. The columns are shared by as many threads as there is work for.
  void add_product(const Matrix& a, Factor<Scalar> b, [[maybe_unused]] int threads) const {
#if defined(_OPENMP)
    // As many products as take the time of one element of a sweep.
    constexpr std::ptrdiff_t products = 16, strip = Blocks<Scalar>::tile_cols;
    const std::ptrdiff_t work = rows * cols * a.cols / products, strips = (cols + strip - 1) / strip;
    threads = static_cast<int>((std::min)({static_cast<std::ptrdiff_t>(threads), work / least_for_a_thread, strips}));
    if (threads > 1)
      return in_threads(threads, [&](int thread) {
        const std::ptrdiff_t part = (strips + threads - 1) / threads * strip, begin = (std::min)(thread * part, cols);
        add_to_columns(begin, (std::min)(part, cols - begin), a, b);
      });
#endif
    add_to_columns(0, cols, a, b);
  }

 private:
  void add_to_columns(std::ptrdiff_t begin, std::ptrdiff_t count, const Matrix& a, Factor<Scalar> b) const {
    ProductOfColumns<Scalar> product;  // not of zeros: filling its memory takes longer than a small product
    product(data + begin * rows, a.data, rows, b.from(0, begin), a.cols, count);
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::kernel

// SPDX-License-Identifier: MIT
//
// Minibatches: the batches of one epoch after another, shuffled or in your own order. They depend on the arguments
// alone, on every platform.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {
/// The only access to what training objects remember; checkpoints use it.
struct TrainingAccess;
}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// How Minibatches walks the indices.
struct MinibatchOptions {
  bool shuffle = true;     ///< again in each epoch (Fisher & Yates); false: keep the given order
  bool drop_last = false;  ///< leave out a short last batch
};

/// Walks the indices 0 … count - 1, or the given ones, in batches:
///
///     descent::Minibatches batches(X.cols(), 32, seed);
///     for (int epoch = 0; epoch < 20; ++epoch)
///       for (const auto& batch : batches.epoch())
///         train(X(Eigen::all, batch));
///
/// Each epoch holds every index once, or as often as it was given. With drop_last, each shuffle leaves out others.
class Minibatches {
 public:
  using Index = Eigen::Index;

  /// The largest count.
  static constexpr Index max_count = (std::numeric_limits<std::int32_t>::max)();

  /// Throws std::invalid_argument unless 1 <= count <= max_count and batch_size >= 1. A batch_size above count gives
  /// one short batch; with drop_last, which would leave none, it is an error too.
  Minibatches(Index count, Index batch_size, std::uint64_t seed, const MinibatchOptions& options = {})
      : random_{seed}, batch_size_(batch_size), options_(options) {
    require_sizes(count);
    order_.resize(static_cast<std::size_t>(count));
    for (Index i = 0; i < count; ++i) order_[static_cast<std::size_t>(i)] = i;
  }

  /// The same for your own indices, in any range of integers: the samples of a split, a fixed order, or one that
  /// repeats some samples. They are copied. Throws std::invalid_argument as above, and for an index below 0.
  template <class Indices>
  requires requires(const Indices& indices) {
    requires std::integral<std::remove_cvref_t<decltype(*std::begin(indices))>>;
    std::end(indices);
  }
  Minibatches(const Indices& indices, Index batch_size, std::uint64_t seed, const MinibatchOptions& options = {})
      : random_{seed}, batch_size_(batch_size), options_(options) {
    for (const auto index : indices) {
      order_.push_back(static_cast<Index>(index));
      if (order_.back() < 0)  // or above the largest Index
        detail::fail<std::invalid_argument>({"descent::Minibatches: index ", order_.size() - 1, " is ", index,
                                             "; it must be at least 0, and at most ",
                                             (std::numeric_limits<Index>::max)()});
    }
    require_sizes(static_cast<Index>(order_.size()));
  }

  /// The batches of one epoch, each a span of indices. Valid until the next call of `epoch`, and only as long as the
  /// Minibatches they come from.
  class Epoch {
   public:
    class Iterator {
     public:
      using value_type = std::span<const Index>;
      using difference_type = std::ptrdiff_t;
      using iterator_concept = std::forward_iterator_tag;
      using iterator_category = std::input_iterator_tag;

      Iterator() = default;
      Iterator(std::span<const Index> rest, std::size_t batch_size) : rest_(rest), batch_size_(batch_size) {}

      std::span<const Index> operator*() const { return rest_.first((std::min)(batch_size_, rest_.size())); }
      Iterator& operator++() {
        rest_ = rest_.subspan((std::min)(batch_size_, rest_.size()));
        return *this;
      }
      Iterator operator++(int) {
        Iterator before = *this;
        ++*this;
        return before;
      }
      friend bool operator==(const Iterator& a, const Iterator& b) { return a.rest_.size() == b.rest_.size(); }

     private:
      std::span<const Index> rest_;
      std::size_t batch_size_ = 1;
    };

    Epoch(std::span<const Index> order, std::size_t batch_size) : order_(order), batch_size_(batch_size) {}

    Iterator begin() const { return {order_, batch_size_}; }
    Iterator end() const { return {order_.last(0), batch_size_}; }

    /// The number of batches.
    std::size_t size() const { return (order_.size() + batch_size_ - 1) / batch_size_; }

   private:
    std::span<const Index> order_;
    std::size_t batch_size_;
  };

  /// Shuffles, unless that is switched off, and returns the next epoch.
  Epoch epoch() & {
    if (options_.shuffle)
      for (std::size_t i = order_.size(); i > 1; --i)
        std::swap(order_[i - 1], order_[static_cast<std::size_t>(random_.below(i))]);
    return last_epoch();
  }

  /// The epoch that `epoch` returned last, once more: for a program that was stopped in the middle of one. (Before the
  /// first, the indices as they were given.)
  Epoch last_epoch() const& {
    const auto batch_size = static_cast<std::size_t>(batch_size_);
    const std::size_t left_out = options_.drop_last ? order_.size() % batch_size : 0;
    return {{order_.data(), order_.size() - left_out}, batch_size};
  }

 private:
  friend struct detail::TrainingAccess;

  /// SplitMix64 (Steele, Lea & Flood 2014, Fast splittable pseudorandom number generators): the
  /// distributions of the standard library differ between platforms.
  struct Random {
    std::uint64_t state;

    std::uint64_t next() {
      std::uint64_t z = state += 0x9e3779b97f4a7c15;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      return z ^ (z >> 31);
    }

    /// Uniform in [0, bound): values in the incomplete interval at the beginning are drawn again.
    std::uint64_t below(std::uint64_t bound) {
      const std::uint64_t excess = (0 - bound) % bound;  // 2^64 mod bound
      std::uint64_t value = next();
      while (value < excess) value = next();
      return value % bound;
    }
  };

  void require_sizes(Index count) const {
    require_at_least_one("count", count);
    require_at_least_one("batch_size", batch_size_);
    if (count > max_count)
      detail::fail<std::invalid_argument>(
          {"descent::Minibatches: count = ", count, "; it must be at most ", max_count});
    if (options_.drop_last && batch_size_ > count)
      detail::fail<std::invalid_argument>({"descent::Minibatches: batch_size = ", batch_size_,
                                           "; with drop_last it must be at most count = ", count,
                                           ", or no batch is left"});
  }

  static void require_at_least_one(std::string_view field, Index value) {
    if (value < 1)
      detail::fail<std::invalid_argument>({"descent::Minibatches: ", field, " = ", value, "; it must be at least 1"});
  }

  Random random_;
  Index batch_size_;
  MinibatchOptions options_;
  std::vector<Index> order_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent

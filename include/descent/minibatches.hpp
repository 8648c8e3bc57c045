// SPDX-License-Identifier: MIT
//
// Minibatches: the shuffled batches of one epoch after another, in an order that depends on the
// arguments alone, on every platform.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/kernel/flags.hpp>

namespace descent {
inline namespace DESCENT_FLAGS {

/// Walks the indices 0 … count - 1 in shuffled batches:
///
///     descent::Minibatches batches(X.cols(), 32, seed);
///     for (int epoch = 0; epoch < 20; ++epoch)
///       for (const auto& batch : batches.epoch())
///         train(X(Eigen::all, batch));
///
/// Each epoch holds every index once, shuffled anew (Fisher & Yates); its last batch may be short.
class Minibatches {
 public:
  using Index = Eigen::Index;

  /// The largest count.
  static constexpr Index max_count = (std::numeric_limits<std::int32_t>::max)();

  /// Throws std::invalid_argument unless 1 <= count <= max_count and batch_size >= 1. A batch_size
  /// above count gives one short batch.
  Minibatches(Index count, Index batch_size, std::uint64_t seed) : random_{seed} {
    require_at_least_one("count", count);
    require_at_least_one("batch_size", batch_size);
    if (count > max_count)
      throw std::invalid_argument("descent::Minibatches: count = " + std::to_string(count) + "; it must be at most " +
                                  std::to_string(max_count));
    batch_size_ = (std::min)(batch_size, count);
    order_.resize(static_cast<std::size_t>(count));
    std::iota(order_.begin(), order_.end(), 0);
  }

  /// The batches of one epoch, each a span of indices. Valid until the next call of `epoch` and as
  /// long as the Minibatches they come from.
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

  /// Shuffles, and gives the next epoch.
  Epoch epoch() & {
    for (std::size_t i = order_.size(); i > 1; --i)
      std::swap(order_[i - 1], order_[static_cast<std::size_t>(random_.below(i))]);
    return {order_, static_cast<std::size_t>(batch_size_)};
  }

 private:
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

    /// Uniform in [0, bound): values of an incomplete last interval are drawn again.
    std::uint64_t below(std::uint64_t bound) {
      const std::uint64_t excess = (0 - bound) % bound;  // 2^64 mod bound
      std::uint64_t value = next();
      while (value < excess) value = next();
      return value % bound;
    }
  };

  static void require_at_least_one(std::string_view field, Index value) {
    if (value < 1)
      throw std::invalid_argument("descent::Minibatches: " + std::string(field) + " = " + std::to_string(value) +
                                  "; it must be at least 1");
  }

  Random random_;
  Index batch_size_ = 1;
  std::vector<Index> order_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent

// SPDX-License-Identifier: MIT
//
// Which rank owns which elements: all tensors, one after the other and each in its storage order, are cut into as many
// ranges of nearly the same length as there are ranks. So a rank owns at most one share of each tensor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <descent/kernel/norm.hpp>
#include <descent/memory.hpp>
#include <descent/rule.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// The elements of one tensor, in its storage order, that belong to one rank.
struct Share {
  Index tensor, begin, count;
};

/// At which multiples of elements from its first one on a tensor may be cut, or 0 if the rule steps it as a whole. A
/// share begins at a cache line, if its tensor does, or for a rule that takes norms at one of their blocks.
template <class R, class Scalar>
Index unit_of_cuts(const Shape& shape) {
  if constexpr (StepsWhole<R>)
    if (R::template WholeStep<Scalar>::takes(shape)) return 0;
  if constexpr (norm_link_count<R> > 0) return kernel::norm_block;
  return static_cast<Index>(cache_line / sizeof(Scalar));
}

/// The shares of all ranks, which depend only on the shapes, the rule and the number of ranks.
class Shares {
 public:
  struct OfRank {
    const Share* first;
    const Share* last;

    const Share* begin() const { return first; }
    const Share* end() const { return last; }
    Index size() const {
      Index size = 0;
      for (const Share& share : *this) size += share.count;
      return size;
    }
  };

  Shares() = default;

  /// Cuts n elements in equal parts, and moves each cut to the nearest place that unit_of(shape) allows.
  template <class Shapes, class UnitOf>
  Shares(const Shapes& shapes, int ranks, const UnitOf& unit_of) : first_(static_cast<std::size_t>(ranks) + 1) {
    Index n = 0;
    for (Index tensor = 0; tensor < shapes.size(); ++tensor) n += shapes[tensor].size();
    Index rank = 0, begin_of_tensor = 0, begin = 0;  // `begin`: where the last cut was
    for (Index tensor = 0; tensor < shapes.size(); ++tensor) {
      const Index size = shapes[tensor].size(), unit = unit_of(shapes[tensor]);
      const auto add = [&](Index end) {
        if (end > begin) shares_.push_back({tensor, begin - begin_of_tensor, end - begin});
        begin = end;
      };
      for (; rank + 1 < ranks; ++rank) {
        const Index cut = n / ranks * (rank + 1) + (std::min)(n % ranks, rank + 1);
        if (cut >= begin_of_tensor + size) break;
        add(begin_of_tensor + nearest(cut - begin_of_tensor, unit, size));
        first_[static_cast<std::size_t>(rank) + 1] = shares_.size();
      }
      add(begin_of_tensor + size);
      begin_of_tensor += size;
    }
    for (++rank; rank <= ranks; ++rank) first_[static_cast<std::size_t>(rank)] = shares_.size();
  }

  OfRank of(int rank) const {
    const auto at = static_cast<std::size_t>(rank);
    return {shares_.data() + first_[at], shares_.data() + first_[at + 1]};
  }

  /// Those of other tensors than some, in the place of this object's; allocates no more memory than the first time.
  template <class IsOne>
  void assign_without(const Shares& all, const IsOne& is_one) {
    shares_.reserve(all.shares_.size());
    first_.resize(all.first_.size());
    shares_.clear();
    for (std::size_t rank = 0; rank + 1 < first_.size(); ++rank) {
      for (const Share& share : all.of(static_cast<int>(rank)))
        if (!is_one(share.tensor)) shares_.push_back(share);
      first_[rank + 1] = shares_.size();
    }
  }

 private:
  static Index nearest(Index cut, Index unit, Index size) {
    if (unit == 0) return cut < size - cut ? 0 : size;
    const Index below = cut - cut % unit, above = (std::min)(below + unit, size);
    return cut - below < above - cut ? below : above;
  }

  std::vector<Share> shares_;       ///< by rank, and by tensor
  std::vector<std::size_t> first_;  ///< where those of each rank begin, and where the last ones end
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

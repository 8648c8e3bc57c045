// SPDX-License-Identifier: MIT
//
// A step of this rank's share of the parameters: the step of an Optimizer whose tensors are the shares, with what only
// all ranks together know: the norms, and whether the gradient is finite.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <descent/errors.hpp>
#include <descent/finite_gradient.hpp>
#include <descent/kernel/norm.hpp>
#include <descent/memory.hpp>
#include <descent/mpi/communicator.hpp>
#include <descent/mpi/shares.hpp>
#include <descent/optimizer.hpp>
#include <descent/own_tensors.hpp>
#include <descent/rule.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Memory for the sums of squares over blocks of elements, which are exchanged for a norm.
template <class Scalar>
class NormMemory {
 public:
  static constexpr Index block = static_cast<Index>(kernel::norm_block);
  static Index blocks_of(Index count) { return (count + block - 1) / block; }

  /// Allocates what these shares need, for links of up to two sums.
  void reserve(const Shares& shares, const Communicator& ranks, Index tensors) {
    Index own = 0, all = 0;
    for (int rank = 0; rank < ranks.size(); ++rank)
      for (const Share& share : shares.of(rank)) {
        all += blocks_of(share.count);
        own += rank == ranks.rank() ? blocks_of(share.count) : 0;
      }
    if (all > (std::numeric_limits<int>::max)() / static_cast<int>(sizeof(Two)))
      fail<std::length_error>({"descent: norms of more than ", all, " blocks of ", block, " elements"});
    own_.of(own);
    all_.of(all);
    of_tensors_.of(tensors);
    kept_.of(tensors);
    counts_.resize(static_cast<std::size_t>(ranks.size()));
    begins_.resize(static_cast<std::size_t>(ranks.size()));
  }

  template <class Sums>
  Sums* own() {
    return own_.memory.template array<Sums>();
  }
  template <class Sums>
  Sums* of_tensors() {
    return of_tensors_.memory.template array<Sums>();
  }
  template <class Sums>
  Sums* kept() {
    return kept_.memory.template array<Sums>();
  }
  /// Those of the blocks of all ranks, in their order.
  template <class Sums>
  const Sums* gathered(const auto& blocks_of_rank, const Communicator& ranks) {
    int begin = 0;
    for (int rank = 0; rank < ranks.size(); ++rank) {
      const auto at = static_cast<std::size_t>(rank);
      counts_[at] = static_cast<int>(blocks_of_rank(rank)) * static_cast<int>(sizeof(Sums));
      begins_[at] = begin;
      begin += counts_[at];
    }
    require_success(
        MPI_Allgatherv(own<Sums>(), counts_[static_cast<std::size_t>(ranks.rank())], MPI_BYTE,
                       all_.memory.template array<Sums>(), counts_.data(), begins_.data(), MPI_BYTE, ranks.get()),
        "MPI_Allgatherv");
    return all_.memory.template array<Sums>();
  }

 private:
  using Two = kernel::Sums<Scalar, 2>;

  ReusedArray<Two> own_, all_, of_tensors_, kept_;
  std::vector<int> counts_, begins_;  ///< in bytes, for each rank
};

/// The values and the gradient of a rank's shares, one after the other.
template <class Scalar>
struct ShareData {
  Shares::OfRank shares;
  Scalar* x;
  const Scalar* g;
};

template <class R, class Scalar, int Size>
struct ShareStep<Optimizer<R, Scalar, Size>> {
  using O = Optimizer<R, Scalar, Size>;
  using Counter = StepCounter<R>;
  using Facts = TensorFacts<R>;
  using Data = ShareData<Scalar>;
  using WholeShapes = TensorShapes<Scalar, Size>;

  // ---- Before the ranks agree ------------------------------------------------------------------------

  static void validate(const O& optimizer) { optimizer.validate_all(); }
  static void require_own_tensors(const O& optimizer, Index count) { optimizer.require_own_tensors(count); }

  /// Creates the state of the shares, whose views these are.
  static void remember(O& optimizer, Views<Scalar> shares) { optimizer.remember(shares); }

  /// Allocates what steps of whole tensors need.
  static void reserve_work(O& optimizer, Shares::OfRank shares) {
    if constexpr (StepsWhole<R>)
      for (const Share& share : shares)
        if (const Shape& shape = optimizer.memory_.shapes[share.tensor]; O::stepped_whole(shape))
          optimizer.memory_.shapes.reserve_work(R::template WholeStep<Scalar>::work(shape));
  }

  /// Lists what must be alike on all ranks.
  template <class List>
  static void describe(const O& optimizer, Index tensors, List& list) {
    const auto& memory = optimizer.memory_;
    const auto list_rule = [&](const R& rule, const Text& of) {
      R::hyperparameters([&](const auto&... its) { (list({its.name, of}, rule.*its.member), ...); });
    };
    const auto list_counter = [&](const Counter& counter, const Text& of) {
      list({"steps", of}, counter.t);
      if constexpr (count_running_factors<R>() > 0)
        for (const double& product : counter.products) list({"running_products", of}, product);
      if constexpr (count_running_numbers<R>() > 0)
        for (const double& number : counter.numbers) list({"running_numbers", of}, number);
    };
    list_rule(optimizer.rule(), {});
    list_counter(memory.counter, {});
    list({"skipped_steps"}, memory.skips.total);
    list({"skipped_in_a_row"}, memory.skips.in_a_row);
    list({"NonFinite"}, static_cast<int>(optimizer.settings_.nonfinite));
    list({"most_in_a_row"}, optimizer.settings_.most_in_a_row);
    if (optimizer.own_.size() == 0) return;
    for (Index tensor = 0; tensor < tensors; ++tensor) {
      const OwnTensor<R>* const own = optimizer.own_.find(tensor);
      const Text of{" of tensor ", tensor};
      list({"frozen", of}, own != nullptr && own->frozen);
      list_rule(optimizer.rule_of(own), of);
      list_counter(own != nullptr ? own->counter : memory.counter, of);
    }
  }

  // ---- The step ----------------------------------------------------------------------------------------

  static bool is_frozen(const O& optimizer, Index tensor) { return optimizer.is_frozen(tensor); }
  static bool propagates(const O& optimizer) { return optimizer.settings_.nonfinite == NonFinite::propagate; }

  /// What kernels depend on, for each tensor that is not frozen: its shape, and the norms over all ranks. Each link
  /// that needs norms costs an exchange of the sums over blocks, which every rank adds in the same order.
  static void measure(O& optimizer, const WholeShapes& shapes, const Shares& shares, const Data& data,
                      const Communicator& ranks, std::vector<Facts>& facts, NormMemory<Scalar>& memory) {
    if constexpr (IsChain<R>) {
      for (Index tensor = 0; tensor < shapes.size(); ++tensor)
        facts[static_cast<std::size_t>(tensor)] = {shapes[tensor].is_matrix()};
      [&]<std::size_t... number>(std::index_sequence<number...>) {
        (measure_link<number>(optimizer, shapes.size(), shares, data, ranks, facts, memory), ...);
      }(std::make_index_sequence<norm_link_count<R>>());
    }
  }

  /// Whether the gradient is accepted, over all ranks; as Optimizer::accepts.
  static bool accepts(O& optimizer, const WholeShapes& shapes, const Data& data, const Communicator& ranks,
                      const std::vector<Facts>& facts) {
    auto& skips = optimizer.memory_.skips;
    if constexpr (requires { requires R::norm_shows_nonfinite; })
      if (shapes.size() > 0 && std::isfinite(facts[0].norms[0])) return true;  // it is that of all tensors
    const std::int64_t none = shapes.size();
    std::int64_t own = none, first = none;
    const Scalar* g = data.g;
    for (const Share& share : data.shares) {
      if (!all_finite<squares_gradient<R>>(g, share.count)) {
        own = share.tensor;
        break;
      }
      g += share.count;
    }
    require_success(MPI_Allreduce(&own, &first, 1, MPI_INT64_T, MPI_MIN, ranks.get()), "MPI_Allreduce");
    if (first == none) return true;
    if (!skips.allow_one(optimizer.settings_))
      fail_not_finite_on_all(static_cast<Index>(first), shapes, data, ranks, skips.in_a_row);
    skips.add_one();
    return false;
  }

  /// Steps the shares; `facts` has those of all tensors.
  static void take(O& optimizer, const Data& data, const std::vector<Facts>& facts) {
    auto& memory = optimizer.memory_;
    memory.skips.in_a_row = 0;
    const Counter counter = memory.counter.next(optimizer.rule());
    Scalar* x = data.x;
    const Scalar* g = data.g;
    const Share* share = data.shares.begin();
    typename O::Tensors tensors{0, optimizer.arrays(), nullptr};
    for (; tensors.next < memory.shapes.size(); optimizer.pass_by(tensors)) {
      const Index tensor = tensors.next;
      OwnTensor<R>* const own = optimizer.own_.find(tensor);
      if (own != nullptr && own->frozen) continue;
      const R& rule = optimizer.rule_of(own);
      if (own != nullptr) own->counter = own->counter.next(rule);
      if (share == data.shares.end() || share->tensor != tensor) continue;
      const Counter& its_counter = own != nullptr ? own->counter : counter;
      const Shape shape = memory.shapes[tensor];
      bool stepped = false;
      if constexpr (StepsWhole<R>)
        if (O::stepped_whole(shape)) {
          optimizer.step_whole(rule, its_counter, contiguous_view(x, shape), contiguous_view(g, shape), tensors);
          stepped = true;
        }
      if constexpr (O::steps_by_kernel)
        if (!stepped)
          with_pass<Scalar>(rule, its_counter, optimizer.threads(), [&](const auto& pass) {
            pass(x, g, tensors.state, share->count);
          }, facts[static_cast<std::size_t>(tensor)]);
      x += share->count;
      g += share->count;
      ++share;
    }
    memory.counter.advance_to(counter);
  }

  // ---- Points other than the parameters ----------------------------------------------------------------

  static void move_to_average(const O& optimizer, Views<Scalar> shares) { optimizer.move_to_average(shares); }
  static void move_to_lookahead(const O& optimizer, Views<Scalar> shares) { optimizer.move_to_lookahead(shares); }

 private:
  /// Calls visit(tensor, step) for each share, with the step of this share alone.
  template <class Visit>
  static void for_each_step(O& optimizer, const Data& data, const Visit& visit) {
    const Counter counter = optimizer.memory_.counter.next(optimizer.rule());
    Scalar* x = data.x;
    const Scalar* g = data.g;
    const Share* share = data.shares.begin();
    typename O::Tensors tensors{0, optimizer.arrays(), nullptr};
    for (; share != data.shares.end(); optimizer.pass_by(tensors)) {
      if (share->tensor != tensors.next) continue;
      const OwnTensor<R>* const own = optimizer.own_.find(share->tensor);
      const R& rule = optimizer.rule_of(own);
      const Shape shape{share->count, 1, false};
      visit(share->tensor,
            TensorStep<R, Scalar>{rule, own != nullptr ? own->counter.next(rule) : counter, contiguous_view(x, shape),
                                  contiguous_view(g, shape), false, tensors.state});
      x += share->count;
      g += share->count;
      ++share;
    }
  }

  template <std::size_t number>
  static void measure_link(O& optimizer, Index tensors, const Shares& shares, const Data& data,
                           const Communicator& ranks, std::vector<Facts>& facts, NormMemory<Scalar>& memory) {
    constexpr NormLink link = R::norm_links[number];
    using Sums = kernel::Sums<Scalar, link.count>;

    // The sums of each tensor that is one of them, over all ranks, in memory that lasts until the next call.
    const auto sums_with = [&](kernel::Wide<Scalar> factor, const auto& is_one) {
      Sums* to = memory.template own<Sums>();
      for_each_step(optimizer, data, [&](Index tensor, const TensorStep<R, Scalar>& step) {
        if (!is_one(tensor)) return;
        with_norm_kernel<number>(step, facts[static_cast<std::size_t>(tensor)], [&](const auto& kernel) {
          const kernel::NormPass<Scalar, R::state_names.size(), link.count> pass(kernel, optimizer.threads(), factor);
          pass.for_each_sum([&](std::ptrdiff_t block, const auto& sum) {
            sum(step.x.data + block * kernel::norm_block, step.g.data + block * kernel::norm_block);
          }, step.x.shape.size(), step.state, [&](const Sums& of_block) { *to++ = of_block; });
        });
      });
      const auto blocks_of_rank = [&](int rank) {
        Index blocks = 0;
        for (const Share& share : shares.of(rank))
          if (is_one(share.tensor)) blocks += NormMemory<Scalar>::blocks_of(share.count);
        return blocks;
      };
      const Sums* from = memory.template gathered<Sums>(blocks_of_rank, ranks);
      Sums* const of_tensors = memory.template of_tensors<Sums>();
      std::fill_n(of_tensors, tensors, Sums{});
      for (int rank = 0; rank < ranks.size(); ++rank)
        for (const Share& share : shares.of(rank)) {
          if (!is_one(share.tensor)) continue;
          Sums& total = of_tensors[share.tensor];
          for (Index block = 0; block < NormMemory<Scalar>::blocks_of(share.count); ++block, ++from)
            for (std::size_t k = 0; k < link.count; ++k) kernel::add_to(total[k], (*from)[k]);
        }
      return of_tensors;
    };
    const auto set = [&](Index tensor, const Sums& norms) {
      for (std::size_t k = 0; k < link.count; ++k)
        facts[static_cast<std::size_t>(tensor)].norms[link.first + k] = static_cast<double>(norms[k]);
    };

    const auto all = [](Index) { return true; };
    if constexpr (link.of_all_tensors) {
      const auto norms = kernel::norms_of<Scalar>([&](kernel::Wide<Scalar> factor) {
        const Sums* const sums = sums_with(factor, all);
        Sums total{};
        for (Index tensor = 0; tensor < tensors; ++tensor)
          if (!optimizer.is_frozen(tensor))
            for (std::size_t k = 0; k < link.count; ++k) kernel::add_to(total[k], sums[tensor][k]);
        return total;
      });
      for (Index tensor = 0; tensor < tensors; ++tensor) set(tensor, norms);
    } else {
      const Sums* const sums = std::copy_n(sums_with(1, all), tensors, memory.template kept<Sums>()) - tensors;
      for (Index tensor = 0; tensor < tensors; ++tensor)
        if (!optimizer.is_frozen(tensor))
          set(tensor, kernel::norms_of<Scalar>([&](kernel::Wide<Scalar> factor) {
            return factor == 1 ? sums[tensor] : sums_with(factor, [&](Index each) { return each == tensor; })[tensor];
          }));
    }
  }

  /// Throws on all ranks what fail_not_finite would throw for a whole tensor.
  [[noreturn]] static void fail_not_finite_on_all(Index tensor, const WholeShapes& shapes, const Data& data,
                                                  const Communicator& ranks, std::int64_t skipped_in_a_row) {
    struct Found {
      Index overflows, col, row;
      Scalar value;

      auto place() const { return std::tuple(overflows, col, row); }
    };
    constexpr Index last = (std::numeric_limits<Index>::max)();
    Found own;
    std::memset(&own, 0, sizeof own);
    own = {2, last, last, 0};
    const Shape shape = shapes[tensor];
    const Scalar* g = data.g;
    for (const Share& share : data.shares) {
      for (Index i = 0; i < share.count && share.tensor == tensor; ++i) {
        if (std::isfinite(g[i] * g[i]) || (std::isfinite(g[i]) && !squares_gradient<R>)) continue;
        const Index at = share.begin + i;
        const Found found{std::isfinite(g[i]) ? 1 : 0, shape.row_major ? at % shape.cols : at / shape.rows,
                          shape.row_major ? at / shape.cols : at % shape.rows, g[i]};
        if (found.place() < own.place()) own = found;
      }
      g += share.count;
    }
    std::vector<Found> of_all(static_cast<std::size_t>(ranks.size()));
    constexpr int bytes = static_cast<int>(sizeof(Found));
    require_success(MPI_Allgather(&own, bytes, MPI_BYTE, of_all.data(), bytes, MPI_BYTE, ranks.get()), "MPI_Allgather");
    for (const Found& found : of_all)
      if (found.place() < own.place()) own = found;
    fail_not_finite(NotFinite<Scalar>{own.overflows == 1, to_text(own.row, own.col), own.value}, tensor, shapes.size(),
                    skipped_in_a_row);
  }
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

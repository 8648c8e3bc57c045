// SPDX-License-Identifier: MIT
//
// What moves between the ranks at a step: of each gradient, to each rank its share, and back from each rank its share
// of the parameters. Each rank adds what it gets in the order of the ranks itself, so that the bits do not depend on
// how MPI moves it. All goes in rounds of pieces; while one round is on its way, the one before is worked on.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <descent/kernel/mean.hpp>
#include <descent/memory.hpp>
#include <descent/mpi/communicator.hpp>
#include <descent/mpi/shares.hpp>
#include <descent/strided.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// A walk along the elements of one rank, piece by piece.
class Walk {
 public:
  Walk() = default;
  explicit Walk(const Shares::OfRank& shares) : next_(shares.begin()), end_(shares.end()) {}

  /// Takes up to `most` elements, and calls visit(tensor, begin, count, taken before) for those of each tensor. Returns
  /// how many there were.
  template <class Visit>
  Index take(Index most, const Visit& visit) {
    Index taken = 0;
    while (taken < most && next_ != end_) {
      const Index count = (std::min)(most - taken, next_->count - done_);
      visit(next_->tensor, next_->begin + done_, count, taken);
      taken += count;
      done_ += count;
      if (done_ == next_->count) {
        ++next_;
        done_ = 0;
      }
    }
    return taken;
  }

 private:
  const Share* next_ = nullptr;
  const Share* end_ = nullptr;
  Index done_ = 0;
};

template <class Scalar>
class Exchange {
 public:
  /// How many bytes of each rank's share move in a round: with few ranks more, so that messages are long, but no more
  /// than the cache holds of all ranks. (bench: descent_mpi_bench)
  static Index bytes_in_piece(int ranks) {
    constexpr Index at_once = Index{1} << 21, least = Index{1} << 16;
    return (std::max)(at_once / ranks / static_cast<Index>(cache_line) * static_cast<Index>(cache_line), least);
  }

  /// Allocates what exchanging these shares needs.
  void reserve(const Shares& shares, int ranks) {
    Index longest = 0;
    for (int rank = 0; rank < ranks; ++rank) longest = (std::max)(longest, shares.of(rank).size());
    piece_ = (std::min)(longest, bytes_in_piece(ranks) / static_cast<Index>(sizeof(Scalar)));
    walks_.resize(static_cast<std::size_t>(ranks));
    sizes_.resize(static_cast<std::size_t>(ranks));
    for (Round& round : rounds_) {
      round.sent.of(piece_ * ranks);
      round.received.of(piece_ * ranks);
      for (std::vector<int>* const list : {&round.send_counts, &round.receive_counts, &round.begins})
        list->resize(static_cast<std::size_t>(ranks));
      for (int rank = 0; rank < ranks; ++rank)
        round.begins[static_cast<std::size_t>(rank)] = static_cast<int>(rank * piece_) * item;
    }
  }

  /// mean = (g_0 + g_1 + ...) / n over the ranks' gradients, for the shares of this rank, one after the other.
  template <class Shapes>
  void mean_of(Views<const Scalar> gradient, const Shapes& shapes, const Shares& shares, const Communicator& ranks,
               Scalar* mean) {
    const auto own_rank = static_cast<std::size_t>(ranks.rank());
    const auto copy = [&](Walk& walk, Index count, Scalar* to) {
      return walk.take(count, [&](Index tensor, Index begin, Index in_tensor, Index taken) {
        copy_part(gradient[tensor], shapes[tensor].row_major, begin, in_tensor, to + taken);
      });
    };
    start_walks(shares);
    for_each_round([&](Round& round) {
      round.count = (std::min)(sizes_[own_rank], piece_);
      sizes_[own_rank] -= round.count;
      if (ranks.size() == 1) return;
      auto* const sent = round.sent.memory.template array<Scalar>();
      for (std::size_t rank = 0; rank < walks_.size(); ++rank) {
        const bool is_own = rank == own_rank;
        const Index count = is_own ? 0 : copy(walks_[rank], piece_, sent + static_cast<Index>(rank) * piece_);
        round.send_counts[rank] = static_cast<int>(count) * item;
        round.receive_counts[rank] = is_own ? 0 : static_cast<int>(round.count) * item;
      }
      require_success(MPI_Ialltoallv(sent, round.send_counts.data(), round.begins.data(), MPI_BYTE,
                                     round.received.memory.template array<Scalar>(), round.receive_counts.data(),
                                     round.begins.data(), MPI_BYTE, ranks.get(), &round.request),
                      "MPI_Ialltoallv");
    }, [&](Round& round) {
      constexpr Index most = 1024;  // so that sums stay in the cache until they are means
      std::array<Scalar, most> own;
      for (Index begin = 0, count = 0; begin < round.count; begin += count, mean += count) {
        count = (std::min)(most, round.count - begin);
        copy(walks_[own_rank], count, own.data());
        const Scalar* received = round.received.memory.template array<Scalar>() + begin;
        for (std::size_t rank = 0; rank < walks_.size(); ++rank, received += piece_) {
          const Scalar* const its = rank == own_rank ? own.data() : received;
          if (rank == 0)
            std::copy_n(its, count, mean);
          else
            kernel::add(mean, its, count);
        }
        if (ranks.size() > 1) kernel::divide(mean, count, static_cast<Scalar>(ranks.size()));
      }
    });
  }

  /// Puts the shares of all ranks in their places, where `own` has those of this rank, one after the other.
  template <class Shapes>
  void gather(const Scalar* own, const Shares& shares, const Communicator& ranks, const Shapes& shapes,
              Views<Scalar> tensors) {
    const auto own_rank = static_cast<std::size_t>(ranks.rank());
    const Scalar* sent = own;
    start_walks(shares);
    for_each_round([&](Round& round) {
      for (std::size_t rank = 0; rank < walks_.size(); ++rank) {
        const Index count = (std::min)(sizes_[rank], piece_);
        sizes_[rank] -= count;
        round.receive_counts[rank] = static_cast<int>(count) * item;
      }
      if (ranks.size() == 1) return;
      const int bytes = round.receive_counts[own_rank];
      require_success(
          MPI_Iallgatherv(sent, bytes, MPI_BYTE, round.received.memory.template array<Scalar>(),
                          round.receive_counts.data(), round.begins.data(), MPI_BYTE, ranks.get(), &round.request),
          "MPI_Iallgatherv");
      sent += bytes / item;
    }, [&](Round& round) {
      const Scalar* received = round.received.memory.template array<Scalar>();
      for (std::size_t rank = 0; rank < walks_.size(); ++rank, received += piece_) {
        const Scalar* const from = rank == own_rank ? own : received;
        const Index count = walks_[rank].take(piece_, [&](Index tensor, Index begin, Index in_tensor, Index taken) {
          assign_part(tensors[tensor], shapes[tensor].row_major, begin, in_tensor, from + taken);
        });
        if (rank == own_rank) own += count;
      }
    });
  }

 private:
  static constexpr int item = static_cast<int>(sizeof(Scalar));

  struct Round {
    ReusedArray<Scalar> sent, received;                    ///< a piece for each rank
    std::vector<int> send_counts, receive_counts, begins;  ///< in bytes
    Index count = 0;                                       ///< of this rank's own piece
    MPI_Request request = MPI_REQUEST_NULL;
  };

  void start_walks(const Shares& shares) {
    for (std::size_t rank = 0; rank < walks_.size(); ++rank) {
      walks_[rank] = Walk(shares.of(static_cast<int>(rank)));
      sizes_[rank] = shares.of(static_cast<int>(rank)).size();
    }
  }

  /// Calls start(round) and finish(round) for each round, and starts each before the one before it is finished.
  template <class Start, class Finish>
  void for_each_round(const Start& start, const Finish& finish) {
    const Index longest = *std::max_element(sizes_.begin(), sizes_.end());
    if (longest == 0) return;
    const Index rounds = (longest + piece_ - 1) / piece_;
    for (Index number = 0; number <= rounds; ++number) {
      if (number < rounds) start(rounds_[static_cast<std::size_t>(number % 2)]);
      if (number == 0) continue;
      Round& before = rounds_[static_cast<std::size_t>((number - 1) % 2)];
      require_success(MPI_Wait(&before.request, MPI_STATUS_IGNORE), "MPI_Wait");
      finish(before);
    }
  }

  Index piece_ = 0;
  std::vector<Walk> walks_;   ///< one for each rank
  std::vector<Index> sizes_;  ///< of what each rank owns
  std::array<Round, 2> rounds_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

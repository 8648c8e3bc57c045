// SPDX-License-Identifier: MIT
//
// descent_mpi_bench: a step of a Sharded optimizer on the ranks of one machine, in parts. `cmake --build build/bench
// --target bench_mpi` runs it on 1 to 4 ranks; more than there are processors take turns.
//
//     step       the whole step of a rank
//     computes   of it, outside of MPI: copies, sums, and the rule's step of its share
//     sends      the same messages, with nothing to do between them
//     overlap    how much of the shorter of these two is hidden behind the other: 0 % if the step takes both one after
//                the other, 100 % if it takes no longer than one of them
//     alone      for comparison, an Optimizer with all of the state, in one process
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>
#include <descent/mpi.hpp>

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double in_mpi = 0;  ///< seconds

template <class Call>
int timed(const Call& call) {
  const auto start = Clock::now();
  const int result = call();
  in_mpi += seconds_since(start);
  return result;
}

}  // namespace

// The library's calls pass here first.
extern "C" {
int MPI_Allreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  return timed([&] { return PMPI_Allreduce(from, to, count, type, op, comm); });
}
int MPI_Ialltoallv(const void* from, const int* counts, const int* begins, MPI_Datatype type, void* to,
                   const int* to_counts, const int* to_begins, MPI_Datatype to_type, MPI_Comm comm,
                   MPI_Request* request) {
  return timed(
      [&] { return PMPI_Ialltoallv(from, counts, begins, type, to, to_counts, to_begins, to_type, comm, request); });
}
int MPI_Iallgatherv(const void* from, int count, MPI_Datatype type, void* to, const int* to_counts,
                    const int* to_begins, MPI_Datatype to_type, MPI_Comm comm, MPI_Request* request) {
  return timed([&] { return PMPI_Iallgatherv(from, count, type, to, to_counts, to_begins, to_type, comm, request); });
}
int MPI_Wait(MPI_Request* request, MPI_Status* status) {
  return timed([&] { return PMPI_Wait(request, status); });
}
}

namespace {

struct Times {
  double whole, computes;
};

/// The shortest time of several rounds of a call, in which the slowest rank counts.
template <class Call>
Times shortest(const Call& call) {
  Times least{1e9, 1e9};
  for (int round = 0; round < 30; ++round) {
    MPI_Barrier(MPI_COMM_WORLD);
    in_mpi = 0;
    const auto start = Clock::now();
    call();
    double own[] = {seconds_since(start), 0}, slowest[2];
    own[1] = own[0] - in_mpi;
    PMPI_Allreduce(own, slowest, 2, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    least = {std::min(least.whole, slowest[0]), std::min(least.computes, slowest[1])};
  }
  return least;
}

/// The messages of a step of n floats.
double time_of_messages(Eigen::Index n, int rank, int ranks) {
  using Index = Eigen::Index;
  const Index share = (n + ranks - 1) / ranks;
  const Index most = std::min<Index>(share, descent::detail::Exchange<float>::bytes_in_piece(ranks) / 4);
  const auto count = static_cast<std::size_t>(ranks);
  std::vector<float> sent(static_cast<std::size_t>(most) * count), received(sent.size());
  std::vector<int> counts(count), to_others(count), begins(count);
  for (std::size_t i = 0; i < count; ++i) begins[i] = static_cast<int>(static_cast<Index>(i) * most);
  return shortest([&] {
    for (const bool gathers : {false, true})
      for (Index done = 0; done < share; done += most) {
        const int piece = static_cast<int>(std::min(most, share - done));
        std::fill(counts.begin(), counts.end(), piece);
        to_others = counts;
        to_others[static_cast<std::size_t>(rank)] = 0;
        if (gathers)
          PMPI_Allgatherv(sent.data(), piece, MPI_FLOAT, received.data(), counts.data(), begins.data(), MPI_FLOAT,
                          MPI_COMM_WORLD);
        else
          PMPI_Alltoallv(sent.data(), to_others.data(), begins.data(), MPI_FLOAT, received.data(), to_others.data(),
                         begins.data(), MPI_FLOAT, MPI_COMM_WORLD);
      }
  }).whole;
}

void measure(Eigen::Index n) {
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  Eigen::VectorXf x = Eigen::VectorXf::LinSpaced(n, -1, 1), g = Eigen::VectorXf::LinSpaced(n, 1, 2);
  auto sharded = descent::make_sharded<float>(descent::rules::Adam{});
  sharded.step(x, g);
  const Times step = shortest([&] { sharded.step(x, g); });
  const double sends = ranks > 1 ? time_of_messages(n, rank, ranks) : 0;
  if (rank == 0) {
    auto single = descent::make_optimizer<float>(descent::rules::Adam{});
    single.step(x, g);
    double alone = 1e9;
    for (int round = 0; round < 30; ++round) {
      const auto start = Clock::now();
      single.step(x, g);
      alone = std::min(alone, seconds_since(start));
    }
    const double hidden = std::clamp(step.computes + sends - step.whole, 0.0, std::min(step.computes, sends));
    std::printf("%10td %5d %10.2f %10.2f %10.2f %8.0f %% %10.2f\n", n, ranks, 1e3 * step.whole, 1e3 * step.computes,
                1e3 * sends, ranks > 1 ? 100 * hidden / std::min(step.computes, sends) : 0.0, 1e3 * alone);
    std::fflush(stdout);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (rank == 0 && ranks == 1)
    std::printf("Adam of n floats, in ms\n%10s %5s %10s %10s %10s %10s %10s\n", "n", "ranks", "step", "computes",
                "sends", "overlap", "alone");
  const bool quick = argc > 1;
  for (const Eigen::Index n : {1'000'000, 10'000'000})
    if (!quick || n == 1'000'000) measure(n);
  MPI_Finalize();
}

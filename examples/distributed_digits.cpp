// SPDX-License-Identifier: MIT
//
// Trains the network of the digits example on several processes, each of which has a part of the digits and a share of
// the optimizer's state:
//
//     mpirun -n 4 distributed_digits
//
// It prints what each rank has and how long it takes, and ends with status 1 unless a single process, which adds the
// gradients of all parts itself, ends with the same bits.
//
// What there is to copy is the loop of `run`.
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>
#include <descent/mpi.hpp>

#include "digits_network.hpp"
#include "digits_split.hpp"
#include "output.hpp"

namespace {

using examples::Digits, examples::Network;
using Clock = std::chrono::steady_clock;

constexpr int epochs = 20;
constexpr Eigen::Index batch_size = 16;  // of each rank
const descent::rules::AdamW recipe{.learning_rate = 0.003};

/// Every n-th digit, from number `rank` on: all ranks have equally many.
Digits part_of(const Digits& all, int rank, int ranks) {
  const Eigen::Index count = all.count() / ranks;
  return {all.images(Eigen::seqN(0, all.images.rows()), Eigen::seqN(rank, count, ranks)),
          all.labels(Eigen::seqN(rank, count, ranks))};
}

Eigen::Index batches_in(const Digits& part) { return part.count() / batch_size; }
Digits batch_of(const Digits& part, Eigen::Index number) {
  return {part.images.middleCols(number * batch_size, batch_size),
          part.labels.segment(number * batch_size, batch_size)};
}

/// The steps of all ranks, taken by one process.
Network trained_alone(const Digits& digits, int ranks) {
  std::vector<Digits> parts;
  for (int rank = 0; rank < ranks; ++rank) parts.push_back(part_of(digits, rank, ranks));
  Network network = examples::initial_network(), gradient;
  auto optimizer = descent::make_optimizer<float>(recipe);
  descent::GradientAccumulator<float> gradients;
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (Eigen::Index batch = 0; batch < batches_in(parts[0]); ++batch) {
      for (const Digits& part : parts) {
        loss_gradient(network, batch_of(part, batch), gradient);
        gradients.add(gradient.parameters());
      }
      optimizer.step(network.parameters(), gradients.take_mean(network.parameters()));
    }
  return network;
}

bool same_bits(Network& a, Network& b) {
  const auto same = [](const auto& x, const auto& y) {
    return std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.size()) * sizeof(float)) == 0;
  };
  return same(a.W1, b.W1) && same(a.b1, b.b1) && same(a.W2, b.W2) && same(a.b2, b.b2);
}

/// What each rank reports; rank 0 gets all of them.
struct Report {
  double digits, state_bytes, gradient_seconds, step_seconds;
};
std::vector<Report> reports_of_all(const Report& own, int ranks) {
  std::vector<Report> all(static_cast<std::size_t>(ranks));
  MPI_Gather(&own, 4, MPI_DOUBLE, all.data(), 4, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  return all;
}

/// Whether all went well.
bool run(const std::string& file, int rank, int ranks) {
  const examples::Split data = examples::split(examples::load_digits(file));
  const Digits part = part_of(data.training, rank, ranks);
  if (batches_in(part) == 0)
    throw std::runtime_error(file + ": " + std::to_string(data.training.count()) + " digits are too few for " +
                             std::to_string(ranks) + " ranks");

  Network network = examples::initial_network(), gradient;
  auto optimizer = descent::make_sharded<float>(recipe);
  Clock::duration for_gradients{}, for_steps{};
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (Eigen::Index batch = 0; batch < batches_in(part); ++batch) {
      const auto start = Clock::now();
      loss_gradient(network, batch_of(part, batch), gradient);
      const auto computed = Clock::now();
      optimizer.step(network.parameters(), gradient.parameters());
      for_gradients += computed - start;
      for_steps += Clock::now() - computed;
    }

  const auto seconds = [](Clock::duration time) { return std::chrono::duration<double>(time).count(); };
  Report report{static_cast<double>(part.count()), 0, seconds(for_gradients), seconds(for_steps)};
  for (std::size_t array = 0; array < optimizer.state_names.size(); ++array)
    report.state_bytes += static_cast<double>(optimizer.state(array).size()) * sizeof(float);
  const std::vector<Report> reports = reports_of_all(report, ranks);
  if (rank != 0) return true;

  std::printf("%lld steps of a network of %td parameters on %d ranks\n\n", static_cast<long long>(optimizer.steps()),
              network.size(), ranks);
  std::printf("rank  digits  bytes of state  s for gradients  s for steps\n");
  for (int each = 0; each < ranks; ++each) {
    const Report& its = reports[static_cast<std::size_t>(each)];
    std::printf("%4d  %6.0f  %14.0f  %15.2f  %11.2f\n", each, its.digits, its.state_bytes, its.gradient_seconds,
                its.step_seconds);
  }
  std::printf("\nIt reads %.1f %% of the test digits.\n", 100 * accuracy(network, data.test));
  Network alone = trained_alone(data.training, ranks);
  const bool same = same_bits(network, alone);
  std::printf("One process that takes the same steps ends with %s.\n", same ? "the same bits" : "OTHER BITS");
  examples::finish_standard_output();
  return same;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  bool well = false;
  try {
    well = run(argc > 1 ? argv[1] : DESCENT_EXAMPLES_DIR "/data/digits.csv", rank, ranks);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "distributed_digits: rank %d: %s\n", rank, error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return well ? 0 : 1;
}

// SPDX-License-Identifier: MIT
//
// What a step sends, counted between the library and MPI, and what it allocates: through MPI's profiling interface, the
// calls pass here first.
#include <mpi.h>

#include <cstdint>
#include <vector>

#include "ranks.hpp"

namespace {

/// The bytes that this rank has sent to others, and the number of its calls.
struct {
  std::int64_t gradients = 0, parameters = 0, others = 0, calls = 0;
} sent;

int size_of(MPI_Datatype type) {
  int size = 0;
  MPI_Type_size(type, &size);
  return size;
}
int others_in(MPI_Comm comm) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  return size - 1;
}

}  // namespace

extern "C" {
int MPI_Ialltoallv(const void* data, const int* counts, const int* begins, MPI_Datatype type, void* received,
                   const int* their_counts, const int* their_begins, MPI_Datatype their_type, MPI_Comm comm,
                   MPI_Request* request) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  for (int other = 0; other <= others_in(comm); ++other)
    if (other != rank) sent.gradients += std::int64_t{counts[other]} * size_of(type);
  ++sent.calls;
  return PMPI_Ialltoallv(data, counts, begins, type, received, their_counts, their_begins, their_type, comm, request);
}
int MPI_Iallgatherv(const void* data, int count, MPI_Datatype type, void* received, const int* counts,
                    const int* begins, MPI_Datatype their_type, MPI_Comm comm, MPI_Request* request) {
  sent.parameters += std::int64_t{count} * size_of(type) * others_in(comm);
  ++sent.calls;
  return PMPI_Iallgatherv(data, count, type, received, counts, begins, their_type, comm, request);
}
int MPI_Allgatherv(const void* data, int count, MPI_Datatype type, void* received, const int* counts, const int* begins,
                   MPI_Datatype their_type, MPI_Comm comm) {
  sent.others += std::int64_t{count} * size_of(type) * others_in(comm);
  ++sent.calls;
  return PMPI_Allgatherv(data, count, type, received, counts, begins, their_type, comm);
}
int MPI_Allreduce(const void* data, void* received, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  sent.others += std::int64_t{count} * size_of(type);
  ++sent.calls;
  return PMPI_Allreduce(data, received, count, type, op, comm);
}
}

TEST_CASE("a step moves each gradient and each parameter once to where it is needed", "[mpi]") {
  using namespace descent;
  using namespace descent::test;
  const auto check = [](const auto& rule, std::int64_t agreed, bool is_frozen) {
    std::vector<Vector<float>> x{start<float>(50'000), start<float>(33), start<float>(3'001)}, g = x;
    auto optimizer = make_sharded<float>(rule);
    if (is_frozen) optimizer.freeze(0);
    optimizer.step(x, g);
    sent = {};
    optimizer.step(x, g);
    const auto moved = sent;
    const std::int64_t bytes = 4 * ((is_frozen ? 0 : 50'000) + 33 + 3'001), others = ranks() - 1;
    CHECK(sum_of_all(moved.gradients) == others * bytes);
    CHECK(sum_of_all(moved.parameters) == others * bytes);
    CHECK(on_all(moved.others <= agreed));
    CHECK(on_all(moved.calls <= 4));
  };
  constexpr std::int64_t agreement = 24, sums = 8 * 15 * 3;
  check(rules::Adam{}, agreement, false);
  check(rules::Adam{}, agreement, true);
  check(Chain{transforms::ClipNorm{1.0}, rules::Adam{}}, agreement + sums, false);
}

// SPDX-License-Identifier: MIT
//
// What a rank leaves behind that is killed while all save: the last checkpoint, whole.
//
//     mpi_killed FILE           on two ranks or more: saves to FILE, and again, when the last one dies
//     mpi_killed FILE check     on one: whether the first of them can be loaded
#include <mpi.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include <Eigen/Core>

#include <descent/descent.hpp>
#include <descent/mpi/checkpoint.hpp>

namespace {

int calls_left = -1;  ///< before the program kills itself

}  // namespace

extern "C" int MPI_Reduce(const void* own, void* sum, int count, MPI_Datatype type, MPI_Op op, int root,
                          MPI_Comm comm) {
  if (calls_left-- == 0) std::raise(SIGKILL);
  return PMPI_Reduce(own, sum, count, type, op, root, comm);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int result = argc > 1 ? 0 : 2;
  try {
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    Eigen::VectorXf x = Eigen::VectorXf::Ones(1'000'000);
    auto optimizer = descent::make_sharded<float>(descent::rules::Adam{});
    if (argc == 2) {
      optimizer.step(x, x);
      save(argv[1], optimizer, x);
      optimizer.step(x, x);
      if (rank == ranks - 1) calls_left = 5;
      save(argv[1], optimizer, x);
    } else if (argc > 2) {
      load(argv[1], optimizer, x);
      std::printf("a checkpoint of step %d\n", static_cast<int>(optimizer.steps()));
      result = optimizer.steps() == 1 ? 0 : 1;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    result = 1;
  }
  MPI_Finalize();
  return result;
}

// SPDX-License-Identifier: MIT
// Catch2's main between MPI_Init and MPI_Finalize. Every rank runs the same tests in the same order.
#define CATCH_CONFIG_RUNNER
#include <mpi.h>

#include "../catch.hpp"

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int failed = Catch::Session().run(argc, argv);
  MPI_Finalize();
  return failed;
}

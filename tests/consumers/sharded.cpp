// SPDX-License-Identifier: MIT
// A program that uses the library with MPI.
#include <mpi.h>

#include <Eigen/Core>

#include <descent/mpi.hpp>
#include <descent/rules/adam.hpp>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    Eigen::VectorXf x = Eigen::VectorXf::Ones(100);
    descent::Sharded<descent::rules::Adam, float> adam;
    adam.step(x, x);
  }
  MPI_Finalize();
}

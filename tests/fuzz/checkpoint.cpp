// SPDX-License-Identifier: MIT
//
// Fuzz target: any bytes as a checkpoint are either refused by std::runtime_error, without a trace, or
// loaded, and then saved and loaded again to the same.
#include <stdexcept>
#include <string>
#include <tuple>

#include <descent/descent.hpp>

#include "../checkpoint_files.hpp"
#include "fuzz.hpp"

namespace {

using namespace descent::test;

struct Training {
  Eigen::Matrix<float, 2, 2, Eigen::RowMajor> W = Eigen::Matrix2f::Ones();
  Eigen::VectorXf b = Eigen::VectorXf::Ones(1);
  descent::Adam<float> adam;

  Training() { step(); }
  auto params() { return std::tie(W, b); }
  void step() { adam.step(params(), params()); }
};

void try_to_load(const std::string& bytes) {
  Training training;
  const std::string before = saved(training.adam, training.params());
  try {
    load_from(bytes, training.adam, training.params());
  } catch (const std::runtime_error&) {
    require(saved(training.adam, training.params()) == before, "what is refused leaves no trace");
    return;
  }
  Training again;
  const std::string once = saved(training.adam, training.params());
  load_from(once, again.adam, again.params());
  require(saved(again.adam, again.params()) == once, "saved again, it is the same");
  training.step();
}

}  // namespace

/// As they are, and with a right checksum, which no fuzzer finds by itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try_to_load(bytes);
  try_to_load(sealed(bytes));
  return 0;
}

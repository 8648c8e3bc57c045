// SPDX-License-Identifier: MIT
//
// Fuzz target: any bytes as a checkpoint are either refused by std::runtime_error, with a short text and without a
// trace, or loaded, and then saved and loaded again to the same.
#include <cstring>
#include <stdexcept>
#include <string>
#include <tuple>

#include <descent/descent.hpp>

#include "checkpoints.hpp"
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Training training;
  const std::string before = saved(training.adam, training.params());
  try {
    load_from(bytes, training.adam, training.params());
  } catch (const std::runtime_error& refused) {
    require(std::strlen(refused.what()) <= 1000, "what is refused is so in a short text");
    require(saved(training.adam, training.params()) == before, "what is refused leaves no trace");
    return 0;
  }
  Training again;
  const std::string once = saved(training.adam, training.params());
  load_from(once, again.adam, again.params());
  require(saved(again.adam, again.params()) == once, "saved again, it is the same");
  training.step();
  return 0;
}

// SPDX-License-Identifier: MIT
//
// Fuzz target: any bytes as the checkpoint of a run are either refused by std::runtime_error, with a short text and
// without a trace, or loaded, and then saved and loaded again to the same.
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>

#include <descent/descent.hpp>

#include "checkpoints.hpp"
#include "fuzz.hpp"

namespace {

/// One entry of each kind.
struct Training {
  Eigen::Matrix<float, 2, 2, Eigen::RowMajor> W = Eigen::Matrix2f::Ones();
  Eigen::VectorXf b = Eigen::VectorXf::Ones(1);
  descent::Momentum<float> net;
  descent::Minibatches batches{3, 2, 1};
  descent::ReduceOnPlateau plateau;
  descent::GradientAccumulator<float> sums;
  int epoch = 1;
  std::string note = "note";
  Eigen::VectorXd losses = Eigen::VectorXd::Ones(2);
  descent::Checkpoint checkpoint;

  Training() {
    checkpoint.add("net", net, std::tie(W, b), {"W", "b"});
    checkpoint.add("batches", batches);
    checkpoint.add("plateau", plateau);
    checkpoint.add("sums", sums);
    checkpoint.add("epoch", epoch);
    checkpoint.add("note", note);
    checkpoint.add("losses", losses);
    step();
  }
  void step() {
    net.step(std::tie(W, b), std::tie(W, b));
    for (const auto& batch : batches.epoch()) require(!batch.empty(), "batches have indices");
    net.learning_rate = plateau(net.learning_rate, losses.sum());
    sums.reset();
    sums.add(std::tie(W, b));
  }
  std::string bytes() const {
    std::ostringstream out;
    checkpoint.save(out);
    return out.str();
  }
  void load(const std::string& bytes) {
    std::istringstream in(bytes);
    checkpoint.load(in, {.strict = bytes.size() % 2 == 0});
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Training training;
  const std::string before = training.bytes();
  try {
    training.load(bytes);
  } catch (const std::runtime_error& refused) {
    require(std::strlen(refused.what()) <= 1000, "what is refused is so in a short text");
    require(training.bytes() == before, "what is refused leaves no trace");
    return 0;
  }
  Training again;
  const std::string once = training.bytes();
  again.load(once);
  require(again.bytes() == once, "saved again, it is the same");
  training.step();
  return 0;
}

// SPDX-License-Identifier: MIT
//
// Fuzz target: any bytes as a checkpoint are either refused by std::runtime_error, with a short text and without a
// trace, or loaded, and then saved and loaded again to the same. Its mutants have a correct checksum, which no fuzzer
// finds by itself, and a correct header length.
#include <algorithm>
#include <cstring>
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

/// libFuzzer's own mutations; there are none if the target only replays its corpus.
extern "C" [[gnu::weak]] std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Changes a quarter of the files anywhere, and in the others only the header or only the data.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned int seed) {
  const auto mutated = [](std::string text, std::size_t longest) {
    const std::size_t old = text.size();
    text.resize(std::max(old, longest));
    text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), old, longest));
    return text;
  };
  std::string bytes(reinterpret_cast<const char*>(data), size);
  std::uint64_t length = 0;
  constexpr std::size_t begin = sizeof length;
  if (size >= begin) std::memcpy(&length, data, begin);
  if (seed % 4 == 0 || size == most || size < begin || length > size - begin) {
    bytes = sealed(mutated(bytes, most));
  } else {
    Parts parts(bytes);
    std::string& changed = seed % 4 == 1 ? parts.data : parts.header;
    changed = mutated(changed, changed.size() + most - size);
    bytes = parts.together();
  }
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

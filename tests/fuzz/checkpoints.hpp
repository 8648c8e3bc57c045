// SPDX-License-Identifier: MIT
//
// Mutants of checkpoints: they have a correct checksum, which no fuzzer finds by itself, and a correct header length.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "../checkpoint_files.hpp"

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
    bytes = descent::test::sealed(mutated(bytes, most));
  } else {
    descent::test::Parts parts(bytes);
    std::string& changed = seed % 4 == 1 ? parts.data : parts.header;
    changed = mutated(changed, changed.size() + most - size);
    bytes = parts.together();
  }
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

// SPDX-License-Identifier: MIT
//
// CRC-32 as in zlib, PNG and Ethernet (ISO 3309, polynomial 0x04C11DB7 reflected): it finds every change
// that lies within 32 bits, so every changed byte, and any other with a probability of 1 - 2^-32.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <descent/kernel/flags.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

class Crc32 {
 public:
  void update(const char* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
      remainder_ = table[(remainder_ ^ static_cast<unsigned char>(data[i])) & 0xff] ^ (remainder_ >> 8);
  }
  std::uint32_t value() const { return ~remainder_; }

 private:
  /// The remainders of all bytes.
  static constexpr std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> remainders{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t remainder = byte;
      for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ (remainder % 2 == 1 ? 0xedb88320 : 0);
      remainders[byte] = remainder;
    }
    return remainders;
  }();

  std::uint32_t remainder_ = 0xffffffff;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

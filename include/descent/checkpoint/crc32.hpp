// SPDX-License-Identifier: MIT
//
// CRC-32 as in zlib, PNG and Ethernet (ISO 3309, the polynomial 0x04C11DB7 reflected). It detects every change that
// lies within 32 bits, hence every changed byte, and any other change with a probability of 1 - 2^-32. It takes eight
// bytes at a time (Kounavis & Berry 2005, A systematic approach to building high performance software-based CRC
// generators).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <descent/kernel/flags.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// For little-endian machines: the first byte is taken as the lowest.
class Crc32 {
 public:
  void update(const char* data, std::size_t size) {
    for (; size >= 8; data += 8, size -= 8) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, data, 8);
      bytes ^= remainder_;
      remainder_ = 0;
      for (std::size_t i = 0; i < 8; ++i) remainder_ ^= remainders[7 - i][(bytes >> (8 * i)) & 0xff];
    }
    for (; size > 0; ++data, --size)
      remainder_ = remainders[0][(remainder_ ^ static_cast<unsigned char>(*data)) & 0xff] ^ (remainder_ >> 8);
  }
  std::uint32_t value() const { return ~remainder_; }

 private:
  /// remainders[k][byte]: the remainder of the byte followed by k zeros.
  static constexpr std::array<std::array<std::uint32_t, 256>, 8> remainders = [] {
    std::array<std::array<std::uint32_t, 256>, 8> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t remainder = byte;
      for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ (remainder % 2 == 1 ? 0xedb88320 : 0);
      table[0][byte] = remainder;
    }
    for (std::size_t k = 1; k < 8; ++k)
      for (std::size_t byte = 0; byte < 256; ++byte)
        table[k][byte] = (table[k - 1][byte] >> 8) ^ table[0][table[k - 1][byte] & 0xff];
    return table;
  }();

  std::uint32_t remainder_ = 0xffffffff;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

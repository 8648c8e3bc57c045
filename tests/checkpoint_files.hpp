// SPDX-License-Identifier: MIT
//
// What tests of checkpoints need: a folder of their own, and a checkpoint that is taken apart, changed and given a
// correct checksum again, so that it is refused for the change and not for the checksum.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <descent/checkpoint.hpp>

namespace descent::test {

/// An empty folder, removed with everything in it at the end.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("descent-checkpoint-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }
  Folder(Folder&&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::ptrdiff_t count() const { return std::distance(std::filesystem::directory_iterator(path_), {}); }

 private:
  std::filesystem::path path_;
};

inline std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class O, class Params>
std::string saved(const O& optimizer, const Params& params) {
  std::ostringstream out;
  save(out, optimizer, params);
  return out.str();
}

template <class O, class Params>
void load_from(const std::string& bytes, O& optimizer, Params&& params) {
  std::istringstream in(bytes);
  load(in, optimizer, params);
}

/// The bytes, ending with the checksum that they should have.
inline std::string sealed(std::string bytes) {
  if (bytes.size() < 4) return bytes;
  detail::Crc32 checksum;
  checksum.update(bytes.data(), bytes.size() - 4);
  const std::uint32_t sum = checksum.value();
  std::memcpy(bytes.data() + bytes.size() - 4, &sum, 4);
  return bytes;
}

/// A checkpoint's header as text, and its data.
struct Parts {
  std::string header;
  std::string data;

  explicit Parts(const std::string& bytes) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    header = bytes.substr(sizeof length, length);
    data = bytes.substr(sizeof length + length);
  }
  std::string together() const {
    const std::uint64_t length = header.size();
    return sealed(std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data);
  }
};

}  // namespace descent::test

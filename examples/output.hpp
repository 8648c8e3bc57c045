// SPDX-License-Identifier: MIT
//
// Files and standard output of the examples: where a byte could not be written, as on a full disk, there is an
// exception, and not a program that ends as if all were well.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace examples {

/// Hands write(out) a std::ofstream of that file, and closes it. Throws std::runtime_error, such as
/// "out/bowl.csv: No space left on device".
template <class Write>
void write_file(const std::filesystem::path& file, Write&& write) {
  errno = 0;
  std::ofstream out(file);
  if (out) write(out);
  out.close();
  if (!out) throw std::runtime_error(file.string() + ": " + (errno != 0 ? std::strerror(errno) : "cannot be written"));
}

/// To be called when all is printed. Throws std::runtime_error where some of it is lost.
inline void finish_standard_output() {
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw std::runtime_error(std::string("standard output: ") +
                             (errno != 0 ? std::strerror(errno) : "cannot be written"));
}

}  // namespace examples

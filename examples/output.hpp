// SPDX-License-Identifier: MIT
//
// Files and standard output of the examples: if a byte cannot be written, as on a full disk, an exception is thrown, so
// that the program does not end as if all were well. And the progress of a training.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace examples {

/// Calls write(out) with a std::ofstream for that file, and closes it. Throws std::runtime_error, such as
/// "out/bowl.csv: No space left on device".
template <class Write>
void write_file(const std::filesystem::path& file, Write&& write) {
  errno = 0;
  std::ofstream out(file);
  if (out) write(out);
  out.close();
  if (!out) throw std::runtime_error(file.string() + ": " + (errno != 0 ? std::strerror(errno) : "cannot be written"));
}

/// To be called when everything is printed. Throws std::runtime_error if some of it is lost.
inline void finish_standard_output() {
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw std::runtime_error(std::string("standard output: ") +
                             (errno != 0 ? std::strerror(errno) : "cannot be written"));
}

inline bool on_terminal() { return isatty(STDOUT_FILENO) == 1; }

/// Calls print() for a line about a training: on a terminal, where it takes the place of the one before; in a file,
/// only the last one.
template <class Print>
void show_progress(bool last, const Print& print) {
  if (!on_terminal() && !last) return;
  if (on_terminal()) std::printf("\r");
  print();
  if (!on_terminal()) std::printf("\n");
  std::fflush(stdout);
}

/// Clears the line on a terminal.
inline void end_progress() {
  if (on_terminal()) std::printf("\r%79s\r", "");
}

}  // namespace examples

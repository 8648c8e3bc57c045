// SPDX-License-Identifier: MIT
//
// Draws pictures: runs a script in this folder with gnuplot.
#pragma once

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;  // POSIX leaves this to programs. NOLINT(readability-redundant-declaration)

namespace examples {

/// Whether a PNG or GIF is complete.
inline bool is_complete(const std::filesystem::path& picture) {
  const std::string expected = picture.extension() == ".gif" ? std::string("\0;", 2) : "IEND\xAE\x42\x60\x82";
  std::string end(expected.size(), '\0');
  std::ifstream in(picture, std::ios::binary);
  in.seekg(-static_cast<std::streamoff>(end.size()), std::ios::end);
  return in.read(end.data(), static_cast<std::streamsize>(end.size())) && end == expected;
}

/// Draws the pictures with a script, which gets the paths as ARG1 and so on.
///
/// Starts gnuplot directly, without a shell that would interpret spaces and quotes in a path, and with absolute paths,
/// which gnuplot can only read as files: it would run "|command" and "<command", and replace "~" by a home folder.
/// Throws std::runtime_error if there is no gnuplot, the script fails, or a picture is incomplete.
inline void gnuplot(const std::string& script, std::initializer_list<std::filesystem::path> paths,
                    std::initializer_list<std::filesystem::path> pictures) {
  std::vector<std::string> command{"gnuplot", "-c", std::string(DESCENT_EXAMPLES_DIR) + "/" + script};
  for (const std::filesystem::path& path : paths) command.push_back(absolute(path).string());
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  setenv("LC_ALL", "C.UTF-8", 1);  // in other locales gnuplot 6 warns that it cannot show a degree sign

  pid_t process = 0;
  int status = 0;
  if (const int error = posix_spawnp(&process, "gnuplot", nullptr, nullptr, arguments.data(), environ); error != 0)
    throw std::runtime_error(std::string("gnuplot does not start: ") + std::strerror(error));
  if (waitpid(process, &status, 0) != process || status != 0) throw std::runtime_error("gnuplot failed");
  for (const std::filesystem::path& picture : pictures)  // gnuplot does not report a full disk
    if (!is_complete(picture)) throw std::runtime_error("gnuplot could not write " + picture.string());
}

}  // namespace examples

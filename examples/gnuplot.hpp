// SPDX-License-Identifier: MIT
//
// Runs a script of this folder with gnuplot.
#pragma once

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;  // POSIX leaves this to programs. NOLINT(readability-redundant-declaration)

namespace examples {

/// Starts gnuplot itself, without a shell that would read spaces and quotes in a path its own way.
/// Throws std::runtime_error where there is no gnuplot or the script fails.
inline void gnuplot(const std::string& script, std::initializer_list<std::string> script_arguments) {
  std::vector<std::string> command{"gnuplot", "-c", std::string(DESCENT_EXAMPLES_DIR) + "/" + script};
  command.insert(command.end(), script_arguments);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  setenv("LC_ALL", "C.UTF-8", 1);  // elsewhere gnuplot 6 warns that it cannot show a degree sign

  pid_t process = 0;
  int status = 0;
  if (const int error = posix_spawnp(&process, "gnuplot", nullptr, nullptr, arguments.data(), environ); error != 0)
    throw std::runtime_error(std::string("gnuplot does not start: ") + std::strerror(error));
  if (waitpid(process, &status, 0) != process || status != 0) throw std::runtime_error("gnuplot failed");
}

}  // namespace examples

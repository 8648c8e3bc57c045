// SPDX-License-Identifier: MIT
//
// What a crash leaves of a checkpoint that is being replaced: a process killed at any moment, or a disk that is full
// after any number of bytes.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"

namespace {

using namespace descent;
using namespace descent::test;

/// Runs `work` in a separate process, and returns its id.
template <class Work>
pid_t in_a_process(Work&& work) {
  const pid_t process = ::fork();
  if (process != 0) return process;
  try {
    work();
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

int status_of(pid_t process) {
  int status = 0;
  ::waitpid(process, &status, 0);
  return status;
}

TEST_CASE("a process killed while it saves leaves a whole checkpoint, and never an older one", "[crash]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  constexpr Eigen::Index n = 100'000;
  const Eigen::VectorXd g = Eigen::VectorXd::Ones(n);
  Eigen::VectorXd x = Eigen::VectorXd::Zero(n);
  Momentum<double> momentum({.learning_rate = 1, .momentum = 0});  // x = -t
  const auto begin = std::chrono::steady_clock::now();
  save(path, momentum, x);
  const auto time_to_save = std::chrono::steady_clock::now() - begin;

  int killed_within = 0;  // leaving a temporary file behind: between creating and renaming it
  for (int round = 0; round < 64; ++round) {
    const std::int64_t before = momentum.steps();
    const pid_t process = in_a_process([&] {
      while (true) {
        momentum.step(x, g);
        save(path, momentum, x);
      }
    });
    std::this_thread::sleep_for(time_to_save * (round % 16) / 4);
    REQUIRE(::kill(process, SIGKILL) == 0);
    REQUIRE(WIFSIGNALED(status_of(process)));

    load(path, momentum, x);
    CHECK(momentum.steps() >= before);
    CHECK((x.array() == -static_cast<double>(momentum.steps())).all());
    for (const auto& file : std::filesystem::directory_iterator(path.parent_path()))
      if (file.path() != path) {
        ++killed_within;
        std::filesystem::remove(file);
      }
  }
  CHECK(momentum.steps() > 0);
  CHECK(killed_within > 0);
}

TEST_CASE("a disk that is full after any number of bytes leaves the old checkpoint", "[crash]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Eigen::VectorXd x = Eigen::VectorXd::Ones(50);
  Adam<double> adam;
  save(path, adam, x);
  const std::string before = content(path);
  adam.step(x, x);
  const std::size_t size = saved(adam, x).size();

  const auto saved_with_room = [&](std::size_t bytes) {
    return status_of(in_a_process([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{bytes, bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      try {
        save(path, adam, x);
      } catch (const std::system_error& error) {
        ::_exit(error.code() == std::errc::file_too_large ? 2 : 3);
      }
    })) >> 8;
  };
  for (std::size_t room = 0; room < size; room += 61) {
    INFO(room << " bytes of room for " << size);
    CHECK(saved_with_room(room) == 2);
    CHECK(content(path) == before);
    CHECK(folder.count() == 1);
  }
  CHECK(saved_with_room(size - 1) == 2);
  CHECK(content(path) == before);
  CHECK(saved_with_room(size) == 0);
  CHECK(content(path) == saved(adam, x));
}

}  // namespace

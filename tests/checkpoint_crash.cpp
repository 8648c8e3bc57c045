// SPDX-License-Identifier: MIT
//
// What a crash leaves of a checkpoint that is being replaced: a process killed at any moment, or a disk that is full
// after any number of bytes.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

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
    CHECK(folder.count() <= 2);  // the next process has removed what this one left
    killed_within += folder.count() == 2;
  }
  CHECK(momentum.steps() > 0);
  CHECK(killed_within > 0);
  save(path, momentum, x);
  CHECK(folder.count() == 1);
}

/// Begins to save to a file, in a process that waits until it is killed.
pid_t begin_to_save(const std::filesystem::path& path) {
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t process = in_a_process([&] {
    detail::AtomicFile file(path);
    file.write("half", 4);
    if (::write(pipe[1], "!", 1) == 1) ::pause();
  });
  char begun = 0;
  REQUIRE(::read(pipe[0], &begun, 1) == 1);
  for (const int end : pipe) ::close(end);
  return process;
}
void kill(pid_t process) {
  REQUIRE(::kill(process, SIGKILL) == 0);
  REQUIRE(WIFSIGNALED(status_of(process)));
}

TEST_CASE("what killed processes leave is removed by the next that saves to the same file", "[crash]") {
  const Folder folder;
  const auto path = folder / "run.safetensors", other = folder / "other.safetensors";
  const auto save_to = [](const std::filesystem::path& to) { save(to, SGD<double>(), Eigen::VectorXd::Ones(3)); };
  std::vector<pid_t> processes;
  for (int i = 0; i < 3; ++i) processes.push_back(begin_to_save(path));
  CHECK(folder.count() == 3);

  save_to(path);  // none of theirs, while they live
  CHECK(folder.count() == 4);
  for (const std::size_t killed : {1u, 0u, 2u}) {
    kill(processes[killed]);
    save_to(other);  // not what was to become another file
    const auto before = folder.count();
    save_to(path);
    CHECK(folder.count() == before - 1);
  }
  CHECK(folder.count() == 2);
}

TEST_CASE("what only looks like a temporary file stays", "[crash]") {
  const Folder folder;
  const auto path = folder / "run.safetensors", real = folder / "real.safetensors";
  const auto save_to = [](const std::filesystem::path& to) { save(to, SGD<double>(), Eigen::VectorXd::Ones(3)); };
  save_to(real);
  const pid_t process = begin_to_save(path);  // to know the name
  std::filesystem::path name;
  for (const auto& file : std::filesystem::directory_iterator(path.parent_path()))
    if (file.path() != real) name = file.path();
  kill(process);
  std::filesystem::remove(name);
  SECTION("a link") { std::filesystem::create_symlink(real, name); }
  SECTION("a folder") { std::filesystem::create_directory(name); }
  SECTION("a pipe") { REQUIRE(::mkfifo(name.c_str(), 0600) == 0); }
  save_to(path);
  CHECK(std::filesystem::exists(std::filesystem::symlink_status(name)));
  CHECK(content(real) == content(path));
  CHECK(folder.count() == 3);
}

TEST_CASE("processes that save to one file at the same time leave one of theirs, whole", "[crash]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  std::vector<pid_t> processes;
  for (int i = 1; i <= 4; ++i)
    processes.push_back(in_a_process([&] {
      const Eigen::VectorXd x = Eigen::VectorXd::Constant(1000, i);
      for (int time = 0; time < 30; ++time) save(path, SGD<double>(), x);
    }));
  for (const pid_t process : processes) CHECK(status_of(process) == 0);
  SGD<double> sgd;
  Eigen::VectorXd x(1000);
  load(path, sgd, x);
  CHECK((x.array() == x[0]).all());
  CHECK(folder.count() == 1);
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

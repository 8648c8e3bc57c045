// SPDX-License-Identifier: MIT
//
// What a system may do while a checkpoint is written, though disks hardly ever do it: it writes less than it is given,
// it is interrupted, it finds only at the flush that there is an error. This program has its own write and fsync, which
// the linker takes instead of those of the C library.
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"

namespace {

/// Calls count from 1; 0 is none of them.
struct System {
  std::size_t most_at_once = 1 << 30;  ///< bytes that one call of write writes
  int interrupted = 0;                 ///< the call of write that a signal interrupts
  int fails_to_flush = 0;              ///< the call of fsync that fails
  int error = EIO;                     ///< its error

  int writes = 0;
  int flushes = 0;
} mocked;

}  // namespace

extern "C" ssize_t write(int file, const void* data, std::size_t size) {
  if (++mocked.writes == mocked.interrupted) {
    errno = EINTR;
    return -1;
  }
  const iovec part{const_cast<void*>(data), std::min(size, mocked.most_at_once)};
  return ::writev(file, &part, 1);
}

extern "C" int fsync(int) {
  if (++mocked.flushes != mocked.fails_to_flush) return 0;
  errno = mocked.error;
  return -1;
}

namespace {

using namespace descent;
using namespace descent::test;

/// An optimizer, and a file that holds its state of one step before.
struct Saving {
  Folder folder;
  std::filesystem::path path = folder / "run.safetensors";
  Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(50, -1, 1);
  Adam<double> adam;
  std::string before, after;

  Saving() {
    mocked = {};
    save(path, adam, x);
    before = saved(adam, x);
    adam.step(x, x);
    after = saved(adam, x);
  }
  void save_with(const System& system) {
    mocked = system;
    save(path, adam, x);
  }
  std::error_code error_with(const System& system) {
    try {
      save_with(system);
    } catch (const std::system_error& error) {
      return error.code();
    }
    return {};
  }
};

TEST_CASE("a write that takes only a part goes on with the rest", "[system]") {
  Saving saving;
  for (const std::size_t most : {1u, 3u, 8u, 1000u}) {
    INFO(most << " bytes at once");
    saving.save_with({.most_at_once = most});
    CHECK(static_cast<std::size_t>(mocked.writes) >= saving.after.size() / most);
    CHECK(content(saving.path) == saving.after);
  }
}

TEST_CASE("a write that is interrupted is done again", "[system]") {
  Saving saving;
  saving.save_with({.most_at_once = 100});
  const int writes = mocked.writes;
  REQUIRE(writes > 10);
  for (int call = 1; call <= writes; ++call) {
    INFO("interrupted at call " << call << " of " << writes);
    saving.save_with({.most_at_once = 100, .interrupted = call});
    CHECK(mocked.writes == writes + 1);
    CHECK(content(saving.path) == saving.after);
  }
}

TEST_CASE("what cannot be flushed to the disk does not replace the file", "[system]") {
  Saving saving;
  CHECK(saving.error_with({.fails_to_flush = 1}) == std::errc::io_error);
  CHECK(content(saving.path) == saving.before);
  CHECK(saving.folder.count() == 1);
}

TEST_CASE("if the folder cannot be flushed, the file is the new one", "[system]") {
  Saving saving;
  CHECK(saving.error_with({.fails_to_flush = 2}) == std::errc::io_error);
  CHECK(content(saving.path) == saving.after);
  CHECK(saving.folder.count() == 1);
}

TEST_CASE("a system that cannot flush folders is no error", "[system]") {
  Saving saving;
  CHECK_FALSE(saving.error_with({.fails_to_flush = 2, .error = EINVAL}));
  CHECK(mocked.flushes == 2);
  CHECK(content(saving.path) == saving.after);
}

}  // namespace

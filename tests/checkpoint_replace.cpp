// SPDX-License-Identifier: MIT
//
// What a checkpoint takes over from the file that it replaces, and what does not stop it: modes, owners, links, long
// names and folders that cannot be read. What only a user without privileges meets is tried in a process that has given
// them up.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <string>
#include <system_error>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"

namespace {

using namespace descent;
using namespace descent::test;

constexpr uid_t root = 0, nobody = 65534;

struct Saving {
  Folder folder;
  std::filesystem::path path = folder / "run.safetensors";
  Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(50, -1, 1);
  SGD<double> sgd;
  std::string before, after;

  Saving() {
    save(path, sgd, x);
    before = content(path);
    sgd.step(x, x);
    after = saved(sgd, x);
  }

  void go(const std::filesystem::path& to) const { save(to, sgd, x); }

  /// The error of saving, or none if it succeeds.
  std::error_code error(const std::filesystem::path& to) const {
    try {
      go(to);
    } catch (const std::system_error& error) {
      return error.code();
    }
    return {};
  }

  /// The same, as a user who is neither root nor in the file's group.
  std::error_code error_of_nobody() const {
    const pid_t process = ::fork();
    if (process == 0) {
      const bool changed = ::geteuid() != root || (::setgid(nobody) == 0 && ::setuid(nobody) == 0);
      ::_exit(changed ? error(path).value() : 255);
    }
    int status = 0;
    ::waitpid(process, &status, 0);
    return {WEXITSTATUS(status), std::generic_category()};
  }
};

struct stat status_of(const std::filesystem::path& path) {
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status;
}
mode_t mode_of(const std::filesystem::path& path) { return status_of(path).st_mode & 07777; }
void set_mode(const std::filesystem::path& path, mode_t mode) { REQUIRE(::chmod(path.c_str(), mode) == 0); }

TEST_CASE("a file passes on its mode", "[replace]") {
  const Saving saving;
  for (const mode_t mode : {0600u, 0664u, 0666u, 0640u, 0777u, 0200u}) {
    INFO("mode " << std::oct << mode);
    set_mode(saving.path, mode);
    saving.go(saving.path);
    CHECK(mode_of(saving.path) == mode);
  }
}

TEST_CASE("a new file has the mode that the process gives to files", "[replace]") {
  const Saving saving;
  const mode_t mask = ::umask(027);
  saving.go(saving.folder / "new.safetensors");
  ::umask(mask);
  CHECK(mode_of(saving.folder / "new.safetensors") == 0640);
}

TEST_CASE("a file that is read-only is not replaced", "[replace]") {
  const Saving saving;
  for (const mode_t mode : {0444u, 0400u, 0555u, 0u}) {
    set_mode(saving.path, mode);
    CHECK(saving.error(saving.path) == std::errc::permission_denied);
    CHECK(mode_of(saving.path) == mode);
    CHECK(saving.folder.count() == 1);
    set_mode(saving.path, 0600);
    CHECK(content(saving.path) == saving.before);
  }
}

TEST_CASE("a file is not replaced by a user who may not write it", "[replace]") {
  if (::geteuid() != root) return;
  const Saving saving;
  set_mode(saving.folder / "", 0777);
  set_mode(saving.path, 0664);
  CHECK(saving.error_of_nobody() == std::errc::permission_denied);
  CHECK(content(saving.path) == saving.before);
  set_mode(saving.path, 0666);
  CHECK_FALSE(saving.error_of_nobody());
  CHECK(content(saving.path) == saving.after);
}

TEST_CASE("owner and group stay where the process may set them", "[replace]") {
  if (::geteuid() != root) return;
  const Saving saving;
  set_mode(saving.folder / "", 0777);
  REQUIRE(::chown(saving.path.c_str(), nobody, 12345) == 0);
  set_mode(saving.path, 0640);
  saving.go(saving.path);
  CHECK(status_of(saving.path).st_uid == nobody);
  CHECK(status_of(saving.path).st_gid == 12345);
  CHECK(mode_of(saving.path) == 0640);

  SECTION("another group may do no more than all others") {
    CHECK_FALSE(saving.error_of_nobody());
    CHECK(status_of(saving.path).st_gid == nobody);
    CHECK(mode_of(saving.path) == 0600);
  }
  SECTION("another owner of the same group") {
    REQUIRE(::chown(saving.path.c_str(), root, nobody) == 0);
    set_mode(saving.path, 0664);
    CHECK_FALSE(saving.error_of_nobody());
    CHECK(status_of(saving.path).st_uid == nobody);
    CHECK(status_of(saving.path).st_gid == nobody);
    CHECK(mode_of(saving.path) == 0664);
  }
}

TEST_CASE("a link is followed, also to where there is no file yet", "[replace]") {
  const Saving saving;
  std::filesystem::create_directory(saving.folder / "runs");
  std::filesystem::create_symlink("runs/2.safetensors", saving.folder / "latest");
  std::filesystem::create_symlink(saving.folder / "latest", saving.folder / "runs/link");
  for (int time = 0; time < 2; ++time) {
    saving.go(saving.folder / "runs/link");
    CHECK(std::filesystem::is_symlink(saving.folder / "runs/link"));
    CHECK(std::filesystem::is_symlink(saving.folder / "latest"));
    CHECK(content(saving.folder / "runs/2.safetensors") == saving.after);
    CHECK(saving.folder.count() == 3);
  }
  std::filesystem::create_symlink("nowhere/run", saving.folder / "to_nowhere");
  CHECK(saving.error(saving.folder / "to_nowhere") == std::errc::no_such_file_or_directory);
  std::filesystem::create_symlink("loop", saving.folder / "loop");
  CHECK(saving.error(saving.folder / "loop") == std::errc::too_many_symbolic_link_levels);
}

TEST_CASE("a name may be as long as the system allows", "[replace]") {
  const Saving saving;
  const auto longest = saving.folder / std::string(NAME_MAX, 'x');
  for (int time = 0; time < 2; ++time) saving.go(longest);
  CHECK(content(longest) == saving.after);
  CHECK(saving.folder.count() == 2);
  CHECK(saving.error(saving.folder / std::string(NAME_MAX + 1, 'x')) == std::errc::filename_too_long);
}

TEST_CASE("a folder need not be readable", "[replace]") {
  const Saving saving;
  set_mode(saving.path, 0666);
  set_mode(saving.folder / "", 0333);
  CHECK_FALSE(saving.error_of_nobody());
  set_mode(saving.folder / "", 0777);
  CHECK(content(saving.path) == saving.after);
  CHECK(saving.folder.count() == 1);
}

}  // namespace

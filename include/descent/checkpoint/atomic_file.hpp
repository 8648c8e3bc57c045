// SPDX-License-Identifier: MIT
//
// A file that appears under its name complete and flushed to disk, or not at all: it is written next to that name and
// renamed once it is complete. Needs POSIX and flock.
//
// Until then its name is descent-<checksum of the final name>-<number>.tmp, and the process holds a lock on it. The
// system releases the lock when the process ends, however it does. So a file of such a name that is not locked was left
// by a process that was killed, and the next one that saves to the same name removes it; numbers are for those that
// save at the same time. (A process's number would not do: numbers are used again, and mean nothing in another
// container or on another machine that shares the folder.)
#pragma once

#if !defined(__unix__) && !defined(__APPLE__)
#error "descent/checkpoint.hpp replaces files with POSIX functions (fsync, rename), which this system lacks"
#endif

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <descent/checkpoint/crc32.hpp>
#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Throws std::system_error for what the system could not do, or std::bad_alloc if it lacks memory.
[[noreturn, gnu::cold]] inline void fail_on_system(int error, const char* what, const std::filesystem::path& path) {
  if (error == ENOMEM) throw std::bad_alloc();
  throw std::system_error(error, std::generic_category(), std::string("descent: cannot ") + what + " " + path.string());
}

/// An open file or folder, closed by the destructor.
class OpenFile {
 public:
  OpenFile() = default;
  /// `mode` is for a file that is created.
  OpenFile(const std::filesystem::path& path, int flags, mode_t mode = 0)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  OpenFile(OpenFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~OpenFile() {
    if (is_open()) ::close(descriptor_);
  }

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

class AtomicFile {
 public:
  /// Nothing at `path` changes before commit(). A link is followed. Anything there that is not a regular file, or is
  /// read-only, is refused.
  explicit AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
    replaces_ = ::stat(path_.c_str(), &old_) == 0;
    throw_unless(replaces_ || errno == ENOENT, "look up");
    if (replaces_ && !S_ISREG(old_.st_mode))
      fail<std::runtime_error>({"descent: cannot replace what is not a regular file: ", path_.c_str()});
    throw_unless(!replaces_ || may_be_written(), "write to");
    follow_links();
    folder_ = OpenFile(folder(), O_RDONLY | O_DIRECTORY);
    throw_unless(folder_.is_open() || errno == EACCES, "open the folder of");  // EACCES: it may still be writable
    constexpr int numbers = 16;  // more processes that save at the same time leave their files if they are killed
    for (int number = 0; number < numbers; ++number) remove_if_left(temporary_name(number));
    for (int number = 0; !file_.is_open(); ++number) {
      temporary_ = temporary_name(number);
      create();
    }
  }
  AtomicFile(AtomicFile&&) = delete;
  ~AtomicFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  void write(const char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t written = ::write(file_.descriptor(), data, size);
      if (written < 0 && errno == EINTR) continue;
      throw_unless(written >= 0, "write");
      data += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  /// Puts the file in its place. The folder is flushed too, so that the name survives a power cut.
  void commit() {
    if (replaces_) take_over_mode();
    throw_unless(::fsync(file_.descriptor()) == 0, "flush");
    throw_unless(::rename(temporary_.c_str(), path_.c_str()) == 0, "replace");
    committed_ = true;
    throw_unless(!folder_.is_open() || ::fsync(folder_.descriptor()) == 0 || errno == EINVAL,
                 "flush the folder of");  // EINVAL: folders cannot be flushed there
  }

 private:
  /// A short name, because the file's own may already be as long as names can be.
  std::filesystem::path temporary_name(int number) const {
    const std::string name = path_.filename().string();
    Crc32 checksum;
    checksum.update(name.data(), name.size());
    return folder() / ("descent-" + std::to_string(checksum.value()) + "-" + std::to_string(number) + ".tmp");
  }

  /// Whether the lock is this process's now.
  static bool lock(const OpenFile& file) { return ::flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0; }

  /// Whether the name still leads to the open file.
  static bool is_named(const OpenFile& file, const std::filesystem::path& name) {
    struct stat opened{}, named{};
    return ::fstat(file.descriptor(), &opened) == 0 && ::lstat(name.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  }

  /// Removes a file that no living process writes. Whoever renames or removes such a file holds its lock, so between
  /// this look at its name and its removal it stays where it is.
  static void remove_if_left(const std::filesystem::path& name) {
    const OpenFile left(name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    if (left.is_open() && lock(left) && is_named(left, name)) ::unlink(name.c_str());
  }

  /// Creates and locks the temporary file, unless the name is taken. Where files cannot be locked, it stays if this
  /// process is killed.
  void create() {
    OpenFile file(temporary_, O_WRONLY | O_CREAT | O_EXCL, replaces_ ? 0600 : 0666);
    throw_unless(file.is_open() || errno == EEXIST, "create a file beside");
    if (!file.is_open()) return;
    const bool is_taken_for_left = (!lock(file) && errno == EWOULDBLOCK) || !is_named(file, temporary_);
    if (!is_taken_for_left) file_ = std::move(file);  // otherwise, another process is removing it at this moment
  }

  /// A rename needs no permission to write the file that it replaces, so this checks for it.
  bool may_be_written() const {
    errno = EACCES;  // for a file that nobody may write: root could open it
    return (old_.st_mode & 0222) != 0 && OpenFile(path_, O_WRONLY).is_open();
  }

  /// Follows links to the last name, whether or not there is a file yet.
  void follow_links() {
    std::error_code not_a_link;
    while (true) {
      const std::filesystem::path target = std::filesystem::read_symlink(path_, not_a_link);
      if (not_a_link) return;
      path_ = path_.parent_path() / target;
    }
  }

  /// Gives the file the mode of the one that it replaces, and its owner and group if this process may set them.
  void take_over_mode() {
    const int file = file_.descriptor();
    mode_t mode = old_.st_mode & 0777;
    if (::fchown(file, old_.st_uid, old_.st_gid) != 0 && ::fchown(file, static_cast<uid_t>(-1), old_.st_gid) != 0)
      mode = (mode & 0707) | (mode & 07) << 3;  // another group gets the permissions of all others
    throw_unless(::fchmod(file, mode) == 0, "set the mode of");
  }

  std::filesystem::path folder() const { return path_.has_parent_path() ? path_.parent_path() : "."; }

  void throw_unless(bool succeeded, const char* what) const {
    if (!succeeded) fail_on_system(errno, what, path_);
  }

  std::filesystem::path path_;
  bool replaces_ = false;
  struct stat old_{};  ///< of the file that is replaced
  OpenFile folder_;
  std::filesystem::path temporary_;
  OpenFile file_;
  bool committed_ = false;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

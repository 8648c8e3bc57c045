// SPDX-License-Identifier: MIT
//
// A file that appears under its name complete and flushed to the disk, or not at all: it is written
// beside that name, and renamed once it is whole. Needs POSIX.
#pragma once

#if !defined(__unix__) && !defined(__APPLE__)
#error "descent/checkpoint.hpp replaces files by the means of POSIX (fsync, rename), which this system lacks"
#endif

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <descent/kernel/flags.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// An open file or folder, closed at the end of its life.
class OpenFile {
 public:
  OpenFile() = default;
  OpenFile(const std::filesystem::path& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  OpenFile(OpenFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~OpenFile() { close(); }

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  bool close() { return descriptor_ < 0 || ::close(std::exchange(descriptor_, -1)) == 0; }

 private:
  int descriptor_ = -1;
};

class AtomicFile {
 public:
  /// Nothing at `path` changes before commit(). A link is followed; what is no file is refused.
  explicit AtomicFile(const std::filesystem::path& path)
      : path_(followed(path)), folder_(folder_of(path_), O_RDONLY | O_DIRECTORY) {
    throw_unless(folder_.is_open(), "open the folder of");
    // Unique among the processes of this machine, and beside what another machine or a crash has left.
    for (int attempt = 0; !file_.is_open() && (attempt == 0 || errno == EEXIST); ++attempt) {
      temporary_ = path_.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(attempt) + ".tmp";
      file_ = OpenFile(temporary_, O_WRONLY | O_CREAT | O_EXCL);
    }
    throw_unless(file_.is_open(), "create a file beside");
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

  /// Puts the file in its place; the folder is flushed too, so that the name survives a power cut.
  void commit() {
    throw_unless(::fsync(file_.descriptor()) == 0, "flush");
    throw_unless(file_.close(), "close");
    throw_unless(::rename(temporary_.c_str(), path_.c_str()) == 0, "replace");
    committed_ = true;
    throw_unless(::fsync(folder_.descriptor()) == 0 || errno == EINVAL,
                 "flush the folder of");  // EINVAL: knows no such thing
  }

 private:
  static std::filesystem::path followed(const std::filesystem::path& path) {
    const auto status = std::filesystem::status(path);
    if (!std::filesystem::exists(status)) return path;
    if (!std::filesystem::is_regular_file(status))
      throw std::runtime_error("descent: " + path.string() + " is not a regular file, and so is not replaced");
    return std::filesystem::canonical(path);
  }
  static std::filesystem::path folder_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : ".";
  }

  void throw_unless(bool succeeded, const char* what) const {
    if (succeeded) return;
    const int error = errno;
    throw std::system_error(error, std::generic_category(),
                            std::string("descent: cannot ") + what + " " + path_.string());
  }

  std::filesystem::path path_;
  OpenFile folder_;
  std::filesystem::path temporary_;
  OpenFile file_;
  bool committed_ = false;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

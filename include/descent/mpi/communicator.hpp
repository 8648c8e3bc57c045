// SPDX-License-Identifier: MIT
//
// The ranks that share an optimizer, and how they act together: before anything of a call moves between them, each has
// done what could fail on it alone, and all have found that they want the same. If one has failed, or wants something
// else, all throw the same error instead, and none waits for another.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <descent/errors.hpp>
#include <descent/rule.hpp>

#if !defined(__cpp_exceptions)
#error "descent/mpi.hpp tells all ranks of an error on one of them, which needs exceptions"
#endif

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Throws std::runtime_error if a call of MPI failed, where a communicator's handler of errors lets it return at all.
inline void require_success(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char reason[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, reason, &length);
  fail<std::runtime_error>({"descent: ", call, " failed: ", reason});
}

/// What a rank wants of a call, as one number: that of names and values is equal on two ranks if all values are.
class Digest {
 public:
  template <class T>
  void operator()(std::initializer_list<Part>, const T& value) {
    if constexpr (std::is_enum_v<T> || std::integral<T>) {
      add(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
      add(std::bit_cast<std::uint64_t>(static_cast<double>(value)));
    } else {
      const std::string_view text = value;
      for (const char c : text) add(static_cast<unsigned char>(c));
      add(text.size());
    }
  }
  std::uint64_t value() const { return value_; }

  void add(std::uint64_t bits) {
    value_ = (value_ ^ bits) * 0x9e3779b97f4a7c15;
    value_ ^= value_ >> 32;
  }

 private:
  std::uint64_t value_ = 0x243f6a8885a308d3;
};

/// The same as texts, for an error: names and values, each with a 0 behind it.
class Listing {
 public:
  template <class T>
  void operator()(std::initializer_list<Part> name, const T& value) {
    add(Text(name));
    if constexpr (std::is_enum_v<T>)
      add(Text{name_of(value)});
    else
      add(Text{value});
  }
  const std::string& text() const { return text_; }

 private:
  void add(std::string_view part) { (text_ += part) += '\0'; }

  std::string text_;
};

/// An exception in a form that other ranks can throw, too.
struct SharedError {
  enum class Kind : char {
    none,
    invalid_argument,
    domain_error,
    out_of_range,
    length_error,
    logic_error,
    no_memory,
    system_error,
    other
  };
  Kind kind = Kind::none;
  int code = 0;  ///< of a system_error
  std::string text;

  static SharedError of(const std::exception_ptr& thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      std::string text = error.what();
      const std::string reason = ": " + error.code().message();
      if (text.ends_with(reason)) text.resize(text.size() - reason.size());
      return {Kind::system_error, error.code().value(), text};
    } catch (const std::invalid_argument& error) {
      return {Kind::invalid_argument, 0, error.what()};
    } catch (const std::domain_error& error) {
      return {Kind::domain_error, 0, error.what()};
    } catch (const std::out_of_range& error) {
      return {Kind::out_of_range, 0, error.what()};
    } catch (const std::length_error& error) {
      return {Kind::length_error, 0, error.what()};
    } catch (const std::logic_error& error) {
      return {Kind::logic_error, 0, error.what()};
    } catch (const std::bad_alloc&) {
      return {Kind::no_memory, 0, ""};
    } catch (const std::exception& error) {
      return {Kind::other, 0, error.what()};
    } catch (...) {
      return {Kind::other, 0, "descent: an exception of an unknown type"};
    }
  }

  [[noreturn]] void raise() const {
    switch (kind) {
      case Kind::invalid_argument:
        throw std::invalid_argument(text);
      case Kind::domain_error:
        throw std::domain_error(text);
      case Kind::out_of_range:
        throw std::out_of_range(text);
      case Kind::length_error:
        throw std::length_error(text);
      case Kind::logic_error:
        throw std::logic_error(text);
      case Kind::no_memory:
        throw std::bad_alloc();
      case Kind::system_error:
        throw std::system_error(code, std::generic_category(), text);
      default:
        throw std::runtime_error(text);
    }
  }

  std::string packed() const { return std::string(1, static_cast<char>(kind)) + std::to_string(code) + '\0' + text; }
  static SharedError unpacked(std::string_view packed) {
    const std::size_t end = packed.find('\0', 1);
    return {static_cast<Kind>(packed[0]), std::stoi(std::string(packed.substr(1, end - 1))),
            std::string(packed.substr(end + 1))};
  }
};

/// A communicator of its own, so that its messages never meet those of the program.
class Communicator {
 public:
  explicit Communicator(MPI_Comm of) {
    int initialized = 0, finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    if (initialized == 0 || finalized != 0)
      fail<std::logic_error>(
          {"descent: a Sharded optimizer is constructed ", finalized != 0 ? "after MPI_Finalize" : "before MPI_Init"});
    if (of == MPI_COMM_NULL) fail<std::invalid_argument>("descent: the communicator of ranks is MPI_COMM_NULL");
    require_success(MPI_Comm_dup(of, &ranks_), "MPI_Comm_dup");
    MPI_Comm_rank(ranks_, &rank_);
    MPI_Comm_size(ranks_, &size_);
  }
  Communicator(Communicator&& other) noexcept
      : ranks_(std::exchange(other.ranks_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}
  Communicator& operator=(Communicator other) noexcept {
    std::swap(ranks_, other.ranks_);
    rank_ = other.rank_;
    size_ = other.size_;
    return *this;
  }
  ~Communicator() {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (ranks_ != MPI_COMM_NULL && finalized == 0) MPI_Comm_free(&ranks_);
  }

  MPI_Comm get() const { return ranks_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// One call of all ranks: work(agree) does what can fail on one rank alone, calls agree(describe) once, and then what
  /// cannot. describe(list) calls list(name, value) for all that must be alike. If they differ, or if work throws
  /// before it agrees, all ranks throw. Returns what work returns.
  template <class Work>
  decltype(auto) together(const Work& work) const {
    bool met = false;
    const auto agree = [&](const auto& describe) {
      met = true;
      Digest digest;
      describe(digest);
      if (all_agree(digest.value(), true)) return;
      Listing listing;
      describe(listing);
      fail_on_all({}, listing.text());
    };
    try {
      return work(agree);
    } catch (...) {
      if (met) throw;
      all_agree(0, false);
      fail_on_all(SharedError::of(std::current_exception()), "");
    }
  }

 private:
  /// Whether all ranks are sound and have the same digest.
  bool all_agree(std::uint64_t digest, bool sound) const {
    const std::uint64_t own[] = {digest, ~digest, sound ? 1U : 0U};
    std::uint64_t least[3] = {};
    require_success(MPI_Allreduce(own, least, 3, MPI_UINT64_T, MPI_MIN, ranks_), "MPI_Allreduce");
    return least[0] == ~least[1] && least[2] == 1;
  }

  /// The text of each rank.
  std::vector<std::string> texts_of_all(const std::string& own) const {
    const auto count = static_cast<std::size_t>(size_);
    std::vector<int> sizes(count), begins(count);
    const int own_size = static_cast<int>(own.size());
    require_success(MPI_Allgather(&own_size, 1, MPI_INT, sizes.data(), 1, MPI_INT, ranks_), "MPI_Allgather");
    for (std::size_t rank = 1; rank < count; ++rank) begins[rank] = begins[rank - 1] + sizes[rank - 1];
    std::string all(static_cast<std::size_t>(begins.back() + sizes.back()), '\0');
    require_success(
        MPI_Allgatherv(own.data(), own_size, MPI_CHAR, all.data(), sizes.data(), begins.data(), MPI_CHAR, ranks_),
        "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (std::size_t rank = 0; rank < count; ++rank)
      texts.push_back(all.substr(static_cast<std::size_t>(begins[rank]), static_cast<std::size_t>(sizes[rank])));
    return texts;
  }

  /// Throws the error of the first rank that has one, or tells what two ranks do not agree on; the same on each.
  [[noreturn, gnu::cold, gnu::noinline]] void fail_on_all(const SharedError& own, const std::string& listing) const {
    constexpr std::size_t most = 1 << 20;  // of the texts of all ranks together
    const std::vector<std::string> listings = texts_of_all(listing.substr(0, most / static_cast<std::size_t>(size_)));
    const std::vector<std::string> packed = texts_of_all(own.packed());
    const std::string none = SharedError{}.packed();
    for (std::size_t rank = 0; rank < packed.size(); ++rank) {
      if (packed[rank] == none) continue;
      SharedError error = SharedError::unpacked(packed[rank]);
      const bool on_all = std::ranges::count(packed, packed[rank]) == size_;
      if (!on_all)
        error.text = "descent: rank " + std::to_string(rank) + ": " + std::string(without_prefix(error.text));
      error.raise();
    }
    for (std::size_t rank = 1; rank < listings.size(); ++rank)
      if (listings[rank] != listings[0]) fail_on_difference(rank, listings[rank], listings[0]);
    fail<std::invalid_argument>("descent: the ranks do not agree on their arguments");
  }
  static std::string_view without_prefix(std::string_view text) {
    constexpr std::string_view ours = "descent: ";
    if (text.starts_with(ours)) text.remove_prefix(ours.size());
    return text;
  }

  [[noreturn]] static void fail_on_difference(std::size_t rank, std::string_view its, std::string_view first) {
    const auto take = [](std::string_view& from) {
      const std::string_view part = from.substr(0, from.find('\0'));
      from.remove_prefix((std::min)(part.size() + 1, from.size()));
      return part;
    };
    while (true) {
      const std::string_view name = take(its), value = take(its), first_name = take(first), first_value = take(first);
      if (name == first_name && value == first_value) continue;
      fail<std::invalid_argument>({"descent: rank ", rank, " has ", name, " = ", value, ", and rank 0 has ",
                                   name == first_name ? "" : first_name, name == first_name ? "" : " = ", first_value});
    }
  }

  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

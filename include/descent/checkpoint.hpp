// SPDX-License-Identifier: MIT
//
// Checkpoints: save(path, optimizer, params) and load(path, optimizer, params). A run that goes on from a checkpoint
// gives the same bits as one that never stopped.
//
// An optional header that descent.hpp does not include: it needs nlohmann-json (Debian: nlohmann-json3-dev; CMake:
// nlohmann_json::nlohmann_json) and POSIX.
//
// The file is a safetensors file, which NumPy, PyTorch, JAX and Rust read. Its tensors are of type F32 or F64:
//
//     params.0, params.1 …    the parameters, tensor after tensor
//     velocity.0 …            each array of the optimizer's state, in the parameters' shapes, or
//                             [rows + columns] if it is factored; absent before the first step
//     crc32                   U8[4], the last four bytes of the file: the CRC-32 of everything before them, as
//                             zlib computes it, little-endian
//
// A vector has the shape [n], whether it is a row or a column; everything else has [rows, columns]. The data may lie in
// any order, but without gaps. The metadata are
//
//     descent_checkpoint      the version of this format: 1
//     rule                    the rule's name, such as descent::Adam
//     hyperparameters         JSON: {"beta1":0.9, …, "epsilon_placement":"outside"}; a missing one stays
//                             what it is in the loading program
//     steps                   the number of steps taken, in [0, 2^62) like the two below
//     skipped_steps           the number of steps that NonFinite::skip skipped; 0 if missing
//     skipped_in_a_row        how many of them since the last step that was taken; 0 if missing
//     running_products        JSON: the products of the rule's running factors, [] if it has none. Each is 1
//                             before the first step; after it, the product of a factor in [0, 1) is in [0, 1)
//     running_numbers         JSON: the rule's running numbers; absent if it has none
//
// and for each tensor that was frozen or got hyperparameters of its own, here the second,
//
//     tensor.1.steps              the number of steps that it has taken itself
//     tensor.1.running_products   over these steps, as are its running_numbers
//     tensor.1.frozen             true, or missing
//     tensor.1.hyperparameters    its own, or missing
//
// and whatever others add to them, under names that do not begin with "tensor.". No name occurs twice in an object.
// Tensors and hyperparameters that the loading optimizer does not have are refused. The header is JSON of at most
// 100,000,000 bytes, as in safetensors, and its brackets are nested three deep. save writes nothing beyond these
// limits.
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <descent/checkpoint/atomic_file.hpp>
#include <descent/checkpoint/metadata.hpp>
#include <descent/checkpoint/optimizer_part.hpp>
#include <descent/checkpoint/optimizer_record.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/checkpoint/safetensors.hpp>
#include <descent/checkpoint/values.hpp>
#include <descent/errors.hpp>
#include <descent/optimizer.hpp>
#include <descent/rule.hpp>
#include <descent/tensors.hpp>

namespace descent {

/// A scalar that safetensors has a type for.
template <class Scalar>
concept SavedScalar = std::same_as<Scalar, float> || std::same_as<Scalar, double>;

/// An optimizer of any type that checkpoints know how to save and load (checkpoint/record.hpp).
template <class O>
concept SavableOptimizer = requires(O& optimizer) { saved_optimizer(optimizer)->arrays(); };

inline namespace DESCENT_FLAGS {

/// What loading does other than restoring all that was saved.
struct LoadOptions {
  bool keep_hyperparameters = false;  ///< the hyperparameters stay those of the program, also those of single tensors
};

}  // namespace DESCENT_FLAGS

namespace detail {
inline namespace DESCENT_FLAGS {

template <class Scalar>
Scalar scalar_of(const SavedOptimizer<Scalar>&);
template <class O>
using ScalarOf = decltype(scalar_of(*saved_optimizer(std::declval<O&>())));

template <class O>
inline constexpr int size_of_optimizer = Eigen::Dynamic;
template <class R, class Scalar, int Size>
inline constexpr int size_of_optimizer<Optimizer<R, Scalar, Size>> = Size;

/// A checkpoint's version.
inline void require_version(Members& metadata, const std::string& version) {
  if (const std::string found = taken_text(metadata, "descent_checkpoint"); found != version)
    refuse("its descent_checkpoint is " + shown(in_quotes(found)) + ", expected " + in_quotes(version));
}

/// Calls write(data, size) for each part of the file.
template <class Write>
void write_file(const Write& write, const auto& add_all) {
  try {
    Members metadata;
    SavedTensors<const char> tensors;
    add_all(metadata, tensors);
    write_safetensors(write, tensors, metadata);
  } catch (const InvalidCheckpoint& error) {
    fail<std::invalid_argument>({"descent: load would refuse this checkpoint: ", error.what()});
  }
}

template <class Write, class O, class Params>
void write_checkpoint(const Write& write, const O& optimizer, const Params& params) {
  if constexpr (!in_memory<Params>) {
    write_checkpoint(write, optimizer, copies_of(params));
  } else {
    write_file(write, [&](Members& metadata, SavedTensors<const char>& tensors) {
      const auto parameters = parameters_of<const ScalarOf<O>>(params);
      metadata.emplace("descent_checkpoint", "1");
      add_optimizer(metadata, tensors, "", numbered(parameters.size()), *saved_optimizer(optimizer), parameters);
    });
  }
}

/// Reads everything into other memory and checks it there; what follows then cannot fail.
inline void read_file(std::istream& in, bool to_its_end, const std::string& version, const auto& prepare,
                      const auto& commit) {
  SafetensorsReader file(in);
  require_version(file.metadata(), version);
  SavedTensors<char> tensors;
  prepare(file, tensors);
  file.read_into(tensors);
  if (to_its_end && in.peek() != std::istream::traits_type::eof()) refuse("it does not end with its checksum");
  commit();
}

template <class O>
void read_checkpoint(std::istream& in, bool to_its_end, O& optimizer, auto& params, const LoadOptions& options) {
  using Scalar = ScalarOf<O>;
  LoadedOptimizer<Scalar> loaded(saved_optimizer(optimizer), parameters_of<Scalar>(params));
  const Names names = numbered(static_cast<std::size_t>(count_tensors(params)));
  read_file(in, to_its_end, "1", [&](SafetensorsReader& file, SavedTensors<char>& tensors) {
    loaded.prepare(file.metadata(), tensors, "", names, options.keep_hyperparameters);
  }, [&] { loaded.commit(); });
}

/// The error of what is wrong with a file names it.
void naming_the_file(const std::string& name, const auto& read) {
  try {
    read();
  } catch (const InvalidCheckpoint& error) {
    fail<std::runtime_error>({"descent: ", name, ": ", error.what()});
  }
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// What can be saved and loaded along with an optimizer: what its `step` takes, or a read-only version of it.
template <class Params, class O>
concept SavedParametersOf = Tensors<Params> && SavedScalar<detail::ScalarOf<O>> &&
                            OfScalar<Params, detail::ScalarOf<O>> && OfSize<Params, detail::size_of_optimizer<O>>;

/// Writes optimizer and params to a file of that name, replacing any file that is there. They are first written to a
/// temporary file in the same folder, named descent-<process>-<number>.tmp, which is flushed to disk and then renamed.
/// A crash, a full disk or a power cut at any moment leaves the whole old file or the whole new one; a process that is
/// killed may also leave its temporary file behind.
///
/// A symbolic link is followed, even if it leads to no file yet. A replaced file passes on its mode, and its owner and
/// group if the process may set them (if it may not set the group, the new group gets the permissions of all others).
/// The folder needs only write and search permission; if it cannot be read, it is not flushed, so a power cut just
/// afterwards may bring back the old file.
///
/// params are the optimizer's: a tensor, a tuple (`std::tie(W, b)`) or a range of them, of float or double. Throws
/// what a step with these params would, and std::invalid_argument if load would refuse the file or could not tell its
/// parts apart: two tensors or two hyperparameters with one name, a name that is not UTF-8, an enum value without a
/// name, or too many tensors for the header (about a million arrays). Throws std::system_error, with the system's
/// reason, if the file cannot be written, for example because it is read-only; std::runtime_error if the path is
/// something other than a file; std::bad_alloc if memory runs out. The old file is then unchanged. (Only if the folder
/// cannot be flushed at the very end, the new file is already in place.)
template <SavableOptimizer O, class Params>
requires SavedParametersOf<Params, O>
DESCENT_TAGGED void save(const std::filesystem::path& path, const O& optimizer, const Params& params) {
  detail::AtomicFile file(path);
  detail::write_checkpoint([&](const char* data, std::size_t size) { file.write(data, size); }, optimizer, params);
  file.commit();
}

/// The same, to a binary stream. Throws std::runtime_error if it cannot be written.
template <SavableOptimizer O, class Params>
requires SavedParametersOf<Params, O>
DESCENT_TAGGED void save(std::ostream& out, const O& optimizer, const Params& params) {
  detail::write_checkpoint([&](const char* data, std::size_t size) {
    out.write(data, static_cast<std::streamsize>(size));
  }, optimizer, params);
  if (!out.flush()) detail::fail<std::runtime_error>("descent: the checkpoint cannot be written to its stream");
}

/// Restores optimizer and params to what they were when the file was saved: hyperparameters, state, running products,
/// the counters of steps taken and skipped, which tensors are frozen or have hyperparameters of their own, and the
/// values of params, which must have the saved shapes. What the optimizer did before is forgotten. The next steps give
/// the same bits as those of the saved optimizer. The state takes the storage order that params have here.
///
/// Files of every version since the first can be loaded: hyperparameters missing from a file stay what they are here,
/// and counters missing from it are 0.
///
/// What set_threads and set_nonfinite set is not part of a run's state but the program's choice: it is not saved, and
/// loading does not change it.
///
/// Throws std::system_error if the file cannot be opened; std::runtime_error, naming the file and the problem (in at
/// most 1000 characters), if the file is incomplete, changed by a single bit, of another version, rule, scalar or
/// shape, has a hyperparameter out of range, or otherwise differs from the description at the top of this header;
/// std::invalid_argument if params do not fit a fixed Size; std::bad_alloc if memory runs out. Optimizer and params are
/// then unchanged.
template <SavableOptimizer O, class Params>
requires(!std::is_const_v<O>) && SavedParametersOf<Params, O> && Writable<Params>
DESCENT_TAGGED void load(const std::filesystem::path& path, O& optimizer, Params&& params,
                         const LoadOptions& options = {}) {
  std::ifstream in(path, std::ios::binary);
  if (!in) detail::fail_on_system(errno, "open", path);
  detail::naming_the_file(path.string(), [&] { detail::read_checkpoint(in, true, optimizer, params, options); });
}

/// The same, from a binary stream, which may go on: it is left just after the checkpoint.
template <SavableOptimizer O, class Params>
requires(!std::is_const_v<O>) && SavedParametersOf<Params, O> && Writable<Params>
DESCENT_TAGGED void load(std::istream& in, O& optimizer, Params&& params, const LoadOptions& options = {}) {
  detail::naming_the_file("the checkpoint", [&] { detail::read_checkpoint(in, false, optimizer, params, options); });
}

}  // namespace descent

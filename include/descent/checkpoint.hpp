// SPDX-License-Identifier: MIT
//
// Checkpoints. A run that goes on from one gives the same bits as one that never stopped.
//
//     save(path, optimizer, params), load(path, optimizer, params)      one optimizer
//     Checkpoint                                                        all that a run has, in one file
//     load_params(path, params)                                         parameters alone, whatever stepped them
//     list_checkpoint(path)                                             what is in a file
//
// An optional header that descent.hpp does not include: it needs nlohmann-json (Debian: nlohmann-json3-dev; CMake:
// nlohmann_json::nlohmann_json) and POSIX.
//
// The file is a safetensors file, which NumPy, PyTorch, JAX and Rust read. One of a single optimizer has tensors of
// type F32 or F64:
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
// Tensors and hyperparameters that the loading optimizer does not have are refused.
//
// A file of a Checkpoint has the version 2, and an entry for each of its names, here net:
//
//     entries                 JSON: the kind of each entry: {"epoch":"value","net":"optimizer"}
//     net.rule, net.steps …   metadata and tensors of an optimizer as above: net.params.0, net.velocity.0 …
//     net.tensors             JSON: the names of its tensors, if the user chose them; they stand in the place of the
//                             numbers, as in net.params.W and net.tensor.W.steps
//     epoch                   a number, truth value or text: JSON
//     mean                    an array: a tensor of that name; integers are of type I32, I64, U8 …
//     batches.order           Minibatches: the indices in their present order, I64; and batches.batch_size,
//                             .shuffle, .drop_last and .random, the state of the generator, in the metadata
//     plateau.best            ReduceOnPlateau: its state .best, .bad_values and .cooldown_left, and .hyperparameters
//     sums.0, sums.1 …        GradientAccumulator: the sums, [rows, columns]; in the metadata .count, how many
//                             gradients they are of, and .row_major, JSON: "10" if the first lies row by row
//
// The header is JSON of at most 100,000,000 bytes, as in safetensors, and its brackets are nested three deep. save
// writes nothing beyond these limits.
#pragma once

#include <array>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <istream>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/checkpoint/atomic_file.hpp>
#include <descent/checkpoint/entries.hpp>
#include <descent/checkpoint/metadata.hpp>
#include <descent/checkpoint/optimizer_entry.hpp>
#include <descent/checkpoint/optimizer_record.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/checkpoint/safetensors.hpp>
#include <descent/checkpoint/values.hpp>
#include <descent/errors.hpp>
#include <descent/optimizer.hpp>
#include <descent/rule.hpp>
#include <descent/tensors.hpp>
#include <descent/training/gradient_accumulator.hpp>
#include <descent/training/minibatches.hpp>
#include <descent/training/reduce_on_plateau.hpp>

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
  /// Hyperparameters stay those of the program, whatever the file has: those of optimizers and single tensors, of
  /// ReduceOnPlateau and of Minibatches.
  bool keep_hyperparameters = false;
  /// For a Checkpoint: the file must have the entries of the program, and no others. If false, entries that the file
  /// lacks stay as they are, and others in the file are passed over.
  bool strict = true;
};

/// Which parameters of a file `load_params` loads.
struct ParamsOf {
  std::string entry = {};               ///< the optimizer's name in a file of a Checkpoint
  std::vector<std::string> names = {};  ///< those of the tensors, in the order of params; if empty, all, in the file's
};

/// A tensor in a file.
struct ListedTensor {
  std::string name;
  std::string dtype;  ///< as safetensors calls it: F32, F64, I64 …
  std::vector<Eigen::Index> shape;
};

/// An entry of a file, as the top of this header describes it.
struct ListedEntry {
  std::string name;                             ///< empty in a file of one optimizer
  std::string kind;                             ///< optimizer, value, array, Minibatches …
  std::map<std::string, std::string> metadata;  ///< such as "steps": "7"; of a value, only "value"
  std::vector<ListedTensor> tensors;            ///< with their whole names
};

}  // namespace DESCENT_FLAGS

namespace detail {
inline namespace DESCENT_FLAGS {

template <class O>
inline constexpr int size_of_optimizer = Eigen::Dynamic;
template <class R, class Scalar, int Size>
inline constexpr int size_of_optimizer<Optimizer<R, Scalar, Size>> = Size;

// ---- Files -----------------------------------------------------------------------------------------

inline constexpr std::string_view version_of_one = "1";  ///< of a file of one optimizer
inline constexpr std::string_view version_of_run = "2";  ///< of a file of a Checkpoint

inline void require_version(Members& metadata, std::string_view version) {
  const std::string found = taken_text(metadata, "descent_checkpoint");
  if (found == version) return;
  refuse("its descent_checkpoint is " + shown(in_quotes(found)) + ", expected " + in_quotes(version) +
         (found == version_of_run   ? ": it holds a run, which a Checkpoint loads"
          : found == version_of_one ? ": it holds one optimizer, which load(path, optimizer, params) loads"
                                    : ""));
}

/// What load would refuse is not saved, either.
void guard_saving(const auto& use) {
  try {
    use();
  } catch (const InvalidCheckpoint& error) {
    fail<std::invalid_argument>({"descent: load would refuse this checkpoint: ", error.what()});
  }
}

/// Writes what add_all(metadata, tensors) adds, by calls of write(data, size).
void write_file(const auto& write, const auto& add_all) {
  guard_saving([&] {
    Members metadata;
    SavedTensors<const char> tensors;
    add_all(metadata, tensors);
    write_safetensors(write, tensors, metadata);
  });
}
void write_to(const std::filesystem::path& path, const auto& add_all) {
  AtomicFile file(path);
  write_file([&](const char* data, std::size_t size) { file.write(data, size); }, add_all);
  file.commit();
}
void write_to(std::ostream& out, const auto& add_all) {
  write_file([&](const char* data, std::size_t size) { out.write(data, static_cast<std::streamsize>(size)); }, add_all);
  if (!out.flush()) fail<std::runtime_error>("descent: the checkpoint cannot be written to its stream");
}

/// Where a checkpoint is read from.
struct Source {
  std::istream& in;
  const char* name;  ///< for errors
  bool is_file;      ///< ends with the checkpoint

  /// The error of what is wrong with it names it.
  void guard(const auto& use) const {
    try {
      use();
    } catch (const InvalidCheckpoint& error) {
      fail<std::runtime_error>({"descent: ", name, ": ", error.what()});
    }
  }

  /// prepare(file, tensors) takes all that it expects out of the metadata, and adds memory for the tensors, which is
  /// filled if all is right. Others are refused unless passes_over(name) holds. last() comes last.
  void read(const auto& prepare, const auto& passes_over, const auto& last) const {
    guard([&] {
      SafetensorsReader file(in);
      SavedTensors<char> tensors;
      prepare(file, tensors);
      file.read_into(tensors, passes_over);
      if (is_file && in.peek() != std::istream::traits_type::eof()) refuse("it does not end with its checksum");
      last();
    });
  }
};
inline bool none(const std::string&) { return false; }
inline void nothing() {}

inline void with_file(const std::filesystem::path& path, const auto& use) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_on_system(errno, "open", path);
  use(Source{in, path.c_str(), true});
}
inline Source source_of(std::istream& in) { return {in, "the checkpoint", false}; }

// ---- One optimizer ---------------------------------------------------------------------------------

/// Adds all of a file of one optimizer.
template <class Scalar, class Params>
void add_one(Members& metadata, SavedTensors<const char>& tensors, const SavedOptimizer<Scalar>& optimizer,
             const Params& params) {
  const auto parameters = parameters_of<const Scalar>(params);
  metadata.emplace("descent_checkpoint", version_of_one);
  add_optimizer(metadata, tensors, "", numbered(parameters.size()), optimizer, parameters);
}

template <class O, class Params>
void save_one(auto&& to, const O& optimizer, const Params& params) {
  if constexpr (!in_memory<Params>) {
    save_one(to, optimizer, copies_of(params));
  } else {
    write_to(to, [&](Members& metadata, SavedTensors<const char>& tensors) {
      add_one(metadata, tensors, *saved_optimizer(optimizer), params);
    });
  }
}

/// Reads all of a file of one optimizer, of `count` tensors.
template <class Scalar>
void read_one(const Source& from, LoadedOptimizer<Scalar>& loaded, Index count, const LoadOptions& options) {
  from.read([&](SafetensorsReader& file, SavedTensors<char>& tensors) {
    require_version(file.metadata(), version_of_one);
    loaded.prepare(file.metadata(), tensors, "", numbered(static_cast<std::size_t>(count)),
                   options.keep_hyperparameters);
  }, none, nothing);
}

template <class O>
void load_one(const Source& from, O& optimizer, auto& params, const LoadOptions& options) {
  using Scalar = SavedScalarOf<O>;
  LoadedOptimizer<Scalar> loaded(saved_optimizer(optimizer), parameters_of<Scalar>(params));
  read_one(from, loaded, count_tensors(params), options);
  loaded.commit();
}

// ---- Parameters alone ------------------------------------------------------------------------------

template <class T>
auto scalar_of_tensors() {
  using All = std::remove_cvref_t<T>;
  if constexpr (DenseTensor<All>)
    return typename All::Scalar();
  else if constexpr (TensorTuple<All>)
    return typename std::remove_cvref_t<TupleElement<All, 0>>::Scalar();
  else
    return typename std::remove_cvref_t<RangeElement<All>>::Scalar();
}
template <class T>
using ScalarOfTensors = decltype(scalar_of_tensors<T>());

/// Takes the names of an entry's tensors, if they were chosen, out of the metadata.
inline Names taken_names(Members& metadata, const std::string& name) {
  Names names;
  if (metadata.contains(name))
    for (const std::string& text : elements_in(taken_text(metadata, name), name))
      names.push_back(value_as<std::string>(text, "a name of a tensor"));
  return names;
}

template <class Scalar>
void load_params_of(const Source& from, Parameters<Scalar> params, const ParamsOf& which) {
  const std::size_t count = params.size();
  if (!which.names.empty() && which.names.size() != count)
    fail<std::invalid_argument>({"descent::load_params: ", which.names.size(), " names for ", count, " tensors"});
  const std::string prefix = which.entry.empty() ? "" : which.entry + ".", begin = prefix + "params.";
  LoadedParameters<Scalar> loaded(std::move(params));
  from.read([&](SafetensorsReader& file, SavedTensors<char>& tensors) {
    require_version(file.metadata(), which.entry.empty() ? version_of_one : version_of_run);
    Names names = which.names.empty() ? taken_names(file.metadata(), prefix + "tensors") : which.names;
    if (names.empty()) names = numbered(count);
    if (names.size() != count)
      refuse("it has " + std::to_string(names.size()) + " tensors of parameters, but the program has " +
             std::to_string(count));
    loaded.allocate(tensors, begin, names);
  }, [&](const std::string& name) { return !name.starts_with(begin) || !which.names.empty(); }, nothing);
  loaded.commit();
}

// ---- Lists -----------------------------------------------------------------------------------------

inline ListedTensor listed_tensor(const std::string& name, const std::string& text) {
  const std::string what = shown(in_quotes(name));
  Members members = members_in(text, what);
  ListedTensor tensor{name, value_as<std::string>(taken(members, "dtype", what), what), {}};
  for (const std::string& size : elements_in(taken(members, "shape", what), what))
    tensor.shape.push_back(static_cast<Index>(value_as<std::int64_t>(size, what)));
  return tensor;
}

/// The kind of each entry of a run.
inline Members taken_kinds(Members& metadata) {
  Members kinds = members_in(taken_text(metadata, "entries"), "entries");
  for (auto& [name, kind] : kinds) kind = value_as<std::string>(kind, "the kind of " + shown(in_quotes(name)));
  return kinds;
}

/// What comes before the first dot.
inline std::string entry_of(const std::string& name) { return name.substr(0, name.find('.')); }

inline std::vector<ListedEntry> listed_in(std::istream& in) {
  SafetensorsReader file(in);
  Members& metadata = file.metadata();
  const bool is_run = metadata.contains("entries");
  require_version(metadata, is_run ? version_of_run : version_of_one);
  std::vector<ListedEntry> listed;
  for (const auto& [name, kind] : is_run ? taken_kinds(metadata) : Members{{"", "optimizer"}}) {
    ListedEntry& entry = listed.emplace_back();
    entry.name = name;
    entry.kind = kind;
    const auto belongs = [&](const std::string& whole) { return !is_run || entry_of(whole) == entry.name; };
    for (const auto& [whole, text] : metadata)
      if (belongs(whole))
        entry.metadata.emplace(!is_run ? whole : whole == name ? "value" : whole.substr(name.size() + 1), text);
    for (const auto& [whole, text] : file.entries())
      if (whole != "crc32" && belongs(whole)) entry.tensors.push_back(listed_tensor(whole, text));
  }
  return listed;
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// What can be saved and loaded along with an optimizer: what its `step` takes, or a read-only version of it.
template <class Params, class O>
concept SavedParametersOf = Tensors<Params> && SavedScalar<detail::SavedScalarOf<O>> &&
                            OfScalar<Params, detail::SavedScalarOf<O>> && OfSize<Params, detail::size_of_optimizer<O>>;

/// Writes optimizer and params to a file of that name, replacing any file that is there. They are first written to a
/// temporary file in the same folder, descent-C-N.tmp with the checksum C of the file's name and a number N, which is
/// flushed to disk and then renamed. A crash, a full disk or a power cut at any moment leaves the whole old file or the
/// whole new one. A process that is killed may also leave its temporary file behind; the next one that saves to this
/// path removes it. Several processes may save to one path at the same time: the last one to finish wins.
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
  detail::save_one(path, optimizer, params);
}

/// The same, to a binary stream. Throws std::runtime_error if it cannot be written.
template <SavableOptimizer O, class Params>
requires SavedParametersOf<Params, O>
DESCENT_TAGGED void save(std::ostream& out, const O& optimizer, const Params& params) {
  detail::save_one(out, optimizer, params);
}

/// Restores optimizer and params to what they were when the file was saved: hyperparameters, state, running products,
/// the counters of steps taken and skipped, which tensors are frozen or have hyperparameters of their own, and the
/// values of params, which must have the saved shapes. What the optimizer did before is forgotten. The next steps give
/// the same bits as those of the saved optimizer. The state takes the storage order that params have here. Until all
/// has been read and checked, it is held in other memory, as much as that of params and state together.
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
  detail::with_file(path, [&](const detail::Source& from) { detail::load_one(from, optimizer, params, options); });
}

/// The same, from a binary stream, which may go on: it is left just after the checkpoint.
template <SavableOptimizer O, class Params>
requires(!std::is_const_v<O>) && SavedParametersOf<Params, O> && Writable<Params>
DESCENT_TAGGED void load(std::istream& in, O& optimizer, Params&& params, const LoadOptions& options = {}) {
  detail::load_one(detail::source_of(in), optimizer, params, options);
}

/// Loads parameters alone, whichever rule stepped them: of a file of one optimizer, or of an entry of a Checkpoint,
///
///     descent::load_params("run.safetensors", std::tie(W, b), {.entry = "net"});
///
/// and of all tensors there, or of those with the given names alone. Shapes and scalar must be the saved ones. An
/// optimizer that has stepped other values keeps its state: `reset` it, unless that is meant. Throws like `load`, and
/// std::invalid_argument if there are names for other tensors than params has.
template <class Params>
requires Tensors<Params> && SavedScalar<detail::ScalarOfTensors<Params>> &&
         OfScalar<Params, detail::ScalarOfTensors<Params>> && Writable<Params>
DESCENT_TAGGED void load_params(const std::filesystem::path& path, Params&& params, const ParamsOf& which = {}) {
  detail::with_file(path, [&](const detail::Source& from) {
    using Scalar = detail::ScalarOfTensors<Params>;
    detail::load_params_of<Scalar>(from, detail::parameters_of<Scalar>(params), which);
  });
}

inline namespace DESCENT_FLAGS {

/// What is in a file, without loading it: its entries in the order of their names. Reads only the header, so it takes
/// no time, and does not check the checksum. Throws like `load`.
inline std::vector<ListedEntry> list_checkpoint(const std::filesystem::path& path) {
  std::vector<ListedEntry> listed;
  detail::with_file(path,
                    [&](const detail::Source& from) { from.guard([&] { listed = detail::listed_in(from.in); }); });
  return listed;
}

/// All that a run has, under names, in one file: any number of optimizers with their parameters, what the training loop
/// has, and numbers, texts and arrays of your own. The same list serves for saving and loading:
///
///     descent::Checkpoint checkpoint;
///     checkpoint.add("net", optimizer, std::tie(W, b), {"W", "b"});   // without names, the tensors have numbers
///     checkpoint.add("batches", batches);
///     checkpoint.add("epoch", epoch);
///     if (std::filesystem::exists(path)) checkpoint.load(path);
///     for (; epoch < 20; ++epoch) {
///       ...
///       checkpoint.save(path);
///     }
///
/// It holds references, so everything must stay where it is as long as the Checkpoint is used; temporaries do not
/// compile. (A tuple of references and a view such as a Map are copied, but not what they refer to.) Everything is read
/// when `save` is called and written when `load` is; nothing may use it in another thread then.
///
/// A name is not empty, has no dot, and differs from the others, from "entries", "descent_checkpoint", "format" and
/// "crc32", and from "__metadata__". `add` throws std::invalid_argument otherwise.
///
/// `load` restores all entries or, if it throws, none. By default, the file must have exactly the entries of the
/// program, of the same kinds: a run that lacks one would not go on as it was. LoadOptions::strict = false loads those
/// that both have. To load one optimizer of a run into a program without the others, add that one alone.
class Checkpoint {
 public:
  /// An optimizer with its parameters, as for `descent::save`. `names`, one for each tensor, stand in the place of the
  /// tensors' numbers: a tensor of the file is "net.params.W". They may have dots.
  template <SavableOptimizer O, class Params>
  requires(!std::is_const_v<O>) && SavedParametersOf<Params, O> && Writable<Params>
  void add(const std::string& name, O& optimizer, Params&& params, std::vector<std::string> names = {}) {
    add_entry<detail::OptimizerEntry<O, Params>>(name, optimizer, std::forward<Params>(params), std::move(names));
  }

  /// The order of the indices and the generator. The program's must have the same indices, in any order. Between
  /// epochs, that is all; for a stop within an epoch, add the number of batches that it has used, too, and go on from
  /// there with Minibatches::last_epoch.
  void add(const std::string& name, Minibatches& batches) { add_entry<detail::MinibatchesEntry>(name, batches); }

  /// Hyperparameters and state.
  void add(const std::string& name, ReduceOnPlateau& plateau) {
    add_entry<detail::ReduceOnPlateauEntry>(name, plateau);
  }

  /// What has been added so far. The program's may have other shapes, which are forgotten.
  template <SavedScalar Scalar>
  void add(const std::string& name, GradientAccumulator<Scalar>& accumulator) {
    add_entry<detail::AccumulatorEntry<Scalar>>(name, accumulator);
  }

  /// An integer, float, double or bool, an enum with enumerator_names, or a std::string in UTF-8.
  template <class T>
  requires(!std::is_const_v<T>) && (HyperparameterValue<T> || std::same_as<T, std::string>)
  void add(const std::string& name, T& value) {
    add_entry<detail::ValueEntry<T>>(name, value);
  }

  /// A dense array of float, double or integers. One that owns its numbers takes the shape that it has in the file,
  /// as far as its type allows; a view must have that shape.
  template <DenseTensor Array>
  requires Writable<Array> && SavedElement<typename std::remove_cvref_t<Array>::Scalar>
  void add(const std::string& name, Array&& array) {
    add_entry<detail::ArrayEntry<Array>>(name, std::forward<Array>(array));
  }

  /// Writes a file like `descent::save`, and throws like it. The error names the entry.
  void save(const std::filesystem::path& path) const { save_to(path); }
  /// The same, to a binary stream.
  void save(std::ostream& out) const { save_to(out); }

  /// Restores all entries. Throws like `descent::load`; then none has changed. The error names the entry.
  void load(const std::filesystem::path& path, const LoadOptions& options = {}) {
    detail::with_file(path, [&](const detail::Source& from) { load_from(from, options); });
  }
  /// The same, from a binary stream that can tell its length, as files and string streams can.
  void load(std::istream& in, const LoadOptions& options = {}) { load_from(detail::source_of(in), options); }

 private:
  template <class Entry, class... Arguments>
  void add_entry(const std::string& name, Arguments&&... arguments) {
    constexpr std::array<std::string_view, 5> others{"entries", "descent_checkpoint", "format", "crc32",
                                                     "__metadata__"};
    for (const std::string_view other : others)
      if (name == other) fail_name(name, "is a name of the file's own");
    if (name.empty() || name.find('.') != std::string::npos) fail_name(name, "must have a letter, and no dot");
    if (entries_.contains(name)) fail_name(name, "was added before");
    auto entry = naming_it(name, [&] { return std::make_unique<Entry>(std::forward<Arguments>(arguments)...); });
    entries_.emplace(name, std::move(entry));
  }
  [[noreturn]] static void fail_name(const std::string& name, const char* why) {
    detail::fail<std::invalid_argument>({"descent::Checkpoint: the name \"", name, "\" ", why});
  }

  /// Lets an error name the entry.
  static auto naming_it(const std::string& name, const auto& call) {
    const auto text = [&](const std::exception& error) {
      constexpr std::string_view ours = "descent: ";
      std::string_view what = error.what();
      if (what.starts_with(ours)) what.remove_prefix(ours.size());
      return detail::shown(detail::quoted_text(name)) + ": " + std::string(what);
    };
    try {
      return call();
    } catch (const detail::InvalidCheckpoint& error) {
      detail::refuse(text(error));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("descent: " + text(error));
    } catch (const std::out_of_range& error) {
      throw std::out_of_range("descent: " + text(error));
    }
  }

  void save_to(auto&& to) const {
    detail::write_to(to, [&](detail::Members& metadata, detail::SavedTensors<const char>& tensors) {
      detail::Members kinds;
      for (const auto& [name, entry] : entries_) {
        kinds.emplace(name, detail::in_quotes(entry->kind()));
        naming_it(name, [&, &its = *entry, &whose = name] { its.add_to(metadata, tensors, whose); });
      }
      metadata.emplace("descent_checkpoint", detail::version_of_run);
      metadata.emplace("entries", detail::object_of(kinds));
    });
  }

  /// The entries to be loaded. Those that only the file has are added to `others`.
  std::set<std::string> entries_in(detail::Members& metadata, bool strict, std::set<std::string>& others) const {
    const detail::Members kinds = detail::taken_kinds(metadata);
    std::set<std::string> common, missing;
    for (const auto& [name, entry] : entries_) {
      const auto found = kinds.find(name);
      (found == kinds.end() ? missing : common).insert(name);
      if (found != kinds.end() && found->second != entry->kind())
        detail::refuse("its entry " + detail::in_quotes(name) + " is of the kind " +
                       detail::shown(detail::in_quotes(found->second)) + ", expected " +
                       detail::in_quotes(entry->kind()));
    }
    for (const auto& [name, kind] : kinds)
      if (!common.contains(name)) others.insert(name);
    if (strict && !missing.empty()) detail::refuse("it lacks the entries" + list_of(missing));
    if (strict && !others.empty()) detail::refuse("it has entries that the program has not:" + list_of(others));
    return common;
  }
  static std::string list_of(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? " " : ", ") + detail::in_quotes(name);
    return detail::shown(text);
  }

  void load_from(const detail::Source& from, const LoadOptions& options) {
    std::map<std::string, std::unique_ptr<detail::LoadedEntry>> loaded;
    std::set<std::string> others;
    from.read([&](detail::SafetensorsReader& file, detail::SavedTensors<char>& tensors) {
      detail::require_version(file.metadata(), detail::version_of_run);
      for (const std::string& name : entries_in(file.metadata(), options.strict, others))
        loaded.emplace(name, naming_it(name, [&] {
          return entries_.at(name)->load_from({file, tensors, options.keep_hyperparameters}, name);
        }));
    }, [&](const std::string& name) { return others.contains(detail::entry_of(name)); }, [&] {
      for (const auto& [name, entry] : loaded) naming_it(name, [&its = *entry] { its.require_sound(); });
    });
    for (const auto& [name, entry] : loaded) entry->commit();
  }

  std::map<std::string, std::unique_ptr<detail::SavedEntry>> entries_;
};

}  // namespace DESCENT_FLAGS

}  // namespace descent

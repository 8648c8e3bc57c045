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
//     hyperparameters         JSON: {"beta1":0.9, …, "epsilon_placement":"outside"}; a missing one has
//                             the rule's default
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

#include <array>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <istream>
#include <limits>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/checkpoint/atomic_file.hpp>
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

namespace detail {
inline namespace DESCENT_FLAGS {

struct MemoryAccess {
  static auto& memory(auto& optimizer) { return optimizer.memory_; }
  static auto& own_tensors(auto& optimizer) { return optimizer.own_; }

  /// Throws as a step would: for bad hyperparameters, shapes other than those so far, or tensors of their own that do
  /// not exist.
  template <class R, class Scalar, int Size>
  static void throw_unless_it_steps(const Optimizer<R, Scalar, Size>& optimizer, Views<const Scalar> params) {
    optimizer.validate_all();
    optimizer.require_own_tensors(params.count);
    if (optimizer.steps() > 0) require_shapes(params, optimizer.memory_.shapes);
  }

  static void validate_all(const auto& optimizer) { optimizer.validate_all(); }

  /// Creates the state for these parameters.
  template <class R, class Scalar, int Size>
  static void remember(Optimizer<R, Scalar, Size>& optimizer, Views<const Scalar> params) {
    optimizer.remember(params);
  }
};

/// Read-only views of the tensors.
template <class Scalar, class Params>
std::vector<View<const Scalar>> views_to_read(const Params& params) {
  std::vector<View<const Scalar>> views(static_cast<std::size_t>(count_tensors(params)));
  place_views(params, views.data());
  return views;
}
template <class Scalar>
Views<const Scalar> views_in(const std::vector<View<const Scalar>>& views) {
  return {views.data(), static_cast<Index>(views.size())};
}

template <class Tensor>
std::vector<Index> saved_shape(const Tensor& tensor) {
  if constexpr (Tensor::IsVectorAtCompileTime)
    return {tensor.size()};
  else
    return {tensor.rows(), tensor.cols()};
}

/// The parameters and the state, as they lie in memory; Scalar is const if they are.
template <class R, class Scalar, class Memory, class Params>
SavedTensors<Scalar> tensors_of(Memory& memory, Params& params) {
  using Strides = typename SavedTensor<Scalar>::Strides;
  SavedTensors<Scalar> tensors;
  Index tensor = 0;
  Index offset = 0;
  for_each_tensor(params, [&](auto& p) {
    const auto add = [&](std::string_view array, const std::vector<Index>& shape, Scalar* data, Index rows, Index cols,
                         const Strides& strides) {
      const std::string name = std::string(array) + "." + std::to_string(tensor);
      if (!tensors.try_emplace(name, shape, data, rows, cols, strides).second)
        fail<std::invalid_argument>({"descent: a checkpoint cannot have two tensors \"", name, "\""});
    };
    add("params", saved_shape(p), p.data(), p.rows(), p.cols(), {p.colStride(), p.rowStride()});
    if (memory.counter.t == 0) return ++tensor;
    const Shape shape = memory.shapes[tensor];
    const bool is_factored = factors_state<R, std::remove_const_t<Scalar>>(shape);
    const Index size = state_size<R, std::remove_const_t<Scalar>>(shape);
    for (std::size_t slot = 0; slot < R::state_names.size(); ++slot) {
      Scalar* const data = memory.state.array(slot) + offset;
      if (is_factored)
        add(R::state_names[slot], {size}, data, size, 1, {size, 1});
      else
        add(R::state_names[slot], saved_shape(p), data, p.rows(), p.cols(),
            shape.row_major ? Strides(1, p.cols()) : Strides(p.rows(), 1));
    }
    offset += size;
    return ++tensor;
  });
  return tensors;
}

/// Calls visit(name, value) for each hyperparameter of a rule.
template <class R, class Visit>
void for_each_hyperparameter(R& rule, Visit&& visit) {
  R::hyperparameters([&](const auto&... each) { (visit(std::string(each.name), rule.*each.member), ...); });
}

template <class R>
Members hyperparameters_of(const R& rule) {
  Members values;
  for_each_hyperparameter(rule, [&](const std::string& name, const auto& value) {
    if (!values.emplace(name, text_of(json_of(value))).second)
      fail<std::invalid_argument>({"descent: a checkpoint cannot have two hyperparameters \"", name, "\""});
  });
  return values;
}

template <std::size_t count, class Kind>
std::string array_of(const Numbers<count, Kind>& numbers) {
  std::vector<double> values;
  if constexpr (count > 0) values.assign(numbers.begin(), numbers.end());
  return array_of(values);
}

/// What the names in the metadata of one tensor begin with.
inline std::string prefix_of(Index tensor) { return "tensor." + std::to_string(tensor) + "."; }

template <class R, class Memory>
Members metadata_of(const R& rule, const Memory& memory, const OwnTensors<R>& own_tensors) {
  Members metadata{{"descent_checkpoint", "1"},
                   {"rule", std::string(R::name)},
                   {"hyperparameters", object_of(hyperparameters_of(rule))},
                   {"steps", std::to_string(memory.counter.t)},
                   {"skipped_steps", std::to_string(memory.skips.total)},
                   {"skipped_in_a_row", std::to_string(memory.skips.in_a_row)},
                   {"running_products", array_of(memory.counter.products)}};
  if (count_running_numbers<R>() > 0) metadata.emplace("running_numbers", array_of(memory.counter.numbers));
  own_tensors.for_each([&](Index tensor, const OwnTensor<R>& own) {
    const std::string prefix = prefix_of(tensor);
    metadata.emplace(prefix + "steps", std::to_string(own.counter.t));
    metadata.emplace(prefix + "running_products", array_of(own.counter.products));
    if (count_running_numbers<R>() > 0) metadata.emplace(prefix + "running_numbers", array_of(own.counter.numbers));
    if (own.frozen) metadata.emplace(prefix + "frozen", "true");
    if (own.has_rule) metadata.emplace(prefix + "hyperparameters", object_of(hyperparameters_of(own.rule)));
  });
  return metadata;
}

inline void require_count(const std::string& name, std::int64_t count) {
  constexpr std::int64_t most = (std::numeric_limits<std::int64_t>::max)() / 2;  // far from overflow
  if (count < 0 || count > most) refuse(name + " = " + std::to_string(count) + "; it must be in [0, 2^62)");
}

/// Throws InvalidCheckpoint unless steps could have produced this counter; its parts' names begin with `prefix`.
template <class R>
void require_sound(const R& rule, const StepCounter<R>& counter, const std::string& prefix) {
  require_count(prefix + "steps", counter.t);
  if constexpr (count_running_factors<R>() > 0) {
    const auto fail_products = [&](const std::string& must_be) {
      refuse(prefix + "running_products = " + array_of(counter.products) + "; " + must_be);
    };
    const RunningFactors<R> factors = running_factors_of(rule);
    for (std::size_t i = 0; i < factors.size(); ++i) {
      const double product = counter.products[i];
      if (counter.t == 0 && product != 1) fail_products("before the first step each must be 1");
      // Only rules of a user have factors outside [0, 1); their products may be anything.
      if (counter.t > 0 && interval::below_one.contains(factors[i]) && !interval::below_one.contains(product))
        fail_products("after a step each must be " + std::string(interval::below_one.text));
    }
  }
  if constexpr (count_running_numbers<R>() > 0)
    for (const double number : counter.numbers)
      if (!interval::any_finite.contains(number))
        refuse(prefix + "running_numbers = " + array_of(counter.numbers) + "; each must be " +
               std::string(interval::any_finite.text));
}

/// The same for all that is counted.
template <class R, class Memory>
void require_sound(const R& rule, const Memory& memory, const OwnTensors<R>& own_tensors) {
  require_sound(rule, memory.counter, "");
  require_count("skipped_steps", memory.skips.total);
  require_count("skipped_in_a_row", memory.skips.in_a_row);
  if (memory.skips.in_a_row > memory.skips.total)
    refuse("skipped_in_a_row = " + std::to_string(memory.skips.in_a_row) +
           ", but skipped_steps = " + std::to_string(memory.skips.total));
  own_tensors.for_each([&](Index tensor, const OwnTensor<R>& own) {
    require_sound(own.has_rule ? own.rule : rule, own.counter, prefix_of(tensor));
    if (own.counter.t > memory.counter.t)
      refuse(prefix_of(tensor) + "steps = " + std::to_string(own.counter.t) +
             ", but steps = " + std::to_string(memory.counter.t));
  });
}

/// Calls write(data, size) for each part of the file.
template <class Write, class R, class Scalar, int Size, class Params>
void write_checkpoint(Write&& write, const Optimizer<R, Scalar, Size>& optimizer, const Params& params) {
  if constexpr (!in_memory<Params>) {
    write_checkpoint(write, optimizer, copies_of(params));
  } else {
    MemoryAccess::throw_unless_it_steps(optimizer, views_in(views_to_read<Scalar>(params)));
    const auto& memory = MemoryAccess::memory(optimizer);
    const auto& own_tensors = MemoryAccess::own_tensors(optimizer);
    try {
      require_sound<R>(optimizer, memory, own_tensors);
      write_safetensors(write, tensors_of<R, const Scalar>(memory, params),
                        metadata_of<R>(optimizer, memory, own_tensors));
    } catch (const InvalidCheckpoint& error) {
      fail<std::invalid_argument>({"descent: load would refuse this checkpoint: ", error.what()});
    }
  }
}

/// Sets the hyperparameters to those in the text, and to their defaults if they are missing from it.
template <class R>
void read_hyperparameters(R& rule, const std::string& text, const std::string& what) {
  Members values = members_in(text, what);
  values.merge(hyperparameters_of(R{}));
  for_each_hyperparameter(rule, [&](const std::string& name, auto& value) {
    value = value_of<std::remove_cvref_t<decltype(value)>>(taken(values, name, what), name);
  });
  require_none_left(values, what);
}

/// The rule that the metadata describe.
template <class R>
R rule_of(Members& metadata, R rule) {
  const auto expect = [&](const std::string& name, std::string_view value) {
    if (const std::string found = taken(metadata, name, "its metadata"); found != value)
      refuse("its " + name + " is " + shown(in_quotes(found)) + ", expected " + in_quotes(value));
  };
  expect("descent_checkpoint", "1");
  expect("rule", R::name);
  read_hyperparameters(rule, taken(metadata, "hyperparameters", "its metadata"), "hyperparameters");
  return rule;
}

inline std::int64_t counter_of(Members& metadata, const std::string& name) {
  return value_of<std::int64_t>(value_in(taken(metadata, name, "its metadata"), name), name);
}

template <std::size_t count, class Kind>
void read_numbers(Numbers<count, Kind>& numbers, Members& metadata, const std::string& name, const char* what) {
  const std::string text = taken(metadata, name, "its metadata");
  const std::vector<std::string> values = elements_in(text, name);
  if (values.size() != count) refuse(name + " = " + shown(text) + "; there must be " + std::to_string(count));
  if constexpr (count > 0)
    for (std::size_t i = 0; i < count; ++i) numbers[i] = value_of<double>(values[i], what);
}

/// The counter whose parts' names begin with `prefix`.
template <class R>
StepCounter<R> step_counter_of(Members& metadata, const std::string& prefix) {
  StepCounter<R> counter;
  counter.t = counter_of(metadata, prefix + "steps");
  read_numbers(counter.products, metadata, prefix + "running_products", "a running product");
  if constexpr (count_running_numbers<R>() > 0)
    read_numbers(counter.numbers, metadata, prefix + "running_numbers", "a running number");
  return counter;
}

/// Takes what concerns single tensors, of which there are `count`, out of the metadata.
template <class R>
OwnTensors<R> own_tensors_of(Members& metadata, const R& rule, Index count) {
  OwnTensors<R> own_tensors;
  for (Index tensor = 0; tensor < count; ++tensor) {
    const std::string prefix = prefix_of(tensor);
    if (!metadata.contains(prefix + "steps")) continue;
    OwnTensor<R>& own = own_tensors.make(tensor, {}, rule);
    own.counter = step_counter_of<R>(metadata, prefix);
    const std::string frozen = prefix + "frozen", hyperparameters = prefix + "hyperparameters";
    if (metadata.contains(frozen))
      own.frozen = value_of<bool>(value_in(taken(metadata, frozen, "its metadata"), frozen), frozen);
    if (metadata.contains(hyperparameters)) {
      own.has_rule = true;
      read_hyperparameters(own.rule, taken(metadata, hyperparameters, "its metadata"), hyperparameters);
    }
  }
  if (const auto left = metadata.lower_bound("tensor."); left != metadata.end() && left->first.starts_with("tensor."))
    refuse("its metadata have " + shown(in_quotes(left->first)) + ", which does not belong to one of the " +
           std::to_string(count) + " tensors");
  return own_tensors;
}

/// Reads everything into other memory and checks it there; what follows then cannot fail.
template <class R, class Scalar, int Size, class Params>
void read_checkpoint(std::istream& in, bool to_its_end, Optimizer<R, Scalar, Size>& optimizer, Params& params) {
  SafetensorsReader file(in);
  const auto refuse_what_is_out_of_range = [](const auto& make) {
    try {
      return make();
    } catch (const std::invalid_argument& out_of_range) {
      refuse(out_of_range.what());
    }
  };
  Optimizer<R, Scalar, Size> loaded = refuse_what_is_out_of_range(
      [rule = rule_of<R>(file.metadata(), optimizer)] { return Optimizer<R, Scalar, Size>(rule); });
  auto& memory = MemoryAccess::memory(loaded);
  memory.counter = step_counter_of<R>(file.metadata(), "");
  for (const char* younger : {"skipped_steps", "skipped_in_a_row"}) file.metadata().try_emplace(younger, "0");
  memory.skips.total = counter_of(file.metadata(), "skipped_steps");
  memory.skips.in_a_row = counter_of(file.metadata(), "skipped_in_a_row");
  auto& own_tensors = MemoryAccess::own_tensors(loaded);
  own_tensors = own_tensors_of<R>(file.metadata(), loaded, count_tensors(params));
  refuse_what_is_out_of_range([&] { MemoryAccess::validate_all(loaded); });
  require_sound<R>(loaded, memory, own_tensors);

  auto values = copies_of(params);  // in the storage order of params
  if (memory.counter.t > 0) MemoryAccess::remember(loaded, views_in(views_to_read<Scalar>(values)));
  SavedTensors<Scalar> tensors = tensors_of<R, Scalar>(memory, values);
  file.read_into(tensors);
  if (to_its_end && in.peek() != std::istream::traits_type::eof()) refuse("it does not end with its checksum");

  static_cast<R&>(optimizer) = static_cast<R&&>(loaded);
  MemoryAccess::memory(optimizer) = std::move(memory);
  MemoryAccess::own_tensors(optimizer) = std::move(own_tensors);
  for_each_pair(params, values, [](auto& p, const auto& value) { p = value; });
}

template <class... Arguments>
void load_from(const std::string& name, Arguments&&... arguments) {
  try {
    read_checkpoint(arguments...);
  } catch (const InvalidCheckpoint& error) {
    fail<std::runtime_error>({"descent: ", name, ": ", error.what()});
  }
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// What can be saved and loaded along with an optimizer: what its `step` takes, or a read-only version of it.
template <class Params, class Scalar, int Size>
concept SavedParametersOf = Tensors<Params> && SavedScalar<Scalar> && OfScalar<Params, Scalar> && OfSize<Params, Size>;

/// Writes optimizer and params to a file of that name, replacing any file that is there. They are first written to a
/// temporary file in the same folder, `descent-<process>-<number>.tmp`, which is flushed to disk and then renamed.
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
template <ListsHyperparameters R, class Scalar, int Size, class Params>
requires SavedParametersOf<Params, Scalar, Size>
DESCENT_TAGGED void save(const std::filesystem::path& path, const Optimizer<R, Scalar, Size>& optimizer,
                         const Params& params) {
  detail::AtomicFile file(path);
  detail::write_checkpoint([&](const char* data, std::size_t size) { file.write(data, size); }, optimizer, params);
  file.commit();
}

/// The same, to a binary stream. Throws std::runtime_error if it cannot be written.
template <ListsHyperparameters R, class Scalar, int Size, class Params>
requires SavedParametersOf<Params, Scalar, Size>
DESCENT_TAGGED void save(std::ostream& out, const Optimizer<R, Scalar, Size>& optimizer, const Params& params) {
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
/// Files of every version since the first can be loaded: hyperparameters and counters missing from a file take their
/// defaults, whatever this optimizer has.
///
/// What set_threads and set_nonfinite set is not part of a run's state but the program's choice: it is not saved, and
/// loading does not change it.
///
/// Throws std::system_error if the file cannot be opened; std::runtime_error, naming the file and the problem (in at
/// most 1000 characters), if the file is incomplete, changed by a single bit, of another version, rule, scalar or
/// shape, has a hyperparameter out of range, or otherwise differs from the description at the top of this header;
/// std::invalid_argument if params do not fit a fixed Size; std::bad_alloc if memory runs out. Optimizer and params are
/// then unchanged.
template <ListsHyperparameters R, class Scalar, int Size, class Params>
requires SavedParametersOf<Params, Scalar, Size> && Writable<Params>
DESCENT_TAGGED void load(const std::filesystem::path& path, Optimizer<R, Scalar, Size>& optimizer, Params&& params) {
  std::ifstream in(path, std::ios::binary);
  if (!in) detail::fail_on_system(errno, "open", path);
  detail::load_from(path.string(), in, true, optimizer, params);
}

/// The same, from a binary stream, which may go on: it is left just after the checkpoint.
template <ListsHyperparameters R, class Scalar, int Size, class Params>
requires SavedParametersOf<Params, Scalar, Size> && Writable<Params>
DESCENT_TAGGED void load(std::istream& in, Optimizer<R, Scalar, Size>& optimizer, Params&& params) {
  detail::load_from("the checkpoint", in, false, optimizer, params);
}

}  // namespace descent

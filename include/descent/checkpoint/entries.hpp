// SPDX-License-Identifier: MIT
//
// What a Checkpoint holds under each of its names: a SavedEntry. Loading one makes a LoadedEntry, which takes memory of
// its own, is filled from the file and checked, and put in its place when all the others are right, too.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/checkpoint/metadata.hpp>
#include <descent/checkpoint/optimizer_entry.hpp>
#include <descent/checkpoint/optimizer_record.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/checkpoint/safetensors.hpp>
#include <descent/checkpoint/values.hpp>
#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>
#include <descent/rule.hpp>
#include <descent/tensors.hpp>
#include <descent/training/gradient_accumulator.hpp>
#include <descent/training/minibatches.hpp>
#include <descent/training/reduce_on_plateau.hpp>

namespace descent {

/// The scalars of arrays that a Checkpoint can hold beside parameters.
template <class Scalar>
concept SavedElement = std::same_as<Scalar, float> || std::same_as<Scalar, double> ||
                       (std::integral<Scalar> && !std::same_as<Scalar, bool>);

namespace detail {
inline namespace DESCENT_FLAGS {

class LoadedEntry {
 public:
  LoadedEntry() = default;
  LoadedEntry(LoadedEntry&&) = delete;
  virtual ~LoadedEntry() = default;

  /// Once the file has been read: throws InvalidCheckpoint if its numbers are wrong.
  virtual void require_sound() const {}
  virtual void commit() noexcept = 0;
};

/// Where an entry is read from: what it takes out of the metadata, and the tensors that are to be filled from the file.
struct Reading {
  SafetensorsReader& file;
  SavedTensors<char>& tensors;
  bool keeps_hyperparameters;

  Members& metadata() const { return file.metadata(); }
};

class SavedEntry {
 public:
  SavedEntry() = default;
  SavedEntry(SavedEntry&&) = delete;
  virtual ~SavedEntry() = default;

  virtual std::string_view kind() const = 0;
  virtual void add_to(Members& metadata, SavedTensors<const char>& tensors, const std::string& name) const = 0;
  virtual std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) = 0;
};

inline void add_value(Members& metadata, const std::string& name, const Value& value) {
  metadata.emplace(name, text_of(json_of(value)));
}
template <class T>
T taken_value(Members& metadata, const std::string& name) {
  const std::string text = taken_text(metadata, name);
  const Value value = value_of(value_in(text, name), name);
  T taken{};
  if constexpr (std::same_as<T, std::string>) {
    if (const auto* const given = std::get_if<std::string>(&value)) return *given;
  } else {
    if (take_value(taken, value)) return taken;
  }
  refuse(name + " cannot be " + shown(text));
}

/// How an entry keeps an argument: a reference to what owns numbers; a copy of what only refers to them, such as
/// std::tie(W, b) or a Map.
template <class T>
using Held = std::conditional_t<Writable<std::remove_cvref_t<T>>, std::remove_cvref_t<T>, T>;

// ---- An optimizer ----------------------------------------------------------------------------------

template <class O, class Params>
class OptimizerEntry final : public SavedEntry {
  using Scalar = SavedScalarOf<O>;

 public:
  OptimizerEntry(O& optimizer, Params&& params, Names names)
      : optimizer_(optimizer), params_(std::forward<Params>(params)), names_(std::move(names)) {
    if (!names_.empty()) require_names();
  }

  std::string_view kind() const override { return "optimizer"; }

  void add_to(Members& metadata, SavedTensors<const char>& tensors, const std::string& name) const override {
    if (!names_.empty()) metadata.emplace(name + ".tensors", array_of(require_names()));
    add_optimizer(metadata, tensors, name + ".", names(), *saved_optimizer(std::as_const(optimizer_)),
                  parameters_of<const Scalar>(params_));
  }

  std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) override {
    auto loaded = std::make_unique<Loaded>(saved_optimizer(optimizer_), parameters_of<Scalar>(params_));
    if (!names_.empty()) require_names();
    loaded->optimizer.prepare(reading.metadata(), reading.tensors, name + ".", names(), reading.keeps_hyperparameters);
    return loaded;
  }

 private:
  struct Loaded final : LoadedEntry {
    Loaded(std::unique_ptr<SavedOptimizer<Scalar>> saved, Parameters<Scalar> params)
        : optimizer(std::move(saved), std::move(params)) {}
    void commit() noexcept override { optimizer.commit(); }

    LoadedOptimizer<Scalar> optimizer;
  };

  std::size_t count() const { return static_cast<std::size_t>(count_tensors(params_)); }
  Names names() const { return names_.empty() ? numbered(count()) : names_; }
  const Names& require_names() const {
    if (names_.size() != count())
      fail<std::invalid_argument>(
          {"descent::Checkpoint: ", names_.size(), " names for ", count(), " tensors of parameters"});
    return names_;
  }

  O& optimizer_;
  Held<Params> params_;
  Names names_;
};

// ---- Numbers, texts and arrays of the user ---------------------------------------------------------

template <class T>
class ValueEntry final : public SavedEntry {
 public:
  explicit ValueEntry(T& value) : value_(value) {}

  std::string_view kind() const override { return "value"; }

  void add_to(Members& metadata, SavedTensors<const char>&, const std::string& name) const override {
    if constexpr (std::same_as<T, std::string>)
      add_value(metadata, name, value_);
    else
      add_value(metadata, name, value_of(value_));
  }

  std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) override {
    auto loaded = std::make_unique<Loaded>(value_);
    loaded->loaded = taken_value<T>(reading.metadata(), name);
    return loaded;
  }

 private:
  struct Loaded final : LoadedEntry {
    explicit Loaded(T& its) : value(its) {}
    void commit() noexcept override { std::swap(value, loaded); }

    T& value;
    T loaded{};
  };

  T& value_;
};

/// A matrix or vector that owns its numbers takes the shape that the file has; a view must have it already.
template <class T>
class ArrayEntry final : public SavedEntry {
  using Array = std::remove_cvref_t<T>;
  using Own = typename Array::PlainObject;
  using Scalar = typename Array::Scalar;

 public:
  explicit ArrayEntry(T&& array) : array_(std::forward<T>(array)) {}

  std::string_view kind() const override { return "array"; }

  void add_to(Members&, SavedTensors<const char>& tensors, const std::string& name) const override {
    const auto parameters = parameters_of<const Scalar>(array_);
    add_tensor(tensors, name, dtype_of<Scalar>(), parameters[0].shape, elements_of(parameters[0].view));
  }

  std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) override {
    auto loaded = std::make_unique<Loaded>(array_);
    Index rows = array_.rows(), cols = array_.cols();
    if constexpr (Plain<Array>) {
      const std::vector<Index> shape = reading.file.shape_of(name, sizeof(Scalar));
      if constexpr (Own::IsVectorAtCompileTime) {
        if (shape.size() == 1) (Own::RowsAtCompileTime == 1 ? cols : rows) = shape[0];
      } else if (shape.size() == 2) {
        rows = shape[0];
        cols = shape[1];
      }
      if (!fits<Own::RowsAtCompileTime, Own::MaxRowsAtCompileTime>(rows)) rows = array_.rows();
      if (!fits<Own::ColsAtCompileTime, Own::MaxColsAtCompileTime>(cols)) cols = array_.cols();
    }
    loaded->loaded.resize(rows, cols);
    const auto parameters = parameters_of<Scalar>(loaded->loaded);
    add_tensor(reading.tensors, name, dtype_of<Scalar>(), parameters[0].shape, elements_of(parameters[0].view));
    return loaded;
  }

 private:
  struct Loaded final : LoadedEntry {
    explicit Loaded(Array& its) : array(its) {}
    void commit() noexcept override {
      if constexpr (Plain<Array>)
        array.swap(loaded);
      else
        array = loaded;
    }

    Array& array;
    Own loaded;
  };

  template <int fixed, int most>
  static bool fits(Index size) {
    return fixed == Eigen::Dynamic ? most == Eigen::Dynamic || size <= most : size == fixed;
  }

  Held<T> array_;
};

// ---- What a training loop has ----------------------------------------------------------------------

/// The only access to what training objects remember.
struct TrainingAccess {
  static auto& random(auto& batches) { return batches.random_.state; }
  static auto& batch_size(auto& batches) { return batches.batch_size_; }
  static auto& options(auto& batches) { return batches.options_; }
  static auto& order(auto& batches) { return batches.order_; }
  static void require_sizes(const Minibatches& batches) {
    batches.require_sizes(static_cast<Index>(batches.order_.size()));
  }

  static auto& count(auto& accumulator) { return accumulator.count_; }
  static auto& sum(auto& accumulator) { return accumulator.sum_; }
  static auto& shapes(auto& accumulator) { return accumulator.shapes_; }
};

class MinibatchesEntry final : public SavedEntry {
 public:
  explicit MinibatchesEntry(Minibatches& batches) : batches_(batches) {}

  std::string_view kind() const override { return "Minibatches"; }

  void add_to(Members& metadata, SavedTensors<const char>& tensors, const std::string& name) const override {
    const Minibatches& batches = batches_;
    add_value(metadata, name + ".batch_size", value_of(TrainingAccess::batch_size(batches)));
    add_value(metadata, name + ".shuffle", TrainingAccess::options(batches).shuffle);
    add_value(metadata, name + ".drop_last", TrainingAccess::options(batches).drop_last);
    add_value(metadata, name + ".random", value_of(TrainingAccess::random(batches)));
    add_order(tensors, name, TrainingAccess::order(batches));
  }

  std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) override {
    auto loaded = std::make_unique<Loaded>(batches_);
    Minibatches& its = loaded->loaded;
    Members& metadata = reading.metadata();
    const auto batch_size = taken_value<Index>(metadata, name + ".batch_size");
    const bool shuffle = taken_value<bool>(metadata, name + ".shuffle");
    const bool drop_last = taken_value<bool>(metadata, name + ".drop_last");
    if (!reading.keeps_hyperparameters) {
      TrainingAccess::batch_size(its) = batch_size;
      TrainingAccess::options(its) = {shuffle, drop_last};
    }
    TrainingAccess::random(its) = taken_value<std::uint64_t>(metadata, name + ".random");
    refuse_out_of_range([&] { TrainingAccess::require_sizes(its); });
    add_order(reading.tensors, name, TrainingAccess::order(its));
    return loaded;
  }

 private:
  struct Loaded final : LoadedEntry {
    explicit Loaded(Minibatches& its) : batches(its), loaded(its) {}
    /// Every epoch holds the same indices, in some order.
    void require_sound() const override {
      auto order = TrainingAccess::order(batches), other = TrainingAccess::order(loaded);
      std::sort(order.begin(), order.end());
      std::sort(other.begin(), other.end());
      if (order != other) refuse("its indices are others than those of the program");
    }
    void commit() noexcept override { std::swap(batches, loaded); }

    Minibatches& batches;
    Minibatches loaded;
  };

  template <class Byte>
  static void add_order(SavedTensors<Byte>& tensors, const std::string& name, auto& order) {
    const auto count = static_cast<Index>(order.size());
    add_tensor(tensors, name + ".order", dtype_of<Index>(), {count},
               elements_by_rows(reinterpret_cast<Byte*>(order.data()), count, 1, sizeof(Index)));
  }

  Minibatches& batches_;
};

class ReduceOnPlateauEntry final : public SavedEntry {
 public:
  explicit ReduceOnPlateauEntry(ReduceOnPlateau& plateau) : plateau_(plateau) {}

  std::string_view kind() const override { return "ReduceOnPlateau"; }

  void add_to(Members& metadata, SavedTensors<const char>&, const std::string& name) const override {
    metadata.emplace(name + ".hyperparameters", object_of(values_of(plateau_)));
    add_value(metadata, name + ".best", plateau_.state.best);
    add_value(metadata, name + ".bad_values", plateau_.state.bad_values);
    add_value(metadata, name + ".cooldown_left", plateau_.state.cooldown_left);
  }

  std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) override {
    auto loaded = std::make_unique<Loaded>(plateau_);
    Members& metadata = reading.metadata();
    const std::string hyperparameters = name + ".hyperparameters";
    const Values values = taken_values(metadata, hyperparameters);
    if (!reading.keeps_hyperparameters) take_values(loaded->loaded, values, hyperparameters);
    refuse_out_of_range([&] { validate<double>(loaded->loaded); });
    loaded->loaded.state = {taken_value<double>(metadata, name + ".best"), taken_count(metadata, name + ".bad_values"),
                            taken_count(metadata, name + ".cooldown_left")};
    require_count(name + ".bad_values", loaded->loaded.state.bad_values);
    require_count(name + ".cooldown_left", loaded->loaded.state.cooldown_left);
    return loaded;
  }

 private:
  struct Loaded final : LoadedEntry {
    explicit Loaded(ReduceOnPlateau& its) : plateau(its), loaded(its) {}
    void commit() noexcept override { plateau = loaded; }

    ReduceOnPlateau& plateau;
    ReduceOnPlateau loaded;
  };

  ReduceOnPlateau& plateau_;
};

/// Its tensors are those that were added, whatever their shapes; none if its count is 0.
template <class Scalar>
class AccumulatorEntry final : public SavedEntry {
  using Accumulator = GradientAccumulator<Scalar>;

 public:
  explicit AccumulatorEntry(Accumulator& accumulator) : accumulator_(accumulator) {}

  std::string_view kind() const override { return "GradientAccumulator"; }

  void add_to(Members& metadata, SavedTensors<const char>& tensors, const std::string& name) const override {
    const Accumulator& accumulator = accumulator_;
    std::string row_major;
    if (accumulator.count() > 0)
      for (const Shape& shape : TrainingAccess::shapes(accumulator)) row_major += shape.row_major ? '1' : '0';
    add_value(metadata, name + ".count", accumulator.count());
    add_value(metadata, name + ".row_major", row_major);
    if (accumulator.count() > 0)
      add_sums(tensors, name, TrainingAccess::sum(accumulator).data(), TrainingAccess::shapes(accumulator));
  }

  std::unique_ptr<LoadedEntry> load_from(const Reading& reading, const std::string& name) override {
    auto loaded = std::make_unique<Loaded>(accumulator_);
    loaded->count = taken_count(reading.metadata(), name + ".count");
    require_count(name + ".count", loaded->count);
    const auto row_major = taken_value<std::string>(reading.metadata(), name + ".row_major");
    if (loaded->count == 0 && !row_major.empty()) refuse(name + ".row_major = " + shown(row_major) + " of no tensors");
    Index size = 0;
    for (const char each : row_major) {
      const std::string tensor = name + "." + std::to_string(loaded->shapes.size());
      const std::vector<Index> shape = reading.file.shape_of(tensor, sizeof(Scalar));
      if (shape.size() != 2 || (each != '0' && each != '1')) refuse(in_quotes(tensor) + " is not a matrix of sums");
      loaded->shapes.push_back({shape[0], shape[1], each == '1'});
      size += loaded->shapes.back().size();
    }
    loaded->sum.resize(static_cast<std::size_t>(size));
    add_sums(reading.tensors, name, loaded->sum.data(), loaded->shapes);
    return loaded;
  }

 private:
  struct Loaded final : LoadedEntry {
    explicit Loaded(Accumulator& its) : accumulator(its) {}
    void commit() noexcept override {
      TrainingAccess::count(accumulator) = count;
      TrainingAccess::sum(accumulator).swap(sum);
      TrainingAccess::shapes(accumulator).swap(shapes);
    }

    Accumulator& accumulator;
    std::int64_t count = 0;
    std::vector<Scalar> sum;
    std::vector<Shape> shapes;
  };

  template <class Byte, class S>
  static void add_sums(SavedTensors<Byte>& tensors, const std::string& name, S* sum, const std::vector<Shape>& shapes) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      add_tensor(tensors, name + "." + std::to_string(i), dtype_of<Scalar>(), {shapes[i].rows, shapes[i].cols},
                 elements_of(contiguous_view(sum, shapes[i])));
      sum += shapes[i].size();
    }
  }

  Accumulator& accumulator_;
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

}  // namespace descent

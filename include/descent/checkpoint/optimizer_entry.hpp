// SPDX-License-Identifier: MIT
//
// The part of a file that belongs to an optimizer and its parameters.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <descent/checkpoint/metadata.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/checkpoint/safetensors.hpp>
#include <descent/checkpoint/values.hpp>
#include <descent/kernel/flags.hpp>
#include <descent/memory.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

using Names = std::vector<std::string>;

/// The names of tensors without names: 0, 1 …
inline Names numbered(std::size_t count) {
  Names names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

template <class Scalar>
Scalar scalar_of(const SavedOptimizer<Scalar>&);
/// The scalar of an optimizer of any type.
template <class O>
using SavedScalarOf = decltype(scalar_of(*saved_optimizer(std::declval<O&>())));

/// What is out of range in a file is wrong with it.
void refuse_out_of_range(const auto& validated) {
  try {
    validated();
  } catch (const std::invalid_argument& out_of_range) {
    refuse(out_of_range.what());
  }
}

/// A tensor of parameters, and its shape in a file: that of a vector is its size alone.
template <class Scalar>
struct Parameter {
  View<Scalar> view;
  std::vector<Index> shape;
};
template <class Scalar>
using Parameters = std::vector<Parameter<Scalar>>;

template <class Scalar, class Params>
Parameters<Scalar> parameters_of(Params& params) {
  Parameters<Scalar> parameters;
  for_each_tensor(params, [&]<class Tensor>(Tensor& tensor) {
    std::vector<Index> shape{tensor.rows(), tensor.cols()};
    if constexpr (Tensor::IsVectorAtCompileTime) shape = {tensor.size()};
    parameters.push_back({view_of(tensor), std::move(shape)});
  });
  return parameters;
}
template <class Scalar>
std::vector<View<const Scalar>> views_to_read(const Parameters<Scalar>& parameters) {
  std::vector<View<const Scalar>> views;
  for (const auto& parameter : parameters) views.push_back(parameter.view);
  return views;
}

/// Adds state arrays.
template <class Byte, class Scalar, class Of>
void add_arrays(SavedTensors<Byte>& tensors, const std::string& prefix, const Names& names,
                const std::vector<StateArray<Scalar>>& arrays, const Parameters<Of>& params) {
  for (const StateArray<Scalar>& array : arrays) {
    const auto tensor = static_cast<std::size_t>(array.tensor);
    const std::vector<Index> factored{array.elements.shape.rows};
    Elements<Byte> elements = elements_of(array.elements);
    elements.window = array.window;
    add_tensor(tensors, prefix + std::string(array.name) + "." + names[tensor], dtype_of<std::remove_const_t<Scalar>>(),
               array.factored ? factored : params[tensor].shape, elements);
  }
}

/// Adds all that is to be saved. Throws like SavedOptimizer::record.
template <class Scalar>
void add_optimizer(Members& metadata, SavedTensors<const char>& tensors, const std::string& prefix, const Names& names,
                   const SavedOptimizer<Scalar>& optimizer, const Parameters<const Scalar>& params) {
  const std::vector<View<const Scalar>> views = views_to_read(params);
  add_record(metadata, prefix, names, optimizer.record({views.data(), static_cast<Index>(views.size())}));
  for (std::size_t i = 0; i < params.size(); ++i)
    add_tensor(tensors, prefix + "params." + names[i], dtype_of<Scalar>(), params[i].shape,
               elements_of(params[i].view));
  add_arrays(tensors, prefix, names, optimizer.arrays(), params);
}

/// Parameters that are loaded: their values are elsewhere until all is known to be right.
template <class Scalar>
class LoadedParameters {
 public:
  LoadedParameters(Parameters<Scalar> params) : params_(std::move(params)) {}

  const Parameters<Scalar>& operator*() const { return params_; }

  /// Adds memory for the values, to be filled from the file.
  void allocate(SavedTensors<char>& tensors, const std::string& prefix, const Names& names) {
    Index size = 0;
    for (const auto& parameter : params_) size += parameter.view.shape.size();
    values_.allocate<Scalar>(static_cast<std::size_t>(size));
    for_each([&](std::size_t i, const Elements<char>& values) {
      add_tensor(tensors, prefix + names[i], dtype_of<Scalar>(), params_[i].shape, values);
    });
  }
  void commit() const noexcept {
    for_each(
        [&](std::size_t i, const Elements<char>& values) { transfer(elements_of(params_[i].view), to_read(values)); });
  }

 private:
  void for_each(const auto& visit) const {
    char* values = values_.array<char>();
    for (std::size_t i = 0; i < params_.size(); ++i) {
      const Shape& shape = params_[i].view.shape;
      const Elements<char> its = elements_by_rows(values, shape.rows, shape.cols, sizeof(Scalar));
      visit(i, its);
      values += its.bytes();
    }
  }

  Parameters<Scalar> params_;
  Buffer values_;
};

/// An optimizer with its parameters, while it is loaded.
template <class Scalar>
class LoadedOptimizer {
 public:
  LoadedOptimizer(std::unique_ptr<SavedOptimizer<Scalar>> optimizer, Parameters<Scalar> params)
      : optimizer_(std::move(optimizer)), params_(std::move(params)) {}

  /// Takes its record out of the metadata, and adds memory for its tensors, to be filled from the file. Throws
  /// std::invalid_argument if the parameters do not fit a fixed size.
  void prepare(Members& metadata, SavedTensors<char>& tensors, const std::string& prefix, const Names& names,
               bool keeps_hyperparameters) {
    const Record record = taken_record(metadata, prefix, names);
    refuse_out_of_range([&] { optimizer_->prepare(record, static_cast<Index>(names.size()), keeps_hyperparameters); });
    const std::vector<View<const Scalar>> views = views_to_read(*params_);
    add_arrays(tensors, prefix, names, optimizer_->allocate({views.data(), static_cast<Index>(views.size())}),
               *params_);
    params_.allocate(tensors, prefix + "params.", names);
  }
  void commit() noexcept {
    optimizer_->commit();
    params_.commit();
  }

 private:
  std::unique_ptr<SavedOptimizer<Scalar>> optimizer_;
  LoadedParameters<Scalar> params_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

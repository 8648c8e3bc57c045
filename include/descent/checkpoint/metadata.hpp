// SPDX-License-Identifier: MIT
//
// Records as metadata of a file. checkpoint.hpp describes the names; all of them begin with a prefix, which is empty in
// a file of one optimizer. Tensors have names, too: their numbers, if the user gives them no others.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <descent/checkpoint/record.hpp>
#include <descent/checkpoint/values.hpp>
#include <descent/kernel/flags.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

inline void add_counter(Members& metadata, const std::string& prefix, const CounterRecord& counter) {
  metadata.emplace(prefix + "steps", std::to_string(counter.steps));
  metadata.emplace(prefix + "running_products", array_of(counter.products));
  if (!counter.numbers.empty()) metadata.emplace(prefix + "running_numbers", array_of(counter.numbers));
}

inline void add_record(Members& metadata, const std::string& prefix, const std::vector<std::string>& tensors,
                       const Record& record) {
  metadata.emplace(prefix + "rule", record.rule);
  metadata.emplace(prefix + "hyperparameters", object_of(record.hyperparameters));
  add_counter(metadata, prefix, record.counter);
  metadata.emplace(prefix + "skipped_steps", std::to_string(record.skipped_steps));
  metadata.emplace(prefix + "skipped_in_a_row", std::to_string(record.skipped_in_a_row));
  for (const TensorRecord& its : record.tensors) {
    const std::string its_prefix = prefix + prefix_of(tensors[static_cast<std::size_t>(its.tensor)]);
    add_counter(metadata, its_prefix, its.counter);
    if (its.frozen) metadata.emplace(its_prefix + "frozen", "true");
    if (its.hyperparameters) metadata.emplace(its_prefix + "hyperparameters", object_of(*its.hyperparameters));
  }
}

inline std::string taken_text(Members& metadata, const std::string& name) {
  return taken(metadata, name, "its metadata");
}

/// An integer, or true or false.
template <class T>
T taken_as(Members& metadata, const std::string& name) {
  return value_as<T>(value_in(taken_text(metadata, name), name), name);
}
inline std::int64_t taken_count(Members& metadata, const std::string& name) {
  return taken_as<std::int64_t>(metadata, name);
}

inline Values taken_values(Members& metadata, const std::string& name) {
  Values values;
  for (const auto& [each, text] : members_in(taken_text(metadata, name), name))
    values.emplace(each, value_of(text, shown(each)));
  return values;
}

inline CounterRecord taken_counter(Members& metadata, const std::string& prefix) {
  CounterRecord counter;
  counter.steps = taken_count(metadata, prefix + "steps");
  const std::string products = prefix + "running_products", numbers = prefix + "running_numbers";
  counter.products = numbers_in(taken_text(metadata, products), products, "a running product");
  if (metadata.contains(numbers))
    counter.numbers = numbers_in(taken_text(metadata, numbers), numbers, "a running number");
  return counter;
}

inline Record taken_record(Members& metadata, const std::string& prefix, const std::vector<std::string>& tensors) {
  Record record;
  record.rule = taken_text(metadata, prefix + "rule");
  record.hyperparameters = taken_values(metadata, prefix + "hyperparameters");
  record.counter = taken_counter(metadata, prefix);
  for (const char* younger : {"skipped_steps", "skipped_in_a_row"}) metadata.try_emplace(prefix + younger, "0");
  record.skipped_steps = taken_count(metadata, prefix + "skipped_steps");
  record.skipped_in_a_row = taken_count(metadata, prefix + "skipped_in_a_row");
  for (std::size_t tensor = 0; tensor < tensors.size(); ++tensor) {
    const std::string its_prefix = prefix + prefix_of(tensors[tensor]);
    if (!metadata.contains(its_prefix + "steps")) continue;
    TensorRecord& its = record.tensors.emplace_back();
    its.tensor = static_cast<Index>(tensor);
    its.counter = taken_counter(metadata, its_prefix);
    const std::string frozen = its_prefix + "frozen", hyperparameters = its_prefix + "hyperparameters";
    if (metadata.contains(frozen)) its.frozen = taken_as<bool>(metadata, frozen);
    if (metadata.contains(hyperparameters)) its.hyperparameters = taken_values(metadata, hyperparameters);
  }
  const std::string own = prefix + "tensor.";
  if (const auto left = metadata.lower_bound(own); left != metadata.end() && left->first.starts_with(own))
    refuse("its metadata have " + shown(in_quotes(left->first)) + ", which does not belong to one of the " +
           std::to_string(tensors.size()) + " tensors");
  return record;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

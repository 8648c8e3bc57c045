// SPDX-License-Identifier: MIT
//
// An Optimizer as checkpoints see it: all the code for checkpoints that depends on the rule.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <descent/by_name.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/errors.hpp>
#include <descent/optimizer.hpp>
#include <descent/own_tensors.hpp>
#include <descent/rule.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

struct MemoryAccess {
  static auto& memory(auto& optimizer) { return optimizer.memory_; }
  static auto& own_tensors(auto& optimizer) { return optimizer.own_; }

  /// Throws as a step would: for bad hyperparameters, shapes other than those so far, or tensors of their own that do
  /// not exist.
  template <class Scalar>
  static void throw_unless_it_steps(const auto& optimizer, Views<const Scalar> params) {
    optimizer.validate_all();
    optimizer.require_own_tensors(params.count);
    if (optimizer.steps() > 0) require_shapes(params, optimizer.memory_.shapes);
  }
  static void validate_all(const auto& optimizer) { optimizer.validate_all(); }

  /// Creates the state for these parameters.
  template <class Scalar>
  static void remember(auto& optimizer, Views<const Scalar> params) {
    optimizer.remember(params);
  }
};

// ---- Values ----------------------------------------------------------------------------------------

/// Sets `to` to the value and returns true, if T has exactly this value.
template <HyperparameterValue T>
bool take_value(T& to, const Value& value) {
  T given{};
  if (!read_value(given, value)) return false;
  if constexpr (std::same_as<T, float>)
    if (!std::isnan(given) && static_cast<double>(given) != number_in(value)) return false;
  to = given;
  return true;
}

/// Throws std::invalid_argument if two of them have the same name.
template <class R>
Values values_of(const R& rule) {
  Values values;
  const auto add = [&](std::string_view name, Value value) {
    if (!values.emplace(name, std::move(value)).second)
      fail<std::invalid_argument>({"descent: a checkpoint cannot have two hyperparameters \"", name, "\""});
  };
  R::hyperparameters([&](const auto&... its) { (add(its.name, value_of(rule.*its.member)), ...); });
  return values;
}

/// Sets those that are among the values. `what` is the name of these in an error.
template <class R>
void take_values(R& rule, Values values, const std::string& what) {
  const auto take = [&](std::string_view name, auto& member) {
    const auto given = values.extract(std::string(name));
    if (!given.empty() && !take_value(member, given.mapped()))
      refuse(std::string(name) + " cannot be " + text_for_error(given.mapped()));
  };
  R::hyperparameters([&](const auto&... its) { (take(its.name, rule.*its.member), ...); });
  if (!values.empty())
    refuse(what + " has " + shown(quoted_text(values.begin()->first)) + ", which is not expected here");
}

// ---- Counters --------------------------------------------------------------------------------------

template <std::size_t count, class Kind>
std::vector<double> list_of(const Numbers<count, Kind>& numbers) {
  if constexpr (count == 0)
    return {};
  else
    return {numbers.begin(), numbers.end()};
}
template <class R>
CounterRecord record_of(const StepCounter<R>& counter) {
  return {counter.t, list_of(counter.products), list_of(counter.numbers)};
}
template <class R>
StepCounter<R> counter_of(const CounterRecord& record, const std::string& prefix) {
  StepCounter<R> counter;
  counter.t = record.steps;
  if constexpr (count_running_factors<R>() > 0)
    for (std::size_t i = 0; i < counter.products.size(); ++i) counter.products[i] = record.products.at(i);
  constexpr std::size_t count = count_running_numbers<R>();
  require_numbers(record, count, prefix);
  if constexpr (count > 0)
    for (std::size_t i = 0; i < count; ++i) counter.numbers[i] = record.numbers[i];
  return counter;
}

// ---- The optimizer ---------------------------------------------------------------------------------

template <class R, class Scalar, int Size>
class OptimizerRecord final : public SavedOptimizer<Scalar> {
 public:
  explicit OptimizerRecord(Optimizer<R, Scalar, Size>& optimizer) : optimizer_(optimizer) {}

  Record record(Views<const Scalar> params) const override {
    MemoryAccess::throw_unless_it_steps(optimizer_, params);
    const auto& memory = MemoryAccess::memory(optimizer_);
    Record record{std::string(R::name), values_of<R>(optimizer_), record_of(memory.counter),
                  memory.skips.total,   memory.skips.in_a_row,    {}};
    MemoryAccess::own_tensors(optimizer_).for_each([&](Index tensor, const OwnTensor<R>& own) {
      TensorRecord& its = record.tensors.emplace_back();
      its.tensor = tensor;
      its.counter = record_of(own.counter);
      its.frozen = own.frozen;
      if (own.has_rule) its.hyperparameters = values_of(own.rule);
    });
    require_sound(record, optimizer_);
    return record;
  }

  std::vector<StateArray<const Scalar>> arrays() const override {
    return arrays_of<const Scalar>(MemoryAccess::memory(std::as_const(optimizer_)));
  }

  void prepare(const Record& record, Index count, bool keeps_hyperparameters) override {
    require_rule(record, R::name);
    R rule = optimizer_;
    if (!keeps_hyperparameters) take_values(rule, record.hyperparameters, "hyperparameters");
    loaded_.emplace(Loaded{Optimizer<R, Scalar, Size>(std::move(rule))});
    take_own_tensors(record, count, keeps_hyperparameters);
    MemoryAccess::validate_all(loaded());
    require_sound(record, loaded());
    auto& memory = MemoryAccess::memory(loaded());
    memory.counter = counter_of<R>(record.counter, "");
    memory.skips.total = record.skipped_steps;
    memory.skips.in_a_row = record.skipped_in_a_row;
    const auto& own_tensors = MemoryAccess::own_tensors(loaded());
    own_tensors.for_each([&](Index, OwnTensor<R>& own) { own.counter = memory.counter; });
    for (const TensorRecord& its : record.tensors)
      own_tensors.find(its.tensor)->counter = counter_of<R>(its.counter, prefix_of(its.tensor));
  }

  std::vector<StateArray<Scalar>> allocate(Views<const Scalar> params) override {
    if (loaded().steps() > 0) MemoryAccess::remember(loaded(), params);
    return arrays_of<Scalar>(MemoryAccess::memory(loaded()));
  }

  /// What set_… has set stays.
  void commit() noexcept override {
    static_cast<R&>(optimizer_) = static_cast<R&&>(loaded());
    MemoryAccess::memory(optimizer_) = std::move(MemoryAccess::memory(loaded()));
    MemoryAccess::own_tensors(optimizer_) = std::move(MemoryAccess::own_tensors(loaded()));
  }

 private:
  template <class S>
  static std::vector<StateArray<S>> arrays_of(auto& memory) {
    std::vector<StateArray<S>> arrays;
    if (memory.counter.t == 0) return arrays;
    Index offset = 0;
    for (Index tensor = 0; tensor < memory.shapes.size(); ++tensor) {
      const Shape shape = memory.shapes[tensor];
      const bool factored = factors_state<R, Scalar>(shape);
      const Index size = state_size<R, Scalar>(shape);
      for (std::size_t slot = 0; slot < R::state_names.size(); ++slot)
        arrays.push_back(
            {R::state_names[slot], tensor,
             contiguous_view<S>(memory.state.array(slot) + offset, factored ? Shape{size, 1, false} : shape),
             factored});
      offset += size;
    }
    return arrays;
  }

  static std::vector<double> factors_of(const R& rule) {
    const auto factors = running_factors_of(rule);
    return {factors.begin(), factors.end()};
  }
  static void require_sound(const Record& record, const Optimizer<R, Scalar, Size>& optimizer) {
    detail::require_sound(record, factors_of(optimizer));
    for (const TensorRecord& its : record.tensors) {
      const OwnTensor<R>* const own = MemoryAccess::own_tensors(optimizer).find(its.tensor);
      detail::require_sound(its, record, factors_of(own->has_rule ? own->rule : static_cast<const R&>(optimizer)));
    }
  }

  /// All but their counters.
  void take_own_tensors(const Record& record, Index count, bool keeps_hyperparameters) {
    const auto& so_far = MemoryAccess::own_tensors(optimizer_);
    auto& own_tensors = MemoryAccess::own_tensors(loaded());
    for (const TensorRecord& its : record.tensors) {
      require_tensor(its, count);
      const OwnTensor<R>* const old = so_far.find(its.tensor);
      const bool had_rule = old != nullptr && old->has_rule;
      OwnTensor<R>& own = own_tensors.make(its.tensor, {}, had_rule ? old->rule : static_cast<const R&>(optimizer_));
      own.frozen = its.frozen;
      own.has_rule = keeps_hyperparameters ? had_rule : its.hyperparameters.has_value();
      if (!keeps_hyperparameters && its.hyperparameters)
        take_values(own.rule, *its.hyperparameters, prefix_of(its.tensor) + "hyperparameters");
    }
    if (keeps_hyperparameters)
      so_far.for_each([&](Index tensor, const OwnTensor<R>& old) {
        if (old.has_rule && own_tensors.find(tensor) == nullptr) own_tensors.make(tensor, {}, old.rule).has_rule = true;
      });
  }

  /// In a type whose name has the compiler's flags, which then are in the names of std::optional's functions, too.
  struct Loaded {
    Optimizer<R, Scalar, Size> optimizer;
  };
  Optimizer<R, Scalar, Size>& loaded() { return loaded_->optimizer; }

  Optimizer<R, Scalar, Size>& optimizer_;
  std::optional<Loaded> loaded_;
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

template <Rule R, class Scalar, int Size>
DESCENT_TAGGED std::unique_ptr<detail::SavedOptimizer<Scalar>> saved_optimizer(Optimizer<R, Scalar, Size>& optimizer) {
  return std::make_unique<detail::OptimizerRecord<R, Scalar, Size>>(optimizer);
}
template <Rule R, class Scalar, int Size>
DESCENT_TAGGED std::unique_ptr<const detail::SavedOptimizer<Scalar>> saved_optimizer(
    const Optimizer<R, Scalar, Size>& optimizer) {
  // A const SavedOptimizer only reads.
  return std::make_unique<const detail::OptimizerRecord<R, Scalar, Size>>(
      const_cast<Optimizer<R, Scalar, Size>&>(optimizer));
}

}  // namespace descent

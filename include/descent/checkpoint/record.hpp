// SPDX-License-Identifier: MIT
//
// What a checkpoint holds of an optimizer, in plain types: no template over its rule, and no JSON. The code for files
// knows only SavedOptimizer. A file is read in two phases, so that nothing changes before everything is known to be
// right:
//
//     saving     record(params)       everything but the arrays
//                arrays()             the state, where it lies in memory
//     loading    prepare(record, …)   checks the file's record, and makes a new optimizer of it
//                allocate(params)     gives that one its state, which is then filled from the file
//                commit()             puts it in the place of the old one, and cannot fail
//
// An optimizer of any type is saved and loaded if argument-dependent lookup finds these two for it:
//
//     std::unique_ptr<const detail::SavedOptimizer<Scalar>> saved_optimizer(const O&);
//     std::unique_ptr<detail::SavedOptimizer<Scalar>> saved_optimizer(O&);
//
// optimizer_record.hpp has them for Optimizer.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>
#include <descent/tensors.hpp>
#include <descent/value.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

// ---- What is recorded ------------------------------------------------------------------------------

/// Hyperparameters, or numbers and texts of the user.
using Values = std::map<std::string, Value>;

/// The steps taken, with the products of running factors and the running numbers over them (rule.hpp).
struct CounterRecord {
  std::int64_t steps = 0;
  std::vector<double> products, numbers;
};

/// What one tensor has of its own (own_tensors.hpp).
struct TensorRecord {
  Index tensor = 0;
  CounterRecord counter;
  bool frozen = false;
  std::optional<Values> hyperparameters;
};

struct Record {
  std::string rule;
  Values hyperparameters;
  CounterRecord counter;
  std::int64_t skipped_steps = 0, skipped_in_a_row = 0;
  std::vector<TensorRecord> tensors;  ///< only those that have something of their own
};

/// Which elements of a matrix are in memory, if not all are: those from `begin` up to `end`, as the strides count.
struct Window {
  bool is_part = false;
  Index begin = 0, end = 0;
};

/// The part of a state array that belongs to one tensor. If it is factored, its elements are those of all rows and then
/// of all columns, as one column; otherwise they have the shape of the tensor.
template <class Scalar>
struct StateArray {
  std::string_view name;
  Index tensor;
  View<Scalar> elements;  ///< from the first one in memory on
  bool factored;
  Window window = {};
};

/// An optimizer as checkpoints see it. It refers to the optimizer, which must outlive it.
template <class Scalar>
class SavedOptimizer {
 public:
  SavedOptimizer() = default;
  SavedOptimizer(SavedOptimizer&&) = delete;
  virtual ~SavedOptimizer() = default;

  /// Throws what a step with these parameters would, and InvalidCheckpoint if `prepare` would refuse the record.
  virtual Record record(Views<const Scalar> params) const = 0;
  /// None before the first step.
  virtual std::vector<StateArray<const Scalar>> arrays() const = 0;

  /// For `count` tensors. Hyperparameters that the record lacks stay what they are, or all of them if it is to keep
  /// them. Throws InvalidCheckpoint, or std::invalid_argument where a hyperparameter is out of range.
  virtual void prepare(const Record& record, Index count, bool keeps_hyperparameters) = 0;
  /// After `prepare`. The new state takes the storage order of params. Throws std::invalid_argument if they do not fit
  /// the optimizer's fixed size.
  virtual std::vector<StateArray<Scalar>> allocate(Views<const Scalar> params) = 0;
  /// After `allocate`.
  virtual void commit() noexcept = 0;
};

// ---- What is wrong with one ------------------------------------------------------------------------

/// What is wrong with a checkpoint; `load` adds which one.
struct InvalidCheckpoint : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn, gnu::cold]] inline void refuse(const std::string& problem) { fail<InvalidCheckpoint>(problem.c_str()); }

/// A text from a file, cut short for an error, because a file may hold anything.
inline std::string shown(std::string_view text) {
  std::size_t most = 200;
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (text[most] & 0xc0) == 0x80) --most;  // do not cut a UTF-8 character
  return std::string(text.substr(0, most)) + "...";
}

/// The text in quotation marks, as JSON would have it.
inline std::string quoted_text(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20) {
      result += "\\u00";
      result += digits[code / 16];
      result += digits[code % 16];
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result + '"';
}

/// For errors.
inline std::string text_for_error(const Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return shown(quoted_text(*text));
  return std::visit([]<class T>(const T& given) {
    if constexpr (std::is_same_v<T, std::string>)
      return given;
    else
      return std::string(Text{given});
  }, value);
}
inline std::string text_for_error(const std::vector<double>& numbers) {
  std::string text = "[";
  for (const double number : numbers) {
    if (text.size() > 1) text += ',';
    text += Text{number};
  }
  return shown(text + "]");
}

/// What the names of a tensor's own values begin with.
inline std::string prefix_of(std::string_view tensor) { return "tensor." + std::string(tensor) + "."; }
inline std::string prefix_of(Index tensor) { return prefix_of(std::to_string(tensor)); }

/// Checks that the record is that of an optimizer of this rule.
inline void require_rule(const Record& record, std::string_view rule) {
  if (record.rule != rule) refuse("its rule is " + shown(quoted_text(record.rule)) + ", expected " + quoted_text(rule));
}

/// Checks that there is such a tensor.
inline void require_tensor(const TensorRecord& its, Index count) {
  if (its.tensor < 0 || its.tensor >= count)
    refuse("it has values of tensor " + std::to_string(its.tensor) + ", but there are " + std::to_string(count));
}

/// Checks that the counter has as many running numbers as its rule.
inline void require_numbers(const CounterRecord& counter, std::size_t count, const std::string& prefix) {
  if (counter.numbers.size() != count)
    refuse(prefix + "running_numbers = " + text_for_error(counter.numbers) + "; there must be " +
           std::to_string(count));
}

inline void require_count(const std::string& name, std::int64_t count) {
  constexpr std::int64_t most = (std::numeric_limits<std::int64_t>::max)() / 2;  // far from overflow
  if (count < 0 || count > most) refuse(name + " = " + std::to_string(count) + "; it must be in [0, 2^62)");
}

/// Checks that steps with these running factors could have produced the counter; its parts' names begin with `prefix`.
inline void require_sound(const CounterRecord& counter, const std::vector<double>& factors, const std::string& prefix) {
  require_count(prefix + "steps", counter.steps);
  const auto is_product = [](double number) { return number >= 0 && number < 1; };
  const auto refuse_products = [&](const std::string& must_be) {
    refuse(prefix + "running_products = " + text_for_error(counter.products) + "; " + must_be);
  };
  if (counter.products.size() != factors.size()) refuse_products("there must be " + std::to_string(factors.size()));
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (counter.steps == 0 && counter.products[i] != 1) refuse_products("before the first step each must be 1");
    // Only rules of a user have factors outside [0, 1); their products may be anything.
    if (counter.steps > 0 && is_product(factors[i]) && !is_product(counter.products[i]))
      refuse_products("after a step each must be in [0, 1)");
  }
  for (const double number : counter.numbers)
    if (!std::isfinite(number))
      refuse(prefix + "running_numbers = " + text_for_error(counter.numbers) + "; each must be finite");
}

/// The same for what concerns no single tensor.
inline void require_sound(const Record& record, const std::vector<double>& factors) {
  require_sound(record.counter, factors, "");
  require_count("skipped_steps", record.skipped_steps);
  require_count("skipped_in_a_row", record.skipped_in_a_row);
  if (record.skipped_in_a_row > record.skipped_steps)
    refuse("skipped_in_a_row = " + std::to_string(record.skipped_in_a_row) +
           ", but skipped_steps = " + std::to_string(record.skipped_steps));
}

/// And for one tensor of its own.
inline void require_sound(const TensorRecord& tensor, const Record& record, const std::vector<double>& factors) {
  require_sound(tensor.counter, factors, prefix_of(tensor.tensor));
  if (tensor.counter.steps > record.counter.steps)
    refuse(prefix_of(tensor.tensor) + "steps = " + std::to_string(tensor.counter.steps) +
           ", but steps = " + std::to_string(record.counter.steps));
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

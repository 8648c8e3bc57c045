// SPDX-License-Identifier: MIT
//
// What an AnyOptimizer asks of the optimizer behind it. Files that only use it see no rule, and compile fast; the
// implementations are compiled once, by any/source.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <descent/indices.hpp>
#include <descent/nonfinite.hpp>
#include <descent/tensors.hpp>
#include <descent/value.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <class Scalar>
class SavedOptimizer;  // checkpoint/record.hpp

template <class Scalar>
class AnyModel {
 public:
  AnyModel() = default;
  AnyModel(const AnyModel&) = default;
  AnyModel(AnyModel&&) = delete;
  AnyModel& operator=(const AnyModel&) = delete;
  AnyModel& operator=(AnyModel&&) = delete;
  virtual ~AnyModel() = default;
  virtual std::unique_ptr<AnyModel> copy() const = 0;

  /// Takes the step of n contiguous elements if it needs nothing but comparisons (Optimizer::step); returns whether it
  /// has. `layout` as in Shape.
  virtual bool try_fast_path(Scalar* x, const Scalar* g, Index n, Index layout, bool may_overlap) = 0;
  /// As `take` of with_views.
  virtual bool step(Views<Scalar> params, Views<const Scalar> gradient, bool disjoint) = 0;
  virtual void step_sparse(const SparseArguments<Scalar>& arguments) = 0;
  virtual void keep(bool rows, Kept kept, Index tensor) = 0;
  virtual void append(bool rows, Index count, Index tensor) = 0;
  virtual std::int64_t steps() const = 0;
  virtual std::int64_t skipped_steps() const = 0;
  virtual void reset() = 0;
  virtual void set_threads(int threads) = 0;
  virtual void set_nonfinite(NonFinite policy, int most_in_a_row) = 0;

  // Tensor -1 stands for the common hyperparameters.
  virtual std::string_view rule() const = 0;
  virtual void set(Index tensor, std::string_view name, const ValueView& value) = 0;
  virtual std::vector<HyperparameterInfo> hyperparameters(Index tensor) const = 0;
  virtual void own_rule(Index tensor, bool is_own) = 0;
  virtual void freeze(Index tensor, bool is_frozen) = 0;
  virtual bool frozen(Index tensor) const = 0;

  virtual std::vector<std::string_view> state_names() const = 0;
  virtual Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view name) const = 0;

  virtual bool looks_ahead() const = 0;
  virtual void move_to_lookahead(Views<Scalar> points) const = 0;
  virtual bool keeps_average() const = 0;
  virtual void move_to_average(Views<Scalar> points) const = 0;

  virtual std::unique_ptr<SavedOptimizer<Scalar>> saved() = 0;
};

/// A Component, whose values stand elsewhere, in one of two forms.
struct ComponentView {
  std::string_view name;
  std::size_t count;
  const Setting* settings;
  const SettingView* views;
};

}  // namespace DESCENT_FLAGS

/// Refers to components by a type whose name does not tell the compiler's flags.
struct Components {
  const void* first;  ///< a ComponentView
  std::size_t count;
};

/// A new AnyModel<Scalar>: the optimizer of this rule or preset, among links of a chain in their order if there are
/// several components. any/source.hpp defines it, and may be compiled with other flags than its caller; no type in its
/// signature tells of them.
template <class Scalar>
void* make_model(Components components);

}  // namespace descent::detail

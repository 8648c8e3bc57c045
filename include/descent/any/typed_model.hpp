// SPDX-License-Identifier: MIT
//
// An Optimizer whose rule is known here, behind the interface of those whose rule is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <descent/any/model.hpp>
#include <descent/by_name.hpp>
#include <descent/checkpoint/optimizer_record.hpp>
#include <descent/optimizer.hpp>
#include <descent/resize.hpp>
#include <descent/sparse.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <class R, class Scalar>
class TypedModel final : public AnyModel<Scalar> {
 public:
  explicit TypedModel(const R& rule) : optimizer_(rule) {}

  std::unique_ptr<AnyModel<Scalar>> copy() const override { return std::make_unique<TypedModel>(*this); }

  bool try_fast_path(Scalar* x, const Scalar* g, Index n, Index layout, bool may_overlap) override {
    return optimizer_.try_fast_path(x, g, n, layout, may_overlap);
  }
  bool step(Views<Scalar> params, Views<const Scalar> gradient, bool disjoint) override {
    return optimizer_.checked_step(params, gradient, disjoint);
  }
  void step_sparse([[maybe_unused]] const SparseArguments<Scalar>& arguments) override {
    if constexpr (norm_link_count<R> > 0)
      fail<std::invalid_argument>(no_sparse_steps_with_norms);
    else if constexpr (StepsWhole<R>)
      fail<std::invalid_argument>(no_sparse_steps_of_matrices);
    else if constexpr (StartsAtParameters<R>)
      fail<std::invalid_argument>(no_sparse_steps_from_parameters);
    else
      SparseStep<Optimizer<R, Scalar>>::step(optimizer_, arguments);
  }
  void keep(bool rows, Kept kept, Index tensor) override {
    Resize<Optimizer<R, Scalar>>::keep(optimizer_, rows, std::move(kept), tensor);
  }
  void append([[maybe_unused]] bool rows, [[maybe_unused]] Index count, [[maybe_unused]] Index tensor) override {
    if constexpr (StartsAtParameters<R>)
      fail<std::invalid_argument>(nothing_can_be_appended);
    else
      Resize<Optimizer<R, Scalar>>::append(optimizer_, rows, count, tensor);
  }
  std::int64_t steps() const override { return optimizer_.steps(); }
  std::int64_t skipped_steps() const override { return optimizer_.skipped_steps(); }
  void reset() override { optimizer_.reset(); }
  void set_threads(int threads) override { optimizer_.set_threads(threads); }
  void set_nonfinite(NonFinite policy, int most_in_a_row) override { optimizer_.set_nonfinite(policy, most_in_a_row); }

  std::string_view rule() const override { return R::name; }
  void set(Index tensor, std::string_view name, const ValueView& value) override {
    if (tensor >= 0) optimizer_.require_tensor(tensor);
    R changed = rule_of(tensor);
    if (!set_if_listed<Scalar>(changed, name, value_of(value), tensor))
      fail_no_hyperparameter(R::name, name, infos_of(changed));
    (tensor < 0 ? optimizer_ : optimizer_.tensor_rule(tensor)) = changed;
  }
  std::vector<HyperparameterInfo> hyperparameters(Index tensor) const override { return infos_of(rule_of(tensor)); }
  void own_rule(Index tensor, bool is_own) override {
    if (is_own)
      optimizer_.tensor_rule(tensor);
    else
      optimizer_.common_rule(tensor);
  }
  void freeze(Index tensor, bool is_frozen) override {
    if (is_frozen)
      optimizer_.freeze(tensor);
    else
      optimizer_.unfreeze(tensor);
  }
  bool frozen(Index tensor) const override { return optimizer_.frozen(tensor); }

  std::vector<std::string_view> state_names() const override { return {R::state_names.begin(), R::state_names.end()}; }
  Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view name) const override {
    return optimizer_.state(name);
  }

  bool looks_ahead() const override { return LooksAhead<R>; }
  void move_to_lookahead(Views<Scalar> points) const override {
    optimizer_.validate_all();
    if (steps() > 0) optimizer_.move_to_lookahead(points);
  }
  bool keeps_average() const override { return KeepsAverage<R>; }
  void move_to_average(Views<Scalar> points) const override {
    if (steps() > 0) optimizer_.move_to_average(points);
  }

  std::unique_ptr<SavedOptimizer<Scalar>> saved() override { return saved_optimizer(optimizer_); }

 private:
  const R& rule_of(Index tensor) const {
    return optimizer_.rule_of(tensor < 0 ? nullptr : optimizer_.own_.find(tensor));
  }

  Optimizer<R, Scalar> optimizer_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

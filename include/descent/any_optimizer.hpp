// SPDX-License-Identifier: MIT
//
// AnyOptimizer: an optimizer whose rule is chosen when the program runs.
//
//     auto optimizer = descent::make_optimizer<float>("adamw", {{"learning_rate", 3e-4}, {"weight_decay", 0.1}});
//     optimizer.step(std::tie(W, b), std::tie(dW, db));
//     optimizer.set("learning_rate", schedule(optimizer.steps()));
//
// An optional header, which needs no rule and compiles fast. All rules are compiled once for a program: link the CMake
// target descent::any, or write one source file that has nothing but `#include <descent/any/source.hpp>`.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/any/model.hpp>
#include <descent/errors.hpp>
#include <descent/indices.hpp>
#include <descent/memory.hpp>
#include <descent/nonfinite.hpp>
#include <descent/tensors.hpp>
#include <descent/value.hpp>

namespace descent {

/// An Optimizer of any rule. It does and throws what Optimizer does (optimizer.hpp), with the same bits;
/// hyperparameters are set and read by their names. Scalar is float or double.
///
/// Copies and moves are independent values. A moved-from optimizer can only be assigned to and destroyed.
template <class Scalar>
class AnyOptimizer {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                "descent: the scalar of an AnyOptimizer is float or double");

 public:
  /// For make_optimizer.
  DESCENT_TAGGED explicit AnyOptimizer(detail::Components components)
      : model_(static_cast<detail::AnyModel<Scalar>*>(detail::make_model<Scalar>(components))) {}

  DESCENT_TAGGED AnyOptimizer(const AnyOptimizer& other) : model_(other.model().copy()) {}
  DESCENT_TAGGED AnyOptimizer(AnyOptimizer&&) noexcept = default;
  DESCENT_TAGGED AnyOptimizer& operator=(const AnyOptimizer& other) {
    *this = AnyOptimizer(other);
    return *this;
  }
  DESCENT_TAGGED AnyOptimizer& operator=(AnyOptimizer&&) noexcept = default;
  DESCENT_TAGGED ~AnyOptimizer() = default;

  /// params <- params - the rule's step for this gradient. Takes and throws what Optimizer::step does.
  template <class Params, class Gradient>
  requires ParametersOf<Params, Scalar, Eigen::Dynamic> && GradientOf<Gradient, Params, Scalar>
  DESCENT_TAGGED void step(Params&& params, const Gradient& gradient) {
    detail::AnyModel<Scalar>& its = model();
    if constexpr (detail::contiguous_alike<Params, Gradient>) {
      constexpr bool owners = detail::Plain<Params> && detail::Plain<Gradient>;  // share all of their memory or none
      const detail::Shape shape = detail::shape_of(params);
      if (detail::shape_of(gradient) == shape &&
          its.try_fast_path(params.data(), gradient.data(), shape.size(), shape.layout(), !owners)) [[likely]]
        return;
    }
    detail::with_views<Scalar>(params, gradient, views_,
                               [&](const auto& x, const auto& g, bool disjoint) { return its.step(x, g, disjoint); });
  }

  /// Sparse steps of one tensor, as Optimizer::step_columns, step_rows and step_sparse (sparse.hpp). Throw
  /// std::invalid_argument also if the rule takes none.
  template <class Params, Indices Columns, class Gradient>
  requires ParametersOf<Params, Scalar, Eigen::Dynamic> && DenseTensor<Params> && GradientOf<Gradient, Params, Scalar>
  DESCENT_TAGGED void step_columns(Params&& params, const Columns& columns, const Gradient& gradient) {
    detail::AnyModel<Scalar>& its = model();
    detail::with_sparse_arguments<Scalar>(params, detail::Named::columns, columns, gradient, views_,
                                          [&](const auto& arguments) { its.step_sparse(arguments); });
  }
  template <class Params, Indices Rows, class Gradient>
  requires ParametersOf<Params, Scalar, Eigen::Dynamic> && DenseTensor<Params> && GradientOf<Gradient, Params, Scalar>
  DESCENT_TAGGED void step_rows(Params&& params, const Rows& rows, const Gradient& gradient) {
    detail::AnyModel<Scalar>& its = model();
    detail::with_sparse_arguments<Scalar>(params, detail::Named::rows, rows, gradient, views_,
                                          [&](const auto& arguments) { its.step_sparse(arguments); });
  }
  template <class Params, SparseTensor Gradient>
  requires ParametersOf<Params, Scalar, Eigen::Dynamic> && DenseTensor<Params> &&
           OfScalar<Params, typename Gradient::Scalar>
  DESCENT_TAGGED void step_sparse(Params&& params, const Gradient& gradient) {
    detail::AnyModel<Scalar>& its = model();
    detail::with_sparse_arguments<Scalar>(params, gradient, views_,
                                          [&](const auto& arguments) { its.step_sparse(arguments); });
  }

  /// Parameters that come and go, as Optimizer::keep_columns, keep_rows, append_columns and append_rows (resize.hpp).
  /// Throw std::invalid_argument also if nothing can be appended.
  template <Indices Columns>
  DESCENT_TAGGED void keep_columns(const Columns& columns, Eigen::Index tensor = 0) {
    model().keep(false, detail::kept_of(columns), tensor);
  }
  template <Indices Rows>
  DESCENT_TAGGED void keep_rows(const Rows& rows, Eigen::Index tensor = 0) {
    model().keep(true, detail::kept_of(rows), tensor);
  }
  DESCENT_TAGGED void append_columns(std::integral auto count, Eigen::Index tensor = 0) {
    model().append(false, static_cast<Eigen::Index>(count), tensor);
  }
  DESCENT_TAGGED void append_rows(std::integral auto count, Eigen::Index tensor = 0) {
    model().append(true, static_cast<Eigen::Index>(count), tensor);
  }

  /// The number of steps taken since construction or `reset`, and of those skipped because of their gradient.
  DESCENT_TAGGED std::int64_t steps() const { return model().steps(); }
  DESCENT_TAGGED std::int64_t skipped_steps() const { return model().skipped_steps(); }
  /// As Optimizer::reset, set_threads and set_nonfinite.
  DESCENT_TAGGED void reset() { model().reset(); }
  DESCENT_TAGGED void set_threads(int threads) { model().set_threads(threads); }
  DESCENT_TAGGED void set_nonfinite(NonFinite policy, int most_in_a_row = 10) {
    model().set_nonfinite(policy, most_in_a_row);
  }

  /// The name of its rule, such as "descent::AdamW".
  DESCENT_TAGGED std::string_view rule() const { return model().rule(); }

  /// Sets the hyperparameter of that name. A real number may be given as an integer, and as "inf" or "-inf". A name
  /// that two links of a chain have is preceded by the link's: "WeightDecay.weight_decay". Throws std::invalid_argument
  /// if there is no such hyperparameter, or if the value is not in its range; nothing has changed then. Conditions
  /// between hyperparameters are checked by the next step.
  DESCENT_TAGGED void set(std::string_view name, detail::ValueView value) { model().set(-1, name, value); }
  /// Returns the hyperparameter of that name. Throws like `set`.
  DESCENT_TAGGED Value get(std::string_view name) const { return value_in(hyperparameters(), name, rule()); }
  /// All hyperparameters, with their values and ranges.
  DESCENT_TAGGED std::vector<HyperparameterInfo> hyperparameters() const { return model().hyperparameters(-1); }

  /// As Optimizer::freeze, unfreeze and frozen.
  DESCENT_TAGGED void freeze(Eigen::Index tensor) { model().freeze(tensor, true); }
  DESCENT_TAGGED void unfreeze(Eigen::Index tensor) { model().freeze(tensor, false); }
  DESCENT_TAGGED bool frozen(Eigen::Index tensor) const { return model().frozen(tensor); }

  /// Sets and reads the hyperparameters of one tensor's own, as the reference that Optimizer::tensor_rule returns does.
  class TensorRule {
   public:
    DESCENT_TAGGED void set(std::string_view name, detail::ValueView value) { model_->set(tensor_, name, value); }
    DESCENT_TAGGED Value get(std::string_view name) const { return value_in(hyperparameters(), name, model_->rule()); }
    DESCENT_TAGGED std::vector<HyperparameterInfo> hyperparameters() const { return model_->hyperparameters(tensor_); }

   private:
    friend class AnyOptimizer;
    DESCENT_TAGGED TensorRule(detail::AnyModel<Scalar>& model, Eigen::Index tensor) : model_(&model), tensor_(tensor) {}

    detail::AnyModel<Scalar>* model_;
    Eigen::Index tensor_;
  };
  /// As Optimizer::tensor_rule and common_rule: `optimizer.tensor_rule(0).set("weight_decay", 0.0)`. What it returns is
  /// valid as long as the optimizer is neither moved nor destroyed. After `common_rule` it reads the common
  /// hyperparameters, and setting one gives the tensor its own again.
  DESCENT_TAGGED TensorRule tensor_rule(Eigen::Index tensor) {
    model().own_rule(tensor, true);
    return TensorRule(model(), tensor);
  }
  DESCENT_TAGGED void common_rule(Eigen::Index tensor) { model().own_rule(tensor, false); }

  /// The names of the state arrays, and one of them, as in Optimizer::state.
  DESCENT_TAGGED std::vector<std::string_view> state_names() const { return model().state_names(); }
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view array) const {
    return model().state(array);
  }

  /// Whether the rule wants its gradient ahead of the parameters, as Nesterov does, and that point: params themselves
  /// if it does not. Throws like Optimizer::lookahead.
  DESCENT_TAGGED bool looks_ahead() const { return model().looks_ahead(); }
  template <class Params>
  requires Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar>
  DESCENT_TAGGED auto lookahead(const Params& params) const {
    auto point = detail::copies_of(params);
    model().move_to_lookahead(detail::views_in(detail::views_of<Scalar>(point)));
    return point;
  }

  /// Whether the rule or a link keeps an average of the parameters, and that average: params themselves if not. Throws
  /// like Optimizer::averaged.
  DESCENT_TAGGED bool keeps_average() const { return model().keeps_average(); }
  template <class Params>
  requires Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar>
  DESCENT_TAGGED auto averaged(const Params& params) const {
    auto average = detail::copies_of(params);
    model().move_to_average(detail::views_in(detail::views_of<Scalar>(average)));
    return average;
  }

 private:
  DESCENT_TAGGED detail::AnyModel<Scalar>& model() const {
    if (model_ == nullptr) [[unlikely]]
      detail::fail<std::logic_error>("descent: this AnyOptimizer was moved from; assign another one to it first");
    return *model_;
  }

  DESCENT_TAGGED static Value value_in(std::vector<HyperparameterInfo> all, std::string_view name,
                                       std::string_view its_rule) {
    for (HyperparameterInfo& each : all)
      if (each.name == name) return std::move(each.value);
    detail::fail_no_hyperparameter(its_rule, name, all);
  }

  /// For checkpoints (checkpoint/record.hpp).
  DESCENT_TAGGED friend std::unique_ptr<detail::SavedOptimizer<Scalar>> saved_optimizer(AnyOptimizer& optimizer) {
    return optimizer.model().saved();
  }
  DESCENT_TAGGED friend std::unique_ptr<const detail::SavedOptimizer<Scalar>> saved_optimizer(
      const AnyOptimizer& optimizer) {
    return optimizer.model().saved();
  }

  std::unique_ptr<detail::AnyModel<Scalar>> model_;
  detail::StepMemory<Scalar> views_;
};

/// An optimizer of the rule or preset of that name, with these hyperparameters and the defaults of the others:
///
///     make_optimizer<float>("adam");
///     make_optimizer<double>("pytorch.rmsprop", {{"learning_rate", 0.01}, {"epsilon_placement", "inside"}});
///
/// Rules have the names of their classes; a preset is preceded by where it comes from: pytorch, keras, optax or paper.
/// Upper and lower case, and underscores, make no difference. Throws std::invalid_argument for an unknown name, with
/// those that there are, and for hyperparameters as AnyOptimizer::set does.
template <class Scalar>
DESCENT_TAGGED AnyOptimizer<Scalar> make_optimizer(std::string_view name,
                                                   std::initializer_list<detail::SettingView> values = {}) {
  const detail::ComponentView component{name, values.size(), nullptr, values.begin()};
  return AnyOptimizer<Scalar>({&component, 1});
}
template <class Scalar, std::same_as<std::vector<Setting>> Settings>
DESCENT_TAGGED AnyOptimizer<Scalar> make_optimizer(std::string_view name, const Settings& values) {
  const detail::ComponentView component{name, values.size(), values.data(), nullptr};
  return AnyOptimizer<Scalar>({&component, 1});
}

/// The same with links of a chain around the rule, in their order, as in Chain (chain.hpp). Links have the names of
/// their classes, too. Throws std::invalid_argument also if a part does not stand where it belongs.
///
///     make_optimizer<float>({{"clip_norm", {{"max_norm", 1.0}}}, {"adamw"}, {"average", {{"decay", 0.999}}}});
template <class Scalar>
DESCENT_TAGGED AnyOptimizer<Scalar> make_optimizer(std::initializer_list<detail::PartView> parts) {
  std::vector<detail::ComponentView> views;
  views.reserve(parts.size());
  for (const detail::PartView& each : parts)
    views.push_back({each.name, each.values.size(), nullptr, each.values.begin()});
  return AnyOptimizer<Scalar>({views.data(), views.size()});
}
template <class Scalar, std::same_as<std::vector<Component>> Components>
DESCENT_TAGGED AnyOptimizer<Scalar> make_optimizer(const Components& components) {
  std::vector<detail::ComponentView> views;
  views.reserve(components.size());
  for (const Component& each : components)
    views.push_back({each.name, each.values.size(), each.values.data(), nullptr});
  return AnyOptimizer<Scalar>({views.data(), views.size()});
}

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// A part of a chain that is put together when the program runs: a link or the rule, with its state. It takes blocks of
// a tensor: what arrives at it, and what it makes of that, stand in a buffer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <descent/by_name.hpp>
#include <descent/chain.hpp>
#include <descent/checkpoint/optimizer_record.hpp>
#include <descent/kernel/norm.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/memory.hpp>
#include <descent/own_tensors.hpp>
#include <descent/resize.hpp>
#include <descent/strided.hpp>
#include <descent/tensor_step.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// Of what a link needs the norm.
enum class NeedsNorm { no, of_each_tensor, of_all_tensors };

/// What a link is told about a tensor at one step.
struct LinkFacts {
  double learning_rate = 1;   ///< as it applies to this link
  double norm = 0;            ///< of what arrives at the link, if it needs one
  double parameter_norm = 0;  ///< the same for the parameters, if it acts on the step
};

/// A tensor at one step.
struct TensorAt {
  Index number;
  Index offset;  ///< of its part of each state array
  bool is_matrix;
};

/// Some elements of a tensor, as many as a norm has in a block.
template <class Scalar>
struct Block {
  static constexpr Index most = kernel::norm_block;

  Index begin, size;
  const Index* state_at = nullptr;  ///< where the state of each element is; null for `begin` and what follows
  std::array<Scalar, static_cast<std::size_t>(most)> x;      ///< the parameters before the step
  std::array<Scalar, static_cast<std::size_t>(most)> value;  ///< the gradient, the step or the new parameters
};

template <class Scalar>
class AnyLink {
 public:
  AnyLink() = default;
  AnyLink(const AnyLink&) = default;
  AnyLink(AnyLink&&) = delete;
  AnyLink& operator=(const AnyLink&) = delete;
  AnyLink& operator=(AnyLink&&) = delete;
  virtual ~AnyLink() = default;
  virtual std::unique_ptr<AnyLink> copy() const = 0;

  virtual std::string_view name() const = 0;
  virtual Order order() const = 0;
  virtual NeedsNorm needs_norm() const = 0;
  virtual bool squares() const = 0;            ///< whether it squares the gradient, as far as is known
  virtual bool rescales_gradient() const = 0;  ///< see transforms/link.hpp
  virtual bool starts_at_parameters() const = 0;

  virtual std::span<const std::string_view> hyperparameter_names() const = 0;
  /// Tensor -1 stands for the common hyperparameters. Setting others makes them the tensor's own.
  virtual void set(Index tensor, std::string_view name, const Value& value) = 0;
  virtual std::vector<HyperparameterInfo> hyperparameters(Index tensor) const = 0;
  virtual void own_rule(Index tensor, bool is_own) = 0;
  virtual void freeze(Index tensor, bool is_frozen) = 0;
  virtual bool frozen(Index tensor) const = 0;
  virtual Index own_tensors() const = 0;  ///< from this number on, all tensors are like the others
  virtual void validate() const = 0;

  virtual std::span<const std::string_view> state_names() const = 0;
  virtual const Scalar* state(std::size_t slot) const = 0;
  virtual AddressRange state_addresses() const = 0;
  virtual void remember(Index size) = 0;
  /// A copy whose state has followed its tensors.
  virtual std::unique_ptr<AnyLink> reshaped(const Reshaping<Scalar>& change) const = 0;
  virtual void reset() = 0;
  virtual void end_step() = 0;  ///< of all tensors that are not frozen

  // For checkpoints.
  virtual bool has_own(Index tensor) const = 0;
  virtual bool has_own_rule(Index tensor) const = 0;
  virtual std::vector<double> running_factors(Index tensor) const = 0;
  virtual CounterRecord counter(Index tensor) const = 0;
  virtual void set_counter(Index tensor, const CounterRecord& its) = 0;
  virtual Scalar* state_to_fill(std::size_t slot) = 0;

  virtual double learning_rate(Index tensor) const = 0;
  /// For all that stands before it.
  virtual double learning_rate_before(Index tensor, double learning_rate) const = 0;
  /// Turns what arrives in the block into what goes on. If it does not write the state, it works on a copy of it.
  virtual void run(const TensorAt& tensor, const LinkFacts& facts, Block<Scalar>& block, bool writes_state) = 0;

  virtual bool keeps_average() const = 0;
  virtual void move_to_average(const TensorAt& tensor, const View<Scalar>& x, bool row_major) const = 0;
};

/// A kernel for one array more, in which the value stands; x stays.
template <class Kernel>
struct OnValue {
  const Kernel& kernel;

  template <class Pack, class... State>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack&, Pack& value, State&... state) const {
    value = kernel(x, copied(value), state...);
    return Pack(0);
  }
};

template <class L, class Scalar>
class TypedLink final : public AnyLink<Scalar> {
  static constexpr bool is_rule = !HasPlace<L>;
  static constexpr std::size_t state_count = L::state_names.size();

 public:
  explicit TypedLink(const L& link) : link_(link) {}
  std::unique_ptr<AnyLink<Scalar>> copy() const override { return std::make_unique<TypedLink>(*this); }

  std::string_view name() const override { return L::name; }
  Order order() const override { return order_of<L>(); }
  NeedsNorm needs_norm() const override {
    if constexpr (HasNorm<L>)
      return L::norm_of == NormOf::each_tensor ? NeedsNorm::of_each_tensor : NeedsNorm::of_all_tensors;
    else
      return NeedsNorm::no;
  }
  bool squares() const override { return squares_gradient<L>; }
  bool rescales_gradient() const override { return detail::rescales_gradient<L>(); }
  bool starts_at_parameters() const override { return StartsAtParameters<L>; }

  std::span<const std::string_view> hyperparameter_names() const override { return detail::hyperparameter_names<L>; }
  void set(Index tensor, std::string_view name, const Value& value) override {
    L changed = link_of(tensor);
    set_if_listed<Scalar>(changed, name, value, tensor);
    if (tensor >= 0) own_rule(tensor, true);
    (tensor < 0 ? link_ : own(tensor).rule) = changed;
  }
  std::vector<HyperparameterInfo> hyperparameters(Index tensor) const override { return infos_of(link_of(tensor)); }
  void own_rule(Index tensor, bool is_own) override {
    if (is_own) {
      OwnTensor<L>& its = own(tensor);
      if (!std::exchange(its.has_rule, true)) its.rule = link_;
    } else if (OwnTensor<L>* const its = own_.find(tensor)) {
      its->has_rule = false;
    }
  }
  void freeze(Index tensor, bool is_frozen) override {
    if (is_frozen)
      own(tensor).frozen = true;
    else if (OwnTensor<L>* const its = own_.find(tensor))
      its->frozen = false;
  }
  bool frozen(Index tensor) const override {
    const OwnTensor<L>* const its = own_.find(tensor);
    return its != nullptr && its->frozen;
  }
  Index own_tensors() const override { return own_.size(); }
  void validate() const override {
    validate_link(link_, -1);
    own_.for_each([](Index tensor, const OwnTensor<L>& its) {
      if (its.has_rule) validate_link(its.rule, tensor);
    });
  }

  std::span<const std::string_view> state_names() const override { return L::state_names; }
  const Scalar* state(std::size_t slot) const override { return state_.array(slot); }
  AddressRange state_addresses() const override { return state_.address_range(); }
  void remember(Index size) override { state_.fill(size, initial_state_of(link_)); }
  std::unique_ptr<AnyLink<Scalar>> reshaped(const Reshaping<Scalar>& change) const override {
    auto made = std::make_unique<TypedLink>(link_);
    made->counter_ = counter_;
    made->own_ = own_;
    made->state_ = change.state_of(link_, state_);
    return made;
  }
  void reset() override {
    counter_ = {};
    own_.for_each([](Index, OwnTensor<L>& its) { its.counter = {}; });
  }
  void end_step() override {
    counter_ = counter_.next(link_);
    own_.for_each([this](Index, OwnTensor<L>& its) {
      if (!its.frozen) its.counter = its.counter.next(its.has_rule ? its.rule : link_);
    });
  }

  bool has_own(Index tensor) const override { return own_.find(tensor) != nullptr; }
  bool has_own_rule(Index tensor) const override {
    const OwnTensor<L>* const its = own_.find(tensor);
    return its != nullptr && its->has_rule;
  }
  std::vector<double> running_factors(Index tensor) const override {
    const auto factors = running_factors_of(link_of(tensor));
    return {factors.begin(), factors.end()};
  }
  CounterRecord counter(Index tensor) const override { return record_of(counter_of(tensor)); }
  void set_counter(Index tensor, const CounterRecord& its) override {
    (tensor < 0 ? counter_ : own(tensor).counter) = detail::counter_of<L>(its, "");
  }
  Scalar* state_to_fill(std::size_t slot) override { return state_.array(slot); }

  double learning_rate([[maybe_unused]] Index tensor) const override {
    if constexpr (requires(const L& rule) { rule.learning_rate; })
      return link_of(tensor).learning_rate;
    else
      return 1;
  }
  double learning_rate_before([[maybe_unused]] Index tensor, double learning_rate) const override {
    if constexpr (requires(const L& link, const LinkStep<Scalar, 0>& step) { link.learning_rate_before(step); })
      return link_of(tensor).learning_rate_before(LinkStep<Scalar, 0>{{1, {}, {}}, false, learning_rate});
    else
      return learning_rate;
  }

  void run(const TensorAt& tensor, const LinkFacts& facts, Block<Scalar>& block, bool writes_state) override {
    const StepCounter<L> counter = counter_of(tensor.number).next(link_of(tensor.number));
    with_chosen(kernel_of(tensor, facts, counter), [&]<class Kernel>(const Kernel& kernel) {
      kernel::Arrays<Scalar, state_count + 1> arrays{block.value.data()};
      std::array<Scalar, state_count* static_cast<std::size_t>(Block<Scalar>::most)> copies;
      for (std::size_t slot = 0; slot < state_count; ++slot) {
        Scalar* const state = state_.array(slot) + tensor.offset;
        Scalar* const copy = copies.data() + slot * static_cast<std::size_t>(Block<Scalar>::most);
        arrays[slot + 1] = copy;
        if (block.state_at != nullptr)
          for (Index i = 0; i < block.size; ++i) copy[i] = state[block.state_at[i]];
        else if (writes_state)
          arrays[slot + 1] = state + block.begin;
        else
          std::copy_n(state + block.begin, block.size, copy);
      }
      static constexpr auto thresholds = joined(std::array<Scalar, 1>{0}, state_thresholds<Scalar, L>());
      const OnValue<Kernel> on_value{kernel};
      const kernel::Pass<Scalar, state_count + 1> pass(on_value, 1, flushes<L>(counter.t) ? &thresholds : nullptr);
      pass(block.x.data(), block.x.data(), arrays, block.size);
      if (block.state_at != nullptr)
        for (std::size_t slot = 0; slot < state_count; ++slot)
          for (Index i = 0; i < block.size; ++i)
            state_.array(slot)[tensor.offset + block.state_at[i]] = arrays[slot + 1][i];
    });
  }

  bool keeps_average() const override { return has_state<L>("average") || computes_average; }
  void move_to_average([[maybe_unused]] const TensorAt& tensor, [[maybe_unused]] const View<Scalar>& x,
                       [[maybe_unused]] bool row_major) const override {
    const StepCounter<L>& counter = counter_of(tensor.number);
    if (counter.t == 0) return;
    if constexpr (has_state<L>("average")) {
      assign(x, state_.array(slot_of("average")) + tensor.offset, row_major);
    } else if constexpr (computes_average) {
      const auto kernel =
          link_of(tensor.number).averaged_kernel(StepOf<L, Scalar>{counter.t, counter.products, counter.numbers});
      const View<const Scalar> z =
          contiguous_view(state_.array(slot_of("z")) + tensor.offset, {x.shape.rows, x.shape.cols, row_major});
      sweep_view(kernel::Pass<Scalar, 0>(kernel, 1, nullptr), x, z, row_major, {});
    }
  }

 private:
  static constexpr bool computes_average = is_rule && ComputesAverage<L>;

  static constexpr std::size_t slot_of(std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(L::state_names, name) - L::state_names.begin());
  }
  static void validate_link(const L& link, Index tensor) {
    detail::validate<Scalar>(link, tensor);
    expect_gradient_at_parameters(link, Expect<L>{tensor});
  }

  OwnTensor<L>& own(Index tensor) { return own_.make(tensor, counter_, link_); }
  const L& link_of(Index tensor) const {
    const OwnTensor<L>* const its = tensor < 0 ? nullptr : own_.find(tensor);
    return its != nullptr && its->has_rule ? its->rule : link_;
  }
  const StepCounter<L>& counter_of(Index tensor) const {
    const OwnTensor<L>* const its = tensor < 0 ? nullptr : own_.find(tensor);
    return its != nullptr ? its->counter : counter_;
  }

  auto kernel_of(const TensorAt& tensor, const LinkFacts& facts, const StepCounter<L>& counter) const {
    const LinkStep<Scalar, count_running_factors<L>(), count_running_numbers<L>()> step{
        {counter.t, counter.products, counter.numbers},
        tensor.is_matrix,
        facts.learning_rate,
        facts.norm,
        facts.parameter_norm};
    if constexpr (is_rule) {
      L rule = link_of(tensor.number);
      if constexpr (requires { rule.learning_rate; }) rule.learning_rate = facts.learning_rate;
      return rule.kernel(static_cast<const StepOf<L, Scalar>&>(step));
    } else {
      return link_of(tensor.number).kernel(step);
    }
  }

  L link_;
  StepCounter<L> counter_;
  OwnTensors<L> own_;
  StateArrays<Scalar, state_count, Eigen::Dynamic> state_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

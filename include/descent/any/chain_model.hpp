// SPDX-License-Identifier: MIT
//
// A chain that is put together when the program runs. Its parts take each tensor block by block, so that a step is one
// pass over memory as in a Chain, and has the same bits; what goes from part to part stays in the cache.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <descent/any/link.hpp>
#include <descent/any/model.hpp>
#include <descent/finite_gradient.hpp>
#include <descent/resize.hpp>
#include <descent/sparse.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <class Scalar>
class SavedChain;

template <class Scalar>
class ChainModel final : public AnyModel<Scalar> {
 public:
  using Parts = std::vector<std::unique_ptr<AnyLink<Scalar>>>;

  /// Throws std::invalid_argument unless the parts may stand in this order.
  explicit ChainModel(Parts parts) : parts_(std::move(parts)), facts_(parts_.size()) {
    name_ = "descent::Chain<";
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      name_ += (i == 0 ? "" : ", ") + std::string(parts_[i]->name());
      for (std::size_t before = 0; before < i; ++before) require_order(*parts_[before], *parts_[i]);
    }
    name_ += ">";
    while (rule_ < parts_.size() && parts_[rule_]->order() != Order::rule) ++rule_;
    if (rule_ == parts_.size()) fail<std::invalid_argument>("descent: a Chain has exactly one rule, this one has none");
    for (std::size_t i = 0; i < parts_.size(); ++i)
      for (const std::string_view name : parts_[i]->hyperparameter_names())
        hyperparameters_.push_back({i, name, name_in_chain(*parts_[i], name)});
  }
  ChainModel(const ChainModel& other)
      : name_(other.name_),
        hyperparameters_(other.hyperparameters_),
        rule_(other.rule_),
        facts_(other.facts_),
        shapes_(other.shapes_),
        settings_(other.settings_),
        skips_(other.skips_),
        steps_(other.steps_) {
    for (const auto& part : other.parts_) parts_.push_back(part->copy());
  }
  std::unique_ptr<AnyModel<Scalar>> copy() const override { return std::make_unique<ChainModel>(*this); }
  std::unique_ptr<SavedOptimizer<Scalar>> saved() override { return std::make_unique<SavedChain<Scalar>>(*this); }

  bool try_fast_path(Scalar*, const Scalar*, Index, Index, bool) override { return false; }
  bool step(Views<Scalar> params, Views<const Scalar> gradient, bool disjoint) override {
    validate();
    require_pairs(params, gradient);
    if (steps_ > 0)
      require_shapes(params, shapes_);
    else
      remember(params);
    if (settings_.nonfinite != NonFinite::propagate && !accepts(gradient)) return disjoint;
    skips_.in_a_row = 0;
    disjoint = disjoint || !overwrites(params, gradient);
    if (disjoint)
      take_step(params, gradient);
    else
      shapes_.with_copy(size_of(params), [&](Scalar* copy) {
        View<const Scalar>* const copies = shapes_.scratch(gradient.count).gradient;
        for (Index i = 0; i < gradient.count; ++i) {
          copies[i] = contiguous_view<const Scalar>(copy, shapes_[i]);
          copy = copy_elements(gradient[i], shapes_[i], copy);
        }
        take_step(params, {copies, gradient.count});
      });
    return disjoint;
  }
  void step_sparse(const SparseArguments<Scalar>& arguments) override {
    for (const auto& part : parts_) {
      if (part->needs_norm() != NeedsNorm::no) fail<std::invalid_argument>(no_sparse_steps_with_norms);
      if (part->starts_at_parameters()) fail<std::invalid_argument>(no_sparse_steps_from_parameters);
    }
    take_sparse_step(SparseOf{*this}, arguments);
  }
  void keep(bool rows, Kept kept, Index tensor) override {
    require_tensor(tensor);
    if (steps_ > 0) reshape(rows, tensor, origins_of(std::move(kept), shapes_[tensor], rows));
  }
  void append(bool rows, Index count, Index tensor) override {
    for (const auto& part : parts_)
      if (part->starts_at_parameters()) fail<std::invalid_argument>(nothing_can_be_appended);
    require_tensor(tensor);
    require_append(count, rows);
    if (steps_ > 0) reshape(rows, tensor, origins_with(count, shapes_[tensor], rows));
  }
  std::int64_t steps() const override { return steps_; }
  std::int64_t skipped_steps() const override { return skips_.total; }
  void reset() override {
    steps_ = 0;
    skips_ = {};
    shapes_ = {};
    for (const auto& part : parts_) part->reset();
  }
  void set_threads(int threads) override { settings_.set_threads(threads); }
  void set_nonfinite(NonFinite policy, int most_in_a_row) override { settings_.set_nonfinite(policy, most_in_a_row); }

  std::string_view rule() const override { return name_; }
  void set(Index tensor, std::string_view name, const ValueView& value) override {
    if (tensor >= 0) require_tensor(tensor);
    const auto its = std::ranges::find(hyperparameters_, name, &ListedName::in_chain);
    if (its == hyperparameters_.end()) fail_no_hyperparameter(name_, name, hyperparameters(tensor));
    parts_[its->part]->set(tensor, its->name, value_of(value));
    if (tensor >= 0) own_rule(tensor, true);
  }
  std::vector<HyperparameterInfo> hyperparameters(Index tensor) const override {
    std::vector<HyperparameterInfo> all;
    for (const auto& part : parts_)
      for (HyperparameterInfo& each : part->hyperparameters(tensor)) {
        each.name = hyperparameters_[all.size()].in_chain;
        all.push_back(std::move(each));
      }
    return all;
  }
  void own_rule(Index tensor, bool is_own) override {
    require_tensor(tensor);
    for (const auto& part : parts_) part->own_rule(tensor, is_own);
  }
  void freeze(Index tensor, bool is_frozen) override {
    require_tensor(tensor);
    for (const auto& part : parts_) part->freeze(tensor, is_frozen);
  }
  bool frozen(Index tensor) const override {
    require_tensor(tensor);
    return parts_[rule_]->frozen(tensor);
  }

  std::vector<std::string_view> state_names() const override {
    std::vector<std::string_view> names;
    for (const auto& part : parts_)
      for (const std::string_view each : part->state_names()) names.push_back(each);
    return names;
  }
  Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view name) const override {
    for (const auto& part : parts_)
      for (std::size_t slot = 0; slot < part->state_names().size(); ++slot)
        if (part->state_names()[slot] == name) return {part->state(slot), steps_ == 0 ? 0 : size()};
    const std::vector<std::string_view> known = state_names();
    fail_no_state({"\"", name, "\""}, known.data(), known.size());
  }

  bool looks_ahead() const override { return false; }
  void move_to_lookahead(Views<Scalar>) const override {}
  bool keeps_average() const override { return averaging_part() != nullptr; }
  void move_to_average(Views<Scalar> points) const override {
    const AnyLink<Scalar>* const part = averaging_part();
    if (part == nullptr || steps_ == 0) return;
    require_shapes(points, shapes_);
    for_each_tensor(points, [&](const TensorAt& tensor) {
      part->move_to_average(tensor, points[tensor.number], shapes_[tensor.number].row_major);
    });
  }

 private:
  friend class SavedChain<Scalar>;
  using BlockOf = Block<Scalar>;

  static void require_order(const AnyLink<Scalar>& first, const AnyLink<Scalar>& second) {
    if (first.name() == second.name())
      fail<std::invalid_argument>({"descent: ", second.name(), " stands twice in a Chain"});
    if (first.order() == Order::rule && second.order() == Order::rule)
      fail<std::invalid_argument>(
          {"descent: a Chain has exactly one rule, not ", first.name(), " and ", second.name()});
    for (const std::string_view one : first.state_names())
      for (const std::string_view other : second.state_names())
        if (one == other)
          fail<std::invalid_argument>(
              {"descent: in a Chain, ", first.name(), " and ", second.name(), " both have a state \"", one, "\""});
    if (first.order() <= second.order()) return;
    const AnyLink<Scalar>& misplaced = second.order() == Order::rule ? first : second;
    fail<std::invalid_argument>({"descent: in a Chain, ", misplaced.name(),
                                 misplaced.order() == Order::gradient
                                     ? " acts on the gradient and belongs before the rule"
                                 : misplaced.order() == Order::step
                                     ? " acts on the step and belongs after the rule, and before the links that act on "
                                       "the parameters"
                                     : " acts on the parameters and belongs after the rule"});
  }

  /// As Chain lists it.
  std::string name_in_chain(const AnyLink<Scalar>& part, std::string_view name) const {
    std::ptrdiff_t count = 0;
    for (const auto& each : parts_) count += std::ranges::count(each->hyperparameter_names(), name);
    return count == 1 ? std::string(name)
                      : std::string(part.name().substr(part.name().rfind(':') + 1)) + "." + std::string(name);
  }

  void validate() const {
    for (const auto& part : parts_) part->validate();
  }
  void require_tensor(Index tensor) const {
    if (tensor < 0 || (steps_ > 0 && tensor >= shapes_.size()))
      fail_no_tensor(tensor, steps_ > 0 ? shapes_.size() : -1);
  }
  void require_own_tensors(Index count) const {
    for (Index i = count; i < parts_[rule_]->own_tensors(); ++i)
      if (parts_[rule_]->has_own(i)) fail_no_tensor(i, count);
  }
  template <class S>
  void remember(Views<S> params) {
    require_own_tensors(params.count);
    shapes_.remember(params);
    for (const auto& part : parts_) part->remember(size_of(params));
  }
  /// `positions` is described in finite_gradient.hpp.
  bool accepts(Views<const Scalar> gradient, const Index* positions = nullptr) {
    const auto is_frozen = [this](Index tensor) { return parts_[rule_]->frozen(tensor); };
    const bool squared = std::ranges::any_of(parts_, [](const auto& part) { return part->squares(); }) &&
                         std::ranges::none_of(parts_, [](const auto& part) { return part->rescales_gradient(); });
    return squared ? detail::accepts<true>(gradient, is_frozen, settings_, skips_, positions)
                   : detail::accepts<false>(gradient, is_frozen, settings_, skips_, positions);
  }
  /// Makes all of the state anew, and only then changes anything.
  void reshape(bool rows, Index tensor, const Origins& origins) {
    const Reshaping<Scalar> change{shapes_, tensor, rows, origins};
    Parts made;
    for (const auto& part : parts_) made.push_back(part->reshaped(change));
    parts_ = std::move(made);
    shapes_.reshape(tensor, change.after());
  }
  bool overwrites(Views<Scalar> params, Views<const Scalar> gradient) {
    return std::ranges::any_of(parts_, [&](const auto& part) {
      return overwrites_gradient(params, gradient, part->state_addresses(), shapes_);
    });
  }
  Index size() const {
    Index size = 0;
    for (Index i = 0; i < shapes_.size(); ++i) size += shapes_[i].size();
    return size;
  }
  const AnyLink<Scalar>* averaging_part() const {
    for (auto part = parts_.rbegin(); part != parts_.rend(); ++part)
      if ((*part)->keeps_average()) return part->get();
    return nullptr;
  }

  template <class Visit>
  void for_each_tensor(Views<Scalar> params, const Visit& visit) const {
    Index offset = 0;
    for (Index i = 0; i < params.count; offset += params[i++].shape.size())
      visit(TensorAt{i, offset, params[i].shape.is_matrix()});
  }
  template <class Visit>
  void for_each_stepped(Views<Scalar> params, const Visit& visit) const {
    for_each_tensor(params, [&](const TensorAt& tensor) {
      if (!parts_[rule_]->frozen(tensor.number)) visit(tensor);
    });
  }

  void take_step(Views<Scalar> params, Views<const Scalar> gradient) {
    for (std::size_t at = 0; at < rule_; ++at)
      if (parts_[at]->needs_norm() == NeedsNorm::of_all_tensors) measure_all(at, params, gradient);
    for_each_stepped(params, [&](const TensorAt& tensor) {
      set_learning_rates(tensor);
      measure_each(parts_.size(), tensor, params, gradient);
      const View<Scalar>& x = params[tensor.number];
      const bool row_major = shapes_[tensor.number].row_major;
      for_each_block_of(x, [&](Index begin, Index count) {
        BlockOf block;
        fill(block, x, gradient[tensor.number], row_major, begin, count);
        run(0, parts_.size(), tensor, block, true);
        assign_part(x, row_major, begin, count, block.value.data());
      });
    });
    for (const auto& part : parts_) part->end_step();
    ++steps_;
  }

  template <class Take>
  void for_each_block_of(const View<Scalar>& x, const Take& take) const {
    const Index n = x.shape.size();
    kernel::for_each_block(0, (n + BlockOf::most - 1) / BlockOf::most, settings_.usable_threads(), [&](Index number) {
      const Index end = (std::min)((number + 1) * BlockOf::most, n);
      constexpr Index part = 1024;  // with its state, it stays in the nearest cache
      for (Index begin = number * BlockOf::most; begin < end; begin += part) take(begin, (std::min)(part, end - begin));
    });
  }
  static void fill(BlockOf& block, const View<const Scalar>& x, const View<const Scalar>& g, bool row_major,
                   Index begin, Index count) {
    block.begin = begin;
    block.size = count;
    copy_part(x, row_major, begin, count, block.x.data());
    copy_part(g, row_major, begin, count, block.value.data());
  }

  /// From the step to the new parameters.
  struct Move {
    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& u) const {
      return x - u;
    }
  };

  /// Takes the block through the parts from number `from` up to `to`.
  void run(std::size_t from, std::size_t to, const TensorAt& tensor, BlockOf& block, bool writes_state) const {
    const auto is_of_parameters = [this](std::size_t at) { return parts_[at]->order() == Order::parameters; };
    bool has_moved = false;
    const auto move = [&] {
      const Move kernel;
      const OnValue<Move> on_value{kernel};
      const kernel::Pass<Scalar, 1> pass(on_value, 1, nullptr);
      pass(block.x.data(), block.x.data(), {block.value.data()}, block.size);
      has_moved = true;
    };
    for (std::size_t at = from; at < to; ++at) {
      if (!has_moved && is_of_parameters(at)) move();
      parts_[at]->run(tensor, facts_[at], block, writes_state);
    }
    if (!has_moved && to == parts_.size()) move();
  }

  void set_learning_rates(const TensorAt& tensor) {
    double rate = parts_[rule_]->learning_rate(tensor.number);
    for (std::size_t at = parts_.size(); at-- > 0;) {
      facts_[at].learning_rate = rate;
      rate = parts_[at]->learning_rate_before(tensor.number, rate);
    }
  }

  // ---- Sparse steps ------------------------------------------------------------------------------

  /// The chain as take_sparse_step sees it.
  struct SparseOf {
    void validate() const {
      chain.validate();
      chain.require_own_tensors(1);
    }
    std::int64_t steps() const { return chain.steps_; }
    auto& shapes() const { return chain.shapes_; }
    void remember(Views<Scalar> params) const { chain.remember(params); }
    bool accepts(const View<const Scalar>& gradient, const Index* positions) const {
      return chain.settings_.nonfinite == NonFinite::propagate || chain.accepts({&gradient, 1}, positions);
    }
    bool overlaps_state(const AddressRange& reading) const {
      return std::ranges::any_of(chain.parts_,
                                 [&](const auto& part) { return reading.overlaps(part->state_addresses()); });
    }
    void pass(const View<Scalar>& params, const Slices& slices, const Scalar* g) const {
      chain.skips_.in_a_row = 0;
      chain.for_each_stepped({&params, 1}, [&](const TensorAt& tensor) {
        chain.set_learning_rates(tensor);
        chain.step_slices(tensor, params.data, slices, g);
      });
      for (const auto& part : chain.parts_) part->end_step();
      ++chain.steps_;
    }

    ChainModel& chain;
  };

  /// Element by element, as many at a time as stay in the nearest cache.
  void step_slices(const TensorAt& tensor, Scalar* x, const Slices& slices, const Scalar* g) const {
    constexpr std::size_t most = 1024;
    std::array<Index, most> x_at, state_at;
    BlockOf block;
    block.begin = 0;
    block.state_at = state_at.data();
    std::size_t count = 0;
    const auto step = [&] {
      for (std::size_t i = 0; i < count; ++i) block.x[i] = x[x_at[i]];
      block.size = static_cast<Index>(count);
      run(0, parts_.size(), tensor, block, true);
      for (std::size_t i = 0; i < count; ++i) x[x_at[i]] = block.value[i];
      count = 0;
    };
    for (const Slice* slice = slices.first; slice != slices.first + slices.count; ++slice)
      for (Index i = 0; i < slices.length; ++i) {
        x_at[count] = slice->x + i * slices.x_stride;
        state_at[count] = slice->state + i * slices.state_stride;
        block.value[count] = g[slice->gradient + i];
        if (++count == most) step();
      }
    step();
  }

  // ---- Norms -------------------------------------------------------------------------------------

  /// The norms of this tensor for the parts before number `end` that need those of each tensor.
  void measure_each(std::size_t end, const TensorAt& tensor, Views<Scalar> params, Views<const Scalar> gradient) {
    for (std::size_t at = 0; at < end; ++at) {
      if (parts_[at]->needs_norm() != NeedsNorm::of_each_tensor) continue;
      const auto this_alone = [&](const auto& visit) { visit(tensor); };
      if (parts_[at]->order() == Order::step) {
        const auto norms = norms_at<2>(at, this_alone, params, gradient);
        facts_[at].parameter_norm = norms[0];
        facts_[at].norm = norms[1];
      } else {
        facts_[at].norm = norms_at<1>(at, this_alone, params, gradient)[0];
      }
    }
  }
  void measure_all(std::size_t at, Views<Scalar> params, Views<const Scalar> gradient) {
    const auto all = [&](const auto& visit) {
      for_each_stepped(params, [&](const TensorAt& tensor) {
        measure_each(at, tensor, params, gradient);
        visit(tensor);
      });
    };
    facts_[at].norm = norms_at<1>(at, all, params, gradient)[0];
  }

  struct OfValue {
    template <class Pack>
    [[gnu::always_inline]] auto operator()(const Pack&, const Pack& value) const {
      return std::array<Pack, 1>{copied(value)};
    }
  };
  struct OfBoth {
    template <class Pack>
    [[gnu::always_inline]] auto operator()(const Pack& x, const Pack& value) const {
      return std::array<Pack, 2>{copied(x), copied(value)};
    }
  };

  /// The norms of what arrives at a part, over the tensors that for_each(visit) visits; with a count of 2, first those
  /// of the parameters.
  template <std::size_t count, class ForEach>
  std::array<double, count> norms_at(std::size_t at, const ForEach& for_each, Views<Scalar> params,
                                     Views<const Scalar> gradient) const {
    return kernel::norms_of<Scalar>([&](kernel::Wide<Scalar> factor) {
      kernel::Sums<Scalar, count> total{};
      for_each([&](const TensorAt& tensor) {
        const View<Scalar>& x = params[tensor.number];
        const bool row_major = shapes_[tensor.number].row_major;
        kernel::Sums<Scalar, count> sums{};
        const std::conditional_t<count == 1, OfValue, OfBoth> kernel;
        const kernel::NormPass<Scalar, 0, count> pass(kernel, settings_.usable_threads(), factor);
        pass([&](Index number, const auto& sum) {
          const Index begin = number * BlockOf::most;
          BlockOf block;
          fill(block, x, gradient[tensor.number], row_major, begin, (std::min)(BlockOf::most, x.shape.size() - begin));
          run(0, at, tensor, block, false);
          sum(block.x.data(), block.value.data());
        }, x.shape.size(), {}, sums);
        for (std::size_t k = 0; k < count; ++k) kernel::add_to(total[k], sums[k]);
      });
      return total;
    });
  }

  /// A hyperparameter of a part, and its name among those of all parts.
  struct ListedName {
    std::size_t part;
    std::string_view name;
    std::string in_chain;
  };

  std::string name_;
  Parts parts_;
  std::vector<ListedName> hyperparameters_;
  std::size_t rule_ = 0;
  std::vector<LinkFacts> facts_;  ///< of each part, for the tensor that is stepped
  TensorShapes<Scalar, Eigen::Dynamic> shapes_;
  Settings settings_;
  Skips skips_;
  std::int64_t steps_ = 0;
};

// ---- Checkpoints -----------------------------------------------------------------------------------

/// The chain as checkpoints see it, as they see an Optimizer of a Chain (checkpoint/record.hpp).
template <class Scalar>
class SavedChain final : public SavedOptimizer<Scalar> {
 public:
  explicit SavedChain(ChainModel<Scalar>& chain) : chain_(chain) {}

  Record record(Views<const Scalar> params) const override {
    chain_.validate();
    chain_.require_own_tensors(params.count);
    if (chain_.steps_ > 0) require_shapes(params, chain_.shapes_);
    Record record{std::string(chain_.rule()), values_of(-1),          counter_of(chain_, -1),
                  chain_.skips_.total,        chain_.skips_.in_a_row, {}};
    for (Index i = 0; i < rule_of(chain_).own_tensors(); ++i) {
      if (!rule_of(chain_).has_own(i)) continue;
      TensorRecord& its = record.tensors.emplace_back();
      its.tensor = i;
      its.counter = counter_of(chain_, i);
      its.frozen = rule_of(chain_).frozen(i);
      if (rule_of(chain_).has_own_rule(i)) its.hyperparameters = values_of(i);
    }
    require_sound(record, chain_);
    return record;
  }
  std::vector<StateArray<const Scalar>> arrays() const override { return arrays_of<const Scalar>(chain_); }

  void prepare(const Record& record, Index count, bool keeps_hyperparameters) override {
    require_rule(record, chain_.rule());
    loaded_ = std::make_unique<ChainModel<Scalar>>(chain_);
    loaded_->reset();
    if (!keeps_hyperparameters) take_values(-1, record.hyperparameters);
    for (Index i = 0; i < rule_of(chain_).own_tensors(); ++i) {
      if (!keeps_hyperparameters) loaded_->own_rule(i, false);
      loaded_->freeze(i, false);
    }
    for (const TensorRecord& its : record.tensors) {
      require_tensor(its, count);
      if (!keeps_hyperparameters && its.hyperparameters) {
        loaded_->own_rule(its.tensor, true);
        take_values(its.tensor, *its.hyperparameters);
      }
      if (its.frozen) loaded_->freeze(its.tensor, true);
    }
    loaded_->validate();
    require_sound(record, *loaded_);
    set_counter(-1, record.counter);
    for (Index i = 0; i < rule_of(*loaded_).own_tensors(); ++i)
      if (rule_of(*loaded_).has_own(i)) set_counter(i, record.counter);
    for (const TensorRecord& its : record.tensors) set_counter(its.tensor, its.counter);
    loaded_->steps_ = record.counter.steps;
    loaded_->skips_ = {record.skipped_steps, record.skipped_in_a_row};
  }
  std::vector<StateArray<Scalar>> allocate(Views<const Scalar> params) override {
    if (loaded_->steps_ > 0) loaded_->remember(params);
    return arrays_of<Scalar>(*loaded_);
  }
  void commit() noexcept override {
    chain_.parts_.swap(loaded_->parts_);
    chain_.shapes_ = std::move(loaded_->shapes_);
    chain_.skips_ = loaded_->skips_;
    chain_.steps_ = loaded_->steps_;
  }

 private:
  using Chain = ChainModel<Scalar>;

  static AnyLink<Scalar>& rule_of(const Chain& chain) { return *chain.parts_[chain.rule_]; }

  Values values_of(Index tensor) const {
    Values values;
    for (const HyperparameterInfo& each : chain_.hyperparameters(tensor)) values.emplace(each.name, each.value);
    return values;
  }
  void take_values(Index tensor, const Values& values) {
    for (const auto& [name, value] : values) loaded_->set(tensor, name, value);
  }

  /// What the parts count, one after the other.
  static CounterRecord counter_of(const Chain& chain, Index tensor) {
    CounterRecord all;
    for (const auto& part : chain.parts_) {
      const CounterRecord its = part->counter(tensor);
      all.steps = its.steps;
      all.products.insert(all.products.end(), its.products.begin(), its.products.end());
      all.numbers.insert(all.numbers.end(), its.numbers.begin(), its.numbers.end());
    }
    return all;
  }
  void set_counter(Index tensor, const CounterRecord& record) {
    require_numbers(record, counter_of(chain_, -1).numbers.size(), tensor < 0 ? "" : prefix_of(tensor));
    auto product = record.products.begin(), number = record.numbers.begin();
    for (const auto& part : loaded_->parts_) {
      CounterRecord its = part->counter(-1);
      its.steps = record.steps;
      for (double& each : its.products) each = *product++;
      for (double& each : its.numbers) each = *number++;
      part->set_counter(tensor, its);
    }
  }
  static void require_sound(const Record& record, const Chain& chain) {
    const auto factors_of = [&](Index tensor) {
      std::vector<double> all;
      for (const auto& part : chain.parts_)
        for (const double factor : part->running_factors(tensor)) all.push_back(factor);
      return all;
    };
    detail::require_sound(record, factors_of(-1));
    for (const TensorRecord& its : record.tensors) detail::require_sound(its, record, factors_of(its.tensor));
  }

  template <class S>
  static std::vector<StateArray<S>> arrays_of(const Chain& chain) {
    std::vector<StateArray<S>> arrays;
    if (chain.steps_ == 0) return arrays;
    Index offset = 0;
    for (Index tensor = 0; tensor < chain.shapes_.size(); offset += chain.shapes_[tensor++].size())
      for (const auto& part : chain.parts_)
        for (std::size_t slot = 0; slot < part->state_names().size(); ++slot)
          arrays.push_back({part->state_names()[slot], tensor,
                            contiguous_view<S>(part->state_to_fill(slot) + offset, chain.shapes_[tensor]), false});
    return arrays;
  }

  Chain& chain_;
  std::unique_ptr<Chain> loaded_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

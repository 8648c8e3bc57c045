// SPDX-License-Identifier: MIT
//
// Sharded: an optimizer whose state is spread over the processes of an MPI program. Each of them, a rank, has all
// parameters and its own gradient; a step reduces the gradients to their mean, share by share, steps each share where
// its state is, and gathers the parameters (the first stage of ZeRO; Rajbhandari et al. 2020, arXiv:1910.02054).
//
//     MPI_Init(&argc, &argv);
//     {
//       auto optimizer = descent::make_sharded<float>(descent::rules::Adam{});   // of all ranks of MPI_COMM_WORLD
//       for (...) {
//         gradient = ...;                                                        // of this rank's data
//         optimizer.step(std::tie(W, b), gradient);                              // on every rank
//       }
//     }
//     MPI_Finalize();
//
// An optional header that descent.hpp does not include: it needs MPI, version 3 or newer (Debian: libopenmpi-dev;
// CMake: descent::mpi). It uses MPI's C functions only. <descent/mpi/checkpoint.hpp> saves and loads.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/memory.hpp>
#include <descent/mpi/communicator.hpp>
#include <descent/mpi/exchange.hpp>
#include <descent/mpi/share_step.hpp>
#include <descent/mpi/shares.hpp>
#include <descent/nonfinite.hpp>
#include <descent/optimizer.hpp>
#include <descent/rule.hpp>
#include <descent/strided.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

/// The shapes of the whole tensors, and the shares into which they are cut.
template <class Scalar>
struct Layout {
  TensorShapes<Scalar, Eigen::Dynamic> shapes;
  Shares shares;
  std::vector<View<Scalar>> memory;

  template <class R, class S>
  void cut(Views<S> params, const Communicator& ranks) {
    shapes.remember(params);
    shares = Shares(shapes, ranks.size(), unit_of_cuts<R, Scalar>);
    memory.resize(static_cast<std::size_t>(params.count));
  }

  /// The share of this rank of each tensor, if they lie one after the other at x. A whole tensor keeps its shape.
  Views<Scalar> views(const Communicator& ranks, Scalar* x) {
    const Share* share = shares.of(ranks.rank()).begin();
    for (Index tensor = 0; tensor < shapes.size(); ++tensor) {
      const bool has_one = share != shares.of(ranks.rank()).end() && share->tensor == tensor;
      const Index count = has_one ? share->count : 0;
      const Shape shape = shapes[tensor];
      memory[static_cast<std::size_t>(tensor)] =
          contiguous_view(x, has_one && count == shape.size() ? shape : Shape{count, 1, false});
      if (x != nullptr) x += count;
      share += has_one ? 1 : 0;
    }
    return {memory.data(), shapes.size()};
  }
};

/// The access of mpi/checkpoint.hpp to a Sharded optimizer.
struct ShardedAccess;

}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// An optimizer of all ranks of a communicator, each of which has a share of its state.
///
/// `step`, `averaged` and `lookahead` are collective, as are construction, `save` and `load`: every rank calls them, in
/// the same order, and waits there for the others. All ranks must have the same parameters before the first step, which
/// checks it, and the same hyperparameters, settings and frozen tensors at each: what one rank sets, all set. If ranks
/// differ, or if a call fails on one of them, it throws on every rank, with a text that names the rank, before any
/// parameter, state or counter has changed.
///
/// A step gives the same bits as one of a single Optimizer with the mean of the gradients,
///
///     g = ((g_0 + g_1) + g_2 + ...) / n        over the ranks 0, 1, ..., n - 1
///
/// whatever the number of ranks and however MPI moves the numbers: each rank adds in this order itself. (It is the mean
/// that a GradientAccumulator takes.) This is the gradient of the mean over all data if all ranks have equally many.
///
/// Shares: all tensors, one after the other, are cut into n ranges of equal length; each cut is moved to the nearest
/// cache line of its tensor (64 bytes), for a chain with norms to the nearest block of them (4096 elements), and for
/// tensors that the rule steps as a whole (matrices of Muon, all of Adafactor) to the nearer end of the tensor. So a
/// rank has at most 1/n of the state and one such unit, and a rule that steps whole tensors is balanced only as well as
/// they allow: its largest one is the work of one rank. Few parameters may leave ranks without any.
///
/// Per step, a rank sends and receives (n - 1)/n times the gradient, without frozen tensors, and as much for the
/// parameters; all ranks agree once, on 24 bytes. Norms are exchanged as one number (two for a norm of steps) of 8
/// bytes for 4096 elements. Each rank needs memory for 2/n times the parameters beside the state, and for up to 8 MiB
/// of what is on its way (with more than 32 ranks, 256 KiB for each of them). All of it is allocated at the first step.
///
/// A rule's members are its hyperparameters, as in Optimizer. Its other functions are those of Optimizer. A Sharded
/// optimizer is no copy of another, but may be moved; it must be destroyed before MPI_Finalize. MPI must allow calls by
/// this thread. An error in MPI itself ends the program, unless the communicator has another handler, as it had when it
/// was given; then it throws std::runtime_error, and the optimizer can no longer be used. A rank that dies ends the
/// job, as MPI has it: see `save`.
template <Rule R, class Scalar = double>
class Sharded : public R {
  using Local = Optimizer<R, Scalar>;
  using ShareStep = detail::ShareStep<Local>;
  friend struct detail::ShardedAccess;

 public:
  /// Takes a rule, and the communicator of the ranks, of which it makes its own. Throws std::invalid_argument if a
  /// hyperparameter is out of range or the ranks differ, and std::logic_error outside of MPI_Init and MPI_Finalize.
  explicit Sharded(R rule = {}, MPI_Comm ranks = MPI_COMM_WORLD)
      : R(rule), ranks_(ranks), local_(ranks_.together([&](const auto& agree) {
          Local local(rule);
          agree([&](auto& list) { describe("construction", local, 0, list); });
          return local;
        })) {}

  /// `step(params, gradient)` of Optimizer, with the gradient of this rank. Throws, on all ranks, what that would on
  /// one of them, and std::invalid_argument if the ranks differ. Whether a gradient is finite is asked of the mean.
  template <class Params, class Gradient>
  requires ParametersOf<Params, Scalar, Eigen::Dynamic> && GradientOf<Gradient, Params, Scalar>
  void step(Params&& params, const Gradient& gradient) {
    ranks_.together([&](const auto& agree) {
      detail::with_views<Scalar>(params, gradient, layout_.shapes, [&](const auto& x, const auto& g, bool) {
        prepare(x, g);
        agree([&](auto& list) { describe_step(x, list); });
        step_shares(x, g);
        return false;
      });
    });
  }

  /// As in Optimizer. Of the state, this rank has only its share: of each array what belongs to its elements, in their
  /// order.
  std::int64_t steps() const { return local_.steps(); }
  std::int64_t skipped_steps() const { return local_.skipped_steps(); }
  auto state(std::size_t index) const { return local_.state(index); }
  auto state(std::string_view array) const { return local_.state(array); }
  void set_threads(int threads) { local_.set_threads(threads); }

  /// As in Optimizer; to be called alike on all ranks.
  void reset() { local_.reset(); }
  void freeze(Eigen::Index tensor) { local().freeze(tensor); }
  void unfreeze(Eigen::Index tensor) { local().unfreeze(tensor); }
  bool frozen(Eigen::Index tensor) const { return local_.frozen(tensor); }
  R& tensor_rule(Eigen::Index tensor) { return local().tensor_rule(tensor); }
  void common_rule(Eigen::Index tensor) { local().common_rule(tensor); }
  void set_nonfinite(NonFinite policy, int most_in_a_row = 10) { local_.set_nonfinite(policy, most_in_a_row); }

  /// As in Optimizer: the point of all parameters, on every rank.
  template <class Params>
  requires LooksAhead<R> && Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar>
  auto lookahead(const Params& params) {
    return moved("lookahead", params,
                 [](const Local& local, const auto& shares) { ShareStep::move_to_lookahead(local, shares); });
  }
  template <class Params>
  requires KeepsAverage<R> && Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar>
  auto averaged(const Params& params) {
    return moved("averaged", params,
                 [](const Local& local, const auto& shares) { ShareStep::move_to_average(local, shares); });
  }

  /// The communicator of the ranks, which belongs to this optimizer.
  MPI_Comm communicator() const { return ranks_.get(); }

 private:
  using Index = Eigen::Index;
  using Params = detail::Views<Scalar>;
  using Gradient = detail::Views<const Scalar>;

  /// With the hyperparameters as they stand now.
  Local& local() const {
    static_cast<R&>(local_) = *this;
    return local_;
  }

  void take_hyperparameters() { static_cast<R&>(*this) = local_; }

  template <class List>
  static void describe(std::string_view call, const Local& local, Index tensors, List& list) {
    list({"call"}, call);
    list({"rule"}, R::name);
    list({"scalar"}, detail::scalar_name<Scalar>());
    list({"tensors"}, tensors);
    ShareStep::describe(local, tensors, list);
  }
  template <class List>
  void describe_shapes(List& list) const {
    for (Index tensor = 0; tensor < layout_.shapes.size(); ++tensor) {
      const detail::Shape shape = layout_.shapes[tensor];
      list({"rows of tensor ", tensor}, shape.rows);
      list({"columns of tensor ", tensor}, shape.cols);
      list({"row-major tensor ", tensor}, shape.row_major);
    }
  }
  template <class List>
  void describe_step(Params params, List& list) const {
    describe("step", local_, params.count, list);
    describe_shapes(list);
    if (steps() > 0) return;
    for (Index tensor = 0; tensor < params.count; ++tensor)
      list({"a checksum of the parameters of tensor ", tensor}, checksum_of(params[tensor]));
  }
  static std::uint64_t checksum_of(const detail::View<Scalar>& tensor) {
    detail::Digest digest;
    for (Index col = 0; col < tensor.shape.cols; ++col)
      for (Index row = 0; row < tensor.shape.rows; ++row) {
        const Scalar number = tensor.data[row * tensor.row_stride + col * tensor.col_stride];
        digest({}, number);
        if constexpr (std::is_same_v<Scalar, long double>) digest({}, number - static_cast<double>(number));
      }
    return digest.value();
  }

  /// Does all of a step that can fail on one rank alone, and allocates all that it needs.
  void prepare(Params params, Gradient gradient) {
    ShareStep::validate(local());
    detail::require_pairs(params, gradient);
    if (steps() > 0)
      detail::require_shapes(params, layout_.shapes);
    else
      remember(params);
    reserve();
  }

  /// Called before the first step: cuts the shares and creates their state.
  void remember(Params params) {
    ShareStep::require_own_tensors(local_, params.count);
    layout_.template cut<R>(params, ranks_);
    ShareStep::remember(local_, layout_.views(ranks_, nullptr));
  }
  void reserve() {
    const Index own = layout_.shares.of(ranks_.rank()).size();
    x_.of(own);
    g_.of(own);
    exchange_.reserve(layout_.shares, ranks_.size());
    ShareStep::reserve_work(local_, layout_.shares.of(ranks_.rank()));
    facts_.resize(static_cast<std::size_t>(layout_.shapes.size()));
    if constexpr (detail::norm_link_count<R> > 0) norms_.reserve(layout_.shares, ranks_, layout_.shapes.size());
    moving_.assign_without(layout_.shares, [&](Index tensor) { return ShareStep::is_frozen(local_, tensor); });
  }

  /// The values of these shares of this rank, one after the other.
  template <class S>
  Scalar* take_values(detail::Views<S> tensors, const detail::Shares& shares) {
    auto* const x = x_.memory.template array<Scalar>();
    Scalar* to = x;
    for (const detail::Share& share : shares.of(ranks_.rank())) {
      detail::copy_part<Scalar>(tensors[share.tensor], layout_.shapes[share.tensor].row_major, share.begin, share.count,
                                to);
      to += share.count;
    }
    return x;
  }

  void step_shares(Params params, Gradient gradient) {
    auto* const g = g_.memory.template array<Scalar>();
    exchange_.mean_of(gradient, layout_.shapes, moving_, ranks_, g);
    const detail::ShareData<Scalar> data{moving_.of(ranks_.rank()), take_values(params, moving_), g};
    ShareStep::measure(local_, layout_.shapes, moving_, data, ranks_, facts_, norms_);
    if (!ShareStep::propagates(local_) && !ShareStep::accepts(local_, layout_.shapes, data, ranks_, facts_)) return;
    ShareStep::take(local_, data, facts_);
    exchange_.gather(data.x, moving_, ranks_, layout_.shapes, params);
  }

  /// A copy of params in which move(local, shares) has moved each rank's share.
  template <class Given, class Move>
  auto moved(std::string_view call, const Given& params, const Move& move) {
    return ranks_.together([&](const auto& agree) {
      ShareStep::validate(local());
      auto copies = detail::copies_of(params);
      const auto kept = detail::views_of<Scalar>(copies);
      const auto views = detail::views_in<Scalar>(kept);
      if (steps() > 0) {
        detail::require_shapes(views, layout_.shapes);
        reserve();
      }
      agree([&](auto& list) {
        describe(call, local_, views.count, list);
        if (steps() > 0) describe_shapes(list);
      });
      if (steps() > 0) {
        move(local_, layout_.views(ranks_, take_values(views, layout_.shares)));
        exchange_.gather(x_.memory.template array<Scalar>(), layout_.shares, ranks_, layout_.shapes, views);
      }
      return copies;
    });
  }

  detail::Communicator ranks_;
  mutable Local local_;  ///< its tensors are the shares of this rank, and its hyperparameters those at the last check
  detail::Layout<Scalar> layout_;
  detail::Shares moving_;              ///< of tensors that are not frozen
  detail::ReusedArray<Scalar> x_, g_;  ///< the values and gradients of this rank's shares
  detail::Exchange<Scalar> exchange_;
  std::vector<detail::TensorFacts<R>> facts_;
  detail::NormMemory<Scalar> norms_;
};

/// A Sharded optimizer for this rule: `auto adam = make_sharded<float>(descent::presets::keras::adam());`. Throws like
/// its constructor.
template <class Scalar, Rule R>
Sharded<R, Scalar> make_sharded(R rule, MPI_Comm ranks = MPI_COMM_WORLD) {
  return Sharded<R, Scalar>(std::move(rule), ranks);
}

}  // namespace DESCENT_FLAGS

}  // namespace descent

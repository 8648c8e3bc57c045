// SPDX-License-Identifier: MIT
//
// Optimizer: a rule with its memory. A step turns its arguments into views (tensors.hpp), checks everything that could
// go wrong, asks the rule for the kernel of this step (rule.hpp), and applies it to parameters and state in one pass
// (kernel/sweep.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/finite_gradient.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/memory.hpp>
#include <descent/nonfinite.hpp>
#include <descent/own_tensors.hpp>
#include <descent/rule.hpp>
#include <descent/settings.hpp>
#include <descent/strided.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

/// What an optimizer remembers between steps.
template <class R, class Scalar, int Size>
struct Memory {
  static constexpr std::size_t factors = count_running_factors<R>();

  StepCounter<R> counter;
  StateArrays<Scalar, R::state_names.size(), Size> state;
  TensorShapes<Scalar, Size> shapes;
  Skips skips;
  /// Size and layout of the only tensor, as long as its steps need nothing but comparisons; -1 and 0 otherwise.
  std::int32_t fast_path_size = -1;
  std::int32_t fast_path_layout = 0;
};

/// The only access to an optimizer's memory from outside; checkpoint.hpp uses it.
struct MemoryAccess;

/// An optimizer behind an AnyOptimizer (any/typed_model.hpp).
template <class R, class Scalar>
class TypedModel;

/// Members of Optimizer in optional headers: sparse.hpp and resize.hpp.
template <class O>
struct SparseStep;
template <class O>
struct Resize;

/// A step of a rank's share of the parameters (mpi.hpp).
template <class O>
struct ShareStep;

}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// One step of a rule on arrays that the caller owns; a step of an Optimizer comes down to this. It is step t >= 1 of a
/// counter that is advanced once for all arrays stepped together:
///
///     descent::rules::Adam adam;
///     descent::StepCounter<descent::rules::Adam> counter;
///     std::vector<float> m(n, 0), v(n, 0);                // initial_state(adam) is {0, 0}
///     counter = counter.next(adam);
///     descent::step_arrays(adam, counter, x, g, {m.data(), v.data()}, n);
///
/// x, g and the state arrays, in the order of R::state_names, have n elements each and may have any alignment. They
/// must not overlap, but g may be x itself. Nothing is checked, neither these conditions nor the hyperparameters, and
/// nothing is thrown or allocated. With OpenMP, `threads` threads share the step as in Optimizer::set_threads. The
/// arrays are not a matrix, and all that a chain's norm over all tensors sees. Muon and Adafactor need an Optimizer.
template <Rule R, class Scalar>
requires(!StepsWhole<R>)
void step_arrays(const R& rule, const StepCounter<R>& counter, Scalar* x, const Scalar* g,
                 const std::array<Scalar*, R::state_names.size()>& state, std::ptrdiff_t n, int threads = 1) {
  detail::TensorFacts<R> facts;
  if constexpr (detail::norm_link_count<R> > 0) {
    const detail::Shape shape{static_cast<Eigen::Index>(n), 1, false};
    const detail::TensorStep<R, Scalar> tensor{
        rule, counter, detail::contiguous_view(x, shape), detail::contiguous_view(g, shape), false, state};
    detail::measure_all<Scalar>([&](const auto& visit) { visit(tensor); }, threads, facts);
    detail::measure_tensor<detail::norm_link_count<R>>(tensor, threads, facts);
  }
  detail::with_pass<Scalar>(rule, counter, threads, [&](const auto& pass) { pass(x, g, state, n); }, facts);
}

}  // namespace DESCENT_FLAGS

/// Of what is not a rule, there is no optimizer. (fwd.hpp declares Optimizer for rules that are not defined yet, so it
/// cannot demand anything of them.)
template <class R, class Scalar, int Size>
class Optimizer {
  static_assert(Rule<R>, "descent: an Optimizer needs a Rule; see this concept");
};

/// A first-order optimizer: `optimizer.step(params, gradient)` moves the parameters once.
///
/// The hyperparameters are the members of the rule R. Each may be read and set at any time; a new value applies from
/// the next step. Copies and moves are independent values: a copy continues exactly as the original would, and a
/// moved-from optimizer is like a newly constructed one.
///
/// Scalar is float, double or long double, for parameters, gradient and state alike. State: one scalar per parameter
/// for each of R::state_names, unless the rule says otherwise. With a fixed Size, the number of parameters in all
/// tensors together, the optimizer itself never allocates on the heap; with Eigen::Dynamic it does so only at the first
/// step after construction or `reset`. Apart from that, a step allocates only to copy a gradient: one that is an
/// expression, or that overlaps the state, or parameters other than element by element, is copied at each step to
/// memory that the optimizer keeps. Tuples and ranges of gradients in memory are not copied.
///
/// CPUs are slow below the smallest normal number, min. Numbers close to it therefore count as 0 (limits for float,
/// double):
///
///     squares of gradients, at once                     below 2^10 min   (2^-116, 2^-1012)
///     state of the size of gradients or steps,
///     at every 32nd step                                below 2^26 min   (2^-100, 2^-996)
///     state of the size of their squares, or of a rule
///     without state_powers, at every 32nd step          below 2^5 min    (2^-121, 2^-1017)
template <Rule R, class Scalar, int Size>
class Optimizer<R, Scalar, Size> : public R {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double> || std::is_same_v<Scalar, long double>,
                "descent: the scalar of an optimizer is float, double or long double");
  static_assert(Size >= 0 || Size == Eigen::Dynamic, "descent: the size of an optimizer is >= 0 or Eigen::Dynamic");
  static_assert(Eigen::Dynamic == -1, "descent: fwd.hpp takes this for the default");

  static constexpr std::size_t state_count = R::state_names.size();
  static constexpr bool steps_by_kernel =
      !StepsWhole<R> || requires(const R& rule) { rule.kernel(std::declval<const detail::StepOf<R, Scalar>&>()); };
  /// Norms take a pass of their own, beside which nothing is small.
  static constexpr bool has_fast_path = steps_by_kernel && detail::norm_link_count<R> == 0;
  using Memory = detail::Memory<R, Scalar, Size>;
  friend struct detail::MemoryAccess;
  template <class, class>
  friend class detail::TypedModel;
  friend struct detail::SparseStep<Optimizer>;
  friend struct detail::Resize<Optimizer>;
  friend struct detail::ShareStep<Optimizer>;

 public:
  /// Takes a rule, by default one with its default hyperparameters. Throws std::invalid_argument if a hyperparameter,
  /// or the environment variable DESCENT_ISA, is out of range.
  DESCENT_TAGGED explicit Optimizer(R rule = {}) : R(std::move(rule)), validated_(*this) {
    detail::validate<Scalar>(validated_);
    kernel::require_choice_of_isa();
  }

  DESCENT_TAGGED Optimizer(const Optimizer&) = default;
  DESCENT_TAGGED Optimizer(Optimizer&& other) noexcept
      : R(static_cast<R&&>(other)),
        validated_(std::move(other.validated_)),
        memory_(std::exchange(other.memory_, Memory{})),
        own_(std::move(other.own_)),
        settings_(other.settings_) {}
  DESCENT_TAGGED Optimizer& operator=(const Optimizer& other) {
    *this = Optimizer(other);  // if the copy throws, nothing has changed
    return *this;
  }
  DESCENT_TAGGED Optimizer& operator=(Optimizer&& other) noexcept {
    R::operator=(static_cast<R&&>(other));
    validated_ = std::move(other.validated_);
    memory_ = std::exchange(other.memory_, Memory{});
    own_ = std::move(other.own_);
    settings_ = other.settings_;
    return *this;
  }
  DESCENT_TAGGED ~Optimizer() = default;

  /// params <- params - the rule's step for this gradient.
  ///
  /// params is a writable dense Eigen object (Matrix, Array, Map, Ref, Block, row, strided …), a tuple of them
  /// (`std::tie(W, b)`) or a range of them. gradient has the same shape; several tensors have one gradient each. All
  /// tensors share one state and one counter. A gradient that is an expression, or that overlaps parameters other than
  /// element by element, is copied before anything is written.
  ///
  /// The first step fixes the shapes until `reset`. Throws std::invalid_argument if a shape differs or a hyperparameter
  /// is out of range, and std::bad_alloc if memory runs out. Whenever it throws, parameters, state and counter are
  /// unchanged.
  template <class Params, class Gradient>
  requires ParametersOf<Params, Scalar, Size> && GradientOf<Gradient, Params, Scalar>
  DESCENT_TAGGED void step(Params&& params, const Gradient& gradient) {
    if constexpr (detail::contiguous_alike<Params, Gradient> && has_fast_path) {
      constexpr bool owners = detail::Plain<Params> && detail::Plain<Gradient>;  // share all of their memory or none
      const detail::Shape shape = detail::shape_of(params);
      if (detail::shape_of(gradient) == shape &&
          try_fast_path(params.data(), gradient.data(), shape.size(), shape.layout(), !owners)) [[likely]]
        return;
    }
    detail::with_views<Scalar>(params, gradient, memory_.shapes, [this](const auto& x, const auto& g, bool disjoint) {
      return checked_step(x, g, disjoint);
    });
  }

  /// A step of some columns, or rows, of one tensor: the one number columns[k] moves by the rule's step for number k of
  /// the gradient, and no other parameter or state is touched. <descent/sparse.hpp> defines and describes them.
  template <class Params, Indices Columns, class Gradient>
  requires ParametersOf<Params, Scalar, Size> && DenseTensor<Params> && GradientOf<Gradient, Params, Scalar>
  DESCENT_TAGGED void step_columns(Params&& params, const Columns& columns, const Gradient& gradient) {
    detail::SparseStep<Optimizer>::columns(*this, params, columns, gradient);  // needs <descent/sparse.hpp>
  }
  template <class Params, Indices Rows, class Gradient>
  requires ParametersOf<Params, Scalar, Size> && DenseTensor<Params> && GradientOf<Gradient, Params, Scalar>
  DESCENT_TAGGED void step_rows(Params&& params, const Rows& rows, const Gradient& gradient) {
    detail::SparseStep<Optimizer>::rows(*this, params, rows, gradient);  // needs <descent/sparse.hpp>
  }
  /// The same for the elements that a sparse gradient, of the shape of params, stores.
  template <class Params, SparseTensor Gradient>
  requires ParametersOf<Params, Scalar, Size> && DenseTensor<Params> && OfScalar<Params, typename Gradient::Scalar>
  DESCENT_TAGGED void step_sparse(Params&& params, const Gradient& gradient) {
    detail::SparseStep<Optimizer>::elements(*this, params, gradient);  // needs <descent/sparse.hpp>
  }

  /// Changes the state of one tensor as its parameters change: those of the columns, or rows, with these numbers stay,
  /// in this order. Or gives as many new ones behind the last a state as before the first step. <descent/resize.hpp>
  /// defines and describes them.
  template <Indices Columns>
  DESCENT_TAGGED void keep_columns(const Columns& columns, Eigen::Index tensor = 0) {
    detail::Resize<Optimizer>::keep_columns(*this, columns, tensor);  // needs <descent/resize.hpp>
  }
  template <Indices Rows>
  DESCENT_TAGGED void keep_rows(const Rows& rows, Eigen::Index tensor = 0) {
    detail::Resize<Optimizer>::keep_rows(*this, rows, tensor);  // needs <descent/resize.hpp>
  }
  DESCENT_TAGGED void append_columns(std::integral auto count, Eigen::Index tensor = 0) {
    detail::Resize<Optimizer>::append_columns(*this, count, tensor);  // needs <descent/resize.hpp>
  }
  DESCENT_TAGGED void append_rows(std::integral auto count, Eigen::Index tensor = 0) {
    detail::Resize<Optimizer>::append_rows(*this, count, tensor);  // needs <descent/resize.hpp>
  }

  /// The number of steps taken since construction or `reset`.
  DESCENT_TAGGED std::int64_t steps() const { return memory_.counter.t; }

  /// Forgets state, counters and shapes. The hyperparameters stay, also those of single tensors, which tensors are
  /// frozen, and everything set by set_….
  DESCENT_TAGGED void reset() {
    memory_ = Memory{};
    own_.for_each([](Eigen::Index, auto& own) { own.counter = {}; });
  }

  /// From now on, steps leave this tensor's parameters and state as they are, and it is in no norm; its gradient may be
  /// anything of the right shape. Tensors count from 0, as in the arguments of `step`; before the first step, any
  /// number may be named. Throws std::out_of_range if there is no such tensor. The first call for a tensor allocates on
  /// the heap.
  ///
  /// A tensor's bias corrections follow the steps that it has taken itself, without those for which it was frozen.
  DESCENT_TAGGED void freeze(Eigen::Index tensor) { own(tensor).frozen = true; }
  DESCENT_TAGGED void unfreeze(Eigen::Index tensor) {
    require_tensor(tensor);
    if (detail::OwnTensor<R>* const own = own_.find(tensor)) own->frozen = false;
  }
  DESCENT_TAGGED bool frozen(Eigen::Index tensor) const {
    require_tensor(tensor);
    return is_frozen(tensor);
  }

  /// The hyperparameters of this tensor's own, to be read and set: at the first call a copy of the common ones, which
  /// no longer concern it from then on. The reference is valid until `common_rule`, `load`, or a move or destruction of
  /// the optimizer. Throws like `freeze`.
  DESCENT_TAGGED R& tensor_rule(Eigen::Index tensor) {
    detail::OwnTensor<R>& its = own(tensor);
    if (!std::exchange(its.has_rule, true)) its.rule = rule();
    return its.rule;
  }
  /// Gives the tensor back to the common hyperparameters.
  DESCENT_TAGGED void common_rule(Eigen::Index tensor) {
    require_tensor(tensor);
    if (detail::OwnTensor<R>* const own = own_.find(tensor)) own->has_rule = false;
  }

  /// The state array with that index or name in `state_names`, flat: tensor after tensor, each in the storage order in
  /// which the first step saw it. Empty before the first step; valid until the next step, reset, move or destruction.
  /// Throws std::out_of_range for an unknown index or name.
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::size_t index) const {
    if (index >= state_count) detail::fail_no_state({index}, R::state_names.data(), state_count);
    return {memory_.state.array(index), steps() == 0 ? 0 : state_size()};
  }
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view array) const {
    for (std::size_t index = 0; index < state_count; ++index)
      if (R::state_names[index] == array) return state(index);
    detail::fail_no_state({"\"", array, "\""}, R::state_names.data(), state_count);
  }

  /// How many threads may share a large step if the program is compiled with OpenMP: 1 by default, 0 for as many as
  /// Eigen::nbThreads(). No more take part than the machine has processors, each with at least 25,000 parameters. The
  /// bits of a step do not depend on it, nor on the rounding mode and the treatment of subnormal numbers with which the
  /// other threads were created: they adopt the caller's.
  ///
  /// A process created by fork() after a step with several threads must not take such a step itself: with libgomp it
  /// would wait forever for threads that only its parent has. Call set_threads(1) there.
  DESCENT_TAGGED void set_threads(int threads) { settings_.set_threads(threads); }

  /// What a step does with a gradient that is not finite: see NonFinite. The default is IEEE arithmetic.
  /// `most_in_a_row`, >= 1, is the number of steps in a row that `skip` skips before it throws.
  DESCENT_TAGGED void set_nonfinite(NonFinite policy, int most_in_a_row = 10) {
    settings_.set_nonfinite(policy, most_in_a_row);
    memory_.fast_path_size = -1;
  }

  /// The number of steps skipped because of their gradient since construction or `reset`.
  DESCENT_TAGGED std::int64_t skipped_steps() const { return memory_.skips.total; }

  /// The point where a rule with look-ahead wants its gradient: x - momentum * velocity for Nesterov, or x itself
  /// before the first step and for a frozen tensor. For several tensors, a tuple or a vector of them. Throws
  /// std::invalid_argument if a shape differs from that in the steps so far.
  template <class Params>
  requires LooksAhead<R> && Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar> &&
           OfSize<Params, Size>
  DESCENT_TAGGED auto lookahead(const Params& params) const {
    validate_all();
    auto point = detail::copies_of(params);
    if (steps() > 0) move_to_lookahead(detail::views_in<Scalar>(detail::views_of<Scalar>(point)));
    return point;
  }

  /// The average that a chain with Average or EqualAverage, or a schedule-free rule, keeps of params, in their shapes:
  /// one tensor, or a tuple or a vector of them. A tensor that has taken no step yet is returned as it is. Throws
  /// std::invalid_argument if a shape differs from that in the steps so far.
  template <class Params>
  requires KeepsAverage<R> && Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar> &&
           OfSize<Params, Size>
  DESCENT_TAGGED auto averaged(const Params& params) const {
    auto average = detail::copies_of(params);
    if (steps() > 0) move_to_average(detail::views_in<Scalar>(detail::views_of<Scalar>(average)));
    return average;
  }

 private:
  using Params = detail::Views<Scalar>;
  using Gradient = detail::Views<const Scalar>;
  using Arrays = kernel::Arrays<Scalar, state_count>;

  DESCENT_TAGGED const R& rule() const { return *this; }

  /// Checks the hyperparameters, also those of single tensors.
  DESCENT_TAGGED void validate_all() const {
    detail::validate<Scalar>(rule());
    own_.for_each([](Eigen::Index tensor, const auto& own) {
      if (own.has_rule) detail::validate<Scalar>(own.rule, tensor);
    });
  }

  /// Checks that tensors of their own are among the first `count`.
  DESCENT_TAGGED void require_own_tensors(Eigen::Index count) const {
    own_.for_each([&](Eigen::Index tensor, const auto&) {
      if (tensor >= count) detail::fail_no_tensor(tensor, count);
    });
  }
  DESCENT_TAGGED void require_tensor(Eigen::Index tensor) const {
    if (tensor < 0 || (steps() > 0 && tensor >= memory_.shapes.size()))
      detail::fail_no_tensor(tensor, steps() > 0 ? memory_.shapes.size() : -1);
  }
  DESCENT_TAGGED detail::OwnTensor<R>& own(Eigen::Index tensor) {
    require_tensor(tensor);
    memory_.fast_path_size = -1;
    return own_.make(tensor, memory_.counter, rule());
  }

  /// Takes the step if it needs nothing but comparisons: of hyperparameters and shape with those of the last check, and
  /// of addresses, unless both arguments own their memory. Otherwise does nothing and returns false.
  ///
  /// Everything else is kept out of it, so that a small step stays small. `flatten` inlines what is left: holding a
  /// kernel's coefficients in registers is worth a third of Adam's step. And with a probability of 1, where [[likely]]
  /// means 0.9, g++ lays out the loops for speed (bench/DEAD_ENDS.md).
  DESCENT_TAGGED [[gnu::flatten]] bool try_fast_path(Scalar* x, const Scalar* g, Eigen::Index n, Eigen::Index layout,
                                                     bool may_overlap) {
    if (!__builtin_expect_with_probability(takes_fast_path(x, g, n, layout, may_overlap), 1, 1.0)) return false;
    if constexpr (has_fast_path) {  // an explicit instantiation compiles this for all rules
      if (!kernel::is_small<Scalar>(n) || detail::flushes<R>(steps() + 1)) {
        step_contiguous(x, g, n, layout);
      } else {
        const StepCounter<R> counter = memory_.counter.next(rule());
        detail::with_kernel<Scalar>(rule(), counter, [&](const auto& kernel) __attribute__((always_inline)) {
          kernel::sweep_narrow(kernel, x, g, arrays(), 0, Size == Eigen::Dynamic ? n : Size);
        }, detail::facts_of<R>(n, layout));
        memory_.counter.advance_to(counter);
      }
    }
    return true;
  }

  DESCENT_TAGGED [[gnu::always_inline]] bool takes_fast_path(const Scalar* x, const Scalar* g, Eigen::Index n,
                                                             Eigen::Index layout, bool may_overlap) const {
    if (memory_.fast_path_size != n || memory_.fast_path_layout != layout) return false;
    if (!detail::same_hyperparameters(rule(), validated_)) return false;
    if (!may_overlap) return true;
    const detail::AddressRange reading{g, g + n};
    return (x == g || !reading.overlaps({x, x + n})) && !reading.overlaps(memory_.state.address_range());
  }

  DESCENT_TAGGED [[gnu::noinline]] void step_contiguous(Scalar* x, const Scalar* g, Eigen::Index n,
                                                        Eigen::Index layout) {
    if constexpr (has_fast_path) {
      const StepCounter<R> counter = memory_.counter.next(rule());
      detail::with_pass<Scalar>(rule(), counter, threads(), [&](const auto& pass) { pass(x, g, arrays(), n); },
                                detail::facts_of<R>(n, layout));
      memory_.counter.advance_to(counter);
    }
  }

  /// `disjoint`: whether it is already known that the step overwrites no gradient before reading it. Returns whether it
  /// is known now.
  DESCENT_TAGGED [[gnu::noinline]] bool checked_step(Params params, Gradient gradient, bool disjoint) {
    validate_all();
    validated_ = *this;
    detail::require_pairs(params, gradient);
    if (steps() > 0) detail::require_shapes(params, memory_.shapes);
    if (steps() == 0) remember(params);
    detail::TensorFacts<R> facts;
    if constexpr (detail::norm_link_count<R> > 0)
      detail::measure_all<Scalar>([&](const auto& visit) { for_each_step(params, gradient, visit); }, threads(), facts);
    if (settings_.nonfinite != NonFinite::propagate && !accepts(gradient, facts)) return disjoint;
    memory_.skips.in_a_row = 0;
    if constexpr (has_fast_path) open_fast_path(params);
    disjoint =
        disjoint || !detail::overwrites_gradient(params, gradient, memory_.state.address_range(), memory_.shapes);
    if (disjoint)
      take_step(params, gradient, facts);
    else
      memory_.shapes.with_copy(detail::size_of(params),
                               [&](Scalar* copy) { take_step(params, gradient, facts, copy); });
    return disjoint;
  }

  /// Notes whether further steps on these parameters need nothing but comparisons. An empty tensor is excluded, because
  /// its size does not determine its rows.
  DESCENT_TAGGED void open_fast_path(Params params) {
    constexpr auto most = (std::numeric_limits<std::int32_t>::max)();
    const detail::Shape shape = params.count == 1 ? params[0].shape : detail::Shape{};
    const bool opens = shape.size() > 0 && shape.size() <= most / 2 && settings_.nonfinite == NonFinite::propagate &&
                       kernel::may_use_baseline() && own_.size() == 0 && !stepped_whole(shape);
    memory_.fast_path_size = opens ? static_cast<std::int32_t>(shape.size()) : -1;
    memory_.fast_path_layout = opens ? static_cast<std::int32_t>(shape.layout()) : 0;
  }

  /// Whether the gradient is accepted. If it is not, the step is skipped and counted, or an error is thrown.
  DESCENT_TAGGED bool accepts(Gradient gradient, const detail::TensorFacts<R>& facts) {
    if constexpr (requires { requires R::norm_shows_nonfinite; })
      if (std::isfinite(facts.norms[0])) return true;
    return all_accepted(gradient);
  }
  /// `positions` is described in finite_gradient.hpp.
  DESCENT_TAGGED bool all_accepted(Gradient gradient, const Eigen::Index* positions = nullptr) {
    return detail::accepts<detail::squares_gradient<R>>(
        gradient, [this](Eigen::Index tensor) { return is_frozen(tensor); }, settings_, memory_.skips, positions);
  }

  /// `facts` has the norms over all tensors. `copy`, unless null, is memory for a copy of the gradient, which is then
  /// read from there.
  DESCENT_TAGGED [[gnu::noinline]] void take_step(Params params, Gradient gradient, const detail::TensorFacts<R>& facts,
                                                  Scalar* copy = nullptr) {
    if constexpr (StepsWhole<R>) reserve_work<R>(params);
    if (copy != nullptr) {
      Scalar* to = copy;
      for (Eigen::Index i = 0; i < gradient.count; ++i) to = detail::copy_elements(gradient[i], memory_.shapes[i], to);
    }
    const StepCounter<R> counter = memory_.counter.next(rule());
    Tensors tensors{0, arrays(), copy};
    while (tensors.next < params.count) {
      detail::OwnTensor<R>* const own = own_.find(tensors.next);
      if (own != nullptr && own->frozen) {
        pass_by(tensors);
        continue;
      }
      const R& its_rule = rule_of(own);
      if (own != nullptr) own->counter = own->counter.next(its_rule);
      const StepCounter<R>& its_counter = own != nullptr ? own->counter : counter;
      if constexpr (StepsWhole<R>)
        if (stepped_whole(params[tensors.next].shape)) {
          step_whole(its_rule, its_counter, params[tensors.next], gradient_of(gradient, tensors), tensors);
          pass_by(tensors);
          continue;
        }
      detail::TensorFacts<R> its_facts = facts;
      if constexpr (detail::IsChain<R>)
        detail::measure_tensor<detail::norm_link_count<R>>(
            detail::TensorStep<R, Scalar>{its_rule, its_counter, params[tensors.next], gradient_of(gradient, tensors),
                                          memory_.shapes[tensors.next].row_major, tensors.state},
            threads(), its_facts);
      if constexpr (steps_by_kernel) {
        const Eigen::Index end = end_of_alike(params, tensors.next);
        detail::with_pass<Scalar>(its_rule, its_counter, threads(), [&](const auto& pass) {
          sweep_until(end, pass, params, gradient, tensors);
        }, its_facts);
      }
    }
    memory_.counter.advance_to(counter);
  }

  /// Where a walk over the tensors stands.
  struct Tensors {
    Eigen::Index next;
    Arrays state;
    const Scalar* copy;  ///< of the gradient, or null
  };
  DESCENT_TAGGED void pass_by(Tensors& tensors) const {
    const detail::Shape shape = memory_.shapes[tensors.next++];
    for (Scalar*& array : tensors.state) array += detail::state_size<R, Scalar>(shape);
    if (tensors.copy != nullptr) tensors.copy += shape.size();
  }
  DESCENT_TAGGED detail::View<const Scalar> gradient_of(Gradient gradient, const Tensors& tensors) const {
    if (tensors.copy == nullptr) return gradient[tensors.next];
    return detail::contiguous_view(tensors.copy, memory_.shapes[tensors.next]);
  }
  DESCENT_TAGGED void sweep_until(Eigen::Index end, const kernel::Pass<Scalar, state_count>& pass, Params params,
                                  Gradient gradient, Tensors& tensors) const {
    for (; tensors.next < end; pass_by(tensors))
      detail::sweep_view(pass, params[tensors.next], gradient_of(gradient, tensors),
                         memory_.shapes[tensors.next].row_major, tensors.state);
  }

  template <StepsWhole Its>
  using WholeStep = typename Its::template WholeStep<Scalar>;

  /// Whether the rule steps this tensor as a whole.
  DESCENT_TAGGED static bool stepped_whole(const detail::Shape& shape) {
    if constexpr (StepsWhole<R>)
      return WholeStep<R>::takes(shape);
    else
      return false;
  }
  /// How many elements of each state array belong to the tensors; no more than they have themselves.
  DESCENT_TAGGED Eigen::Index state_size() const {
    if constexpr (StepsWhole<R>) {
      Eigen::Index size = 0;
      for (Eigen::Index i = 0; i < memory_.shapes.size(); ++i) size += detail::state_size<R, Scalar>(memory_.shapes[i]);
      return size;
    } else {
      return memory_.state.size();
    }
  }
  /// Allocates what steps of whole tensors need, before anything is written.
  template <StepsWhole Its>
  DESCENT_TAGGED void reserve_work(Params params) {
    for (const auto& x : params)
      if (stepped_whole(x.shape)) memory_.shapes.reserve_work(WholeStep<Its>::work(x.shape));
  }
  template <StepsWhole Its>
  DESCENT_TAGGED void step_whole(const Its& its_rule, const StepCounter<Its>& its_counter,
                                 const detail::View<Scalar>& x, const detail::View<const Scalar>& g,
                                 const Tensors& tensors) {
    memory_.shapes.with_work(WholeStep<Its>::work(x.shape), [&](Scalar* work) {
      const bool row_major = memory_.shapes[tensors.next].row_major;
      WholeStep<Its> whole({its_rule, its_counter, x, g, row_major, tensors.state}, work, threads());
      its_rule.step_whole(whole);
    });
  }

  /// The end of the tensors that share the kernel of the first.
  DESCENT_TAGGED Eigen::Index end_of_alike(Params params, Eigen::Index first) const {
    if (own_.find(first) != nullptr || detail::has_norms_of_each_tensor<R>()) return first + 1;
    constexpr bool sees_matrices = detail::IsChain<R> || StepsWhole<R>;
    if (own_.size() == 0 && !sees_matrices) return params.count;
    Eigen::Index end = first + 1;
    while (end < params.count && own_.find(end) == nullptr &&
           (!sees_matrices || params[end].shape.is_matrix() == params[first].shape.is_matrix()))
      ++end;
    return end;
  }

  /// Calls visit(step) with the step of each tensor that is not frozen, in order, for the norms over all of them.
  template <class Visit>
  DESCENT_TAGGED void for_each_step(Params params, Gradient gradient, const Visit& visit) {
    const StepCounter<R> counter = memory_.counter.next(rule());
    for (Tensors tensors{0, arrays(), nullptr}; tensors.next < params.count; pass_by(tensors)) {
      const detail::OwnTensor<R>* const own = own_.find(tensors.next);
      if (own != nullptr && own->frozen) continue;
      const R& its_rule = rule_of(own);
      visit(detail::TensorStep<R, Scalar>{its_rule, own != nullptr ? own->counter.next(its_rule) : counter,
                                          params[tensors.next], gradient[tensors.next],
                                          memory_.shapes[tensors.next].row_major, tensors.state});
    }
  }
  /// The hyperparameters that hold for a tensor; null for one like all others.
  DESCENT_TAGGED const R& rule_of(const detail::OwnTensor<R>* own) const {
    return own != nullptr && own->has_rule ? own->rule : rule();
  }
  DESCENT_TAGGED bool is_frozen(Eigen::Index tensor) const {
    const detail::OwnTensor<R>* const own = own_.find(tensor);
    return own != nullptr && own->frozen;
  }

  /// Calls visit(tensor, its part of a state array, what it has of its own or null) for tensors of the usual shapes.
  template <class Visit>
  DESCENT_TAGGED void for_each_with(Params tensors, const Scalar* array, const Visit& visit) const {
    detail::require_shapes(tensors, memory_.shapes);
    for (Eigen::Index i = 0; i < tensors.count; ++i) {
      const detail::Shape shape = memory_.shapes[i];
      visit(tensors[i], detail::contiguous_view(array, shape), own_.find(i));
      array += shape.size();
    }
  }

  /// From the parameters to the point of `lookahead`, and to that of `averaged`; nothing for rules that have none.
  DESCENT_TAGGED void move_to_lookahead([[maybe_unused]] Params points) const {
    if constexpr (LooksAhead<R>)
      for_each_with(points, memory_.state.array(0), [&](const auto& view, const auto& its, const auto* own) {
        if (own == nullptr || !own->frozen)
          move_by(view, its, own, [](const R& its_rule, const auto& step) { return its_rule.lookahead_kernel(step); });
      });
  }
  DESCENT_TAGGED void move_to_average([[maybe_unused]] Params points) const {
    if constexpr (KeepsAverage<R>) {
      constexpr bool computes_average = !detail::has_state<R>("average");
      for_each_with(points, state(computes_average ? "z" : "average").data(),
                    [&](const auto& view, const auto& its, const auto* own) {
        if (own != nullptr && own->counter.t == 0) return;
        if constexpr (computes_average)
          move_by(view, its, own, [](const R& its_rule, const auto& step) { return its_rule.averaged_kernel(step); });
        else
          detail::assign(view, its.data, its.shape.row_major);
      });
    }
  }

  /// x <- x - kernel(x, state), with the kernel that kernel_of(rule, step) gives for the last step.
  template <class KernelOf>
  DESCENT_TAGGED void move_by(const detail::View<Scalar>& x, const detail::View<const Scalar>& state,
                              const detail::OwnTensor<R>* own, const KernelOf& kernel_of) const {
    const StepCounter<R>& counter = own != nullptr ? own->counter : memory_.counter;
    const auto kernel = kernel_of(rule_of(own), detail::step_of<Scalar>(counter, detail::TensorFacts<R>{}));
    detail::sweep_view(kernel::Pass<Scalar, 0>(kernel, threads(), nullptr), x, state, state.shape.row_major, {});
  }

  /// Called before the first step: stores the shapes and creates the state.
  template <class S>
  DESCENT_TAGGED void remember(detail::Views<S> params) {
    const Eigen::Index size = detail::size_of(params);
    if (Size != Eigen::Dynamic && size != Size)
      detail::fail<std::invalid_argument>(
          {"descent: ", size, " parameters, but the optimizer has the fixed size ", Size});
    require_own_tensors(params.count);
    memory_.shapes.remember(params);
    if constexpr (StepsWhole<R>)
      memory_.state.fill(state_size(), initial_state(rule()));
    else
      memory_.state.fill(size, initial_state(rule()));
  }

  DESCENT_TAGGED Arrays arrays() {
    Arrays arrays;
    for (std::size_t slot = 0; slot < state_count; ++slot) arrays[slot] = memory_.state.array(slot);
    return arrays;
  }

  DESCENT_TAGGED int threads() const { return settings_.usable_threads(); }

  R validated_;  ///< the hyperparameters at the last check
  Memory memory_;
  detail::OwnTensors<R> own_;
  detail::Settings settings_;
};

template <Rule R>
explicit Optimizer(R) -> Optimizer<R>;

/// An optimizer for this rule: `auto adam = make_optimizer<float>(descent::presets::keras::adam());`. Throws like its
/// constructor.
template <class Scalar, int Size = Eigen::Dynamic, Rule R>
DESCENT_TAGGED Optimizer<R, Scalar, Size> make_optimizer(R rule) {
  return Optimizer<R, Scalar, Size>(std::move(rule));
}

}  // namespace descent

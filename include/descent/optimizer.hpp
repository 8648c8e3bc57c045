// SPDX-License-Identifier: MIT
//
// Optimizer: a rule with its memory. A step turns its arguments into views (tensors.hpp), checks everything that could
// go wrong, asks the rule for the kernel of this step (rule.hpp), and applies it to parameters and state in one pass
// (kernel/sweep.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <Eigen/Core>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <descent/errors.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/memory.hpp>
#include <descent/nonfinite.hpp>
#include <descent/rule.hpp>
#include <descent/strided.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

/// For each state array of a rule, the size below which its elements count as 0.
template <class Scalar, class R>
constexpr auto state_thresholds() {
  kernel::Thresholds<Scalar, R::state_names.size()> thresholds{};
  thresholds.fill(kernel::Negligible<Scalar>::squared_state);
  if constexpr (HasStatePowers<R>)
    for (std::size_t i = 0; i < thresholds.size(); ++i)
      if (R::state_powers[i] == 1) thresholds[i] = kernel::Negligible<Scalar>::linear_state;
  return thresholds;
}
template <class Scalar, class R>
inline constexpr auto thresholds_of = state_thresholds<Scalar, R>();

/// Once the gradient is 0, state decays into the subnormal numbers, on which CPUs are slow. Flushing it at every 32nd
/// step is often enough to stay fast and rarely enough to cost only 1 %. Because t is part of the state, these are the
/// same steps everywhere. (bench: "zero gradients", "sparse gradients")
inline constexpr std::int64_t flush_period = 32;
template <class R>
constexpr bool flushes(std::int64_t t) {
  return R::state_names.size() > 0 && t % flush_period == 0;
}

template <class Scalar, class R>
[[gnu::always_inline]] inline StepOf<R, Scalar> step_of(const StepCounter<R>& counter) {
  return {counter.t, counter.products};
}
/// Calls use(kernel), with the chosen kernel if there are several. std::visit would do the same, but it is not always
/// inlined, and a call with a kernel in memory is half of a small step.
template <std::size_t at = 0, class... Kernels, class Use>
[[gnu::always_inline]] inline void with_chosen(const std::variant<Kernels...>& kernels, const Use& use) {
  if constexpr (at + 1 < sizeof...(Kernels))
    if (kernels.index() != at) return with_chosen<at + 1>(kernels, use);
  use(*std::get_if<at>(&kernels));
}
template <class Kernel, class Use>
[[gnu::always_inline]] inline void with_chosen(const Kernel& kernel, const Use& use) {
  use(kernel);
}

/// Calls use(kernel), with the kernel of the step at which the counter stands.
template <class Scalar, class R, class Use>
[[gnu::always_inline]] inline void with_kernel(const R& rule, const StepCounter<R>& counter, const Use& use) {
  with_chosen(rule.kernel(step_of<Scalar>(counter)), use);
}

/// Calls use(pass), with the pass over memory that performs this step.
template <class Scalar, class R, class Use>
[[gnu::always_inline]] inline void with_pass(const R& rule, const StepCounter<R>& counter, int threads,
                                             const Use& use) {
  with_kernel<Scalar>(rule, counter, [&](const auto& kernel) __attribute__((always_inline)) {
    const auto* const flush = flushes<R>(counter.t) ? &thresholds_of<Scalar, R> : nullptr;
    use(kernel::Pass<Scalar, R::state_names.size()>(kernel, threads, flush));
  });
}

/// What an optimizer remembers between steps.
template <class R, class Scalar, int Size>
struct Memory {
  static constexpr std::size_t factors = count_running_factors<R>();

  StepCounter<R> counter;
  StateArrays<Scalar, R::state_names.size(), Size> state;
  TensorShapes<Scalar, Size> shapes;
  std::int64_t skipped = 0;
  std::int64_t skipped_in_a_row = 0;  ///< since the last step that was taken
  /// Size and layout of the only tensor, as long as its steps need nothing but comparisons; -1 and 0 otherwise.
  std::int32_t fast_path_size = -1;
  std::int32_t fast_path_layout = 0;
};

/// The settings of an optimizer, apart from its hyperparameters.
struct Settings {
  std::int32_t threads = 1;
  std::int32_t most_in_a_row = 1;
  NonFinite nonfinite = NonFinite::propagate;
};

/// The only access to an optimizer's memory from outside; checkpoint.hpp uses it.
struct MemoryAccess;

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
/// nothing is thrown or allocated. With OpenMP, `threads` threads share the step as in Optimizer::set_threads.
template <Rule R, class Scalar>
void step_arrays(const R& rule, const StepCounter<R>& counter, Scalar* x, const Scalar* g,
                 const std::array<Scalar*, R::state_names.size()>& state, std::ptrdiff_t n, int threads = 1) {
  detail::with_pass<Scalar>(rule, counter, threads, [&](const auto& pass) { pass(x, g, state, n); });
}

}  // namespace DESCENT_FLAGS

/// A first-order optimizer: `optimizer.step(params, gradient)` moves the parameters once.
///
/// The hyperparameters are the members of the rule R. Each may be read and set at any time; a new value applies from
/// the next step. Copies and moves are independent values: a copy continues exactly as the original would, and a
/// moved-from optimizer is like a newly constructed one.
///
/// Scalar is float, double or long double, for parameters, gradient and state alike. State: one scalar per parameter
/// for each of R::state_names. With a fixed Size, the number of parameters in all tensors together, the optimizer
/// itself never allocates on the heap; with Eigen::Dynamic it does so only at the first step after construction or
/// `reset`. Apart from that, a step allocates only to copy a gradient: one that is an expression, or that overlaps the
/// state, or parameters other than element by element, is copied at each step to memory that the optimizer keeps.
/// Tuples and ranges of gradients in memory are not copied.
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
class Optimizer : public R {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double> || std::is_same_v<Scalar, long double>,
                "descent: the scalar of an optimizer is float, double or long double");
  static_assert(Size >= 0 || Size == Eigen::Dynamic, "descent: the size of an optimizer is >= 0 or Eigen::Dynamic");

  static constexpr std::size_t state_count = R::state_names.size();
  using Memory = detail::Memory<R, Scalar, Size>;
  friend struct detail::MemoryAccess;

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
        settings_(other.settings_) {}
  DESCENT_TAGGED Optimizer& operator=(const Optimizer& other) {
    *this = Optimizer(other);  // if the copy throws, nothing has changed
    return *this;
  }
  DESCENT_TAGGED Optimizer& operator=(Optimizer&& other) noexcept {
    R::operator=(static_cast<R&&>(other));
    validated_ = std::move(other.validated_);
    memory_ = std::exchange(other.memory_, Memory{});
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
    if constexpr (detail::contiguous_alike<Params, Gradient>) {
      constexpr bool owners = detail::Plain<Params> && detail::Plain<Gradient>;  // share all of their memory or none
      const detail::Shape shape = detail::shape_of(params);
      if (detail::shape_of(gradient) == shape &&
          try_fast_path(params.data(), gradient.data(), shape.size(), shape.layout(), !owners)) [[likely]]
        return;
    }
    step_views_of(params, gradient);
  }

  /// The number of steps taken since construction or `reset`.
  DESCENT_TAGGED std::int64_t steps() const { return memory_.counter.t; }

  /// Forgets state, counters and shapes. The hyperparameters stay, and so does everything set by set_….
  DESCENT_TAGGED void reset() { memory_ = Memory{}; }

  /// The state array with that index or name in `state_names`, flat: tensor after tensor, each in the storage order in
  /// which the first step saw it. Empty before the first step; valid until the next step, reset, move or destruction.
  /// Throws std::out_of_range for an unknown index or name.
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::size_t index) const {
    if (index >= state_count) fail_no_state({index});
    return {memory_.state.array(index), steps() == 0 ? 0 : memory_.state.size()};
  }
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view array) const {
    for (std::size_t index = 0; index < state_count; ++index)
      if (R::state_names[index] == array) return state(index);
    fail_no_state({"\"", array, "\""});
  }

  /// How many threads may share a large step if the program is compiled with OpenMP: 1 by default, 0 for as many as
  /// Eigen::nbThreads(). No more take part than the machine has processors, each with at least 25,000 parameters. The
  /// bits of a step do not depend on it, nor on the rounding mode and the treatment of subnormal numbers with which the
  /// other threads were created: they adopt the caller's.
  ///
  /// A process created by fork() after a step with several threads must not take such a step itself: with libgomp it
  /// would wait forever for threads that only its parent has. Call set_threads(1) there.
  DESCENT_TAGGED void set_threads(int threads) {
    if (threads < 0)
      detail::fail<std::invalid_argument>(
          {"descent: threads = ", threads, "; it must be >= 1, or 0 for as many as Eigen::nbThreads()"});
    settings_.threads = threads;
  }

  /// What a step does with a gradient that is not finite: see NonFinite. The default is IEEE arithmetic.
  /// `most_in_a_row`, >= 1, is the number of steps in a row that `skip` skips before it throws.
  DESCENT_TAGGED void set_nonfinite(NonFinite policy, int most_in_a_row = 10) {
    if (most_in_a_row < 1)
      detail::fail<std::invalid_argument>({"descent: most_in_a_row = ", most_in_a_row, "; it must be >= 1"});
    memory_.fast_path_size = -1;
    settings_.nonfinite = policy;
    settings_.most_in_a_row = most_in_a_row;
  }

  /// The number of steps skipped because of their gradient since construction or `reset`.
  DESCENT_TAGGED std::int64_t skipped_steps() const { return memory_.skipped; }

  /// The point where a rule with look-ahead wants its gradient: x - momentum * velocity for Nesterov, or x itself
  /// before the first step. For several tensors, a tuple or a vector of them. Throws std::invalid_argument if a shape
  /// differs from that in the steps so far.
  template <class Params>
  requires LooksAhead<R> && Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar> &&
           OfSize<Params, Size>
  DESCENT_TAGGED auto lookahead(const Params& params) const {
    detail::validate<Scalar>(rule());
    auto point = detail::copies_of(params);
    if (steps() == 0) return point;
    std::vector<detail::View<Scalar>> views;
    detail::for_each_tensor(point, [&](auto& tensor) { views.push_back(detail::view_of(tensor)); });
    move_ahead(detail::Views<Scalar>{views.data(), static_cast<Eigen::Index>(views.size())});
    return point;
  }

 private:
  using Params = detail::Views<Scalar>;
  using Gradient = detail::Views<const Scalar>;
  using Arrays = kernel::Arrays<Scalar, state_count>;

  DESCENT_TAGGED const R& rule() const { return *this; }

  /// Takes the step if it needs nothing but comparisons: of hyperparameters and shape with those of the last check, and
  /// of addresses, unless both arguments own their memory. Otherwise does nothing and returns false.
  ///
  /// Everything else is kept out of it, so that a small step stays small. `flatten` inlines what is left: holding a
  /// kernel's coefficients in registers is worth a third of Adam's step. And with a probability of 1, where [[likely]]
  /// means 0.9, g++ lays out the loops for speed (bench/DEAD_ENDS.md).
  DESCENT_TAGGED [[gnu::flatten]] bool try_fast_path(Scalar* x, const Scalar* g, Eigen::Index n, Eigen::Index layout,
                                                     bool may_overlap) {
    if (!__builtin_expect_with_probability(takes_fast_path(x, g, n, layout, may_overlap), 1, 1.0)) return false;
    if (!kernel::is_small<Scalar>(n) || detail::flushes<R>(steps() + 1)) {
      step_contiguous(x, g, n);
    } else {
      const StepCounter<R> counter = memory_.counter.next(rule());
      detail::with_kernel<Scalar>(rule(), counter, [&](const auto& kernel) __attribute__((always_inline)) {
        kernel::sweep_narrow(kernel, x, g, arrays(), 0, Size == Eigen::Dynamic ? n : Size);
      });
      memory_.counter.advance_to(counter);
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

  DESCENT_TAGGED [[gnu::noinline]] void step_contiguous(Scalar* x, const Scalar* g, Eigen::Index n) {
    const StepCounter<R> counter = memory_.counter.next(rule());
    step_arrays(rule(), counter, x, g, arrays(), n, threads());
    memory_.counter.advance_to(counter);
  }

  /// Turns the arguments into views: on the stack if the types say how many there are, in kept memory for ranges.
  template <class P, class G>
  DESCENT_TAGGED [[gnu::noinline]] void step_views_of(P& params, const G& gradient) {
    constexpr std::size_t count = detail::static_count<P>;
    if constexpr (count > 0) {
      std::array<detail::View<Scalar>, count> x{};
      std::array<detail::View<const Scalar>, count> g{};
      detail::place_views(params, x.data());
      step_gradient_of(Params{x.data(), count}, gradient, g.data(), false);
    } else {
      const Eigen::Index n = detail::count_tensors(params);
      if (const Eigen::Index gradients = detail::count_tensors(gradient); gradients != n)
        detail::fail_counts(gradients, n);
      auto&& scratch = memory_.shapes.scratch(n);
      const bool moved = detail::place_views(params, scratch.params);
      const bool disjoint = std::exchange(scratch.disjoint, false) && !moved;
      scratch.disjoint = step_gradient_of(Params{scratch.params, n}, gradient, scratch.gradient, disjoint);
    }
  }

  /// Evaluates a gradient that is an expression into kept memory, but only once its shapes are known to be right.
  template <class G>
  DESCENT_TAGGED bool step_gradient_of(Params params, const G& gradient, detail::View<const Scalar>* views,
                                       bool params_disjoint) {
    if constexpr (detail::in_memory<G>) {
      const bool moved = detail::place_views(gradient, views);
      return checked_step(params, {views, params.count}, params_disjoint && !moved);
    } else {
      detail::place_shapes(gradient, views);
      detail::require_pairs(params, {views, params.count});
      memory_.shapes.with_copy(detail::size_of(params), [&](Scalar* copy) {
        detail::evaluate(gradient, views, copy);
        checked_step(params, {views, params.count}, true);
      });
      return false;
    }
  }

  /// `disjoint`: whether it is already known that the step overwrites no gradient before reading it. Returns whether it
  /// is known now.
  DESCENT_TAGGED [[gnu::noinline]] bool checked_step(Params params, Gradient gradient, bool disjoint) {
    detail::validate<Scalar>(rule());
    validated_ = *this;
    detail::require_pairs(params, gradient);
    if (steps() > 0) detail::require_shapes(params, memory_.shapes);
    if (settings_.nonfinite != NonFinite::propagate && !accepts(gradient)) return disjoint;
    if (steps() == 0) remember(params);
    memory_.skipped_in_a_row = 0;
    open_fast_path(params);
    disjoint =
        disjoint || !detail::overwrites_gradient(params, gradient, memory_.state.address_range(), memory_.shapes);
    if (disjoint)
      take_step(params, gradient);
    else
      memory_.shapes.with_copy(detail::size_of(params), [&](Scalar* copy) { take_step(params, gradient, copy); });
    return disjoint;
  }

  /// Notes whether further steps on these parameters need nothing but comparisons. An empty tensor is excluded, because
  /// its size does not determine its rows.
  DESCENT_TAGGED void open_fast_path(Params params) {
    constexpr auto most = (std::numeric_limits<std::int32_t>::max)();
    const detail::Shape shape = params.count == 1 ? params[0].shape : detail::Shape{};
    const bool opens = shape.size() > 0 && shape.size() <= most / 2 && settings_.nonfinite == NonFinite::propagate &&
                       kernel::may_use_baseline();
    memory_.fast_path_size = opens ? static_cast<std::int32_t>(shape.size()) : -1;
    memory_.fast_path_layout = opens ? static_cast<std::int32_t>(shape.layout()) : 0;
  }

  /// Whether the gradient is accepted. If it is not, the step is skipped and counted, or an error is thrown.
  DESCENT_TAGGED bool accepts(Gradient gradient) {
    const bool skips = settings_.nonfinite == NonFinite::skip && memory_.skipped_in_a_row < settings_.most_in_a_row;
    for (Eigen::Index i = 0; i < gradient.count; ++i) {
      if (detail::all_finite<detail::squares_gradient<R>>(gradient[i])) continue;
      if (!skips) detail::fail_not_finite(gradient[i], i, gradient.count, memory_.skipped_in_a_row);
      ++memory_.skipped;
      ++memory_.skipped_in_a_row;
      return false;
    }
    return true;
  }

  /// `copy`, unless null, is memory for a copy of the gradient, which is then read from there.
  DESCENT_TAGGED [[gnu::noinline]] void take_step(Params params, Gradient gradient, Scalar* copy = nullptr) {
    if (copy != nullptr) {
      Scalar* to = copy;
      for (Eigen::Index i = 0; i < gradient.count; ++i) to = detail::copy_elements(gradient[i], memory_.shapes[i], to);
    }
    const StepCounter<R> counter = memory_.counter.next(rule());
    detail::with_pass<Scalar>(rule(), counter, threads(),
                              [&](const auto& pass) { sweep_all(pass, params, gradient, copy); });
    memory_.counter.advance_to(counter);
  }

  DESCENT_TAGGED void sweep_all(const kernel::Pass<Scalar, state_count>& pass, Params params, Gradient gradient,
                                const Scalar* copy) {
    Arrays state = arrays();
    for (Eigen::Index i = 0; i < params.count; ++i) {
      const detail::Shape shape = memory_.shapes[i];
      const auto g = copy == nullptr ? gradient[i] : detail::contiguous_view<const Scalar>(copy, shape);
      detail::sweep_view(pass, params[i], g, shape.row_major, state);
      for (Scalar*& array : state) array += shape.size();
      if (copy != nullptr) copy += shape.size();
    }
  }

  /// A template, because only rules that look ahead have a lookahead_kernel.
  template <class S>
  DESCENT_TAGGED void move_ahead(detail::Views<S> point) const {
    detail::require_shapes(point, memory_.shapes);
    const auto kernel = rule().lookahead_kernel(detail::step_of<Scalar>(memory_.counter));
    const kernel::Pass<Scalar, 0> pass(kernel, threads(), nullptr);
    const Scalar* direction = memory_.state.array(0);
    for (Eigen::Index i = 0; i < point.count; ++i) {
      const detail::Shape shape = memory_.shapes[i];
      const auto along = detail::contiguous_view(direction, shape);
      detail::sweep_view(pass, point[i], along, shape.row_major, {});
      direction += shape.size();
    }
  }

  /// Called before the first step: stores the shapes and creates the state.
  template <class S>
  DESCENT_TAGGED void remember(detail::Views<S> params) {
    const Eigen::Index size = detail::size_of(params);
    if (Size != Eigen::Dynamic && size != Size)
      detail::fail<std::invalid_argument>(
          {"descent: ", size, " parameters, but the optimizer has the fixed size ", Size});
    memory_.shapes.remember(params);
    memory_.state.fill(size, initial_state(rule()));
  }

  DESCENT_TAGGED Arrays arrays() {
    Arrays arrays;
    for (std::size_t slot = 0; slot < state_count; ++slot) arrays[slot] = memory_.state.array(slot);
    return arrays;
  }

  DESCENT_TAGGED int threads() const {
#if defined(_OPENMP)
    const int wanted = settings_.threads == 0 ? Eigen::nbThreads() : settings_.threads;
    return wanted == 1 ? 1 : (std::min)(wanted, omp_get_num_procs());
#else
    return 1;
#endif
  }

  [[noreturn, gnu::cold]] DESCENT_TAGGED static void fail_no_state(const detail::Text& which) {
    detail::Text text{"descent: no state ", which, state_count == 0 ? "; this rule has none" : "; the known ones are"};
    for (std::size_t slot = 0; slot < state_count; ++slot)
      text.add({slot == 0 ? " \"" : ", \"", R::state_names[slot], "\""});
    detail::fail<std::out_of_range>(text.c_str());
  }

  R validated_;  ///< the hyperparameters at the last check
  Memory memory_;
  detail::Settings settings_;
};

/// An optimizer for this rule: `auto adam = make_optimizer<float>(descent::presets::keras::adam());`. Throws like its
/// constructor.
template <class Scalar, int Size = Eigen::Dynamic, Rule R>
DESCENT_TAGGED Optimizer<R, Scalar, Size> make_optimizer(R rule) {
  return Optimizer<R, Scalar, Size>(std::move(rule));
}

}  // namespace descent

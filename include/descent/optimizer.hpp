// SPDX-License-Identifier: MIT
//
// Optimizer: a rule with a memory. A step checks everything that could go wrong, lets the rule turn
// its hyperparameters and t into a kernel, and sends that kernel over the parameters in one pass.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <Eigen/Core>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <descent/concepts.hpp>
#include <descent/hyperparameter.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/memory.hpp>
#include <descent/nonfinite.hpp>
#include <descent/tensors.hpp>
#include <descent/text.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

template <class R>
constexpr RunningProducts<R> no_products_yet() {
  RunningProducts<R> products;
  products.fill(1);
  return products;
}

/// The products after one more step. One of less than 2^-60 becomes 0: next to 1 both are nothing,
/// and it would otherwise end in the slow subnormal numbers.
template <class R>
RunningProducts<R> next_products(const R& rule, RunningProducts<R> products) {
  if constexpr (HasRunningFactors<R>) {
    const RunningProducts<R> factors = rule.running_factors();
    for (std::size_t i = 0; i < products.size(); ++i) {
      products[i] = kernel::rounded_product(products[i], factors[i]);
      if (std::abs(products[i]) < 0x1p-60) products[i] = 0;
    }
  }
  return products;
}

/// The size below which an element of state counts as 0, for each of a rule's arrays.
template <class Scalar, class R>
constexpr auto state_thresholds() {
  kernel::Thresholds<Scalar, R::state_names.size()> thresholds{};
  thresholds.fill(kernel::Negligible<Scalar>::squared_state);
  if constexpr (HasStatePowers<R>)
    for (std::size_t i = 0; i < thresholds.size(); ++i)
      if (R::state_powers[i] == 1) thresholds[i] = kernel::Negligible<Scalar>::linear_state;
  return thresholds;
}

/// The rule's own check, for that scalar where it asks.
template <class Scalar, class R>
[[gnu::always_inline]] inline void validate(const R& rule) {
  if constexpr (requires { rule.template validate<Scalar>(); })
    rule.template validate<Scalar>();
  else
    rule.validate();
}

/// What an optimizer remembers between steps.
template <class R, class Scalar, int Size>
struct Memory {
  std::int64_t t = 0;
  RunningProducts<R> products = no_products_yet<R>();
  Eigen::Index size = 0;
  Shapes<Size> shapes;
  Shape settled = no_shape;  ///< of the only tensor, while its steps need comparisons alone
  StateArrays<Scalar, R::state_names.size(), Size> state;
  std::int64_t skipped = 0;
  std::int64_t skipped_at = -1;    ///< t at the last step that was skipped
  std::int64_t skipped_there = 0;  ///< how many were skipped at that t

  /// Since the last step that was taken, which need not set anything for it.
  std::int64_t skipped_in_a_row() const { return skipped_at == t ? skipped_there : 0; }
};

/// What is set for an optimizer besides its hyperparameters.
struct Settings {
  int threads = 1;
  NonFinite nonfinite = NonFinite::propagate;
  std::int64_t most_in_a_row = 1;
};

/// The one door to an optimizer's memory; checkpoint.hpp goes through it.
struct MemoryAccess;

/// use(kernel), with the kernel that was chosen where there are several. As std::visit would, but that is not
/// always inlined, and a call with a kernel in memory is half of a small step.
template <std::size_t At = 0, class Kernel, class Use>
[[gnu::always_inline]] inline void with_kernel(const Kernel& kernel, Use&& use) {
  if constexpr (!is_variant<Kernel>)
    use(kernel);
  else if constexpr (At < std::variant_size_v<Kernel>) {
    if (kernel.index() == At)
      use(std::get<At>(kernel));
    else
      with_kernel<At + 1>(kernel, use);
  }
}

}  // namespace DESCENT_FLAGS
}  // namespace detail

/// A first-order optimizer: `optimizer.step(params, gradient)` moves the parameters once.
///
/// The hyperparameters are the members of the rule R; each may be read and set at any time and counts
/// from the next step. Copies and moves are independent values: a copy goes on exactly as the
/// original would, and what was moved from is as freshly constructed.
///
/// Scalar is float, double or long double, for parameters, gradient and state alike. State: one
/// scalar per parameter for each of R::state_names. With a fixed Size, the number of parameters in
/// all tensors together, the optimizer itself never allocates on the heap; with Eigen::Dynamic only at the
/// first step after construction or `reset`. Beside that a step allocates only for copies of a gradient: one
/// that is an expression, or that overlaps parameters other than element by element, is copied at each step,
/// on the heap where its size is dynamic. Tuples and ranges of gradients in memory are not copied.
///
/// CPUs are slow below the smallest normal number, min. So what is near it counts as 0 (for float, double):
///
///     squares of gradients, at once                     below 2^10 min   (2^-116, 2^-1012)
///     state of the size of gradients or steps,
///     at every 32nd step                                below 2^26 min   (2^-100, 2^-996)
///     state of the size of their squares, or of a rule
///     without state_powers, at every 32nd step          below 2^5 min    (2^-121, 2^-1017)
template <Rule R, class Scalar = double, int Size = Eigen::Dynamic>
class Optimizer : public R {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double> || std::is_same_v<Scalar, long double>,
                "descent: the scalar of an optimizer is float, double or long double");
  static_assert(Size >= 0 || Size == Eigen::Dynamic, "descent: the size of an optimizer is >= 0 or Eigen::Dynamic");

  static constexpr std::size_t state_count = R::state_names.size();
  using Memory = detail::Memory<R, Scalar, Size>;
  friend struct detail::MemoryAccess;

 public:
  /// The rule, with its defaults where none is given. Throws std::invalid_argument where a
  /// hyperparameter, or the environment variable DESCENT_ISA, is out of range.
  DESCENT_TAGGED explicit Optimizer(R rule = {}) : R(std::move(rule)), checked_(*this) {
    validate_rule();
    kernel::require_choice_of_isa();
  }

  DESCENT_TAGGED Optimizer(const Optimizer&) = default;
  DESCENT_TAGGED Optimizer(Optimizer&& other) noexcept
      : R(static_cast<R&&>(other)),
        checked_(std::move(other.checked_)),
        memory_(std::exchange(other.memory_, Memory{})),
        settings_(other.settings_) {}
  DESCENT_TAGGED Optimizer& operator=(const Optimizer& other) {
    *this = Optimizer(other);  // a copy that fails has changed nothing
    return *this;
  }
  DESCENT_TAGGED Optimizer& operator=(Optimizer&& other) noexcept {
    R::operator=(static_cast<R&&>(other));
    checked_ = std::move(other.checked_);
    memory_ = std::exchange(other.memory_, Memory{});
    settings_ = other.settings_;
    return *this;
  }
  DESCENT_TAGGED ~Optimizer() = default;

  /// params <- params - the rule's step for this gradient.
  ///
  /// params is a writable dense Eigen object (Matrix, Array, Map, Ref, Block, row, strided …), a tuple
  /// of them (`std::tie(W, b)`) or a range of them; gradient has the same shape, for several tensors
  /// one gradient each. All tensors share one state and one counter. A gradient that is an expression,
  /// or that shares memory with parameters, is copied before anything is written.
  ///
  /// The first step fixes the shapes until `reset`. Throws std::invalid_argument where a shape differs
  /// or a hyperparameter is out of range, std::bad_alloc where there is no memory; whenever it throws,
  /// parameters, state and counter are as before.
  template <class Params, class Gradient>
  requires ParametersOf<Params, Scalar, Size> && GradientOf<Gradient, Params, Scalar> DESCENT_TAGGED void step(
      Params&& params, const Gradient& gradient) {
    if constexpr (!detail::in_memory<Gradient>) {
      step_in_memory(params, detail::copies_of(gradient));
    } else {
      step_in_memory(params, gradient);
    }
  }

  /// The number of steps taken since construction or `reset`.
  DESCENT_TAGGED std::int64_t steps() const { return memory_.t; }

  /// Forgets state, counters and shapes; the hyperparameters stay, and what was set by set_….
  DESCENT_TAGGED void reset() { memory_ = Memory{}; }

  /// The state array of that index in `state_names`, flat: tensor after tensor, each in the storage
  /// order in which the first step saw it. Empty before the first step; valid until the next step,
  /// reset, move or destruction. Throws std::out_of_range for an index or a name that is not there.
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::size_t index) const {
    if (index >= state_count) throw std::out_of_range(detail::text("descent: no state ", index, "; ", known_states()));
    return {memory_.state.array(index), memory_.t == 0 ? 0 : memory_.size};
  }
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view array) const {
    for (std::size_t index = 0; index < state_count; ++index)
      if (R::state_names[index] == array) return state(index);
    throw std::out_of_range(detail::text("descent: no state \"", array, "\"; ", known_states()));
  }

  /// How many threads may share a large step, where the program is compiled with OpenMP: 1 by
  /// default, 0 for as many as Eigen::nbThreads(). No more take part than the machine has processors, each with at
  /// least 25,000 parameters. The bits of a step do not depend on it; nor do they on the rounding mode and the
  /// treatment of subnormal numbers with which the other threads were made, as they take over the caller's.
  ///
  /// A process that was made by fork() after a step by several threads must not take one itself: with libgomp it
  /// would wait forever for threads that only its parent has. There set_threads(1).
  DESCENT_TAGGED void set_threads(int threads) {
    if (threads < 0)
      throw std::invalid_argument(
          detail::text("descent: threads = ", threads, "; it must be >= 1, or 0 for as many as Eigen::nbThreads()"));
    settings_.threads = threads;
  }

  /// What a step does with a gradient that is not finite: see NonFinite; IEEE arithmetic by default.
  /// `most_in_a_row`, >= 1, is the number of steps that `skip` passes over before it throws.
  DESCENT_TAGGED void set_nonfinite(NonFinite policy, int most_in_a_row = 10) {
    if (most_in_a_row < 1)
      throw std::invalid_argument(detail::text("descent: most_in_a_row = ", most_in_a_row, "; it must be >= 1"));
    memory_.settled = detail::no_shape;
    settings_.nonfinite = policy;
    settings_.most_in_a_row = most_in_a_row;
  }

  /// The number of steps skipped for their gradient since construction or `reset`.
  DESCENT_TAGGED std::int64_t skipped_steps() const { return memory_.skipped; }

  /// The point where a rule with a look-ahead wants its gradient, x - momentum * velocity for
  /// Nesterov; x itself before the first step. For several tensors a tuple or a vector of them.
  /// Throws std::invalid_argument where a shape differs from that of the steps so far.
  template <class Params>
  requires LooksAhead<R> && Tensors<Params> && OfScalar<Params, Scalar> && OfSize<Params, Size> DESCENT_TAGGED auto
  lookahead(const Params& params) const {
    validate_rule();
    auto point = detail::copies_of(params);
    if (memory_.t == 0) return point;
    check_shapes(point);
    const auto kernel = this->template lookahead_kernel<Scalar>();
    const Scalar* direction = memory_.state.array(0);
    Eigen::Index tensor = 0;
    detail::for_each_tensor(point, [&](auto& p) {
      const auto x = detail::walk(p, memory_.shapes[tensor++].row_major);
      const detail::Walk<const Scalar> along{direction, x.inner, x.outer, 1, x.inner};
      detail::sweep_walks(kernel, x, along, kernel::Arrays<Scalar, 0>{}, threads());
      direction += p.size();
    });
    return point;
  }

 private:
  /// A step like the one before needs only comparisons, and where it is small, it is taken in place. All else,
  /// the first steps, changed hyperparameters and every error, stands apart, so that a small step stays small.
  /// `flatten` inlines what is not apart: a kernel's coefficients in registers are a third of Adam's step. And a
  /// probability of 1, where [[likely]] is 0.9, has g++ lay out the loops for speed (bench/DEAD_ENDS.md).
  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::flatten]] void step_in_memory(Params& params, const Gradient& gradient) {
    if constexpr (detail::Plain<Params> && detail::Plain<Gradient>)
      if (__builtin_expect_with_probability(goes_on(params, gradient), 1, 1.0)) {
        if (is_small(params, gradient)) [[likely]]
          return take_small_step(params, gradient);
        return take_step(params, gradient);
      }
    checked_step(params, gradient);
  }

  /// Whether the last step was checked with the same hyperparameters and shapes, and nothing else is to be
  /// checked now.
  DESCENT_TAGGED [[gnu::always_inline]] bool goes_on(const auto& params, const auto& gradient) const {
    return detail::same_hyperparameters(static_cast<const R&>(*this), checked_) &&
           detail::shape_of(params) == memory_.settled && detail::shape_of(gradient) == detail::shape_of(params);
  }

  DESCENT_TAGGED [[gnu::always_inline]] bool is_small(const auto& params, const auto& gradient) const {
    const bool row_major = memory_.settled.row_major;
    return kernel::is_small<Scalar>(params.size()) && !flushes(memory_.t + 1) &&
           detail::contiguous(params, row_major) && detail::contiguous(gradient, row_major);
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] void checked_step(Params& params, const Gradient& gradient) {
    validate_rule();
    checked_ = *this;
    check_pairs(params, gradient);
    if (memory_.t == 0) [[unlikely]]
      return first_step(params, gradient);
    check_shapes(params);
    if (settings_.nonfinite != NonFinite::propagate) [[unlikely]]
      return guarded_step(params, gradient);
    if (memory_.shapes.size() == 1 && kernel::may_use_baseline()) memory_.settled = memory_.shapes[0];
    undisturbed_step(params, gradient);
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] void guarded_step(Params& params, const Gradient& gradient) {
    if (admits(gradient)) undisturbed_step(params, gradient);
  }

  /// Whether the gradient is finite; where it is not, the step is skipped and counted, or an error.
  template <class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] bool admits(const Gradient& gradient) {
    const std::int64_t in_a_row = memory_.skipped_in_a_row();
    const bool skips = settings_.nonfinite == NonFinite::skip && in_a_row < settings_.most_in_a_row;
    bool finite = true;
    Eigen::Index tensor = 0;
    detail::for_each_tensor(gradient, [&](const auto& g) {
      constexpr bool squared = detail::squares_gradient<R>;
      const bool its = detail::all_finite<squared, Scalar>(detail::walk(g, detail::shape_of(g).row_major));
      if (!its && !skips) detail::throw_not_finite<squared>(g, tensor, detail::count_tensors(gradient), in_a_row);
      finite = finite && its;
      ++tensor;
    });
    if (finite) return true;
    memory_.skipped += 1;
    memory_.skipped_at = memory_.t;
    memory_.skipped_there = in_a_row + 1;
    return false;
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] void first_step(Params& params, const Gradient& gradient) {
    if (settings_.nonfinite != NonFinite::propagate && !admits(gradient)) return;
    remember(params);
    undisturbed_step(params, gradient);
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED void undisturbed_step(Params& params, const Gradient& gradient) {
    if (detail::steps_disturb(params, gradient, memory_.state.array(0), memory_.state.end())) [[unlikely]]
      take_step(params, detail::copies_of(gradient));
    else
      take_step(params, gradient);
  }

  /// The step itself: sweep(kernel) moves the parameters, once the memory is up to date. It cannot fail.
  template <class Sweep>
  DESCENT_TAGGED [[gnu::always_inline]] void advance(Sweep&& sweep) {
    const std::int64_t t = memory_.t + 1;
    const detail::RunningProducts<R> products = detail::next_products<R>(*this, memory_.products);
    detail::with_kernel(
        detail::kernel_of<Scalar, R>(*this, t, products), [&](const auto& kernel) __attribute__((always_inline)) {
          memory_.t = t;
          memory_.products = products;
          sweep(kernel);
        });
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::always_inline]] void take_small_step(Params& params, const Gradient& gradient) {
    advance([&](const auto& kernel) __attribute__((always_inline)) {
      kernel::sweep_narrow(kernel, params.data(), gradient.data(), memory_.state.arrays(), 0, params.size());
    });
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] void take_step(Params& params, const Gradient& gradient) {
    advance([&](const auto& kernel) __attribute__((always_inline)) {
      constexpr static auto thresholds = detail::state_thresholds<Scalar, R>();
      const auto* const flush = flushes(memory_.t) ? &thresholds : nullptr;
      auto state = memory_.state.arrays();
      Eigen::Index tensor = 0;
      detail::for_each_pair(
          params, gradient, [&](auto& p, const auto& g) __attribute__((always_inline)) {
            const bool row_major = memory_.shapes[tensor++].row_major;
            detail::sweep_tensor(kernel, p, g, row_major, state, threads(), flush);
            for (Scalar*& array : state) array += p.size();
          });
    });
  }

  /// Where the gradient has become 0, state decays into the subnormal numbers, on which CPUs are slow.
  /// Every 32nd step is often enough to stay fast and seldom enough to cost 1 %; and as t is part of
  /// the state, it is the same steps everywhere. (bench: "zero gradients")
  static constexpr std::int64_t flush_period = 32;
  DESCENT_TAGGED static constexpr bool flushes(std::int64_t t) { return state_count > 0 && t % flush_period == 0; }

  DESCENT_TAGGED void validate_rule() const { detail::validate<Scalar>(static_cast<const R&>(*this)); }

  /// One gradient of the same shape for each tensor.
  template <class Params, class Gradient>
  DESCENT_TAGGED static void check_pairs(const Params& params, const Gradient& gradient) {
    const Eigen::Index count = detail::count_tensors(params);
    if (detail::count_tensors(gradient) != count) [[unlikely]]
      detail::throw_counts(detail::count_tensors(gradient), count);
    Eigen::Index tensor = 0;
    detail::for_each_pair(params, gradient, [&](const auto& p, const auto& g) {
      if (detail::shape_of(g) != detail::shape_of(p)) [[unlikely]]
        detail::throw_gradient_shape(tensor, count, detail::shape_of(g), detail::shape_of(p));
      ++tensor;
    });
  }

  /// The same shapes as in the steps so far.
  template <class Params>
  DESCENT_TAGGED void check_shapes(const Params& params) const {
    const Eigen::Index count = detail::count_tensors(params);
    if (count != memory_.shapes.size()) [[unlikely]]
      detail::throw_other_count(count, memory_.shapes.size());
    Eigen::Index tensor = 0;
    detail::for_each_tensor(params, [&](const auto& p) {
      if (detail::shape_of(p) != memory_.shapes[tensor]) [[unlikely]]
        detail::throw_other_shape(tensor, count, detail::shape_of(p), memory_.shapes[tensor]);
      ++tensor;
    });
  }

  /// Before the first step: the shapes, and state for them.
  template <class Params>
  DESCENT_TAGGED [[gnu::noinline]] void remember(const Params& params) {
    Eigen::Index size = 0;
    detail::for_each_tensor(params, [&](const auto& p) { size += p.size(); });
    if (Size != Eigen::Dynamic && size != Size) detail::throw_not_fixed_size(size, Size);
    memory_.shapes.resize(detail::count_tensors(params));
    Eigen::Index tensor = 0;
    detail::for_each_tensor(params, [&](const auto& p) { memory_.shapes[tensor++] = detail::shape_of(p); });
    if constexpr (HasInitialState<R>)
      memory_.state.fill(size, this->initial_state());
    else
      memory_.state.fill(size, {});
    memory_.size = size;
  }

  DESCENT_TAGGED int threads() const {
#if defined(_OPENMP)
    const int wanted = settings_.threads == 0 ? Eigen::nbThreads() : settings_.threads;
    return wanted == 1 ? 1 : (std::min)(wanted, omp_get_num_procs());
#else
    return 1;
#endif
  }

  DESCENT_TAGGED static std::string known_states() {
    std::string known = state_count == 0 ? "this rule has none" : "the known ones are";
    for (std::size_t index = 0; index < state_count; ++index)
      known += (index == 0 ? " \"" : ", \"") + std::string(R::state_names[index]) + "\"";
    return known;
  }

  R checked_;  ///< the hyperparameters of the last check
  Memory memory_;
  detail::Settings settings_;
};

/// An optimizer of that rule: `auto adam = make_optimizer<float>(descent::presets::keras::adam());`. Throws as its
/// constructor does.
template <class Scalar, int Size = Eigen::Dynamic, Rule R>
DESCENT_TAGGED Optimizer<R, Scalar, Size> make_optimizer(R rule) {
  return Optimizer<R, Scalar, Size>(std::move(rule));
}

}  // namespace descent

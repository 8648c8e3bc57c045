// SPDX-License-Identifier: MIT
//
// Optimizer: a rule with a memory. A step checks everything that could go wrong, lets the rule turn
// its hyperparameters and t into a kernel, and sends that kernel over the parameters in one pass.
#pragma once

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

#include <descent/concepts.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/memory.hpp>
#include <descent/tensors.hpp>

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

/// What an optimizer remembers between steps.
template <class R, class Scalar, int Size>
struct Memory {
  std::int64_t t = 0;
  RunningProducts<R> products = no_products_yet<R>();
  Eigen::Index size = 0;
  Shapes<Size> shapes;
  StateArrays<Scalar, R::state_names.size(), Size> state;
};

/// The one door to an optimizer's memory; checkpoint.hpp goes through it.
struct MemoryAccess;

/// use(kernel), with the kernel that was chosen where there are several.
template <class Kernel, class Use>
void with_kernel(const Kernel& kernel, Use&& use) {
  if constexpr (is_variant<Kernel>)
    std::visit(use, kernel);
  else
    use(kernel);
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
/// all tensors together, nothing is ever allocated on the heap; with Eigen::Dynamic only the first
/// step after construction or `reset` allocates.
///
/// State below the smallest normal number of the scalar becomes 0 at every 16th step.
template <Rule R, class Scalar = double, int Size = Eigen::Dynamic>
class Optimizer : public R {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double> || std::is_same_v<Scalar, long double>,
                "descent: the scalar of an optimizer is float, double or long double");
  static_assert(Size >= 0 || Size == Eigen::Dynamic, "descent: the size of an optimizer is >= 0 or Eigen::Dynamic");

  static constexpr std::size_t slots = R::state_names.size();
  using Memory = detail::Memory<R, Scalar, Size>;
  friend struct detail::MemoryAccess;

 public:
  /// The rule, with its defaults where none is given. Throws std::invalid_argument where a
  /// hyperparameter, or the environment variable DESCENT_ISA, is out of range.
  DESCENT_TAGGED explicit Optimizer(R rule = {}) : R(std::move(rule)) {
    validate_rule();
    kernel::require_choice_of_isa();
  }

  DESCENT_TAGGED Optimizer(const Optimizer&) = default;
  DESCENT_TAGGED Optimizer(Optimizer&& other) noexcept
      : R(static_cast<R&&>(other)), memory_(std::exchange(other.memory_, Memory{})), threads_(other.threads_) {}
  DESCENT_TAGGED Optimizer& operator=(const Optimizer& other) {
    *this = Optimizer(other);  // a copy that fails has changed nothing
    return *this;
  }
  DESCENT_TAGGED Optimizer& operator=(Optimizer&& other) noexcept {
    R::operator=(static_cast<R&&>(other));
    memory_ = std::exchange(other.memory_, Memory{});
    threads_ = other.threads_;
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

  /// Forgets state, counter and shapes; the hyperparameters stay.
  DESCENT_TAGGED void reset() { memory_ = Memory{}; }

  /// The state array of that index in `state_names`, flat: tensor after tensor, each in the storage
  /// order in which the first step saw it. Empty before the first step; valid until the next step,
  /// reset, move or destruction. Throws std::out_of_range for an index or a name that is not there.
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::size_t index) const {
    if (index >= slots) throw std::out_of_range("descent: no state " + std::to_string(index) + "; " + known_states());
    return {memory_.state.array(index), memory_.t == 0 ? 0 : memory_.size};
  }
  DESCENT_TAGGED Eigen::Map<const Eigen::Vector<Scalar, Eigen::Dynamic>> state(std::string_view array) const {
    for (std::size_t index = 0; index < slots; ++index)
      if (R::state_names[index] == array) return state(index);
    throw std::out_of_range("descent: no state \"" + std::string(array) + "\"; " + known_states());
  }

  /// How many threads may share a large step, where the program is compiled with OpenMP: 1 by
  /// default, 0 for as many as Eigen::nbThreads(). The bits of a step do not depend on it.
  DESCENT_TAGGED void set_threads(int threads) {
    if (threads < 0)
      throw std::invalid_argument("descent: threads = " + std::to_string(threads) +
                                  "; it must be >= 1, or 0 for as many as Eigen::nbThreads()");
    threads_ = threads;
  }

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
      detail::sweep_tensor(kernel, x, along, kernel::Arrays<Scalar, 0>{}, threads());
      direction += p.size();
    });
    return point;
  }

 private:
  /// Checks everything; what seldom happens stands apart, so that a small step stays small.
  template <class Params, class Gradient>
  DESCENT_TAGGED void step_in_memory(Params& params, const Gradient& gradient) {
    validate_rule();
    check_pairs(params, gradient);
    if (memory_.t == 0) [[unlikely]]
      return first_step(params, gradient);
    check_shapes(params);
    undisturbed_step(params, gradient);
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] void first_step(Params& params, const Gradient& gradient) {
    remember(params);
    undisturbed_step(params, gradient);
  }

  template <class Params, class Gradient>
  DESCENT_TAGGED void undisturbed_step(Params& params, const Gradient& gradient) {
    if (detail::steps_disturb(params, gradient)) [[unlikely]]
      take_step(params, detail::copies_of(gradient));
    else
      take_step(params, gradient);
  }

  /// The step itself. The memory is brought up to date before the sweep, which cannot fail.
  template <class Params, class Gradient>
  DESCENT_TAGGED [[gnu::noinline]] void take_step(Params& params, const Gradient& gradient) {
    const detail::RunningProducts<R> products = detail::next_products<R>(*this, memory_.products);
    detail::with_kernel(detail::kernel_of<Scalar, R>(*this, memory_.t + 1, products), [&](const auto& kernel) {
      memory_.t += 1;
      memory_.products = products;
      if (memory_.t % flush_period == 0) flush_state();
      auto state = memory_.state.arrays();
      Eigen::Index tensor = 0;
      detail::for_each_pair(params, gradient, [&](auto& p, const auto& g) {
        const bool row_major = memory_.shapes[tensor++].row_major;
        detail::sweep_tensor(kernel, detail::walk(p, row_major), detail::walk(g, row_major), state, threads());
        for (Scalar*& array : state) array += p.size();
      });
    });
  }

  /// Where the gradient has become 0, state decays into the subnormal numbers, on which CPUs are slow.
  /// Every 16th step is often enough to stay fast and seldom enough to cost nothing; and as t is part
  /// of the state, it is the same steps everywhere. (bench: "zero gradients")
  static constexpr std::int64_t flush_period = 16;

  DESCENT_TAGGED [[gnu::noinline]] void flush_state() {
    for (Scalar* array : memory_.state.arrays())
      kernel::sweep(kernel::FlushSubnormals<Scalar>{}, array, static_cast<const Scalar*>(array),
                    kernel::Arrays<Scalar, 0>{}, memory_.size, threads());
  }

  DESCENT_TAGGED void validate_rule() const {
    if constexpr (requires(const R& rule) { rule.template validate<Scalar>(); })
      this->template validate<Scalar>();
    else
      this->validate();
  }

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

  DESCENT_TAGGED int threads() const { return threads_ == 0 ? Eigen::nbThreads() : threads_; }

  DESCENT_TAGGED static std::string known_states() {
    std::string known = slots == 0 ? "this rule has none" : "the known ones are";
    for (std::size_t index = 0; index < slots; ++index)
      known += (index == 0 ? " \"" : ", \"") + std::string(R::state_names[index]) + "\"";
    return known;
  }

  Memory memory_;
  int threads_ = 1;
};

}  // namespace descent

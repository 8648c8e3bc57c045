// SPDX-License-Identifier: MIT
//
// From a rule to the passes over memory of one step: the kernel that it gives for this step, the pass that writes
// (kernel/sweep.hpp), and those that measure the norms for the links of a chain (kernel/norm.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>

#include <descent/kernel/norm.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/rule.hpp>
#include <descent/strided.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// What the kernel of a chain depends on, other than its hyperparameters and its counter.
template <class R>
struct TensorFacts {};
template <IsChain R>
struct TensorFacts<R> {
  bool is_matrix = false;
  [[no_unique_address]] Norms<R::norm_count> norms = {0};
};

/// Those of one tensor without norms; `layout` as in Shape.
template <class R>
[[gnu::always_inline]] inline TensorFacts<R> facts_of(Index size, Index layout) {
  if constexpr (IsChain<R>)
    return {layout / 2 > 1 && size > layout / 2};
  else
    return {};
}

template <class Scalar, class R>
[[gnu::always_inline]] inline StepOf<R, Scalar> step_of(const StepCounter<R>& counter, const TensorFacts<R>& tensor) {
  if constexpr (IsChain<R>)
    return {{counter.t, counter.products, counter.numbers}, tensor.is_matrix, tensor.norms};
  else
    return {counter.t, counter.products, counter.numbers};
}

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
[[gnu::always_inline]] inline void with_kernel(const R& rule, const StepCounter<R>& counter, const Use& use,
                                               const TensorFacts<R>& tensor = {}) {
  with_chosen(rule.kernel(step_of<Scalar>(counter, tensor)), use);
}

/// Calls use(pass), with the pass over memory that performs this step.
template <class Scalar, class R, class Use>
[[gnu::always_inline]] inline void with_pass(const R& rule, const StepCounter<R>& counter, int threads, const Use& use,
                                             const TensorFacts<R>& tensor = {}) {
  with_kernel<Scalar>(rule, counter, [&](const auto& kernel) __attribute__((always_inline)) {
    const auto* const flush = flushes<R>(counter.t) ? &thresholds_of<Scalar, R> : nullptr;
    use(kernel::Pass<Scalar, R::state_names.size()>(kernel, threads, flush));
  }, tensor);
}

// ---- Norms ---------------------------------------------------------------------------------------

/// One step of one tensor.
template <class R, class Scalar>
struct TensorStep {
  const R& rule;
  const StepCounter<R>& counter;
  View<Scalar> x;
  View<const Scalar> g;
  bool row_major;                                              ///< the order of the state
  const kernel::Arrays<Scalar, R::state_names.size()>& state;  ///< of this tensor
};

/// Whether a state array has one element for each row and each column of a tensor, not one for each parameter.
template <class R, class Scalar>
bool factors_state(const Shape& shape) {
  if constexpr (StepsWhole<R>)
    return R::template WholeStep<Scalar>::factors_state(shape);
  else
    return false;
}

/// How many elements of each state array belong to a tensor.
template <class R, class Scalar>
Index state_size(const Shape& shape) {
  return factors_state<R, Scalar>(shape) ? shape.rows + shape.cols : shape.size();
}

/// How many of a chain's links need norms.
template <class R>
inline constexpr std::size_t norm_link_count = 0;
template <IsChain R>
inline constexpr std::size_t norm_link_count<R> = R::norm_links.size();

template <class R>
constexpr bool has_norms_of_each_tensor() {
  bool found = false;
  if constexpr (IsChain<R>)
    for (const NormLink& link : R::norm_links) found = found || !link.of_all_tensors;
  return found;
}

/// A kernel that first sets its copies of the state to 0 where the pass that writes will do so.
template <class Kernel, class Scalar, std::size_t state_count>
struct AfterFlush {
  Kernel kernel;
  kernel::Thresholds<Scalar, state_count> thresholds;  ///< 0 at steps without flush

  template <class Pack, class... State>
  [[gnu::always_inline]] auto operator()(const Pack& x, const Pack& g, State&... state) const {
    [&]<std::size_t... k>(std::index_sequence<k...>) __attribute__((always_inline)) {
      ((state = select(abs(state) < thresholds[k], Scalar(0), state)), ...);
    }(std::make_index_sequence<state_count>());
    return kernel(x, g, state...);
  }
};

/// Calls use(kernel), with the kernel that computes what a link needs norms of.
template <std::size_t number, class R, class Scalar, class Use>
void with_norm_kernel(const TensorStep<R, Scalar>& tensor, const TensorFacts<R>& facts, const Use& use) {
  with_chosen(tensor.rule.template norm_kernel<number>(step_of<Scalar>(tensor.counter, facts)),
              [&]<class Kernel>(const Kernel& kernel) {
    if constexpr (R::norm_links[number].reads_state) {
      kernel::Thresholds<Scalar, R::state_names.size()> none{};
      use(AfterFlush<Kernel, Scalar, R::state_names.size()>{
          kernel, flushes<R>(tensor.counter.t) ? thresholds_of<Scalar, R> : none});
    } else {
      use(kernel);
    }
  });
}

template <std::size_t end, class R, class Scalar>
void measure_tensor(const TensorStep<R, Scalar>& tensor, int threads, TensorFacts<R>& facts);

/// The sums of squares for a link, over all tensors that for_each(visit) visits. `factor` is described in norm.hpp.
template <std::size_t number, class Scalar, class R, class ForEach>
auto sums_of_squares(const ForEach& for_each, int threads, const TensorFacts<R>& facts, kernel::Wide<Scalar> factor) {
  constexpr NormLink link = R::norm_links[number];
  using Sums = kernel::Sums<Scalar, link.count>;
  Sums total{};
  for_each([&](const TensorStep<R, Scalar>& tensor) {
    TensorFacts<R> own = facts;
    if (link.of_all_tensors) measure_tensor<number>(tensor, threads, own);
    Sums sums{};
    with_norm_kernel<number>(tensor, own, [&](const auto& kernel) {
      const kernel::NormPass<Scalar, R::state_names.size(), link.count> pass(kernel, threads, factor);
      sum_view(pass, tensor.x, tensor.g, tensor.row_major, tensor.state, sums);
    });
    for (std::size_t k = 0; k < link.count; ++k) kernel::add_to(total[k], sums[k]);
  });
  return total;
}

/// Measures the norms for a link, over all tensors that for_each(visit) visits.
template <std::size_t number, class Scalar, class R, class ForEach>
void measure(const ForEach& for_each, int threads, TensorFacts<R>& facts) {
  constexpr NormLink link = R::norm_links[number];
  const auto norms = kernel::norms_of<Scalar>(
      [&](kernel::Wide<Scalar> factor) { return sums_of_squares<number, Scalar>(for_each, threads, facts, factor); });
  for (std::size_t k = 0; k < link.count; ++k) facts.norms[link.first + k] = static_cast<double>(norms[k]);
}

/// Measures the norms of one tensor for the links before number `end` that need those of each tensor.
template <std::size_t end, class R, class Scalar>
void measure_tensor(const TensorStep<R, Scalar>& tensor, int threads, TensorFacts<R>& facts) {
  facts.is_matrix = tensor.x.shape.is_matrix();
  [&]<std::size_t... number>(std::index_sequence<number...>) {
    const auto this_alone = [&](const auto& visit) { visit(tensor); };
    [[maybe_unused]] const auto measure_one = [&]<std::size_t each>(std::integral_constant<std::size_t, each>) {
      if constexpr (!R::norm_links[each].of_all_tensors) measure<each, Scalar>(this_alone, threads, facts);
    };
    (measure_one(std::integral_constant<std::size_t, number>()), ...);
  }(std::make_index_sequence<end>());
}

/// Measures the norms over all tensors, which for_each(visit) visits.
template <class Scalar, class R, class ForEach>
void measure_all(const ForEach& for_each, int threads, TensorFacts<R>& facts) {
  [&]<std::size_t... number>(std::index_sequence<number...>) {
    [[maybe_unused]] const auto measure_one = [&]<std::size_t each>(std::integral_constant<std::size_t, each>) {
      if constexpr (R::norm_links[each].of_all_tensors) measure<each, Scalar>(for_each, threads, facts);
    };
    (measure_one(std::integral_constant<std::size_t, number>()), ...);
  }(std::make_index_sequence<norm_link_count<R>>());
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

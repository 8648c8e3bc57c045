// SPDX-License-Identifier: MIT
//
// Registers with Google Benchmark what is measured for one scalar: each rule at each size with every implementation
// that is compared, the small and fixed sizes, unusual gradients, two threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <benchmark/benchmark.h>

#include <Eigen/Core>

#include "arguments.hpp"
#include "cases.hpp"
#include "progress.hpp"
#include "steppers.hpp"
#include "workload.hpp"

namespace bench {

/// Steps so short that the parameters keep their size for as long as the measurement lasts.
template <class Rule>
Rule crawling_rule() {
  Rule rule;
  if constexpr (requires { rule.learning_rate; }) rule.learning_rate = 1e-12;
  if constexpr (requires { rule.max_step_size; })
    rule.initial_step_size = rule.min_step_size = rule.max_step_size = 1e-12;
  return rule;
}

/// The bytes that a step must move: it reads x, g and the states, and writes x and the states.
template <class Scalar>
std::int64_t bytes_per_step(std::size_t states, Eigen::Index n) {
  return static_cast<std::int64_t>((3 + 2 * states) * sizeof(Scalar)) * n;
}

/// Times `work(stepper)`, which takes `steps` steps, on a new, warmed-up stepper.
template <class Make, class Work>
benchmark::internal::Benchmark* add(const std::string& name, std::int64_t bytes, Make make, Work work,
                                    std::int64_t steps = 1) {
  progress().add_benchmark();
  return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    auto stepper = make();
    benchmark::DoNotOptimize(&stepper);
    stepper.step();
    for (auto _ : state) {
      work(stepper);
      benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * steps * bytes);
    state.SetItemsProcessed(state.iterations() * steps);
    progress().count(name, static_cast<std::int64_t>(state.max_iterations));
  });
}

/// Times single steps.
template <class Make>
benchmark::internal::Benchmark* add_steps(const std::string& name, std::int64_t bytes, Make make) {
  return add(name, bytes, make, [](auto& stepper) { stepper.step(); });
}

template <class Rule, class Scalar>
void add_rule(Eigen::Index n) {
  const auto name = [&](std::string_view by) { return case_name(rule_name<Rule>, scalar_name<Scalar>, n, by); };
  const std::int64_t bytes = bytes_per_step<Scalar>(state_count<Rule>, n);
  const auto rule = crawling_rule<Rule>();
  add_steps(name(who::descent), bytes, [=] { return ByDescent<Rule, Scalar>(rule, n); });
  add_steps(name(who::eigen), bytes, [=] { return ByEigen<Rule, Scalar>(rule, n); });
#if defined(__x86_64__)
  if (avx2::supported()) add_steps(name(who::avx2), bytes, [=] { return ByIntrinsics<Rule, Scalar>(rule, n); });
#endif
#ifdef DESCENT_BENCH_NATIVE
  if constexpr (std::is_same_v<Rule, rules::Adam>)
    add_steps(name(who::eigen_native), bytes, [=] { return ByNativeEigen<Scalar>(rule, n); });
#endif
}

template <std::size_t States, class Scalar>
void add_stream(Eigen::Index n) {
  add_steps(stream_name(States, scalar_name<Scalar>, n), bytes_per_step<Scalar>(States, n),
            [=] { return Stream<States, Scalar>(n); });
}

template <class Rule, class Scalar, int Size>
void add_fixed() {
  const auto name = [](std::string_view by) { return case_name(rule_name<Rule>, scalar_name<Scalar>, Size, by); };
  const std::int64_t bytes = bytes_per_step<Scalar>(state_count<Rule>, Size);
  const auto rule = crawling_rule<Rule>();
  add_steps(name(who::descent_fixed), bytes, [=] { return ByDescent<Rule, Scalar, Size>(rule, Size); });
  add_steps(name(who::eigen_fixed), bytes, [=] { return ByEigen<Rule, Scalar, Size>(rule, Size); });
}

// ---- Conditions that few steps meet ----------------------------------------------------------------

/// An optimizer with default hyperparameters, and a gradient that is the usual one scaled.
template <class Rule, class Scalar>
class WithScaledGradient {
 public:
  WithScaledGradient(Eigen::Index n, double scale)
      : x_(usual_array<Scalar>(n)), scaled_(usual_array<Scalar>(n)), usual_(shared<Problem<Scalar>>(n).gradient) {
    x_ = shared<Problem<Scalar>>(n).x;
    scaled_ = static_cast<Scalar>(scale) * usual_;
  }
  void usual_step() { optimizer_.step(x_, usual_); }
  void step() { optimizer_.step(x_, scaled_); }

 private:
  descent::Optimizer<Rule, Scalar> optimizer_;
  Eigen::ArrayX<Scalar> x_, scaled_;
  const Eigen::ArrayX<Scalar>& usual_;
};

/// Gradients that turn 0, like those of a feature that no longer occurs, so that the state decays towards the subnormal
/// numbers; and gradients whose squares are too small for float.
template <class Rule, class Scalar>
void add_unusual_gradients(Eigen::Index n) {
  const auto name = [&](std::string_view by) { return case_name(rule_name<Rule>, scalar_name<Scalar>, n, by); };
  const std::int64_t bytes = bytes_per_step<Scalar>(state_count<Rule>, n);
  const auto decay = [](auto& stepper) {
    for (int t = 0; t < usual_steps; ++t) stepper.usual_step();
    for (int t = 0; t < zero_steps; ++t) stepper.step();
  };
  const auto with_gradients = [=](double scale) { return [=] { return WithScaledGradient<Rule, Scalar>(n, scale); }; };
  add(name(who::zero_gradients), bytes, with_gradients(0), decay, usual_steps + zero_steps);
  add_steps(name(who::tiny_gradients), bytes, with_gradients(1e-25));
}

/// One element in a thousand is not 0, as in the gradient of an embedding, so that most state is on its way to 0. At
/// this size, touching these elements costs next to nothing.
template <class Rule, class Scalar>
void add_sparse_gradients(Eigen::Index n) {
  const auto with = [&](std::string_view by, bool sparse) {
    add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, n, by), bytes_per_step<Scalar>(state_count<Rule>, n),
              [=] { return Touched<Rule, Scalar>(Rule(), n, sparse); });
  };
  with(who::sparse_gradients, true);
  with(who::touched_gradients, false);
}

/// The policies that read the gradient once more.
template <class Rule, class Scalar>
void add_checked_gradients(Eigen::Index n) {
  const auto rule = crawling_rule<Rule>();
  const auto with = [&](std::string_view by, descent::NonFinite policy) {
    add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, n, by), bytes_per_step<Scalar>(state_count<Rule>, n),
              [=] { return ByDescent<Rule, Scalar>(rule, n).with_nonfinite(policy); });
  };
  with(who::reject, descent::NonFinite::reject);
  with(who::skip, descent::NonFinite::skip);
}

/// A fixed number of steps, about 50 ms: enough for the other thread to wake up and to fetch its part, but no more,
/// because on a busy machine each step can wait for that thread as long as several steps take.
template <class Rule, class Scalar>
void add_two_threads(Eigen::Index n) {
  const auto rule = crawling_rule<Rule>();
  add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, n, who::two_threads),
            bytes_per_step<Scalar>(state_count<Rule>, n),
            [=] { return ByDescent<Rule, Scalar>(rule, n).with_threads(2); })
      ->UseRealTime()
      ->Iterations(std::max<Eigen::Index>(1, 50'000'000 / n));
}

// ---- Other arguments than one long vector ----------------------------------------------------------

/// In one step, with one optimizer per tensor, and as one tensor with the same number of elements.
template <class Rule, class Scalar>
void add_many_tensors() {
  const auto rule = crawling_rule<Rule>();
  const auto add_case = [&](std::string_view by, auto make) {
    add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, tensor_elements, by),
              bytes_per_step<Scalar>(state_count<Rule>, tensor_elements), make);
  };
  add_case(who::all_tensors, [=] {
    auto& tensors = shared<ManyTensors<Scalar>>(tensor_count);
    return steps_on<Eigen::Dynamic, Scalar>(rule, tensors.x, tensors.gradient);
  });
  add_case(who::one_for_each,
           [=] { return OneForEach<Rule, Scalar>(rule, shared<ManyTensors<Scalar>>(tensor_count)); });
  add_case(who::descent, [=] { return ByDescent<Rule, Scalar>(rule, tensor_elements); });
}

/// Many models of so many parameters, in the rows of a matrix.
template <class Rule, class Scalar, int Parameters>
void add_small_models() {
  using Models = SmallModels<Scalar, Parameters>;
  const auto add_case = [&]<class Stepper>(std::string_view by) {
    constexpr Eigen::Index n = model_count * Parameters;
    add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, n, by), bytes_per_step<Scalar>(state_count<Rule>, n),
              [] { return Stepper(crawling_rule<Rule>(), shared<Models>(model_count)); });
  };
  add_case.template operator()<OneForEachRow<Rule, Scalar, Parameters>>(who::one_for_each_row);
  add_case.template operator()<RowsTogether<Rule, Scalar, Parameters>>(who::rows_together);
#if defined(__x86_64__)
  if (avx2::supported()) add_case.template operator()<RowsByIntrinsics<Rule, Scalar, Parameters>>(who::avx2_rows);
#endif
}

template <class Rule, class Scalar>
void add_layouts(Eigen::Index side) {
  const auto rule = crawling_rule<Rule>();
  const auto add_case = [&](std::string_view by, auto gradient) {
    add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, side * side, by),
              bytes_per_step<Scalar>(state_count<Rule>, side * side), [=] {
      auto& square = shared<Square<Scalar>>(side);
      return steps_on<Eigen::Dynamic, Scalar>(rule, square.x, square.*gradient);
    });
  };
  add_case(who::one_layout, &Square<Scalar>::gradient);
  add_case(who::two_layouts, &Square<Scalar>::transposed_in_memory);
}

/// A small vector and a map of it, with an optimizer of their fixed size and one of dynamic size.
template <class Rule, class Scalar, int Size>
void add_small_vector() {
  using Small = SmallVector<Scalar, Size>;
  const auto rule = crawling_rule<Rule>();
  const auto add_case = [&]<int optimizer_size>(std::string_view by, auto x, auto gradient) {
    add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, Size, by),
              bytes_per_step<Scalar>(state_count<Rule>, Size), [=] {
      auto& small = shared<Small>(Size);
      return steps_on<optimizer_size, Scalar>(rule, small.*x, small.*gradient);
    });
  };
  add_case.template operator()<Eigen::Dynamic>(who::vector, &Small::x, &Small::gradient);
  add_case.template operator()<Size>(who::fixed_vector, &Small::x, &Small::gradient);
  add_case.template operator()<Eigen::Dynamic>(who::map, &Small::mapped_x, &Small::mapped_gradient);
  add_case.template operator()<Size>(who::fixed_map, &Small::mapped_x, &Small::mapped_gradient);
}

// ---- All of it -------------------------------------------------------------------------------------

template <class Scalar>
void add_benchmarks(const Coverage& coverage) {
  for (const Eigen::Index n : coverage.sizes) {
    Classical::for_each([&]<class Rule>() { add_rule<Rule, Scalar>(n); });
    add_stream<0, Scalar>(n);
    add_stream<1, Scalar>(n);
    add_stream<2, Scalar>(n);
  }
  if constexpr (std::is_same_v<Scalar, float>)
    for (const Eigen::Index n : recipe_sizes)
      if (std::ranges::find(coverage.sizes, n) != coverage.sizes.end())
        for_each_recipe([&]<class Recipe>(double, double) { add_rule<Recipe, Scalar>(n); });
  add_fixed<rules::SGD, Scalar, 2>();
  add_fixed<rules::Adam, Scalar, 2>();
  add_fixed<rules::Adam, Scalar, 10>();
  Classical::for_each([&]<class Rule>() { add_unusual_gradients<Rule, Scalar>(coverage.unusual_size); });
  Classical::for_each([&]<class Rule>() { add_sparse_gradients<Rule, Scalar>(coverage.unusual_size); });
  for (const Eigen::Index side : layout_sides) {
    add_layouts<rules::SGD, Scalar>(side);
    add_layouts<rules::Adam, Scalar>(side);
  }
  if constexpr (std::is_same_v<Scalar, float>) {
    add_many_tensors<rules::SGD, Scalar>();
    add_many_tensors<rules::Adam, Scalar>();
    add_small_vector<rules::Adam, Scalar, small_vector>();
    add_small_models<rules::Adam, Scalar, model_parameters>();
  }
  for (const Eigen::Index n : coverage.sizes) {
    add_checked_gradients<rules::SGD, Scalar>(n);
    add_checked_gradients<rules::Adam, Scalar>(n);
  }
#if defined(_OPENMP)
  for (const Eigen::Index n : coverage.threaded_sizes)
    Classical::for_each([&]<class Rule>() { add_two_threads<Rule, Scalar>(n); });
#endif
}

template <class Scalar>
void add_newer_benchmarks(const Coverage& coverage) {
  for (const Eigen::Index n : coverage.newer_sizes) {
    Newer::for_each([&]<class Rule>() { add_rule<Rule, Scalar>(n); });
    Layerwise::for_each([&]<class Rule>() { add_rule<Rule, Scalar>(n); });
    add_stream<3, Scalar>(n);
    add_stream<4, Scalar>(n);
  }
  // In double, none of them comes close to a subnormal number.
  if constexpr (std::is_same_v<Scalar, float>)
    Newer::for_each([&]<class Rule>() {
      add_unusual_gradients<Rule, Scalar>(coverage.unusual_size);
      add_sparse_gradients<Rule, Scalar>(coverage.unusual_size);
    });
}

}  // namespace bench

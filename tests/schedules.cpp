// SPDX-License-Identifier: MIT
//
// Schedules: the formulas, in long double, those of optax and PyTorch as they document them, the ends, and what is
// refused.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include <descent/schedules.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent::schedules;
using descent::Annealing;
using descent::test::complaint;

using Real = long double;
constexpr Real pi = std::numbers::pi_v<Real>;
constexpr std::int64_t last_step = std::numeric_limits<std::int64_t>::max();

/// Whether a value of a schedule between 0 and `size` is what the formula says. A weight is off by up to 4 units of
/// rounding (2^-53): a quotient, a cosine or power of it, and a square. The products and the sum add 3, the values that
/// are given to the schedule up to 1 each.
bool is_near(double value, Real expected, Real size) {
  return std::fabs(static_cast<Real>(value) - expected) <= 9 * 0x1p-53L * size;
}

/// From one value to the other along half a cosine, as optax and PyTorch write it.
Real cosine(Real from, Real to, Real fraction) { return to + (from - to) / 2 * (1 + std::cos(pi * fraction)); }
Real line(Real from, Real to, Real fraction) { return from + (to - from) * fraction; }

}  // namespace

TEST_CASE("a constant schedule", "[schedules]") {
  for (const std::int64_t step : {std::int64_t{0}, std::int64_t{1}, last_step}) CHECK(Constant{0.1}(step) == 0.1);
}

TEST_CASE("schedules that come to an end are those of optax and PyTorch", "[schedules]") {
  const double initial = 0.3, power = 1.7;
  for (const double final : {0.0, 1e-3, 0.7})
    for (const std::int64_t steps : {1, 2, 7, 1000}) {
      const Linear linear{.initial = initial, .final = final, .steps = steps};
      const Polynomial polynomial{.initial = initial, .final = final, .steps = steps, .power = power};
      const Cosine along_cosine{.initial = initial, .final = final, .steps = steps};
      for (std::int64_t step = 0; step < steps; ++step) {
        const Real fraction = static_cast<Real>(step) / static_cast<Real>(steps), size = initial + final;
        CHECK(is_near(linear(step), line(initial, final, fraction), size));
        CHECK(is_near(polynomial(step), (initial - Real{final}) * std::pow(1 - fraction, Real{power}) + final, size));
        CHECK(is_near(along_cosine(step), cosine(initial, final, fraction), size));
        // optax: init_value ((1 - alpha) (1 + cos) / 2 + alpha)
        const Real alpha = Real{final} / initial, decayed = (1 + std::cos(pi * fraction)) / 2;
        CHECK(is_near(along_cosine(step), initial * ((1 - alpha) * decayed + alpha), size));
        // PyTorch: base_lr (start_factor + (end_factor - start_factor) min(total_iters, t) / total_iters)
        CHECK(is_near(linear(step), initial * (1 + (alpha - 1) * fraction), size));
      }
      const auto check_ends = [&](const auto& schedule) {
        CHECK(schedule(0) == initial);
        for (const std::int64_t step : {steps, steps + 1, 2 * steps, 3 * steps, last_step})
          CHECK(schedule(step) == final);
      };
      check_ends(linear);
      check_ends(polynomial);
      check_ends(along_cosine);
    }
}

TEST_CASE("what comes to an end ends at 0 where nothing else is said", "[schedules]") {
  CHECK(Linear{.initial = 1, .steps = 3}(3) == 0);
  CHECK(Polynomial{.initial = 1, .steps = 3}(3) == 0);
  CHECK(Polynomial{.initial = 1, .steps = 3}(1) == Linear{.initial = 1, .steps = 3}(1));
  CHECK(Cosine{.initial = 1, .steps = 3}(3) == 0);
}

TEST_CASE("the last values of a cosine have their digits", "[schedules]") {
  const std::int64_t steps = 1'000'000;
  const Cosine schedule{.initial = 1, .steps = steps};
  const Real sine = std::sin(pi / 2 / steps);  // 1 - cos^2, and so (1 + cos(pi (steps - 1) / steps)) / 2 = sine^2
  // The fraction (steps - 1) / steps is rounded to 2^-54, which is `steps` times as much of what is left to 1, and
  // twice that of the square.
  CHECK(std::fabs(schedule(steps - 1) / (sine * sine) - 1) < 3 * 0x1p-54L * steps);
}

TEST_CASE("a cosine with restarts", "[schedules]") {
  const double initial = 0.5, final = 0.01;
  for (const std::int64_t period : {1, 3, 10})
    for (const std::int64_t factor : {1, 2, 3}) {
      const CosineRestarts schedule{.initial = initial, .final = final, .period = period, .period_factor = factor};
      std::int64_t begin = 0, length = period;
      while (begin < 1000) {
        CHECK(schedule(begin) == initial);
        for (std::int64_t step = begin; step < begin + length; ++step) {
          const Real fraction = static_cast<Real>(step - begin) / static_cast<Real>(length);
          CHECK(is_near(schedule(step), cosine(initial, final, fraction), initial + final));
        }
        begin += length;
        length *= factor;
      }
    }
  // PyTorch finds the cycle by a logarithm.
  const CosineRestarts schedule{.initial = initial, .final = final, .period = 7, .period_factor = 2};
  for (std::int64_t step = 0; step < 500; ++step) {
    const int n = static_cast<int>(std::log2(static_cast<Real>(step) / 7 + 1));
    const Real T_i = 7 * std::ldexp(Real{1}, n), T_cur = static_cast<Real>(step) - 7 * (std::ldexp(Real{1}, n) - 1);
    CHECK(is_near(schedule(step), cosine(initial, final, T_cur / T_i), initial + final));
  }
  // Cycles do not overflow, however long they become, nor is there a loop over many.
  CHECK(CosineRestarts{.initial = 1, .period = 1}(last_step) == 1);
  const std::int64_t huge = last_step / 3;
  CHECK(CosineRestarts{.initial = 1, .period = 1, .period_factor = huge}(1) == 1);
  CHECK(is_near(CosineRestarts{.initial = 1, .period = 1, .period_factor = huge}(1 + huge / 2), 0.5, 1));
  const std::int64_t above_half = 5'000'000'000'000'000'000;
  CHECK(is_near(CosineRestarts{.initial = 1, .period = 1, .period_factor = above_half}(1 + above_half / 2), 0.5, 1));
  CHECK(CosineRestarts{.initial = 1, .period = 2, .period_factor = 2}(last_step) >= 0);
  CHECK(CosineRestarts{.initial = 1, .period = last_step, .period_factor = 2}(last_step) == 1);
}

TEST_CASE("schedules of factors", "[schedules]") {
  const double initial = 0.2, factor = 0.95;
  const Exponential exponential{.initial = initial, .factor = factor, .period = 10};
  const Exponential each_step{.initial = initial, .factor = factor};
  const StepDecay steps{.initial = initial, .factor = factor, .period = 10};
  const MultiStepDecay multi{.initial = initial, .factor = factor, .milestones = {0, 3, 50, 51}};
  Real in_steps = initial, at_milestones = initial;  // PyTorch: the rate is multiplied each time
  for (std::int64_t step = 0; step < 200; ++step) {
    if (step > 0 && step % 10 == 0) in_steps *= factor;
    if (step == 0 || step == 3 || step == 50 || step == 51) at_milestones *= factor;
    const auto smooth = [&](Real exponent) { return initial * std::pow(Real{factor}, exponent); };
    CHECK(is_near(exponential(step), smooth(static_cast<Real>(step) / 10), initial));
    CHECK(is_near(each_step(step), smooth(static_cast<Real>(step)), initial));
    CHECK(is_near(steps(step), in_steps, initial));
    CHECK(is_near(multi(step), at_milestones, initial));
  }
  CHECK(steps(9) == initial);
  CHECK(steps(10) == initial * factor);
  CHECK(multi(2) == initial * factor);
  CHECK(MultiStepDecay{.initial = 0.3}(last_step) == 0.3);
  CHECK(StepDecay{.initial = 1, .period = 30}(30) == 0.1);
  CHECK(MultiStepDecay{.initial = 1, .milestones = {30}}(30) == 0.1);
  CHECK(Exponential{.initial = 1, .factor = 2}(10) == 1024);
  CHECK(each_step(last_step) == 0);
}

TEST_CASE("an inverse square root", "[schedules]") {
  const double initial = 0.7, timescale = 12.5;
  const InverseSquareRoot schedule{.initial = initial, .timescale = timescale};
  CHECK(schedule(0) == initial);
  for (std::int64_t step = 0; step < 500; ++step)
    CHECK(is_near(schedule(step), initial / std::sqrt(1 + static_cast<Real>(step) / timescale), initial));

  // Vaswani et al.: d^-0.5 min(t^-0.5, t warmup_steps^-1.5), whose peak is d^-0.5 warmup_steps^-0.5
  const int warmup_steps = 40;
  const double peak = 0.1;
  const WithWarmup transformer{warmup_steps, InverseSquareRoot{.initial = peak, .timescale = warmup_steps}};
  for (int t = 1; t < 500; ++t) {
    const Real scale = peak * std::sqrt(Real{warmup_steps});
    const Real expected = scale * std::min(1 / std::sqrt(Real(t)), t * std::pow(Real{warmup_steps}, Real{-1.5}));
    CHECK(is_near(transformer(t), expected, peak));
  }
}

namespace {

/// As PyTorch's OneCycleLR writes it.
Real one_cycle_of_pytorch(Real max_lr, int total_steps, Real pct_start, bool is_cosine, bool three_phase, int step) {
  const Real initial_lr = max_lr / 25, min_lr = initial_lr / 1e4L;
  struct Phase {
    Real end_step, start_lr, end_lr;
  };
  std::vector<Phase> phases{{pct_start * total_steps - 1, initial_lr, max_lr}};
  if (three_phase) {
    phases.push_back({2 * pct_start * total_steps - 2, max_lr, initial_lr});
    phases.push_back({Real(total_steps - 1), initial_lr, min_lr});
  } else {
    phases.push_back({Real(total_steps - 1), max_lr, min_lr});
  }
  Real start_step = 0;
  for (const Phase& phase : phases) {
    if (step <= phase.end_step) {
      const Real pct = (step - start_step) / (phase.end_step - start_step);
      return is_cosine ? cosine(phase.start_lr, phase.end_lr, pct) : line(phase.start_lr, phase.end_lr, pct);
    }
    start_step = phase.end_step;
  }
  return min_lr;
}

}  // namespace

TEST_CASE("one cycle as in PyTorch", "[schedules]") {
  for (const bool is_cosine : {true, false})
    for (const bool three_phase : {false, true})
      for (const int total : {10, 100, 333})
        for (const double pct_start : {0.3, 0.25, 0.4}) {
          const OneCycle schedule{.peak = 0.1,
                                  .steps = total - 1,
                                  .warmup_fraction = (pct_start * total - 1) / (total - 1),
                                  .annealing = is_cosine ? Annealing::cosine : Annealing::linear,
                                  .three_phase = three_phase};
          for (int step = 0; step < total; ++step) {
            // Where phases meet, in (now - begin) / (end - begin), is rounded to some 2^-53 of the steps.
            const Real expected = one_cycle_of_pytorch(0.1L, total, pct_start, is_cosine, three_phase, step);
            CHECK(std::fabs(schedule(step) - expected) <= 0.1L * 0x1p-53L * (9 + 4 * total));
          }
        }
}

TEST_CASE("one cycle as in optax", "[schedules]") {
  const OneCycle schedule{.peak = 0.4, .steps = 200, .div_factor = 10, .final_div_factor = 50};
  const Real start = 0.4L / 10, end = start / 50;
  for (int step = 0; step <= 200; ++step) {
    const Real expected = step < 60 ? cosine(start, 0.4L, step / 60.0L) : cosine(0.4L, end, (step - 60) / 140.0L);
    CHECK(is_near(schedule(step), expected, 0.4L));
  }
  CHECK(schedule(0) == 0.4 / 10);
  CHECK(schedule(60) == 0.4);
  CHECK(schedule(200) == 0.4 / 10 / 50);
  CHECK(schedule(last_step) == 0.4 / 10 / 50);

  const OneCycle from_peak{.peak = 0.4, .steps = 200, .warmup_fraction = 0};
  CHECK(from_peak(0) == 0.4);
}

TEST_CASE("a warm-up before any schedule", "[schedules]") {
  // optax: warmup_cosine_decay_schedule(init_value, peak_value, warmup_steps, decay_steps, end_value)
  const WithWarmup schedule{50, Cosine{.initial = 0.3, .final = 0.01, .steps = 150}, 0.02};
  for (int step = 0; step < 200; ++step) {
    const Real expected =
        step < 50 ? line(0.02L, 0.3L, step / 50.0L) : cosine(0.3L, 0.01L, static_cast<Real>(step - 50) / 150);
    CHECK(is_near(schedule(step), expected, 0.31L));
  }
  CHECK(schedule(0) == 0.02);
  CHECK(schedule(50) == 0.3);
  CHECK(schedule(200) == 0.01);
  CHECK(schedule(last_step) == 0.01);

  const WithWarmup<Cosine> designated{.steps = 50, .after = {.initial = 0.3, .final = 0.01, .steps = 150}};
  CHECK(designated(0) == 0);
  CHECK(designated(25) == 0.15);
  CHECK(designated(125) == schedule(125));

  // (step + 1) / n, the other warm-up
  const WithWarmup from_first{9, Constant{1}, 0.1};
  for (int step = 0; step < 15; ++step) CHECK(is_near(from_first(step), std::min(1.0L, (step + 1) / 10.0L), 1));

  const WithWarmup own{4, [](std::int64_t step) { return step < 10 ? 0.5f : 0.25f; }};
  CHECK(own(2) == 0.25);
  CHECK(own(13) == 0.5);
  CHECK(own(14) == 0.25);
}

TEST_CASE("schedules are joined", "[schedules]") {
  const Join schedule{Linear{.initial = 0, .final = 1, .steps = 4}, 6,
                      Join{Constant{0.5}, 3, StepDecay{.initial = 1, .factor = 0.5, .period = 2}}};
  const std::array<double, 15> expected{0, 0.25, 0.5, 0.75, 1, 1, 0.5, 0.5, 0.5, 1, 1, 0.5, 0.5, 0.25, 0.25};
  for (std::size_t step = 0; step < expected.size(); ++step)
    CHECK(schedule(static_cast<std::int64_t>(step)) == expected[step]);
}

TEST_CASE("members and steps that are refused", "[schedules]") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const auto told = [](const auto& schedule, std::int64_t step = 0) { return complaint([&] { schedule(step); }); };
  const std::string of = "descent::schedules::";

  CHECK(told(Constant{}) == of + "Constant: value = nan; it must be finite");
  CHECK(told(Constant{infinity}) == of + "Constant: value = inf; it must be finite");
  CHECK_NOTHROW(Constant{-1}(0));
  CHECK(told(Constant{1}, -1) == of + "Constant: step = -1; it must be >= 0");

  CHECK(told(Linear{.steps = 3}) == of + "Linear: initial = nan; it must be finite");
  CHECK(told(Linear{.initial = 1, .final = nan, .steps = 3}) == of + "Linear: final = nan; it must be finite");
  CHECK(told(Linear{.initial = 1}) == of + "Linear: steps = 0; it must be finite and >= 1");
  CHECK(told(Linear{.initial = 1, .steps = 1}, -7) == of + "Linear: step = -7; it must be >= 0");

  CHECK(told(Polynomial{.steps = 3}) == of + "Polynomial: initial = nan; it must be finite");
  CHECK(told(Polynomial{.initial = 1, .final = -infinity, .steps = 3}) ==
        of + "Polynomial: final = -inf; it must be finite");
  CHECK(told(Polynomial{.initial = 1}) == of + "Polynomial: steps = 0; it must be finite and >= 1");
  CHECK(told(Polynomial{.initial = 1, .steps = -3}) == of + "Polynomial: steps = -3; it must be finite and >= 1");
  CHECK(told(Polynomial{.initial = 1, .steps = 3, .power = 0}) ==
        of + "Polynomial: power = 0; it must be finite and > 0");
  CHECK(told(Polynomial{.initial = 1, .steps = 1}, -1) == of + "Polynomial: step = -1; it must be >= 0");

  CHECK(told(Cosine{.steps = 3}) == of + "Cosine: initial = nan; it must be finite");
  CHECK(told(Cosine{.initial = 1, .final = nan, .steps = 3}) == of + "Cosine: final = nan; it must be finite");
  CHECK(told(Cosine{.initial = 1}) == of + "Cosine: steps = 0; it must be finite and >= 1");
  CHECK(told(Cosine{.initial = 1, .steps = 1}, -1) == of + "Cosine: step = -1; it must be >= 0");

  CHECK(told(CosineRestarts{.period = 3}) == of + "CosineRestarts: initial = nan; it must be finite");
  CHECK(told(CosineRestarts{.initial = 1, .final = nan, .period = 3}) ==
        of + "CosineRestarts: final = nan; it must be finite");
  CHECK(told(CosineRestarts{.initial = 1}) == of + "CosineRestarts: period = 0; it must be finite and >= 1");
  CHECK(told(CosineRestarts{.initial = 1, .period = 3, .period_factor = 0}) ==
        of + "CosineRestarts: period_factor = 0; it must be finite and >= 1");
  CHECK(told(CosineRestarts{.initial = 1, .period = 1}, -1) == of + "CosineRestarts: step = -1; it must be >= 0");

  CHECK(told(Exponential{.factor = 0.9}) == of + "Exponential: initial = nan; it must be finite");
  CHECK(told(Exponential{.initial = 1}) == of + "Exponential: factor = nan; it must be finite and > 0");
  CHECK(told(Exponential{.initial = 1, .factor = 0}) == of + "Exponential: factor = 0; it must be finite and > 0");
  CHECK(told(Exponential{.initial = 1, .factor = 0.9, .period = 0}) ==
        of + "Exponential: period = 0; it must be finite and >= 1");
  CHECK(told(Exponential{.initial = 1, .factor = 0.9}, -1) == of + "Exponential: step = -1; it must be >= 0");

  CHECK(told(StepDecay{.period = 3}) == of + "StepDecay: initial = nan; it must be finite");
  CHECK(told(StepDecay{.initial = 1, .factor = -0.1, .period = 3}) ==
        of + "StepDecay: factor = -0.1; it must be finite and > 0");
  CHECK(told(StepDecay{.initial = 1}) == of + "StepDecay: period = 0; it must be finite and >= 1");
  CHECK(told(StepDecay{.initial = 1, .period = 3}, -1) == of + "StepDecay: step = -1; it must be >= 0");

  CHECK(told(MultiStepDecay{}) == of + "MultiStepDecay: initial = nan; it must be finite");
  CHECK(told(MultiStepDecay{.initial = 1, .factor = 0}) ==
        of + "MultiStepDecay: factor = 0; it must be finite and > 0");
  CHECK(told(MultiStepDecay{.initial = 1, .milestones = {-1}}) ==
        of + "MultiStepDecay: milestones[0] = -1; each must be >= 0 and larger than the one before");
  CHECK(told(MultiStepDecay{.initial = 1, .milestones = {5, 30, 30}}) ==
        of + "MultiStepDecay: milestones[2] = 30; each must be >= 0 and larger than the one before");
  CHECK(told(MultiStepDecay{.initial = 1}, -1) == of + "MultiStepDecay: step = -1; it must be >= 0");

  CHECK(told(InverseSquareRoot{.timescale = 3}) == of + "InverseSquareRoot: initial = nan; it must be finite");
  CHECK(told(InverseSquareRoot{.initial = 1}) == of + "InverseSquareRoot: timescale = nan; it must be finite and > 0");
  CHECK(told(InverseSquareRoot{.initial = 1, .timescale = 3}, -1) ==
        of + "InverseSquareRoot: step = -1; it must be >= 0");

  CHECK(told(OneCycle{.steps = 3}) == of + "OneCycle: peak = nan; it must be finite");
  CHECK(told(OneCycle{.peak = 1}) == of + "OneCycle: steps = 0; it must be finite and >= 1");
  CHECK(told(OneCycle{.peak = 1, .steps = 3, .warmup_fraction = 1}) ==
        of + "OneCycle: warmup_fraction = 1; it must be in [0, 1)");
  CHECK(told(OneCycle{.peak = 1, .steps = 3, .div_factor = 0}) ==
        of + "OneCycle: div_factor = 0; it must be finite and > 0");
  CHECK(told(OneCycle{.peak = 1, .steps = 3, .final_div_factor = 0}) ==
        of + "OneCycle: final_div_factor = 0; it must be finite and > 0");
  CHECK(told(OneCycle{.peak = 1, .steps = 3, .annealing = Annealing{7}}) ==
        of + "OneCycle: annealing = 7; it must be cosine or linear");
  CHECK(told(OneCycle{.peak = 1, .steps = 3, .warmup_fraction = 0.5, .three_phase = true}) ==
        of + "OneCycle: warmup_fraction must be below 0.5 with three_phase");
  CHECK_NOTHROW(OneCycle{.peak = 1, .steps = 3, .warmup_fraction = 0.5}(0));
  CHECK(told(OneCycle{.peak = 1, .steps = 3}, -1) == of + "OneCycle: step = -1; it must be >= 0");

  CHECK(told(WithWarmup{0, Constant{1}}) == of + "WithWarmup: steps = 0; it must be finite and >= 1");
  CHECK(told(WithWarmup<Constant>{.after = {1}}) == of + "WithWarmup: steps = 0; it must be finite and >= 1");
  CHECK(told(WithWarmup{1, Constant{1}, nan}) == of + "WithWarmup: initial = nan; it must be finite");
  CHECK(told(WithWarmup{1, Constant{1}}, -1) == of + "WithWarmup: step = -1; it must be >= 0");
  CHECK(told(WithWarmup{1, Constant{}}) == of + "Constant: value = nan; it must be finite");
  CHECK(told(Join{Constant{1}, 0, Constant{1}}) == of + "Join: steps = 0; it must be finite and >= 1");
  CHECK(told(Join<Constant, Constant>{.first = {1}, .second = {1}}) ==
        of + "Join: steps = 0; it must be finite and >= 1");
  CHECK(told(Join{Constant{1}, 1, Constant{1}}, -1) == of + "Join: step = -1; it must be >= 0");
}

TEST_CASE("schedules list their members", "[schedules]") {
  using descent::ListsHyperparameters;
  STATIC_REQUIRE(ListsHyperparameters<Constant> && ListsHyperparameters<Linear> && ListsHyperparameters<Polynomial>);
  STATIC_REQUIRE(ListsHyperparameters<Cosine> && ListsHyperparameters<CosineRestarts> &&
                 ListsHyperparameters<StepDecay>);
  STATIC_REQUIRE(ListsHyperparameters<Exponential> && ListsHyperparameters<MultiStepDecay>);
  STATIC_REQUIRE(ListsHyperparameters<InverseSquareRoot> && ListsHyperparameters<OneCycle>);
  STATIC_REQUIRE(ListsHyperparameters<WithWarmup<Cosine>> && ListsHyperparameters<Join<Cosine, Linear>>);
  STATIC_REQUIRE(descent::Schedule<Cosine> && !descent::Schedule<double> && !descent::Schedule<descent::SGD<>>);
}

TEST_CASE("a schedule drives an optimizer", "[schedules]") {
  descent::SGD<double> sgd;
  const Linear schedule{.initial = 4, .steps = 4};
  Eigen::Vector2d x(0, 0);
  for (int i = 0; i < 6; ++i) {
    sgd.learning_rate = schedule(sgd.steps());
    sgd.step(x, Eigen::Vector2d(-1, -2));
  }
  CHECK(x == Eigen::Vector2d(4 + 3 + 2 + 1, 20));
}

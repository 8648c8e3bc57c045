// SPDX-License-Identifier: MIT
//
// The schedules and ReduceOnPlateau against PyTorch and optax themselves: the rates of 100 steps that
// golden/make_schedules.py took from them, in golden/schedules.txt, where a comment above each case has its parameters.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <descent/schedules.hpp>
#include <descent/training/reduce_on_plateau.hpp>

#include "catch.hpp"
#include "golden.hpp"

namespace {

using namespace descent::schedules;
using namespace descent::test::golden;
using descent::Annealing;
using descent::PlateauMode;
using descent::ReduceOnPlateau;
using descent::ThresholdMode;

using Rates = std::vector<double>;

constexpr double rate = 0.3;  // of PyTorch's optimizers, and the largest of all

/// The rates whose names start with one of the prefixes.
Goldens<Rates> rates_of(const std::vector<std::string>& prefixes) {
  Goldens<Rates> found;
  for (auto& line : lines_of("schedules.txt")) {
    std::string name;
    line >> name;
    for (const std::string& prefix : prefixes)
      if (name.starts_with(prefix))
        for (double value = 0; line >> value;) found[name].push_back(value);
  }
  return found;
}

/// Checks a schedule against the golden. The tolerance is a number of roundings of the largest rate, half an ulp of 1
/// each: `first` at step 0 and `each` more at every later one.
template <class S>
void check(const Rates& golden, const S& schedule, int first, int each) {
  REQUIRE(golden.size() >= 90);
  for (std::size_t step = 0; step < golden.size(); ++step) {
    INFO("step " << step);
    const double roundings = first + each * static_cast<double>(step);
    CHECK(std::abs(schedule(static_cast<std::int64_t>(step)) - golden[step]) <= roundings * 0x1p-53 * rate);
  }
}

}  // namespace

// Our values are off by at most 9 roundings (schedules.cpp).
//
// Most of PyTorch's schedulers multiply the rate before by a quotient f(t) / f(t - 1): at most 6 roundings a step for
// the quotient, a power of it, the product, and the subtraction and addition of the final rate. Those inside of f are
// the same in the denominator one step later, and cancel. A factor below 1 makes what was there before smaller, and a
// factor above 1 makes it grow with the rate, so that it stays below the largest rate. The others write out the
// formula, in at most 10 roundings.
TEST_CASE("PyTorch's schedulers", "[golden]") {
  Goldens<Rates> pytorch = rates_of({"pytorch."});
  const auto recursive = [&](const std::string& name, const auto& schedule) {
    INFO(name);
    check(pytorch.take("pytorch." + name), schedule, 9, 6);
  };
  const auto closed = [&](const std::string& name, const auto& schedule) {
    INFO(name);
    check(pytorch.take("pytorch." + name), schedule, 9 + 10, 0);
  };
  recursive("linear", Linear{.initial = rate * 0.2, .final = rate * 0.9, .steps = 70});
  recursive("polynomial", Polynomial{.initial = rate, .steps = 80, .power = 2.5});
  recursive("cosine", Cosine{.initial = rate, .final = 0.01, .steps = 99});
  recursive("exponential", Exponential{.initial = rate, .factor = 0.97});
  recursive("step", StepDecay{.initial = rate, .factor = 0.3, .period = 30});
  recursive("multi_step", MultiStepDecay{.initial = rate, .factor = 0.3, .milestones = {20, 50, 85}});
  // LinearLR has total_iters = 10, and so has the milestone: the first step of the cosine is number 10.
  recursive("warmup_cosine", WithWarmup{10, Cosine{.initial = rate, .final = 0.01, .steps = 90}, rate * 0.1});
  closed("cosine_restarts", CosineRestarts{.initial = rate, .final = 0.01, .period = 15});
  closed("cosine_restarts_longer", CosineRestarts{.initial = rate, .final = 0.01, .period = 10, .period_factor = 2});
  // Its last step is number total_steps - 1, and the peak is at number pct_start total_steps - 1.
  closed("one_cycle", OneCycle{.peak = 0.3, .steps = 99, .warmup_fraction = 29.0 / 99});
  closed("one_cycle_three_phase", OneCycle{.peak = 0.3,
                                           .steps = 89,
                                           .warmup_fraction = 35.0 / 89,
                                           .div_factor = 10,
                                           .final_div_factor = 100,
                                           .annealing = Annealing::linear,
                                           .three_phase = true});
  CHECK(pytorch.left() == "");
}

// optax writes out the formulas, in at most 16 roundings, of which 4 are those of a power or a cosine of jax.
TEST_CASE("optax's schedules", "[golden]") {
  Goldens<Rates> optax = rates_of({"optax."});
  const auto takes = [&](const std::string& name, const auto& schedule) {
    INFO(name);
    check(optax.take("optax." + name), schedule, 9 + 16, 0);
  };
  takes("linear", Linear{.initial = 0.3, .final = 0.02, .steps = 70});
  takes("polynomial", Polynomial{.initial = 0.3, .final = 0.02, .steps = 80, .power = 2.5});
  takes("cosine", Cosine{.initial = 0.3, .final = 0.05 * 0.3, .steps = 80});
  // Its decay_steps count the warm-up, too.
  takes("warmup_cosine", WithWarmup{12, Cosine{.initial = 0.3, .final = 0.003, .steps = 90 - 12}, 0.01});
  takes("exponential", Exponential{.initial = 0.3, .factor = 0.4, .period = 20});
  takes("staircase", StepDecay{.initial = 0.3, .factor = 0.4, .period = 20});
  takes("one_cycle", OneCycle{.peak = 0.3, .steps = 90});
  takes("piecewise", MultiStepDecay{.initial = 0.3, .factor = 0.5, .milestones = {20, 50, 85}});
  CHECK(optax.left() == "");
}

// The same operations as in PyTorch, and so the same numbers.
TEST_CASE("PyTorch's ReduceLROnPlateau", "[golden]") {
  Goldens<Rates> plateaus = rates_of({"plateau.", "losses", "metrics"});
  const Rates losses = plateaus.take("losses"), metrics = plateaus.take("metrics");
  REQUIRE(losses.size() == steps);
  REQUIRE(metrics.size() == steps);
  const auto takes = [&](const std::string& name, ReduceOnPlateau plateau) {
    INFO(name);
    Rates rates;
    for (const double metric : plateau.mode == PlateauMode::lower ? losses : metrics)
      rates.push_back(plateau(rates.empty() ? rate : rates.back(), metric));
    CHECK(rates == plateaus.take("plateau." + name));
  };
  takes("defaults", {});
  takes("patience", {.factor = 0.5, .patience = 3});
  takes("cooldown", {.factor = 0.5, .patience = 2, .cooldown = 4, .smallest_rate = 0.02});
  takes("change", {.factor = 0.5, .patience = 1, .smallest_change = 0.01});
  takes("absolute", {.factor = 0.5, .patience = 3, .threshold = 0.05, .threshold_mode = ThresholdMode::absolute});
  takes("higher", {.mode = PlateauMode::higher, .factor = 0.5, .patience = 4, .threshold = 0.01});
  takes("higher_absolute", {.mode = PlateauMode::higher,
                            .factor = 0.5,
                            .patience = 4,
                            .threshold = 0.04,
                            .threshold_mode = ThresholdMode::absolute});
  CHECK(plateaus.left() == "");
}

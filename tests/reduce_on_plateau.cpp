// SPDX-License-Identifier: MIT
//
// ReduceOnPlateau: sequences worked out by hand, and those of PyTorch's ReduceLROnPlateau.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <descent/training/reduce_on_plateau.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using descent::PlateauMode;
using descent::ReduceOnPlateau;
using descent::ThresholdMode;
using descent::test::complaint;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> rates(ReduceOnPlateau plateau, double rate, const std::vector<double>& metrics) {
  std::vector<double> all;
  for (const double metric : metrics) all.push_back(rate = plateau(rate, metric));
  return all;
}

/// As PyTorch writes it, line by line.
struct OfPyTorch {
  double factor, threshold, min_lr, eps;
  int patience, cooldown;
  bool is_min, is_rel;
  double best = is_min ? infinity : -infinity;
  int num_bad_epochs = 0, cooldown_counter = 0;

  bool is_better(double a) const {
    if (is_min && is_rel) return a < best * (1 - threshold);
    if (is_min) return a < best - threshold;
    if (is_rel) return a > best * (threshold + 1);
    return a > best + threshold;
  }
  double step(double lr, double metric) {
    if (is_better(metric)) {
      best = metric;
      num_bad_epochs = 0;
    } else {
      num_bad_epochs += 1;
    }
    if (cooldown_counter > 0) {
      cooldown_counter -= 1;
      num_bad_epochs = 0;
    }
    if (num_bad_epochs > patience) {
      const double new_lr = std::max(lr * factor, min_lr);
      if (lr - new_lr > eps) lr = new_lr;
      cooldown_counter = cooldown;
      num_bad_epochs = 0;
    }
    return lr;
  }
};

}  // namespace

TEST_CASE("a rate is reduced when the metric rests", "[reduce_on_plateau]") {
  const ReduceOnPlateau plateau{.factor = 0.5, .patience = 2, .threshold = 0.1};
  //                                 best  bad  bad   bad  best  bad  bad  bad    bad    bad  bad
  CHECK(rates(plateau, 8, {10, 9.5, 9, 11, 8, 8, 7.5, 7.25, 7.3, 7.3, 8}) ==
        std::vector<double>{8, 8, 8, 4, 4, 4, 4, 2, 2, 2, 1});
  // 9 is not below 10 (1 - 0.1), and 7.25 not below 8 (1 - 0.1).
}

TEST_CASE("values during a cooldown do not count against the rate", "[reduce_on_plateau]") {
  ReduceOnPlateau plateau{.factor = 0.5, .patience = 0, .threshold = 0, .cooldown = 2};
  CHECK(rates(plateau, 8, {1, 1, 1, 1, 1, 1, 1, 1}) == std::vector<double>{8, 4, 4, 4, 2, 2, 2, 1});

  // One that is better becomes the best.
  CHECK(plateau(8, 1) == 8);
  CHECK(plateau(8, 1) == 4);
  CHECK(plateau.state.cooldown_left == 2);
  CHECK(plateau(4, 0.5) == 4);
  CHECK(plateau.state.best == 0.5);
  CHECK(plateau.state.cooldown_left == 1);
  CHECK(plateau(4, 0.75) == 4);
  CHECK(plateau.state.bad_values == 0);
  CHECK(plateau(4, 0.75) == 2);
}

TEST_CASE("where a rate stays", "[reduce_on_plateau]") {
  const ReduceOnPlateau plateau{.factor = 0.5, .patience = 0, .smallest_rate = 3};
  CHECK(rates(plateau, 8, {1, 1, 1, 1}) == std::vector<double>{8, 4, 3, 3});
  CHECK(rates(plateau, 2, {1, 1}) == std::vector<double>{2, 2});  // and it never goes up
  const ReduceOnPlateau by_little{.factor = 0.5, .patience = 0, .smallest_change = 2};
  CHECK(rates(by_little, 8, {1, 1, 1, 1}) == std::vector<double>{8, 4, 4, 4});  // 4 - 2 is no more than 2
  CHECK(rates({.patience = 0}, 1e-8, {1, 1}) == std::vector<double>{1e-8, 1e-8});
  CHECK(rates({.factor = 0, .patience = 0}, 8, {1, 1}) == std::vector<double>{8, 0});
}

TEST_CASE("thresholds and directions", "[reduce_on_plateau]") {
  const auto is_better = [](ReduceOnPlateau plateau, double best, double value) {
    plateau(1, best);
    plateau(1, value);
    return plateau.state.best == value;
  };
  using enum PlateauMode;
  using enum ThresholdMode;
  for (const bool upwards : {false, true}) {
    const auto mode = upwards ? higher : lower;
    const double sign = upwards ? 1 : -1;
    const ReduceOnPlateau by_share{.mode = mode, .threshold = 0.25, .threshold_mode = relative};
    CHECK(is_better(by_share, 8, 8 + sign * 2.5));
    CHECK_FALSE(is_better(by_share, 8, 8 + sign * 2));
    CHECK_FALSE(is_better(by_share, 8, 8 - sign * 3));
    const ReduceOnPlateau by_number{.mode = mode, .threshold = 0.25, .threshold_mode = absolute};
    CHECK(is_better(by_number, 8, 8 + sign * 0.5));
    CHECK_FALSE(is_better(by_number, 8, 8 + sign * 0.25));
    CHECK(is_better(by_number, -8, -8 + sign * 0.5));
    CHECK_FALSE(is_better(by_number, -8, -8 - sign * 0.5));
    // The first value, and none that tells nothing.
    for (const auto& plateau : {by_share, by_number}) {
      CHECK(is_better(plateau, not_a_number, 3));
      CHECK(is_better(plateau, -sign * infinity, 3));
      CHECK_FALSE(is_better(plateau, sign * infinity, 3));
    }
  }
}

TEST_CASE("a NaN is not better", "[reduce_on_plateau]") {
  ReduceOnPlateau plateau{.factor = 0.5, .patience = 1};
  CHECK(rates(plateau, 8, {not_a_number, not_a_number, 1, not_a_number, 1, 1, 0.5}) ==
        std::vector<double>{8, 4, 4, 4, 2, 2, 2});
  plateau(8, not_a_number);
  CHECK(std::isnan(plateau.state.best));
  CHECK(plateau.state.bad_values == 1);
  plateau(8, 1);
  plateau(8, not_a_number);
  CHECK(plateau.state.best == 1);
}

TEST_CASE("the rates of PyTorch's ReduceLROnPlateau", "[reduce_on_plateau]") {
  std::uint64_t random = 1;
  const auto next = [&](int below) {
    random = random * 6364136223846793005 + 1442695040888963407;
    return static_cast<int>((random >> 33) % static_cast<std::uint64_t>(below));
  };
  int reductions = 0;
  for (int run = 0; run < 300; ++run) {
    const bool is_min = next(2) == 0, is_rel = next(2) == 0;
    const int patience = next(4), cooldown = next(4);
    const double factor = next(10) / 10.0, threshold = next(3) / 8.0, min_lr = next(3) / 4.0;
    const double eps = next(2) / 8.0;
    ReduceOnPlateau plateau{.mode = is_min ? PlateauMode::lower : PlateauMode::higher,
                            .factor = factor,
                            .patience = patience,
                            .threshold = threshold,
                            .threshold_mode = is_rel ? ThresholdMode::relative : ThresholdMode::absolute,
                            .cooldown = cooldown,
                            .smallest_rate = min_lr,
                            .smallest_change = eps};
    OfPyTorch expected{factor, threshold, min_lr, eps, patience, cooldown, is_min, is_rel};
    double rate = 16, expected_rate = 16;
    for (int epoch = 0; epoch < 60; ++epoch) {
      const std::array<double, 3> strange{not_a_number, infinity, -infinity};
      const double metric = next(30) == 0 ? strange[static_cast<std::size_t>(next(3))] : next(64) / 8.0 - 2;
      const double before = rate;
      rate = plateau(rate, metric);
      expected_rate = expected.step(expected_rate, metric);
      if (rate < before) ++reductions;
      REQUIRE(rate == expected_rate);
      REQUIRE(plateau.state.bad_values == expected.num_bad_epochs);
      REQUIRE(plateau.state.cooldown_left == expected.cooldown_counter);
      if (!std::isnan(plateau.state.best)) REQUIRE(plateau.state.best == expected.best);
    }
  }
  CHECK(reductions > 300);

  const ReduceOnPlateau defaults;
  CHECK(defaults.factor == 0.1);
  CHECK(defaults.patience == 10);
  CHECK(defaults.threshold == 1e-4);
  CHECK(defaults.threshold_mode == ThresholdMode::relative);
  CHECK(defaults.cooldown == 0);
  CHECK(defaults.smallest_rate == 0);
  CHECK(defaults.smallest_change == 1e-8);
  CHECK(defaults.mode == PlateauMode::lower);
}

TEST_CASE("a copy goes on as the original would, and a state that is put back", "[reduce_on_plateau]") {
  ReduceOnPlateau plateau{.factor = 0.5, .patience = 2};
  double rate = 8;
  for (const double metric : {3.0, 4.0, 4.0}) rate = plateau(rate, metric);
  ReduceOnPlateau copy = plateau, restored{.factor = 0.5, .patience = 2};
  restored.state = plateau.state;
  CHECK(plateau(rate, 4) == 4);
  CHECK(copy(rate, 4) == 4);
  CHECK(restored(rate, 4) == 4);
  plateau.reset();
  CHECK(plateau(rate, 4) == rate);
  CHECK(plateau.state.best == 4);
}

TEST_CASE("options that are refused", "[reduce_on_plateau]") {
  const auto told = [](ReduceOnPlateau plateau) { return complaint([&] { plateau(1, 1); }); };
  const std::string of = "descent::ReduceOnPlateau: ";
  CHECK(told({.factor = 1}) == of + "factor = 1; it must be in [0, 1)");
  CHECK(told({.factor = -0.5}) == of + "factor = -0.5; it must be in [0, 1)");
  CHECK(told({.patience = -1}) == of + "patience = -1; it must be finite and >= 0");
  CHECK(told({.threshold = not_a_number}) == of + "threshold = nan; it must be finite and >= 0");
  CHECK(told({.threshold = 1}) == of + "a relative threshold must be below 1");
  CHECK_NOTHROW(ReduceOnPlateau{.threshold = 1, .threshold_mode = ThresholdMode::absolute}(1, 1));
  CHECK(told({.threshold_mode = ThresholdMode{3}}) == of + "threshold_mode = 3; it must be relative or absolute");
  CHECK(told({.cooldown = -1}) == of + "cooldown = -1; it must be finite and >= 0");
  CHECK(told({.smallest_rate = -1}) == of + "smallest_rate = -1; it must be finite and >= 0");
  CHECK(told({.smallest_change = infinity}) == of + "smallest_change = inf; it must be finite and >= 0");
  CHECK(told({.mode = PlateauMode{2}}) == of + "mode = 2; it must be lower or higher");

  ReduceOnPlateau plateau{.patience = -1};
  CHECK_THROWS_AS(plateau(1, 1), std::invalid_argument);
  CHECK(std::isnan(plateau.state.best));  // nothing has changed
}

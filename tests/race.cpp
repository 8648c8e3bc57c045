// SPDX-License-Identifier: MIT
//
// The races of the examples: the surfaces' gradients and minima are right, and the numbers of each picture bear out
// what its caption claims.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include "../examples/race.hpp"
#include "catch.hpp"

namespace {

using namespace examples;
using Eigen::Vector2d;

/// A race that has been run.
struct Result {
  Race race;
  std::vector<Path> paths;

  const Path& operator[](std::string_view label) const {
    const auto runner = std::ranges::find(race.runners, label, &Runner::label);
    return paths.at(static_cast<std::size_t>(runner - race.runners.begin()));
  }
  const Vector2d& minimum(std::size_t i) const { return race.surface.minima.at(i); }

  /// The runners that stay within the radius of the point to the end.
  std::set<std::string> who_reaches(const Vector2d& point, double radius = 0.1) const {
    std::set<std::string> names;
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (paths[i].arrival(point, radius) >= 0) names.insert(race.runners[i].label);
    return names;
  }
};

Result race_on(std::string_view surface) {
  for (const Race& race : all_races())
    if (race.surface.name == surface) {
      Result result{race, {}};
      for (const Runner& runner : race.runners) result.paths.push_back(run(runner.rule, race.surface, race.steps));
      return result;
    }
  FAIL("no race on " << surface);
  return {};
}

using Names = std::set<std::string>;

}  // namespace

// ---- The surfaces ----------------------------------------------------------------------------------

TEST_CASE("each surface's gradient is the derivative of its formula", "[race]") {
  using Dual = Eigen::AutoDiffScalar<Vector2d>;
  for (const Surface& surface : all_surfaces(7)) {
    constexpr int cells = 20;
    // Either derivative is a sum of at most 2 x 40 terms, and none of these is larger than 1e4.
    const double tolerance = 80 * 1e4 * std::numeric_limits<double>::epsilon();
    for (int i = 0; i <= cells; ++i)
      for (int j = 0; j <= cells; ++j) {
        const Vector2d x = surface.view.point(i, j, cells);
        const Dual dual =
            std::visit([&](const auto& f) { return f.value(Dual(x[0], 2, 0), Dual(x[1], 2, 1)); }, surface.formula);
        INFO(surface.name << " at " << x.transpose());
        REQUIRE(std::abs(dual.value() - surface.value(x)) <= tolerance);
        REQUIRE((dual.derivatives() - surface.gradient(x)).cwiseAbs().maxCoeff() <= tolerance);
      }
  }
}

TEST_CASE("each surface has the minima that it names, in view, the deepest first", "[race]") {
  for (const Surface& surface : all_surfaces()) {
    INFO(surface.name);
    REQUIRE(!surface.minima.empty());
    for (const Vector2d& minimum : surface.minima) {
      const View& view = surface.view;
      CHECK((minimum[0] > view.left && minimum[0] < view.right && minimum[1] > view.bottom && minimum[1] < view.top));
      // Computed minima have a gradient of up to 1e-10 in each coordinate; given ones have an error of 1e-15 times a
      // curvature of 1e3.
      CHECK(surface.gradient(minimum).cwiseAbs().maxCoeff() <= 1e-10);
      CHECK(surface.value(minimum) >= surface.value(surface.minima.front()) - 1e-12);
      for (int i = 0; i < 8; ++i) {
        const double angle = i * 3.14159265358979 / 4;
        CHECK(surface.value(minimum + 0.01 * Vector2d(std::cos(angle), std::sin(angle))) > surface.value(minimum));
      }
    }
  }
}

TEST_CASE("a seed gives the same bumps everywhere, another seed others", "[race]") {
  const Bowl bowl = random_bumps(1);
  REQUIRE(bowl.bumps.size() == 40);
  // 1791095845 is the first number of mt19937 with seed 1 in the reference implementation.
  CHECK(bowl.bumps[0].cx == -5 + 10 * (1791095845 * 0x1p-32));
  CHECK(random_bumps(2).bumps[0].cx != bowl.bumps[0].cx);
}

// ---- Paths -----------------------------------------------------------------------------------------

TEST_CASE("straightness and arrival of a path", "[race]") {
  const Path path{{{0, 0}, {3, 0}, {3, 4}}, {}};
  CHECK(path.straightness() == 5.0 / 7);
  CHECK(path.arrival({3, 4}, 1) == 2);
  CHECK(path.arrival({3, 4}, 4) == 1);
  CHECK(path.arrival({3, 4}, 5) == 0);
  CHECK(path.arrival({0, 0}, 1) == -1);  // it was there and left again
}

TEST_CASE("a path whose values overflow ends before", "[race]") {
  const Surface bowl = all_surfaces().front();
  const Path path = run(descent::rules::SGD{.learning_rate = 1000}, bowl, 1000);
  CHECK(path.points.size() < 1000);
  CHECK(std::isfinite(path.values.back()));
}

// ---- What the captions claim -----------------------------------------------------------------------

TEST_CASE("bowl: AdaGrad's steps shrink, RMSProp's last; AdaDelta starts slowly; SGD zigzags", "[race]") {
  const Result bowl = race_on("bowl");
  const Path &adagrad = bowl["AdaGrad"], &rmsprop = bowl["RMSProp"], &adadelta = bowl["AdaDelta"], &sgd = bowl["SGD"];

  for (std::size_t t = 3; t < adagrad.points.size(); ++t) CHECK(adagrad.step_length(t) < adagrad.step_length(t - 1));
  CHECK(adagrad.step_length(60) < 0.1 * adagrad.step_length(1));
  CHECK(adagrad.arrival({0, 0}) == -1);
  // RMSProp is at the minimum after 30 steps, and jumps as far as at first after 50.
  CHECK((rmsprop.points[30] - bowl.minimum(0)).norm() < 1e-4);
  double last_jump = 0;
  for (std::size_t t = 50; t <= 60; ++t) last_jump = std::max(last_jump, rmsprop.step_length(t));
  CHECK(last_jump > 0.5 * rmsprop.step_length(1));

  CHECK((adadelta.end() - adadelta.points[0]).norm() < 0.5);
  CHECK(adadelta.step_length(60) > adadelta.step_length(2));

  for (std::size_t t = 1; t <= 10; ++t) CHECK(sgd.points[t][1] * sgd.points[t - 1][1] < 0);
  for (const char* scaled : {"AdaGrad", "RMSProp", "AdaDelta", "Adam"})
    for (const char* plain : {"SGD", "Momentum"}) CHECK(bowl[scaled].straightness() > bowl[plain].straightness());
}

TEST_CASE("zigzag: momentum 0.7 is fast but zigzags, 0.9 overshoots, Nesterov damps", "[race]") {
  const Result zigzag = race_on("zigzag");
  const auto farthest_right = [&](const char* label) {
    double x = -std::numeric_limits<double>::infinity();
    for (const Vector2d& point : zigzag[label].points) x = std::max(x, point[0]);
    return x;
  };
  // Each of SGD's steps multiplies y by 1 - 100 eta = -0.6, in three roundings of less than 1.3.
  for (std::size_t t = 1; t <= 20; ++t) {
    const auto& points = zigzag["SGD"].points;
    CHECK(std::abs(points[t][1] + 0.6 * points[t - 1][1]) <= 1e-15);
  }
  CHECK(zigzag["SGD"].arrival({0, 0}) == -1);
  CHECK(zigzag["Momentum 0.7"].arrival({0, 0}) < zigzag["Nesterov 0.7"].arrival({0, 0}));
  CHECK(zigzag["Momentum 0.7"].arrival({0, 0}) > 0);
  const auto zigzag_after_10 = [&](const char* label) {
    double y = 0;
    for (std::size_t t = 10; t <= 40; ++t) y = std::max(y, std::abs(zigzag[label].points[t][1]));
    return y;
  };
  CHECK(zigzag_after_10("Momentum 0.7") > 10 * zigzag_after_10("SGD"));
  CHECK(zigzag_after_10("Momentum 0.7") > 10 * zigzag_after_10("Nesterov 0.7"));
  CHECK(farthest_right("Momentum 0.9") > 1.5);
  CHECK(farthest_right("Momentum 0.7") < 0.1);
  CHECK(farthest_right("Nesterov 0.7") < 0);
  CHECK(zigzag["Momentum 0.9"].straightness() < 0.5 * zigzag["Momentum 0.7"].straightness());
}

TEST_CASE("saddle: the adaptive methods leave the ridge, plain descent hesitates", "[race]") {
  const Result saddle = race_on("saddle");
  const auto left_at = [&](const char* label) {  // the step at which it is 1 off the ridge
    const auto& points = saddle[label].points;
    return std::ranges::find_if(points, [](const Vector2d& x) { return x[1] > 1; }) - points.begin();
  };
  for (const char* adaptive : {"AdaGrad", "RMSProp", "AdaDelta", "Adam"}) CHECK(left_at(adaptive) < 30);
  for (const char* plain : {"SGD", "Momentum", "Nesterov"}) CHECK(left_at(plain) > 90);
}

TEST_CASE("wells: at one rate momentum crosses, and plain descent stays", "[race]") {
  const Result wells = race_on("wells");
  const auto rate = [&](std::size_t i) {
    return std::visit([](const auto& rule) { return double{rate_of(rule)}; }, wells.race.runners[i].rule);
  };
  CHECK((rate(0) == rate(1) && rate(1) == rate(2)));
  REQUIRE(wells.race.surface.minima.size() == 2);
  CHECK(wells.minimum(0)[0] < 0);
  CHECK(wells.who_reaches(wells.minimum(0), 0.2) == Names{"Momentum", "Nesterov"});
  CHECK(wells.who_reaches(wells.minimum(1), 0.2) == Names{"SGD", "AdaGrad", "RMSProp", "AdaDelta", "Adam"});
}

TEST_CASE("plateau: AdaGrad, RMSProp and Adam get across, SGD at no rate that is stable at the minimum", "[race]") {
  const Result plateau = race_on("plateau");
  CHECK(plateau.race.surface.gradient(plateau.race.surface.start).norm() < 1e-3);
  CHECK(plateau.who_reaches({0, 0}) == Names{"AdaGrad", "RMSProp", "Adam"});
  // At the minimum the curvature is 1, so with a rate of 2 or more it does not stay there.
  for (const double rate : {0.1, 0.2, 0.5, 1.0, 1.5, 1.9, 1.99})
    CHECK(run(descent::rules::SGD{.learning_rate = rate}, plateau.race.surface, plateau.race.steps).arrival({0, 0}) ==
          -1);
}

TEST_CASE("every optimizer goes down the bowl with its defaults", "[race]") {
  const Surface bowl = race_on("bowl").race.surface;
  for (const Runner& runner : all_optimizers()) {
    INFO(runner.label);
    const Path path = run(runner.rule, bowl, 60);
    CHECK(path.values.back() < path.values.front());
  }
}

TEST_CASE("the path of a schedule-free optimizer is its average", "[race]") {
  const Surface bowl = race_on("bowl").race.surface;
  const Path path = run(descent::rules::ScheduleFreeSGD{.learning_rate = 0.1}, bowl, 2);
  const Vector2d z1 =
      bowl.start - 0.1 * bowl.gradient(bowl.start);  // and the first average, where the gradient is taken
  const Vector2d z2 = z1 - 0.1 * bowl.gradient(z1);
  CHECK((path.points.at(2) - (z1 + z2) / 2).norm() < 1e-12);
  CHECK(path.values.at(2) == bowl.value(path.points[2]));
}

TEST_CASE("hills: Adam comes past both at five rates of fourteen, and the others at none", "[race]") {
  const Result hills = race_on("hills");
  REQUIRE(hills.race.surface.minima.size() == 3);
  const Vector2d goal = hills.minimum(0);
  CHECK(hills.who_reaches(goal) == Names{"Adam"});
  CHECK(hills.who_reaches(hills.minimum(1), 0.2).size() + hills.who_reaches(hills.minimum(2), 0.2).size() == 6);

  for (Runner& runner : all_seven()) {
    int reached = 0;
    for (const double rate : {1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0}) {
      // AdaDelta's steps are by far the shortest. Even larger rates would leap over anything.
      set_rate(runner.rule, runner.label == "AdaDelta" ? 10 * rate : rate);
      reached += run(runner.rule, hills.race.surface, hills.race.steps).arrival(goal) >= 0;
    }
    INFO(runner.label);
    CHECK(reached == (runner.label == "Adam" ? 5 : 0));
  }
}

TEST_CASE("beale: Adam is the first at the end of the valley", "[race]") {
  const Result beale = race_on("beale");
  for (const Path& path : beale.paths) {
    const int arrival = path.arrival(beale.minimum(0));
    if (&path != &beale["Adam"]) CHECK((arrival == -1 || arrival > 2 * beale["Adam"].arrival(beale.minimum(0))));
  }
  CHECK(beale["Adam"].arrival(beale.minimum(0)) > 0);
}

TEST_CASE("himmelblau: inertia carries Momentum and Nesterov past the nearest minimum", "[race]") {
  const Result himmelblau = race_on("himmelblau");
  const Surface& surface = himmelblau.race.surface;
  const auto distance = [&](const Vector2d& minimum) { return (minimum - surface.start).norm(); };
  const Vector2d nearest = *std::ranges::min_element(surface.minima, {}, distance);
  CHECK(himmelblau.who_reaches(nearest) == Names{"SGD", "AdaGrad", "RMSProp", "AdaDelta", "Adam"});
  CHECK(himmelblau.who_reaches({-2.805118086952745, 3.131312518250573}) == Names{"Momentum", "Nesterov"});
}

TEST_CASE("rosenbrock: those that average gradients reach the end of the valley", "[race]") {
  const Result rosenbrock = race_on("rosenbrock");
  CHECK(rosenbrock.race.steps == 1000);
  CHECK(rosenbrock.who_reaches({1, 1}) == Names{"Momentum", "Nesterov", "Adam"});
}

TEST_CASE("bumps: which minimum is found depends on the method", "[race]") {
  const Result bumps = race_on("bumps");
  CHECK(bumps.race.steps == 200);
  CHECK(bumps.who_reaches(bumps.minimum(0)) == Names{"Adam"});
  int found = 0;
  for (const Vector2d& minimum : bumps.race.surface.minima) found += !bumps.who_reaches(minimum).empty();
  CHECK(found == 3);
}

TEST_CASE("lissajous: momentum 1 oscillates without end, Nesterov's look-ahead brakes", "[race]") {
  const Result lissajous = race_on("lissajous");
  const auto& points = lissajous["Momentum 1"].points;
  // x_{t+1} = 2 cos(w) x_t - x_{t-1} with cos w = 1 - eta lambda / 2 and x_{-1} = x_0. A step has at most
  // 8 roundings of numbers up to 4, and an error in v moves x by up to 1 / sin(w) < 10 times as much.
  const auto oscillation = [](double start, double lambda, std::size_t t) {
    const double w = std::acos(1 - 0.01 * lambda / 2);
    return start * std::cos(w * (static_cast<double>(t) + 0.5)) / std::cos(w / 2);
  };
  for (std::size_t t = 0; t < points.size(); ++t) {
    const double tolerance = 8 * 4 * 10 * static_cast<double>(t + 1) * std::numeric_limits<double>::epsilon();
    REQUIRE(std::abs(points[t][0] - oscillation(-4, 2, t)) <= tolerance);
    REQUIRE(std::abs(points[t][1] - oscillation(2, 4.6, t)) <= tolerance);
  }
  CHECK(lissajous["Nesterov 1"].values.back() < 1e-3 * lissajous["Nesterov 1"].values.front());
}

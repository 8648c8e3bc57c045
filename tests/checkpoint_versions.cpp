// SPDX-License-Identifier: MIT
//
// Checkpoints written by earlier versions, and what they hold. Compiled so that a matrix without a storage order is
// row-major, which no file depends on.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <descent/checkpoint.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"
#include "checkpoints/runs.hpp"
#include "checkpoints/whole_run.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

static_assert(Eigen::MatrixXd::IsRowMajor);

/// Some numbers from each file: W(1, 0), b(1), and the state of the latter.
struct Known {
  double W10, b1;
  std::vector<double> state;
};
const std::map<std::string, Known> known{
    {"sgd", {-3.2958984375, -0.20599365234375, {}}},
    {"momentum", {-2.9990234375, -0.18743896484375, {-0.19580078125}}},
    {"nesterov", {-2.9990234375, -0.18743896484375, {-0.02447509765625}}},
    {"adagrad", {-3.7288816, -0.19086951, {0.539529085}}},
    {"rmsprop", {-3.4094003530282433, -2.0621804200961609e-07, {0.0021972656257739009}}},
    {"adadelta", {-3.9968128908075751, -0.24681934182081072, {0.0089454908880516968, 2.6567050379280998e-06}}},
    {"adam", {-3.62561631, 0.0766416267, {-0.0305143222, 0.00192558987}}}};

TEST_CASE("checkpoints of every version are what they were", "[checkpoint]") {
  for (const std::string version : {"first", "second", "0.2.0"})
    for_each_small_run([&]<class R, class Scalar>(const std::string& name, const R& rule, Scalar) {
      INFO(name << " of the version " << version);
      const auto path = std::filesystem::path(DESCENT_CHECKPOINTS) / version / (name + ".safetensors");
      SmallRun<R, Scalar> run{R{}};
      run.step();
      load(path, run.optimizer, run.params());

      // A formula may round differently by now: by a unit in the last place at each of three steps.
      const auto is = [](Scalar value, double expected) {
        return std::abs(value - expected) <= 3 * std::numeric_limits<Scalar>::epsilon() * std::abs(expected);
      };
      CHECK(run.optimizer.steps() == 3);
      CHECK(detail::same_hyperparameters<R>(run.optimizer, rule));
      CHECK(is(run.W(1, 0), known.at(name).W10));
      CHECK(is(run.b[1], known.at(name).b1));
      for (std::size_t slot = 0; slot < R::state_names.size(); ++slot)
        CHECK(is(run.optimizer.state(slot)[7], known.at(name).state.at(slot)));
      CHECK_NOTHROW(run.step());
    });
}

TEST_CASE("checkpoints of whole runs are what they were", "[checkpoint]") {
  for (const std::string version : {"0.2.0"}) {
    WholeRun run;
    run.checkpoint.load(std::filesystem::path(DESCENT_CHECKPOINTS) / version / "run.safetensors");
    CHECK(run.net.steps() == 2);
    CHECK(run.net.frozen(0));
    CHECK(run.net.learning_rate == 0.125);
    CHECK(run.net.tensor_rule(1).learning_rate == 0.25);
    CHECK(std::abs(run.W(1, 0) - 0.875f) <= 1e-6f);
    CHECK(std::abs(run.b[1] - 0.167515f) <=
          1e-5f);  // a step of 0.25, and 0.25 (0.09 / 0.19) / sqrt(0.000999 / 0.001999)
    CHECK(run.x == Eigen::Vector3d(0.5, 1, 1.5));
    CHECK(run.plateau.factor == 0.25);
    CHECK(run.plateau.state.best == 0.5);
    CHECK(run.plateau.state.bad_values == 1);
    CHECK(run.sums.count() == 1);
    CHECK(std::get<1>(run.sums.take_sum(std::tie(run.W, run.b))) == run.b);
    CHECK(run.epoch == 3);
    CHECK(run.best == 0.1);
    CHECK(run.warm);
    CHECK(run.note == "\u03b2\u2081 = 0.9");
    CHECK(run.losses == Eigen::Vector3d(3, 2, 1));
    CHECK(run.counts == Eigen::Matrix2i{{1, 2}, {3, 4}});
    Minibatches batches(7, 3, 1);  // shuffled for the second time
    batches.epoch();
    const auto here = run.batches.epoch(), there = batches.epoch();
    CHECK(std::equal(here.begin(), here.end(), there.begin(), there.end(), std::ranges::equal));
  }
}

TEST_CASE("matrices of either storage order by default", "[checkpoint]") {
  Eigen::MatrixXd A = Eigen::MatrixXd::Random(3, 40), A2 = 0 * A;
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor> B = A, B2 = 0 * B;
  Adam<double> first, second;
  for (int t = 0; t < 3; ++t) first.step(std::tie(A, B), std::tie(A, B));
  load_from(saved(first, std::tie(A, B)), second, std::tie(A2, B2));
  CHECK(same_bits(A2, A));
  CHECK(same_bits(B2, B));
  CHECK(same_state(second, first));
  load_from(saved(first, std::tie(A, B)), second, std::tie(B2, A2));
  CHECK(same_bits(A2, A));
  CHECK(same_bits(B2, B));
}

}  // namespace

// SPDX-License-Identifier: MIT
//
// Whatever is wrong on one rank, or differs from another, is told to all of them, with the name of what it is and the
// number of the rank; nothing has changed then, and no rank waits for ever.
#include <mpi.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ranks.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::transforms;
using Catch::Contains;

const rules::Adam adam{.learning_rate = 0.03};

/// A run of a Sharded optimizer, and what it did wrong.
struct Trial {
  Sharded<rules::Adam, float> optimizer{adam};
  Vector<float> x = start<float>(1000);

  void step(std::int64_t t) { optimizer.step(x, gradient_of<float>(x.size(), t, rank())); }

  /// The error of a step, which must be the same text on all ranks and change nothing.
  template <class Error = std::invalid_argument, class Step>
  std::string complaint_of(const Step& wrong) {
    const Vector<float> before = x;
    const std::int64_t steps = optimizer.steps();
    const std::string text = complaint<Error>(wrong);
    CHECK(is_the_same_everywhere(text));
    CHECK(on_all(same_bits(before, x) && optimizer.steps() == steps));
    return text;
  }
};

/// Calls test(rank) for each rank but 0, where there are several: that one does something wrong.
template <class Test>
void for_each_culprit(const Test& test) {
  for (int culprit = 1; culprit < ranks(); ++culprit) {
    INFO("rank " << culprit);
    test(culprit);
  }
}

/// The sign of a NaN is nobody's promise.
std::string without_sign(std::string text) {
  if (const std::size_t at = text.find("-nan"); at != text.npos) text.erase(at, 1);
  return text;
}

std::string number(int rank) { return std::to_string(rank); }

}  // namespace

TEST_CASE("a bad hyperparameter on all ranks is the error of one process", "[mpi]") {
  const auto text = complaint([] { make_sharded<float>(rules::Adam{.beta1 = 1}); });
  CHECK(text == complaint([] { make_optimizer<float>(rules::Adam{.beta1 = 1}); }));
  CHECK(is_the_same_everywhere(text));
}

TEST_CASE("a bad hyperparameter on one rank is an error on all", "[mpi]") {
  for_each_culprit([](int culprit) {
    const std::string expected =
        "descent: rank " + number(culprit) + ": descent::Adam: learning_rate = -1; it must be finite and >= 0";
    rules::Adam rule = adam;
    if (rank() == culprit) rule.learning_rate = -1;
    CHECK(complaint([&] { make_sharded<float>(rule); }) == expected);

    Trial trial;
    trial.step(1);
    if (rank() == culprit) trial.optimizer.learning_rate = -1;
    CHECK(trial.complaint_of([&] { trial.step(2); }) == expected);
    trial.optimizer.learning_rate = 0.1;
    trial.step(2);
    CHECK(trial.optimizer.steps() == 2);
  });
}

TEST_CASE("ranks that differ are told so", "[mpi]") {
  for_each_culprit([](int culprit) {
    const bool differs = rank() == culprit;
    const std::string its = "descent: rank " + number(culprit) + " has ";

    SECTION("in a hyperparameter, " + number(culprit)) {
      CHECK(complaint([&] { make_sharded<float>(rules::Adam{.beta1 = differs ? 0.5 : 0.9}); }) ==
            its + "beta1 = 0.5, and rank 0 has 0.9");
      Trial trial;
      trial.step(1);
      trial.optimizer.learning_rate = differs ? 0.1 : 0.01;
      CHECK(trial.complaint_of([&] { trial.step(2); }) == its + "learning_rate = 0.1, and rank 0 has 0.01");
      trial.optimizer.learning_rate = 0.1;
      trial.optimizer.epsilon_placement = differs ? EpsilonPlacement::inside : EpsilonPlacement::outside;
      CHECK(trial.complaint_of([&] { trial.step(2); }) == its + "epsilon_placement = inside, and rank 0 has outside");
    }
    SECTION("in the rule, " + number(culprit)) {
      const auto text = complaint([&] {
        if (differs)
          make_sharded<float>(rules::SGD{});
        else
          make_sharded<float>(rules::Adam{});
      });
      CHECK(text == its + "rule = descent::SGD, and rank 0 has descent::Adam");
    }
    SECTION("in the scalar, " + number(culprit)) {
      const auto text = complaint([&] {
        if (differs)
          make_sharded<double>(adam);
        else
          make_sharded<float>(adam);
      });
      CHECK(text == its + "scalar = double, and rank 0 has float");
    }
    SECTION("in the shapes, " + number(culprit)) {
      Trial trial;
      Eigen::MatrixXf W = Eigen::MatrixXf::Ones(3, differs ? 4 : 5);
      CHECK(trial.complaint_of([&] { trial.optimizer.step(W, W); }) ==
            its + "columns of tensor 0 = 4, and rank 0 has 5");
      std::vector<Vector<float>> several(differs ? 2 : 3, trial.x);
      CHECK(trial.complaint_of([&] { trial.optimizer.step(several, several); }) ==
            its + "tensors = 2, and rank 0 has 3");
    }
    SECTION("in the storage order, " + number(culprit)) {
      Trial trial;
      Eigen::MatrixXf W = Eigen::MatrixXf::Ones(3, 5);
      Matrix<float, Eigen::RowMajor> V = W;
      const auto text = trial.complaint_of([&] { differs ? trial.optimizer.step(V, V) : trial.optimizer.step(W, W); });
      CHECK(text == its + "row-major tensor 0 = true, and rank 0 has false");
    }
    SECTION("in the parameters before the first step, " + number(culprit)) {
      Trial trial;
      if (differs) trial.x[500] = 0.123F;
      CHECK_THAT(trial.complaint_of([&] { trial.step(1); }),
                 Contains(its + "a checksum of the parameters of tensor 0 = "));
      trial.x[500] = 0;
      trial.step(1);
      CHECK(trial.optimizer.steps() == 1);
    }
    SECTION("in the number of steps, " + number(culprit)) {
      Trial trial;
      trial.step(1);
      if (differs) trial.optimizer.reset();
      CHECK(trial
                .complaint_of<std::runtime_error>([&] {
        try {
          trial.step(2);
        } catch (const std::invalid_argument& error) {
          throw std::runtime_error(error.what());
        }
      }).find(its) == 0);
    }
    SECTION("in what is frozen, " + number(culprit)) {
      Trial trial;
      trial.step(1);
      if (differs) trial.optimizer.freeze(0);
      const auto text = complaint([&] { trial.step(2); });
      CHECK(text.starts_with(its + "frozen of tensor 0 = true, and rank 0 has"));
      if (!differs) trial.optimizer.freeze(0);
      trial.optimizer.tensor_rule(0).beta2 = differs ? 0.25 : 0.5;
      CHECK(complaint([&] { trial.step(2); }) == its + "beta2 of tensor 0 = 0.25, and rank 0 has 0.5");
    }
    SECTION("in the policy, " + number(culprit)) {
      Trial trial;
      trial.optimizer.set_nonfinite(NonFinite::skip, differs ? 3 : 4);
      CHECK(trial.complaint_of([&] { trial.step(1); }) == its + "most_in_a_row = 3, and rank 0 has 4");
    }
    SECTION("in the call, " + number(culprit)) {
      auto optimizer = make_sharded<float>(Chain{adam, Average{}});
      Vector<float> x = start<float>(10);
      const auto text = complaint([&] {
        if (differs)
          optimizer.averaged(x);
        else
          optimizer.step(x, x);
      });
      CHECK(text == its + "call = averaged, and rank 0 has step");
    }
  });
}

TEST_CASE("a wrong argument on one rank is an error on all", "[mpi]") {
  for_each_culprit([](int culprit) {
    const bool is_wrong = rank() == culprit;
    Trial trial;
    trial.step(1);
    const std::string its = "descent: rank " + number(culprit) + ": ";
    const Vector<float> g = start<float>(is_wrong ? 999 : 1000);
    CHECK(trial.complaint_of([&] { trial.optimizer.step(trial.x, g); }) ==
          its + "the gradient is 999x1, but the parameters are 1000x1");
    CHECK(trial.complaint_of([&] { trial.optimizer.step(trial.x, g + g); }) ==
          its + "the gradient is 999x1, but the parameters are 1000x1");
    Vector<float> other = start<float>(is_wrong ? 7 : 1000);
    CHECK(trial.complaint_of([&] { trial.optimizer.step(other, other); }) ==
          its + "the parameters are 7x1, but in the steps so far they were 1000x1; reset() starts anew");
    if (is_wrong) CHECK_THROWS_AS(trial.optimizer.freeze(1), std::out_of_range);
    trial.step(2);
    CHECK(trial.optimizer.steps() == 2);
  });
}

TEST_CASE("a gradient that is not finite is one on all ranks", "[mpi]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto check = [&](const auto& rule, float bad, bool reads_by_norm) {
    const int culprit = ranks() - 1;
    Beside<std::remove_cvref_t<decltype(rule)>, Matrix<float>> run(rule, tensors<Matrix<float>>({{50, 90}, {80, 150}}));
    CHECK(run.agree_after(1));
    const auto step = [&](bool is_bad) {
      auto g = run.gradient(2, rank()), mean = run.mean(2);
      if (is_bad) {
        if (rank() == culprit) g[1](70, 33) = g[1](3, 140) = bad;
        mean[1](70, 33) = mean[1](3, 140) = bad / static_cast<float>(ranks());
      }
      const std::string text = complaint<std::domain_error>([&] { run.sharded.step(run.x, g); });
      CHECK(is_the_same_everywhere(text));
      CHECK(without_sign(text) == without_sign(complaint<std::domain_error>([&] { run.single.step(run.y, mean); })));
      return text;
    };
    run.both([](auto& optimizer) { optimizer.set_nonfinite(NonFinite::reject); });
    const std::string text = step(true);
    CHECK_THAT(text, Contains("(70, 33)") || Contains("no such error"));
    CHECK(reads_by_norm == (text == "(no such error)"));
    run.both([](auto& optimizer) { optimizer.set_nonfinite(NonFinite::skip, 2); });
    for (const bool is_bad : {true, true, true, false, true}) {
      step(is_bad);
      CHECK(run.agree());
    }
    run.both([](auto& optimizer) { optimizer.freeze(1); });
    step(true);
    CHECK(run.agree());
  };
  check(adam, infinity, false);
  check(adam, 1e30F, false);  // its square
  check(rules::SGD{}, std::numeric_limits<float>::quiet_NaN(), false);
  check(Chain{ClipNorm{0.5}, adam}, infinity, false);
  check(Chain{ClipNorm{0.5}, adam}, 1e30F, true);
}

TEST_CASE("MPI must be there, and so must the communicator", "[mpi]") {
  CHECK(complaint([] { make_sharded<float>(adam, MPI_COMM_NULL); }) ==
        "descent: the communicator of ranks is MPI_COMM_NULL");
}

// SPDX-License-Identifier: MIT
//
// The run whose checkpoint is in the folders of versions that have Checkpoint: an entry of each kind.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

namespace descent::test {

struct WholeRun {
  Eigen::Matrix<float, 2, 3> W = Eigen::Matrix<float, 2, 3>::Ones();
  Eigen::Vector2f b{0.5f, -0.25f};
  Adam<float> net{{.learning_rate = 0.125}};
  Eigen::Vector3d x{1, 2, 3};
  SGD<double> other{{.learning_rate = 0.5}};
  Minibatches batches{7, 3, 1};
  ReduceOnPlateau plateau{.factor = 0.25};
  GradientAccumulator<float> sums;
  std::int64_t epoch = 0;
  double best = 0;
  bool warm = false;
  std::string note;
  Eigen::VectorXd losses;
  Eigen::Matrix<std::int32_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> counts;
  Checkpoint checkpoint;

  WholeRun() {
    checkpoint.add("net", net, std::tie(W, b), {"W", "b"});
    checkpoint.add("other", other, x);
    checkpoint.add("batches", batches);
    checkpoint.add("plateau", plateau);
    checkpoint.add("sums", sums);
    checkpoint.add("epoch", epoch);
    checkpoint.add("best", best);
    checkpoint.add("warm", warm);
    checkpoint.add("note", note);
    checkpoint.add("losses", losses);
    checkpoint.add("counts", counts);
  }
  /// What a file holds.
  void go() {
    net.tensor_rule(1).learning_rate = 0.25;
    net.step(std::tie(W, b), std::tie(W, b));
    net.freeze(0);
    net.step(std::tie(W, b), std::tie(W, b));
    other.step(x, x);
    batches.epoch();
    plateau(1, 0.5);
    plateau(1, 0.75);
    sums.add(std::tie(W, b));
    epoch = 3;
    best = 0.1;
    warm = true;
    note = "\u03b2\u2081 = 0.9";
    losses = Eigen::Vector3d(3, 2, 1);
    counts = Eigen::Matrix2i{{1, 2}, {3, 4}};
  }
};

}  // namespace descent::test

// SPDX-License-Identifier: MIT
//
// The runs whose checkpoints are in this folder: three steps of every rule that the first version had, with
// hyperparameters that are not the defaults. This file compiles with every version since.
#pragma once

#include <tuple>

#include <descent/descent.hpp>

namespace descent::test {

template <class R, class Scalar>
struct SmallRun {
  Optimizer<R, Scalar> optimizer;
  Eigen::Matrix<Scalar, 2, 3> W;
  Eigen::Matrix<Scalar, 2, 1> b{0.5, -0.25};

  explicit SmallRun(const R& rule) : optimizer(rule) { W << 1, -2, 3, -4, 5, -6; }
  auto params() { return std::tie(W, b); }
  void step() { optimizer.step(params(), std::make_tuple((W / 2).eval(), (b / 2).eval())); }
};

/// Calls visit(name of the file, rule, number whose type is the scalar of the run).
template <class Visit>
void for_each_small_run(Visit&& visit) {
  visit("sgd", rules::SGD{.learning_rate = 0.125}, 1.0);
  visit("momentum", rules::Momentum{.learning_rate = 0.125, .momentum = 0.5, .form = MomentumForm::accumulated}, 1.0);
  visit("nesterov", rules::Nesterov{.learning_rate = 0.125, .momentum = 0.5, .gradient_at = GradientAt::lookahead},
        1.0);
  visit("adagrad",
        rules::AdaGrad{.learning_rate = 0.125,
                       .epsilon = 1e-6,
                       .epsilon_placement = EpsilonPlacement::inside,
                       .initial_accumulator = 0.5},
        1.0f);
  visit("rmsprop", rules::RMSProp{.learning_rate = 0.125, .decay = 0.75, .epsilon = 1e-6}, 1.0);
  visit("adadelta", rules::AdaDelta{.learning_rate = 0.5, .decay = 0.75, .epsilon = 1e-6}, 1.0);
  visit("adam",
        rules::Adam{.learning_rate = 0.125,
                    .beta1 = 0.75,
                    .beta2 = 0.875,
                    .epsilon = 1e-6,
                    .epsilon_placement = EpsilonPlacement::hat},
        1.0f);
}

}  // namespace descent::test

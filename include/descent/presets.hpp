// SPDX-License-Identifier: MIT
//
// What PyTorch, Keras, optax and the papers mean by the names of optimizers: the same rule, with the formula and the
// defaults of each. A preset returns the rule, which can be changed as usual:
//
//     descent::Adam<float> adam(descent::presets::keras::adam());
//     adam.learning_rate = 0.01;
//
// tests/golden holds trajectories of the frameworks themselves, at the versions named below, and README.md has a table
// of the differences. Where a framework has no default, a preset uses descent's own: for the learning rate of optax and
// of most papers, and for the 0.9 of `momentum` and `nesterov`, which in the frameworks are an SGD whose momentum is
// off by default.
#pragma once

#include <descent/presets/keras.hpp>
#include <descent/presets/optax.hpp>
#include <descent/presets/paper.hpp>
#include <descent/presets/pytorch.hpp>

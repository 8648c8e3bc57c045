// SPDX-License-Identifier: MIT
#pragma once

#include <descent/chain.hpp>
#include <descent/rules/sgd.hpp>
#include <descent/transforms/step.hpp>

namespace descent::rules {

/// LARS: momentum with a learning rate of its own for each tensor (You, Gitman & Ginsburg 2017, Large Batch Training of
/// Convolutional Networks, arXiv:1708.03888, Algorithm 1).
///
///     u = learning_rate trust_coefficient |x| / (|g| + weight_decay |x|) (g + weight_decay x)  for each tensor
///     v <- momentum v + u,  step = v
///
/// Not a rule of its own, but a name for a chain, whose links say the rest: LayerwiseRate, what u is where a norm is 0.
/// optax divides by |g + weight_decay x|: presets::optax::lars().
///
/// State: "velocity" (v), one scalar per parameter, starting at 0.
using LARS = Chain<SGD, transforms::LayerwiseRate, transforms::MomentumOfSteps>;

}  // namespace descent::rules

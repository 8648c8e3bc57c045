// SPDX-License-Identifier: MIT
#pragma once

#include <descent/chain.hpp>
#include <descent/rules/adam.hpp>
#include <descent/transforms/step.hpp>

namespace descent::rules {

/// LAMB: Adam with decoupled decay, whose step is made as long as the tensor it moves (You et al. 2020, Large Batch
/// Optimization for Deep Learning, arXiv:1904.00962, Algorithm 2).
///
///     u = Adam's step + learning_rate weight_decay x
///     step = learning_rate (|x| / |u|) u  for each tensor,  u where |x| or |u| is 0
///
/// Not a rule of its own, but a name for a chain, whose links say the rest; with others, write them out in a Chain. The
/// defaults are the links': presets::paper and presets::optax have theirs. optax computes this. Keras adds its decay
/// behind the ratio: Adam, TrustRatio, WeightDecay.
///
/// State: as in Adam.
using LAMB = Chain<Adam, transforms::WeightDecay, transforms::TrustRatio>;

}  // namespace descent::rules

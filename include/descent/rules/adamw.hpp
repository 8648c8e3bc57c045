// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

#include <descent/rule.hpp>
#include <descent/rules/adam.hpp>
#include <descent/rules/epsilon.hpp>

namespace descent::rules {

/// AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2).
///
///     step = Adam's step + learning_rate weight_decay x
///
/// The defaults are PyTorch's. PyTorch and Keras multiply x by 1 - learning_rate weight_decay first, which is the same
/// but for rounding. In the paper the decay follows the schedule, not the learning rate: its lambda is
/// learning_rate weight_decay at the largest rate. Decay for matrices alone: Adam and transforms::WeightDecay in a
/// Chain. With PyTorch's amsgrad=True: AMSGrad and transforms::WeightDecay.
///
/// State: as in Adam.
struct AdamW {
  double learning_rate = 0.001;                                    ///< eta, finite and >= 0
  double beta1 = 0.9;                                              ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                                            ///< decay of the second moment, in [0, 1)
  double epsilon = 1e-8;                                           ///< finite and > 0
  double weight_decay = 0.01;                                      ///< lambda, finite and >= 0
  double epsilon_root = 0;                                         ///< as in Adam; finite and >= 0
  EpsilonPlacement epsilon_placement = EpsilonPlacement::outside;  ///< outside, inside or hat, as in Adam

  static constexpr std::string_view name = "descent::AdamW";
  static constexpr auto state_names = Adam::state_names;
  static constexpr auto state_powers = Adam::state_powers;
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &AdamW::learning_rate, nonnegative},
                Hyperparameter{"beta1", &AdamW::beta1, below_one}, Hyperparameter{"beta2", &AdamW::beta2, below_one},
                Hyperparameter{"epsilon", &AdamW::epsilon, positive},
                Hyperparameter{"weight_decay", &AdamW::weight_decay, nonnegative},
                Hyperparameter{"epsilon_root", &AdamW::epsilon_root, nonnegative},
                Hyperparameter{"epsilon_placement", &AdamW::epsilon_placement});
  }

  auto running_factors(const auto& list) const { return list(beta1, beta2); }

  auto kernel(const auto& step) const {
    const Adam adam{learning_rate, beta1, beta2, epsilon, epsilon_root, epsilon_placement};
    const double shrinkage = descent::kernel::rounded_product(learning_rate, weight_decay);
    return [adam = adam.kernel(step), shrinkage = step.real(shrinkage)](const auto& x, const auto& g, auto& m, auto& v)
               __attribute__((always_inline)) { return adam(x, g, m, v) + shrinkage * x; };
  }
};

}  // namespace descent::rules

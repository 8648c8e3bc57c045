// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <Eigen/Core>

#include <descent/hyperparameter.hpp>
#include <descent/optimizer.hpp>

namespace descent {

namespace rules {

/// Stochastic gradient descent (Robbins & Monro 1951, A Stochastic Approximation Method).
///
///     step = learning_rate * g
///
/// State: none.
struct SGD {
  double learning_rate = 0.01;  ///< eta, finite and >= 0

  static constexpr std::string_view name = "descent::SGD";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &SGD::learning_rate});
  }
  static constexpr std::array<std::string_view, 0> state_names{};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
  }

  template <class Scalar>
  struct DESCENT_TAGGED Kernel {
    Scalar learning_rate;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g) const {
      return learning_rate * g;
    }
  };

  template <class Scalar>
  DESCENT_TAGGED Kernel<Scalar> kernel(std::int64_t) const {
    return {static_cast<Scalar>(learning_rate)};
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using SGD = Optimizer<rules::SGD, Scalar, Size>;

}  // namespace descent

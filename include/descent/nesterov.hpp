// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include <Eigen/Core>

#include <descent/hyperparameter.hpp>
#include <descent/momentum.hpp>
#include <descent/optimizer.hpp>

namespace descent {

/// Where Nesterov wants its gradient: at x - momentum * velocity, or at the parameters themselves.
enum class GradientAt { lookahead, parameters };

DESCENT_TAGGED constexpr std::array<std::string_view, 2> enumerator_names(GradientAt) {
  return {"lookahead", "parameters"};
}

namespace rules {

/// Nesterov's accelerated gradient (Nesterov 1983), as momentum (Sutskever, Martens, Dahl & Hinton
/// 2013, On the importance of initialization and momentum in deep learning, equations 3 and 4).
///
///     lookahead:   v <- momentum v + learning_rate g,   step = v,  g taken at x - momentum v
///     parameters:  v <- momentum v + learning_rate g,   step = momentum v + learning_rate g,
///                  g taken at the parameters
///
/// `parameters` is the same method in the shifted coordinates x - momentum v (Bengio, Boulanger-
/// Lewandowski & Pascanu 2012), so that no gradient at another point is needed; it is what frameworks
/// compute. For `lookahead`, `Optimizer::lookahead` gives the point.
///
/// Keras has this velocity of steps. That of PyTorch and optax accumulates gradients, which differs
/// once the learning rate changes during a run, as with Momentum:
///
///     parameters, accumulated:  v <- momentum v + g,   step = learning_rate (momentum v + g)
///
/// State: "velocity", one scalar per parameter, from 0.
struct Nesterov {
  double learning_rate = 0.01;                      ///< eta, finite and >= 0
  double momentum = 0.9;                            ///< mu, in [0, 1]
  GradientAt gradient_at = GradientAt::parameters;  ///< where the caller takes the gradient
  MomentumForm form = MomentumForm::velocity;       ///< velocity or, with `parameters`, accumulated

  static constexpr std::string_view name = "descent::Nesterov";
  DESCENT_TAGGED static constexpr auto hyperparameters(const auto& use) {
    return use(Hyperparameter{"learning_rate", &Nesterov::learning_rate},
               Hyperparameter{"momentum", &Nesterov::momentum}, Hyperparameter{"gradient_at", &Nesterov::gradient_at},
               Hyperparameter{"form", &Nesterov::form});
  }
  static constexpr std::array<std::string_view, 1> state_names{"velocity"};
  static constexpr std::array<int, 1> state_powers{1};

  template <class Scalar = double>
  DESCENT_TAGGED void validate() const {
    require_in_range<Scalar>(name, "learning_rate", learning_rate, interval::nonnegative);
    require_in_range<Scalar>(name, "momentum", momentum, interval::unit_interval);
    require_choice(gradient_at == GradientAt::lookahead || gradient_at == GradientAt::parameters, name,
                   "gradient_at must be lookahead or parameters");
    require_choice(
        form == MomentumForm::velocity || (form == MomentumForm::accumulated && gradient_at == GradientAt::parameters),
        name, "form must be velocity or, where gradient_at is parameters, accumulated");
  }

  template <class Scalar>
  struct DESCENT_TAGGED AtLookahead {
    Scalar momentum, learning_rate;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& v) const {
      v = momentum * v + learning_rate * g;
      return v;
    }
  };

  template <class Scalar>
  struct DESCENT_TAGGED AtParameters {
    Scalar momentum, learning_rate;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& v) const {
      const Pack gradient_step = learning_rate * g;
      v = momentum * v + gradient_step;
      return momentum * v + gradient_step;
    }
  };

  template <class Scalar>
  struct DESCENT_TAGGED Accumulated {
    Scalar momentum, learning_rate;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& v) const {
      v = momentum * v + g;
      return learning_rate * (momentum * v + g);
    }
  };

  template <class Scalar>
  DESCENT_TAGGED std::variant<AtParameters<Scalar>, AtLookahead<Scalar>, Accumulated<Scalar>> kernel(
      std::int64_t) const {
    const auto mu = static_cast<Scalar>(momentum);
    const auto eta = static_cast<Scalar>(learning_rate);
    if (gradient_at == GradientAt::lookahead) return AtLookahead<Scalar>{mu, eta};
    if (form == MomentumForm::accumulated) return Accumulated<Scalar>{mu, eta};
    return AtParameters<Scalar>{mu, eta};
  }

  template <class Scalar>
  struct DESCENT_TAGGED Lookahead {
    Scalar momentum;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& v) const {
      return momentum * v;
    }
  };

  template <class Scalar>
  DESCENT_TAGGED Lookahead<Scalar> lookahead_kernel() const {
    return {static_cast<Scalar>(momentum)};
  }
};

}  // namespace rules

template <class Scalar = double, int Size = Eigen::Dynamic>
using Nesterov = Optimizer<rules::Nesterov, Scalar, Size>;

}  // namespace descent

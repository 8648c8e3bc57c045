// SPDX-License-Identifier: MIT
//
// Steps on arguments other than one long vector: many tensors, two storage orders, a small vector and a map of it, a
// gradient that is zero nearly everywhere. All that are compared work on the same parameters and gradient.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>

#include "workload.hpp"

namespace bench {

/// One optimizer, on parameters and a gradient that outlive it.
template <class Rule, class Scalar, class Params, class Gradient, int Size = Eigen::Dynamic>
class StepsOn {
 public:
  StepsOn(const Rule& rule, Params& x, const Gradient& g) : optimizer_(rule), x_(x), g_(g) {}
  void step() { optimizer_.step(x_, g_); }

 private:
  descent::Optimizer<Rule, Scalar, Size> optimizer_;
  Params& x_;
  const Gradient& g_;
};

template <int Size, class Scalar, class Rule, class Params, class Gradient>
StepsOn<Rule, Scalar, Params, Gradient, Size> steps_on(const Rule& rule, Params& x, const Gradient& g) {
  return {rule, x, g};
}

// ---- Many tensors ----------------------------------------------------------------------------------

/// `count` matrices of 16 x 16.
template <class Scalar>
struct ManyTensors {
  static constexpr Eigen::Index side = 16;
  std::vector<Eigen::MatrixX<Scalar>> x, gradient;

  explicit ManyTensors(Eigen::Index count) {
    const auto& all = shared<Problem<Scalar>>(count * side * side);
    for (Eigen::Index i = 0; i < count; ++i) {
      const auto own = Eigen::seqN(i * side * side, Eigen::fix<side * side>);
      x.push_back(all.x(own).reshaped(side, side));
      gradient.push_back(all.gradient(own).reshaped(side, side));
    }
  }
};

/// An optimizer for each of many tensors.
template <class Rule, class Scalar>
class OneForEach {
 public:
  OneForEach(const Rule& rule, ManyTensors<Scalar>& tensors)
      : optimizers_(tensors.x.size(), descent::Optimizer<Rule, Scalar>(rule)), tensors_(tensors) {}
  void step() {
    for (std::size_t i = 0; i < optimizers_.size(); ++i) optimizers_[i].step(tensors_.x[i], tensors_.gradient[i]);
  }

 private:
  std::vector<descent::Optimizer<Rule, Scalar>> optimizers_;
  ManyTensors<Scalar>& tensors_;
};

// ---- Two storage orders, a small vector, a map -----------------------------------------------------

/// A square row-major matrix, with its gradient in either order.
template <class Scalar>
struct Square {
  using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using ColMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  RowMajor x, gradient;
  ColMajor transposed_in_memory;

  explicit Square(Eigen::Index side)
      : x(shared<Problem<Scalar>>(side * side).x.reshaped(side, side)),
        gradient(shared<Problem<Scalar>>(side * side).gradient.reshaped(side, side)),
        transposed_in_memory(gradient) {}
};

/// A vector of fixed size, and a map of it.
template <class Scalar, int Size>
struct SmallVector {
  using Vector = Eigen::Vector<Scalar, Size>;
  Vector x, gradient;
  Eigen::Map<Vector> mapped_x;
  Eigen::Map<const Vector> mapped_gradient;

  explicit SmallVector(Eigen::Index)
      : x(shared<Problem<Scalar>>(Size).x),
        gradient(shared<Problem<Scalar>>(Size).gradient),
        mapped_x(x.data()),
        mapped_gradient(gradient.data()) {}
};

// ---- Sparse gradients ------------------------------------------------------------------------------

/// A gradient in which each step writes one element in a thousand, each time another one until all have had their turn.
/// Before and after its turn, an element is 0 (sparse) or its usual value (not sparse: the same work, but usual
/// gradients). It starts in the steady state, when each element has had its turn three times.
template <class Rule, class Scalar>
class Touched {
  static constexpr Eigen::Index period = 1000, stride = 617;  // without a common divisor

 public:
  Touched(const Rule& rule, Eigen::Index n, bool sparse)
      : optimizer_(rule),
        x_(shared<Problem<Scalar>>(n).x),
        usual_(shared<Problem<Scalar>>(n).gradient),
        resting_(sparse ? Scalar(0) : Scalar(1)),
        gradient_(usual_array<Scalar>(n)) {
    gradient_ = resting_ * usual_;
    for (Eigen::Index t = 0; t < 3 * period; ++t) step();
  }
  void step() {
    for (Eigen::Index i = turn_; i < gradient_.size(); i += period) gradient_[i] = resting_ * usual_[i];
    turn_ = (turn_ + stride) % period;
    for (Eigen::Index i = turn_; i < gradient_.size(); i += period) gradient_[i] = usual_[i];
    optimizer_.step(x_, gradient_);
  }

 private:
  descent::Optimizer<Rule, Scalar> optimizer_;
  Eigen::ArrayX<Scalar>& x_;
  const Eigen::ArrayX<Scalar>& usual_;
  Scalar resting_;
  Eigen::ArrayX<Scalar> gradient_;
  Eigen::Index turn_ = 0;
};

}  // namespace bench

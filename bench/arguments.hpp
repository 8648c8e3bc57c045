// SPDX-License-Identifier: MIT
//
// Steps on arguments other than one long vector: many tensors, many small models, two storage orders, a small vector
// and a map of it, a gradient that is zero nearly everywhere. All that are compared work on the same parameters and
// gradient.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>

#include "cases.hpp"
#include "intrinsics.hpp"
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

// ---- Many small models -----------------------------------------------------------------------------

/// `count` models of so many parameters: the rows of a row-major matrix.
template <class Scalar, int Parameters>
struct SmallModels {
  using Rows = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Rows x, gradient;

  explicit SmallModels(Eigen::Index count)
      : x(shared<Problem<Scalar>>(count * Parameters).x.reshaped(count, Parameters)),
        gradient(shared<Problem<Scalar>>(count * Parameters).gradient.reshaped(count, Parameters)) {}
};

/// An optimizer of fixed size for each row.
template <class Rule, class Scalar, int Parameters>
class OneForEachRow {
 public:
  OneForEachRow(const Rule& rule, SmallModels<Scalar, Parameters>& models)
      : optimizers_(static_cast<std::size_t>(models.x.rows()), descent::Optimizer<Rule, Scalar, Parameters>(rule)),
        models_(models) {}
  void step() {
    for (std::size_t i = 0; i < optimizers_.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      optimizers_[i].step(models_.x.row(row), models_.gradient.row(row));
    }
  }
  Scalar* parameters() { return models_.x.data(); }
  Scalar* gradient() { return models_.gradient.data(); }

 private:
  std::vector<descent::Optimizer<Rule, Scalar, Parameters>> optimizers_;
  SmallModels<Scalar, Parameters>& models_;
};

#if defined(__x86_64__)
/// The same by intrinsics: each row has a rule, a counter and state of its own, in as many bytes as such an optimizer.
template <class Rule, class Scalar, int Parameters>
class RowsByIntrinsics {
 public:
  RowsByIntrinsics(const Rule& rule, SmallModels<Scalar, Parameters>& models)
      : steppers_(static_cast<std::size_t>(models.x.rows()), Stepper{{avx2::Update<Rule, Scalar>(rule)}}),
        models_(models) {}
  void step() {
    for (std::size_t i = 0; i < steppers_.size(); ++i) {
      const auto at = static_cast<Eigen::Index>(i) * Parameters;
      auto& own = steppers_[i];
      std::array<Scalar*, state_count<Rule>> arrays;
      for (std::size_t k = 0; k < arrays.size(); ++k) arrays[k] = own.state[k].data();
      own.update.next_step();
      avx2::sweep(own.update, models_.x.data() + at, models_.gradient.data() + at, arrays, Parameters);
    }
  }
  Scalar* parameters() { return models_.x.data(); }
  Scalar* gradient() { return models_.gradient.data(); }

 private:
  struct Numbers {
    avx2::Update<Rule, Scalar> update;
    std::array<std::array<Scalar, Parameters>, state_count<Rule>> state{};
  };
  struct Stepper : Numbers {
    std::array<char, sizeof(descent::Optimizer<Rule, Scalar, Parameters>) - sizeof(Numbers)> rest{};
  };
  std::vector<Stepper> steppers_;
  SmallModels<Scalar, Parameters>& models_;
};
#endif

/// All rows at once, with one rule, one counter, and state in matrices like theirs.
template <class Rule, class Scalar, int Parameters>
class RowsTogether {
 public:
  RowsTogether(const Rule& rule, SmallModels<Scalar, Parameters>& models)
      : rule_(rule), models_(models), state_(models.x.size(), descent::initial_state(rule)) {}
  void step() {
    counter_ = counter_.next(rule_);
    descent::step_arrays(rule_, counter_, models_.x.data(), models_.gradient.data(), state_.arrays(), models_.x.size());
  }
  Scalar* parameters() { return models_.x.data(); }
  Scalar* gradient() { return models_.gradient.data(); }

 private:
  Rule rule_;
  descent::StepCounter<Rule> counter_;
  SmallModels<Scalar, Parameters>& models_;
  AlignedState<Scalar, state_count<Rule>> state_;
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

// SPDX-License-Identifier: MIT
//
// The rules that step matrices as a whole, against what a careful user of Eigen writes: the same products and sums as
// expressions over whole, preallocated matrices.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include <Eigen/Core>

#include "benchmarks.hpp"

namespace bench {
namespace {

template <class Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

template <class Scalar>
struct SquareProblem {
  Matrix<Scalar> x, gradient;

  explicit SquareProblem(Eigen::Index side)
      : x(shared<Problem<Scalar>>(side * side).x.reshaped(side, side)),
        gradient(shared<Problem<Scalar>>(side * side).gradient.reshaped(side, side)) {}
};

template <class Rule, class Scalar>
class MatrixByDescent {
 public:
  MatrixByDescent(const Rule& rule, Eigen::Index side) : optimizer_(rule), problem_(side) {}
  void step() { optimizer_.step(problem_.x, problem_.gradient); }
  const Matrix<Scalar>& parameters() const { return problem_.x; }

 private:
  descent::Optimizer<Rule, Scalar> optimizer_;
  SquareProblem<Scalar> problem_;
};

template <class Rule, class Scalar>
class MatrixByEigen;

/// With the rule's default choices, for a square matrix.
template <class Scalar>
class MatrixByEigen<rules::Muon, Scalar> {
 public:
  MatrixByEigen(const rules::Muon& rule, Eigen::Index side)
      : rule_(rule), problem_(side), m_(Matrix<Scalar>::Zero(side, side)) {}
  void step() {
    const auto mu = static_cast<Scalar>(rule_.momentum), a = static_cast<Scalar>(rule_.ns_a),
               b = static_cast<Scalar>(rule_.ns_b), c = static_cast<Scalar>(rule_.ns_c);
    m_ = mu * m_ + (1 - mu) * problem_.gradient;
    X_ = mu * m_ + (1 - mu) * problem_.gradient;
    X_ /= X_.norm() + static_cast<Scalar>(rule_.epsilon);
    for (int i = 0; i < rule_.ns_steps; ++i) {
      A_.noalias() = X_ * X_.transpose();
      B_ = b * A_;
      B_.noalias() += c * A_ * A_;
      next_ = a * X_;
      next_.noalias() += B_ * X_;
      std::swap(X_, next_);
    }
    problem_.x -= static_cast<Scalar>(rule_.learning_rate) * X_;
  }
  const Matrix<Scalar>& parameters() const { return problem_.x; }

 private:
  rules::Muon rule_;
  SquareProblem<Scalar> problem_;
  Matrix<Scalar> m_, X_, next_, A_, B_;
};

template <class Scalar>
class MatrixByEigen<rules::Adafactor, Scalar> {
 public:
  MatrixByEigen(const rules::Adafactor& rule, Eigen::Index side)
      : rule_(rule),
        problem_(side),
        v_row_(Eigen::ArrayX<Scalar>::Zero(side)),
        v_col_(Eigen::ArrayX<Scalar>::Zero(side)) {}
  void step() {
    const double t = ++t_, rest = std::pow(t, -rule_.decay_rate);
    const auto decay = static_cast<Scalar>(1 - rest), weight = static_cast<Scalar>(rest),
               added = static_cast<Scalar>(rule_.epsilon1);
    u_ = problem_.gradient.array().square();
    v_row_ = decay * v_row_ + weight * (u_.rowwise().mean() + added);
    v_col_ = decay * v_col_ + weight * (u_.colwise().mean().transpose() + added);
    const Scalar mean = v_row_.mean();
    for (Eigen::Index j = 0; j < u_.cols(); ++j)
      u_.col(j) = problem_.gradient.col(j).array() / (v_row_ * (v_col_[j] / mean)).sqrt();
    const double count = static_cast<double>(u_.size());
    const double rms_x = problem_.x.norm() / std::sqrt(count), rms_u = u_.matrix().norm() / std::sqrt(count);
    const double alpha = std::fmin(rule_.learning_rate, 1 / std::sqrt(t)) * std::fmax(rule_.epsilon2, rms_x);
    problem_.x.array() -= static_cast<Scalar>(alpha / std::fmax(1, rms_u / rule_.clip_threshold)) * u_;
  }
  const Matrix<Scalar>& parameters() const { return problem_.x; }

 private:
  rules::Adafactor rule_;
  SquareProblem<Scalar> problem_;
  Eigen::ArrayX<Scalar> v_row_, v_col_;
  Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor> u_;
  int t_ = 0;
};

/// Both must agree up to rounding, which Muon's polynomial multiplies by up to 1500.
template <class Rule, class Scalar>
void check(Eigen::Index side) {
  const Rule rule;
  MatrixByDescent<Rule, Scalar> ours(rule, side);
  MatrixByEigen<Rule, Scalar> theirs(rule, side);
  for (int t = 0; t < 3; ++t) ours.step(), theirs.step();
  const Scalar difference = (ours.parameters() - theirs.parameters()).norm() / ours.parameters().norm();
  if (!(difference <= 1e4 * std::numeric_limits<Scalar>::epsilon()))
    throw std::runtime_error(case_name(rule_name<Rule>, scalar_name<Scalar>, side * side, who::eigen) +
                             " is wrong: it differs from descent by " + std::to_string(difference));
}

}  // namespace

void check_matrix_steppers() {
  for_each_scalar([]<class Scalar>() { OfMatrices::for_each([]<class Rule>() { check<Rule, Scalar>(37); }); });
}

void add_matrix_benchmarks(const Coverage& coverage) {
  for_each_scalar([&]<class Scalar>() {
    OfMatrices::for_each([&]<class Rule>() {
      for (const Eigen::Index side : coverage.matrix_sides) {
        const auto add_case = [&](std::string_view by, auto make) {
          add_steps(case_name(rule_name<Rule>, scalar_name<Scalar>, side * side, by),
                    bytes_per_step<Scalar>(state_count<Rule>, side * side), make);
        };
        const auto rule = crawling_rule<Rule>();
        add_case(who::descent, [=] { return MatrixByDescent<Rule, Scalar>(rule, side); });
        add_case(who::eigen, [=] { return MatrixByEigen<Rule, Scalar>(rule, side); });
      }
    });
  });
}

}  // namespace bench

// SPDX-License-Identifier: MIT
//
// The self-check: before anything is timed, all implementations of a rule must agree up to rounding, so that no wrong
// formula is measured.
#pragma once

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <Eigen/Core>

#include "arguments.hpp"
#include "cases.hpp"
#include "steppers.hpp"

namespace bench {

/// Hyperparameters with which every term matters, epsilon too.
template <class Rule>
Rule telling_rule() {
  Rule rule;
  if constexpr (requires { rule.learning_rate; }) rule.learning_rate = 0.1;
  if constexpr (requires { rule.epsilon; }) rule.epsilon = 0.1;
  if constexpr (requires { rule.weight_decay; }) rule.weight_decay = 0.1;
  if constexpr (requires { rule.factor; }) rule.factor = 0.7;
  if constexpr (std::is_same_v<Rule, rules::AdaBelief>) rule.epsilon_root = 0.01;
  if constexpr (requires { rule.momentum_decay; }) rule.momentum_decay = 1;
  if constexpr (requires { rule.warmup_steps; }) rule.warmup_steps = 5;
  if constexpr (requires { rule.r; }) rule.r = 0.5;
  if constexpr (requires { rule.trust_coefficient; }) rule.trust_coefficient = 0.5;
  if constexpr (requires { rule.l1; }) rule.l1 = rule.l2 = 0.1;
  if constexpr (requires {
                  rule.decay;
                  rule.max_norm;
                })
    rule.decay = 0.9;
  return rule;
}

/// The parameters after 20 steps with gradients that change sign and size.
template <class Scalar, class Stepper>
Eigen::ArrayX<Scalar> end_of(Stepper stepper, Eigen::Index n) {
  Eigen::Map<Eigen::ArrayX<Scalar>> x(stepper.parameters(), n), g(stepper.gradient(), n);
  x = Eigen::ArrayX<Scalar>::LinSpaced(n, Scalar(-1), Scalar(1));
  g = Eigen::ArrayX<Scalar>::LinSpaced(n, Scalar(0.1), Scalar(2));
  for (int t = 0; t < 20; ++t) {
    stepper.step();
    g *= t % 3 == 2 ? Scalar(-1.25) : Scalar(0.875);
  }
  return x;
}

/// Returns check(by, x), which throws if x is not the end that descent finds.
template <class Rule, class Scalar, int Size = Eigen::Dynamic>
auto checker(const Rule& rule, Eigen::Index n) {
  return [n, expected = end_of<Scalar>(ByDescent<Rule, Scalar, Size>(rule, n), n)](std::string_view by,
                                                                                   const Eigen::ArrayX<Scalar>& x) {
    const Scalar epsilon = std::numeric_limits<Scalar>::epsilon();
    const Scalar difference = ((x - expected).abs() / expected.abs().max(Scalar(1))).maxCoeff();
    if (!(difference <= 100 * epsilon))
      throw std::runtime_error(case_name(rule_name<Rule>, scalar_name<Scalar>, n, by) +
                               " is wrong: it differs from descent by " + std::to_string(difference / epsilon) +
                               " epsilon");
  };
}

template <class Rule, class Scalar, int Size = Eigen::Dynamic>
void check_rule(Eigen::Index n) {
  const Rule rule = telling_rule<Rule>();
  const auto check = checker<Rule, Scalar, Size>(rule, n);
  check(who::eigen, end_of<Scalar>(ByEigen<Rule, Scalar, Size>(rule, n), n));
#if defined(__x86_64__)
  if constexpr (Size == Eigen::Dynamic)
    if (avx2::supported()) check(who::avx2, end_of<Scalar>(ByIntrinsics<Rule, Scalar>(rule, n), n));
#endif
#ifdef DESCENT_BENCH_NATIVE
  if constexpr (Size == Eigen::Dynamic && std::is_same_v<Rule, rules::Adam>)
    check(who::eigen_native, end_of<Scalar>(ByNativeEigen<Scalar>(rule, n), n));
#endif
}

/// The same for small models.
template <class Rule, class Scalar, int Parameters>
void check_small_models(Eigen::Index count) {
  const Rule rule = telling_rule<Rule>();
  const Eigen::Index n = count * Parameters;
  auto& models = shared<SmallModels<Scalar, Parameters>>(count);
  const auto check = checker<Rule, Scalar>(rule, n);
  check(who::one_for_each_row, end_of<Scalar>(OneForEachRow<Rule, Scalar, Parameters>(rule, models), n));
  check(who::rows_together, end_of<Scalar>(RowsTogether<Rule, Scalar, Parameters>(rule, models), n));
#if defined(__x86_64__)
  if (avx2::supported())
    check(who::avx2_rows, end_of<Scalar>(RowsByIntrinsics<Rule, Scalar, Parameters>(rule, models), n));
#endif
}

/// Sizes that are not measured, because the check leaves its own numbers in the shared memory.
inline constexpr Eigen::Index checked_sizes[] = {1, 3, 37, 999};

template <class Scalar>
void check_steppers() {
  for (const Eigen::Index n : checked_sizes) Classical::for_each([&]<class Rule>() { check_rule<Rule, Scalar>(n); });
  if constexpr (std::is_same_v<Scalar, float>)
    for (const Eigen::Index n : checked_sizes)
      for_each_recipe([&]<class Recipe>(double, double) { check_rule<Recipe, Scalar>(n); });
  if constexpr (std::is_same_v<Scalar, float>) check_small_models<rules::Adam, Scalar, model_parameters>(3);
  check_rule<rules::SGD, Scalar, 2>(2);
  check_rule<rules::Adam, Scalar, 2>(2);
  check_rule<rules::Adam, Scalar, 10>(10);
}

template <class Scalar>
void check_newer_steppers() {
  for (const Eigen::Index n : checked_sizes) {
    Newer::for_each([&]<class Rule>() { check_rule<Rule, Scalar>(n); });
    Layerwise::for_each([&]<class Rule>() { check_rule<Rule, Scalar>(n); });
  }
}

}  // namespace bench

// SPDX-License-Identifier: MIT
//
// What is measured: the rules, the scalars, the sizes, the implementations, and the name of each measurement. The
// benchmarks register under these names, and the report looks its numbers up by them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>

namespace bench {

namespace rules = descent::rules;

template <class Rule>
struct RuleName {
  static constexpr std::string_view value = Rule::name.substr(std::string_view("descent::").size());
};

/// What people train with: Adam with links before and after it (descent/chain.hpp).
namespace recipes {
using namespace descent::transforms;
using Scaled = descent::Chain<GradientScale, rules::Adam, WeightDecay>;
using ScaledWithAverage = descent::Chain<GradientScale, rules::Adam, WeightDecay, Average>;
using Clamped = descent::Chain<ClipValue, rules::Adam, WeightDecay>;
using Clipped = descent::Chain<ClipNorm, rules::Adam, WeightDecay>;
using ClippedWithAverage = descent::Chain<ClipNorm, rules::Adam, WeightDecay, Average>;
}  // namespace recipes

template <>
struct RuleName<rules::LAMB> {
  static constexpr std::string_view value = "LAMB";
};
template <>
struct RuleName<rules::LARS> {
  static constexpr std::string_view value = "LARS";
};
template <>
struct RuleName<recipes::Scaled> {
  static constexpr std::string_view value = "scale-Adam-decay";
};
template <>
struct RuleName<recipes::ScaledWithAverage> {
  static constexpr std::string_view value = "scale-Adam-decay-average";
};
template <>
struct RuleName<recipes::Clamped> {
  static constexpr std::string_view value = "clip_value-Adam-decay";
};
template <>
struct RuleName<recipes::Clipped> {
  static constexpr std::string_view value = "clip_norm-Adam-decay";
};
template <>
struct RuleName<recipes::ClippedWithAverage> {
  static constexpr std::string_view value = "clip_norm-Adam-decay-average";
};

template <class Rule>
inline constexpr std::string_view rule_name = RuleName<Rule>::value;
template <class Rule>
inline constexpr std::size_t state_count = Rule::state_names.size();
template <class Scalar>
inline constexpr std::string_view scalar_name = std::is_same_v<Scalar, float> ? "float" : "double";

/// for_each(visit) calls visit.operator()<Rule>() for each rule.
template <class... Rules>
struct RuleList {
  template <class Visit>
  static void for_each(Visit&& visit) {
    (visit.template operator()<Rules>(), ...);
  }
};

/// The rules that every table has.
using Classical = RuleList<rules::SGD, rules::Momentum, rules::Nesterov, rules::AdaGrad, rules::RMSProp,
                           rules::AdaDelta, rules::Adam>;

/// The rules that have a table of their own, with fewer sizes.
using Newer =
    RuleList<rules::AdamW, rules::AMSGrad, rules::NAdam, rules::RAdam, rules::AdaMax, rules::AdaBelief, rules::Yogi,
             rules::Adan, rules::Lion, rules::Rprop, rules::Ftrl, rules::ScheduleFreeSGD, rules::ScheduleFreeAdamW>;

/// Those that measure norms of the tensor first, in a pass of its own.
using Layerwise = RuleList<rules::LAMB, rules::LARS>;

/// The rules that step square matrices as a whole.
using OfMatrices = RuleList<rules::Muon, rules::Adafactor>;

/// Calls visit.operator()<Recipe>(small, large) for each recipe, with its goals in times of plain Adam: for 1e4 and
/// 1e5, which lie in the caches, and for 1e7.
template <class Visit>
void for_each_recipe(Visit&& visit) {
  visit.template operator()<recipes::Scaled>(1.18, 1.05);
  visit.template operator()<recipes::ScaledWithAverage>(1.45, 1.33);
  visit.template operator()<recipes::Clamped>(1.22, 1.05);
  visit.template operator()<recipes::Clipped>(1.65, 1.30);
  visit.template operator()<recipes::ClippedWithAverage>(1.90, 1.60);
}
inline constexpr Eigen::Index recipe_sizes[] = {10'000, 100'000, 10'000'000};

/// Calls visit.operator()<Scalar>() for each scalar.
template <class Visit>
void for_each_scalar(Visit&& visit) {
  visit.template operator()<float>();
  visit.template operator()<double>();
}

/// What one run covers.
struct Coverage {
  std::vector<Eigen::Index> sizes{2, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000};
  std::vector<Eigen::Index> newer_sizes{10, 10'000, 100'000, 10'000'000};  ///< some of the sizes
  std::vector<Eigen::Index> matrix_sides{64, 256, 512};
  std::vector<Eigen::Index> threaded_sizes{10'000, 100'000, 1'000'000};
  Eigen::Index unusual_size = 10'000;  ///< for unusual gradients; one of the sizes

  static Coverage quick() { return {{2, 10, 1'000, 10'000, 1'000'000}, {10, 10'000}, {64}, {1'000'000}, 10'000}; }
};

/// A run of zero gradients, and the usual steps before it.
inline constexpr int usual_steps = 10;
inline constexpr int zero_steps = 3'000;

/// The number of many tensors, of 16 x 16 each, and of all their elements.
inline constexpr Eigen::Index tensor_count = 1'000;
inline constexpr Eigen::Index tensor_elements = tensor_count * 16 * 16;

/// The number of many small models, and how many parameters each has.
inline constexpr Eigen::Index model_count = 100'000;
inline constexpr int model_parameters = 8;

/// An embedding table: how many columns or rows, of how many elements each, and how many of them a sparse step touches.
inline constexpr Eigen::Index table_slices = 60'000, slice_length = 32, touched_slices = 200;
inline constexpr Eigen::Index table_elements = table_slices * slice_length;
inline constexpr std::string_view sparse_rules[] = {"Adam", "AdaGrad"};

/// What is chosen at run time, and the sizes at which it is measured.
inline constexpr std::string_view any_choices[] = {"SGD", "Adam", "Chain"};
inline constexpr Eigen::Index any_sizes[] = {2, 100, 10'000, 1'000'000};

/// The side of the matrices in two storage orders, and the size of a small vector.
inline constexpr Eigen::Index layout_sides[] = {64, 1'000};
inline constexpr int small_vector = 6;

/// The implementations of a step, and what they work on.
namespace who {
inline constexpr std::string_view descent = "descent";
inline constexpr std::string_view eigen = "eigen";
inline constexpr std::string_view avx2 = "avx2";
inline constexpr std::string_view eigen_native = "eigen-native";
inline constexpr std::string_view descent_fixed = "descent-fixed";
inline constexpr std::string_view eigen_fixed = "eigen-fixed";
inline constexpr std::string_view zero_gradients = "descent-zero-gradients";
inline constexpr std::string_view tiny_gradients = "descent-tiny-gradients";
inline constexpr std::string_view sparse_gradients = "descent-sparse-gradients";
inline constexpr std::string_view touched_gradients = "descent-touched-gradients";
inline constexpr std::string_view reject = "descent-reject";
inline constexpr std::string_view skip = "descent-skip";
inline constexpr std::string_view two_threads = "descent-2-threads";
inline constexpr std::string_view all_tensors = "descent-1000-tensors";
inline constexpr std::string_view one_for_each = "descent-1000-optimizers";
inline constexpr std::string_view one_for_each_row = "descent-100000-rows";
inline constexpr std::string_view rows_together = "descent-rows-together";
inline constexpr std::string_view avx2_rows = "avx2-100000-rows";
inline constexpr std::string_view one_layout = "descent-row-major";
inline constexpr std::string_view two_layouts = "descent-row-and-column-major";
inline constexpr std::string_view sparse_columns = "descent-sparse-columns";
inline constexpr std::string_view sparse_rows = "descent-sparse-rows";
inline constexpr std::string_view eigen_columns = "eigen-sparse-columns";
inline constexpr std::string_view eigen_rows = "eigen-sparse-rows";
inline constexpr std::string_view whole_table = "descent-whole-table";
inline constexpr std::string_view typed = "descent-typed";
inline constexpr std::string_view any = "descent-any";
inline constexpr std::string_view vector = "descent-vector";
inline constexpr std::string_view map = "descent-map";
inline constexpr std::string_view fixed_vector = "descent-fixed-vector";
inline constexpr std::string_view fixed_map = "descent-fixed-map";
}  // namespace who

inline std::string case_name(std::string_view rule, std::string_view scalar, Eigen::Index n, std::string_view by) {
  return std::string(rule) + "/" + std::string(scalar) + "/" + std::to_string(n) + "/" + std::string(by);
}

/// The stream depends only on the number of state arrays: rules with the same number share it.
inline std::string stream_name(std::size_t states, std::string_view scalar, Eigen::Index n) {
  return case_name("stream", scalar, n, std::to_string(states) + "-state");
}

/// Throws std::runtime_error if implementations of a rule disagree. For float and double, and for the newer rules, in
/// files of their own that compile in parallel.
template <class Scalar>
void check_steppers();
template <class Scalar>
void check_newer_steppers();

/// Registers every benchmark of that scalar.
template <class Scalar>
void add_benchmarks(const Coverage& coverage);
template <class Scalar>
void add_newer_benchmarks(const Coverage& coverage);

/// The same for matrices, of both scalars.
void check_matrix_steppers();
void add_matrix_benchmarks(const Coverage& coverage);

/// The same for sparse steps.
void check_sparse_steppers();
void add_sparse_benchmarks();

/// The same for optimizers that are chosen at run time.
void check_any_steppers();
void add_any_benchmarks();

}  // namespace bench

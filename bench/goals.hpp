// SPDX-License-Identifier: MIT
//
// The goals, and for each the case that is furthest from it. (compile_time.sh has the goals for compilers.)
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "cases.hpp"
#include "memory.hpp"
#include "numbers.hpp"

namespace bench {

/// The worst of many values, and where it was.
struct Worst {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::string where;

  void keep(bool is_worse, double candidate, std::string place) {
    if (std::isnan(candidate) || (!is_worse && !std::isnan(value))) return;
    value = candidate;
    where = std::move(place);
  }
};

class Goals {
 public:
  Goals(const Medians& medians, const Coverage& coverage) : medians_(medians), coverage_(coverage) {}

  void print() const {
    std::printf("\nThe goals, and the case that is furthest from each; ! marks a miss\n\n%-66s %8s %8s  %s\n", "",
                "goal", "measured", "where");
    print_long_vectors();
    print_newer_rules();
    print_matrices();
    print_sparse();
    print_any();
    print_recipes();
    print_small_vectors();
    print_tensors();
    print_threads();
    print_unusual_gradients();
    print_memory();
  }

 private:
  using Where = std::string_view;  // the name of a rule or a scalar
  enum class Goal { at_most, at_least };
  using enum Goal;
  static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

  double cpu(Where rule, Where scalar, Eigen::Index n, std::string_view by) const {
    return medians_.cpu(rule, scalar, n, by);
  }

  /// How many times as long `of` takes as `to`.
  auto ratio(std::string_view of, std::string_view to) const {
    return [=, this](Where rule, Where scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, of) / cpu(rule, scalar, n, to);
    };
  }

  /// How many times as long descent takes as a pass over the same memory.
  auto against_stream() const {
    return [this](Where rule, Where scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, who::descent) / medians_[stream_name(states(rule), scalar, n)].cpu;
    };
  }

  /// A value only for those rules; NaN for others.
  template <class Value>
  static auto only(std::initializer_list<Where> rules, Value value) {
    const std::vector<Where> chosen = rules;
    return [=](Where rule, Where scalar, Eigen::Index n) {
      for (const Where one : chosen)
        if (one == rule) return value(rule, scalar, n);
      return nan;
    };
  }

  static void print_line(const char* what, Goal goal, double bound, double value, const std::string& where) {
    const bool missed = goal == at_most ? value > bound : value < bound;
    std::printf("%-66s %s %s %s%c %s\n", what, goal == at_most ? "<=" : ">=", cell(bound, 5, 2).c_str(),
                cell(value, 8, 2).c_str(), missed ? '!' : ' ', where.c_str());
  }

  /// A goal for value(rule, scalar, n) in all cases that were measured.
  template <class Rules = Classical, class Value>
  static void print_goal(const char* what, Goal goal, double bound, std::initializer_list<Eigen::Index> sizes,
                         Value&& value) {
    Worst worst;
    for_each_combination<Rules>([&](Where rule, std::size_t, Where scalar, std::size_t) {
      for (const Eigen::Index n : sizes) {
        const double here = value(rule, scalar, n);
        worst.keep(goal == Goal::at_most ? here > worst.value : here < worst.value, here,
                   std::string(rule) + " " + std::string(scalar) + ", n = " + size_text(n));
      }
    });
    print_line(what, goal, bound, worst.value, worst.where);
  }

  void print_long_vectors() const {
    const auto against_avx2 = ratio(who::descent, who::avx2);
    const auto native = ratio(who::eigen_native, who::descent);
    const auto eigen = ratio(who::eigen, who::descent);
    print_goal("descent/AVX2, 1e4 and 1e5", at_most, 1.10, {10'000, 100'000}, against_avx2);
    print_goal("descent/AVX2, 1e3, the four with a root", at_most, 1.10, {1'000},
               only({"AdaGrad", "RMSProp", "AdaDelta", "Adam"}, against_avx2));
    print_goal("descent/AVX2, 1e3, SGD, Momentum, Nesterov", at_most, 1.25, {1'000},
               only({"SGD", "Momentum", "Nesterov"}, against_avx2));
    print_goal("descent/stream, 1e7", at_most, 1.05, {10'000'000}, against_stream());
    print_goal("Eigen -march=native/descent, Adam, 1e4", at_least, 1.4, {10'000}, native);
    print_goal("Eigen -march=native/descent, Adam, 1e7", at_least, 1.6, {10'000'000}, native);
    print_goal("Eigen/descent, any n", at_least, 1, {2, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000}, eigen);
    print_goal("Eigen/descent, 100 and above", at_least, 1, {100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000},
               eigen);
    print_goal("Eigen/descent, Adam, 1e7", at_least, 1.4, {10'000'000}, only({"Adam"}, eigen));
  }

  void print_newer_rules() const {
    print_goal<Newer>("the newer rules: descent/AVX2, 1e4 and 1e5", at_most, 1.10, {10'000, 100'000},
                      ratio(who::descent, who::avx2));
    print_goal<Layerwise>("LAMB and LARS: descent/AVX2, 1e4 and 1e5", at_most, 1.10, {10'000, 100'000},
                          ratio(who::descent, who::avx2));
    print_goal<Newer>("the newer rules: descent/stream, 1e7", at_most, 1.05, {10'000'000}, against_stream());
    print_goal<Newer>("the newer rules: Eigen/descent, 1e4 and above", at_least, 1, {10'000, 100'000, 10'000'000},
                      ratio(who::eigen, who::descent));
    print_goal<Layerwise>("LAMB and LARS: Eigen/descent, 1e4 and above", at_least, 1, {10'000, 100'000, 10'000'000},
                          ratio(who::eigen, who::descent));
  }

  void print_matrices() const {
    constexpr Eigen::Index small = 64 * 64, medium = 256 * 256, large = 512 * 512;
    const auto to_eigen = ratio(who::descent, who::eigen);
    print_goal<OfMatrices>("matrices of Muon: descent/Eigen", at_most, 1.5, {small, medium, large},
                           only({"Muon"}, to_eigen));
    print_goal<OfMatrices>("matrices of Adafactor: descent/Eigen", at_most, 1, {small, medium, large},
                           only({"Adafactor"}, to_eigen));
  }

  void print_any() const {
    const auto more = [this](Where rule, Where scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, who::any) - cpu(rule, scalar, n, who::typed);
    };
    print_goal("chosen at run time - of its type, ns", at_most, 5, {2, 100}, more);
    print_goal("chosen at run time/of its type, 1e4 and 1e6", at_most, 1.02, {10'000, 1'000'000},
               ratio(who::any, who::typed));
  }

  void print_sparse() const {
    print_goal("sparse steps of columns: descent/Eigen", at_most, 1, {table_elements},
               ratio(who::sparse_columns, who::eigen_columns));
    print_goal("sparse steps of rows: descent/Eigen", at_most, 1, {table_elements},
               ratio(who::sparse_rows, who::eigen_rows));
    print_goal("a step of the whole table/a sparse step", at_least, 20, {table_elements},
               ratio(who::whole_table, who::sparse_columns));
  }

  void print_recipes() const {
    for_each_recipe([&]<class Recipe>(double small, double large) {
      const auto print = [&](std::initializer_list<Eigen::Index> sizes, const char* which, double bound) {
        Worst worst;
        for (const Eigen::Index n : sizes) {
          const double here = cpu(rule_name<Recipe>, "float", n, who::descent) / cpu("Adam", "float", n, who::descent);
          worst.keep(here > worst.value, here, "n = " + size_text(n));
        }
        const std::string what = std::string(rule_name<Recipe>) + "/Adam, " + which;
        print_line(what.c_str(), Goal::at_most, bound, worst.value, worst.where);
      };
      print({10'000, 100'000}, "1e4 and 1e5", small);
      print({10'000'000}, "1e7", large);
    });
  }

  static std::size_t states(Where wanted) {
    std::size_t count = 0;
    const auto look_at = [&]<class Rule>() {
      if (rule_name<Rule> == wanted) count = state_count<Rule>;
    };
    Classical::for_each(look_at);
    Newer::for_each(look_at);
    return count;
  }

  void print_small_vectors() const {
    const auto nanoseconds = [&](Where rule, Where scalar, Eigen::Index n) {
      return std::fmax(cpu(rule, scalar, n, who::descent), cpu(rule, scalar, n, who::descent_fixed));
    };
    print_goal("Adam, n = 2, dynamic and fixed, ns a step", at_most, 20, {2}, only({"Adam"}, nanoseconds));
    print_goal("Adam, n = 10, dynamic and fixed, ns a step", at_most, 25, {10}, only({"Adam"}, nanoseconds));
    print_goal("SGD, n = 2, dynamic and fixed, ns a step", at_most, 7, {2}, only({"SGD"}, nanoseconds));
    print_goal("Adam of fixed size on a Vector6f/Adam of any size on it", at_most, 1, {small_vector},
               ratio(who::fixed_vector, who::vector));
    print_goal("Adam of fixed size on a Map of it/Adam of any size on that Map", at_most, 1.1, {small_vector},
               ratio(who::fixed_map, who::map));
    print_goal("Adam of fixed size on a Map of it/Adam of any size on a Vector6f", at_most, 1.1, {small_vector},
               ratio(who::fixed_map, who::vector));
  }

  void print_tensors() const {
    const auto price = [&](Where rule, Where scalar, Eigen::Index n) {
      return (cpu(rule, scalar, n, who::all_tensors) - cpu(rule, scalar, n, who::descent)) / tensor_count;
    };
    print_goal("1,000 tensors of 16 x 16 in one step/by one optimizer each", at_most, 1.1, {tensor_elements},
               ratio(who::all_tensors, who::one_for_each));
    print_goal("the price of each of these tensors beyond its elements, ns", at_most, 15, {tensor_elements}, price);
    print_goal("100,000 models of 8, an optimizer each/AVX2 on the same memory", at_most, 1.3,
               {model_count * model_parameters}, ratio(who::one_for_each_row, who::avx2_rows));
    constexpr auto small = layout_sides[0], large = layout_sides[1];
    print_goal("row-major with column-major gradient/one layout, 64 x 64", at_most, 2, {small * small},
               ratio(who::two_layouts, who::one_layout));
    print_goal("row-major with column-major gradient/one layout, 1,000 x 1,000", at_most, 3, {large * large},
               ratio(who::two_layouts, who::one_layout));
  }

  void print_threads() const {
#if defined(_OPENMP)
    const auto speedup = [&](Where rule, Where scalar, Eigen::Index n) {
      return medians_[case_name(rule, scalar, n, who::descent)].real /
             medians_[case_name(rule, scalar, n, who::two_threads)].real;
    };
    print_goal("one thread/two threads, 1e5 and 1e6 (on an idle machine)", at_least, 1.6, {100'000, 1'000'000},
               speedup);
    print_goal("one thread/two threads, 1e4", at_least, 1, {10'000}, speedup);
#endif
  }

  void print_unusual_gradients() const {
    const auto zeros = ratio(who::zero_gradients, who::descent);
    print_goal("3,000 zero gradients after usual ones/usual step", at_most, 1.15, {coverage_.unusual_size},
               [&](auto... where) { return zeros(where...) / (usual_steps + zero_steps); });
    print_goal("gradients around 1e-25/usual step", at_most, 1.5, {coverage_.unusual_size},
               ratio(who::tiny_gradients, who::descent));
    print_goal("sparse gradients, one element in 1,000/usual gradients", at_most, 1.15, {coverage_.unusual_size},
               ratio(who::sparse_gradients, who::touched_gradients));
    print_goal<Newer>("the newer rules: 3,000 zero gradients/usual step", at_most, 1.15, {coverage_.unusual_size},
                      [&](auto... where) { return zeros(where...) / (usual_steps + zero_steps); });
    print_goal<Newer>("the newer rules: gradients around 1e-25/usual step", at_most, 1.5, {coverage_.unusual_size},
                      ratio(who::tiny_gradients, who::descent));
    print_goal<Newer>("the newer rules: sparse gradients/usual gradients", at_most, 1.15, {coverage_.unusual_size},
                      ratio(who::sparse_gradients, who::touched_gradients));
  }

  void print_memory() const {
    // Two arrays, each padded to whole cache lines, and one shape.
    print_goal("heap in the first step, bytes beyond slots x n scalars", at_most, 2 * 64 + 24, {n_of_heap_use},
               [](Where rule, Where scalar, Eigen::Index) { return heap_use(rule, scalar).beyond_state; });
    print_goal("allocations in the next hundred steps", at_most, 0, {n_of_heap_use},
               [](Where rule, Where scalar, Eigen::Index) { return heap_use(rule, scalar).later_allocations; });
    constexpr double hyperparameters = sizeof(rules::Adam), state = 2 * 8 * sizeof(float);
    print_line("bytes of Adam<float> beyond its hyperparameters", at_most, 136,
               sizeof(descent::Adam<float>) - hyperparameters, "");
    print_line("bytes of Adam<float, 8> beyond hyperparameters and state", at_most, 112,
               sizeof(descent::Adam<float, 8>) - hyperparameters - state, "");
  }

  const Medians& medians_;
  const Coverage& coverage_;
};

}  // namespace bench

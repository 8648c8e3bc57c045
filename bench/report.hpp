// SPDX-License-Identifier: MIT
//
// The tables at the end of a run: medians over the repetitions, and ratios of medians. A ratio says how many times as
// long the other one takes (against Eigen, more is better), or how many times as long descent takes (against intrinsics
// and memory, where 1 is the limit).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include <Eigen/Core>

#include "cases.hpp"
#include "goals.hpp"
#include "numbers.hpp"

namespace bench {

class Report {
 public:
  Report(const Medians& medians, const Coverage& coverage) : medians_(medians), coverage_(coverage) {}

  void print() const {
    print_machine();
    print_rules();
    print_newer_rules();
    print_matrices();
    print_sparse();
    print_any();
    print_native();
    print_recipes();
    print_small();
    print_unusual_gradients();
    print_checked_gradients();
    print_threads();
    Goals(medians_, coverage_).print();
  }

 private:
  double cpu(std::string_view rule, std::string_view scalar, Eigen::Index n, std::string_view by) const {
    return medians_.cpu(rule, scalar, n, by);
  }

  static void print_machine() {
    std::string model, line;
    for (std::ifstream cpuinfo("/proc/cpuinfo"); model.empty() && std::getline(cpuinfo, line);)
      if (line.starts_with("model name")) model = line.substr(line.find(':') + 2);
#if defined(__clang__)
    constexpr const char* compiler = __VERSION__;
#else
    constexpr const char* compiler = "g++ " __VERSION__;
#endif
    std::printf("\n%s%s%d CPUs; %s; Eigen %d.%d.%d; flags %s\n", model.c_str(), model.empty() ? "" : ", ",
                benchmark::CPUInfo::Get().num_cpus, compiler, EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                EIGEN_MINOR_VERSION, DESCENT_BENCH_FLAGS);
  }

  void print_rules() const {
    std::printf(
        "\nEvery rule, dynamic size, one thread. Medians; GB/s: x, gradient and states read and x and states written\n"
        "once. Ratios: hand-written Eigen expressions take so many times as long as descent; descent takes so many\n"
        "times as long as AVX2 and FMA intrinsics, and as a pass over the same memory with next to no arithmetic.\n\n");
    print_ratios<Classical>(coverage_.sizes);
  }

  void print_newer_rules() const {
    std::printf("\nThe newer rules, likewise\n\n");
    print_ratios<Newer>(coverage_.newer_sizes);
    std::printf("\nThose that measure norms first, with AVX2 in as many passes\n\n");
    print_ratios<Layerwise>(coverage_.newer_sizes);
  }

  void print_matrices() const {
    std::printf("\nSquare matrices stepped as a whole; Eigen: the same products and sums as expressions\n\n");
    std::printf("%-17s %-7s %6s %13s %15s\n", "rule", "scalar", "side", "ms", "Eigen/descent");
    for_each_combination<OfMatrices>([&](auto rule, std::size_t, auto scalar, std::size_t) {
      for (const Eigen::Index side : coverage_.matrix_sides) {
        const double ns = cpu(rule, scalar, side * side, who::descent);
        if (std::isnan(ns)) continue;
        std::printf("%-17s %-7s %6s %s %s\n", rule.data(), scalar.data(), std::to_string(side).c_str(),
                    cell(ns / 1e6, 13, 3).c_str(),
                    cell(cpu(rule, scalar, side * side, who::eigen) / ns, 15, 2).c_str());
      }
    });
  }

  void print_sparse() const {
    std::printf(
        "\nSparse steps of %d of %d columns or rows of %d elements, in float; Eigen: expressions for each of them\n\n"
        "%-9s %-8s %13s %15s %21s\n",
        static_cast<int>(touched_slices), static_cast<int>(table_slices), static_cast<int>(slice_length), "rule", "of",
        "us", "Eigen/descent", "whole table/descent");
    for (const std::string_view rule : sparse_rules)
      for (const bool columns : {true, false}) {
        const auto time = [&](std::string_view by) { return cpu(rule, "float", table_elements, by); };
        const double ns = time(columns ? who::sparse_columns : who::sparse_rows);
        if (std::isnan(ns)) continue;
        std::printf("%-9s %-8s %s %s %s\n", rule.data(), columns ? "columns" : "rows", cell(ns / 1e3, 13, 1).c_str(),
                    cell(time(columns ? who::eigen_columns : who::eigen_rows) / ns, 15, 2).c_str(),
                    cell(time(who::whole_table) / ns, 21, 1).c_str());
      }
  }

  void print_any() const {
    std::printf(
        "\nOptimizers chosen at run time, in float. Chain: ClipNorm, Adam, WeightDecay, Average\n\n"
        "%-9s %6s %16s %22s %12s %10s\n",
        "", "n", "of its type, ns", "chosen at run time, ns", "more, ns", "ratio");
    for (const std::string_view choice : any_choices)
      for (const Eigen::Index n : any_sizes) {
        const double typed = cpu(choice, "float", n, who::typed), any = cpu(choice, "float", n, who::any);
        if (std::isnan(typed)) continue;
        std::printf("%-9s %6s %s %s %s %s\n", choice.data(), size_text(n).c_str(), cell(typed, 16, 1).c_str(),
                    cell(any, 22, 1).c_str(), cell(any - typed, 12, 1).c_str(), cell(any / typed, 10, 2).c_str());
      }
  }

  template <class Rules>
  void print_ratios(const std::vector<Eigen::Index>& sizes) const {
    std::printf("%-17s %-7s %6s %13s %9s %15s %15s %16s\n", "rule", "scalar", "n", "ns/element", "GB/s",
                "Eigen/descent", "descent/AVX2", "descent/stream");
    for_each_combination<Rules>([&](auto rule, std::size_t states, auto scalar, std::size_t bytes) {
      for (const Eigen::Index n : sizes) {
        const double ns = cpu(rule, scalar, n, who::descent);
        if (std::isnan(ns)) continue;
        const double per_element = ns / static_cast<double>(n);
        const double gb_per_s = static_cast<double>((3 + 2 * states) * bytes) / per_element;
        std::printf("%-17s %-7s %6s %s %s %s %s %s\n", rule.data(), scalar.data(), size_text(n).c_str(),
                    cell(per_element, 13, 3).c_str(), cell(gb_per_s, 9, 1).c_str(),
                    cell(cpu(rule, scalar, n, who::eigen) / ns, 15, 2).c_str(),
                    cell(ns / cpu(rule, scalar, n, who::avx2), 15, 2).c_str(),
                    cell(ns / medians_[stream_name(states, scalar, n)].cpu, 16, 2).c_str());
      }
    });
  }

  void print_native() const {
    std::printf(
        "\nAdam against three Eigen expressions: descent with -O2; Eigen with -O2, and with -O2 -march=native\n\n");
    std::printf("%-7s %6s %20s %18s %18s\n", "scalar", "n", "descent, ns/element", "Eigen/descent", "native/descent");
    for_each_scalar([&]<class Scalar>() {
      for (const Eigen::Index n : coverage_.sizes) {
        const auto time = [&](std::string_view by) { return cpu("Adam", scalar_name<Scalar>, n, by); };
        const double ns = time(who::descent);
        if (std::isnan(ns)) continue;
        std::printf("%-7s %6s %s %s %s\n", scalar_name<Scalar>.data(), size_text(n).c_str(),
                    cell(ns / static_cast<double>(n), 20, 3).c_str(), cell(time(who::eigen) / ns, 18, 2).c_str(),
                    cell(time(who::eigen_native) / ns, 18, 2).c_str());
      }
    });
  }

  void print_recipes() const {
    std::printf(
        "\nRecipes in float, in times of plain Adam: Adam with links before and after it. descent has one pass over "
        "memory,\nand one that reads the gradient for a norm; Eigen has an expression for each array; AVX2 has as many "
        "passes as descent\n\n%-28s %6s %9s %8s %8s %14s\n",
        "recipe", "n", "descent", "Eigen", "AVX2", "descent/AVX2");
    for_each_recipe([&]<class Recipe>(double, double) {
      for (const Eigen::Index n : recipe_sizes) {
        const double adam = cpu("Adam", "float", n, who::descent);
        const auto time = [&](std::string_view by) { return cpu(rule_name<Recipe>, "float", n, by); };
        if (std::isnan(time(who::descent))) continue;
        std::printf("%-28s %6s %s %s %s %s\n", rule_name<Recipe>.data(), size_text(n).c_str(),
                    cell(time(who::descent) / adam, 9, 2).c_str(), cell(time(who::eigen) / adam, 8, 2).c_str(),
                    cell(time(who::avx2) / adam, 8, 2).c_str(),
                    cell(time(who::descent) / time(who::avx2), 14, 2).c_str());
      }
    });
  }

  void print_small() const {
    std::printf("\nSmall steps, ns per step\n\n%-9s %-7s %3s %-8s %9s %9s %15s\n", "rule", "scalar", "n", "size",
                "descent", "Eigen", "Eigen/descent");
    const auto row = [&](std::string_view rule, Eigen::Index n) {
      for_each_scalar([&]<class Scalar>() {
        const auto line = [&](const char* size, std::string_view ours, std::string_view theirs) {
          const double ns = cpu(rule, scalar_name<Scalar>, n, ours);
          const double eigen = cpu(rule, scalar_name<Scalar>, n, theirs);
          if (std::isnan(ns)) return;
          std::printf("%-9s %-7s %3d %-8s %s %s %s\n", rule.data(), scalar_name<Scalar>.data(), static_cast<int>(n),
                      size, cell(ns, 9, 1).c_str(), cell(eigen, 9, 1).c_str(), cell(eigen / ns, 15, 2).c_str());
        };
        line("dynamic", who::descent, who::eigen);
        line("fixed", who::descent_fixed, who::eigen_fixed);
      });
    };
    row("SGD", 2);
    row("Adam", 2);
    row("Adam", 10);
  }

  void print_unusual_gradients() const {
    const Eigen::Index n = coverage_.unusual_size;
    std::printf("\nUnusual gradients, n = %s: how many times as long as a usual step\n\n%-17s %-7s %22s %24s %18s\n",
                size_text(n).c_str(), "rule", "scalar", "3,000 zero gradients", "gradients around 1e-25",
                "sparse gradients");
    const auto print_row = [&](auto rule, std::size_t, auto scalar, std::size_t) {
      const double ns = cpu(rule, scalar, n, who::descent);
      const double zero = cpu(rule, scalar, n, who::zero_gradients) / static_cast<double>(usual_steps + zero_steps);
      const double tiny = cpu(rule, scalar, n, who::tiny_gradients);
      if (std::isnan(ns) || std::isnan(zero)) return;
      const double sparse = cpu(rule, scalar, n, who::sparse_gradients) / cpu(rule, scalar, n, who::touched_gradients);
      std::printf("%-17s %-7s %s %s %s\n", rule.data(), scalar.data(), cell(zero / ns, 22, 2).c_str(),
                  cell(tiny / ns, 24, 2).c_str(), cell(sparse, 18, 2).c_str());
    };
    for_each_combination(print_row);
    for_each_combination<Newer>(print_row);
  }

  void print_checked_gradients() const {
    std::printf(
        "\nGradients that are checked: how many times as long as a step that lets NaN and infinity pass (propagate)\n\n"
        "%-9s %-7s %6s %10s %10s\n",
        "rule", "scalar", "n", "reject", "skip");
    for_each_combination([&](std::string_view rule, std::size_t, std::string_view scalar, std::size_t) {
      for (const Eigen::Index n : coverage_.sizes) {
        const double ns = cpu(rule, scalar, n, who::descent);
        const double reject = cpu(rule, scalar, n, who::reject);
        if (std::isnan(ns) || std::isnan(reject)) continue;
        std::printf("%-9s %-7s %6s %s %s\n", rule.data(), scalar.data(), size_text(n).c_str(),
                    cell(reject / ns, 10, 2).c_str(), cell(cpu(rule, scalar, n, who::skip) / ns, 10, 2).c_str());
      }
    });
  }

  void print_threads() const {
#if defined(_OPENMP)
    std::printf(
        "\nTwo threads: how many times as fast as one, by the clock on the wall (on a machine that does nothing "
        "else)\n\n%-9s %-7s",
        "rule", "scalar");
    for (const Eigen::Index n : coverage_.threaded_sizes) std::printf(" %9s", ("n = " + size_text(n)).c_str());
    std::printf("\n");
    Classical::for_each([&]<class Rule>() {
      for_each_scalar([&]<class Scalar>() {
        std::string row;
        for (const Eigen::Index n : coverage_.threaded_sizes) {
          const auto time = [&](std::string_view by) {
            return medians_[case_name(rule_name<Rule>, scalar_name<Scalar>, n, by)].real;
          };
          row += " " + cell(time(who::descent) / time(who::two_threads), 9, 2);
        }
        std::printf("%-9s %-7s%s\n", rule_name<Rule>.data(), scalar_name<Scalar>.data(), row.c_str());
      });
    });
#endif
  }

  const Medians& medians_;
  const Coverage& coverage_;
};

}  // namespace bench

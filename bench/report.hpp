// SPDX-License-Identifier: MIT
//
// The tables at the end of a run: medians over the repetitions, and ratios of medians. A ratio says
// how many times as long the other one takes (against Eigen, more is better) or how many times as
// long descent takes (against intrinsics and memory, 1 is the limit).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <Eigen/Core>

#include "cases.hpp"
#include "memory.hpp"

namespace bench {

/// Collects the median of each benchmark, in ns.
class Medians : public benchmark::BenchmarkReporter {
 public:
  struct Time {
    double cpu;   ///< of the thread that measures; what others do on the machine counts less
    double real;  ///< for comparisons of several threads
  };

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const bool median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
      if (run.run_type == Run::RT_Iteration || median)
        times_[run.run_name.function_name] = {run.GetAdjustedCPUTime(), run.GetAdjustedRealTime()};
    }
  }

  /// NaN for what was not measured.
  Time operator[](const std::string& name) const {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto found = times_.find(name);
    return found == times_.end() ? Time{nan, nan} : found->second;
  }
  bool empty() const { return times_.empty(); }

 private:
  std::map<std::string, Time> times_;
};

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

class Report {
 public:
  Report(const Medians& medians, const Coverage& coverage) : medians_(medians), coverage_(coverage) {}

  void print() const {
    print_machine();
    print_rules();
    print_native();
    print_small();
    print_unusual_gradients();
    print_checked_gradients();
    print_threads();
    print_goals();
  }

 private:
  // ---- The numbers ---------------------------------------------------------------------------------

  double cpu(std::string_view rule, std::string_view scalar, Eigen::Index n, std::string_view by) const {
    return medians_[case_name(rule, scalar, n, by)].cpu;
  }

  /// visit(rule, states, scalar, bytes of a scalar) for all combinations.
  template <class Visit>
  static void for_each_combination(Visit&& visit) {
    for_each_rule([&]<class Rule>() {
      for_each_scalar(
          [&]<class Scalar>() { visit(rule_name<Rule>, state_count<Rule>, scalar_name<Scalar>, sizeof(Scalar)); });
    });
  }

  static std::string size_text(Eigen::Index n) {
    const double exponent = std::log10(static_cast<double>(n));
    if (n >= 1000 && exponent == std::floor(exponent)) return "1e" + std::to_string(static_cast<int>(exponent));
    return std::to_string(n);
  }

  /// A number in a column, or a dash where nothing was measured.
  static std::string cell(double value, int width, int digits) {
    char text[32];
    if (std::isnan(value))
      std::snprintf(text, sizeof text, "%*s", width, "-");
    else
      std::snprintf(text, sizeof text, "%*.*f", width, digits, value);
    return text;
  }

  // ---- The tables ----------------------------------------------------------------------------------

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
    std::printf("%-9s %-7s %6s %13s %9s %15s %15s %16s\n", "rule", "scalar", "n", "ns/element", "GB/s", "Eigen/descent",
                "descent/AVX2", "descent/stream");
    for_each_combination([&](auto rule, std::size_t states, auto scalar, std::size_t bytes) {
      for (const Eigen::Index n : coverage_.sizes) {
        const double ns = cpu(rule, scalar, n, who::descent);
        if (std::isnan(ns)) continue;
        const double per_element = ns / static_cast<double>(n);
        const double gb_per_s = static_cast<double>((3 + 2 * states) * bytes) / per_element;
        std::printf("%-9s %-7s %6s %s %s %s %s %s\n", rule.data(), scalar.data(), size_text(n).c_str(),
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
    std::printf("\nUnusual gradients, n = %s: how many times as long as a usual step\n\n%-9s %-7s %22s %24s\n",
                size_text(n).c_str(), "rule", "scalar", "3,000 zero gradients", "gradients around 1e-25");
    for_each_combination([&](auto rule, std::size_t, auto scalar, std::size_t) {
      const double ns = cpu(rule, scalar, n, who::descent);
      const double zero = cpu(rule, scalar, n, who::zero_gradients) / static_cast<double>(usual_steps + zero_steps);
      const double tiny = cpu(rule, scalar, n, who::tiny_gradients);
      if (std::isnan(ns) || std::isnan(zero)) return;
      std::printf("%-9s %-7s %s %s\n", rule.data(), scalar.data(), cell(zero / ns, 22, 2).c_str(),
                  cell(tiny / ns, 24, 2).c_str());
    });
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
    for_each_rule([&]<class Rule>() {
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

  /// A goal, and the case that is furthest from it: value(rule, scalar, n) of all that are measured.
  enum class Goal { at_most, at_least };

  template <class Value>
  void print_goal(const char* what, Goal goal, double bound, std::initializer_list<Eigen::Index> sizes,
                  Value&& value) const {
    Worst worst;
    for_each_combination([&](std::string_view rule, std::size_t, std::string_view scalar, std::size_t) {
      for (const Eigen::Index n : sizes) {
        const double here = value(rule, scalar, n);
        worst.keep(goal == Goal::at_most ? here > worst.value : here < worst.value, here,
                   std::string(rule) + " " + std::string(scalar) + ", n = " + size_text(n));
      }
    });
    std::printf("%-66s %s %s %s  %s\n", what, goal == Goal::at_most ? "<=" : ">=", cell(bound, 5, 2).c_str(),
                cell(worst.value, 8, 2).c_str(), worst.where.c_str());
  }

  void print_goals() const {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto has_root = [](std::string_view rule) {
      return rule != rule_name<rules::SGD> && rule != rule_name<rules::Momentum> && rule != rule_name<rules::Nesterov>;
    };
    const auto is = [](std::string_view rule, std::string_view wanted) { return rule == wanted; };
    const auto states = [](std::string_view wanted) {
      std::size_t count = 0;
      for_each_combination([&](std::string_view rule, std::size_t its, auto, auto) {
        if (rule == wanted) count = its;
      });
      return count;
    };
    const auto against_avx2 = [&](auto rule, auto scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, who::descent) / cpu(rule, scalar, n, who::avx2);
    };
    const auto against_stream = [&](auto rule, auto scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, who::descent) / medians_[stream_name(states(rule), scalar, n)].cpu;
    };
    const auto native = [&](auto rule, auto scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, who::eigen_native) / cpu(rule, scalar, n, who::descent);
    };
    const auto eigen = [&](auto rule, auto scalar, Eigen::Index n) {
      return cpu(rule, scalar, n, who::eigen) / cpu(rule, scalar, n, who::descent);
    };
    const auto nanoseconds = [&](std::string_view wanted) {
      return [&, wanted](auto rule, auto scalar, Eigen::Index n) {
        if (!is(rule, wanted)) return nan;
        return std::fmax(cpu(rule, scalar, n, who::descent), cpu(rule, scalar, n, who::descent_fixed));
      };
    };
    const auto threads = [&](auto rule, auto scalar, Eigen::Index n) {
      return medians_[case_name(rule, scalar, n, who::descent)].real /
             medians_[case_name(rule, scalar, n, who::two_threads)].real;
    };
    const auto unusual = [&](std::string_view by, int steps) {
      return [&, by, steps](auto rule, auto scalar, Eigen::Index n) {
        return cpu(rule, scalar, n, by) / steps / cpu(rule, scalar, n, who::descent);
      };
    };
    const Eigen::Index unusual_size = coverage_.unusual_size;
    using enum Goal;

    std::printf("\nThe goals, and the case that is furthest from each\n\n%-66s %8s %8s  %s\n", "", "goal", "measured",
                "where");
    print_goal("descent/AVX2, 1e4 and 1e5", at_most, 1.10, {10'000, 100'000}, against_avx2);
    print_goal("descent/AVX2, 1e3, the four with a root", at_most, 1.10, {1'000},
               [&](auto rule, auto scalar, auto n) { return has_root(rule) ? against_avx2(rule, scalar, n) : nan; });
    print_goal("descent/AVX2, 1e3, SGD, Momentum, Nesterov", at_most, 1.25, {1'000},
               [&](auto rule, auto scalar, auto n) { return has_root(rule) ? nan : against_avx2(rule, scalar, n); });
    print_goal("descent/stream, 1e7", at_most, 1.05, {10'000'000}, against_stream);
    print_goal("Eigen -march=native/descent, Adam, 1e4", at_least, 1.4, {10'000}, native);
    print_goal("Eigen -march=native/descent, Adam, 1e7", at_least, 1.6, {10'000'000}, native);
    print_goal("Adam, n = 2, dynamic and fixed, ns a step", at_most, 20, {2}, nanoseconds("Adam"));
    print_goal("Adam, n = 10, dynamic and fixed, ns a step", at_most, 25, {10}, nanoseconds("Adam"));
    print_goal("SGD, n = 2, dynamic and fixed, ns a step", at_most, 7, {2}, nanoseconds("SGD"));
    print_goal("Eigen/descent, any n", at_least, 1, {2, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000}, eigen);
    print_goal("Eigen/descent, 100 and above", at_least, 1, {100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000},
               eigen);
    print_goal("Eigen/descent, Adam, 1e7", at_least, 1.4, {10'000'000}, [&](auto rule, auto scalar, auto n) {
      return is(rule, rule_name<rules::Adam>) ? eigen(rule, scalar, n) : nan;
    });
#if defined(_OPENMP)
    print_goal("one thread/two threads, 1e5 and 1e6 (on an idle machine)", at_least, 1.6, {100'000, 1'000'000},
               threads);
    print_goal("one thread/two threads, 1e4", at_least, 1, {10'000}, threads);
#endif
    print_goal("3,000 zero gradients after usual ones/usual step", at_most, 1.15, {unusual_size},
               unusual(who::zero_gradients, usual_steps + zero_steps));
    print_goal("gradients around 1e-25/usual step", at_most, 1.5, {unusual_size}, unusual(who::tiny_gradients, 1));
    // Two arrays, each padded to whole cache lines, and one shape.
    print_goal("heap in the first step, bytes beyond slots x n scalars", at_most, 2 * 64 + 24, {n_of_heap_use},
               [](auto rule, auto scalar, auto) { return heap_use(rule, scalar).beyond_state; });
    print_goal("allocations in the next hundred steps", at_most, 0, {n_of_heap_use},
               [](auto rule, auto scalar, auto) { return heap_use(rule, scalar).later_allocations; });
  }

  const Medians& medians_;
  const Coverage& coverage_;
};

}  // namespace bench

// SPDX-License-Identifier: MIT
//
// The numbers of a run, and how they are printed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include <Eigen/Core>

#include "cases.hpp"

namespace bench {

/// Collects the median of each benchmark, in ns.
class Medians : public benchmark::BenchmarkReporter {
 public:
  struct Time {
    double cpu;   ///< of the measuring thread; less disturbed by other work on the machine
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

  /// NaN if it was not measured.
  Time operator[](const std::string& name) const {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto found = times_.find(name);
    return found == times_.end() ? Time{nan, nan} : found->second;
  }
  double cpu(std::string_view rule, std::string_view scalar, Eigen::Index n, std::string_view by) const {
    return (*this)[case_name(rule, scalar, n, by)].cpu;
  }
  bool empty() const { return times_.empty(); }

 private:
  std::map<std::string, Time> times_;
};

/// Calls visit(rule, states, scalar, bytes of a scalar) for all combinations.
template <class Rules = Classical, class Visit>
void for_each_combination(Visit&& visit) {
  Rules::for_each([&]<class Rule>() {
    for_each_scalar(
        [&]<class Scalar>() { visit(rule_name<Rule>, state_count<Rule>, scalar_name<Scalar>, sizeof(Scalar)); });
  });
}

inline std::string size_text(Eigen::Index n) {
  const double exponent = std::log10(static_cast<double>(n));
  if (n >= 1000 && exponent == std::floor(exponent)) return "1e" + std::to_string(static_cast<int>(exponent));
  return std::to_string(n);
}

/// A number in a column, or a dash if nothing was measured.
inline std::string cell(double value, int width, int digits) {
  char text[32];
  if (std::isnan(value))
    std::snprintf(text, sizeof text, "%*s", width, "-");
  else
    std::snprintf(text, sizeof text, "%*.*f", width, digits, value);
  return text;
}

}  // namespace bench

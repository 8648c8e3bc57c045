// SPDX-License-Identifier: MIT
//
// A line on the terminal that says how far the run is; in a log, a line from time to time.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

namespace bench {

class Progress {
  using Clock = std::chrono::steady_clock;

 public:
  void add_benchmark() { ++benchmarks_; }

  /// Every benchmark will run this often: only with this number is it known how much is to come.
  void expect(int repetitions) { expected_ = benchmarks_ * repetitions; }

  /// A benchmark ran that many iterations. Google Benchmark runs more and more of them until they fill the requested
  /// time, and then repeats with that number.
  void count(const std::string& name, std::int64_t iterations) {
    std::int64_t& before = iterations_[name];
    if (before == 0 || iterations == before) ++done_;
    before = iterations;
    const auto now = Clock::now();
    if (now < next_) return;
    next_ = now + (on_terminal_ ? std::chrono::seconds(1) : std::chrono::seconds(20));
    const auto seconds = static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(now - start_).count());
    const std::string percent = expected_ > 0 ? std::to_string(100 * done_ / expected_) + " %  " : std::string();
    std::fprintf(stderr, "%s%s%d:%02d  %-50s%s", on_terminal_ ? "\r" : "", percent.c_str(), seconds / 60, seconds % 60,
                 name.c_str(), on_terminal_ ? "" : "\n");
  }

  void end() const {
    if (on_terminal_) std::fprintf(stderr, "\r%80s\r", "");
  }

 private:
  const bool on_terminal_ = isatty(STDERR_FILENO) != 0;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
  std::map<std::string, std::int64_t> iterations_;
  std::int64_t benchmarks_ = 0;
  std::int64_t expected_ = 0;
  std::int64_t done_ = 0;
};

inline Progress& progress() {
  static Progress the_progress;
  return the_progress;
}

}  // namespace bench

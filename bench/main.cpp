// SPDX-License-Identifier: MIT
//
// descent_bench: measures every rule against hand-written Eigen expressions, hand-written intrinsics and memory itself,
// interleaved in one process, and prints tables.
//
//     descent_bench            all of it, about eight minutes
//     descent_bench --quick    every rule at a few sizes, about a minute
//
// The flags of Google Benchmark work too (--benchmark_filter=Adam/float, --benchmark_out=file.json, ...); with
// --benchmark_format, the library's own output replaces the tables.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "cases.hpp"
#include "progress.hpp"
#include "report.hpp"

namespace {

class Arguments {
 public:
  Arguments(int argc, char** argv) : arguments_(argv, argv + argc) {}

  bool given(std::string_view flag) const { return find(flag) != arguments_.end(); }

  bool take(std::string_view flag) {
    const auto at = find(flag);
    if (at == arguments_.end()) return false;
    arguments_.erase(at);
    return true;
  }

  /// The flag's value if it is given; else the default, which is then passed on.
  std::string value_or(std::string_view flag, const std::string& usual) {
    const auto at = find(flag);
    if (at != arguments_.end()) return at->substr(std::min(at->size(), flag.size() + 1));
    arguments_.push_back(std::string(flag) + "=" + usual);
    return usual;
  }

  /// Google Benchmark takes its own flags and reports unknown ones.
  bool initialize_benchmark() {
    std::vector<char*> pointers;
    for (std::string& argument : arguments_) pointers.push_back(argument.data());
    int count = static_cast<int>(pointers.size());
    pointers.push_back(nullptr);
    benchmark::Initialize(&count, pointers.data());
    return !benchmark::ReportUnrecognizedArguments(count, pointers.data());
  }

 private:
  std::vector<std::string>::const_iterator find(std::string_view flag) const {
    return std::find_if(arguments_.begin() + 1, arguments_.end(), [&](std::string_view argument) {
      return argument == flag || (argument.starts_with(flag) && argument[flag.size()] == '=');
    });
  }

  std::vector<std::string> arguments_;
};

}  // namespace

int main(int argc, char** argv) try {
  Arguments arguments(argc, argv);
  const bool quick = arguments.take("--quick");
  const bench::Coverage coverage = quick ? bench::Coverage::quick() : bench::Coverage();
  const bool everything = !arguments.given("--benchmark_filter");
  const bool tables = !arguments.given("--benchmark_format") && !arguments.given("--benchmark_list_tests");
  arguments.value_or("--benchmark_enable_random_interleaving", "true");
  arguments.value_or("--benchmark_min_time", quick ? "0.005" : "0.03");
  const std::string repetitions = arguments.value_or("--benchmark_repetitions", quick ? "5" : "11");
  if (!arguments.initialize_benchmark()) return 1;

  bench::for_each_scalar([]<class Scalar>() {
    bench::check_steppers<Scalar>();
    bench::check_newer_steppers<Scalar>();
  });
  bench::check_matrix_steppers();
  bench::check_sparse_steppers();
  bench::check_any_steppers();
  bench::for_each_scalar([&]<class Scalar>() {
    bench::add_benchmarks<Scalar>(coverage);
    bench::add_newer_benchmarks<Scalar>(coverage);
  });
  bench::add_matrix_benchmarks(coverage);
  bench::add_sparse_benchmarks();
  bench::add_any_benchmarks();
  if (!tables) {
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  if (everything) bench::progress().expect(std::stoi(repetitions));
  bench::Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  bench::progress().end();
  if (medians.empty()) return 1;
  bench::Report(medians, coverage).print();
} catch (const std::exception& error) {
  std::fprintf(stderr, "descent_bench: %s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: MIT
//
// The values that the options of digits, race, recipe and recommender take, for CLI11 to check. Its messages begin with
// the name of the option: --steps: "1x" is not a whole number from 1 to 100000.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "output.hpp"

namespace examples {

/// Decimal digits and nothing else: CLI11 reads 010 as 8.
inline CLI::Validator whole_number(std::uint32_t lowest, std::uint32_t highest) {
  const std::string range = std::to_string(lowest) + " to " + std::to_string(highest);
  const auto check = [=](const std::string& text) -> std::string {
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    if (text == std::to_string(value) && lowest <= value && value <= highest) return "";
    return '"' + text + "\" is not a whole number from " + range;
  };
  return {check, "from " + range};
}

inline CLI::Validator learning_rate() {
  const auto check = [](const std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0' && std::isfinite(value) && value >= 0) return "";
    return '"' + text + "\" is not a finite number >= 0, such as 0.05";
  };
  return {check, "RATE"};
}

inline CLI::Validator not_empty() {
  return {[](const std::string& path) { return std::string(path.empty() ? "\"\" is not a path, such as ." : ""); }, ""};
}

/// Parses the arguments and calls run(), which returns whether all went well; returns the exit status of the program.
template <class Run>
int parse_and_run(const char* program, CLI::App& app, int argc, char** argv, const Run& run) {
  bool well = true;
  try {
    app.parse(argc, argv);
    well = run();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      std::fprintf(stderr, "%s: %s\n", program, error.what());
      return 2;
    }
    app.exit(error);  // --help
  }
  finish_standard_output();
  return well ? 0 : 1;
}

}  // namespace examples

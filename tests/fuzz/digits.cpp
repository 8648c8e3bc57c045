// SPDX-License-Identifier: MIT
//
// Fuzz target: any bytes as the data file of the digits example are either refused by std::runtime_error or read as
// valid digits.
#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>

#include "../../examples/digits_data.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::istringstream in(bytes);
  try {
    const examples::Digits digits = examples::read_digits(in, "digits.csv");
    const auto line_ends = std::count(bytes.begin(), bytes.end(), '\n');
    require(digits.count() == line_ends + (bytes.ends_with('\n') ? 0 : 1), "a digit for each line");
    require(digits.images.rows() == examples::pixels && digits.labels.size() == digits.count(), "shapes");
    require(digits.images.minCoeff() >= 0 && digits.images.maxCoeff() <= 1, "pixels in [0, 1]");
    require(digits.labels.minCoeff() >= 0 && digits.labels.maxCoeff() < examples::classes, "classes from 0 to 9");
  } catch (const std::runtime_error& error) {
    require(std::string(error.what()).starts_with("digits.csv:"), "a complaint names the file");
  }
  return 0;
}

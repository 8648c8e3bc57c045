// SPDX-License-Identifier: MIT
//
// Reads digits.csv: a handwritten digit per line, 64 pixels from 0 to 16 and then its class from 0 to 9. Errors give
// the name of the file and the number of the line.
#pragma once

#include <charconv>
#include <cstddef>
#include <istream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <Eigen/Core>

namespace examples {

inline constexpr int pixels = 64;
inline constexpr int classes = 10;
inline constexpr int brightest = 16;

struct Digits {
  Eigen::MatrixXf images;  ///< a column of 64 pixels, scaled to [0, 1], for each digit
  Eigen::VectorXi labels;  ///< the class of each

  Eigen::Index count() const { return images.cols(); }

  /// The given digits, in that order. (Eigen names "all rows" differently in 5 and in 3.4.)
  Digits at(std::span<const Eigen::Index> which) const {
    return {images(Eigen::seqN(0, images.rows()), which), labels(which)};
  }
};

namespace detail {

inline std::vector<std::string_view> split_at_commas(std::string_view line) {
  std::vector<std::string_view> values;
  if (line.empty()) return values;
  std::size_t begin = 0;
  for (std::size_t comma; (comma = line.find(',', begin)) != line.npos; begin = comma + 1)
    values.push_back(line.substr(begin, comma - begin));
  values.push_back(line.substr(begin));
  return values;
}

inline std::optional<int> whole_number(std::string_view text, int largest) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped_at != end || value < 0 || value > largest) return std::nullopt;
  return value;
}

}  // namespace detail

/// Reads digits until the end of the stream; error messages call it `name`. Lines may end in CR LF. Throws
/// std::runtime_error, such as "digits.csv:17: 63 values, expected 65".
inline Digits read_digits(std::istream& in, const std::string& name) {
  std::vector<float> values;
  std::vector<int> labels;
  for (std::string line; std::getline(in, line);) {
    const auto fail = [&](const std::string& problem) {
      throw std::runtime_error(name + ":" + std::to_string(labels.size() + 1) + ": " + problem);
    };
    if (line.ends_with('\r')) line.pop_back();
    const auto fields = detail::split_at_commas(line);
    if (fields.size() != pixels + 1)
      fail(std::to_string(fields.size()) + " values, expected " + std::to_string(pixels + 1));

    for (std::size_t i = 0; i < pixels; ++i) {
      const auto pixel = detail::whole_number(fields[i], brightest);
      if (!pixel)
        fail("value " + std::to_string(i + 1) + " is not a pixel, a whole number from 0 to " +
             std::to_string(brightest));
      values.push_back(static_cast<float>(*pixel) / brightest);
    }
    const auto label = detail::whole_number(fields.back(), classes - 1);
    if (!label) fail("the last value is not a class, a whole number from 0 to " + std::to_string(classes - 1));
    labels.push_back(*label);
  }
  if (in.bad()) throw std::runtime_error(name + ": cannot be read");
  if (labels.empty()) throw std::runtime_error(name + ": the file is empty");

  const auto count = static_cast<Eigen::Index>(labels.size());
  return {Eigen::Map<const Eigen::MatrixXf>(values.data(), pixels, count),
          Eigen::Map<const Eigen::VectorXi>(labels.data(), count)};
}

}  // namespace examples

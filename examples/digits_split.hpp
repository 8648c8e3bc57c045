// SPDX-License-Identifier: MIT
//
// The digits of a file, some to train on and some to test on.
#pragma once

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <descent/training/minibatches.hpp>

#include "digits_data.hpp"

namespace examples {

/// Throws std::runtime_error if the file cannot be read, or has fewer than two digits.
inline Digits load_digits(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file + ": " + std::strerror(errno));
  Digits digits = read_digits(in, file);
  if (digits.count() < 2) throw std::runtime_error(file + ": one digit, expected at least two");
  return digits;
}

struct Split {
  Digits training, test;
};

/// Four fifths to train on and one fifth to test on: the two batches of one shuffled epoch.
inline Split split(const Digits& all) {
  descent::Minibatches shuffled(all.count(), all.count() * 4 / 5, 1);
  const auto batches = shuffled.epoch();
  return {all.at(*batches.begin()), all.at(*std::next(batches.begin()))};
}

}  // namespace examples

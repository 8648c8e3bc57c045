// SPDX-License-Identifier: MIT
//
// What a step works on: one set of parameters and one gradient for each scalar and size, shared by everything measured
// there. They are allocated and touched once, because the first touch of fresh memory costs more than the step.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include <Eigen/Core>

namespace bench {

inline constexpr std::size_t cache_line = 64;

/// An array of Eigen's own. malloc puts large ones 16 bytes after the start of a cache line, and Eigen leaves them
/// there when compiled with default flags. Small ones are put at the same place here, because the place matters and
/// should not depend on chance.
template <class Scalar>
Eigen::ArrayX<Scalar> usual_array(Eigen::Index n) {
  constexpr std::size_t usual_place = EIGEN_MAX_ALIGN_BYTES % cache_line;
  std::vector<Eigen::ArrayX<Scalar>> elsewhere;
  for (Eigen::Index attempt = 1;; ++attempt) {
    Eigen::ArrayX<Scalar> array(n);
    if (attempt == 100 || reinterpret_cast<std::uintptr_t>(array.data()) % cache_line == usual_place) return array;
    elsewhere.push_back(std::move(array));
    elsewhere.emplace_back(4 * attempt);
  }
}

template <class Scalar>
struct Problem {
  Eigen::ArrayX<Scalar> x, gradient;

  /// Random parameters and a random gradient, of widely varying sizes, none zero; the same in every run.
  explicit Problem(Eigen::Index n) : x(usual_array<Scalar>(n)), gradient(usual_array<Scalar>(n)) {
    std::mt19937_64 random(20);
    std::uniform_real_distribution<double> unit(0, 1);
    const auto signed_magnitude = [&](double smallest, double largest) {
      const double magnitude = smallest * std::exp2(std::log2(largest / smallest) * unit(random));
      return static_cast<Scalar>(unit(random) < 0.5 ? -magnitude : magnitude);
    };
    for (Scalar& parameter : x) parameter = signed_magnitude(0.5, 2);
    for (Scalar& component : gradient) component = signed_magnitude(0.01, 10);
  }
};

/// State for hand-written loops, laid out as in an optimizer: each array at a cache line, one after the other.
template <class Scalar, std::size_t States>
class AlignedState {
 public:
  explicit AlignedState(Eigen::Index n, const std::array<double, States>& initial = {})
      : stride_((static_cast<std::size_t>(n) + line - 1) / line * line),
        scalars_(static_cast<Scalar*>(::operator new(States* stride_ * sizeof(Scalar), std::align_val_t{cache_line}))) {
    for (std::size_t k = 0; k < States; ++k)
      std::fill_n(scalars_.get() + k * stride_, stride_, static_cast<Scalar>(initial[k]));
  }

  std::array<Scalar*, States> arrays() const {
    std::array<Scalar*, States> arrays;
    for (std::size_t k = 0; k < States; ++k) arrays[k] = scalars_.get() + k * stride_;
    return arrays;
  }

 private:
  static constexpr std::size_t line = cache_line / sizeof(Scalar);
  struct Free {
    void operator()(Scalar* memory) const { ::operator delete(memory, std::align_val_t{cache_line}); }
  };
  std::size_t stride_;
  std::unique_ptr<Scalar, Free> scalars_;
};

/// The one object of that type for n parameters.
template <class Shared>
Shared& shared(Eigen::Index n) {
  static std::map<Eigen::Index, std::unique_ptr<Shared>> objects;
  auto& object = objects[n];
  if (!object) object = std::make_unique<Shared>(n);
  return *object;
}

}  // namespace bench

// SPDX-License-Identifier: MIT
//
// Adam in three Eigen expressions, compiled with -march=native: the interface of a separate library, so that the linker
// cannot mix up two versions of Eigen's templates. No Eigen type crosses it, because their alignment changes with the
// flags.
#pragma once

#include <cstddef>
#include <memory>

#include <descent/rules/adam.hpp>

namespace bench::native {

template <class Scalar>
class Stepper {
 public:
  virtual ~Stepper() = default;
  virtual void step() = 0;
  virtual Scalar* parameters() = 0;
  virtual Scalar* gradient() = 0;
};

[[gnu::visibility("default")]] std::unique_ptr<Stepper<float>> adam_float(const descent::rules::Adam& rule,
                                                                          std::ptrdiff_t n);
[[gnu::visibility("default")]] std::unique_ptr<Stepper<double>> adam_double(const descent::rules::Adam& rule,
                                                                            std::ptrdiff_t n);

}  // namespace bench::native

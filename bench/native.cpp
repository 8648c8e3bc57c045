// SPDX-License-Identifier: MIT
//
// The hand-written Adam of rules.hpp again, compiled with -march=native.
#include "native.hpp"

#include "steppers.hpp"

namespace bench::native {

namespace {

template <class Scalar>
class AdamByEigen : public Stepper<Scalar> {
 public:
  AdamByEigen(const descent::rules::Adam& rule, std::ptrdiff_t n) : stepper_(rule, n) {}
  void step() override { stepper_.step(); }
  Scalar* parameters() override { return stepper_.parameters(); }
  Scalar* gradient() override { return stepper_.gradient(); }

 private:
  ByEigen<descent::rules::Adam, Scalar> stepper_;
};

}  // namespace

std::unique_ptr<Stepper<float>> adam_float(const descent::rules::Adam& rule, std::ptrdiff_t n) {
  return std::make_unique<AdamByEigen<float>>(rule, n);
}

std::unique_ptr<Stepper<double>> adam_double(const descent::rules::Adam& rule, std::ptrdiff_t n) {
  return std::make_unique<AdamByEigen<double>>(rule, n);
}

}  // namespace bench::native

// SPDX-License-Identifier: MIT
//
// A link of your own, which makes Signum of momentum (custom_link.hpp), at work: it fits a parabola to samples of one.
// The program ends with exit status 1 unless it finds the coefficients.

#include <cstdio>
#include <exception>

#include <descent/descent.hpp>

#include "custom_link.hpp"
#include "parabola.hpp"

int main() try {
  const descent::rules::Momentum momentum{
      .learning_rate = 0.05, .momentum = 0.9, .form = descent::MomentumForm::averaged};
  auto signum = descent::make_optimizer<float>(
      descent::Chain{descent::transforms::ClipNorm{10}, momentum, examples::SignOfStep{}});
  return examples::fit_parabola("Signum", signum);
} catch (const std::exception& error) {
  std::fprintf(stderr, "custom_link: %s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: MIT
//
// Rules of a user: the least that a rule must have, all that it may have, and the traps of a kernel
// that calls helpers of its own.
#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "../examples/custom_rule.hpp"
#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

/// The least: no state, nothing to check, a lambda that uses t.
struct Harmonic {
  double learning_rate = 0.5;
  static constexpr std::array<std::string_view, 0> state_names{};
  void validate() const {
    if (learning_rate < 0) throw std::invalid_argument("Harmonic: learning_rate");
  }
  template <class Scalar>
  auto kernel(std::int64_t t) const {
    return [rate = static_cast<Scalar>(learning_rate / static_cast<double>(t))](const auto&, const auto& g) {
      return rate * g;
    };
  }
};

/// All: three arrays of state that start elsewhere, running products, and a choice of kernels.
struct Everything {
  double decay = 0.5;
  bool doubled = false;
  static constexpr std::array<std::string_view, 3> state_names{"a", "b", "c"};
  void validate() const {}
  std::array<double, 3> initial_state() const { return {1, 2, 3}; }
  std::array<double, 1> running_factors() const { return {decay}; }

  template <class Scalar, int factor>
  struct Kernel {
    Scalar product;
    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, Pack& a, Pack& b, Pack& c) const {
      a = a + Scalar(factor) * g;
      b = product + Pack(0);
      c = -c;
      return a;
    }
  };
  template <class Scalar>
  std::variant<Kernel<Scalar, 1>, Kernel<Scalar, 2>> kernel(std::int64_t, const std::array<double, 1>& products) const {
    const auto product = static_cast<Scalar>(products[0]);
    if (doubled) return Kernel<Scalar, 2>{product};
    return Kernel<Scalar, 1>{product};
  }
};

/// A formula in one piece, and the same spread over helpers that the compiler is told not to inline.
template <class Pack>
[[gnu::noinline]] Pack clipped(const Pack& g, const Pack& limit) {
  return min(max(g, -limit), limit);
}
template <class Pack>
[[gnu::noinline]] void gather(Pack& state, Pack g) {
  state = state * Pack(typename Pack::value_type(0.75)) + abs(g);
}

enum class Written { in_one_piece, with_helpers, plainly };

template <Written written>
struct Clipped {
  double learning_rate = 0.125;
  static constexpr std::array<std::string_view, 1> state_names{"size"};
  void validate() const {}

  template <class Scalar>
  struct OnePiece {
    Scalar rate;
    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, Pack& size) const {
      const Pack limited = min(max(g, -Pack(1)), Pack(1));
      size = size * Pack(Scalar(0.75)) + abs(limited);
      return rate * limited / (Scalar(1) + size) + select(x > Scalar(0), Pack(rate), Pack(0));
    }
  };
  template <class Scalar>
  struct WithHelpers {
    Scalar rate;
    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, Pack& size) const {
      const Pack limited = clipped(g, Pack(1));
      gather(size, limited);
      return rate * limited / (Scalar(1) + size) + select(x > Scalar(0), Pack(rate), Pack(0));
    }
  };
  /// Without always_inline: the kernel itself may be called.
  template <class Scalar>
  struct Plain {
    Scalar rate;
    template <class Pack>
    Pack operator()(const Pack& x, const Pack& g, Pack& size) const {
      const Pack limited = clipped(g, Pack(1));
      gather(size, limited);
      return rate * limited / (Scalar(1) + size) + select(x > Scalar(0), Pack(rate), Pack(0));
    }
  };

  template <class Scalar>
  auto kernel(std::int64_t) const {
    const auto rate = static_cast<Scalar>(learning_rate);
    if constexpr (written == Written::in_one_piece) return OnePiece<Scalar>{rate};
    if constexpr (written == Written::with_helpers) return WithHelpers<Scalar>{rate};
    if constexpr (written == Written::plainly) return Plain<Scalar>{rate};
  }
};

}  // namespace

TEMPLATE_TEST_CASE("the least that a rule must have", "[rules]", float, double, long double) {
  Optimizer<Harmonic, TestType> optimizer;
  Vector<TestType> x = Vector<TestType>::Constant(19, TestType(3));
  for (int t = 0; t < 2; ++t) optimizer.step(x, Vector<TestType>::Ones(19));
  CHECK(x[18] == TestType(3) - TestType(0.5) - TestType(0.25));
  optimizer.learning_rate = -1;
  CHECK_THROWS_AS(optimizer.step(x, x), std::invalid_argument);
}

TEMPLATE_TEST_CASE("all that a rule may have", "[rules]", float, double, long double) {
  Optimizer<Everything, TestType> optimizer;
  Vector<TestType> x = Vector<TestType>::Zero(19), g = Vector<TestType>::Ones(19);
  optimizer.step(x, g);
  CHECK(optimizer.state("a")[18] == 2);
  CHECK(optimizer.state("b")[18] == TestType(0.5));
  CHECK(optimizer.state("c")[18] == -3);
  CHECK(x[18] == -2);
  optimizer.doubled = true;
  optimizer.decay = 0.25;
  optimizer.step(x, g);
  CHECK(optimizer.state("a")[18] == 4);
  CHECK(optimizer.state("b")[18] == TestType(0.125));
  CHECK(optimizer.state("c")[18] == 3);
  optimizer.reset();
  optimizer.step(x, g);
  CHECK(optimizer.state("b")[18] == TestType(0.25));
}

TEMPLATE_TEST_CASE("helpers of a kernel, inlined or not, change no bit", "[rules]", float, double, long double) {
  for (Eigen::Index size = 1; size < 70; ++size) {
    Optimizer<Clipped<Written::in_one_piece>, TestType> one_piece;
    Optimizer<Clipped<Written::with_helpers>, TestType> with_helpers;
    Optimizer<Clipped<Written::plainly>, TestType> plainly;
    Vector<TestType> x = start<TestType>(size), y = x, z = x;
    for (std::int64_t t = 1; t <= 20; ++t) {
      const Vector<TestType> g = mixed_gradient<TestType>(size, t);
      one_piece.step(x, g);
      with_helpers.step(y, g);
      plainly.step(z, g);
      for (Eigen::Index i = 0; i < size; ++i) REQUIRE(std::isfinite(x[i]));
      REQUIRE(same_bits(x, y));
      REQUIRE(same_bits(x, z));
      REQUIRE(same_bits(one_piece.state(0), with_helpers.state(0)));
      REQUIRE(same_bits(one_piece.state(0), plainly.state(0)));
    }
  }
}

TEMPLATE_TEST_CASE("Lion, the example of a rule", "[rules]", float, double) {
  // Every number has few bits, so that the formula is exact.
  Optimizer<examples::Lion, TestType> lion({.learning_rate = 0.25, .beta1 = 0.5, .beta2 = 0.75, .weight_decay = 0.5});
  Vector<TestType> x = Vector<TestType>::Constant(11, TestType(2)), g = x;
  g << 1, -1, 0, 2, -2, 4, -4, 8, -8, 16, -16;
  lion.step(x, g);
  for (Eigen::Index i = 0; i < 11; ++i) {
    const TestType sign = g[i] > 0 ? TestType(1) : g[i] < 0 ? TestType(-1) : TestType(0);
    CHECK(x[i] == TestType(2) - TestType(0.25) * (sign + 1));
    CHECK(lion.state("momentum")[i] == g[i] / 4);
  }
  CHECK_THROWS_AS((Optimizer<examples::Lion, TestType>({.beta1 = 1})), std::invalid_argument);
}

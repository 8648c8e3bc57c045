// SPDX-License-Identifier: MIT
//
// Rules of a user: the minimum that a rule must have, everything that it may have, and the pitfalls of a kernel that
// calls its own helpers.
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

/// The minimum: no state, nothing to check, a lambda that uses t.
struct Harmonic {
  double learning_rate = 0.5;
  static constexpr std::string_view name = "Harmonic";
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Harmonic::learning_rate, interval::nonnegative});
  }
  auto kernel(const auto& step) const {
    return [rate = step.real(learning_rate / static_cast<double>(step.t))](const auto&, const auto& g) {
      return rate * g;
    };
  }
};

/// Everything: three state arrays with initial values, running products, a choice of kernels, and a check of its own.
struct Everything {
  double decay = 0.5;
  bool doubled = false;
  static constexpr std::string_view name = "Everything";
  static constexpr std::array<std::string_view, 3> state_names{"a", "b", "c"};
  static constexpr std::array<int, 3> state_powers{1, 2, 1};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"decay", &Everything::decay}, Hyperparameter{"doubled", &Everything::doubled});
  }
  void validate(const auto& expect) const { expect(decay != 3 || !doubled, "decay must not be 3 where doubled"); }
  auto initial_state(const auto& list) const { return list(1, 2, 3); }
  auto running_factors(const auto& list) const { return list(decay); }

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
  template <class Step>
  auto kernel(const Step& step) const {
    using Scalar = typename Step::Scalar;
    using Choice = std::variant<Kernel<Scalar, 1>, Kernel<Scalar, 2>>;
    const Scalar product = step.real(step.products[0]);
    return doubled ? Choice(Kernel<Scalar, 2>{product}) : Choice(Kernel<Scalar, 1>{product});
  }
};

/// Its step is the sum of the rates so far, times the number of the step.
struct SumOfRates {
  double learning_rate = 1;
  static constexpr std::string_view name = "SumOfRates";
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &SumOfRates::learning_rate});
  }
  auto running_numbers(const auto& list) const {
    return list(list.before(0) + learning_rate, static_cast<double>(list.t));
  }
  auto kernel(const auto& step) const {
    return [sum = step.real(step.numbers[0] * step.numbers[1])](const auto&, const auto& g)
               __attribute__((always_inline)) { return sum * g; };
  }
};

/// A formula in one piece, and the same formula spread over helpers that the compiler is told not to inline.
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
  static constexpr std::string_view name = "Clipped";
  static constexpr std::array<std::string_view, 1> state_names{"size"};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"learning_rate", &Clipped::learning_rate});
  }

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
  /// Without always_inline: the kernel itself may be a call.
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

  template <class Step>
  auto kernel(const Step& step) const {
    using Scalar = typename Step::Scalar;
    const Scalar rate = step.real(learning_rate);
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
  CHECK(complaint([&] { optimizer.step(x, x); }) == "Harmonic: learning_rate = -1; it must be finite and >= 0");
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
  optimizer.decay = 3;
  CHECK(complaint([&] { optimizer.step(x, g); }) == "Everything: decay must not be 3 where doubled");
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

TEST_CASE("running numbers go on from step to step, and begin again after reset", "[rules]") {
  const auto check = [](auto optimizer) {
    for (int time = 1; time <= 2; ++time) {
      Eigen::Vector2d x(0, 0);
      double sum = 0, expected = 0;
      for (int t = 1; t <= 5; ++t) {
        optimizer.learning_rate = t;
        optimizer.step(x, Eigen::Vector2d(1, 2));
        sum += t;
        expected -= sum * t;
        CHECK(x == Eigen::Vector2d(expected, 2 * expected));
      }
      optimizer.reset();
    }
  };
  check(Optimizer<SumOfRates>());
  check(Optimizer<SumOfRates, double, 2>());
  check(make_optimizer<double>(Chain{transforms::ClipValue{2}, SumOfRates{}}));
}

// SPDX-License-Identifier: MIT
//
// Packs: every operation in every lane equals the scalar one, even for special values.
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using descent::kernel::Negligible;
using descent::kernel::Pack;

template <class Scalar>
std::vector<Scalar> special_values() {
  using Limits = std::numeric_limits<Scalar>;
  return {Scalar(0),
          -Scalar(0),
          Scalar(1),
          Scalar(-1),
          Scalar(0.1),
          Scalar(-3),
          Limits::min(),
          -Limits::min(),
          Limits::denorm_min(),
          Limits::max(),
          -Limits::max(),
          Limits::infinity(),
          -Limits::infinity(),
          Limits::quiet_NaN(),
          Scalar(1e-20),
          Negligible<Scalar>::squared,
          std::nextafter(Negligible<Scalar>::squared, Scalar(0)),
          Scalar(7e15)};
}

/// The same bits, except that any NaN equals any other.
template <class Scalar>
bool same(Scalar a, Scalar b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

/// Compares `on_packs(a, b)` with `on_scalars(a, b)` in each lane, for all pairs of special values.
template <class Scalar, int Bytes, class OnPacks, class OnScalars>
void compare(OnPacks&& on_packs, OnScalars&& on_scalars) {
  using P = Pack<Scalar, Bytes>;
  const std::vector<Scalar> values = special_values<Scalar>();
  for (std::size_t first = 0; first < values.size(); ++first)
    for (std::size_t second = 0; second < values.size(); ++second) {
      std::vector<Scalar> a, b, result(P::lanes + 1, Scalar(42));
      for (std::size_t lane = 0; lane <= P::lanes; ++lane) {
        a.push_back(values[(first + lane) % values.size()]);
        b.push_back(values[(second + 3 * lane) % values.size()]);
      }
      // Load from and store to an address that is not aligned for the pack.
      on_packs(P::load(a.data() + 1), P::load(b.data() + 1)).store(result.data() + 1);
      REQUIRE(result[0] == 42);
      for (std::size_t lane = 1; lane <= P::lanes; ++lane) {
        INFO("lane " << lane - 1 << ": " << a[lane] << ", " << b[lane]);
        REQUIRE(same(result[lane], static_cast<Scalar>(on_scalars(a[lane], b[lane]))));
      }
    }
}

/// The lanes in double, in order.
template <class Scalar, int Bytes>
void check_widened() {
  using P = Pack<Scalar, Bytes>;
  const std::vector<Scalar> values = special_values<Scalar>();
  for (std::size_t first = 0; first + P::lanes <= values.size(); ++first) {
    std::size_t lane = 0;
    for (const auto& part : widened(P::load(values.data() + first))) {
      using Wide = std::remove_cvref_t<decltype(part)>;
      std::array<typename Wide::value_type, Wide::lanes> wide;
      part.store(wide.data());
      for (const auto value : wide) REQUIRE(same<typename Wide::value_type>(value, values[first + lane++]));
    }
    REQUIRE(lane == P::lanes);
  }
}

template <class Scalar, int Bytes>
void check_arithmetic() {
  const auto check = [](auto&& on_packs, auto&& on_scalars) { compare<Scalar, Bytes>(on_packs, on_scalars); };
  check([](const auto& a, const auto& b) { return a + b; }, [](Scalar a, Scalar b) { return a + b; });
  check([](const auto& a, const auto& b) { return a - b; }, [](Scalar a, Scalar b) { return a - b; });
  check([](const auto& a, const auto& b) { return a * b; }, [](Scalar a, Scalar b) { return a * b; });
  check([](const auto& a, const auto& b) { return a / b; }, [](Scalar a, Scalar b) { return a / b; });
  check([](const auto& a, const auto&) { return -a; }, [](Scalar a, Scalar) { return -a; });
  check([](const auto& a, const auto&) { return sqrt(a); }, [](Scalar a, Scalar) { return std::sqrt(a); });
  check([](const auto& a, const auto&) { return abs(a); }, [](Scalar a, Scalar) { return std::abs(a); });
  check([](const auto& a, const auto& b) { return min(a, b); }, [](Scalar a, Scalar b) { return std::min(a, b); });
  check([](const auto& a, const auto& b) { return max(a, b); }, [](Scalar a, Scalar b) { return std::max(a, b); });
  check([](const auto& a, const auto& b) { return select(a < b, a, b); },
        [](Scalar a, Scalar b) { return a < b ? a : b; });
  check([](const auto& a, const auto& b) { return select(a <= b, a, b); },
        [](Scalar a, Scalar b) { return a <= b ? a : b; });
  check([](const auto& a, const auto& b) { return select(a > b, a, b); },
        [](Scalar a, Scalar b) { return a > b ? a : b; });
  check([](const auto& a, const auto& b) { return select(a >= b, a, b); },
        [](Scalar a, Scalar b) { return a >= b ? a : b; });
  check([](const auto& a, const auto& b) { return select(a == b, a, b); },
        [](Scalar a, Scalar b) { return a == b ? a : b; });
  check([](const auto& a, const auto& b) { return select(a != b, a, b); },
        [](Scalar a, Scalar b) { return a != b ? a : b; });
  check([](const auto& a, const auto&) { return Scalar(3) - a; }, [](Scalar a, Scalar) { return Scalar(3) - a; });
  check([](const auto& a, const auto&) { return a / Scalar(3); }, [](Scalar a, Scalar) { return a / Scalar(3); });
  check([](const auto& a, const auto&) { return a * -Scalar(0); }, [](Scalar a, Scalar) { return a * -Scalar(0); });
  check([](const auto& a, const auto&) { return sign(a); }, [](Scalar a, Scalar) {
    return a > 0 ? Scalar(1) : a < 0 ? Scalar(-1) : a;
  });
  check([](const auto& a, const auto&) { return clamp(a, Scalar(-2), Scalar(0.5)); }, [](Scalar a, Scalar) {
    return a < Scalar(-2) ? Scalar(-2) : a > Scalar(0.5) ? Scalar(0.5) : a;
  });
  check([](const auto& a, const auto&) { return clamp(a, Scalar(0), Scalar(0)); }, [](Scalar a, Scalar) {
    return a < 0 || a > 0 ? Scalar(0) : a;  // -0 stays
  });
  check([](const auto& a, const auto&) { return finite(a); },
        [](Scalar a, Scalar) { return std::min(a, std::numeric_limits<Scalar>::max()); });
  check([](const auto& a, const auto&) { return square(a); }, [](Scalar a, Scalar) {
    constexpr Scalar smallest = std::numeric_limits<Scalar>::min() * 1024;  // min is an even power of 2
    return a * a < smallest ? Scalar(0) : a * a;
  });
  check_widened<Scalar, Bytes>();
  // A product is rounded before it is added to: no fused operation.
  check([](const auto& a, const auto& b) { return a * Scalar(0.1) + b * Scalar(0.3); }, [](Scalar a, Scalar b) {
    volatile Scalar p = a * Scalar(0.1), q = b * Scalar(0.3);
    return p + q;
  });
}

}  // namespace

TEMPLATE_TEST_CASE("single lanes compute as scalars do", "[pack]", float, double, long double) {
  check_arithmetic<TestType, 0>();
}

#if defined(DESCENT_BASELINE_BYTES)
TEMPLATE_TEST_CASE("packs for every CPU of the target compute as scalars do", "[pack]", float, double) {
  check_arithmetic<TestType, DESCENT_BASELINE_BYTES>();
}
#endif

#if defined(DESCENT_WIDE_BYTES)
TEMPLATE_TEST_CASE("the widest packs compute as scalars do", "[pack]", float, double) {
  if (descent::kernel::widest_isa() == descent::kernel::Isa::wide) check_arithmetic<TestType, DESCENT_WIDE_BYTES>();
}
#endif

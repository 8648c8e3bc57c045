// SPDX-License-Identifier: MIT
//
// The sweep: every length up to several packs, every misalignment, and every number of state arrays, with sentinels
// around every buffer, gives the same bits as a plain loop of scalar operations.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

/// A kernel with any number of state arrays, in which every operand of every element matters.
template <class Scalar>
struct Mixing {
  Scalar a, b;

  template <class Pack, class... State>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack& g, State&... state) const {
    Pack step = a * g + b * x;
    ((state = b * state + g, step = step + a * state), ...);
    return step;
  }
};

/// Records the widest packs that it is called with.
struct Widest {
  int* lanes;

  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g) const {
    *lanes = std::max(*lanes, Pack::lanes);
    return g;
  }
};

#if defined(_OPENMP)
/// Records how many threads share the work.
struct CountsThreads {
  inline static std::atomic<int> largest;

  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g) const {
    largest = omp_get_num_threads();
    return g;
  }
};
#endif

/// The rule that uses Widest.
struct NotesLanes {
  int* lanes = nullptr;

  static constexpr std::string_view name = "NotesLanes";
  static constexpr auto hyperparameters(const auto& list) { return list(); }
  static constexpr std::array<std::string_view, 0> state_names{};
  Widest kernel(const auto&) const { return {lanes}; }
};

template <class Scalar, std::size_t Slots>
constexpr const kernel::Thresholds<Scalar, Slots>* no_flush = nullptr;

template <class Kernel, class Scalar, std::size_t Slots>
void sweep(const Kernel& kernel, Scalar* x, const Scalar* g, const kernel::Arrays<Scalar, Slots>& arrays,
           Eigen::Index n, int threads, const kernel::Thresholds<Scalar, Slots>* flush) {
  kernel::Pass<Scalar, Slots>(kernel, threads, flush)(x, g, arrays, n);
}

/// Memory with a sentinel on either side, at a chosen offset from the alignment of a cache line.
template <class Scalar>
class Guarded {
  static constexpr std::size_t margin = 80;

 public:
  Guarded(const Vector<Scalar>& values, std::size_t offset)
      : n_(static_cast<std::size_t>(values.size())), memory_(n_ + 2 * margin + 16, sentinel) {
    void* line = memory_.data() + margin - 16;
    std::size_t space = 1 << 20;
    begin_ = static_cast<Scalar*>(std::align(64, 1, line, space)) + offset;
    std::copy(values.begin(), values.end(), begin_);
  }
  Scalar* data() { return begin_; }
  Eigen::Map<const Vector<Scalar>> values() const { return {begin_, static_cast<Eigen::Index>(n_)}; }
  bool sentinels_intact() const {
    for (const Scalar* p = memory_.data(); p != memory_.data() + memory_.size(); ++p)
      if ((p < begin_ || p >= begin_ + n_) && *p != sentinel) return false;
    return true;
  }

 private:
  static constexpr Scalar sentinel = 12345;
  std::size_t n_;
  std::vector<Scalar> memory_;
  Scalar* begin_;
};

template <class Scalar, std::size_t Slots>
void check_sweep(Eigen::Index n, std::size_t offset, int threads, bool in_place) {
  const Mixing<Scalar> kernel{static_cast<Scalar>(0.3), static_cast<Scalar>(0.7)};
  Vector<Scalar> x = start<Scalar>(n);
  const Vector<Scalar> g = mixed_gradient<Scalar>(n, 3);
  std::array<Vector<Scalar>, Slots> state;
  for (std::size_t k = 0; k < Slots; ++k) state[k] = mixed_gradient<Scalar>(n, static_cast<std::int64_t>(10 + k));

  // Each buffer has a different misalignment.
  Guarded<Scalar> own_x(x, offset), own_g(g, (offset * 3 + 1) % 16);
  std::vector<Guarded<Scalar>> own_state;
  kernel::Arrays<Scalar, Slots> arrays;
  own_state.reserve(Slots);
  for (std::size_t k = 0; k < Slots; ++k) {
    own_state.emplace_back(state[k], (offset * 5 + k) % 16);
    arrays[k] = own_state[k].data();
  }
  const Scalar* const gradient = own_g.data();
  if (in_place)
    kernel::sweep_narrow(kernel, own_x.data(), gradient, arrays, 0, n);
  else
    sweep(kernel, own_x.data(), gradient, arrays, n, threads, no_flush<Scalar, Slots>);

  // The plain loop: volatile keeps each operation apart.
  for (Eigen::Index i = 0; i < n; ++i) {
    volatile Scalar from_gradient = kernel.a * g[i], from_x = kernel.b * x[i];
    volatile Scalar step = from_gradient + from_x;
    for (std::size_t k = 0; k < Slots; ++k) {
      volatile Scalar kept = kernel.b * state[k][i];
      state[k][i] = kept + g[i];
      volatile Scalar more = kernel.a * state[k][i];
      step = step + more;
    }
    x[i] = x[i] - step;
  }

  INFO("n = " << n << ", offset = " << offset << ", state arrays: " << Slots << ", threads: " << threads
              << (in_place ? ", in place" : ""));
  REQUIRE(same_bits(own_x.values(), x));
  REQUIRE(same_bits(own_g.values(), g));
  REQUIRE(own_x.sentinels_intact());
  REQUIRE(own_g.sentinels_intact());
  for (std::size_t k = 0; k < Slots; ++k) {
    REQUIRE(same_bits(own_state[k].values(), state[k]));
    REQUIRE(own_state[k].sentinels_intact());
  }
}

template <class Scalar>
void check_all_slots(Eigen::Index n, std::size_t offset, int threads, bool in_place = false) {
  check_sweep<Scalar, 0>(n, offset, threads, in_place);
  check_sweep<Scalar, 1>(n, offset, threads, in_place);
  check_sweep<Scalar, 2>(n, offset, threads, in_place);
  check_sweep<Scalar, 3>(n, offset, threads, in_place);
}

}  // namespace

TEMPLATE_TEST_CASE("every length, misalignment and number of state arrays", "[sweep]", float, double, long double) {
  for (Eigen::Index n = 0; n <= 67; ++n)
    for (std::size_t offset = 0; offset < 16; ++offset)
      for (const bool in_place : {false, true}) check_all_slots<TestType>(n, offset, 1, in_place);
}

TEMPLATE_TEST_CASE("lengths around the split among threads", "[sweep]", float, double) {
  const Eigen::Index two = 2 * kernel::least_for_a_thread, three = 3 * kernel::least_for_a_thread;
  for (const int threads : {1, 2, 3, 5})
    for (const Eigen::Index n : {two - 1, two, two + 1, two + 63, two + 64, two + 65, three - 1, three, 2 * two + 7})
      check_all_slots<TestType>(n, 1, threads);
}

#if defined(_OPENMP)
TEST_CASE("no more threads than there is work for", "[sweep]") {
  CountsThreads::largest = 0;
  constexpr Eigen::Index n = 3 * kernel::least_for_a_thread + 1;
  Vector<float> x = start<float>(n);
  for (const int threads : {4, 100'000, std::numeric_limits<int>::max()}) {
    sweep(CountsThreads{}, x.data(), static_cast<const float*>(x.data()), kernel::Arrays<float, 0>{}, n, threads,
          no_flush<float, 0>);
    CHECK(CountsThreads::largest == 3);
  }
  SGD<float> sgd;
  sgd.set_threads(std::numeric_limits<int>::max());
  CHECK_NOTHROW(sgd.step(x, x));
}

#if defined(__x86_64__)
TEST_CASE("threads take over how the caller rounds and treats subnormal numbers", "[sweep]") {
  constexpr Eigen::Index n = 4 * kernel::least_for_a_thread;
  const Vector<float> g = Vector<float>::Constant(n, 0x1p-130F);
  const auto step = [&](int threads) {
    Vector<float> x = start<float>(n);
    const Mixing<float> kernel{0.1F, 0.3F};  // 0.3 x rounds, 0.1 g is subnormal
    Vector<float> v = g;
    sweep(kernel, x.data(), g.data(), std::array{v.data()}, n, threads, no_flush<float, 1>);
    return Vector<float>((Vector<float>(2 * n) << x, v).finished());
  };
  const Vector<float> usual = step(4);
  const unsigned mode = __builtin_ia32_stmxcsr();
  for (const unsigned other : {0x8040U, 0x6000U}) {  // FTZ and DAZ; rounding towards 0
    __builtin_ia32_ldmxcsr(mode | other);
    const Vector<float> alone = step(1), shared = step(4);
    __builtin_ia32_ldmxcsr(mode);
    CHECK(same_bits(alone, shared));
    CHECK_FALSE(same_bits(alone, usual));
  }
  CHECK(same_bits(step(4), usual));  // and the threads' own modes are restored
}
#endif
#endif

TEMPLATE_TEST_CASE("the gradient may be x itself", "[sweep]", float, double) {
  for (Eigen::Index n = 0; n <= 67; ++n) {
    const Mixing<TestType> kernel{static_cast<TestType>(0.3), static_cast<TestType>(0.7)};
    Vector<TestType> x = start<TestType>(n), y = x, v = x, w = x;
    const Vector<TestType> g = x;
    sweep(kernel, x.data(), static_cast<const TestType*>(x.data()), std::array{v.data()}, n, 1, no_flush<TestType, 1>);
    sweep(kernel, y.data(), g.data(), std::array{w.data()}, n, 1, no_flush<TestType, 1>);
    REQUIRE(same_bits(x, y));
    REQUIRE(same_bits(v, w));
  }
}

TEMPLATE_TEST_CASE("with flush, state below its threshold becomes 0 first", "[sweep]", float, double) {
  const kernel::Thresholds<TestType, 2> thresholds{TestType(0x1p-90), TestType(0x1p-120)};
  const TestType kinds[] = {1, TestType(0.75), -1, TestType(-0.75), TestType(0x1p60), -TestType(0), TestType(1.5)};
  const TestType flushed[] = {1, 0, -1, 0, TestType(0x1p60), 0, TestType(1.5)};  // in units of the threshold
  const Mixing<TestType> kernel{static_cast<TestType>(0.5), static_cast<TestType>(1)};
  // Blocks and their remainders, several of the parts in which a flush works, and what threads share.
  for (const Eigen::Index n : {1, 7, 8, 15, 16, 67, 4096, 4101, 12'345, 50'000, 50'065, 100'007})
    for (const int threads : {1, 2, 3}) {
      Vector<TestType> x = start<TestType>(n), y = x;
      const Vector<TestType> g = Vector<TestType>::Zero(n);
      std::array<Vector<TestType>, 2> states{Vector<TestType>(n), Vector<TestType>(n)}, expected = states;
      for (std::size_t k = 0; k < 2; ++k)
        for (Eigen::Index i = 0; i < n; ++i) {
          const auto kind = (static_cast<std::size_t>(i) + k) % std::size(kinds);
          states[k][i] = thresholds[k] * kinds[kind];
          expected[k][i] = thresholds[k] * flushed[kind];
        }
      sweep(kernel, x.data(), g.data(), std::array{states[0].data(), states[1].data()}, n, threads, &thresholds);
      sweep(kernel, y.data(), g.data(), std::array{expected[0].data(), expected[1].data()}, n, 1,
            no_flush<TestType, 2>);
      INFO("n = " << n << ", threads: " << threads);
      REQUIRE(same_bits(x, y));
      REQUIRE(same_bits(states[0], expected[0]));
      REQUIRE(same_bits(states[1], expected[1]));
    }
}

TEMPLATE_TEST_CASE("packs are as wide as the CPU and DESCENT_ISA allow", "[sweep]", float, double) {
  int baseline = 1, widest = 1;
#if defined(DESCENT_BASELINE_BYTES)
  if (kernel::choice.isa >= kernel::Isa::baseline)
    baseline = widest = kernel::Pack<TestType, DESCENT_BASELINE_BYTES>::lanes;
#endif
#if defined(DESCENT_WIDE_BYTES)
  if (kernel::choice.isa == kernel::Isa::wide) widest = kernel::Pack<TestType, DESCENT_WIDE_BYTES>::lanes;
#endif
  Vector<TestType> x = start<TestType>(100);
  const Vector<TestType> g = x;
  int lanes = 0;
  sweep(Widest{&lanes}, x.data(), g.data(), kernel::Arrays<TestType, 0>{}, 100, 1, no_flush<TestType, 0>);
  CHECK(lanes == widest);

  // A small step: the first ones are checked steps, later ones are inlined.
  Optimizer<NotesLanes, TestType> optimizer({&lanes});
  x.conservativeResize(5);
  const Vector<TestType> gradient = x;
  for (int t = 1; t <= 4; ++t) {
    lanes = 0;
    optimizer.step(x, gradient);
    INFO("t = " << t);
    CHECK(lanes == baseline);
  }
}

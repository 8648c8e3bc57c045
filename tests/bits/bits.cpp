// SPDX-License-Identifier: MIT
//
// The same bits everywhere: a hash of a long run of every optimizer in every variant, and one of every schedule, must
// equal the frozen one (frozen.hpp). The program is small, so that matrix.sh can build it with every compiler, level
// and target; it needs nothing but Eigen and descent.
//
//     bits            compares, and names what differs
//     bits --print    prints the hashes in the form of frozen.hpp
//
// With ONE_WAY defined, most rules step plain arrays, without an optimizer, and long ones only with several threads: a
// third of the time.
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include <descent/rules/adafactor.hpp>
#include <descent/rules/muon.hpp>

#include "run.hpp"

namespace {

using namespace descent;
using namespace descent::test;

/// The same at odd addresses, in two tensors, and with a fixed size.
template <class Scalar, class R>
std::uint64_t run_otherwise(const R& rule, int way) {
  if (way == 2) {
    Optimizer<R, Scalar, length> optimizer(rule);
    Eigen::Vector<Scalar, length> x = Eigen::Vector<Scalar, length>::Constant(Scalar(0.5));
    for (int t = 1; t <= run_steps; ++t) optimizer.step(x, gradient_at<Scalar>(length, t));
    return hash_of(optimizer, x);
  }
  Optimizer<R, Scalar> optimizer(rule);
  std::vector<Scalar> memory(2 * length + 1, Scalar(0.5));
  for (int t = 1; t <= run_steps; ++t) {
    const Vector<Scalar> g = gradient_at<Scalar>(length, t);
    if (way == 0) {
      Eigen::Map<Vector<Scalar>, 0, Eigen::InnerStride<2>> x(memory.data() + 1, length);
      optimizer.step(x, g);
    } else {
      Eigen::Map<Vector<Scalar>> head(memory.data() + 1, 14), tail(memory.data() + 15, length - 14);
      optimizer.step(std::tie(head, tail), std::tuple(g.head(14), g.tail(length - 14)));
    }
  }
  if (way == 0)
    return hash_of(optimizer, Eigen::Map<Vector<Scalar>, 0, Eigen::InnerStride<2>>(memory.data() + 1, length));
  return hash_of(optimizer, Eigen::Map<Vector<Scalar>>(memory.data() + 1, length));
}

/// The same with so many optimizers that each step is small enough to be inlined.
template <class Scalar, class R>
std::uint64_t run_in_small_steps(const R& rule) {
  constexpr Eigen::Index size = 7, count = length / size + 1;
  std::vector<Optimizer<R, Scalar>> optimizers(count, Optimizer<R, Scalar>(rule));
  std::vector<Vector<Scalar>> x(count, Vector<Scalar>::Constant(size, Scalar(0.5)));
  x.back().resize(length % size);
  x.back().setConstant(Scalar(0.5));
  for (int t = 1; t <= run_steps; ++t) {
    const Vector<Scalar> g = gradient_at<Scalar>(length, t);
    for (std::size_t k = 0; k < count; ++k) {
      const Vector<Scalar> part = g.segment(static_cast<Eigen::Index>(k) * size, x[k].size());
      take_step(optimizers[k], x[k], part);
    }
  }
  std::uint64_t hash = empty_hash;
  for (const Vector<Scalar>& part : x) add_to_hash(hash, part);
  for (std::size_t slot = 0; slot < R::state_names.size(); ++slot)
    for (const auto& optimizer : optimizers) add_to_hash(hash, optimizer.state(slot));
  return hash;
}

/// A few steps on vectors long enough to be shared by threads.
constexpr Eigen::Index long_size = 100'003;
constexpr int long_steps = 20;

template <class Scalar, class R>
std::uint64_t run_long(const R& rule, int threads) {
  Optimizer<R, Scalar> optimizer(rule);
  optimizer.set_threads(threads);
  Vector<Scalar> x = Vector<Scalar>::Constant(long_size, Scalar(0.5));
  const Vector<Scalar> g = gradient_at<Scalar>(long_size, 1);
  for (int t = 1; t <= long_steps; ++t) take_step(optimizer, x, g);
  return hash_of(optimizer, x);
}

/// The same as `run`, or as run_long if size says so, without an optimizer.
template <class Scalar, class R>
std::uint64_t run_on_arrays(const R& rule, Eigen::Index size, int threads) {
  constexpr std::size_t state_count = R::state_names.size();
  const std::array<double, state_count> initial = initial_state(rule);
  std::array<Vector<Scalar>, state_count> state;
  std::array<Scalar*, state_count> arrays;
  for (std::size_t slot = 0; slot < state_count; ++slot) {
    state[slot] = Vector<Scalar>::Constant(size, static_cast<Scalar>(initial[slot]));
    arrays[slot] = state[slot].data();
  }
  Vector<Scalar> x = Vector<Scalar>::Constant(size, Scalar(0.5)), g = gradient_at<Scalar>(size, 1);
  StepCounter<R> counter;
  for (int t = 1; t <= (size == long_size ? long_steps : run_steps); ++t) {
    if (size != long_size) g = gradient_at<Scalar>(size, t);
    counter = counter.next(rule);
    step_arrays(rule, counter, x.data(), g.data(), arrays, size, threads);
  }
  std::uint64_t hash = empty_hash;
  add_to_hash(hash, x);
  for (const Vector<Scalar>& array : state) add_to_hash(hash, array);
  return hash;
}

/// A rule that steps tensors as a whole on a matrix, whose storage order is given, and on a vector.
template <class Scalar, int order, class R>
std::uint64_t run_matrix(const R& rule, Eigen::Index rows, Eigen::Index cols, int threads) {
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, order>;
  Optimizer<R, Scalar> optimizer(rule);
  optimizer.set_threads(threads);
  Matrix W = Matrix::Constant(rows, cols, Scalar(0.5));
  Vector<Scalar> b = Vector<Scalar>::Constant(rows, Scalar(0.5));
  for (int t = 1; t <= 5; ++t) {
    // With 0.7 they have all digits, and so sums of their squares are rounded, as Adafactor's are.
    const Scalar scale = std::is_same_v<R, rules::Muon> ? Scalar(1) : Scalar(0.7);
    const Matrix dW = scale * gradient_at<Scalar>(rows * cols, t).reshaped(rows, cols);
    const Vector<Scalar> db = scale * gradient_at<Scalar>(rows, t);
    optimizer.step(std::tie(W, b), std::tie(dW, db));
  }
  std::uint64_t hash = empty_hash;
  add_to_hash(hash, Vector<Scalar>(W.template reshaped<Eigen::ColMajor>()));
  add_to_hash(hash, b);
  return hash;
}

int differences = 0;
bool printing = false;

void compare(const std::string& name, std::uint64_t hash) {
  if (printing) {
    std::printf("    {\"%s\", 0x%016" PRIx64 "},\n", name.c_str(), hash);
    return;
  }
  const std::optional<std::uint64_t> expected = frozen_hash(name);
  if (expected == hash) return;
  ++differences;
  if (expected)
    std::printf("%s: %016" PRIx64 ", frozen: %016" PRIx64 "\n", name.c_str(), hash, *expected);
  else
    std::printf("%s: nothing is frozen\n", name.c_str());
}

/// A user's rule, open to everything that compilers like to do with sums and divisions if allowed.
struct TakenLiterally {
  static constexpr std::string_view name = "TakenLiterally";
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) { return list(); }

  auto kernel(const auto& step) const {
    return [seven = step.real(7)](const auto& x, const auto& g)
               __attribute__((always_inline)) { return (x + g - x) / seven; };
  }
};

template <class Scalar>
void compare_with_single_operations(const std::string& scalar) {
  Optimizer<TakenLiterally, Scalar> optimizer;
  Vector<Scalar> x = Vector<Scalar>::LinSpaced(length, -1, 1), expected = x;
  const Vector<Scalar> g = mixed_gradient<Scalar>(length, 1);
  volatile Scalar seven = 7, step = 0;  // volatile: each number goes through memory
  for (Eigen::Index i = 0; i < length; ++i) {
    step = x[i] + g[i];
    step = step - x[i];
    step = step / seven;
    expected[i] -= step;
  }
  take_step(optimizer, x, g);
  if (same_bits(x, expected)) return;
  ++differences;
  std::printf("a rule of one's own, %s: other bits than by single operations\n", scalar.c_str());
}

/// Without state, with arrays that start at 0 and elsewhere, and with the most arrays.
template <class R>
constexpr bool is_representative = std::is_same_v<R, rules::SGD> || std::is_same_v<R, rules::AdaGrad> ||
                                   std::is_same_v<R, rules::Adam> || std::is_same_v<R, rules::Adan>;

#if defined(_OPENMP)  // otherwise there is one thread, whatever is set
constexpr int most_threads = 3;
#else
constexpr int most_threads = 1;
#endif

/// Everything that an optimizer does around its passes.
template <class Scalar, class R>
void compare_optimizers(const std::string& name, const R& rule) {
  compare(name, run<Scalar>(rule));
#if !defined(ONE_WAY) || defined(_OPENMP)
  compare(name + ", long", run_long<Scalar>(rule, 1));
#endif
  if (printing) return;
  compare(name, run_in_small_steps<Scalar>(rule));
#if !defined(ONE_WAY)
  // Only in float, whose packs have the most lanes, and for a few rules: each way is a template to compile, and what it
  // does to an argument depends on no rule. arguments.cpp has double.
  if constexpr (std::is_same_v<Scalar, float> && is_representative<R>)
    for (int way = 0; way < 3; ++way) compare(name, run_otherwise<Scalar>(rule, way));
#endif
  for (int threads = 2; threads <= most_threads; ++threads) compare(name + ", long", run_long<Scalar>(rule, threads));
}

/// The passes alone.
template <class Scalar, class R>
void compare_passes(const std::string& name, const R& rule) {
  compare(name, run_on_arrays<Scalar>(rule, length, 1));
  for (int threads = 2; threads <= most_threads; ++threads)
    compare(name + ", long", run_on_arrays<Scalar>(rule, long_size, threads));
}

template <class Scalar>
void compare_all(const std::string& scalar) {
  for_each_variant([&]<class R>(const char* variant, const R& rule) {
    const std::string name = std::string(variant) + ", " + scalar;
#if defined(ONE_WAY)
    if constexpr (!is_representative<R>)
      compare_passes<Scalar>(name, rule);
    else
#endif
      compare_optimizers<Scalar>(name, rule);
  });
}

/// Whole recipes. A norm makes each element depend on all others, so these are run whole, in two ways.
template <class Scalar>
void compare_chains(const std::string& scalar) {
  const auto compare_chain = [&](const char* recipe, const auto& chain) {
    const std::string name = std::string(recipe) + ", " + scalar;
    compare(name, run<Scalar>(chain));
#if !defined(ONE_WAY) || defined(_OPENMP)
    compare(name + ", long", run_long<Scalar>(chain, 1));
#endif
    if (printing) return;
    compare(name, run_otherwise<Scalar>(chain, 0));
    for (int threads = 2; threads <= most_threads; ++threads)
      compare(name + ", long", run_long<Scalar>(chain, threads));
  };
  using namespace transforms;
  const rules::Adam adam{.learning_rate = 0.03, .beta2 = 0.99};
  const rules::SGD sgd{.learning_rate = 0.03};
  const double huge = std::is_same_v<Scalar, float> ? 1e20 : 1e200;  // whose square overflows
  compare_chain("clipped Adam with decay and average", Chain{ClipNorm{2}, adam, WeightDecay{0.1}, Average{0.99}});
  compare_chain("clipped huge gradients", Chain{GradientScale{huge}, ClipNorm{2}, ClipTensorNorm{1}, sgd});
  compare_chain("penalized SGD", Chain{L2Penalty{0.01}, L1Penalty{0.001}, ClipValue{100}, sgd});
  compare_chain("LAMB", Chain{adam, WeightDecay{0.1}, TrustRatio{}});
  compare_chain("sparse SGD with lookahead", Chain{sgd, MomentumOfSteps{0.8}, Bounds{-5, 5}, SoftThreshold{0.01},
                                                   EqualAverage{7}, Lookahead{5, 0.5}});
}

/// Muon's bits do not depend on the storage order; Adafactor's do.
template <class Scalar>
void compare_whole_steps(const std::string& scalar) {
  const auto compare_matrix = [&]<class R>(const char* variant, const R& rule, Eigen::Index rows, Eigen::Index cols) {
    const std::string name = std::string(variant) + ", " + scalar;
    compare(name, run_matrix<Scalar, Eigen::ColMajor>(rule, rows, cols, 1));
    if (printing) return;
    if (std::is_same_v<R, rules::Muon>) compare(name, run_matrix<Scalar, Eigen::RowMajor>(rule, rows, cols, 1));
    for (int threads = 2; threads <= most_threads; ++threads)
      compare(name, run_matrix<Scalar, Eigen::ColMajor>(rule, rows, cols, threads));
  };
  using rules::Adafactor, rules::Muon;
  compare_matrix("Muon", Muon{}, 80, 131);
  compare_matrix("Muon like AdamW",
                 Muon{.form = MomentumForm::accumulated, .scale = MuonScale::match_rms_adamw, .weight_decay = 0.1}, 37,
                 29);
  compare_matrix("Muon bias-corrected", Muon{.bias_correction = true, .epsilon_form = MuonEpsilon::least}, 7, 7);
  compare_matrix("Adafactor", Adafactor{.learning_rate = 0.3}, 80, 131);
  compare_matrix(
      "Adafactor at least",
      Adafactor{.epsilon1 = 0, .clip_threshold = 0.5, .weight_decay = 0.1, .epsilon_form = AdafactorEpsilon::least}, 37,
      29);
}

/// Of a schedule's values: their bits, one value behind the other.
template <class S>
void compare_schedule(const std::string& name, const S& schedule) {
  Vector<double> values(run_steps);
  for (int step = 0; step < run_steps; ++step) values[step] = schedule(step);
  std::uint64_t hash = empty_hash;
  add_to_hash(hash, values);
  compare("schedule " + name, hash);
}

void compare_schedules() {
  using namespace schedules;
  const Cosine cosine{.initial = 0.3, .final = 1e-3, .steps = 1777};
  compare_schedule("Linear", Linear{.initial = 0.3, .final = 1e-3, .steps = 1777});
  compare_schedule("Polynomial", Polynomial{.initial = 0.3, .final = 1e-3, .steps = 1777, .power = 0.7});
  compare_schedule("Cosine", cosine);
  compare_schedule("CosineRestarts", CosineRestarts{.initial = 0.3, .final = 1e-3, .period = 13, .period_factor = 3});
  compare_schedule("Exponential", Exponential{.initial = 0.3, .factor = 0.1, .period = 7});  // to subnormal numbers
  compare_schedule("StepDecay", StepDecay{.initial = 0.3, .factor = 0.7, .period = 7});
  compare_schedule("MultiStepDecay", MultiStepDecay{.initial = 0.3, .factor = 0.7, .milestones = {3, 500, 1500}});
  compare_schedule("InverseSquareRoot", InverseSquareRoot{.initial = 0.3, .timescale = 123});
  compare_schedule("OneCycle", OneCycle{.peak = 0.3, .steps = 1777});
  compare_schedule("OneCycle linear, three phases",
                   OneCycle{.peak = 0.3, .steps = 1777, .annealing = Annealing::linear, .three_phase = true});
  compare_schedule("WithWarmup", WithWarmup{333, cosine, 1e-4});
  compare_schedule("Join", Join{cosine, 333, cosine});
}

}  // namespace

int main(int argc, char** argv) {
  printing = argc > 1 && std::strcmp(argv[1], "--print") == 0;
  compare_all<float>("float");
  compare_all<double>("double");
  compare_chains<float>("float");
  compare_chains<double>("double");
  compare_whole_steps<float>("float");
  compare_whole_steps<double>("double");
  compare_schedules();
  compare_with_single_operations<float>("float");
  compare_with_single_operations<double>("double");
  if (!printing) std::printf("%d runs differ from %zu frozen hashes\n", differences, frozen.size());
  return differences == 0 ? 0 : 1;
}

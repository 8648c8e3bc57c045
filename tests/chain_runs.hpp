// SPDX-License-Identifier: MIT
//
// Random runs of chains: an Optimizer of a chain and the plain ReferenceOptimizer (chains.hpp) take the same steps, and
// parameters, state and averages must agree bit for bit after each of them. Random are the tensors, their sizes,
// layouts and alignment, the values, all hyperparameters and when they change, and which tensors are frozen or have a
// rule of their own. Only the chains are chosen by hand, because they are types.
//
// The runs are the same everywhere; the environment variable DESCENT_TEST_SEED, a number, chooses others, and
// DESCENT_TEST_RUNS how many there are of each chain.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "chains.hpp"

namespace descent::test {

// ---- The chains ------------------------------------------------------------------------------------

template <class... Types>
struct List {};

namespace chains {

using namespace transforms;
using rules::AdaBelief, rules::AdaDelta, rules::AdaGrad, rules::Adam, rules::AdaMax, rules::AdamW, rules::Adan,
    rules::AMSGrad, rules::CenteredRMSProp, rules::Lion, rules::Momentum, rules::NAdam, rules::Nesterov, rules::RAdam,
    rules::RMSProp, rules::ScheduleFreeAdamW, rules::SGD, rules::Yogi;

// Each rule, and any two links of a place directly after each other in both orders: see chain_interpreter.cpp. In four
// lists, each of which is a file to compile.
using First = List<  //
    Chain<Adam, TrustRatio, MomentumOfSteps, WeightDecay, Bounds, SoftThreshold, Average, Lookahead>,
    Chain<L1Penalty, GradientScale, ClipTensorNorm, ClipValue, Momentum, WeightDecay, TrustRatio, Bounds>,
    Chain<ClipTensorNorm, L1Penalty, L2Penalty, ClipNorm, Momentum, Bounds, Average, SoftThreshold>,
    Chain<ClipNorm, ClipTensorNorm, L2Penalty, CenteredRMSProp>,  //
    Chain<L1Penalty, ClipNorm, GradientScale, AdaGrad>,           //
    Chain<Adam>,                                                  //
    Chain<ClipValue, RMSProp, MomentumOfSteps>,                   //
    Chain<SGD, SoftThreshold>,                                    //
    Chain<ClipTensorNorm, RMSProp, MomentumOfSteps, WeightDecay, EqualAverage>>;
using Second = List<  //
    Chain<GradientScale, ClipNorm, L1Penalty, RMSProp, SoftThreshold, Bounds, EqualAverage, Lookahead>,
    Chain<GradientScale, L1Penalty, ClipTensorNorm, Nesterov, EqualAverage, SoftThreshold, Lookahead, Bounds>,
    Chain<ClipValue, ClipTensorNorm, ClipNorm, L2Penalty, SGD, Bounds, Lookahead, EqualAverage>,
    Chain<ClipTensorNorm, GradientScale, ClipValue, L1Penalty, AdaDelta, TrustRatio, WeightDecay>,
    Chain<L2Penalty, ClipValue, ClipNorm, CenteredRMSProp>,  //
    Chain<L2Penalty, ClipTensorNorm, RMSProp>,               //
    Chain<AdaGrad, TrustRatio>,                              //
    Chain<Nesterov, Lookahead>,                              //
    Chain<ClipNorm, Adam, WeightDecay, Average>>;
using Third = List<  //
    Chain<AdaDelta, WeightDecay, MomentumOfSteps, TrustRatio, EqualAverage, Bounds, Lookahead, SoftThreshold>,
    Chain<L1Penalty, ClipValue, GradientScale, Adam, WeightDecay, Lookahead, Average, Bounds>,
    Chain<ClipNorm, ClipValue, L2Penalty, GradientScale, SGD, SoftThreshold, EqualAverage>,
    Chain<GradientScale, L2Penalty, L1Penalty, AdaGrad, Average>,
    Chain<ClipNorm, CenteredRMSProp, TrustRatio, WeightDecay, MomentumOfSteps, Lookahead, EqualAverage>,
    Chain<SGD, MomentumOfSteps, TrustRatio>,                      //
    Chain<L2Penalty, CenteredRMSProp, MomentumOfSteps, Average>,  //
    Chain<AdaDelta, WeightDecay>,                                 //
    Chain<ClipNorm, Nesterov, Average, Bounds>>;
using Fourth = List<  //
    Chain<SGD, LayerwiseRate, MomentumOfSteps>,
    Chain<ClipNorm, ScheduleFreeAdamW, WeightDecay, LayerwiseRate, TrustRatio>,
    Chain<ClipValue, NAdam, TrustRatio, LayerwiseRate, MomentumOfSteps, Average>,
    Chain<Adan, MomentumOfSteps, LayerwiseRate, WeightDecay, Lookahead>, Chain<L2Penalty, ScheduleFreeAdamW>,  //
    Chain<AMSGrad, WeightDecay>,                                                                               //
    Chain<GradientScale, RAdam>,                                                                               //
    Chain<ClipTensorNorm, AdaMax>,                                                                             //
    Chain<AdaBelief, Bounds>,                                                                                  //
    Chain<L1Penalty, Yogi>,                                                                                    //
    Chain<ClipNorm, AdamW, EqualAverage>,                                                                      //
    Chain<Lion, SoftThreshold>>;

}  // namespace chains

template <class... Links>
std::string name_of(std::type_identity<Chain<Links...>>) {
  std::string text;
  ((text += (text.empty() ? "" : ", ") + std::string(Links::name)), ...);
  return "Chain<" + text + ">";
}

// ---- Random choices --------------------------------------------------------------------------------

/// SplitMix64: the same numbers on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t bits = state_ += 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }
  /// In [from, to].
  std::int64_t integer(std::int64_t from, std::int64_t to) {
    return from + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(to - from + 1));
  }
  double uniform(double from, double to) { return from + (to - from) * static_cast<double>(next() >> 11) * 0x1p-53; }
  bool chance(int percent) { return integer(0, 99) < percent; }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[next() % choices.size()];
  }

 private:
  std::uint64_t state_;
};

inline void choose(transforms::GradientScale& link, Random& random) {
  link.factor = random.pick({0.0, 1.0, -1.0, 0.5, 1e-3, random.uniform(-3, 3), random.uniform(-3, 3)});
}
inline void choose(transforms::ClipValue& link, Random& random) {
  link.limit = random.pick({infinity, 1.0, 1e-3, 1e20, random.uniform(0.01, 2)});
}
inline void choose(transforms::ClipNorm& link, Random& random) {
  link.max_norm = random.pick({infinity, 1.0, 1e-3, 1e20, random.uniform(0.01, 100), random.uniform(0.01, 5)});
}
inline void choose(transforms::ClipTensorNorm& link, Random& random) {
  link.max_norm = random.pick({infinity, 1.0, 1e-3, 1e20, random.uniform(0.01, 30), random.uniform(0.01, 5)});
}
inline void choose(transforms::L2Penalty& link, Random& random) {
  link.weight_decay = random.pick({0.0, 1e-4, random.uniform(0, 1)});
}
inline void choose(transforms::L1Penalty& link, Random& random) {
  link.weight_decay = random.pick({0.0, 1e-4, random.uniform(0, 1)});
}
inline void choose(transforms::WeightDecay& link, Random& random) {
  link.weight_decay = random.pick({0.0, 0.01, random.uniform(0, 1)});
  link.matrices_only = random.chance(50);
}
inline void choose(transforms::TrustRatio& link, Random& random) {
  link.trust_coefficient = random.pick({0.0, 1.0, 1.0, random.uniform(0, 2)});
}
inline void choose(transforms::LayerwiseRate& link, Random& random) {
  link.trust_coefficient = random.pick({0.0, 0.001, 1.0, random.uniform(0, 2)});
  link.weight_decay = random.pick({0.0, 1e-4, random.uniform(0, 1)});
}
inline void choose(transforms::MomentumOfSteps& link, Random& random) {
  link.momentum = random.pick({0.0, 0.9, 1.0, random.uniform(0, 1)});
  link.form = random.pick({MomentumForm::velocity, MomentumForm::accumulated});
}
inline void choose(transforms::Bounds& link, Random& random) {
  link.lower = random.pick({-infinity, -1.0, 0.0, random.uniform(-2, 0.5)});
  link.upper = random.pick({infinity, link.lower, std::max(link.lower, 0.0) + random.uniform(0, 2)});
  if (link.upper == -infinity) link.upper = 1;
}
inline void choose(transforms::SoftThreshold& link, Random& random) {
  link.weight = random.pick({0.0, 1e-3, random.uniform(0, 5)});
}
inline void choose(transforms::Average& link, Random& random) {
  link.decay = random.pick({0.0, 0.9, 0.999, random.uniform(0, 1)});
}
inline void choose(transforms::EqualAverage& link, Random& random) {
  link.start = static_cast<decltype(link.start)>(random.integer(0, 9));
}
inline void choose(transforms::Lookahead& link, Random& random) {
  link.period = static_cast<decltype(link.period)>(random.integer(1, 7));
  link.alpha = random.pick({0.0, 0.5, 1.0, random.uniform(0, 1)});
}

/// For any rule. (initial_accumulator stays, because it matters only before the first step.)
template <class R>
requires(!IsLink<R>)
void choose(R& rule, Random& random) {
  using enum EpsilonPlacement;
  rule.learning_rate = random.pick({0.0, 0.01, 0.1, 1.0, random.uniform(0, 0.5), random.uniform(0, 0.5)});
  if constexpr (requires { rule.momentum; }) rule.momentum = random.pick({0.0, 0.9, random.uniform(0, 1)});
  if constexpr (std::is_same_v<R, rules::Momentum>) {
    rule.form = random.pick({MomentumForm::velocity, MomentumForm::accumulated, MomentumForm::averaged});
    rule.dampening = rule.form == MomentumForm::accumulated ? random.pick({0.0, random.uniform(0, 1)}) : 0;
  }
  if constexpr (std::is_same_v<R, rules::Nesterov>)
    rule.form = random.pick({MomentumForm::velocity, MomentumForm::accumulated});
  if constexpr (requires { rule.epsilon; }) rule.epsilon = random.pick({1e-8, 1e-3, random.uniform(1e-6, 1)});
  if constexpr (requires { rule.epsilon_placement; }) rule.epsilon_placement = random.pick({outside, inside});
  if constexpr (requires { rule.decay; }) rule.decay = random.pick({0.0, 0.9, random.uniform(0, 0.999)});
  if constexpr (requires { rule.learning_rate_decay; })
    rule.learning_rate_decay = random.pick({0.0, random.uniform(0, 1)});
  if constexpr (std::is_same_v<R, rules::Adam>) rule.epsilon_placement = random.pick({outside, inside, hat});
  constexpr bool is_schedule_free = requires { rule.warmup_steps; };
  if constexpr (requires { rule.beta1; })
    rule.beta1 = random.pick({is_schedule_free ? 1.0 : 0.0, 0.9, random.uniform(1e-3, 0.999)});
  if constexpr (requires { rule.beta2; }) rule.beta2 = random.pick({0.0, 0.999, random.uniform(0, 0.999)});
  if constexpr (requires { rule.epsilon_root; }) rule.epsilon_root = random.pick({0.0, 0.0, random.uniform(0, 1e-3)});
  if constexpr (requires { rule.bias_correction; }) rule.bias_correction = random.chance(75);
  if constexpr (requires { rule.weight_decay; }) rule.weight_decay = random.pick({0.0, random.uniform(0, 1)});
  if constexpr (is_schedule_free) rule.warmup_steps = random.integer(0, 9);
}

template <class... Links>
void choose_all(Chain<Links...>& chain, Random& random) {
  (choose(static_cast<Links&>(chain), random), ...);
}

/// How large the numbers of a run are: tiny ones lie around the size below which state becomes 0, huge ones have
/// squares that overflow.
enum class Magnitude { usual, mixed, tiny, huge };

template <class S>
S any_value(Random& random, Magnitude magnitude) {
  constexpr bool single = std::is_same_v<S, float>;
  const double tiny = single ? 0x1p-104 : 0x1p-1000, huge = single ? 1e30 : 1e300;
  const double unit = random.uniform(-1, 1);
  const auto kind = random.integer(0, 999);
  if (kind < 20) return real<S>(random.pick({0.0, -0.0}));
  switch (magnitude) {
    case Magnitude::usual:
      return real<S>(unit);
    case Magnitude::tiny:
      return real<S>(unit * tiny * random.pick({0x1p-20, 1.0, 0x1p4, 0x1p8}));
    case Magnitude::huge:
      return real<S>(unit * random.pick({1.0, huge}));
    case Magnitude::mixed:
      break;
  }
  if (kind == 20) return random.pick({std::numeric_limits<S>::infinity(), -std::numeric_limits<S>::infinity()});
  if (kind == 21) return std::numeric_limits<S>::quiet_NaN();
  if (kind < 30) return real<S>(unit * huge);
  return real<S>(unit * random.pick({0.0, 1e-32, 1e-25, 1e-6, 1e-2, 1.0, 1.0, 1.0, 1e4}));
}

inline Eigen::Index any_size(Random& random, bool small) {
  const auto kind = random.integer(0, 99);
  if (kind < 4) return 0;
  if (kind < 12) return 1;
  if (small || kind < 70) return random.integer(2, 40);
  if (kind < 88) return random.integer(41, 400);
  if (kind < 96) return 4096 + random.integer(-17, 17);
  if (kind < 98) return 8192 + random.integer(-3, 3);
  return random.integer(400, 20'000);
}

// ---- Tensors in memory -----------------------------------------------------------------------------

/// The elements of a tensor, somewhere in a longer array, with any strides.
template <class S>
class Elements {
  static constexpr S sentinel = 12345;
  static constexpr Eigen::Index margin = 16;

 public:
  Eigen::Index rows, cols, row_stride, col_stride;

  /// Contiguous in one of the orders.
  Elements(Eigen::Index r, Eigen::Index c, bool row_major, Random& random)
      : rows(r), cols(c), row_stride(row_major ? c : 1), col_stride(row_major ? 1 : r) {
    allocate(random);
  }
  /// Of any layout.
  Elements(Eigen::Index r, Eigen::Index c, Random& random) : rows(r), cols(c), row_stride(1), col_stride(1) {
    const bool row_major = random.chance(50), gaps = random.chance(50);
    const Eigen::Index inner = gaps && random.chance(50) ? random.integer(1, 3) : 1;
    const Eigen::Index outer = inner * (row_major ? c : r) + (gaps ? random.integer(0, 3) : 0);
    (row_major ? col_stride : row_stride) = inner;
    (row_major ? row_stride : col_stride) = outer;
    allocate(random);
  }

  S* data() { return array_.data() + offset_; }
  const S* data() const { return array_.data() + offset_; }
  S& operator()(Eigen::Index row, Eigen::Index col) { return data()[row * row_stride + col * col_stride]; }
  const S& operator()(Eigen::Index row, Eigen::Index col) const { return data()[row * row_stride + col * col_stride]; }
  /// Element i in a storage order.
  S& in_order(std::size_t i, bool row_major) {
    const auto at = static_cast<Eigen::Index>(i);
    return row_major ? (*this)(at / cols, at % cols) : (*this)(at % rows, at / rows);
  }

  template <int order>
  auto map() {
    using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, order>;
    using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
    constexpr bool by_rows = order == Eigen::RowMajor;
    return Eigen::Map<Matrix, 0, Strides>(
        data(), rows, cols, Strides(by_rows ? row_stride : col_stride, by_rows ? col_stride : row_stride));
  }

  /// Whether everything around the elements is as it was.
  bool surroundings_intact() const {
    std::vector<bool> inside(array_.size());
    for (Eigen::Index i = 0; i < rows; ++i)
      for (Eigen::Index j = 0; j < cols; ++j) inside[static_cast<std::size_t>(&(*this)(i, j) - array_.data())] = true;
    for (std::size_t i = 0; i < array_.size(); ++i)
      if (!inside[i] && array_[i] != sentinel) return false;
    return true;
  }

 private:
  void allocate(Random& random) {
    offset_ = margin + random.integer(0, 15);
    const Eigen::Index extent = rows * cols == 0 ? 0 : (rows - 1) * row_stride + (cols - 1) * col_stride + 1;
    array_.assign(static_cast<std::size_t>(offset_ + extent + margin), sentinel);
  }

  std::vector<S> array_;
  Eigen::Index offset_ = 0;
};

// ---- Runs ------------------------------------------------------------------------------------------

/// How the tensors are passed to a step.
enum class Passing { range, tuple, vector, matrix };

/// How a gradient lies to the parameters.
enum class Overlap { none, same, shifted };

template <class S>
bool same_number(S a, S b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(S)) == 0;
}

template <class C, class S>
class Run {
  using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  using RowMajorMatrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Vector = Eigen::Matrix<S, Eigen::Dynamic, 1>;
  using RowVector = Eigen::Matrix<S, 1, Eigen::Dynamic>;
  using Reference = ReferenceOptimizer<C, S>;

 public:
  explicit Run(std::uint64_t seed) : random_(seed) {
    choose_all(reference_.common, random_);
    if constexpr (requires { reference_.common.initial_accumulator; })
      reference_.common.initial_accumulator = random_.pick({0.0, 0.1});
    static_cast<C&>(optimizer_) = reference_.common;
    optimizer_.set_threads(static_cast<int>(random_.integer(1, 3)));
    create_tensors();
  }

  /// The first difference, as text; empty if there is none.
  std::string go() {
    for (int step = 1; step <= steps_ && difference_.empty(); ++step) {
      change_something(step);
      take_step();
      compare(step);
    }
    for (const Elements<S>& x : x_)
      if (!x.surroundings_intact() && difference_.empty()) difference_ = "written outside of the parameters";
    return difference_;
  }

  bool ends_in_nan() const {
    bool any = false;
    for (const auto& tensor : reference_.tensors)
      for (const S x : tensor.x) {
        if (!std::isnan(x)) return false;
        any = true;
      }
    return any;
  }

 private:
  void create_tensors() {
    passing_ = random_.pick(
        {Passing::range, Passing::range, Passing::range, Passing::tuple, Passing::vector, Passing::matrix});
    magnitude_ = random_.pick({Magnitude::usual, Magnitude::mixed, Magnitude::mixed, Magnitude::tiny, Magnitude::huge});
    percent_of_zero_gradients_ = random_.pick({0, 7, 7, 80});
    const bool is_long = random_.chance(20);
    steps_ = static_cast<int>(is_long ? random_.integer(30, 40) : random_.integer(1, 10));
    std::int64_t count = passing_ == Passing::range ? random_.integer(1, 4) : passing_ == Passing::tuple ? 4 : 1;
    bool shared = false;
#if defined(_OPENMP)
    shared = random_.integer(0, 199) == 0;  // enough for several threads
    if (shared) steps_ = 3;
#endif
    for (std::int64_t k = 0; k < count; ++k) {
      const Eigen::Index size = shared && k == 0 ? random_.integer(49'990, 51'000) : any_size(random_, is_long);
      const std::int64_t kind = random_.integer(0, 9);
      Eigen::Index rows = kind < 2 ? 1 : kind < 4 ? size : std::min(random_.integer(1, 12), size);
      if (passing_ == Passing::vector || (passing_ == Passing::tuple && k == 2)) rows = size;
      if (passing_ == Passing::tuple && k == 3) rows = 1;
      const Eigen::Index cols = rows == 0 ? random_.integer(1, 3) : size / rows;
      add_tensor(passing_ == Passing::vector || (passing_ == Passing::tuple && k == 2) ? size : rows,
                 passing_ == Passing::vector || (passing_ == Passing::tuple && k == 2) ? 1 : cols, k);
    }
    row_major_.assign(x_.size(), passing_ == Passing::range && random_.chance(50));
    if (passing_ == Passing::tuple) row_major_[1] = true;
    const Magnitude of_parameters =
        random_.chance(70) ? magnitude_ : random_.pick({Magnitude::usual, Magnitude::tiny, Magnitude::huge});
    for (std::size_t k = 0; k < x_.size(); ++k) {
      auto& tensor = reference_.tensors.emplace_back();
      tensor.rows = x_[k].rows;
      tensor.cols = x_[k].cols;
      for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.rows * tensor.cols); ++i) {
        const S x = any_value<S>(random_, random_.chance(90) ? of_parameters : Magnitude::usual);
        tensor.x.push_back(std::isfinite(x) ? x : S(1));
        x_[k].in_order(i, row_major_[k]) = tensor.x.back();
      }
    }
  }

  void add_tensor(Eigen::Index rows, Eigen::Index cols, std::int64_t k) {
    if (passing_ == Passing::range)
      x_.emplace_back(rows, cols, random_);
    else
      x_.emplace_back(rows, cols, passing_ == Passing::tuple && k == 1, random_);
  }

  /// Changes hyperparameters, and which tensors are frozen or have a rule of their own.
  void change_something(int step) {
    const auto k = static_cast<std::size_t>(random_.integer(0, static_cast<std::int64_t>(x_.size()) - 1));
    auto& tensor = reference_.tensors[k];
    const auto index = static_cast<Eigen::Index>(k);
    if (step > 1 && random_.chance(15)) {
      choose_all(reference_.common, random_);
      static_cast<C&>(optimizer_) = reference_.common;
    }
    if (random_.chance(10)) {
      tensor.frozen = !tensor.frozen;
      if (tensor.frozen)
        optimizer_.freeze(index);
      else
        optimizer_.unfreeze(index);
    }
    if (random_.chance(8)) {
      C& own = optimizer_.tensor_rule(index);
      if (!tensor.own) tensor.own = reference_.common;
      if (random_.chance(70)) {
        choose_all(*tensor.own, random_);
        own = *tensor.own;
      }
    }
    if (random_.chance(3)) {
      tensor.own.reset();
      optimizer_.common_rule(index);
    }
    if (random_.chance(3)) optimizer_.set_threads(static_cast<int>(random_.integer(1, 3)));
    if (random_.chance(3)) optimizer_ = Optimizer<C, S>(optimizer_);
    if (optimizer_.frozen(index) != tensor.frozen) difference_ = "frozen";
  }

  void take_step() {
    std::vector<Elements<S>> g;
    std::vector<std::vector<S>> gradients;
    const bool all_zero = random_.chance(percent_of_zero_gradients_);
    const Overlap overlap = passing_ == Passing::vector && random_.chance(15)
                                ? random_.pick({Overlap::same, Overlap::shifted})
                                : Overlap::none;
    const bool contiguous = passing_ == Passing::vector || passing_ == Passing::matrix;
    for (std::size_t k = 0; k < x_.size(); ++k) {
      if (contiguous)
        g.emplace_back(x_[k].rows, x_[k].cols, false, random_);
      else
        g.emplace_back(x_[k].rows, x_[k].cols, random_);
      auto& values = gradients.emplace_back();
      for (std::size_t i = 0; i < reference_.tensors[k].x.size(); ++i) {
        S value = all_zero ? S(0) : any_value<S>(random_, magnitude_);
        if (overlap == Overlap::same) value = reference_.tensors[k].x[i];
        if (overlap == Overlap::shifted) value = x_[k].data()[i + 1];
        values.push_back(value);
        g[k].in_order(i, row_major_[k]) = value;
      }
    }
    reference_.step(std::move(gradients));

    if (passing_ == Passing::range) {
      const bool as_before = row_major_[0] == (optimizer_.steps() == 0 || random_.chance(80));
      as_before ? pass_range<Eigen::RowMajor>(g) : pass_range<Eigen::ColMajor>(g);
    } else if (passing_ == Passing::tuple) {
      Eigen::Map<Matrix> a(x_[0].data(), x_[0].rows, x_[0].cols);
      Eigen::Map<RowMajorMatrix> b(x_[1].data(), x_[1].rows, x_[1].cols);
      Eigen::Map<Vector> c(x_[2].data(), x_[2].rows);
      Eigen::Map<RowVector> d(x_[3].data(), x_[3].cols);
      const auto maps =
          std::tuple(g[0].template map<0>(), g[1].template map<0>(), g[2].template map<0>(), g[3].template map<0>());
      pass(std::tie(a, b, c, d), maps);
    } else if (passing_ == Passing::vector) {
      Eigen::Map<Vector> x(x_[0].data(), x_[0].rows);
      const S* const at = overlap == Overlap::none ? g[0].data() : x.data() + (overlap == Overlap::shifted ? 1 : 0);
      pass(x, Eigen::Map<const Vector>(at, x_[0].rows));
    } else {
      Eigen::Map<Matrix> x(x_[0].data(), x_[0].rows, x_[0].cols);
      pass(x, Eigen::Map<const Matrix>(g[0].data(), x_[0].rows, x_[0].cols));
    }
  }

  template <int order>
  void pass_range(std::vector<Elements<S>>& g) {
    std::vector<decltype(g[0].template map<order>())> params;
    std::vector<decltype(g[0].template map<0>())> gradient;
    for (std::size_t k = 0; k < x_.size(); ++k) {
      params.push_back(x_[k].template map<order>());
      gradient.push_back(g[k].template map<0>());
    }
    pass(params, gradient);
  }

  template <class Params, class Gradient>
  void pass(Params&& params, const Gradient& gradient) {
    optimizer_.step(params, gradient);
    if constexpr (Reference::has_average) {
      const auto averaged = optimizer_.averaged(params);
      std::size_t k = 0;
      detail::for_each_tensor(averaged, [&](const auto& tensor) {
        const auto& expected = reference_.averaged(reference_.tensors[k]);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const auto at = static_cast<Eigen::Index>(i);
          const S value = row_major_[k] ? tensor(at / tensor.cols(), at % tensor.cols())
                                        : tensor(at % tensor.rows(), at / tensor.rows());
          expect_same(value, expected[i], "averaged", k, i);
        }
        ++k;
      });
    }
  }

  void compare(int step) {
    if (optimizer_.steps() != reference_.steps) difference_ = "number of steps";
    for (std::size_t k = 0; k < x_.size(); ++k)
      for (std::size_t i = 0; i < reference_.tensors[k].x.size(); ++i)
        expect_same(x_[k].in_order(i, row_major_[k]), reference_.tensors[k].x[i], "parameter", k, i);
    for (std::size_t slot = 0; slot < Reference::state_count; ++slot) {
      const auto state = optimizer_.state(slot);
      Eigen::Index at = 0;
      for (std::size_t k = 0; k < x_.size(); ++k)
        for (std::size_t i = 0; i < reference_.tensors[k].x.size(); ++i)
          expect_same(at < state.size() ? state[at++] : S(0), reference_.tensors[k].state[slot][i],
                      C::state_names[slot], k, i);
      if (at != state.size()) difference_ = "number of elements of state";
    }
    if (!difference_.empty()) difference_ += " at step " + std::to_string(step);
  }

  void expect_same(S value, S expected, std::string_view what, std::size_t tensor, std::size_t element) {
    if (same_number(value, expected) || !difference_.empty()) return;
    std::ostringstream text;
    text << std::hexfloat << what << " of tensor " << tensor << " (" << x_[tensor].rows << "x" << x_[tensor].cols
         << ", of " << x_.size() << "), element " << element << ", is " << value << " instead of " << expected
         << std::defaultfloat << " (" << value << ", " << expected << "), passing "
         << std::array{"a range", "a tuple", "a vector", "a matrix"}[static_cast<std::size_t>(passing_)];
    difference_ = text.str();
  }

  Random random_;
  Reference reference_;
  Optimizer<C, S> optimizer_;
  Passing passing_ = Passing::range;
  Magnitude magnitude_ = Magnitude::usual;
  int steps_ = 0;
  int percent_of_zero_gradients_ = 0;
  std::vector<Elements<S>> x_;
  std::vector<bool> row_major_;  ///< of each tensor, the order of its state
  std::string difference_;
};

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

template <class S, class C>
void check_chain(std::type_identity<C> chain) {
  const std::uint64_t seed = number_from("DESCENT_TEST_SEED", 1), runs = number_from("DESCENT_TEST_RUNS", 200);
  std::uint64_t in_nan = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    Run<C, S> both(Random(seed).next() ^ run);
    const std::string difference = both.go();
    if (!difference.empty())
      FAIL_CHECK(name_of(chain) << " with " << detail::scalar_name<S>() << ", DESCENT_TEST_SEED=" << seed << ", run "
                                << run << ": " << difference);
    if (!difference.empty()) break;  // one of each chain is enough to look at
    if (both.ends_in_nan()) ++in_nan;
  }
  INFO(name_of(chain));
  CHECK(in_nan * 20 <= runs);  // such runs show little
}

/// Runs all chains of a list, every other one with float and the rest with double, because each takes a while to
/// compile.
template <class... Chains>
void check_chains(List<Chains...>) {
  [&]<std::size_t... at>(std::index_sequence<at...>) {
    (check_chain<std::conditional_t<at % 2 == 0, float, double>>(std::type_identity<Chains>{}), ...);
  }(std::index_sequence_for<Chains...>());
}

}  // namespace descent::test

// SPDX-License-Identifier: MIT
//
// A second implementation of Chain, as plain as possible: it takes one link after the other and applies each to whole
// arrays, one scalar operation at a time. It shares nothing with the library but the rules, which have tests of their
// own; every other number comes from the formulas that are documented for the links.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <descent/descent.hpp>

namespace descent::test {

/// a * b, rounded before anything else is done with it.
template <class S>
S times(S a, S b) {
  volatile S product = a * b;
  return product;
}

template <class S>
S real(double coefficient) {
  return static_cast<S>(coefficient);
}

inline constexpr double infinity = std::numeric_limits<double>::infinity();

// ---- Norms -----------------------------------------------------------------------------------------

/// The sum of the squares of scale * v, in blocks of 4096 elements, each in 16 lanes.
template <class S>
double sum_of_squares(const std::vector<S>& values, double scale) {
  double sum = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += 4096) {
    double lane[16] = {};
    for (std::size_t e = 0; e < 4096 && begin + e < values.size(); ++e) {
      const double v = times(static_cast<double>(values[begin + e]), scale);
      lane[e % 16] += times(v, v);
    }
    for (std::size_t half = 8; half > 0; half /= 2)
      for (std::size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
    sum += lane[0];
  }
  return sum;
}

/// The norm over several tensors together.
template <class S>
double norm(const std::vector<const std::vector<S>*>& tensors) {
  const auto sum = [&](double scale) {
    double all = 0;
    for (const auto* tensor : tensors) all += sum_of_squares(*tensor, scale);
    return all;
  };
  const double plain = sum(1);
  if (std::is_same_v<S, double> && plain < 0x1p-900) return times(std::sqrt(sum(0x1p600)), 0x1p-600);
  if (std::is_same_v<S, double> && !(plain < infinity)) return times(std::sqrt(sum(0x1p-600)), 0x1p600);
  return std::sqrt(plain);
}
template <class S>
double norm(const std::vector<S>& tensor) {
  return norm<S>({&tensor});
}

/// The factor that clips a norm.
template <class S>
S clip_factor(double norm, double max_norm) {
  return norm > max_norm ? real<S>(max_norm / norm) : S(1);
}

// ---- Links -----------------------------------------------------------------------------------------

/// One tensor on its way through the chain.
template <class S>
struct Work {
  Eigen::Index rows, cols;
  std::int64_t t;               ///< which of its steps this is, from 1
  double learning_rate;         ///< eta as this link sees it
  const std::vector<S>& start;  ///< the parameters before the step
  std::vector<S>& values;       ///< the gradient, then the step, then the parameters after it
  std::vector<S>* state;        ///< the state arrays of this link
};

template <class S>
S clipped(S v, S lower, S upper) {
  return v < lower ? lower : v > upper ? upper : v;
}

template <class S>
void apply(const transforms::GradientScale& link, Work<S>& work) {
  for (S& g : work.values) g = times(real<S>(link.factor), g);
}

template <class S>
void apply(const transforms::ClipValue& link, Work<S>& work) {
  const S limit = real<S>(link.limit);
  for (S& g : work.values) g = clipped(g, -limit, limit);
}

template <class S>
void apply(const transforms::ClipTensorNorm& link, Work<S>& work) {
  const S factor = clip_factor<S>(norm(work.values), link.max_norm);
  for (S& g : work.values) g = times(factor, g);
}

template <class S>
void apply(const transforms::L2Penalty& link, Work<S>& work) {
  for (std::size_t i = 0; i < work.values.size(); ++i)
    work.values[i] = work.values[i] + times(real<S>(link.weight_decay), work.start[i]);
}

template <class S>
void apply(const transforms::L1Penalty& link, Work<S>& work) {
  const S l = real<S>(link.weight_decay);
  for (std::size_t i = 0; i < work.values.size(); ++i) {
    const S x = work.start[i];
    work.values[i] = work.values[i] + (x > 0 ? l : x < 0 ? -l : S(0));
  }
}

template <class S>
void apply(const transforms::WeightDecay& link, Work<S>& work) {
  const bool applies = !link.matrices_only || (work.rows != 1 && work.cols != 1);
  const S decay = applies ? real<S>(times(work.learning_rate, link.weight_decay)) : S(0);
  for (std::size_t i = 0; i < work.values.size(); ++i) work.values[i] = work.values[i] + times(decay, work.start[i]);
}

template <class S>
void apply(const transforms::TrustRatio& link, Work<S>& work) {
  const double x = norm(work.start), u = norm(work.values);
  const double largest = std::numeric_limits<S>::max(), rate = times(work.learning_rate, link.trust_coefficient);
  const S ratio = x > 0 && u > 0 ? real<S>(std::min(times(rate, x) / u, largest)) : S(1);
  for (S& step : work.values) step = times(ratio, step);
}

template <class S>
void apply(const transforms::LayerwiseRate& link, Work<S>& work) {
  const double x = norm(work.start), u = norm(work.values);
  const double largest = std::numeric_limits<S>::max(), rate = times(work.learning_rate, link.trust_coefficient);
  const double decay = times(work.learning_rate, link.weight_decay), length = u + times(decay, x);
  const S ratio = x > 0 && u > 0 ? real<S>(std::min(times(rate, x) / length, largest)) : S(1);
  for (std::size_t i = 0; i < work.values.size(); ++i)
    work.values[i] = times(ratio, work.values[i] + times(real<S>(decay), work.start[i]));
}

template <class S>
void apply(const transforms::MomentumOfSteps& link, Work<S>& work) {
  const S factor = real<S>(link.form == MomentumForm::accumulated ? work.learning_rate : 1);
  for (std::size_t i = 0; i < work.values.size(); ++i) {
    S& v = work.state[0][i];
    v = times(real<S>(link.momentum), v) + work.values[i];
    work.values[i] = times(factor, v);
  }
}

template <class S>
void apply(const transforms::Bounds& link, Work<S>& work) {
  for (S& x : work.values) x = clipped(x, real<S>(link.lower), real<S>(link.upper));
}

template <class S>
void apply(const transforms::SoftThreshold& link, Work<S>& work) {
  const S w = real<S>(times(work.learning_rate, link.weight));
  for (S& x : work.values) x = x - clipped(x, -w, w);
}

template <class S>
void apply(const transforms::Average& link, Work<S>& work) {
  const S d = work.t == 1 ? S(0) : real<S>(link.decay);
  const S rest = S(1) - d;
  for (std::size_t i = 0; i < work.values.size(); ++i) {
    S& a = work.state[0][i];
    a = times(d, a) + times(rest, work.values[i]);
  }
}

template <class S>
void apply(const transforms::EqualAverage& link, Work<S>& work) {
  const std::int64_t n = std::max<std::int64_t>(1, work.t - link.start);
  for (std::size_t i = 0; i < work.values.size(); ++i) {
    const S x = work.values[i];
    S& a = work.state[0][i];
    a = n == 1 ? x : a + times(real<S>(1.0 / static_cast<double>(n)), x - a);
  }
}

template <class S>
void apply(const transforms::Lookahead& link, Work<S>& work) {
  for (std::size_t i = 0; i < work.values.size(); ++i) {
    S& x = work.values[i];
    S& s = work.state[0][i];
    if (work.t == 1) s = work.start[i];
    if (work.t % link.period == 0) {
      s = s + times(real<S>(link.alpha), x - s);
      x = s;
    }
  }
}

/// Applies a link to all tensors, each with its own hyperparameters.
template <class S, class Link>
void apply_to_all(const std::vector<const Link*>& links, std::vector<Work<S>>& works) {
  for (std::size_t k = 0; k < works.size(); ++k) apply(*links[k], works[k]);
}
template <class S>
void apply_to_all(const std::vector<const transforms::ClipNorm*>& links, std::vector<Work<S>>& works) {
  std::vector<const std::vector<S>*> gradients;
  for (const Work<S>& work : works) gradients.push_back(&work.values);
  const double together = norm(gradients);
  for (std::size_t k = 0; k < works.size(); ++k) {
    const S factor = clip_factor<S>(together, links[k]->max_norm);
    for (S& g : works[k].values) g = times(factor, g);
  }
}

/// The step of a rule, element by element. (A rule is no link, and its kernel is the library's.)
template <class S, class R>
void apply_rule(R rule, const StepCounter<R>& counter, Work<S>& work) {
  using Number = kernel::Pack<S, 0>;
  constexpr std::size_t count = R::state_names.size();
  rule.learning_rate = work.learning_rate;
  detail::with_kernel<S>(rule, counter, [&](const auto& kernel) {
    for (std::size_t i = 0; i < work.values.size(); ++i) {
      const Number x = Number::load(&work.start[i]), g = Number::load(&work.values[i]);
      std::array<Number, count> state;
      for (std::size_t k = 0; k < count; ++k) state[k] = Number::load(&work.state[k][i]);
      const Number u = std::apply([&](auto&... s) { return Number(kernel(x, g, s...)); }, state);
      u.store(&work.values[i]);
      for (std::size_t k = 0; k < count; ++k) state[k].store(&work.state[k][i]);
    }
  });
}

// ---- Chains ----------------------------------------------------------------------------------------

template <class T>
concept IsLink = requires { T::place; };

/// What a type is good for in a chain: a link its place; the rule none.
template <class T>
constexpr std::optional<Place> place_of() {
  if constexpr (IsLink<T>)
    return T::place;
  else
    return std::nullopt;
}

template <class... Links>
struct RuleAmong;
template <class First, class... Rest>
struct RuleAmong<First, Rest...> {
  using type = typename std::conditional_t<IsLink<First>, RuleAmong<Rest...>, std::type_identity<First>>::type;
};

template <class T, class... Links>
constexpr std::size_t index_among() {
  const bool same[] = {std::is_same_v<T, Links>...};
  std::size_t i = 0;
  while (i < sizeof...(Links) && !same[i]) ++i;
  return i;
}

template <class C, class S>
class ReferenceOptimizer;

/// What Optimizer<Chain<Links...>, S> should do.
template <class... Links, class S>
class ReferenceOptimizer<Chain<Links...>, S> {
 public:
  using Rules = Chain<Links...>;
  using R = typename RuleAmong<Links...>::type;
  static constexpr std::size_t state_count = (0 + ... + Links::state_names.size());

  struct Tensor {
    Eigen::Index rows, cols;
    std::vector<S> x;  ///< like the state, in the order in which the first step sees them
    std::array<std::vector<S>, state_count> state;
    StepCounter<R> counter;
    bool frozen = false;
    std::optional<Rules> own;
  };

  Rules common;
  std::vector<Tensor> tensors;
  std::int64_t steps = 0;

  const Rules& hyperparameters(const Tensor& tensor) const { return tensor.own ? *tensor.own : common; }

  /// The index of a link's first state array.
  template <class Link>
  static constexpr std::size_t first_state() {
    constexpr std::size_t counts[] = {Links::state_names.size()...};
    std::size_t sum = 0;
    for (std::size_t i = 0; i < index_among<Link, Links...>(); ++i) sum += counts[i];
    return sum;
  }

  /// gradients: one for each tensor, in the order of x.
  void step(std::vector<std::vector<S>> gradients) {
    if (steps++ == 0)
      for (Tensor& tensor : tensors) (start_state<Links>(tensor), ...);

    std::vector<Tensor*> moving;
    std::vector<Work<S>> works;
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      Tensor& tensor = tensors[k];
      if (tensor.frozen) continue;
      tensor.counter = tensor.counter.next(static_cast<const R&>(hyperparameters(tensor)));
      if (tensor.counter.t % 32 == 0) (flush<Links>(tensor), ...);
      moving.push_back(&tensor);
      works.push_back({tensor.rows, tensor.cols, tensor.counter.t, 0, tensor.x, gradients[k], nullptr});
    }

    (run<Links, Place::gradient>(moving, works), ...);
    (run<Links>(moving, works), ...);
    (run<Links, Place::step>(moving, works), ...);
    for (Work<S>& work : works)
      for (std::size_t i = 0; i < work.values.size(); ++i) work.values[i] = work.start[i] - work.values[i];
    (run<Links, Place::parameters>(moving, works), ...);
    for (std::size_t k = 0; k < works.size(); ++k) moving[k]->x = works[k].values;
  }

  static constexpr bool has_average =
      index_among<transforms::Average, Links...>() + index_among<transforms::EqualAverage, Links...>() <
      2 * sizeof...(Links);

  const std::vector<S>& averaged(const Tensor& tensor) const {
    if (tensor.counter.t == 0) return tensor.x;
    if constexpr (index_among<transforms::Average, Links...>() < sizeof...(Links))
      return tensor.state[first_state<transforms::Average>()];
    else
      return tensor.state[first_state<transforms::EqualAverage>()];
  }

 private:
  template <class Link>
  void start_state(Tensor& tensor) const {
    for (std::size_t k = 0; k < Link::state_names.size(); ++k) {
      double start = std::is_same_v<Link, transforms::Average> ? -0.0 : 0.0;
      if constexpr (HasInitialState<Link> && !IsLink<Link>) start = initial_state<Link>(hyperparameters(tensor))[k];
      tensor.state[first_state<Link>() + k].assign(tensor.x.size(), real<S>(start));
    }
  }

  /// State below its threshold becomes 0.
  template <class Link>
  static void flush(Tensor& tensor) {
    for (std::size_t k = 0; k < Link::state_names.size(); ++k) {
      S threshold = std::is_same_v<S, float> ? real<S>(0x1p-100) : real<S>(0x1p-996);
      if constexpr (!IsLink<Link>) threshold = detail::state_thresholds<S, Link>()[k];
      for (S& s : tensor.state[first_state<Link>() + k])
        if (std::fabs(s) < threshold) s = 0;
    }
  }

  /// The learning rate that a link, or the rule, sees: 1 if it comes before momentum that accumulates.
  template <class Link>
  static double learning_rate(const Rules& rules) {
    if constexpr (index_among<Link, Links...>() < index_among<transforms::MomentumOfSteps, Links...>() &&
                  index_among<transforms::MomentumOfSteps, Links...>() < sizeof...(Links))
      if (static_cast<const transforms::MomentumOfSteps&>(rules).form == MomentumForm::accumulated) return 1;
    return static_cast<const R&>(rules).learning_rate;
  }

  /// Runs the link if it has this place.
  template <class Link, Place... place>
  void run(const std::vector<Tensor*>& moving, std::vector<Work<S>>& works) const {
    if constexpr (std::is_same_v<Link, R> ? sizeof...(place) == 0 : ((place_of<Link>() == place) || ...)) {
      std::vector<const Link*> links;
      for (std::size_t k = 0; k < works.size(); ++k) {
        links.push_back(&hyperparameters(*moving[k]));
        works[k].learning_rate = learning_rate<Link>(hyperparameters(*moving[k]));
        works[k].state = moving[k]->state.data() + first_state<Link>();
        if constexpr (std::is_same_v<Link, R>) apply_rule<S, R>(*links[k], moving[k]->counter, works[k]);
      }
      if constexpr (!std::is_same_v<Link, R>) apply_to_all(links, works);
    }
  }
};

}  // namespace descent::test

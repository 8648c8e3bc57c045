// SPDX-License-Identifier: MIT
//
// Chains against whole recipes of the frameworks: trajectories of 100 steps of a matrix and a vector that PyTorch,
// optax and Keras took (golden/make_chains.py made them, golden/chains.txt holds them, with the versions), and the
// averages that they kept beside. In all of them the learning rate is halved after step 50. In float the matrix is
// row-major, in double column-major.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>

#include <descent/chain.hpp>
#include <descent/descent.hpp>
#include <descent/presets.hpp>

#include "catch.hpp"
#include "golden.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::test::golden;
using namespace descent::transforms;

/// What a recipe is compared with, and what it does besides.
template <class C>
struct Recipe {
  C chain;
  std::optional<C> of_vector = {};     ///< the vector's own hyperparameters
  int frozen_from = 0, frozen_to = 0;  ///< the steps at which the vector is frozen
  double norm_epsilon = 0;             ///< what the framework adds to the norm by which it divides

  bool freezes(int t) const { return frozen_from <= t && t <= frozen_to; }
};

template <class C, class Link>
constexpr bool has = std::is_base_of_v<Link, C>;

template <class Link, class C>
const Link& link_of(const C& chain) {
  return chain;
}

template <class Link>
concept HasLearningRate = requires(Link& link) { link.learning_rate = 1.0; };

/// The rule of a chain: of its links, the one with a learning rate.
template <class... Links>
struct RuleAmong;
template <class First, class... Rest>
struct RuleAmong<First, Rest...>
    : std::conditional_t<HasLearningRate<First>, std::type_identity<First>, RuleAmong<Rest...>> {};
template <class C>
struct RuleOf;
template <class... Links>
struct RuleOf<Chain<Links...>> : RuleAmong<Links...> {};

/// How far the framework's parameters of one tensor, and what it keeps beside them, may differ from the chain's.
///
/// The bound counts roundings of u, half an ulp of 1, to first order, and follows them from step to step: `..._error`
/// is the number of roundings by which framework and library together may be apart. For the rule it is as in
/// golden.cpp: in each of the two 16 roundings in a step and 5 more in the state with every step, besides those of
/// Adam's bias corrections, all relative to the step of a twin that gets the absolute values of the gradients. Where
/// the gradients are themselves apart by a share of their sizes, the moments and the velocity are too, and the quotient
/// of a moment and the root of another by twice that share.
///
/// For the links, each of the two needs no more roundings than
///
/// - 16 for a norm of 8 numbers, the quotient with it and the product with that
/// - 2 for a scaled gradient
/// - 3 for g + weight_decay x, of the sizes of both
/// - 3 for the decayed weights
/// - 2 for a velocity, of the sizes of both terms, and 2 for a step that is a multiple of it
/// - 2 of x for the difference of x and all that, on average: the library needs 1, and frameworks up to 3, as they
///   multiply x by 1 - learning_rate weight_decay first or subtract twice
/// - 5 of the largest x for an average, (1 - w) a + w x or a + w (x - a); with w = 1 / n, 1 and another 6 / n
/// - 5 of the largest x for what a lookahead moves, in an order of its own.
///
/// Links that clip elements or parameters need none, as the limits are exact. The twin cannot have links that depend on
/// x. So rule and twin take each step alone, from 0, and the links follow here, in double.
template <class C>
class Bound {
  using R = typename RuleOf<C>::type;

 public:
  Bound(const C& chain, const Vector<double>& x, double u, double norm_epsilon)
      : chain_(chain),
        rule_(static_cast<const R&>(chain)),
        twin_(rule_),
        u_(u),
        norm_epsilon_(norm_epsilon),
        zero_(Vector<double>::Zero(x.size())),
        farthest_(x.cwiseAbs()) {
    if (at_rate_one()) rule_.learning_rate = twin_.learning_rate = 1;
  }

  void halve_rate() {
    chain_.learning_rate /= 2;
    if (!at_rate_one()) rule_.learning_rate = twin_.learning_rate = chain_.learning_rate;
  }

  /// A step from x; `norm` is that of the gradient of all tensors.
  void step(const Vector<double>& x, const Vector<double>& gradient, double norm) {
    ++t_;
    take_rule_step(x, gradient, norm);
    take_step_links(x);
    way_ += size_.cwiseMax(step_.cwiseAbs());
    farthest_ = farthest_.cwiseMax((x - step_).cwiseAbs());
    x_error_ += step_error_ + 4 * farthest_;
    follow_average();
    if constexpr (has<C, Lookahead>) {
      const auto& lookahead = link_of<Lookahead>(chain_);
      if (t_ % lookahead.period == 0)
        x_error_ = beside_error_ = (1 - lookahead.alpha) * beside_error_ + lookahead.alpha * x_error_ + 10 * farthest_;
    }
  }

  void check(const Vector<double>& x, const Vector<double>& expected) const { check(x, expected, x_error_); }

  /// The average, or the slow parameters of a lookahead.
  void check_beside(const Vector<double>& beside, const Vector<double>& expected) const {
    check(beside, expected, beside_error_);
  }

 private:
  /// Accumulated momentum of steps takes those of rate 1.
  bool at_rate_one() const {
    if constexpr (has<C, MomentumOfSteps>) return link_of<MomentumOfSteps>(chain_).form == MomentumForm::accumulated;
    return false;
  }

  void take_rule_step(const Vector<double>& x, Vector<double> g, double norm) {
    Vector<double> size = g.cwiseAbs(), error = zero_;  // the error of g is relative to its size
    if constexpr (has<C, GradientScale>) {
      const double factor = link_of<GradientScale>(chain_).factor;
      g *= factor, size *= std::abs(factor);
      error.array() += 4;
    }
    if constexpr (has<C, L2Penalty>) {
      const double decay = link_of<L2Penalty>(chain_).weight_decay;
      g += decay * x;
      const Vector<double> scaled = error.cwiseProduct(size);
      size += decay * x.cwiseAbs();
      for (Eigen::Index i = 0; i < x.size(); ++i)
        if (size[i] > 0) error[i] = 6 + (scaled[i] + decay * x_error_[i]) / size[i];
    }
    double factor = 1;
    if constexpr (has<C, ClipNorm>) {
      const double most = link_of<ClipNorm>(chain_).max_norm;
      factor = (std::min)(1.0, most / norm);
      error.array() += 32;
      if (norm_epsilon_ > 0 && norm > most - norm_epsilon_) error.array() += norm_epsilon_ / norm / u_;
    }
    if constexpr (has<C, ClipTensorNorm>) {
      factor = (std::min)(1.0, link_of<ClipTensorNorm>(chain_).max_norm / g.norm());
      error.array() += 32;
    }
    g *= factor, size *= factor;
    if constexpr (has<C, ClipValue>) {
      const double limit = link_of<ClipValue>(chain_).limit;
      g = g.cwiseMin(limit).cwiseMax(-limit), size = size.cwiseMin(limit);
    }
    gradient_error_ = gradient_error_.cwiseMax(error);
    step_ = step_of(rule_, g);
    size_ = step_of(twin_, size);
    step_error_ = ((32 + 10 * t_ + step_roundings(static_cast<const R&>(chain_), t_)) * size_.array() +
                   2 * gradient_error_.array() * size_.array())
                      .matrix();
  }

  Vector<double> step_of(Optimizer<R, double>& optimizer, const Vector<double>& g) const {
    Vector<double> x = zero_;
    optimizer.step(x, g);
    return -x;
  }

  void take_step_links(const Vector<double>& x) {
    if constexpr (has<C, WeightDecay>) {
      const auto& decay = link_of<WeightDecay>(chain_);
      const bool is_vector = x.size() == 2;
      const double factor = decay.matrices_only && is_vector ? 0 : chain_.learning_rate * decay.weight_decay;
      step_ += factor * x;
      size_ += factor * x.cwiseAbs();
      step_error_ += factor * (6 * x.cwiseAbs() + x_error_);
    }
    if constexpr (has<C, TrustRatio>) {
      const double x_norm = x.norm(), step_norm = step_.norm();
      const double ratio = chain_.learning_rate * x_norm / step_norm;
      const double ratio_error = x_error_.norm() / x_norm + step_error_.norm() / step_norm + 32;
      step_error_ = ratio * (step_error_ + ratio_error * step_.cwiseAbs());
      step_ *= ratio, size_ *= ratio;
    }
    if constexpr (has<C, MomentumOfSteps>) {
      const double mu = link_of<MomentumOfSteps>(chain_).momentum;
      velocity_error_ = mu * velocity_error_ + step_error_ + 4 * (mu * velocity_size_ + size_);
      velocity_ = mu * velocity_ + step_;
      velocity_size_ = mu * velocity_size_ + size_;
      const double factor = at_rate_one() ? chain_.learning_rate : 1;
      step_ = factor * velocity_, size_ = factor * velocity_size_;
      step_error_ = factor * velocity_error_ + 4 * size_;
    }
  }

  void follow_average() {
    if constexpr (has<C, Average>) {
      const double decay = t_ == 1 ? 0 : link_of<Average>(chain_).decay;
      beside_error_ = decay * beside_error_ + (1 - decay) * x_error_ + 10 * farthest_;
    }
    if constexpr (has<C, EqualAverage>) {
      const double share = 1 / (std::max)(1.0, static_cast<double>(t_ - link_of<EqualAverage>(chain_).start));
      beside_error_ = (1 - share) * beside_error_ + share * x_error_ + (2 + 12 * share) * farthest_;
    }
  }

  void check(const Vector<double>& x, const Vector<double>& expected, const Vector<double>& error) const {
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      INFO("t = " << t_ << ", i = " << i << ", u = " << u_);
      CHECK(std::abs(x[i] - expected[i]) <= u_ * error[i]);
      const double most = (u_ < 1e-15 ? 1e-12 : 1e-3) + 4 * norm_epsilon_;
      CHECK(u_ * error[i] <= most * (farthest_[i] + way_[i]));
    }
  }

  C chain_;
  Optimizer<R, double> rule_, twin_;
  double u_, norm_epsilon_;
  int t_ = 0;
  Vector<double> zero_;
  Vector<double> farthest_, way_ = zero_;                            ///< as in golden.cpp
  Vector<double> step_ = zero_, size_ = zero_, step_error_ = zero_;  ///< the step, that of the twin, and the error
  Vector<double> gradient_error_ = zero_;                            ///< relative; the largest so far
  Vector<double> velocity_ = zero_, velocity_size_ = zero_, velocity_error_ = zero_;
  Vector<double> x_error_ = zero_, beside_error_ = zero_;
};

/// A matrix and a vector with the numbers of a golden line: the matrix row by row, then the vector.
template <class Scalar, int Order>
struct Tensors {
  using Rows = Eigen::Matrix<double, 3, 2, Eigen::RowMajor>;

  Eigen::Matrix<Scalar, 3, 2, Order> matrix;
  Eigen::Vector<Scalar, 2> vector;

  explicit Tensors(const Vector<double>& numbers)
      : matrix(Eigen::Map<const Rows>(numbers.data()).template cast<Scalar>()),
        vector(numbers.tail<2>().template cast<Scalar>()) {}

  auto tie() { return std::tie(matrix, vector); }
  auto tie() const { return std::tie(matrix, vector); }

  static Vector<double> numbers_of(const auto& matrix, const auto& vector) {
    Vector<double> numbers(8);
    Eigen::Map<Rows>(numbers.data()) = matrix.template cast<double>();
    numbers.tail<2>() = vector.template cast<double>();
    return numbers;
  }
  Vector<double> numbers() const { return numbers_of(matrix, vector); }
};

/// What a chain keeps beside the parameters, in the order of a golden line.
template <class C, class Scalar, int Order>
Vector<double> beside(const Optimizer<C, Scalar>& optimizer, const Tensors<Scalar, Order>& x) {
  if constexpr (has<C, Lookahead>) {
    const auto slow = optimizer.state("slow");
    return Tensors<Scalar, Order>::numbers_of(Eigen::Map<const Eigen::Matrix<Scalar, 3, 2, Order>>(slow.data()),
                                              slow.template tail<2>());
  } else {
    const auto average = optimizer.averaged(x.tie());
    return Tensors<Scalar, Order>::numbers_of(std::get<0>(average), std::get<1>(average));
  }
}

template <class C>
constexpr bool keeps_beside = has<C, Average> || has<C, EqualAverage> || has<C, Lookahead>;

/// Takes the 100 steps and compares.
template <class Scalar, int Order, class C>
void follow(const Trajectory& golden, const Trajectory& golden_beside, const Recipe<C>& recipe) {
  constexpr std::array<Eigen::Index, 2> begins{0, 6}, sizes{6, 2};
  constexpr double u = std::numeric_limits<Scalar>::epsilon() / 2.0;
  REQUIRE(golden.contains(steps));
  const Vector<double>& start = golden.at(0);
  const C& of_vector = recipe.of_vector ? *recipe.of_vector : recipe.chain;
  std::array<Bound<C>, 2> bounds{Bound<C>(recipe.chain, start.head<6>(), u, recipe.norm_epsilon),
                                 Bound<C>(of_vector, start.tail<2>(), u, recipe.norm_epsilon)};
  auto optimizer = make_optimizer<Scalar>(recipe.chain);
  if (recipe.of_vector) optimizer.tensor_rule(1) = *recipe.of_vector;
  Tensors<Scalar, Order> x(start);
  for (int t = 1; t <= steps; ++t) {
    if (t == halved_after + 1) {
      optimizer.learning_rate /= 2;
      if (recipe.of_vector) optimizer.tensor_rule(1).learning_rate /= 2;
      for (auto& bound : bounds) bound.halve_rate();
    }
    const bool frozen = recipe.freezes(t);
    if (frozen) optimizer.freeze(1);
    if (!frozen && recipe.freezes(t - 1)) optimizer.unfreeze(1);
    const Vector<double>& gradient = gradients()[static_cast<std::size_t>(t - 1)];
    const Vector<double> before = x.numbers();
    const Tensors<Scalar, Order> g(gradient);
    optimizer.step(x.tie(), g.tie());

    const Vector<double> now = x.numbers();
    const bool compares = golden.contains(t), compares_beside = golden_beside.contains(t);
    const Vector<double> kept = [&]() -> Vector<double> {
      if constexpr (keeps_beside<C>)
        return beside(optimizer, x);
      else
        return now;
    }();
    for (std::size_t k = 0; k < 2; ++k) {
      const auto part = [&](const Vector<double>& numbers) -> Vector<double> {
        return numbers.segment(begins[k], sizes[k]);
      };
      if (k == 0 || !frozen) bounds[k].step(part(before), part(gradient), gradient.norm());
      if (compares) bounds[k].check(part(now), part(golden.at(t)));
      if (compares_beside) bounds[k].check_beside(part(kept), part(golden_beside.at(t)));
    }
  }
}

/// The golden trajectories of one framework.
class Framework {
 public:
  explicit Framework(const std::string& name) : prefix_(name + "."), goldens_(trajectories("chains.txt", prefix_)) {}

  template <class C>
  void takes(const std::string& name, const Recipe<C>& recipe) {
    INFO(name);
    compare<float, Eigen::RowMajor>(name, "float", recipe);
    compare<double, Eigen::ColMajor>(name, "double", recipe);
  }
  template <class... Links>
  void takes(const std::string& name, const Chain<Links...>& chain) {
    takes(name, Recipe<Chain<Links...>>{chain});
  }

  std::string left() const { return goldens_.left(); }

 private:
  template <class Scalar, int Order, class C>
  void compare(const std::string& name, const std::string& scalar, const Recipe<C>& recipe) {
    Trajectory kept;
    if constexpr (keeps_beside<C>) {
      kept = goldens_.take(prefix_ + name + (has<C, Lookahead> ? "_slow " : "_average ") + scalar);
      REQUIRE(kept.contains(steps));
    }
    follow<Scalar, Order>(goldens_.take(prefix_ + name + " " + scalar), kept, recipe);
  }

  std::string prefix_;
  Goldens<Trajectory> goldens_;
};

template <class R>
R at_rate(R rule, double rate) {
  rule.learning_rate = rate;
  return rule;
}

// As in golden/make_chains.py.
constexpr double max_norm = 100, max_tensor_norm = 10, limit = 0.25, decay = 0.1, average_decay = 0.9;
constexpr int equal_average_after = 30;

}  // namespace

TEST_CASE("recipes of PyTorch", "[golden]") {
  using namespace presets::pytorch;
  Framework pytorch("pytorch");
  const WeightDecay of_matrix{.weight_decay = decay, .matrices_only = true};
  pytorch.takes("adamw", Chain{at_rate(adam(), 0.01), of_matrix});
  pytorch.takes("adamw_ema", Chain{at_rate(adam(), 0.01), of_matrix, Average{average_decay}});
  pytorch.takes("momentum_swa", Chain{momentum(), EqualAverage{equal_average_after}});
  pytorch.takes("clip_norm_adam", Chain{ClipNorm{max_norm}, adam()});
  using ClippedAdam = decltype(Chain{ClipNorm{}, adam()});
  pytorch.takes("clip_grad_norm_adam",
                Recipe<ClippedAdam>{.chain = Chain{ClipNorm{max_norm}, adam()}, .norm_epsilon = 1e-6});
  pytorch.takes("clip_value_momentum", Chain{ClipValue{limit}, momentum()});
  pytorch.takes("clip_value_rmsprop_momentum",
                Chain{ClipValue{limit}, rmsprop(), MomentumOfSteps{0.9, MomentumForm::accumulated}});
  using AdamAlone = decltype(Chain{adam()});
  const auto of_vector =
      with(adam(), [](auto& rule) { rule.learning_rate = 0.01, rule.beta1 = 0.8, rule.beta2 = 0.99; });
  pytorch.takes("adam_groups", Recipe<AdamAlone>{.chain = Chain{adam()}, .of_vector = Chain{of_vector}});
  pytorch.takes("adam_frozen", Recipe<AdamAlone>{.chain = Chain{adam()}, .frozen_from = 11, .frozen_to = 40});
  CHECK(pytorch.left() == "");
}

TEST_CASE("recipes of optax", "[golden]") {
  using namespace presets::optax;
  Framework optax("optax");
  const WeightDecay of_matrix{.weight_decay = decay, .matrices_only = true};
  const auto faster_adam = at_rate(adam(), 0.01);
  optax.takes("clip_norm_adamw", Chain{ClipNorm{max_norm}, faster_adam, of_matrix});
  optax.takes("clip_norm_adamw_ema", Chain{ClipNorm{max_norm}, faster_adam, of_matrix, Average{average_decay}});
  optax.takes("clip_sgd", Chain{ClipValue{limit}, sgd()});
  optax.takes("scale_l2_adam", Chain{GradientScale{0.5}, L2Penalty{decay}, adam()});
  optax.takes("lamb",
              Chain{with(faster_adam, [](auto& rule) { rule.epsilon = 1e-6; }), WeightDecay{decay}, TrustRatio{}});
  // The rate of lars is 1 and its trust_coefficient 0.001: they are factors of the same step.
  optax.takes("lars", Chain{L2Penalty{decay}, at_rate(sgd(), 0.001), TrustRatio{}, MomentumOfSteps{0.9}});
  optax.takes("adam_box", Chain{faster_adam, Bounds{.lower = -1.5, .upper = 1.25}});
  optax.takes("lookahead", Chain{faster_adam, Lookahead{.period = 5, .alpha = 0.5}});
  CHECK(optax.left() == "");
}

TEST_CASE("recipes of Keras", "[golden]") {
  using namespace presets::keras;
  Framework keras("keras");
  const auto faster_adam = at_rate(adam(), 0.01);
  keras.takes("clipnorm_momentum", Chain{ClipTensorNorm{max_tensor_norm}, momentum()});
  keras.takes("global_clipnorm_adam", Chain{ClipNorm{max_norm}, adam()});
  keras.takes("clipvalue_rmsprop", Chain{ClipValue{limit}, rmsprop()});
  keras.takes("momentum_weight_decay", Chain{momentum(), WeightDecay{decay}});
  keras.takes("adamw_matrix", Chain{faster_adam, WeightDecay{.weight_decay = decay, .matrices_only = true}});
  keras.takes("adamw_ema", Chain{faster_adam, WeightDecay{decay}, Average{average_decay}});
  CHECK(keras.left() == "");
}

// SPDX-License-Identifier: MIT
//
// The presets against the frameworks themselves: trajectories of 100 steps that PyTorch, Keras and
// optax took (golden/make_*.py made them, golden/*.txt hold them, with the versions), and the papers'
// formulas in 50 digits. In all of them the learning rate is halved after step 50.
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <descent/presets.hpp>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using transforms::L2Penalty;
using transforms::MomentumOfSteps;

constexpr int steps = 100;
constexpr int halved_after = 50;

std::vector<std::istringstream> lines_of(const std::string& file) {
  std::ifstream in(DESCENT_GOLDEN_DIR "/" + file);
  std::vector<std::istringstream> lines;
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with('#')) lines.emplace_back(line);
  INFO(DESCENT_GOLDEN_DIR "/" << file);
  REQUIRE_FALSE(lines.empty());
  return lines;
}

Vector<double> numbers_of(std::istringstream& line) {
  Vector<double> numbers(8);
  for (double& number : numbers) line >> number;
  REQUIRE(line);
  return numbers;
}

/// Exact in float too.
const std::vector<Vector<double>>& gradients() {
  static const auto rows = [] {
    std::vector<Vector<double>> read;
    for (auto& line : lines_of("gradients.txt")) {
      std::size_t t = 0;
      line >> t;
      read.push_back(numbers_of(line));
      REQUIRE(t == read.size());
    }
    REQUIRE(read.size() == steps);
    return read;
  }();
  return rows;
}

/// The number of roundings by which 1 - beta^t may differ if beta and its powers are in the scalar, as in Keras and
/// optax: beta is rounded once, and so may be each of its powers.
double correction_roundings(double beta, int t) {
  const double power = std::pow(beta, t);
  return (t + 1) * power / (1 - power);
}

template <class R>
double step_roundings(const R& rule, int t) {
  if constexpr (std::is_base_of_v<rules::Adam, R>)
    return correction_roundings(rule.beta1, t) + correction_roundings(rule.beta2, t) / 2;
  else
    return 0;
}

/// The parameters after some of the steps.
using Golden = std::map<int, Vector<double>>;

/// How far the framework's parameters may differ. Not a template, because it is the same for all rules.
///
/// The bound counts roundings of u, half an ulp of 1. Framework and library each compute a step in at most 16
/// (formulas.cpp), and pass on to the next one at most 5 in the state and 1 in x: 32 and 12 t for both, and for Adam
/// those of the bias corrections. They are relative to the running magnitude: how far x has been, and how far it went
/// or would have gone without any cancellation, as shown by a twin that gets the absolute values of the gradients. In
/// double that is less than 1e-12 of the magnitude in all.
class Bound {
 public:
  explicit Bound(const Vector<double>& start) : farthest_(start.cwiseAbs()) {}

  void step(const Vector<double>& x_step, const Vector<double>& twin_step, const Vector<double>& x, double roundings) {
    const Vector<double> step = x_step.cwiseAbs().cwiseMax(twin_step.cwiseAbs());
    way_ += step;
    corrections_ += roundings * step;
    farthest_ = farthest_.cwiseMax(x.cwiseAbs());
  }

  void check(const Vector<double>& x, const Vector<double>& expected, int t, double u) const {
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      INFO("t = " << t << ", i = " << i << ", u = " << u);
      const double bound = u * ((32 + 12 * t) * (farthest_[i] + way_[i]) + corrections_[i]);
      REQUIRE(std::abs(x[i] - expected[i]) <= bound);
      REQUIRE(bound <= (u < 1e-15 ? 1e-12 : 1e-3) * (farthest_[i] + way_[i]));
    }
  }

 private:
  Vector<double> farthest_, way_ = Vector<double>::Zero(8), corrections_ = way_;
};

/// Takes the 100 steps and compares.
template <class Scalar, class R>
void follow(const Golden& golden, const R& rule) {
  Optimizer<R, Scalar> optimizer(rule);
  Optimizer<R, double> twin(rule);
  Vector<Scalar> x = golden.at(0).template cast<Scalar>();
  Vector<double> now = golden.at(0), twin_now = Vector<double>::Zero(8);
  Bound bound(now);
  for (int t = 1; t <= steps; ++t) {
    const Vector<double>& g = gradients()[static_cast<std::size_t>(t - 1)];
    const Vector<double> before = now, twin_before = twin_now;
    Vector<double> g_size = g.cwiseAbs();
    if constexpr (requires { rule.weight_decay; }) {
      g_size += rule.weight_decay * before.cwiseAbs();
      twin.weight_decay = 0;
    }
    if (t == halved_after + 1) optimizer.learning_rate = twin.learning_rate = rule.learning_rate / 2;
    optimizer.step(x, Vector<Scalar>(g.template cast<Scalar>()));
    twin.step(twin_now, g_size);
    now = x.template cast<double>();
    bound.step(now - before, twin_now - twin_before, now, step_roundings(rule, t));
    if (golden.contains(t)) bound.check(now, golden.at(t), t, std::numeric_limits<Scalar>::epsilon() / 2.0);
  }
}

/// The golden trajectories of one framework, each to be compared once.
class Framework {
 public:
  explicit Framework(const std::string& name) {
    for (auto& line : lines_of(name + ".txt")) {
      std::string golden, scalar;
      int t = 0;
      line >> golden >> scalar >> t;
      goldens_[golden + " " + scalar][t] = numbers_of(line);
    }
  }

  template <class R>
  void takes(const std::string& golden, const R& rule) {
    INFO(golden);
    follow<float>(take(golden + " float"), rule);
    follow<double>(take(golden + " double"), rule);
  }

  /// The names of those that have not been compared yet.
  std::string left() const {
    std::string names;
    for (const auto& [name, golden] : goldens_) names += name + "\n";
    return names;
  }

 private:
  Golden take(const std::string& name) {
    INFO(name);
    REQUIRE(goldens_[name].contains(steps));
    return goldens_.extract(name).mapped();
  }

  std::map<std::string, Golden> goldens_;
};

/// The rule with its members changed: with(adam(), [](auto& rule) { rule.beta1 = 0.5; }).
template <class R, class Change>
R with(R rule, Change&& change) {
  change(rule);
  return rule;
}

}  // namespace

TEST_CASE("PyTorch", "[golden]") {
  using namespace presets::pytorch;
  Framework pytorch("pytorch");
  pytorch.takes("sgd", sgd());
  pytorch.takes("sgd_weight_decay", Chain{L2Penalty{0.1}, sgd()});
  pytorch.takes("momentum", momentum());
  pytorch.takes("momentum_dampening", with(momentum(), [](auto& rule) { rule.dampening = 0.4; }));
  pytorch.takes("momentum_weight_decay", Chain{L2Penalty{0.1}, momentum()});
  pytorch.takes("nesterov", nesterov());
  pytorch.takes("nesterov_weight_decay", Chain{L2Penalty{0.1}, nesterov()});
  pytorch.takes("adagrad", adagrad());
  pytorch.takes("adagrad_lr_decay", with(adagrad(), [](auto& rule) { rule.learning_rate_decay = 0.1; }));
  const auto accumulated = with(adagrad(), [](auto& rule) { rule.initial_accumulator = 0.1; });
  pytorch.takes("adagrad_accumulator", accumulated);
  pytorch.takes("adagrad_accumulator_weight_decay", Chain{L2Penalty{0.1}, accumulated});
  pytorch.takes("rmsprop", rmsprop());
  pytorch.takes("rmsprop_momentum", with_momentum(rmsprop(), 0.9));
  pytorch.takes("rmsprop_centered", centered_rmsprop());
  pytorch.takes("rmsprop_centered_momentum", with_momentum(centered_rmsprop(), 0.9));
  pytorch.takes("rmsprop_everything", Chain{L2Penalty{0.1}, centered_rmsprop(), MomentumOfSteps{0.9, MomentumForm::accumulated}});
  pytorch.takes("adadelta", adadelta());
  pytorch.takes("adadelta_weight_decay", Chain{L2Penalty{0.1}, adadelta()});
  pytorch.takes("adam", adam());
  pytorch.takes("adam_betas_eps",
                with(adam(), [](auto& rule) { rule.beta1 = 0.5, rule.beta2 = 0.9, rule.epsilon = 1e-3; }));
  pytorch.takes("adam_weight_decay", Chain{L2Penalty{0.1}, adam()});
  CHECK(pytorch.left() == "");
}

TEST_CASE("Keras", "[golden]") {
  using namespace presets::keras;
  Framework keras("keras");
  keras.takes("sgd", sgd());
  keras.takes("momentum", momentum());
  keras.takes("nesterov", nesterov());
  keras.takes("adagrad", adagrad());
  keras.takes("adagrad_accumulator", with(adagrad(), [](auto& rule) { rule.initial_accumulator = 0; }));
  keras.takes("rmsprop", rmsprop());
  keras.takes("rmsprop_momentum", with_momentum(rmsprop(), 0.9));
  keras.takes("rmsprop_centered", centered_rmsprop());
  keras.takes("rmsprop_centered_momentum", with_momentum(centered_rmsprop(), 0.9));
  keras.takes("adadelta", adadelta());
  keras.takes("adam", adam());
  keras.takes("adam_betas_eps",
              with(adam(), [](auto& rule) { rule.beta1 = 0.5, rule.beta2 = 0.9, rule.epsilon = 1e-3; }));
  CHECK(keras.left() == "");
}

TEST_CASE("optax", "[golden]") {
  using namespace presets::optax;
  using enum EpsilonPlacement;
  Framework optax("optax");
  optax.takes("sgd", sgd());
  optax.takes("momentum", momentum());
  optax.takes("nesterov", nesterov());
  optax.takes("adagrad", adagrad());
  optax.takes("adagrad_accumulator", with(adagrad(), [](auto& rule) { rule.initial_accumulator = 0; }));
  optax.takes("rmsprop", rmsprop());
  optax.takes("rmsprop_eps_outside", with(rmsprop(), [](auto& rule) { rule.epsilon_placement = outside; }));
  optax.takes("rmsprop_bias_correction",
              with(adam(), [](auto& rule) { rule.beta1 = 0, rule.beta2 = 0.9, rule.epsilon_placement = inside; }));
  optax.takes("rmsprop_momentum", with_momentum(rmsprop(), 0.9));
  optax.takes("rmsprop_centered", centered_rmsprop());
  optax.takes("rmsprop_centered_momentum", with_momentum(centered_rmsprop(), 0.9));
  optax.takes("adadelta", adadelta());
  optax.takes("adadelta_weight_decay", Chain{L2Penalty{0.1}, adadelta()});
  optax.takes("adam", adam());
  optax.takes("adam_betas_eps",
              with(adam(), [](auto& rule) { rule.beta1 = 0.5, rule.beta2 = 0.9, rule.epsilon = 1e-3; }));
  optax.takes("adam_eps_root", with(adam(), [](auto& rule) { rule.epsilon_placement = inside; }));
  optax.takes("adam_eps_and_eps_root", with(adam(), [](auto& rule) { rule.epsilon = 1e-3, rule.epsilon_root = 1e-6; }));
  CHECK(optax.left() == "");
}

TEST_CASE("the papers", "[golden]") {
  using namespace presets::paper;
  Framework papers("paper");
  papers.takes("sgd", sgd());
  papers.takes("momentum", momentum());
  papers.takes("nesterov", nesterov());
  papers.takes("adagrad", adagrad());
  papers.takes("rmsprop", rmsprop());
  papers.takes("rmsprop_centered_momentum", centered_rmsprop());
  papers.takes("adadelta", adadelta());
  papers.takes("adam", adam());
  CHECK(papers.left() == "");
}

// SPDX-License-Identifier: MIT
//
// The presets against the frameworks themselves: trajectories of 100 steps that PyTorch, Keras and
// optax took (golden/make_*.py made them, golden/*.txt hold them, with the versions), and the papers'
// formulas in 50 digits. In all of them the learning rate is halved after step 50.
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include <descent/presets.hpp>

#include "catch.hpp"
#include "golden.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::test::golden;
using transforms::L2Penalty;
using transforms::MomentumOfSteps;
using transforms::WeightDecay;

/// Takes the 100 steps and compares.
template <class Scalar, class R>
void follow(const Trajectory& golden, const R& rule) {
  Optimizer<R, Scalar> optimizer(rule);
  Optimizer<R, double> twin(rule);
  Vector<Scalar> x = golden.at(0).template cast<Scalar>();
  Vector<double> now = golden.at(0), twin_now = Vector<double>::Zero(8);
  constexpr double u = std::numeric_limits<Scalar>::epsilon() / 2.0;
  Bound bound(now, u > 1e-15 ? 1e-3 : std::is_base_of_v<rules::RAdam, R> ? 1e-9 : 1e-12);
  REQUIRE(golden.contains(steps));
  for (int t = 1; t <= steps; ++t) {
    const Vector<double>& g = gradients()[static_cast<std::size_t>(t - 1)];
    const Vector<double> before = now, twin_before = twin_now;
    Vector<double> g_size = g.cwiseAbs();
    if constexpr (std::is_base_of_v<L2Penalty, R>) {
      g_size += rule.weight_decay * before.cwiseAbs();
      twin.weight_decay = 0;
    }
    if constexpr (requires { rule.learning_rate; })
      if (t == halved_after + 1) optimizer.learning_rate = twin.learning_rate = rule.learning_rate / 2;
    optimizer.step(x, Vector<Scalar>(g.template cast<Scalar>()));
    twin.step(twin_now, g_size);
    now = x.template cast<double>();
    bound.step(now - before, twin_now - twin_before, now, step_roundings(rule, t, u));
    if (golden.contains(t)) bound.check(now, golden.at(t), t, u);
  }
}

/// The golden trajectories of one framework.
class Framework {
 public:
  explicit Framework(const std::string& name) : goldens_(trajectories(name + ".txt")) {}

  template <class R>
  void takes(const std::string& golden, const R& rule) {
    INFO(golden);
    follow<float>(goldens_.take(golden + " float"), rule);
    follow<double>(goldens_.take(golden + " double"), rule);
  }
  /// For what the framework itself computes too badly in float.
  template <class R>
  void takes_in_double(const std::string& golden, const R& rule) {
    INFO(golden);
    goldens_.take(golden + " float");
    follow<double>(goldens_.take(golden + " double"), rule);
  }

  std::string left() const { return goldens_.left(); }

 private:
  Goldens<Trajectory> goldens_;
};

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
  pytorch.takes("rmsprop_everything",
                Chain{L2Penalty{0.1}, centered_rmsprop(), MomentumOfSteps{0.9, MomentumForm::accumulated}});
  pytorch.takes("adadelta", adadelta());
  pytorch.takes("adadelta_weight_decay", Chain{L2Penalty{0.1}, adadelta()});
  pytorch.takes("adam", adam());
  pytorch.takes("adam_betas_eps",
                with(adam(), [](auto& rule) { rule.beta1 = 0.5, rule.beta2 = 0.9, rule.epsilon = 1e-3; }));
  pytorch.takes("adam_weight_decay", Chain{L2Penalty{0.1}, adam()});
  pytorch.takes("adamw", adamw());
  pytorch.takes("adamw_no_decay", with(adamw(), [](auto& rule) { rule.weight_decay = 0; }));
  pytorch.takes("adam_amsgrad", amsgrad());
  pytorch.takes("adamw_amsgrad", Chain{amsgrad(), WeightDecay{0.01}});
  pytorch.takes("nadam", nadam());
  pytorch.takes("nadam_decoupled", Chain{nadam(), WeightDecay{0.1}});
  pytorch.takes("radam", radam());
  pytorch.takes("radam_decoupled", Chain{radam(), WeightDecay{0.1}});
  pytorch.takes("adamax", adamax());
  pytorch.takes("rprop", rprop());
  pytorch.takes("rprop_etas", with(rprop(), [](auto& rule) {
    rule.eta_minus = 0.4, rule.eta_plus = 1.3, rule.min_step_size = 1e-3, rule.max_step_size = 0.5;
  }));
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
  keras.takes("adamw", adamw());
  keras.takes("adam_amsgrad", amsgrad());
  keras.takes("nadam", nadam());
  keras.takes("adamax", adamax());
  keras.takes("lion", lion());
  keras.takes("lamb", lamb());
  keras.takes("ftrl", ftrl());
  keras.takes("ftrl_l1_l2", with(ftrl(), [](auto& rule) { rule.l1 = 0.05, rule.l2 = 2 * 0.1, rule.beta = 0.5; }));
  keras.takes("ftrl_shrinkage", with(ftrl(), [](auto& rule) { rule.l2_shrinkage = 2 * 0.1; }));
  keras.takes("schedule_free_adamw", schedule_free_adamw());
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
  const auto at = [](double rate, auto rule) {
    rule.learning_rate = rate;
    return rule;
  };
  optax.takes("adamw", adamw());
  optax.takes("amsgrad", amsgrad());
  optax.takes("nadam", at(0.001, nadam()));
  optax.takes("nadamw", Chain{at(0.001, nadam()), WeightDecay{1e-4}});
  optax.takes_in_double("radam", radam());  // in float its rho is off by 0.7 %, and its step by 2 %
  optax.takes("adamax", at(0.001, adamax()));
  optax.takes("adamaxw", Chain{at(0.001, adamax()), WeightDecay{1e-4}});
  optax.takes("adabelief", adabelief());
  optax.takes("yogi", yogi());
  optax.takes("lion", lion());
  optax.takes("lamb", with(lamb(), [](auto& rule) { rule.weight_decay = 0.1; }));
  optax.takes("lars", at(0.1, with(lars(), [](auto& rule) { rule.weight_decay = 0.1; })));
  optax.takes("schedule_free_sgd", schedule_free_sgd());
  optax.takes("schedule_free_adamw", with(schedule_free_adamw(), [](auto& rule) { rule.weight_decay = 0.1; }));
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
  const auto decaying = [](double weight_decay, auto rule) {
    rule.weight_decay = weight_decay;
    return rule;
  };
  papers.takes("adamw", adamw(0.01));
  papers.takes("amsgrad", amsgrad());
  papers.takes("nadam", with(nadam(), [](auto& rule) { rule.learning_rate = 0.001; }));
  papers.takes("radam", radam());
  papers.takes("adamax", adamax());
  papers.takes("adabelief", adabelief());
  papers.takes("yogi", yogi());
  papers.takes("adan", decaying(0.02, adan()));
  papers.takes("adan_no_prox", decaying(0.02, with(adan(), [](auto& rule) { rule.proximal = false; })));
  papers.takes("lion", decaying(0.1, lion()));
  papers.takes("rprop", rprop());
  papers.takes("ftrl", with(ftrl(), [](auto& rule) { rule.l1 = 0.05, rule.l2 = 0.1; }));
  const auto sgd_rule = decaying(0.1, with(schedule_free_sgd(), [](auto& rule) { rule.learning_rate = 0.1; }));
  const auto adamw_rule = decaying(0.1, schedule_free_adamw());
  const auto warm_up = [](auto& rule) { rule.warmup_steps = 10; };
  papers.takes("schedule_free_sgd", sgd_rule);
  papers.takes("schedule_free_sgd_warmup", with(sgd_rule, warm_up));
  papers.takes("schedule_free_adamw", adamw_rule);
  papers.takes("schedule_free_adamw_warmup", with(adamw_rule, warm_up));
  CHECK(papers.left() == "");
}

// SPDX-License-Identifier: MIT
// Uses everything that the library has, so that the object file holds all of its functions.
#include <descent/any/chain_model.hpp>
#include <descent/any_optimizer.hpp>
#include <descent/checkpoint.hpp>
#include <descent/curvature/natural_gradient.hpp>
#include <descent/curvature/preconditioned_descent.hpp>
#include <descent/curvature/steepest_descent.hpp>
#include <descent/descent.hpp>
#include <descent/resize.hpp>
#include <descent/sparse.hpp>

#include <cstdint>
#include <sstream>
#include <tuple>
#include <utility>
#include <vector>

#include <Eigen/SparseCore>

namespace {

double objective(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  gradient = x;
  return x.squaredNorm() / 2;
}

void use_any(Eigen::MatrixXd& W, Eigen::VectorXd& b) {
  auto any = descent::make_optimizer<double>({{"clip_norm"}, {"adam", {{"beta1", 0.5}}}});
  any = descent::make_optimizer<double>("adam");
  any = descent::make_optimizer<double>("adam", std::vector<descent::Setting>{{"beta1", 0.5}});
  any = descent::make_optimizer<double>(std::vector<descent::Component>{{"adam"}});
  auto copy = any;
  copy.step(std::tie(W, b), std::tie(W, b));
  copy.set("learning_rate", copy.get("learning_rate"));
  copy.tensor_rule(0).set("learning_rate", copy.tensor_rule(0).get("learning_rate"));
  b = copy.lookahead(copy.averaged(b));
  copy.step_columns(W, std::vector<int>{0, 0}, W.leftCols(2));
  copy.step_rows(W, std::vector<int>{0}, 2 * W.topRows(1));
  copy.step_sparse(W, Eigen::SparseMatrix<double>(W.rows(), W.cols()));
  copy.keep_columns(std::vector<int>{0});
  copy.keep_rows(std::vector<bool>{true, true});
  copy.append_columns(2);
  copy.append_rows(2);
  std::stringstream file;
  descent::save(file, copy, b);
  descent::load(file, copy, b);
}

template <class Optimizer>
void use(Eigen::MatrixXd& W, Eigen::VectorXd& b) {
  Optimizer optimizer;
  optimizer.set_threads(2);
  optimizer.set_nonfinite(descent::NonFinite::skip, 3);
  optimizer.step(b, b);
  optimizer.step(W, 2 * W);
  optimizer.step(W.row(0), W.row(1));
  optimizer.step(std::tie(W, b), std::tie(W, b));
  optimizer.reset();
  Optimizer copy = optimizer;
  optimizer = copy;
  optimizer = std::move(copy);
  b.array() += static_cast<double>(optimizer.steps() + optimizer.skipped_steps()) + optimizer.state(0).sum() +
               optimizer.state("velocity").sum();
  std::stringstream stream;
  descent::save(stream, optimizer, std::tie(W, b));
  descent::load(stream, optimizer, std::tie(W, b));
  descent::save("everything.safetensors", optimizer, std::tie(W, b));
  descent::Checkpoint checkpoint;
  checkpoint.add("optimizer", optimizer, std::tie(W, b), {"W", "b"});
  checkpoint.add("b", b);
  checkpoint.save("everything.safetensors");
  checkpoint.load("everything.safetensors", {.strict = false});
  descent::load_params("everything.safetensors", std::tie(W, b), {.entry = "optimizer"});
  b.setConstant(static_cast<double>(descent::list_checkpoint("everything.safetensors").size()));
  descent::load("everything.safetensors", optimizer, std::tie(W, b));
  b.array() += static_cast<double>(descent::minimize(objective, b, optimizer).message().size());
}

double use_schedules(std::int64_t step) {
  using namespace descent::schedules;
  const Cosine cosine{.initial = 1, .steps = 10};
  double sum = WithWarmup{5, cosine}(step) + Join{Constant{1}, 5, Linear{.initial = 1, .steps = 10}}(step);
  sum += Polynomial{.initial = 1, .steps = 10, .power = 2}(step) + CosineRestarts{.initial = 1, .period = 3}(step);
  sum += Exponential{.initial = 1, .factor = 0.5}(step) + StepDecay{.initial = 1, .period = 3}(step);
  sum += MultiStepDecay{.initial = 1, .milestones = {1, 2}}(step) + OneCycle{.peak = 1, .steps = 10}(step);
  sum += InverseSquareRoot{.initial = 1, .timescale = 3}(step) + descent::kernel::log(sum) + descent::kernel::exp(sum);
  descent::ReduceOnPlateau plateau;
  sum += plateau(sum, 1);
  plateau.reset();
  return sum;
}

template <class Scalar>
void accumulate(std::vector<Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>>& tensors) {
  descent::GradientAccumulator<Scalar> accumulator;
  accumulator.add(tensors);
  accumulator.add(tensors);
  for (const auto& mean : accumulator.take_mean(tensors)) tensors[0] += mean;
  accumulator.add(std::tuple(tensors[0], 2 * tensors[1]));
  tensors[0] += std::get<0>(accumulator.take_sum(std::tie(tensors[0], tensors[1])));
  accumulator.add(tensors[0]);
  accumulator.reset();
  const descent::GradientAccumulator<Scalar> copy = accumulator;
  tensors[0] *= static_cast<Scalar>(copy.count());
}

/// Only a step: what else `use` calls does not depend on the rule.
template <class Rule>
void use_rule(const Rule& rule, Eigen::VectorXd& b) {
  descent::Optimizer optimizer(rule);
  optimizer.step(b, b);
}

template <class Rule>
void use_arrays(const Rule& rule, Eigen::VectorXd& b) {
  descent::StepCounter<Rule> counter;
  counter.advance_to(counter.next(rule));
  Eigen::MatrixXd state(b.size(), descent::initial_state(rule).size());
  descent::step_arrays(rule, counter, b.data(), b.data(), {state.data(), state.data(), state.data()}, b.size());
}

}  // namespace

void use_everything(Eigen::MatrixXd& W, Eigen::VectorXd& b, std::vector<Eigen::MatrixXf>& tensors) {
  use<descent::Momentum<double>>(W, b);
  descent::Adam<double, 8>().step(b, b);
  use_rule(descent::rules::SGD{}, b);
  use_rule(descent::rules::Nesterov{}, b);
  use_rule(descent::rules::AdaGrad{}, b);
  use_rule(descent::rules::RMSProp{}, b);
  use_rule(descent::rules::AdaDelta{}, b);
  use_rule(descent::rules::Adam{}, b);
  use_rule(descent::rules::NAdam{}, b);
#if defined(DESCENT_EVERY_RULE)  // for clang-tidy: their functions carry the flags in the same way
  use_rule(descent::rules::AdamW{}, b);
  use_rule(descent::rules::AMSGrad{}, b);
  use_rule(descent::rules::RAdam{}, b);
  use_rule(descent::rules::AdaMax{}, b);
  use_rule(descent::rules::AdaBelief{}, b);
  use_rule(descent::rules::Yogi{}, b);
  use_rule(descent::rules::Adan{}, b);
  use_rule(descent::rules::Lion{}, b);
  use_rule(descent::rules::Rprop{}, b);
  use_rule(descent::rules::Ftrl{}, b);
  use_rule(descent::rules::ScheduleFreeSGD{}, b);
  descent::Muon<double>().step(std::tie(W, b), std::tie(W, b));
  descent::Adafactor<double>().step(std::tie(W, b), std::tie(W, b));
  use_rule(descent::presets::paper::lars(), b);
#endif
  using namespace descent::presets;
  use_rule(keras::with_momentum(keras::centered_rmsprop(), 0.9), b);
  use_rule(descent::Chain{descent::transforms::ClipNorm{}, pytorch::adam(), descent::transforms::WeightDecay{}}, b);
  use_rule(descent::Chain{descent::transforms::L2Penalty{0.1}, optax::adagrad(), descent::transforms::Average{}}, b);
  use_rule(descent::Chain{descent::transforms::ClipValue{}, paper::adadelta(), descent::transforms::TrustRatio{}}, b);
  descent::make_optimizer<float, 8>(descent::rules::CenteredRMSProp{}).step(tensors, tensors);
  use_arrays(descent::Chain{descent::rules::Adam{}, descent::transforms::MomentumOfSteps{0.9}}, b);
  b = descent::Nesterov<double>().lookahead(b);
  descent::RAdam<double> radam;
  radam.step_columns(W, std::vector{0}, b);
  radam.step_sparse(W, Eigen::SparseMatrix<double>(W.sparseView()));
  radam.keep_rows(std::vector{true});
  radam.append_columns(1);
  b = descent::ScheduleFreeAdamW<double>().averaged(b);
  descent::Adam<float>().step(tensors, tensors);

  use_any(W, b);
  descent::SteepestDescent<double>().step(b, b, W);
  descent::SteepestDescent<double>().step(b, b, [](const Eigen::VectorXd& v) { return v; });
  descent::Newton<double>().step(b, b, W);
  descent::NaturalGradient<double>().step(b, b, descent::estimate_fisher(W));
  b[0] += descent::NaturalGradient<double>().constrained_step(b, b, descent::estimate_fisher(W), 0.01);
  b[0] += descent::NaturalGradient<double>().constrained_step(b, b, [](const Eigen::VectorXd& v) { return v; }, 0.01);
  b[0] += static_cast<double>(descent::check_gradient(objective, b).message().size());

  descent::Minibatches batches(100, 32, 1);
  for (const auto& batch : batches.epoch()) b[0] += static_cast<double>(batch.size());
  b[0] += use_schedules(3);
  accumulate(tensors);
}

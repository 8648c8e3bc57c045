// SPDX-License-Identifier: MIT
//
// Eigen and the library used together without their namespaces: no public name is ambiguous. This file is correct if it
// compiles.
#include <descent/checkpoint.hpp>
#include <descent/curvature/natural_gradient.hpp>
#include <descent/curvature/preconditioned_descent.hpp>
#include <descent/curvature/steepest_descent.hpp>
#include <descent/descent.hpp>
#include <descent/resize.hpp>
#include <descent/sparse.hpp>

#include <Eigen/Eigen>
#include <unsupported/Eigen/AlignedVector3>
#include <unsupported/Eigen/BVH>
#include <unsupported/Eigen/CXX11/Tensor>
#include <unsupported/Eigen/EulerAngles>
#include <unsupported/Eigen/FFT>
#include <unsupported/Eigen/IterativeSolvers>
#include <unsupported/Eigen/KroneckerProduct>
#include <unsupported/Eigen/MatrixFunctions>
#include <unsupported/Eigen/NonLinearOptimization>
#include <unsupported/Eigen/NumericalDiff>
#include <unsupported/Eigen/Polynomials>
#include <unsupported/Eigen/SparseExtra>
#include <unsupported/Eigen/SpecialFunctions>
#include <unsupported/Eigen/Splines>

#include <array>
#include <sstream>
#include <string_view>

using namespace Eigen;
using namespace descent;

// ---- Concepts --------------------------------------------------------------------------------------

static_assert(Rule<rules::Adam> && NamesItsState<rules::Adam>);
static_assert(HasValidate<rules::Momentum> && ValidateIfAny<rules::Adam>);
static_assert(HasKernel<rules::Adam> && KernelReturnsStep<rules::Adam> && LooksAhead<rules::Nesterov>);
static_assert(HasRunningFactors<rules::Adam> && RunningFactorsIfAny<rules::SGD>);
static_assert(HasInitialState<rules::AdaGrad> && InitialStateIfAny<rules::SGD>);
static_assert(HasStatePowers<rules::Adam> && StatePowersIfAny<rules::SGD>);
static_assert(HyperparameterValue<double> && NamedEnum<MomentumForm> && ListsHyperparameters<rules::Adam>);
static_assert(Link<transforms::ClipNorm> && !Link<rules::Adam> && KeepsAverage<Chain<rules::SGD, transforms::Average>>);
static_assert(DenseTensor<MatrixXd> && Tensors<MatrixXd> && Writable<MatrixXd&> && OfScalar<MatrixXd, double>);
static_assert(OfSize<Vector3d, 3> && PairsUpWith<VectorXd, VectorXd> && ReadableWhenConst<VectorXd>);
static_assert(ParametersOf<VectorXd&, double, Dynamic> && GradientOf<VectorXd, VectorXd&, double>);
static_assert(SparseTensor<SparseMatrix<double>> && Indices<VectorXi> && StartsAtParameters<rules::ScheduleFreeSGD>);
static_assert(OptimizerFor<Adam<double>, VectorXd, VectorXd> && OneTensorStep<VectorXd&, VectorXd, double>);
static_assert(HessianOf<MatrixXd, double> && MatrixProduct<VectorXd (*)(const VectorXd&), double>);
static_assert(Schedule<schedules::Cosine>);
static_assert(SavedScalar<float> && SavedElement<int> && SavableOptimizer<Adam<double>> &&
              SavedParametersOf<VectorXd, Adam<double>>);

// ---- Types and functions ---------------------------------------------------------------------------

double square_length(const VectorXd& x, VectorXd& gradient) {
  gradient = 2 * x;
  return x.squaredNorm();
}
bool stops(const Progress<VectorXd>& progress) { return progress.steps > 3; }
static_assert(Objective<decltype(square_length), VectorXd> && Observer<decltype(stops), VectorXd>);

struct MyRule {
  MomentumForm form = MomentumForm::velocity;

  static constexpr std::string_view name = "MyRule";
  static constexpr std::array<std::string_view, 0> state_names{};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"form", &MyRule::form, interval::everything});
  }
  void validate(const auto& expect) const {
    expect(enumerator_names(MomentumForm{})[0] == "velocity", "the velocity comes first");
  }
  auto kernel(const auto&) const {
    return [](const auto&, const auto& g) { return max(g, min(g, abs(g))); };
  }
};

void use_all(VectorXd& x, const MatrixXd& H) {
  Optimizer<MyRule> own = make_optimizer<double>(MyRule{});
  own.set_nonfinite(NonFinite::reject);
  const SGD<> sgd;
  const Momentum<> momentum;
  const Nesterov<> nesterov({.gradient_at = GradientAt::parameters});
  const AdaGrad<> adagrad;
  const RMSProp<> rmsprop({.epsilon_placement = EpsilonPlacement::inside});
  const CenteredRMSProp<> centered_rmsprop;
  const AdaDelta<> adadelta;
  Adam<> adam(presets::keras::adam());
  const AdamW<> adamw;
  const AMSGrad<> amsgrad({.maximum_of = MaximumOf::corrected});
  const NAdam<> nadam;
  const RAdam<> radam;
  const AdaMax<> adamax;
  const AdaBelief<> adabelief;
  const Yogi<> yogi;
  const Adan<> adan;
  const Lion<> lion;
  const Adafactor<> adafactor({.epsilon_form = AdafactorEpsilon::least});
  const Muon<> muon({.epsilon_form = MuonEpsilon::least, .scale = MuonScale::none});
  const Rprop<> rprop;
  const Ftrl<> ftrl;
  const ScheduleFreeSGD<> schedule_free_sgd;
  const ScheduleFreeAdamW<> schedule_free_adamw;
  const LAMB<> lamb;
  const LARS<> lars;

  const Step<double, 1> step{1, {0.5}};
  x[0] += step.products[0];
  StepCounter<rules::AdaGrad> counter;
  counter = counter.next(adagrad);
  std::array<double, 1> state = initial_state<rules::AdaGrad>(adagrad);
  step_arrays<rules::AdaGrad>(adagrad, counter, x.data(), x.data(), {state.data()}, 1);

  const MinimizeOptions options{.max_steps = 3};
  const MinimizeResult<double> result = minimize(square_length, x, adam, options, stops);
  if (result.status == MinimizeStatus::max_steps) x[0] += 1;
  const GradientCheck<double> checked = check_gradient(square_length, x);
  x[0] += checked.error;
  const Minibatches batches(3, 1, 1);
  const schedules::WithWarmup schedule{3, schedules::OneCycle{.peak = 1, .steps = 9, .annealing = Annealing::linear}};
  ReduceOnPlateau plateau{.mode = PlateauMode::higher, .threshold_mode = ThresholdMode::absolute};
  adam.learning_rate = plateau(schedule(adam.steps()), x[0]);
  GradientAccumulator<double> accumulator;
  accumulator.add(x);
  adam.step(x, accumulator.take_mean(x));

  const SteepestDescent<> steepest;
  const PreconditionedDescent<> preconditioned;
  Newton<>().step(x, x, PositiveDefinite<>(H));
  const NaturalGradient<> natural;
  x += estimate_fisher(H).col(0);

  std::stringstream stream;
  save(stream, adam, x);
  load(stream, adam, x, LoadOptions{});
  Checkpoint checkpoint;
  checkpoint.add("x", x);
  checkpoint.save(stream);
  load_params("file", x, ParamsOf{});
  const std::vector<ListedEntry> entries = list_checkpoint("file");
}

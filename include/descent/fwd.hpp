// SPDX-License-Identifier: MIT
//
// Declares the classes of the library, for headers that only name them, and includes next to nothing:
//
//     class Model {
//       std::unique_ptr<descent::Adam<float>> optimizer_;  // the source file includes <descent/descent.hpp>
//     };
//
// All that <descent/descent.hpp>, <descent/any_optimizer.hpp> and <descent/checkpoint.hpp> define, except templates
// that demand something of their arguments. The default arguments of templates, and the names of optimizers, stand here
// alone.
#pragma once

#include <descent/kernel/flags.hpp>

namespace descent {

// ---- Optimizers ------------------------------------------------------------------------------------

/// A rule with its memory (optimizer.hpp). R is a Rule.
template <class R, class Scalar = double, int Size = -1>
class Optimizer;

template <class... Links>
struct Chain;

template <class Scalar>
class AnyOptimizer;

namespace transforms {
struct GradientScale;
struct ClipValue;
struct ClipNorm;
struct ClipTensorNorm;
struct L2Penalty;
struct L1Penalty;
struct WeightDecay;
struct TrustRatio;
struct LayerwiseRate;
struct MomentumOfSteps;
struct Bounds;
struct SoftThreshold;
struct Average;
struct EqualAverage;
struct Lookahead;
}  // namespace transforms

namespace rules {
struct AdaBelief;
struct AdaDelta;
struct Adafactor;
struct AdaGrad;
struct Adam;
struct AdaMax;
struct AdamW;
struct Adan;
struct AMSGrad;
struct CenteredRMSProp;
struct Ftrl;
struct Lion;
struct Momentum;
struct Muon;
struct NAdam;
struct Nesterov;
struct RAdam;
struct RMSProp;
struct Rprop;
struct ScheduleFreeAdamW;
struct ScheduleFreeSGD;
struct SGD;
struct Yogi;
using LAMB = Chain<Adam, transforms::WeightDecay, transforms::TrustRatio>;
using LARS = Chain<SGD, transforms::LayerwiseRate, transforms::MomentumOfSteps>;
}  // namespace rules

template <class Scalar = double, int Size = -1>
using AdaBelief = Optimizer<rules::AdaBelief, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using AdaDelta = Optimizer<rules::AdaDelta, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Adafactor = Optimizer<rules::Adafactor, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using AdaGrad = Optimizer<rules::AdaGrad, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Adam = Optimizer<rules::Adam, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using AdaMax = Optimizer<rules::AdaMax, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using AdamW = Optimizer<rules::AdamW, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Adan = Optimizer<rules::Adan, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using AMSGrad = Optimizer<rules::AMSGrad, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using CenteredRMSProp = Optimizer<rules::CenteredRMSProp, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Ftrl = Optimizer<rules::Ftrl, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using LAMB = Optimizer<rules::LAMB, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using LARS = Optimizer<rules::LARS, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Lion = Optimizer<rules::Lion, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Momentum = Optimizer<rules::Momentum, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Muon = Optimizer<rules::Muon, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using NAdam = Optimizer<rules::NAdam, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Nesterov = Optimizer<rules::Nesterov, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using RAdam = Optimizer<rules::RAdam, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using RMSProp = Optimizer<rules::RMSProp, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Rprop = Optimizer<rules::Rprop, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using ScheduleFreeAdamW = Optimizer<rules::ScheduleFreeAdamW, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using ScheduleFreeSGD = Optimizer<rules::ScheduleFreeSGD, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using SGD = Optimizer<rules::SGD, Scalar, Size>;
template <class Scalar = double, int Size = -1>
using Yogi = Optimizer<rules::Yogi, Scalar, Size>;

// ---- Values of hyperparameters ---------------------------------------------------------------------

enum class AdafactorEpsilon;
enum class EpsilonPlacement;
enum class GradientAt;
enum class MaximumOf;
enum class MomentumForm;
enum class MuonEpsilon;
enum class MuonScale;
enum class NonFinite : unsigned char;

inline namespace DESCENT_FLAGS {
struct Setting;
struct Component;
struct HyperparameterInfo;
}  // namespace DESCENT_FLAGS

// ---- Training --------------------------------------------------------------------------------------

namespace schedules {
inline namespace DESCENT_FLAGS {
struct Constant;
struct Linear;
struct Polynomial;
struct Cosine;
struct CosineRestarts;
struct Exponential;
struct StepDecay;
struct MultiStepDecay;
struct InverseSquareRoot;
struct OneCycle;
}  // namespace DESCENT_FLAGS
}  // namespace schedules

enum class Annealing;
enum class MinimizeStatus;
enum class PlateauMode;
enum class ThresholdMode;
struct MinimizeOptions;
template <class Scalar>
struct MinimizeResult;
template <class Plain>
struct Progress;
template <class Scalar>
struct GradientCheck;

inline namespace DESCENT_FLAGS {
template <class Scalar>
class GradientAccumulator;
struct MinibatchOptions;
class Minibatches;
template <class Plain>
struct Minimized;
struct ReduceOnPlateau;

// ---- Checkpoints -----------------------------------------------------------------------------------

class Checkpoint;
struct LoadOptions;
struct ParamsOf;
struct ListedTensor;
struct ListedEntry;
}  // namespace DESCENT_FLAGS

}  // namespace descent

// SPDX-License-Identifier: MIT
//
// What `step` accepts and what it does not, according to its concepts: this file is correct if it compiles. Each
// refusal is next to an acceptance from which it differs in one thing.
#include <descent/descent.hpp>

#include <array>
#include <cstdint>
#include <list>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../views.hpp"

namespace {

using descent::OptimizerFor;
using Eigen::ArrayXd;
using Eigen::ArrayXXd;
using Eigen::Dynamic;
using Eigen::Map;
using Eigen::MatrixXd;
using Eigen::Ref;
using Eigen::VectorXd;
using Eigen::VectorXf;

/// Whether `step` takes the argument. If it does, that whole step is compiled, so that what the concepts let in is
/// known to work.
template <class Argument, class Gradient>
constexpr bool steps() {
  constexpr bool valid = requires(descent::Adam<double>& adam, Argument&& argument, const Gradient& gradient) {
    adam.step(std::forward<Argument>(argument), gradient);
  };
  if constexpr (valid) {
    [](descent::Adam<double>* adam, std::remove_reference_t<Argument>* argument, const Gradient* gradient) {
      if (adam != nullptr) adam->step(std::forward<Argument>(*argument), *gradient);
    }(nullptr, nullptr, nullptr);
  }
  return valid;
}

/// Params as a named variable.
template <class Params, class Gradient = VectorXd>
constexpr bool accepted = steps<Params&, Gradient>() && OptimizerFor<descent::Adam<double>, Params, Gradient>;

/// Params straight from an expression.
template <class Params, class Gradient = VectorXd>
constexpr bool accepted_as_it_comes = steps<Params&&, Gradient>();

// ---- One tensor ------------------------------------------------------------------------------------

static_assert(accepted<VectorXd>);
static_assert(accepted<VectorXd&>);
static_assert(!accepted<const VectorXd>);
static_assert(!accepted_as_it_comes<VectorXd>);

static_assert(accepted<Eigen::RowVectorXd, Eigen::RowVectorXd>);
static_assert(accepted<MatrixXd, MatrixXd>);
static_assert(accepted<Eigen::Matrix<double, Dynamic, Dynamic, Eigen::RowMajor>, MatrixXd>);
static_assert(accepted<Eigen::Matrix<double, Dynamic, Dynamic, 0, 4, 4>, MatrixXd>);
static_assert(accepted<Eigen::Matrix2d, Eigen::Matrix2d>);
static_assert(accepted<ArrayXd, ArrayXd>);
static_assert(accepted<ArrayXXd, ArrayXXd>);
static_assert(accepted<Eigen::Array3d, Eigen::Array3d>);
static_assert(!accepted_as_it_comes<ArrayXd, ArrayXd>);

static_assert(accepted<Map<VectorXd>>);
static_assert(accepted_as_it_comes<Map<VectorXd>>);
static_assert(accepted<Map<VectorXd, Eigen::Unaligned, Eigen::InnerStride<>>>);
static_assert(accepted<Map<MatrixXd, Eigen::Unaligned, Eigen::Stride<Dynamic, Dynamic>>, MatrixXd>);
static_assert(!accepted<Map<const VectorXd>>);
static_assert(!accepted<const Map<VectorXd>>);
static_assert(!accepted_as_it_comes<Map<const VectorXd>>);

static_assert(accepted<Ref<VectorXd>>);
static_assert(accepted<Ref<MatrixXd, 0, Eigen::Stride<Dynamic, Dynamic>>, MatrixXd>);
static_assert(!accepted<Ref<const VectorXd>>);

// Views, as they come from the matrix and as named variables.
using Row = decltype(std::declval<MatrixXd&>().row(0));
using Column = decltype(std::declval<MatrixXd&>().col(0));
using Block = decltype(std::declval<MatrixXd&>().block(0, 0, 1, 1));
using FixedBlock = decltype(std::declval<MatrixXd&>().block<2, 2>(0, 0));
using Segment = decltype(std::declval<VectorXd&>().segment(0, 1));
using Head = decltype(std::declval<VectorXd&>().head(3));
using Diagonal = decltype(std::declval<MatrixXd&>().diagonal());
using Transposed = decltype(std::declval<MatrixXd&>().transpose());
using AsArray = decltype(std::declval<MatrixXd&>().array());
static_assert(accepted<Row, Eigen::RowVectorXd> && accepted_as_it_comes<Row, Eigen::RowVectorXd>);
static_assert(accepted<Column> && accepted_as_it_comes<Column>);
static_assert(accepted<Block, MatrixXd> && accepted_as_it_comes<Block, MatrixXd>);
static_assert(accepted<FixedBlock, MatrixXd> && accepted_as_it_comes<FixedBlock, MatrixXd>);
static_assert(accepted<Segment> && accepted_as_it_comes<Segment>);
static_assert(accepted<Head> && accepted_as_it_comes<Head>);
static_assert(accepted<Diagonal> && accepted_as_it_comes<Diagonal>);
static_assert(accepted<Transposed, MatrixXd> && accepted_as_it_comes<Transposed, MatrixXd>);
static_assert(accepted<AsArray, ArrayXXd> && accepted_as_it_comes<AsArray, ArrayXXd>);

// The same views of const objects.
static_assert(!accepted_as_it_comes<decltype(std::declval<const MatrixXd&>().row(0)), Eigen::RowVectorXd>);
static_assert(!accepted_as_it_comes<decltype(std::declval<const MatrixXd&>().block(0, 0, 1, 1)), MatrixXd>);
static_assert(!accepted_as_it_comes<decltype(std::declval<const VectorXd&>().head(3))>);
static_assert(!accepted_as_it_comes<decltype(std::declval<const MatrixXd&>().array()), ArrayXXd>);

// Expressions, which have no memory of their own to write to.
static_assert(!accepted_as_it_comes<decltype(2 * std::declval<VectorXd&>())>);
static_assert(!accepted_as_it_comes<decltype(std::declval<VectorXd&>() + std::declval<VectorXd&>())>);
static_assert(!accepted_as_it_comes<decltype(VectorXd::Zero(3))>);

// Other scalars, and things that are not tensors.
static_assert(!accepted<VectorXf, VectorXf>);
static_assert(!accepted<Eigen::VectorXi, Eigen::VectorXi>);
static_assert(!accepted<Eigen::VectorXcd, Eigen::VectorXcd>);
static_assert(!accepted<double, double>);
static_assert(!accepted<double*, double*>);
static_assert(!accepted<std::vector<double>, std::vector<double>>);
static_assert(!accepted<std::array<double, 3>, std::array<double, 3>>);
static_assert(!accepted<Eigen::DiagonalMatrix<double, 3>, Eigen::DiagonalMatrix<double, 3>>);

// ---- Its gradient ----------------------------------------------------------------------------------

static_assert(accepted<VectorXd, ArrayXd>);
static_assert(accepted<ArrayXd, VectorXd>);
static_assert(accepted<VectorXd, const VectorXd>);
static_assert(accepted<VectorXd, Map<const VectorXd>>);
static_assert(accepted<VectorXd, Ref<const VectorXd>>);
static_assert(accepted<VectorXd, Column>);
static_assert(accepted<VectorXd, Transposed>);
static_assert(accepted<VectorXd, decltype(2 * std::declval<VectorXd&>())>);
static_assert(accepted<VectorXd, decltype(std::declval<MatrixXd&>() * std::declval<VectorXd&>())>);
static_assert(accepted<VectorXd, decltype(std::declval<VectorXd&>().array().sqrt())>);
static_assert(accepted<VectorXd, decltype(VectorXd::Zero(3))>);
static_assert(accepted<MatrixXd, decltype(std::declval<MatrixXd&>()(Eigen::all, std::declval<std::vector<int>&>()))>);
static_assert(accepted<MatrixXd, decltype(std::declval<MatrixXd&>()(Eigen::all, Eigen::seq(0, 4, 2)))>);
static_assert(!accepted<VectorXd, VectorXf>);
static_assert(!accepted<VectorXd, decltype(std::declval<VectorXf&>() + std::declval<VectorXf&>())>);
static_assert(!accepted<VectorXd, double>);
static_assert(!accepted<VectorXd, std::vector<VectorXd>>);
static_assert(!accepted<VectorXd, std::tuple<VectorXd>>);

// ---- Several tensors -------------------------------------------------------------------------------

// Tuples: of references, of views, and of tensors that it owns.
static_assert(accepted_as_it_comes<std::tuple<MatrixXd&, VectorXd&>, std::tuple<MatrixXd&, VectorXd&>>);
static_assert(accepted_as_it_comes<std::tuple<MatrixXd&, VectorXd&>, std::tuple<const MatrixXd&, const VectorXd&>>);
static_assert(accepted_as_it_comes<std::tuple<MatrixXd&, VectorXd&>, std::tuple<ArrayXXd, VectorXd>>);
static_assert(accepted_as_it_comes<std::tuple<MatrixXd&, VectorXd&>, std::pair<MatrixXd, VectorXd>>);
static_assert(accepted_as_it_comes<std::tuple<Block, Head>, std::tuple<MatrixXd, VectorXd>>);
static_assert(
    accepted_as_it_comes<std::tuple<Block, Head>, std::tuple<Transposed, decltype(2 * std::declval<VectorXd&>())>>);
static_assert(accepted<std::tuple<MatrixXd, VectorXd>, std::tuple<MatrixXd, VectorXd>>);
static_assert(accepted<std::pair<MatrixXd, VectorXd>, std::pair<MatrixXd, VectorXd>>);
static_assert(accepted<std::tuple<>, std::tuple<>>);
static_assert(!accepted_as_it_comes<std::tuple<MatrixXd, VectorXd>, std::tuple<MatrixXd, VectorXd>>);
static_assert(!accepted<const std::tuple<MatrixXd, VectorXd>, std::tuple<MatrixXd, VectorXd>>);
static_assert(!accepted_as_it_comes<std::tuple<MatrixXd&, const VectorXd&>, std::tuple<MatrixXd&, VectorXd&>>);
static_assert(!accepted_as_it_comes<std::tuple<MatrixXd&, VectorXd&>, std::tuple<MatrixXd&>>);
static_assert(!accepted_as_it_comes<std::tuple<MatrixXd&, VectorXf&>, std::tuple<MatrixXd&, VectorXf&>>);
static_assert(!accepted_as_it_comes<std::tuple<MatrixXd&, VectorXd&>, std::tuple<MatrixXd&, VectorXf&>>);
static_assert(!accepted<std::tuple<MatrixXd, double>, std::tuple<MatrixXd, double>>);

// Ranges: of tensors that it owns, and of tensors that live elsewhere.
using Matrices = std::vector<MatrixXd>;
static_assert(accepted<Matrices, Matrices>);
static_assert(accepted<Matrices, const Matrices>);
static_assert(accepted<Matrices, std::list<ArrayXXd>>);
static_assert(accepted<std::array<MatrixXd, 3>, std::array<MatrixXd, 3>>);
static_assert(accepted<std::vector<Map<MatrixXd>>, Matrices>);
static_assert(accepted_as_it_comes<std::vector<Map<MatrixXd>>, Matrices>);
static_assert(accepted<std::span<MatrixXd>, std::span<const MatrixXd>>);
static_assert(accepted_as_it_comes<std::span<MatrixXd>, Matrices>);
static_assert(accepted<const std::span<MatrixXd>, Matrices>);
static_assert(!accepted<const Matrices, Matrices>);
static_assert(!accepted_as_it_comes<Matrices, Matrices>);
static_assert(!accepted_as_it_comes<std::array<MatrixXd, 3>, std::array<MatrixXd, 3>>);
static_assert(!accepted<std::span<const MatrixXd>, Matrices>);
static_assert(!accepted<std::vector<Map<const MatrixXd>>, Matrices>);
static_assert(!accepted_as_it_comes<std::vector<Map<const MatrixXd>>, Matrices>);
static_assert(!accepted<std::vector<Eigen::MatrixXf>, std::vector<Eigen::MatrixXf>>);
static_assert(!accepted<std::vector<Matrices>, std::vector<Matrices>>);
static_assert(!accepted<Matrices, MatrixXd>);
static_assert(!accepted<Matrices, std::tuple<MatrixXd, MatrixXd>>);

#if defined(DESCENT_TEST_VIEWS)
// Views of ranges; those that keep something while they are walked through, as well.
using Chosen = decltype(std::declval<Matrices&>() | std::views::filter([](const MatrixXd& m) { return m.size() > 1; }));
using ChosenOfOwn =
    decltype(std::declval<Matrices>() | std::views::filter([](const MatrixXd& m) { return m.size() > 1; }));
using ChosenOfConst =
    decltype(std::declval<const Matrices&>() | std::views::filter([](const MatrixXd& m) { return m.size() > 1; }));
using Reversed = decltype(std::declval<Matrices&>() | std::views::reverse);
static_assert(accepted<Chosen, Chosen> && accepted_as_it_comes<Chosen, Chosen>);
static_assert(accepted<Matrices, ChosenOfConst>);
static_assert(accepted<ChosenOfOwn, Matrices>);
static_assert(accepted<Reversed, Reversed> && accepted_as_it_comes<Reversed, Reversed>);
static_assert(!accepted<const Chosen, Matrices>);
static_assert(!accepted_as_it_comes<ChosenOfOwn, Matrices>);
static_assert(!accepted<Matrices, ChosenOfOwn>);
static_assert(!accepted<ChosenOfConst, Matrices>);
#endif
static_assert(!accepted<const std::vector<Map<MatrixXd>>, Matrices>);
static_assert(accepted<Matrices, const std::vector<Map<MatrixXd>>>);

// ---- The optimizer ---------------------------------------------------------------------------------

static_assert(OptimizerFor<descent::SGD<float>, VectorXf, VectorXf>);
static_assert(OptimizerFor<descent::Momentum<long double>, Eigen::VectorX<long double>, Eigen::VectorX<long double>>);
static_assert(OptimizerFor<descent::Adam<double>&, VectorXd, VectorXd>);
static_assert(!OptimizerFor<const descent::Adam<double>, VectorXd, VectorXd>);
static_assert(!OptimizerFor<descent::rules::Adam, VectorXd, VectorXd>);
static_assert(!OptimizerFor<int, VectorXd, VectorXd>);

// A fixed size takes every argument that could have it.
using OfThree = descent::Adam<double, 3>;
static_assert(OptimizerFor<OfThree, Eigen::Vector3d, Eigen::Vector3d>);
static_assert(OptimizerFor<OfThree, VectorXd, VectorXd>);
static_assert(OptimizerFor<OfThree, Matrices, Matrices>);
static_assert(OptimizerFor<OfThree, std::tuple<Eigen::Vector2d, Eigen::Matrix<double, 1, 1>>,
                           std::tuple<Eigen::Vector2d, Eigen::Matrix<double, 1, 1>>>);
static_assert(OptimizerFor<OfThree, std::tuple<Eigen::Vector2d, VectorXd>, std::tuple<Eigen::Vector2d, VectorXd>>);
static_assert(!OptimizerFor<OfThree, Eigen::Vector4d, Eigen::Vector4d>);
static_assert(
    !OptimizerFor<OfThree, std::tuple<Eigen::Vector2d, Eigen::Vector2d>, std::tuple<Eigen::Vector2d, Eigen::Vector2d>>);
static_assert(OptimizerFor<descent::Adam<double, 0>, std::tuple<>, std::tuple<>>);

// ---- Rules -----------------------------------------------------------------------------------------

static_assert(descent::Rule<descent::rules::SGD> && !descent::LooksAhead<descent::rules::SGD>);
static_assert(descent::Rule<descent::rules::Momentum> && !descent::LooksAhead<descent::rules::Momentum>);
static_assert(descent::Rule<descent::rules::Nesterov> && descent::LooksAhead<descent::rules::Nesterov>);
static_assert(descent::HasValidate<descent::rules::Nesterov> && !descent::HasValidate<descent::rules::SGD>);
static_assert(descent::Rule<descent::rules::AdaGrad> && descent::HasInitialState<descent::rules::AdaGrad>);
static_assert(descent::Rule<descent::rules::RMSProp> && !descent::HasInitialState<descent::rules::RMSProp>);
static_assert(descent::Rule<descent::rules::AdaDelta> && !descent::HasRunningFactors<descent::rules::AdaDelta>);
static_assert(descent::Rule<descent::rules::Adam> && descent::HasRunningFactors<descent::rules::Adam>);
static_assert(descent::HasStatePowers<descent::rules::Adam> && !descent::HasStatePowers<descent::rules::SGD>);
static_assert(descent::Rule<descent::rules::AdamW> && !descent::HasRunningNumbers<descent::rules::AdamW>);
static_assert(descent::Rule<descent::rules::NAdam> && descent::HasRunningNumbers<descent::rules::NAdam>);
static_assert(descent::Rule<descent::rules::Muon> && descent::StepsWhole<descent::rules::Muon>);
static_assert(descent::Rule<descent::rules::Adafactor> && descent::StepsWhole<descent::rules::Adafactor>);
static_assert(!descent::StepsWhole<descent::rules::AdamW>);
static_assert(descent::ComputesAverage<descent::rules::ScheduleFreeSGD>);
static_assert(descent::KeepsAverage<descent::rules::ScheduleFreeAdamW>);
static_assert(!descent::KeepsAverage<descent::rules::AdamW>);
static_assert(descent::KeepsAverage<descent::Chain<descent::transforms::ClipNorm, descent::rules::ScheduleFreeSGD>>);
static_assert(descent::Rule<descent::Chain<descent::rules::RMSProp, descent::transforms::MomentumOfSteps>>);
static_assert(descent::Rule<descent::Chain<descent::transforms::L2Penalty, descent::rules::AdaGrad>>);
static_assert(!descent::Rule<descent::Adam<double>>);
static_assert(!descent::Rule<double>);

}  // namespace

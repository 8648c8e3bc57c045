// SPDX-License-Identifier: MIT
//
// Sparse steps, and parameters that come and go, of optimizers that are chosen when the program runs: the bits and the
// errors of those that are chosen when it is compiled.
#include <descent/any_optimizer.hpp>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/SparseCore>

#include <descent/resize.hpp>
#include <descent/sparse.hpp>

#include "any_components.hpp"
#include "catch.hpp"
#include "steps.hpp"
#include "tables.hpp"

using namespace descent;
using namespace descent::test;

namespace {

using Sparse = Eigen::SparseMatrix<float>;
using Numbers = std::vector<int>;

/// The same calls of an optimizer of a type and of one chosen at run time.
template <class R>
struct Both {
  Optimizer<R, float> typed;
  AnyOptimizer<float> any;
  Matrix<float> x, y;

  Both(const R& rule, Eigen::Index rows, Eigen::Index cols)
      : typed(rule),
        any(make_optimizer<float>(components_of(rule))),
        x(start<float>(rows * cols).reshaped(rows, cols)),
        y(x) {}

  void call(const auto& does) {
    does(typed, x);
    does(any, y);
    REQUIRE(same_bits(x, y));
    REQUIRE(typed.steps() == any.steps());
    REQUIRE(typed.skipped_steps() == any.skipped_steps());
    for (const std::string_view name : R::state_names) REQUIRE(same_bits(typed.state(name), any.state(name)));
  }
  /// The error, the same of both, which leaves everything as it was.
  template <class Error = std::invalid_argument>
  std::string complaint_of(const auto& does) {
    std::string text;
    call([&](auto& optimizer, Matrix<float>& params) {
      const std::string its = complaint<Error>([&] { does(optimizer, params); });
      if (!text.empty()) CHECK(its == text);
      text = its;
    });
    return text;
  }
};

/// Dense and sparse steps of all kinds take turns.
template <class R>
void take_turns(Both<R>& both, int begin, int end) {
  for (int t = begin; t < end; ++t) {
    const Eigen::Index rows = both.x.rows(), cols = both.x.cols();
    both.call([&](auto& optimizer, Matrix<float>& params) {
      if (t % 4 == 0) {
        optimizer.step(params, mixed_matrix<float>(rows, cols, t));
      } else if (t % 4 == 1) {
        optimizer.step_columns(params, Numbers{3, t % 3, 3}, mixed_matrix<float>(rows, 3, t));  // one of them twice
      } else if (t % 4 == 2) {
        optimizer.step_rows(params, Numbers{0, t % 4}, mixed_matrix<float>(2, cols, t) * 0.5f);
      } else {
        Sparse g(rows, cols);
        g.insert(1, 2) = 0.5f;
        g.insert(3, t % 2) = -1;
        optimizer.step_sparse(params, g);
      }
    });
  }
}

template <class R>
void require_same_run(const R& rule) {
  Both<R> both(rule, 5, 4);
  if constexpr (StartsAtParameters<R>) {
    both.call([](auto& optimizer, Matrix<float>& params) { optimizer.step(params, mixed_matrix<float>(5, 4, 1)); });
    CHECK(complaint([&] { both.any.step_rows(both.y, Numbers{0}, mixed_matrix<float>(1, 4, 1)); }) ==
          "descent: a rule that follows the parameters at every step, such as an average or a schedule-free one, takes "
          "no sparse steps");
    CHECK(complaint([&] { both.any.append_columns(2); }) ==
          "descent: the state of a rule that follows the parameters, such as an average or a schedule-free one, starts "
          "at them; nothing can be appended to it without them");
    both.call([](auto& optimizer, Matrix<float>& params) {
      optimizer.keep_rows(Numbers{4, 1});
      params = params(Numbers{4, 1}, Eigen::all).eval();
      optimizer.step(params, mixed_matrix<float>(2, 4, 2));
    });
  } else {
    take_turns(both, 1, 36);
    both.call([](auto& optimizer, Matrix<float>& params) {
      optimizer.append_columns(3);
      params.conservativeResize(5, 7);
      params.rightCols(3).setConstant(0.25f);
    });
    take_turns(both, 36, 40);
    both.call([](auto& optimizer, Matrix<float>& params) {
      optimizer.keep_rows(std::vector<bool>{true, false, true, true, true});
      optimizer.append_rows(std::int64_t{1});
      optimizer.keep_columns(Numbers{6, 0, 2, 3});
      params = params(Numbers{0, 2, 3, 4, 4}, Numbers{6, 0, 2, 3}).eval();
    });
    take_turns(both, 40, 70);
  }
}

const Chain recipe{transforms::GradientScale{0.5},
                   transforms::ClipValue{2.0},
                   transforms::L2Penalty{0x1p-5},
                   adam,
                   transforms::WeightDecay{.weight_decay = 0.25, .matrices_only = true},
                   transforms::MomentumOfSteps{0.75, MomentumForm::velocity},
                   transforms::Bounds{-2, 2},
                   transforms::SoftThreshold{0x1p-6}};

}  // namespace

TEST_CASE("sparse steps and new shapes of an optimizer chosen at run time have the bits of its rule", "[any][sparse]") {
  for_each_variant([](const std::string& name, const auto& rule) {
    INFO(name);
    require_same_run(rule);
  });
  require_same_run(recipe);
}

TEST_CASE("a tensor that rests, or has its own hyperparameters, takes sparse steps likewise at run time",
          "[any][sparse]") {
  const auto run = [](auto both) {
    take_turns(both, 1, 6);
    both.typed.tensor_rule(0).learning_rate = 0.25;
    both.any.tensor_rule(0).set("learning_rate", 0.25);
    take_turns(both, 6, 12);
    both.call([](auto& optimizer, Matrix<float>&) { optimizer.freeze(0); });
    take_turns(both, 12, 18);
    both.call([](auto& optimizer, Matrix<float>&) { optimizer.unfreeze(0); });
    take_turns(both, 18, 36);
  };
  run(Both<rules::Adam>(adam, 5, 4));
  run(Both<std::remove_const_t<decltype(recipe)>>(recipe, 5, 4));
}

TEST_CASE("long columns, and a gradient that shares memory with the parameters, at run time", "[any][sparse]") {
  Both<std::remove_const_t<decltype(recipe)>> both(recipe, 3000, 4);
  for (int t = 1; t <= 3; ++t)
    both.call([&](auto& optimizer, Matrix<float>& params) {
      optimizer.step_columns(params, Numbers{2, 0}, params.leftCols(2));
      optimizer.step_columns(params, Numbers{1}, optimizer.state("first_moment").head(3000));
    });
}

TEST_CASE("errors of sparse steps and of new shapes at run time are those of the types", "[any][sparse]") {
  const auto run = [](auto both) {
    for (int t = 1; t <= 2; ++t) {
      CHECK(both.template complaint_of<std::out_of_range>([](auto& optimizer, Matrix<float>& params) {
        optimizer.step_columns(params, Numbers{0, 4}, mixed_matrix<float>(5, 2, 1));
      }).starts_with("descent: no column 4; "));
      CHECK(both.complaint_of([](auto& optimizer, Matrix<float>& params) {
        optimizer.step_rows(params, Numbers{0, 4}, mixed_matrix<float>(2, 3, 1));
      }).starts_with("descent: the gradient is 2x3, "));
      CHECK(both.complaint_of([](auto& optimizer, Matrix<float>&) { optimizer.append_rows(-1); }) ==
            "descent: -1 rows to append; it must be >= 0");
      both.call([](auto& optimizer, Matrix<float>& params) { optimizer.step(params, mixed_matrix<float>(5, 4, 1)); });
    }
    CHECK(both.complaint_of([](auto& optimizer, Matrix<float>&) { optimizer.keep_rows(std::vector<bool>(4)); }) ==
          "descent: a mask of 4 for 5 rows");
    CHECK(both.template complaint_of<std::out_of_range>([](auto& optimizer, Matrix<float>&) {
      optimizer.keep_columns(Numbers{0, -1});
    }).starts_with("descent: no column -1 to keep; "));
    CHECK(both.complaint_of([](auto& optimizer, Matrix<float>&) {
      optimizer.keep_columns(Numbers{1, 1});
    }).starts_with("descent: column 1 is to be kept twice, "));
    CHECK(both.template complaint_of<std::out_of_range>([](auto& optimizer, Matrix<float>&) {
      optimizer.append_columns(1, 1);
    }).starts_with("descent: no tensor 1; "));
    const auto infinite_step = [](auto& optimizer, Matrix<float>& params) {
      optimizer.step_columns(params, Numbers{3}, Matrix<float>::Constant(5, 1, std::numeric_limits<float>::infinity()));
    };
    both.call([](auto& optimizer, Matrix<float>&) { optimizer.set_nonfinite(NonFinite::reject); });
    CHECK(both.template complaint_of<std::domain_error>(infinite_step).find("(0, 0) is inf") != std::string::npos);
    both.call([](auto& optimizer, Matrix<float>&) { optimizer.set_nonfinite(NonFinite::skip); });
    both.call(infinite_step);
    CHECK(both.any.skipped_steps() == 1);
  };
  run(Both<rules::Adam>(adam, 5, 4));
  run(Both<std::remove_const_t<decltype(recipe)>>(recipe, 5, 4));
}

TEST_CASE("what takes no sparse steps says so at run time", "[any][sparse]") {
  const std::string norms =
      "descent: a rule with norms of tensors takes no sparse steps, because they are norms of all "
      "elements";
  const auto says = [](AnyOptimizer<float> any) {
    Matrix<float> x = start<float>(12).reshaped(3, 4);
    return complaint([&] { any.step_columns(x, Numbers{1}, mixed_matrix<float>(3, 1, 1)); });
  };
  CHECK(says(make_optimizer<float>("lamb")) == norms);
  CHECK(says(make_optimizer<float>({{"clip_norm"}, {"adam"}})) == norms);
  CHECK(says(make_optimizer<float>({{"adam"}, {"trust_ratio"}})) == norms);
  CHECK(says(make_optimizer<float>("muon")) == "descent: a rule that steps matrices as a whole takes no sparse steps");
  CHECK(
      says(make_optimizer<float>({{"adam"}, {"average"}})).starts_with("descent: a rule that follows the parameters"));

  AnyOptimizer<float> averaging = make_optimizer<float>({{"clip_norm"}, {"adam"}, {"average"}});
  CHECK(complaint([&] { averaging.append_rows(1); }).find("nothing can be appended") != std::string::npos);
  Matrix<float> x = start<float>(12).reshaped(3, 4);
  averaging.step(x, mixed_matrix<float>(3, 4, 1));
  averaging.keep_columns(Numbers{2});
  x = x.col(2).eval();
  CHECK(same_bits(Matrix<float>(averaging.averaged(x)), x));
}

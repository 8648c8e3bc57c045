// SPDX-License-Identifier: MIT
//
// A Sharded optimizer takes the steps of a single one with the mean of all ranks' gradients, bit for bit, for any
// number of ranks, and each rank has its share of the state and no more.
#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ranks.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::transforms;

const rules::Adam adam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6};

template <class Scalar, class R>
bool agrees(const R& rule, const std::vector<std::pair<Eigen::Index, Eigen::Index>>& shapes, std::int64_t steps) {
  return Beside<R, Matrix<Scalar>>(rule, tensors<Matrix<Scalar>>(shapes)).agree_after(steps);
}

}  // namespace

TEST_CASE("every rule in every variant has the bits of one process", "[mpi]") {
  for_each_variant([&](const char* name, const auto& rule) {
    INFO(name);
    CHECK(
        agrees<float>(rule, {{7, 30}, {203, 1}, {5, 5}}, 34));  // beyond the first step at which small state becomes 0
  });
}

TEST_CASE("norms over all ranks have the bits of one process", "[mpi]") {
  // Beyond one block of norms, and beyond two; single elements behind them; tensors of one rank, and of several.
  const std::vector<std::pair<Eigen::Index, Eigen::Index>> shapes{{4096, 2}, {1, 1}, {100, 41}, {3, 3}, {9'003, 1}};
  CHECK(agrees<float>(Chain{ClipNorm{1.0}, adam, WeightDecay{.weight_decay = 0.1, .matrices_only = true}, Average{0.9}},
                      shapes, 34));
  CHECK(agrees<double>(Chain{GradientScale{0.5}, ClipTensorNorm{0.5}, ClipNorm{0.7}, rules::SGD{0.1}}, shapes, 5));
  CHECK(agrees<float>(rules::LAMB{}, shapes, 5));
  CHECK(agrees<double>(rules::LARS{}, shapes, 5));
  CHECK(agrees<long double>(Chain{ClipNorm{1.0}, rules::SGD{0.1}}, shapes, 3));
}

TEST_CASE("a norm whose squares overflow or vanish is taken again", "[mpi]") {
  for (const double size : {1e300, 1e-300}) {
    Beside<Chain<ClipTensorNorm, rules::SGD>, Vector<double>> each(Chain{ClipTensorNorm{size}, rules::SGD{0.1}},
                                                                   {start<double>(9000), start<double>(3)});
    Beside<Chain<ClipNorm, rules::SGD>, Vector<double>> all(Chain{ClipNorm{size}, rules::SGD{0.1}},
                                                            {start<double>(9000), start<double>(3)});
    const auto step = [&](auto& both) {
      auto g = both.gradient(1, rank()), mean = both.mean(1);
      g[0] *= size;
      mean[0].setZero();
      GradientAccumulator<double> accumulator;
      for (int other = 0; other < ranks(); ++other) {
        auto its = both.gradient(1, other);
        its[0] *= size;
        accumulator.add(its);
      }
      both.single.step(both.y, accumulator.take_mean(both.y));
      both.sharded.step(both.x, g);
      return both.agree();
    };
    CHECK(step(each));
    CHECK(step(all));
  }
}

TEST_CASE("rules that step whole tensors have the bits of one process", "[mpi]") {
  CHECK(agrees<float>(rules::Muon{}, {{7, 30}, {1003, 1}, {20, 5}, {5, 5}}, 3));
  CHECK(agrees<float>(rules::Adafactor{}, {{7, 30}, {1003, 1}, {0, 4}, {20, 5}, {5, 5}}, 3));
}

TEST_CASE("sizes need not divide, and ranks may own nothing", "[mpi]") {
  for (const Eigen::Index n : {0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 4095, 4097}) {
    INFO(n);
    CHECK(agrees<float>(adam, {{n, 1}}, 3));
    CHECK(agrees<double>(Chain{ClipNorm{1}, adam}, {{n, 1}, {1, n}}, 2));
  }
  CHECK(agrees<float>(adam, {}, 2));
  CHECK(agrees<float>(adam, {{0, 3}, {1, 1}, {0, 0}, {1, 1}, {1, 1}}, 2));
}

TEST_CASE("more than fits into one message is exchanged in rounds", "[mpi]") {
  CHECK(agrees<double>(Chain{adam}, {{3, 7}, {1'100'003, 1}, {11, 13}}, 2));
}

TEST_CASE("row-major matrices, and gradients of the other order", "[mpi]") {
  using RowMajor = Matrix<float, Eigen::RowMajor>;
  Beside<Chain<ClipNorm, rules::Adam>, RowMajor> rows(Chain{ClipNorm{0.5}, adam},
                                                      tensors<RowMajor>({{150, 70}, {3, 5}}));
  CHECK(rows.agree_after(3));

  std::vector<Matrix<float>> x = tensors<Matrix<float>>({{150, 70}, {3, 5}});
  Sharded<rules::Adam, float> sharded(adam);
  Optimizer<rules::Adam, float> single(adam);
  std::vector<Matrix<float>> y = x;
  for (int t = 1; t <= 3; ++t) {
    std::vector<RowMajor> g = rows.gradient(t, rank()), mean = rows.mean(t);
    if (t % 2 == 0) {
      sharded.step(x, g);
      single.step(y, mean);
    } else {
      sharded.step(x, std::vector<Matrix<float>>(g.begin(), g.end()));
      single.step(y, std::vector<Matrix<float>>(mean.begin(), mean.end()));
    }
  }
  CHECK(on_all(same_bits(x[0], y[0]) && same_bits(x[1], y[1])));

  // Parameters that change their order between steps; the state keeps that of the first.
  std::vector<RowMajor> as_rows(x.begin(), x.end()), single_as_rows(y.begin(), y.end());
  sharded.step(as_rows, rows.gradient(4, rank()));
  single.step(single_as_rows, rows.mean(4));
  CHECK(on_all(same_bits(as_rows[0], single_as_rows[0]) && same_bits(as_rows[1], single_as_rows[1])));
}

TEST_CASE("tuples, blocks, strides and expressions", "[mpi]") {
  Eigen::MatrixXf W = tensors<Matrix<float>>({{40, 30}})[0], V = W;
  Eigen::VectorXf b = start<float>(101), c = b;
  Sharded<rules::Adam, float> sharded(adam);
  Optimizer<rules::Adam, float> single(adam);
  GradientAccumulator<float> accumulator;
  for (int t = 1; t <= 3; ++t) {
    const auto of_rank = [&](int which) { return gradient_of<float>(1301, t, which); };
    const auto gradient = [](const Vector<float>& g, auto&& use) {
      use(std::tuple(g.head(1200).reshaped(40, 30).topRows(35) * 2, g.tail(101).reverse()));
    };
    for (int each = 0; each < ranks(); ++each) gradient(of_rank(each), [&](const auto& g) { accumulator.add(g); });
    auto top = W.topRows(35), single_top = V.topRows(35);
    single.step(std::tie(single_top, c), accumulator.take_mean(std::tie(single_top, c)));
    const Vector<float> own = of_rank(rank());
    gradient(own, [&](const auto& g) { sharded.step(std::tie(top, b), g); });
  }
  CHECK(on_all(same_bits(W, V) && same_bits(b, c)));
}

TEST_CASE("a gradient in the memory of the parameters is read before they change", "[mpi]") {
  Vector<float> x = start<float>(1000), y = x;
  Sharded<rules::Adam, float> sharded(adam);
  Optimizer<rules::Adam, float> single(adam);
  for (int t = 1; t <= 3; ++t) {
    sharded.step(x, x.reverse());
    single.step(y, y.reverse());
  }
  if (ranks() == 1 || ranks() == 2 || ranks() == 4) CHECK(on_all(same_bits(x, y)));  // whose mean is exact
  for (int t = 1; t <= 3; ++t) sharded.step(x, x);
  CHECK(on_all(x.allFinite()));
}

TEST_CASE("hyperparameters change at any time", "[mpi]") {
  Beside<rules::Adam, Vector<double>> run(adam, {start<double>(333)});
  for (int t = 1; t <= 12; ++t) {
    run.both([&](auto& optimizer) { optimizer.learning_rate = 0.1 / t; });
    run.step(t);
  }
  CHECK(run.agree());
}

TEST_CASE("frozen tensors and tensors of their own", "[mpi]") {
  const auto check = [](const auto& rule) {
    Beside<std::remove_cvref_t<decltype(rule)>, Vector<float>> run(
        rule, {start<float>(5000), start<float>(50), start<float>(4100), start<float>(20)});
    for (int t = 1; t <= 40; ++t) {
      if (t == 2) run.both([](auto& optimizer) { optimizer.freeze(2); });
      if (t == 4) run.both([](auto& optimizer) { optimizer.tensor_rule(1).learning_rate = 0.5; });
      if (t == 4) run.both([](auto& optimizer) { optimizer.tensor_rule(2).beta1 = 0.5; });
      if (t == 6) run.both([](auto& optimizer) { optimizer.freeze(0); });
      if (t == 7) run.both([](auto& optimizer) { optimizer.unfreeze(2); });
      if (t == 35) run.both([](auto& optimizer) { optimizer.common_rule(1); });
      run.step(t);
    }
    CHECK(run.agree());
    CHECK(run.sharded.frozen(0));
    CHECK(!run.sharded.frozen(2));
  };
  check(adam);
  check(Chain{ClipTensorNorm{0.3}, ClipNorm{0.5}, adam, TrustRatio{}});
}

TEST_CASE("all tensors may be frozen", "[mpi]") {
  Beside<Chain<ClipNorm, rules::Adam>, Vector<float>> run(Chain{ClipNorm{0.5}, adam}, {start<float>(100)});
  run.both([](auto& optimizer) { optimizer.freeze(0); });
  run.both([](auto& optimizer) { optimizer.set_nonfinite(NonFinite::reject); });
  CHECK(run.agree_after(3));
}

TEST_CASE("averages and look-aheads of all ranks' shares", "[mpi]") {
  const auto alike = [](const auto& a, const auto& b) {
    bool all = true;
    for (std::size_t i = 0; i < a.size(); ++i) all = all && same_bits(a[i], b[i]);
    return on_all(all);
  };
  const std::vector<std::pair<Eigen::Index, Eigen::Index>> shapes{{30, 70}, {5, 1}, {4100, 3}};
  const auto average_of = [&](const auto& rule) {
    Beside<std::remove_cvref_t<decltype(rule)>, Matrix<float>> run(rule, tensors<Matrix<float>>(shapes));
    CHECK(alike(run.sharded.averaged(run.x), run.x));
    CHECK(run.agree_after(2));
    run.both([](auto& optimizer) { optimizer.freeze(1); });
    CHECK(run.agree_after(2, 3));
    CHECK(alike(run.sharded.averaged(run.x), run.single.averaged(run.y)));
    CHECK(run.agree_after(1, 5));
  };
  average_of(Chain{ClipNorm{0.5}, adam, Average{0.9}});
  average_of(rules::ScheduleFreeSGD{.learning_rate = 0.03, .momentum = 0.8});

  Beside<rules::Nesterov, Matrix<float>> run(
      {.learning_rate = 0.03, .momentum = 0.8, .gradient_at = GradientAt::lookahead}, tensors<Matrix<float>>(shapes));
  CHECK(run.agree_after(2));
  run.both([](auto& optimizer) { optimizer.freeze(2); });
  CHECK(alike(run.sharded.lookahead(run.x), run.single.lookahead(run.y)));
}

TEST_CASE("reset forgets the shapes, too", "[mpi]") {
  Beside<rules::Adam, Vector<float>> run(adam, {start<float>(100)});
  CHECK(run.agree_after(3));
  run.both([](auto& optimizer) { optimizer.reset(); });
  run.x = run.y = {start<float>(777), start<float>(5)};
  CHECK(run.agree_after(3));
}

TEST_CASE("an optimizer moves", "[mpi]") {
  Beside<rules::Adam, Vector<float>> run(adam, {start<float>(100)});
  CHECK(run.agree_after(3));
  Sharded<rules::Adam, float> other = std::move(run.sharded);
  run.sharded = std::move(other);
  CHECK(run.agree_after(3, 4));
}

TEST_CASE("ranks of another communicator", "[mpi]") {
  MPI_Comm reversed = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, 0, -rank(), &reversed);
  auto sharded = make_sharded<float>(adam, reversed);
  MPI_Comm_free(&reversed);
  Vector<float> x = start<float>(100), y = x;
  GradientAccumulator<float> accumulator;
  for (int each = ranks() - 1; each >= 0; --each) accumulator.add(gradient_of<float>(100, 1, each));
  auto single = make_optimizer<float>(adam);
  single.step(y, accumulator.take_mean(y));
  sharded.step(x, gradient_of<float>(100, 1, rank()));
  CHECK(on_all(same_bits(x, y)));
}

TEST_CASE("each rank has its share of the state", "[mpi]") {
  const auto check = [](const auto& rule, std::int64_t unit) {
    const std::vector<Vector<float>> x{start<float>(10'001), start<float>(33), start<float>(70'000)};
    Beside<std::remove_cvref_t<decltype(rule)>, Vector<float>> run(rule, x);
    run.step(1);
    for (std::size_t slot = 0; slot < run.sharded.state_names.size(); ++slot) {
      const std::int64_t own = run.sharded.state(slot).size(), all = 80'034;
      CHECK(sum_of_all(own) == all);
      CHECK(on_all(own <= all / ranks() + 1 + unit));
      CHECK(on_all(own >= all / ranks() - unit));
    }
  };
  check(adam, 16);
  check(Chain{ClipNorm{1.0}, adam}, 4096);
}

// SPDX-License-Identifier: MIT
//
// Every kind of argument gives the same bits: Eigen's kinds of objects, tuples, ranges, fixed sizes, storage orders,
// and gradients that read the parameters that they move.
#include <array>
#include <deque>
#include <list>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"
#include "views.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::test::runs;

/// Each kind of argument is a template to compile for each rule, but only the state depends on the rule. So it is tried
/// with rules that have no state, one array that does not start at 0, and two, in float, whose packs have the most
/// lanes, and with Adam in double.
template <class Scalar, class Visit>
void for_each_tried_variant(Visit&& visit) {
  for_each_variant([&]<class R>(const char* name, const R& rule) {
    constexpr bool in_float = std::is_same_v<R, rules::SGD> || std::is_same_v<R, rules::AdaGrad>;
    if constexpr (std::is_same_v<R, rules::Adam> || (in_float && std::is_same_v<Scalar, float>)) visit(name, rule);
  });
}

/// Parameters or gradients, handed out by value as views of them.
template <class Scalar>
struct Net {
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  using Ref = Eigen::Ref<Matrix>;
  using Map = Eigen::Map<Matrix>;

  Matrix W, b;

  explicit Net(const Vector<Scalar>& flat) : W(flat.head(20).reshaped(4, 5)), b(flat.tail(4)) {}
  std::vector<Ref> refs() { return {W, b}; }
  std::vector<Map> maps() { return {Map(W.data(), 4, 5), Map(b.data(), 4, 1)}; }
  std::array<Ref, 2> array() { return {W, b}; }
  std::tuple<Ref, Ref> tuple() { return {W, b}; }
  Vector<Scalar> flat() const {
    Vector<Scalar> all(24);
    all << W.reshaped(), b;
    return all;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("a step depends on no kind of argument", "[arguments]", float, double) {
  using Scalar = TestType;
  for_each_tried_variant<Scalar>([]<class R>(const char* name, const R& rule) {
    INFO(name);
    Run<Scalar, R> plain(rule);
    plain.go();
    const auto check = [&](const char* kind, auto& optimizer, const auto& x, auto&& take_step) {
      INFO(kind);
      for (std::int64_t t = 1; t <= steps; ++t) take_step(mixed_gradient<Scalar>(n, t));
      CHECK(same_bits(x.reshaped(), plain.x));
      for (std::size_t k = 0; k < R::state_names.size(); ++k)
        CHECK(same_bits(optimizer.state(k), plain.optimizer.state(k)));
    };
    using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
    using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Vector<Scalar> x0 = start<Scalar>(n);

    {
      Optimizer<R, Scalar> optimizer(rule);
      Eigen::Array<Scalar, Eigen::Dynamic, 1> x = x0;
      check("array, gradient a matrix", optimizer, x, [&](const auto& g) { optimizer.step(x, g); });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Vector<Scalar> x = x0;
      check("gradient an expression", optimizer, x, [&](const auto& g) { optimizer.step(x, -(-g)); });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      std::vector<Scalar> memory(static_cast<std::size_t>(n) + 1);
      Eigen::Map<Vector<Scalar>> x(memory.data() + 1, n);
      x = x0;
      check("map of odd alignment", optimizer, x, [&](const auto& g) { optimizer.step(x, g); });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Vector<Scalar> x = x0;
      check("ref", optimizer, x, [&](const auto& g) {
        Eigen::Ref<Vector<Scalar>> ref(x);
        optimizer.step(ref, Eigen::Ref<const Vector<Scalar>>(g));
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      std::vector<Scalar> memory(static_cast<std::size_t>(3 * n));
      Eigen::Map<Vector<Scalar>, 0, Eigen::InnerStride<3>> x(memory.data(), n);
      x = x0;
      check("strided map", optimizer, x, [&](const auto& g) { optimizer.step(x, g); });
    }
    {
      // No two elements are adjacent, in gradient or parameters.
      using Strided = Eigen::Map<Matrix, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
      Optimizer<R, Scalar> optimizer(rule);
      std::vector<Scalar> memory(100), gradient_memory(100);
      Strided p(memory.data(), 4, 6, {16, 3}), p_gradient(gradient_memory.data(), 4, 6, {2, 12});
      p = x0.reshaped(4, 6);
      Vector<Scalar> x(n);
      check("strided matrix", optimizer, x, [&](const auto& g) {
        p_gradient = g.reshaped(4, 6);
        optimizer.step(p, p_gradient);
        x = p.reshaped();
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Matrix m = Matrix::Zero(3, n);
      m.row(1) = x0.transpose();
      auto x = m.row(1);
      check("strided row", optimizer, x, [&](const auto& g) { optimizer.step(m.row(1), g.transpose()); });
      CHECK(m.row(0).isZero(0));
      CHECK(m.row(2).isZero(0));
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      RowMajor m = RowMajor::Zero(n, 2);
      m.col(1) = x0;
      auto x = m.col(1);
      check("column of a row-major matrix", optimizer, x, [&](const auto& g) { optimizer.step(m.col(1), g); });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Matrix m = Matrix::Zero(8, 6);
      m.block(1, 1, 6, 4) = x0.reshaped(6, 4);
      auto x = m.block(1, 1, 6, 4);
      check("block", optimizer, x, [&](const auto& g) { optimizer.step(m.block(1, 1, 6, 4), g.reshaped(6, 4)); });
      CHECK(m.col(0).isZero(0));
      CHECK(m.row(7).isZero(0));
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Vector<Scalar> whole = Vector<Scalar>::Zero(n + 4);
      whole.segment(3, n) = x0;
      auto x = whole.segment(3, n);
      check("segment", optimizer, x, [&](const auto& g) { optimizer.step(whole.segment(3, n), g); });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Matrix x = x0.reshaped(4, 6);
      check("matrix, gradient row-major", optimizer, x, [&](const auto& g) {
        const RowMajor gradient = g.reshaped(4, 6);
        optimizer.step(x, gradient);
      });
    }
    {
      // Small enough for an inlined step: the first six parameters, then all for the comparison.
      Optimizer<R, Scalar> optimizer(rule), few(rule);
      Vector<Scalar> x = x0;
      Matrix small = x0.head(6).reshaped(2, 3);
      check("small matrix, gradient row-major", optimizer, x, [&](const auto& g) {
        const RowMajor gradient = g.head(6).reshaped(2, 3);
        few.step(small, gradient);
        optimizer.step(x, g);
        CHECK(same_bits(small.reshaped(), x.head(6)));
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Eigen::Matrix<Scalar, 2, 3, Eigen::ColMajor> A = x0.head(6).reshaped(2, 3);
      Matrix B = x0.segment(6, 10).reshaped(5, 2);
      Vector<Scalar> c = x0.tail(8), empty;
      Vector<Scalar> x(n);
      check("tuple", optimizer, x, [&](const auto& g) {
        optimizer.step(std::tie(A, B, empty, c),
                       std::tuple(g.head(6).reshaped(2, 3), Matrix(g.segment(6, 10).reshaped(5, 2)), empty, g.tail(8)));
        x << A.reshaped(), B.reshaped(), c;
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      std::vector<Matrix> tensors{x0.head(10).reshaped(5, 2), x0.tail(14).reshaped(2, 7)};
      Vector<Scalar> x(n);
      check("vector of matrices", optimizer, x, [&](const auto& g) {
        const std::vector<Matrix> gradients{g.head(10).reshaped(5, 2), g.tail(14).reshaped(2, 7)};
        optimizer.step(tensors, gradients);
        x << tensors[0].reshaped(), tensors[1].reshaped();
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      std::array<Vector<Scalar>, 3> tensors{x0.head(1), x0.segment(1, 7), x0.tail(16)};
      Vector<Scalar> x(n);
      check("span of vectors", optimizer, x, [&](const auto& g) {
        const std::array<Vector<Scalar>, 3> gradients{g.head(1), g.segment(1, 7), g.tail(16)};
        optimizer.step(std::span(tensors), std::span(gradients));
        x << tensors[0], tensors[1], tensors[2];
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      std::list<Vector<Scalar>> tensors{x0.head(5), x0.tail(19)};
      Vector<Scalar> x(n);
      check("list of vectors, deque of gradients", optimizer, x, [&](const auto& g) {
        optimizer.step(tensors, std::deque<Vector<Scalar>>{g.head(5), g.tail(19)});
        x << tensors.front(), tensors.back();
      });
    }
    {
      Optimizer<R, Scalar> as_refs(rule), as_maps(rule), as_array(rule), as_tuple(rule);
      std::vector<Net<Scalar>> nets(4, Net<Scalar>(x0));
      Vector<Scalar> x(n);
      check("what a network returns by value", as_refs, x, [&](const auto& g) {
        Net<Scalar> gradient(g);
        as_refs.step(nets[0].refs(), gradient.refs());
        as_maps.step(nets[1].maps(), gradient.maps());
        as_array.step(nets[2].array(), gradient.array());
        as_tuple.step(nets[3].tuple(), gradient.tuple());
        x = nets[0].flat();
        for (const auto& net : nets) CHECK(same_bits(net.flat(), x));
      });
    }
#if defined(DESCENT_TEST_VIEWS)
    {
      // Of three tensors the second has no part in it.
      Optimizer<R, Scalar> by_filter(rule), by_named_filter(rule), by_transform(rule), by_take(rule), by_reverse(rule);
      using Tensors = std::vector<Vector<Scalar>>;
      const Vector<Scalar> frozen = Vector<Scalar>::Ones(3);
      const Tensors start{x0.head(5), frozen, x0.tail(19)};
      Tensors filtered = start, named = start, transformed = start;
      Tensors taken{x0.head(5), x0.tail(19), frozen}, reversed{x0.tail(19), x0.head(5)};
      const auto moves = std::views::filter([](const auto& tensor) { return tensor.size() != 3; });
      const auto as_map =
          std::views::transform([](auto& tensor) { return Eigen::Map<Vector<Scalar>>(tensor.data(), tensor.size()); });
      Vector<Scalar> x(n);
      check("views of ranges", by_filter, x, [&](const auto& g) {
        Tensors gradients{g.head(5), frozen, g.tail(19)};
        by_filter.step(filtered | moves, gradients | moves);
        auto params = named | moves;
        auto named_gradients = gradients | moves;
        by_named_filter.step(params, named_gradients);
        by_transform.step(transformed | moves | as_map, gradients | moves | as_map);
        Tensors both{g.head(5), g.tail(19)};
        const auto stays = [](const auto& tensor) { return tensor.size() != 3; };
        by_take.step(taken | std::views::take_while(stays), both | std::views::take(2));
        by_reverse.step(reversed | std::views::reverse, both);
        x << filtered[0], filtered[2];
        CHECK(same_bits(filtered[1], frozen));
        for (std::size_t i = 0; i < 3; ++i) {
          CHECK(same_bits(named[i], filtered[i]));
          CHECK(same_bits(transformed[i], filtered[i]));
        }
        CHECK(same_bits(taken[0], filtered[0]));
        CHECK(same_bits(taken[1], filtered[2]));
        CHECK(same_bits(taken[2], frozen));
        CHECK(same_bits(reversed[1], filtered[0]));
        CHECK(same_bits(reversed[0], filtered[2]));
      });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      Vector<Scalar> a = x0.head(5), b = x0.tail(19), x(n);
      check("gradients computed by a view", optimizer, x, [&](const auto& g) {
        const std::vector<Vector<Scalar>> halves{Scalar(0.5) * g.head(5), Scalar(0.5) * g.tail(19)};
        const auto doubled = [](const auto& half) -> Vector<Scalar> { return Scalar(2) * half; };
        std::vector<Eigen::Ref<Vector<Scalar>>> params{a, b};
        optimizer.step(params, halves | std::views::transform(doubled));
        x << a, b;
      });
    }
#endif
    {
      Optimizer<R, Scalar, n> optimizer(rule);
      Eigen::Vector<Scalar, n> x = x0;
      check("fixed size", optimizer, x, [&](const auto& g) { optimizer.step(x, g); });
    }
    {
      Optimizer<R, Scalar, n> optimizer(rule);
      Vector<Scalar> x = x0;
      check("fixed size, dynamic arguments", optimizer, x, [&](const auto& g) { optimizer.step(x, g); });
    }
    {
      Optimizer<R, Scalar> optimizer(rule);
      optimizer.set_threads(3);
      Vector<Scalar> x = x0;
      check("more threads", optimizer, x, [&](const auto& g) { optimizer.step(x, g); });
    }
  });
}

TEMPLATE_TEST_CASE("row-major parameters", "[arguments]", float, double) {
  // The state keeps the order of the first step, whatever the order of later arguments.
  using Scalar = TestType;
  for_each_tried_variant<Scalar>([]<class R>(const char* name, const R& rule) {
    INFO(name);
    using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using ColMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
    Optimizer<R, Scalar> by_rows(rule), by_columns(rule), mixed(rule);
    RowMajor x = start<Scalar>(n).reshaped(4, 6), z_rows = x;
    ColMajor y = x, z_columns;
    for (std::int64_t t = 1; t <= steps; ++t) {
      const ColMajor g = mixed_gradient<Scalar>(n, t).reshaped(4, 6);
      by_rows.step(x, g);
      by_columns.step(y, g);
      if (t % 2 == 1) {
        mixed.step(z_rows, g);
        z_columns = z_rows;
      } else {
        mixed.step(z_columns, RowMajor(g));
        z_rows = z_columns;
      }
    }
    CHECK(same_bits(x, y));
    CHECK(same_bits(x, z_rows));
    for (std::size_t k = 0; k < R::state_names.size(); ++k) {
      CHECK(same_bits(by_rows.state(k).reshaped(6, 4).transpose(), by_columns.state(k).reshaped(4, 6)));
      CHECK(same_bits(by_rows.state(k), mixed.state(k)));
    }
  });
}

TEMPLATE_TEST_CASE("matrices of many tiles", "[arguments]", float, double) {
  // More runs, and longer ones, than a tile holds, and some left over; what lies between the elements stays.
  using Scalar = TestType;
  using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using ColMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  using Strided = Eigen::Map<ColMajor, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
  for (const auto& [rows, cols] : {std::pair<Eigen::Index, Eigen::Index>{37, 131}, {131, 37}, {16, 64}}) {
    INFO(rows << " x " << cols);
    Adam<Scalar> by_columns, by_rows, mixed, strided;
    ColMajor x = start<Scalar>(rows * cols).reshaped(rows, cols), y = x;
    RowMajor x_rows = x;
    const Eigen::Index outer = 2 * rows + 3;
    std::vector<Scalar> memory(static_cast<std::size_t>(outer * cols), Scalar(7)), between = memory;
    Strided z(memory.data(), rows, cols, {outer, 2}), places(between.data(), rows, cols, {outer, 2});
    z = x;
    for (std::int64_t t = 1; t <= 3; ++t) {
      const ColMajor g = mixed_gradient<Scalar>(rows * cols, t).reshaped(rows, cols);
      by_columns.step(x, g);
      by_rows.step(x_rows, g);
      mixed.step(y, RowMajor(g));
      strided.step(z, RowMajor(g));
    }
    CHECK(same_bits(x, x_rows));
    CHECK(same_bits(x, y));
    CHECK(same_bits(x, z));
    places = x;
    CHECK(memory == between);
  }
}

TEMPLATE_TEST_CASE("a gradient may read the parameters that it moves", "[arguments]", float, double) {
  using Scalar = TestType;
  for_each_tried_variant<Scalar>([]<class R>(const char* name, const R& rule) {
    INFO(name);
    const Vector<Scalar> x0 = start<Scalar>(n);
    const auto run = [&](auto&& take_step) {
      Optimizer<R, Scalar> optimizer(rule);
      Vector<Scalar> x = x0, y = Scalar(2) * x0.reverse();
      for (int t = 0; t < 5; ++t) take_step(optimizer, x, y);
      return std::pair(x, y);
    };
    const auto both_same = [](const auto& a, const auto& b) {
      return same_bits(a.first, b.first) && same_bits(a.second, b.second);
    };

    // The parameters themselves, and an expression of them that reads other positions.
    CHECK(both_same(run([](auto& o, auto& x, auto&) { o.step(x, x); }),
                    run([](auto& o, auto& x, auto&) { o.step(x, Vector<Scalar>(x)); })));
    CHECK(both_same(run([](auto& o, auto& x, auto&) { o.step(x, x.reverse()); }),
                    run([](auto& o, auto& x, auto&) { o.step(x, Vector<Scalar>(x.reverse())); })));
    const auto step_fixed = [](auto& x, auto&& gradient_of) {
      Optimizer<R, Scalar, n> fixed;
      fixed.step(x, gradient_of(x));
    };
    CHECK(both_same(
        run([&](auto&, auto& x, auto&) { step_fixed(x, [](auto& v) { return v.reverse(); }); }),
        run([&](auto&, auto& x, auto&) { step_fixed(x, [](auto& v) { return Vector<Scalar>(v.reverse()); }); })));
    // Overlapping parts of one vector.
    CHECK(both_same(run([](auto& o, auto& x, auto&) { o.step(x.tail(n - 1), x.head(n - 1)); }),
                    run([](auto& o, auto& x, auto&) { o.step(x.tail(n - 1), Vector<Scalar>(x.head(n - 1))); })));
    CHECK(both_same(run([](auto& o, auto& x, auto&) { o.step(x.head(n - 1), x.tail(n - 1)); }),
                    run([](auto& o, auto& x, auto&) { o.step(x.head(n - 1), Vector<Scalar>(x.tail(n - 1))); })));
    // A square matrix and its transpose.
    CHECK(both_same(run([](auto& o, auto& x, auto&) {
      auto m = x.head(16).reshaped(4, 4);
      Eigen::Map<Eigen::Matrix<Scalar, 4, 4>> map(&m(0, 0));
      o.step(map, map.transpose());
    }),
                    run([](auto& o, auto& x, auto&) {
      auto m = x.head(16).reshaped(4, 4);
      Eigen::Map<Eigen::Matrix<Scalar, 4, 4>> map(&m(0, 0));
      o.step(map, Eigen::Matrix<Scalar, 4, 4>(map.transpose()));
    })));
    // A game, f = x'y: the gradient of each is the other.
    CHECK(both_same(run([](auto& o, auto& x, auto& y) { o.step(std::tie(x, y), std::tie(y, x)); }),
                    run([](auto& o, auto& x, auto& y) {
      o.step(std::tie(x, y), std::tuple(Vector<Scalar>(y), Vector<Scalar>(x)));
    })));
    CHECK(both_same(run([](auto& o, auto& x, auto& y) {
      std::vector<Eigen::Map<Vector<Scalar>>> params{{x.data(), n}, {y.data(), n}},
          gradients{{y.data(), n}, {x.data(), n}};
      o.step(params, gradients);
    }),
                    run([](auto& o, auto& x, auto& y) {
      o.step(std::tie(x, y), std::tuple(Vector<Scalar>(y), Vector<Scalar>(x)));
    })));
  });
}

TEMPLATE_TEST_CASE("a gradient may read the state that it changes", "[arguments]", float, double) {
  using Scalar = TestType;
  const auto run = [&](auto&& gradient_of) {
    Adam<Scalar> adam;
    Vector<Scalar> x = start<Scalar>(n);
    for (int t = 0; t < 5; ++t) {
      const Vector<Scalar> g = mixed_gradient<Scalar>(n, t);
      if (t % 2 == 0)
        adam.step(x, g);
      else  // One element further: what the previous step has just written, and the first element of the next array.
        adam.step(x, gradient_of(Eigen::Map<const Vector<Scalar>>(adam.state(0).data() + 1, n)));
    }
    return x;
  };
  CHECK(same_bits(run([](const auto& map) { return map; }), run([](const auto& map) { return Vector<Scalar>(map); })));
}

TEMPLATE_TEST_CASE("gradients may read the parameters of many tensors", "[arguments]", float, double) {
  // So many that the parameters are sorted by address.
  using Scalar = TestType;
  constexpr Eigen::Index count = 40;
  using Tensor = Eigen::Map<Vector<Scalar>, Eigen::Unaligned, Eigen::InnerStride<>>;

  // Tensor i reads its gradient moved(i) places after that of from(i): in the memory of the parameters, or in a copy.
  const auto run = [&](auto&& of, auto&& from, auto&& moved, bool in_place) {
    Adam<Scalar> adam;
    Vector<Scalar> padded = start<Scalar>(8 * count + 4);
    for (int t = 0; t < 3; ++t) {
      Vector<Scalar> copy = padded;
      std::vector<Tensor> params, gradients;
      for (Eigen::Index i = 0; i < count; ++i) {
        params.push_back(of(padded.data(), (7 * i) % count));  // not in the order of addresses
        gradients.push_back(of((in_place ? padded : copy).data() + moved(i), (7 * from(i)) % count));
      }
      adam.step(params, gradients);
    }
    return padded;
  };
  const auto compare = [&](const char* name, auto&& of) {
    INFO(name);
    const auto own = [](Eigen::Index i) { return i; };
    const auto next = [](Eigen::Index i) { return (i + 1) % count; };
    const auto first = [](Eigen::Index) { return Eigen::Index{0}; };
    const auto by = [](Eigen::Index places) { return [places](Eigen::Index) { return places; }; };
    const auto others_by_3 = [](Eigen::Index i) { return i == 0 ? 0 : 3; };
    CHECK(same_bits(run(of, own, by(0), true), run(of, own, by(0), false)));
    CHECK(same_bits(run(of, own, by(1), true), run(of, own, by(1), false)));
    CHECK(same_bits(run(of, own, others_by_3, true), run(of, own, others_by_3, false)));
    CHECK(same_bits(run(of, next, by(0), true), run(of, next, by(0), false)));
    CHECK(same_bits(run(of, first, by(0), true), run(of, first, by(0), false)));
  };
  compare("one after the other",
          [](Scalar* data, Eigen::Index i) { return Tensor(data + 3 * i, 3, Eigen::InnerStride<>(1)); });
  compare("rows of a column-major matrix, each among the others",
          [](Scalar* data, Eigen::Index i) { return Tensor(data + i, 3, Eigen::InnerStride<>(count)); });
  // Element 160 belongs to tensor 0, in a gap between two others.
  compare("one that surrounds all others", [](Scalar* data, Eigen::Index i) {
    return i == 0 ? Tensor(data, 3, Eigen::InnerStride<>(4 * count))
                  : Tensor(data + 8 * i - 3, 3, Eigen::InnerStride<>(1));
  });
}

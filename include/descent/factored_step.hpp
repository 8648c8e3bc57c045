// SPDX-License-Identifier: MIT
//
// One step of a tensor as a whole, in the terms of Adafactor's formula. The squares of a matrix of gradients leave only
// the means of its rows and columns as state. All passes are those of kernel/sweep.hpp and kernel/norm.hpp; sums are
// taken in the order of the state, which is that of the parameters at the first step.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <type_traits>

#include <descent/kernel/mean.hpp>
#include <descent/kernel/norm.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/rule.hpp>
#include <descent/strided.hpp>
#include <descent/tensor_step.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// What norms are taken of: the parameters and their gradient.
struct BothAsTheyAre {
  template <class Pack>
  [[gnu::always_inline]] auto operator()(const Pack& x, const Pack& g) const {
    return std::array<Pack, 2>{copied(x), copied(g)};
  }
};

/// The kernel of x <- f(x, s), with a state array s.
template <class F>
struct Becomes {
  F f;

  template <class Pack>
  [[gnu::always_inline]] Pack operator()(const Pack& x, const Pack&, Pack&) const {
    return x;
  }
  template <class Pack>
  [[gnu::always_inline]] Pack after_step(const Pack& x, const Pack&, Pack& s) const {
    return f(x, s);
  }
};

/// How the second moment is estimated: v <- mean(v, g^2 + added), and v_hat is v, or for a matrix
/// v_row v_col / max(least_mean, the mean of v_row). v_hat is at least `least`.
template <class Scalar>
struct SecondMoment {
  MovingAverage<Scalar> mean;
  Scalar added, least_mean, least;
};

template <class R, class Scalar>
class FactoredStep {
  static_assert(R::state_names.size() == 1, "descent: a rule that factors its state has one state array");
  using Wide = kernel::Wide<Scalar>;

 public:
  static bool takes(const Shape&) { return true; }
  static bool factors_state(const Shape& shape) { return shape.is_matrix(); }
  /// How many scalars of memory it takes; at most four for each element.
  static Index work(const Shape& shape) {
    return factors_state(shape) ? 2 * (shape.size() + (std::max)(shape.rows, shape.cols)) : shape.size();
  }

  FactoredStep(const TensorStep<R, Scalar>& tensor, Scalar* work, int threads)
      : tensor_(tensor), threads_(threads), u_(work), transposed_(u_ + size()), sums_(transposed_ + size()) {
    copy_elements(tensor.g, order(), u_);
  }

  /// What the rule's kernel would get.
  auto step() const { return step_of<Scalar>(tensor_.counter, TensorFacts<R>()); }

  /// u = g / sqrt(v_hat)
  void divide_by_root(const SecondMoment<Scalar>& moment) const {
    if (factors_state(tensor_.x.shape))
      divide_matrix(moment);
    else
      divide_elements(moment);
  }

  /// The root mean squares of x and u.
  std::array<Wide, 2> root_mean_squares() const {
    const View<const Scalar> u = contiguous_view<const Scalar>(u_, order());
    auto norms = kernel::norms_of<Scalar>([&](Wide factor) {
      kernel::Sums<Scalar, 2> sums{};
      const BothAsTheyAre kernel;
      sum_view(kernel::NormPass<Scalar, 0, 2>(kernel, threads_, factor), tensor_.x, u, tensor_.row_major, {}, sums);
      return sums;
    });
    for (Wide& norm : norms) norm = quotient(norm, kernel::square_root(static_cast<Wide>(size())));
    return norms;
  }

  /// x <- x - kernel(x, u)
  void move(const auto& kernel) const {
    const View<const Scalar> u = contiguous_view<const Scalar>(u_, order());
    sweep_view(kernel::Pass<Scalar, 0>(kernel, threads_, nullptr), tensor_.x, u, tensor_.row_major, {});
  }

 private:
  Index size() const { return tensor_.x.shape.size(); }
  Shape order() const { return {tensor_.x.shape.rows, tensor_.x.shape.cols, tensor_.row_major}; }

  void divide_elements(const SecondMoment<Scalar>& moment) const {
    const auto v_hat = [mean = moment.mean, added = moment.added, least = moment.least](const auto& g, auto& v)
                           __attribute__((always_inline)) {
      v = mean(v, square(g) + added);
      return select(v < least, least, v);
    };
    divide(v_hat, u_, size(), tensor_.state[0], flushes<R>(tensor_.counter.t) ? &thresholds_of<Scalar, R> : nullptr);
  }

  /// In runs of `inner` elements that lie one after the other: columns, or rows of a row-major matrix.
  void divide_matrix(const SecondMoment<Scalar>& moment) const {
    Scalar* const v_row = tensor_.state[0];
    Scalar* const v_col = v_row + tensor_.x.shape.rows;
    const Index inner = tensor_.row_major ? tensor_.x.shape.cols : tensor_.x.shape.rows, outer = size() / inner;
    Scalar* const along = tensor_.row_major ? v_col : v_row;   // one for each element of a run
    Scalar* const across = tensor_.row_major ? v_row : v_col;  // one for each run
    copy_transposed(u_, inner, outer, inner, transposed_, outer);
    update(along, u_, outer, inner, moment);
    update(across, transposed_, inner, outer, moment);
    const Wide mean = (std::max)(mean_of(v_row, tensor_.x.shape.rows), Wide(moment.least_mean));  // NaN stays
    for (Index run = 0; run < outer; ++run) {
      const auto v_hat = [its = static_cast<Scalar>(quotient(across[run], mean)), least = moment.least](
                             const auto&, auto& other) __attribute__((always_inline)) {
        const auto product = its * other;
        return select(product < least, least, product);
      };
      divide(v_hat, u_ + run * inner, inner, along, nullptr);
    }
  }

  /// u <- u / sqrt(v_hat(u, state))
  void divide(const auto& v_hat, Scalar* u, Index n, Scalar* state, const kernel::Thresholds<Scalar, 1>* flush) const {
    set(u, n, state, [v_hat](const auto& its_u, auto& its_state) __attribute__((always_inline)) {
      using Pack = std::remove_cvref_t<decltype(its_u)>;
      constexpr Scalar most = (std::numeric_limits<Scalar>::max)();
      return clamp(its_u / sqrt(v_hat(its_u, its_state)), Pack(-most), Pack(most));
    }, flush);
  }

  /// Takes the mean square of `runs` runs of n elements each, element by element, into the moving averages v. None
  /// becomes so large that their sum could overflow. Sums of 64 runs are added, so that few roundings follow another.
  void update(Scalar* v, const Scalar* elements, Index runs, Index n, const SecondMoment<Scalar>& moment) const {
    constexpr Index most_runs = 64;
    Scalar *const total = sums_, *const part = sums_ + n;
    const kernel::Add add;
    // A pass subtracts what its kernel returns.
    const auto add_square = [](const auto&, const auto& g) __attribute__((always_inline)) { return -square(g); };
    const kernel::Pass<Scalar, 0> adding(add, threads_, nullptr), adding_squares(add_square, threads_, nullptr);
    std::fill_n(total, n, Scalar(0));
    for (Index begin = 0; begin < runs; begin += most_runs) {
      std::fill_n(part, n, Scalar(0));
      for (Index run = begin; run < (std::min)(begin + most_runs, runs); ++run)
        adding_squares(part, elements + run * n, {}, n);
      adding(total, part, {}, n);
    }
    set(v, n, total,
        [mean = moment.mean, count = static_cast<Scalar>(runs), added = moment.added,
         most = (std::numeric_limits<Scalar>::max)() / Scalar(0x1p24)](const auto& its_v, const auto& sum)
            __attribute__((always_inline)) {
      const auto next = mean(its_v, sum / count + added);
      return select(next > most, most, next);
    },
        nullptr);
  }

  /// x <- f(x, state)
  template <class F>
  void set(Scalar* x, Index n, Scalar* state, const F& f, const kernel::Thresholds<Scalar, 1>* flush) const {
    const Becomes<F> kernel{f};
    kernel::Pass<Scalar, 1>(kernel, threads_, flush)(x, x, {state}, n);
  }

  static Wide mean_of(const Scalar* v, Index n) {
    Wide sum = 0;
    for (Index i = 0; i < n; ++i) kernel::add_to(sum, v[i]);
    return quotient(sum, static_cast<Wide>(n));
  }
  /// a / b, by one correctly rounded operation.
  static Wide quotient(Wide a, Wide b) {
    using Number = kernel::Pack<Wide, 0>;
    Wide result;
    (Number(a) / Number(b)).store(&result);
    return result;
  }

  TensorStep<R, Scalar> tensor_;
  int threads_;
  Scalar *u_, *transposed_, *sums_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

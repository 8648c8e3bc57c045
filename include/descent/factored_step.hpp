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
#include <utility>

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

/// How the second moment is estimated: v <- mean(v, g^2 + added), and v_hat is v, or for a matrix
/// v_row v_col / max(least_mean, the mean of v_row). v_hat is at least `least`.
template <class Scalar>
struct SecondMoment {
  MovingAverage<kernel::Wide<Scalar>> mean;
  Scalar added, least_mean, least;
};

template <class R, class Scalar>
class FactoredStep {
  static_assert(R::state_names.size() == 1, "descent: a rule that factors its state has one state array");
  using Wide = kernel::Wide<Scalar>;
  using Number = kernel::Pack<Wide, 0>;

 public:
  static bool takes(const Shape&) { return true; }
  static bool factors_state(const Shape& shape) { return shape.is_matrix(); }
  /// How many scalars of memory it takes.
  static Index work(const Shape& shape) { return 2 * shape.size(); }

  FactoredStep(const TensorStep<R, Scalar>& tensor, Scalar* work, int threads)
      : tensor_(tensor), threads_(threads), u_(work), transposed_(work + size()) {
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
    const MovingAverage<Scalar> mean{static_cast<Scalar>(moment.mean.decay), static_cast<Scalar>(moment.mean.rest)};
    divide([mean, added = moment.added, least = moment.least](const auto& g, auto& v) __attribute__((always_inline)) {
      v = mean(v, square(g) + added);
      return select(v < least, least, v);
    }, u_, size(), tensor_.state[0], flushes<R>(tensor_.counter.t) ? &thresholds_of<Scalar, R> : nullptr);
  }

  /// In runs of `inner` elements that lie one after the other: columns, or rows of a row-major matrix.
  void divide_matrix(const SecondMoment<Scalar>& moment) const {
    Scalar* const v_row = tensor_.state[0];
    Scalar* const v_col = v_row + tensor_.x.shape.rows;
    const Index inner = tensor_.row_major ? tensor_.x.shape.cols : tensor_.x.shape.rows, outer = size() / inner;
    Scalar* const along = tensor_.row_major ? v_col : v_row;   // one for each element of a run
    Scalar* const across = tensor_.row_major ? v_row : v_col;  // one for each run
    copy_transposed(u_, inner, outer, inner, transposed_, outer);
    update(across, u_, outer, inner, moment);
    update(along, transposed_, inner, outer, moment);
    const Wide mean = (std::max)(mean_of(v_row, tensor_.x.shape.rows), Wide(moment.least_mean));  // NaN stays
    for (Index run = 0; run < outer; ++run)
      divide(
          [its = static_cast<Scalar>(quotient(across[run], mean)), least = moment.least](const auto&, auto& other)
              __attribute__((always_inline)) {
        const auto v_hat = its * other;
        return select(v_hat < least, least, v_hat);
      },
          u_ + run * inner, inner, along, nullptr);
  }

  /// u <- u / sqrt(v_hat(u, state))
  template <class V>
  void divide(const V& v_hat, Scalar* u, Index n, Scalar* state, const kernel::Thresholds<Scalar, 1>* flush) const {
    const Quotient<V> quotient{v_hat};
    kernel::Pass<Scalar, 1>(quotient, threads_, flush)(u, u, {state}, n);
  }
  template <class V>
  struct Quotient {
    V v_hat;

    template <class Pack>
    [[gnu::always_inline]] Pack operator()(const Pack& u, const Pack&, Pack&) const {
      return u;
    }
    template <class Pack>
    [[gnu::always_inline]] Pack after_step(const Pack& u, const Pack&, Pack& state) const {
      constexpr Scalar most = (std::numeric_limits<Scalar>::max)();
      return clamp(u / sqrt(v_hat(u, state)), Pack(-most), Pack(most));
    }
  };

  /// Takes the mean square of each run of `length` elements into the moving averages `v`. None becomes so large that
  /// their sum could overflow.
  void update(Scalar* v, const Scalar* elements, Index runs, Index length, const SecondMoment<Scalar>& moment) const {
    constexpr Wide most = (std::numeric_limits<Scalar>::max)() / Wide(0x1p40);
    const kernel::OfGradient kernel;
    const kernel::NormPass<Scalar, 0, 1> pass(kernel, threads_, 1);
    for (Index run = 0; run < runs; ++run, elements += length) {
      kernel::Sums<Scalar, 1> sums{};
      pass([&](std::ptrdiff_t block, const auto& sum) {
        sum(elements + block * kernel::norm_block, elements + block * kernel::norm_block);
      }, length, {}, sums);
      const Number square = Number(quotient(sums[0], static_cast<Wide>(length))) + Number(moment.added);
      Wide mean;
      moment.mean(Number(v[run]), square).store(&mean);
      v[run] = static_cast<Scalar>((std::min)(mean, most));
    }
  }

  static Wide mean_of(const Scalar* v, Index n) {
    Wide sum = 0;
    for (Index i = 0; i < n; ++i) kernel::add_to(sum, v[i]);
    return quotient(sum, static_cast<Wide>(n));
  }
  /// a / b, by one correctly rounded operation.
  static Wide quotient(Wide a, Wide b) {
    Wide result;
    (Number(a) / Number(b)).store(&result);
    return result;
  }

  TensorStep<R, Scalar> tensor_;
  int threads_;
  Scalar *u_, *transposed_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail

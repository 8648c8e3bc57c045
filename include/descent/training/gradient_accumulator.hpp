// SPDX-License-Identifier: MIT
//
// GradientAccumulator: the gradients of several micro-batches, added up for one step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/errors.hpp>
#include <descent/kernel/mean.hpp>
#include <descent/kernel/sweep.hpp>
#include <descent/strided.hpp>
#include <descent/tensors.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

/// The only access to what training objects remember; checkpoints use it.
struct TrainingAccess;

/// A view as an object of Eigen's, of the type and storage order of Plain.
template <class Plain>
using StridedMap = Eigen::Map<const Plain, Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

template <class Plain>
StridedMap<Plain> map_of(const View<const typename Plain::Scalar>& view) {
  const bool by_rows = Plain::IsRowMajor;
  return {view.data,
          view.shape.rows,
          view.shape.cols,
          {by_rows ? view.row_stride : view.col_stride, by_rows ? view.col_stride : view.row_stride}};
}

/// Views as a range of maps.
template <class Plain>
class MapRange {
 public:
  using Scalar = typename Plain::Scalar;

  class Iterator {
   public:
    using value_type = StridedMap<Plain>;
    using difference_type = std::ptrdiff_t;
    using reference = value_type;
    using pointer = void;
    using iterator_concept = std::forward_iterator_tag;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(const View<const Scalar>* view) : view_(view) {}

    value_type operator*() const { return map_of<Plain>(*view_); }
    Iterator& operator++() {
      ++view_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(view_++); }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.view_ == b.view_; }

   private:
    const View<const Scalar>* view_ = nullptr;
  };

  explicit MapRange(const Views<const Scalar>& views) : views_(views) {}

  Iterator begin() const { return Iterator(views_.begin()); }
  Iterator end() const { return Iterator(views_.end()); }
  std::size_t size() const { return static_cast<std::size_t>(views_.count); }
  StridedMap<Plain> operator[](std::size_t tensor) const { return map_of<Plain>(views_[static_cast<Index>(tensor)]); }

 private:
  Views<const Scalar> views_;
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// Adds the gradients of micro-batches in one array of its own, where a batch is too large to be computed at once:
///
///     descent::GradientAccumulator<float> accumulator;
///     for (const auto& batch : batches.epoch()) {
///       accumulator.add(std::tie(dW, db));                                // of this micro-batch
///       if (accumulator.count() < 8) continue;
///       optimizer.learning_rate = schedule(optimizer.steps());           // once a step, not once a micro-batch
///       optimizer.step(std::tie(W, b), accumulator.take_mean(std::tie(W, b)));
///     }
///
/// What is left at the end of an epoch is no whole step: take its mean, too, let it join the next epoch, or `reset`.
///
/// Each element is ((g1 + g2) + g3) + ... in the order of the calls, and the mean is that sum divided by their number
/// once, so that the bits do not depend on the CPU. They differ from those of the whole batch at once, and of a loss
/// that is divided for each micro-batch. A mean of means is that of the batch only if all micro-batches have the same
/// size; otherwise add sums over samples, and divide by their number. Clip after accumulating, not before.
///
/// It allocates memory in its first cycle alone; gradients that are expressions are evaluated into memory that it
/// keeps, too. Copies are independent values.
template <class Scalar>
class GradientAccumulator {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double> || std::is_same_v<Scalar, long double>,
                "descent: the scalar of a GradientAccumulator is float, double or long double");

 public:
  /// Adds a gradient: anything dense in Eigen, a tuple of them or a range, as for Optimizer::step. The first one after
  /// construction, `take_…` or `reset` fixes the shapes. Throws std::invalid_argument where another has other ones, or
  /// is memory of this accumulator; whenever it throws, all is as before.
  template <class Gradient>
  requires Tensors<Gradient> && ReadableWhenConst<Gradient> && OfScalar<Gradient, Scalar>
  void add(const Gradient& gradient) {
    views_.resize(static_cast<std::size_t>(detail::count_tensors(gradient)));
    if constexpr (detail::in_memory<Gradient>) {
      detail::place_views(gradient, views_.data());
    } else {
      detail::place_shapes(gradient, views_.data());
      evaluated_.resize(static_cast<std::size_t>(detail::size_of(views())));
      detail::evaluate(gradient, views_.data(), evaluated_.data());
    }
    add_views();
  }

  /// The number of gradients added since construction, `take_…` or `reset`.
  std::int64_t count() const { return count_; }

  /// The sum, or the mean, of what was added, as the gradient of params: a Map of this accumulator's memory for one
  /// tensor, a tuple of them for a tuple, a range of them for a range, to be read until the next call. Of params it
  /// takes only the shapes. The next `add` starts anew. Throws std::logic_error if nothing was added, and
  /// std::invalid_argument if params has other shapes; then all is as before.
  template <class Params>
  requires Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar>
  auto take_sum(const Params& params) {
    require_shapes_of(params);
    count_ = 0;
    return maps_for<Params>();
  }
  template <class Params>
  requires Tensors<Params> && ReadableWhenConst<Params> && OfScalar<Params, Scalar>
  auto take_mean(const Params& params) {
    require_shapes_of(params);
    kernel::divide(sum_.data(), static_cast<std::ptrdiff_t>(sum_.size()), static_cast<Scalar>(count_));
    count_ = 0;
    return maps_for<Params>();
  }

  /// Forgets what was added.
  void reset() { count_ = 0; }

 private:
  friend struct detail::TrainingAccess;
  using Views = detail::Views<const Scalar>;
  using Index = Eigen::Index;

  Views views() const { return {views_.data(), static_cast<Index>(views_.size())}; }

  void require_shapes_so_far() const {
    if (count_ == 0) return;
    const Index tensors = views().count, so_far = static_cast<Index>(shapes_.size());
    if (tensors != so_far)
      detail::fail<std::invalid_argument>({"descent::GradientAccumulator: ", tensors,
                                           " gradients, but so far they were ", so_far, "; reset() starts anew"});
    for (Index i = 0; i < tensors; ++i)
      if (const detail::Shape& shape = shapes_[static_cast<std::size_t>(i)]; views()[i].shape != shape)
        detail::fail_shape("descent::GradientAccumulator: the gradient", " is ", views()[i].shape,
                           ", but so far it was ", shape, "; reset() starts anew", i, tensors);
  }

  void add_views() {
    require_shapes_so_far();
    for (const auto& view : views())
      if (detail::address_range_of(view).overlaps({sum_.data(), sum_.data() + sum_.size()}))
        detail::fail<std::invalid_argument>(
            "descent::GradientAccumulator: the gradient is in the memory of the accumulator itself");
    if (count_ == 0)
      start();
    else
      add_to_sum();
    ++count_;
  }

  /// The first gradient is copied, as 0 + -0 would be 0.
  void start() {
    sum_.resize(static_cast<std::size_t>(detail::size_of(views())));
    shapes_.resize(views_.size());
    Scalar* to = sum_.data();
    for (std::size_t i = 0; i < views_.size(); ++i) {
      shapes_[i] = views_[i].shape;
      to = detail::copy_elements(views_[i], shapes_[i], to);
    }
  }

  void add_to_sum() {
    const kernel::Add add;
    const kernel::Pass<Scalar, 0> pass(add, 1, nullptr);
    Scalar* to = sum_.data();
    for (std::size_t i = 0; i < views_.size(); ++i) {
      detail::sweep_view(pass, detail::contiguous_view(to, shapes_[i]), views_[i], shapes_[i].row_major, {});
      to += shapes_[i].size();
    }
  }

  template <class Params>
  void require_shapes_of(const Params& params) {
    if (count_ == 0)
      detail::fail<std::logic_error>(
          "descent::GradientAccumulator: no gradient has been added, so there is neither sum nor mean");
    if (const Index tensors = detail::count_tensors(params); tensors != static_cast<Index>(shapes_.size()))
      detail::fail<std::invalid_argument>({"descent::GradientAccumulator: ", tensors, " tensors of parameters, but ",
                                           shapes_.size(), " gradients were added"});
    views_.resize(shapes_.size());
    const Scalar* data = sum_.data();
    Index i = 0;
    detail::for_each_tensor(params, [&](const auto& tensor) {
      const detail::Shape& shape = shapes_[static_cast<std::size_t>(i)];
      if (detail::shape_of(tensor) != shape)
        detail::fail_shape("descent::GradientAccumulator: the parameters", " are ", detail::shape_of(tensor),
                           ", but the gradients that were added are ", shape, "", i, views().count);
      views_[static_cast<std::size_t>(i++)] = detail::contiguous_view(data, shape);
      data += shape.size();
    });
  }

  /// Of the views that were just made.
  template <class Params>
  auto maps_for() const {
    if constexpr (DenseTensor<Params>) {
      return detail::map_of<typename Params::PlainObject>(views_[0]);
    } else if constexpr (detail::TensorRange<Params>) {
      using Tensor = std::remove_cvref_t<detail::RangeElement<detail::Walked<const Params>>>;
      return detail::MapRange<typename Tensor::PlainObject>(views());
    } else {
      return [&]<std::size_t... At>(std::index_sequence<At...>) {
        return std::tuple{
            detail::map_of<typename std::remove_cvref_t<detail::TupleElement<Params, At>>::PlainObject>(views_[At])...};
      }(detail::tuple_indices<Params>);
    }
  }

  std::int64_t count_ = 0;
  std::vector<Scalar> sum_;
  std::vector<detail::Shape> shapes_;
  std::vector<detail::View<const Scalar>> views_;  ///< of the last call
  std::vector<Scalar> evaluated_;                  ///< the values of an expression
};

}  // namespace DESCENT_FLAGS

}  // namespace descent

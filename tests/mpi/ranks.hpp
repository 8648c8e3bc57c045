// SPDX-License-Identifier: MIT
//
// What tests over several ranks need: the same verdict on all of them, so that none goes on alone and waits for ever,
// and the single optimizer with which a Sharded one must agree bit for bit.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/descent.hpp>
#include <descent/mpi.hpp>

#include "../catch.hpp"
#include "../variants.hpp"

namespace descent::test {

inline int rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}
inline int ranks() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// Whether it holds on every rank.
inline bool on_all(bool holds) {
  int own = holds ? 1 : 0, all = 0;
  MPI_Allreduce(&own, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return all == 1;
}

/// The same number of every rank, added.
inline std::int64_t sum_of_all(std::int64_t own) {
  std::int64_t sum = 0;
  MPI_Allreduce(&own, &sum, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
  return sum;
}

/// Whether this text is that of rank 0.
inline bool is_the_same_everywhere(const std::string& text) {
  int size = static_cast<int>(text.size());
  MPI_Bcast(&size, 1, MPI_INT, 0, MPI_COMM_WORLD);
  std::string first = text;
  first.resize(static_cast<std::size_t>(size));
  MPI_Bcast(first.data(), size, MPI_CHAR, 0, MPI_COMM_WORLD);
  return on_all(first == text);
}

/// The gradient of a tensor on a rank at a step.
template <class Scalar>
Vector<Scalar> gradient_of(Eigen::Index n, std::int64_t t, int of_rank, int tensor = 0) {
  return mixed_gradient<Scalar>(n, 64 * t + 8 * tensor + of_rank);
}

/// Tensors of one type, stepped by a Sharded optimizer and by a single one that gets the mean of all ranks' gradients.
template <class R, class Tensor>
struct Beside {
  using Scalar = typename Tensor::Scalar;

  Sharded<R, Scalar> sharded;
  Optimizer<R, Scalar> single;
  std::vector<Tensor> x, y;

  Beside(const R& rule, const std::vector<Tensor>& start) : sharded(rule), single(rule), x(start), y(start) {}

  /// Calls change(optimizer) for both.
  void both(const auto& change) {
    change(sharded);
    change(single);
  }

  std::vector<Tensor> gradient(std::int64_t t, int of_rank) const {
    std::vector<Tensor> g = x;
    int number = 0;
    for (Tensor& each : g) {
      const Vector<Scalar> values = gradient_of<Scalar>(each.size(), t, of_rank, number++);
      for (Eigen::Index i = 0; i < each.size(); ++i) each(i / each.cols(), i % each.cols()) = values[i];
    }
    return g;
  }
  std::vector<Tensor> mean(std::int64_t t) const {
    GradientAccumulator<Scalar> accumulator;
    for (int each = 0; each < ranks(); ++each) accumulator.add(gradient(t, each));
    std::vector<Tensor> mean;
    for (const auto& tensor : accumulator.take_mean(x)) mean.emplace_back(tensor);
    return mean;
  }
  void step(std::int64_t t) {
    single.step(y, mean(t));
    sharded.step(x, gradient(t, rank()));
  }

  /// Whether parameters and counters agree. (A wrong state shows in the parameters of later steps.)
  bool agree() const {
    bool alike = sharded.steps() == single.steps() && sharded.skipped_steps() == single.skipped_steps();
    for (std::size_t i = 0; i < x.size(); ++i) alike = alike && same_bits(x[i], y[i]);
    return on_all(alike);
  }
  bool agree_after(std::int64_t steps, std::int64_t from = 1) {
    for (std::int64_t t = from; t < from + steps; ++t) step(t);
    return agree();
  }
};

template <class Tensor>
std::vector<Tensor> tensors(const std::vector<std::pair<Eigen::Index, Eigen::Index>>& shapes) {
  std::vector<Tensor> all;
  for (const auto& [rows, cols] : shapes) {
    Tensor& tensor = all.emplace_back(rows, cols);
    for (Eigen::Index i = 0; i < tensor.size(); ++i)
      tensor(i / cols, i % cols) =
          static_cast<typename Tensor::Scalar>(static_cast<double>(i % 97) / 50 - 1 + static_cast<double>(all.size()));
  }
  return all;
}

template <class Scalar, int order = Eigen::ColMajor>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, order>;

}  // namespace descent::test

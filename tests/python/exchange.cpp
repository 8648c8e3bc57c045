// SPDX-License-Identifier: MIT
//
// The C++ half of exchange.py: `exchange write FILE` saves a checkpoint in which every number is known, and `exchange
// check FILE` loads the one that Python has made from it. `write-run` and `check-run` do the same with a Checkpoint.
#include <cmath>
#include <iostream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

namespace {

/// The element (i, j) of tensor k is 100 k + 10 i + j.
template <class T>
void fill(T& tensor, int k) {
  for (Eigen::Index i = 0; i < tensor.rows(); ++i)
    for (Eigen::Index j = 0; j < tensor.cols(); ++j)
      tensor(i, j) = static_cast<typename T::Scalar>(100 * k + 10 * static_cast<int>(i) + static_cast<int>(j));
}

template <class T>
bool equals(const T& tensor, int k, double factor) {
  T expected = tensor;
  fill(expected, k);
  expected = (expected.array() * static_cast<typename T::Scalar>(factor)).matrix();
  return (tensor.array() == expected.array()).all();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor> columns(2, 3);
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows(3, 2);
  Eigen::VectorXf vector(4);
  Eigen::MatrixXf empty(0, 5);
  const auto params = std::tie(columns, rows, vector, empty);
  if (std::string_view(argv[1]).ends_with("-run")) {
    descent::Momentum<float> net;
    descent::Minibatches batches(5, 2, 1, {.shuffle = false});
    descent::GradientAccumulator<float> sums;
    Eigen::Vector3i counts(1, 2, 3);
    int epoch = 4;
    std::string note = "from \"C++\"";
    fill(columns, 0);
    fill(rows, 1);
    sums.add(std::tie(columns, rows));
    descent::Checkpoint checkpoint;
    checkpoint.add("net", net, std::tie(columns, rows), {"encoder.W", "decoder.W"});
    checkpoint.add("batches", batches);
    checkpoint.add("sums", sums);
    checkpoint.add("counts", counts);
    checkpoint.add("epoch", epoch);
    checkpoint.add("note", note);
    if (std::string_view(argv[1]) == "write-run") {
      checkpoint.save(argv[2]);
      return 0;
    }
    checkpoint.load(argv[2]);
    // Python has doubled the second parameters, and set counts to 3, 2, 1, epoch to 5 and note to another text.
    const bool as_expected = equals(columns, 0, 1) && equals(rows, 1, 2) && counts == Eigen::Vector3i(3, 2, 1) &&
                             epoch == 5 && note == "from \"Python\"" && sums.count() == 1;
    if (!as_expected) std::cerr << "the run differs from what Python wrote\n";
    return as_expected ? 0 : 1;
  }

  if (std::string_view(argv[1]) == "write") {
    // One step at the rate 0 without momentum: the parameters stay, and the velocity is the gradient.
    descent::Momentum<float> momentum({.learning_rate = 0, .momentum = 0, .form = descent::MomentumForm::accumulated});
    fill(columns, 0);
    fill(rows, 1);
    fill(vector, 2);
    momentum.step(params, params);
    momentum.momentum = 0.1;
    descent::save(argv[2], momentum, params);
    return 0;
  }

  descent::Momentum<float> momentum;
  descent::load(argv[2], momentum, params);
  // Python has doubled the parameters, negated the velocity, and set momentum to 1/3 and steps to 7.
  const bool as_expected = equals(columns, 0, 2) && equals(rows, 1, 2) && equals(vector, 2, 2) &&
                           momentum.momentum == 1.0 / 3 && momentum.steps() == 7 &&
                           momentum.form == descent::MomentumForm::accumulated;
  const Eigen::VectorXf velocity = momentum.state("velocity");
  bool state_as_expected = velocity.size() == 16;
  state_as_expected &= equals(Eigen::MatrixXf(velocity.head(6).reshaped(2, 3)), 0, -1);
  state_as_expected &= equals(Eigen::MatrixXf(velocity.segment(6, 6).reshaped<Eigen::RowMajor>(3, 2)), 1, -1);
  state_as_expected &= equals(Eigen::VectorXf(velocity.tail(4)), 2, -1);
  if (!as_expected) std::cerr << "parameters, hyperparameters or steps differ from what Python wrote\n";
  if (!state_as_expected) std::cerr << "the state differs from what Python wrote: " << velocity.transpose() << "\n";
  return as_expected && state_as_expected ? 0 : 1;
}

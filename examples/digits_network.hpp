// SPDX-License-Identifier: MIT
//
// The network of the digits example: softmax cross-entropy over one hidden layer, forward and
// backward, in plain Eigen.
#pragma once

#include <cmath>
#include <random>
#include <tuple>

#include <Eigen/Core>

#include "digits_data.hpp"

namespace examples {

inline constexpr int hidden_units = 32;

/// 64 pixels -> 32 rectified linear units -> 10 scores. The gradient has the same shape.
struct Network {
  Eigen::MatrixXf W1, W2;
  Eigen::VectorXf b1, b2;

  auto parameters() { return std::tie(W1, b1, W2, b2); }
  Eigen::Index size() const { return W1.size() + b1.size() + W2.size() + b2.size(); }
};

/// Weights uniform in +-sqrt(6 / inputs) (He et al. 2015), biases 0. An engine of the standard library
/// gives the same numbers on every platform; its distributions do not.
inline Network initial_network() {
  std::mt19937 random(1);
  const auto layer = [&](int outputs, int inputs) {
    Eigen::MatrixXf W(outputs, inputs);
    const float bound = std::sqrt(6.0f / static_cast<float>(inputs));
    for (float& w : W.reshaped()) w = bound * (2 * (static_cast<float>(random()) * 0x1p-32f) - 1);
    return W;
  };
  Network network;
  network.W1 = layer(hidden_units, pixels);
  network.W2 = layer(classes, hidden_units);
  network.b1.setZero(hidden_units);
  network.b2.setZero(examples::classes);
  return network;
}

struct Activations {
  Eigen::MatrixXf hidden, scores;
};

inline Activations forward(const Network& network, const Eigen::MatrixXf& images) {
  Activations a;
  a.hidden = ((network.W1 * images).colwise() + network.b1).cwiseMax(0.0f);
  a.scores = (network.W2 * a.hidden).colwise() + network.b2;
  return a;
}

/// The logarithm of the probability of each class.
inline Eigen::MatrixXf log_softmax(const Eigen::MatrixXf& scores) {
  const Eigen::MatrixXf shifted = scores.rowwise() - scores.colwise().maxCoeff();
  return shifted.rowwise() - shifted.array().exp().colwise().sum().log().matrix();
}

/// The cross-entropy, averaged over the images.
inline double loss(const Network& network, const Digits& digits) {
  const Eigen::MatrixXf log_probability = log_softmax(forward(network, digits.images).scores);
  double sum = 0;
  for (Eigen::Index i = 0; i < digits.count(); ++i) sum -= log_probability(digits.labels[i], i);
  return sum / static_cast<double>(digits.count());
}

/// The gradient of the loss, by backpropagation.
inline void loss_gradient(const Network& network, const Digits& digits, Network& gradient) {
  const Activations a = forward(network, digits.images);
  Eigen::MatrixXf error = log_softmax(a.scores).array().exp();  // with respect to the scores
  for (Eigen::Index i = 0; i < digits.count(); ++i) error(digits.labels[i], i) -= 1;
  error /= static_cast<float>(digits.count());
  const Eigen::MatrixXf hidden_error =
      (a.hidden.array() > 0).select((network.W2.transpose() * error).array(), 0.0f).matrix();

  gradient.W2 = error * a.hidden.transpose();
  gradient.b2 = error.rowwise().sum();
  gradient.W1 = hidden_error * digits.images.transpose();
  gradient.b1 = hidden_error.rowwise().sum();
}

inline double accuracy(const Network& network, const Digits& digits) {
  const Eigen::MatrixXf scores = forward(network, digits.images).scores;
  int right = 0;
  for (Eigen::Index i = 0; i < digits.count(); ++i) {
    Eigen::Index guess = 0;
    scores.col(i).maxCoeff(&guess);
    right += guess == digits.labels[i];
  }
  return static_cast<double>(right) / static_cast<double>(digits.count());
}

}  // namespace examples

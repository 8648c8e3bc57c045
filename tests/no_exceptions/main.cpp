// SPDX-License-Identifier: MIT
// Without exceptions steps are taken as with them, and errors go to a function. With an argument the program makes a
// mistake that the library's own function is to report.
#include <descent/descent.hpp>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <vector>

namespace {

// GNU's setjmp saves no signals, and descent's frames between the two have nothing to destroy.
std::jmp_buf before_error;
char text_of_error[200];

[[noreturn]] void remember_and_return(const char* text) {
  std::snprintf(text_of_error, sizeof text_of_error, "%s", text);
  std::longjmp(before_error, 1);
}

int failures = 0;

void check(bool passed, const char* what) {
  if (passed) return;
  std::printf("failed: %s\n", what);
  ++failures;
}

template <class Call>
void check_error(const char* expected, const Call& call) {
  text_of_error[0] = 0;
  if (setjmp(before_error) == 0) call();
  if (std::strcmp(text_of_error, expected) == 0) return;
  check(false, expected);
  std::printf("told: %s\n", text_of_error);
}

void take_steps() {
  Eigen::Vector<float, 6> x = Eigen::Vector<float, 6>::LinSpaced(-1, 1);
  descent::Adam<float, 6> adam({.learning_rate = 0.1});
  for (int i = 0; i < 500; ++i) adam.step(x, 2 * x);
  check(adam.steps() == 500 && x.norm() < 1e-3f, "steps of a fixed size");

  Eigen::MatrixXd W = Eigen::MatrixXd::Ones(3, 4);
  Eigen::VectorXd b = Eigen::VectorXd::Ones(3);
  descent::Momentum<double> momentum;
  for (int i = 0; i < 1000; ++i) momentum.step(std::tie(W, b), std::tuple(2 * W, 2 * b));
  check(W.norm() < 1e-3 && b.norm() < 1e-3, "steps on a tuple");

  std::vector<Eigen::MatrixXd> layers(20, Eigen::MatrixXd::Ones(3, 4));
  descent::Nesterov<double> nesterov;
  for (int i = 0; i < 1000; ++i) nesterov.step(layers, layers);
  check(layers[19].norm() < 1e-3, "steps on a range");

  const auto objective = [](const Eigen::VectorXd& at, Eigen::VectorXd& gradient) {
    gradient = 2 * at;
    return at.squaredNorm();
  };
  Eigen::VectorXd y = Eigen::VectorXd::Ones(10);
  descent::SGD<double> sgd({.learning_rate = 0.1});
  const auto result = descent::minimize(objective, y, sgd, {.max_steps = 1000, .gradient_tolerance = 1e-6});
  check(result.status == descent::MinimizeStatus::gradient_tolerance, "minimize");
  check(descent::check_gradient(objective, Eigen::VectorXd(Eigen::VectorXd::Ones(3))).passed(), "check_gradient");

  descent::Minibatches batches(10, 4, 42);
  Eigen::Index drawn = 0;
  for (const auto& batch : batches.epoch()) drawn += batch.size();
  check(drawn == 10, "minibatches");
}

void make_mistakes() {
  descent::error_handler = remember_and_return;
  descent::Adam<double> adam;
  Eigen::VectorXd x = Eigen::VectorXd::Ones(2);
  const Eigen::VectorXd longer = Eigen::VectorXd::Ones(3);
  adam.step(x, x);
  const Eigen::VectorXd before = x;
  check_error("descent: the gradient is 3x1, but the parameters are 2x1", [&] { adam.step(x, longer); });
  adam.learning_rate = -0.1;
  check_error("descent::Adam: learning_rate = -0.1; it must be finite and >= 0", [&] { adam.step(x, x); });
  check(x == before && adam.steps() == 1, "an error changes nothing");
  adam.learning_rate = 0.1;
  adam.step(x, x);
  check(adam.steps() == 2, "steps after an error");
}

}  // namespace

int main(int argc, char**) {
  if (argc > 1) {
    const descent::Adam<float, 6> adam({.beta1 = 1.5});
    return 0;
  }
  take_steps();
  make_mistakes();
  return failures == 0 ? 0 : 1;
}

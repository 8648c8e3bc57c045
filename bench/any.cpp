// SPDX-License-Identifier: MIT
//
// Steps of an AnyOptimizer beside those of the same optimizer of a type: rules, and a chain.
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <descent/any_optimizer.hpp>

#include "benchmarks.hpp"

namespace bench {
namespace {

template <class O>
class ByOptimizer {
 public:
  ByOptimizer(O optimizer, Eigen::Index n)
      : optimizer_(std::move(optimizer)),
        x_(shared<Problem<float>>(n).x),
        gradient_(shared<Problem<float>>(n).gradient) {}
  void step() { optimizer_.step(x_, gradient_); }
  const Eigen::ArrayXf& parameters() const { return x_; }

 private:
  O optimizer_;
  Eigen::ArrayXf x_;
  const Eigen::ArrayXf& gradient_;
};

/// Calls visit(name, make the typed one, make the one chosen at run time) for what is measured.
template <class Visit>
void for_each_choice(Visit&& visit) {
  using namespace descent;
  constexpr double rate = 1e-12;  // the parameters keep their size
  visit(any_choices[0], [=] { return descent::make_optimizer<float>(rules::SGD{.learning_rate = rate}); },
        [=] { return descent::make_optimizer<float>("sgd", {{"learning_rate", rate}}); });
  visit(any_choices[1], [=] { return descent::make_optimizer<float>(rules::Adam{.learning_rate = rate}); },
        [=] { return descent::make_optimizer<float>("adam", {{"learning_rate", rate}}); });
  visit(any_choices[2], [=] {
    return descent::make_optimizer<float>(Chain{transforms::ClipNorm{1}, rules::Adam{.learning_rate = rate},
                                                transforms::WeightDecay{0.1}, transforms::Average{0.9}});
  }, [=] {
    return descent::make_optimizer<float>({{"clip_norm", {{"max_norm", 1}}},
                                           {"adam", {{"learning_rate", rate}}},
                                           {"weight_decay", {{"weight_decay", 0.1}}},
                                           {"average", {{"decay", 0.9}}}});
  });
}

}  // namespace

void check_any_steppers() {
  for_each_choice([](std::string_view name, auto make_typed, auto make_any) {
    ByOptimizer typed(make_typed(), 1'000);
    ByOptimizer any(make_any(), 1'000);
    for (int t = 0; t < 3; ++t) typed.step(), any.step();
    if ((typed.parameters() != any.parameters()).any())
      throw std::runtime_error(std::string(name) + " is another optimizer if it is chosen at run time");
  });
}

void add_any_benchmarks() {
  for_each_choice([](std::string_view name, auto make_typed, auto make_any) {
    for (const Eigen::Index n : any_sizes) {
      const std::int64_t bytes = bytes_per_step<float>(decltype(make_typed())::state_names.size(), n);
      add_steps(case_name(name, "float", n, who::typed), bytes, [=] { return ByOptimizer(make_typed(), n); });
      add_steps(case_name(name, "float", n, who::any), bytes, [=] { return ByOptimizer(make_any(), n); });
    }
  });
}

}  // namespace bench

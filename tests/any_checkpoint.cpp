// SPDX-License-Identifier: MIT
//
// An optimizer chosen at run time comes from JSON, and writes the file that one of its type writes; each loads the
// other's.
#include <descent/any_optimizer.hpp>

#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <descent/any/json.hpp>
#include <descent/checkpoint.hpp>

#include "catch.hpp"
#include "variants.hpp"

using namespace descent;
using namespace descent::test;

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

/// Takes steps in which a tensor rests and another has hyperparameters of its own.
template <class Typed>
void require_exchange(Typed typed, AnyOptimizer<float> any) {
  Matrix W = start<float>(12).reshaped(3, 4), V = W;
  Vector<float> b = start<float>(5), c = b;
  const auto step = [](auto& optimizer, Matrix& matrix, Vector<float>& vector, int t) {
    optimizer.step(std::tie(matrix, vector),
                   std::tuple(Matrix(mixed_gradient<float>(12, t).reshaped(3, 4)), mixed_gradient<float>(5, t)));
  };
  typed.tensor_rule(1).learning_rate = 0.25;
  any.tensor_rule(1).set("learning_rate", 0.25);
  for (int t = 1; t <= 4; ++t) {
    step(typed, W, b, t);
    step(any, V, c, t);
    typed.freeze(0);
    any.freeze(0);
  }
  std::stringstream of_typed, of_any;
  save(of_typed, typed, std::tie(W, b));
  save(of_any, any, std::tie(V, c));
  CHECK(of_typed.str() == of_any.str());

  AnyOptimizer<float> other = any;
  other.reset();
  other.common_rule(1);
  other.set("learning_rate", 0.5);
  V.setZero();
  c.setZero();
  load(of_typed, other, std::tie(V, c));
  CHECK(other.steps() == 4);
  CHECK(other.frozen(0));
  CHECK(other.tensor_rule(1).get("learning_rate") == Value(0.25));
  CHECK(other.get("learning_rate") == any.get("learning_rate"));
  typed.unfreeze(0);
  other.unfreeze(0);
  for (int t = 5; t <= 8; ++t) {
    step(typed, W, b, t);
    step(other, V, c, t);
  }
  CHECK(same_bits(W, V));
  CHECK(same_bits(b, c));
}

template <class Load>
std::string problem(Load&& load) {
  return complaint<std::runtime_error>(std::forward<Load>(load));
}

}  // namespace

TEST_CASE("an optimizer chosen at run time is saved and loaded like one of its type", "[any][checkpoint]") {
  SECTION("a rule") {
    require_exchange(make_optimizer<float>(rules::NAdam{.learning_rate = 0.03}),
                     make_optimizer<float>("nadam", {{"learning_rate", 0.03}}));
  }
  SECTION("a chain") {
    require_exchange(make_optimizer<float>(Chain{transforms::ClipNorm{std::numeric_limits<double>::infinity()},
                                                 rules::NAdam{.learning_rate = 0.03}, transforms::WeightDecay{0.25},
                                                 transforms::Average{0.5}}),
                     make_optimizer<float>({{"clip_norm", {{"max_norm", std::numeric_limits<double>::infinity()}}},
                                            {"nadam", {{"learning_rate", 0.03}}},
                                            {"weight_decay", {{"weight_decay", 0.25}}},
                                            {"average", {{"decay", 0.5}}}}));
  }
}

TEST_CASE("a file of another chain is refused, and nothing changes", "[any][checkpoint]") {
  Vector<float> x = start<float>(5);
  AnyOptimizer<float> saved = make_optimizer<float>({{"clip_norm"}, {"adam"}});
  saved.step(x, mixed_gradient<float>(5, 1));
  std::stringstream file;
  save(file, saved, x);
  AnyOptimizer<float> other = make_optimizer<float>({{"clip_norm"}, {"sgd"}});
  const Vector<float> before = x;
  CHECK(problem([&] { load(file, other, x); })
            .find("its rule is \"descent::Chain<descent::ClipNorm, descent::Adam>\", "
                  "expected \"descent::Chain<descent::ClipNorm, descent::SGD>\"") != std::string::npos);
  CHECK(other.steps() == 0);
  CHECK(same_bits(x, before));

  std::string changed = file.str();
  const std::string name = "max_norm";
  for (const char* bad : {"max_nork", "max_norm"}) {
    std::string text = changed;
    text.replace(text.find(name), name.size(), bad);
    if (std::string(bad) == name) text.replace(text.find(":1.0", text.find(name)), 4, ":0.0");
    std::stringstream in(text);
    saved.step(x, mixed_gradient<float>(5, 2));
    const auto steps = saved.steps();
    CHECK_THROWS_AS(load(in, saved, x), std::runtime_error);
    CHECK(saved.steps() == steps);
  }
}

TEST_CASE("JSON chooses an optimizer", "[any][json]") {
  using nlohmann::json;
  CHECK(optimizer_from_json<float>(json("adam")).rule() == "descent::Adam");
  const auto adam = optimizer_from_json<float>(json{{"name", "pytorch.adam"},
                                                    {"learning_rate", 1},
                                                    {"epsilon", 1e-6},
                                                    {"bias_correction", false},
                                                    {"epsilon_placement", "inside"}});
  CHECK(adam.get("learning_rate") == Value(1.0));
  CHECK(adam.get("epsilon") == Value(1e-6));
  CHECK(adam.get("bias_correction") == Value(false));
  CHECK(adam.get("epsilon_placement") == Value(std::string("inside")));
  const auto chain = optimizer_from_json<float>(json::array({{{"name", "clip_norm"}, {"max_norm", 0.5}}, "sgd"}));
  CHECK(chain.rule() == "descent::Chain<descent::ClipNorm, descent::SGD>");
  CHECK(chain.get("max_norm") == Value(0.5));

  const auto says = [](const json& value) { return complaint([&] { optimizer_from_json<float>(value); }); };
  CHECK(says(3) ==
        "descent: an optimizer or a link is given as its name, or as an object that has a \"name\", not as 3");
  CHECK(says(json{{"learning_rate", 0.1}}).ends_with("that has a \"name\", not as {\"learning_rate\":0.1}"));
  CHECK(says(json{{"name", "adam"}, {"beta1", nullptr}}) ==
        "descent: adam: beta1 = null; it must be a number, true, false or a text");
  CHECK(says(json{{"name", "adam"}, {"beta1", 2}}) == "descent::Adam: beta1 = 2; it must be in [0, 1)");
}

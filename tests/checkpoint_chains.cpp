// SPDX-License-Identifier: MIT
//
// Checkpoints of chains, and of tensors of their own: runs go on with the same bits, and what a file says of single
// tensors is checked.
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

#include <descent/checkpoint.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using nlohmann::json;

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

using Recipe = Chain<transforms::ClipNorm, transforms::L2Penalty, rules::Adam, transforms::WeightDecay,
                     transforms::Average, transforms::Lookahead>;

/// A matrix and a vector, and their optimizer.
struct Training {
  Optimizer<Recipe, float> optimizer{Recipe{{0.5}, {0.01}, {.learning_rate = 0.1}, {0.1, true}, {0.9}, {7, 0.5}}};
  Matrix W = Matrix::Ones(3, 4);
  Vector<float> b = Vector<float>::Ones(5);

  void go(int begin, int end) {
    for (int t = begin; t < end; ++t)
      optimizer.step(std::tie(W, b), std::tuple(Matrix(mixed_gradient<float>(12, t).reshaped(3, 4)),
                                                mixed_gradient<float>(5, t + 1000)));
  }
  /// The second tensor rests for a while, and the first one is faster.
  void go_apart() {
    go(1, 5);
    optimizer.freeze(1);
    optimizer.tensor_rule(0).learning_rate = 0.2;
    go(5, 20);
    optimizer.unfreeze(1);
    go(20, 30);
  }
  auto tensors() { return std::tie(W, b); }
};

void check_same(Training& a, Training& b) {
  CHECK(same_bits(a.W, b.W));
  CHECK(same_bits(a.b, b.b));
  CHECK(same_state(a.optimizer, b.optimizer));
  const auto [W, v] = a.optimizer.averaged(a.tensors());
  const auto [other_W, other_v] = b.optimizer.averaged(b.tensors());
  CHECK(same_bits(W, other_W));
  CHECK(same_bits(v, other_v));
}

}  // namespace

TEST_CASE("a chain goes on as if it had never stopped", "[checkpoint]") {
  Training whole, loaded;
  loaded.optimizer.link<transforms::L2Penalty>().weight_decay = 0.5;  // which the file has otherwise
  whole.go(1, 40);
  load_from(saved(whole.optimizer, whole.tensors()), loaded.optimizer, loaded.tensors());
  CHECK(loaded.optimizer.link<transforms::L2Penalty>().weight_decay == 0.01);
  CHECK(loaded.optimizer.matrices_only);
  whole.go(40, 80);
  loaded.go(40, 80);
  check_same(whole, loaded);
}

TEST_CASE("tensors of their own go on as if they had never stopped", "[checkpoint]") {
  Training whole, loaded;
  whole.go_apart();
  whole.optimizer.freeze(1);
  loaded.optimizer.freeze(0);  // which the file does not
  loaded.optimizer.tensor_rule(1).learning_rate = 5;
  load_from(saved(whole.optimizer, whole.tensors()), loaded.optimizer, loaded.tensors());
  CHECK(!loaded.optimizer.frozen(0));
  CHECK(loaded.optimizer.frozen(1));
  whole.go(40, 50);
  loaded.go(40, 50);
  whole.optimizer.unfreeze(1);
  loaded.optimizer.unfreeze(1);
  whole.go(50, 80);
  loaded.go(50, 80);
  check_same(whole, loaded);
  CHECK(loaded.optimizer.tensor_rule(0).learning_rate == 0.2);
  CHECK(loaded.optimizer.tensor_rule(1).learning_rate == 0.1);
}

TEST_CASE("tensors are their own before the first step, too", "[checkpoint]") {
  Training run, loaded;
  run.optimizer.freeze(1);
  load_from(saved(run.optimizer, run.tensors()), loaded.optimizer, loaded.tensors());
  CHECK(loaded.optimizer.frozen(1));
  loaded.optimizer.freeze(2);
  CHECK_THROWS_AS(saved(loaded.optimizer, loaded.tensors()), std::out_of_range);  // as a step would throw
}

TEST_CASE("what a file says of single tensors is checked", "[checkpoint]") {
  Training run, loading, before;
  run.go_apart();
  run.optimizer.freeze(1);
  loading.go_apart();
  before.go_apart();
  const Parts parts(saved(run.optimizer, run.tensors()));
  const json header = json::parse(parts.header);

  const auto refused = [&](const char* name, const json& value, const std::string& expected) {
    Parts other = parts;
    json changed = header;
    changed["__metadata__"].merge_patch({{name, value}});
    other.header = changed.dump();
    std::string complaint = "(accepted)";
    try {
      load_from(other.together(), loading.optimizer, loading.tensors());
    } catch (const std::runtime_error& error) {
      complaint = error.what();
    }
    INFO(complaint);
    CHECK(complaint.find("descent: the checkpoint: ") == 0);
    CHECK(complaint.find(expected) != std::string::npos);
    check_same(loading, before);
    CHECK(!loading.optimizer.frozen(1));
    CHECK(loading.optimizer.tensor_rule(0).learning_rate == 0.2);
  };
  refused("tensor.1.steps", "-1", "tensor.1.steps = -1; it must be in [0, 2^62)");
  refused("tensor.1.steps", "30", "tensor.1.steps = 30, but steps = 29");
  refused("tensor.1.steps", "many", "tensor.1.steps is not JSON");
  refused("tensor.1.steps", nullptr, "\"tensor.1.frozen\", which does not belong to one of the 2 tensors");
  refused("tensor.2.steps", "1", "\"tensor.2.steps\", which does not belong to one of the 2 tensors");
  refused("tensor.1.other", "1", "\"tensor.1.other\", which does not belong to one of the 2 tensors");
  refused("tensor.1.frozen", "1", "tensor.1.frozen cannot be 1");
  refused("tensor.1.running_products", nullptr, "no \"tensor.1.running_products\"");
  refused("tensor.1.running_products", "[0.5]", "tensor.1.running_products = [0.5]; there must be 2");
  refused("tensor.1.running_products", "[0.5,1.5]",
          "tensor.1.running_products = [0.5,1.5]; after a step each must be in [0, 1)");
  refused("tensor.0.hyperparameters", "{\"beta1\":2}", "descent::Adam of tensor 0: beta1 = 2; it must be in [0, 1)");
  refused("tensor.0.hyperparameters", "{\"beta3\":2}", "tensor.0.hyperparameters has \"beta3\"");
  refused("tensor.0.hyperparameters", "[]", "tensor.0.hyperparameters is not an object");
}

TEST_CASE("running numbers are saved, for single tensors too, and checked", "[checkpoint]") {
  const rules::ScheduleFreeSGD rule{.learning_rate = 0.5, .r = 1};
  Optimizer<rules::ScheduleFreeSGD, double> whole(rule), loaded(rule);
  Vector<double> a = start<double>(5), b = a, c = a, d = a;
  whole.tensor_rule(1).learning_rate = 0.25;
  for (int t = 1; t <= 7; ++t) whole.step(std::tie(a, b), std::tie(a, b));
  const Parts parts(saved(whole, std::tie(a, b)));
  load_from(parts.together(), loaded, std::tie(c, d));
  CHECK(same_bits(a, c));
  for (int t = 1; t <= 7; ++t) {
    whole.step(std::tie(a, b), std::tie(a, b));
    loaded.step(std::tie(c, d), std::tie(c, d));
  }
  CHECK(same_bits(a, c));
  CHECK(same_bits(b, d));

  const auto complaint_of = [&](const std::string& name, const json& value) {
    Parts other = parts;
    json changed = json::parse(parts.header);
    changed["__metadata__"].merge_patch({{name, value}});
    other.header = changed.dump();
    return complaint<std::runtime_error>([&] { load_from(other.together(), loaded, std::tie(c, d)); });
  };
  for (const std::string prefix : {"", "tensor.1."}) {
    const std::string name = prefix + "running_numbers", begin = "descent: the checkpoint: ";
    CHECK(complaint_of(name, nullptr) == begin + name + " = []; there must be 3");
    CHECK(complaint_of(name, "[1]") == begin + name + " = [1]; there must be 3");
    CHECK(complaint_of(name, "[1,2,true]") == begin + "a running number cannot be true");
    CHECK(complaint_of(name, "[1,\"inf\",3]") == begin + name + " = [1,inf,3]; each must be finite");
  }
  CHECK(same_bits(a, c));
}

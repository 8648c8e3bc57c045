// SPDX-License-Identifier: MIT
//
// Checkpoints: a run that was saved and loaded continues with the same bits as one that never stopped; and whatever is
// wrong with a file, loading says so and changes nothing.
#include <sys/stat.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

#include <descent/checkpoint.hpp>

#include "../examples/custom_rule.hpp"
#include "catch.hpp"
#include "checkpoint_files.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using nlohmann::json;
using runs::n;
using runs::steps;

// ---- The same bits ---------------------------------------------------------------------------------

TEST_CASE("a run goes on as if it had never stopped", "[checkpoint]") {
  for_each_variant([]<class R>(const char* name, const R& rule) {
    Run<float, R> whole(rule);
    whole.go();
    for (const int stop : {0, 1, 7, steps - 1}) {
      INFO(name << ", stopped after " << stop << " steps");
      Run<float, R> first(rule);
      first.go(1, stop);
      const std::string bytes = saved(first.optimizer, first.x);

      Run<float, R> second(R{});  // other hyperparameters, other state, other values
      second.go(1, 3);
      load_from(bytes, second.optimizer, second.x);
      CHECK(same_bits(second.x, first.x));
      CHECK(same_state(second.optimizer, first.optimizer));
      second.go(stop + 1);
      CHECK(same_bits(second.x, whole.x));
      CHECK(same_state(second.optimizer, whole.optimizer));
      CHECK(saved(second.optimizer, second.x) == saved(whole.optimizer, whole.x));
    }
  });
}

TEST_CASE("small state becomes 0 at the same step", "[checkpoint]") {
  Eigen::VectorXf g = Eigen::VectorXf::Constant(4, 1e-37f), x = g, zero = Eigen::VectorXf::Zero(4);
  Momentum<float> never_stopped({.learning_rate = 1, .momentum = 0.7});
  never_stopped.step(x, g);
  while (never_stopped.steps() < 20) never_stopped.step(x, zero);
  REQUIRE(never_stopped.state(0)[0] > 0);
  REQUIRE(never_stopped.state(0)[0] < std::numeric_limits<float>::min());

  Momentum<float> loaded;
  Eigen::VectorXf y = zero;
  load_from(saved(never_stopped, x), loaded, y);
  while (never_stopped.steps() < 33) {  // it does at step 32
    never_stopped.step(x, zero);
    loaded.step(y, zero);
    CHECK(same_state(loaded, never_stopped));
  }
  CHECK(loaded.state(0)[0] == 0);
}

/// A run that may skip two steps in a row.
struct Skipping {
  Adam<double> adam;
  Eigen::VectorXd x = start<double>(3);

  Skipping() { adam.set_nonfinite(NonFinite::skip, 2); }
  /// Takes one step, and returns its complaint.
  std::string step(bool finite) {
    Eigen::VectorXd g = mixed_gradient<double>(3, adam.steps());
    if (!finite) g[1] = std::nan("");
    return complaint<std::domain_error>([&] { adam.step(x, g); });
  }
};

TEST_CASE("a run that skips steps goes on as if it had never stopped", "[checkpoint]") {
  const std::string gradients = "NN1N11NNN1NNN";  // N: not finite; the third in a row is an error
  for (std::size_t stop = 0; stop <= gradients.size(); ++stop) {
    INFO("stopped after " << stop << " gradients");
    Skipping whole, loaded;
    for (std::size_t i = 0; i < stop; ++i) whole.step(gradients[i] != 'N');
    loaded.step(false);
    load_from(saved(whole.adam, whole.x), loaded.adam, loaded.x);
    for (std::size_t i = stop; i <= gradients.size(); ++i) {
      CHECK(loaded.adam.skipped_steps() == whole.adam.skipped_steps());
      CHECK(same_bits(loaded.x, whole.x));
      CHECK(saved(loaded.adam, loaded.x) == saved(whole.adam, whole.x));
      if (i < gradients.size()) CHECK(loaded.step(gradients[i] != 'N') == whole.step(gradients[i] != 'N'));
    }
  }
}

using ColMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

TEST_CASE("tuples, ranges, storage orders, strides and fixed sizes", "[checkpoint]") {
  const Eigen::MatrixXd start = Eigen::MatrixXd(mixed_gradient<double>(12, 1).reshaped(3, 4));
  const auto step = [](auto& optimizer, auto& params) { optimizer.step(params, params); };

  SECTION("a tuple of both storage orders, loaded into the opposite ones") {
    const ColMajor large = mixed_gradient<double>(40 * 23, 2).reshaped(40, 23);
    ColMajor A = large, B2 = A;
    RowMajor B = 2 * large, A2 = B;
    Eigen::RowVectorXd r = start.row(0), r2 = 0 * r;
    Eigen::ArrayXXd a = start.array(), a2 = 0 * a;
    Adam<double> first, second;
    const auto here = std::tie(A, B, r, a);
    const auto there = std::tie(A2, B2, r2, a2);
    for (int t = 0; t < 5; ++t) step(first, here);
    load_from(saved(first, here), second, there);
    for (int t = 0; t < 5; ++t) {
      step(first, here);
      step(second, there);
    }
    CHECK(same_bits(A2, A));
    CHECK(same_bits(B2, B));
    CHECK(same_bits(r2, r));
    CHECK(same_bits(a2, a));
    CHECK(same_bits(second.state(1).head(920).reshaped<Eigen::RowMajor>(40, 23),
                    first.state(1).head(920).reshaped(40, 23)));
  }
  SECTION("a range, loaded into strided views of one array") {
    std::vector<Eigen::MatrixXd> tensors{start, 2 * start.leftCols(2), start.topRows(0)};
    Eigen::MatrixXd memory = Eigen::MatrixXd::Zero(20, 20);
    std::vector<Eigen::Block<Eigen::MatrixXd>> views{memory.block(1, 1, 3, 4), memory.block(8, 8, 3, 2),
                                                     memory.block(0, 0, 0, 4)};
    AdaGrad<double> first, second;
    for (int t = 0; t < 5; ++t) step(first, tensors);
    load_from(saved(first, tensors), second, views);
    step(first, tensors);
    step(second, views);
    for (std::size_t i = 0; i < views.size(); ++i) CHECK(same_bits(views[i], tensors[i]));
    CHECK(memory.array().count() == (tensors[0].array() != 0).count() + (tensors[1].array() != 0).count());
  }
  SECTION("a fixed size and a dynamic one") {
    Eigen::Matrix<double, 3, 4> A = start;
    Eigen::MatrixXd B = A * 0;
    Adam<double, 12> first, third;
    Adam<double> second;
    for (int t = 0; t < 5; ++t) step(first, A);
    load_from(saved(first, A), second, B);
    step(second, B);
    load_from(saved(second, B), third, A);
    step(second, B);
    step(third, A);
    CHECK(same_bits(A, B));
    CHECK(same_bits(second.state(0), third.state(0)));
  }
  SECTION("an expression is saved, every second element is loaded") {
    Eigen::VectorXd x = start.reshaped(), memory = Eigen::VectorXd::Zero(24);
    Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>> every_second(memory.data(), 12);
    SGD<double> sgd;
    load_from(saved(sgd, 2 * x), sgd, every_second);
    CHECK(same_bits(every_second, 2 * x));
    load_from(saved(sgd, every_second), sgd, x);
    CHECK(same_bits(every_second, x));
  }
  SECTION("no tensors, and one without elements") {
    std::vector<Eigen::VectorXd> none;
    Eigen::VectorXd empty;
    RMSProp<double> first, second;
    step(first, none);
    load_from(saved(first, none), second, none);
    CHECK(second.steps() == 1);
    first.reset();
    step(first, empty);
    load_from(saved(first, empty), second, empty);
    CHECK(second.steps() == 1);
  }
}

TEST_CASE("NaN, infinity and -0 keep their bits", "[checkpoint]") {
  const Eigen::Vector4d values(-0.0, std::numeric_limits<double>::infinity(), -std::nan("0x123"),
                               std::numeric_limits<double>::denorm_min());
  Eigen::Vector4d x = Eigen::Vector4d::Ones();
  SGD<double> sgd;
  load_from(saved(sgd, values), sgd, x);
  CHECK(same_bits(x, values));
}

// ---- Rules of a user -------------------------------------------------------------------------------

enum class Shade { dark, light };
consteval std::array<std::string_view, 2> enumerator_names(Shade) { return {"dark", "light"}; }

/// Every kind of hyperparameter, running products and a nonzero initial state.
struct Everything {
  double decay = 0.1;
  float scale = 1;
  double limit = 1;
  int period = 1;
  std::uint64_t seed = 0;
  bool doubled = false;
  Shade shade = Shade::dark;

  static constexpr std::string_view name = "Everything \"quoted\"";
  static constexpr std::array<std::string_view, 1> state_names{"total"};
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"decay", &Everything::decay}, Hyperparameter{"scale", &Everything::scale},
                Hyperparameter{"limit", &Everything::limit}, Hyperparameter{"period", &Everything::period},
                Hyperparameter{"seed", &Everything::seed}, Hyperparameter{"doubled", &Everything::doubled},
                Hyperparameter{"shade", &Everything::shade});
  }
  auto initial_state(const auto& list) const { return list(3); }
  auto running_factors(const auto& list) const { return list(decay); }
  auto kernel(const auto& step) const {
    return [product = step.real(step.products[0])](const auto&, const auto& g, auto& total) {
      total = total + g;
      return product * total;
    };
  }
};

TEST_CASE("rules of a user, with hyperparameters of every kind", "[checkpoint]") {
  const double infinity = std::numeric_limits<double>::infinity();
  Run<double, Everything> whole({.decay = 1.0 / 3,
                                 .scale = 0.1f,
                                 .limit = -infinity,
                                 .period = -7,
                                 .seed = ~std::uint64_t{0},
                                 .doubled = true,
                                 .shade = Shade::light});
  whole.go(1, 5);
  Run<double, Everything> loaded(Everything{});
  load_from(saved(whole.optimizer, whole.x), loaded.optimizer, loaded.x);
  CHECK(loaded.optimizer.decay == 1.0 / 3);
  CHECK(loaded.optimizer.scale == 0.1f);
  CHECK(loaded.optimizer.limit == -infinity);
  CHECK(loaded.optimizer.period == -7);
  CHECK(loaded.optimizer.seed == ~std::uint64_t{0});
  CHECK(loaded.optimizer.doubled);
  CHECK(loaded.optimizer.shade == Shade::light);
  whole.go(6);
  loaded.go(6);
  CHECK(same_bits(loaded.x, whole.x));
  CHECK(same_state(loaded.optimizer, whole.optimizer));

  whole.optimizer.limit = std::nan("");
  load_from(saved(whole.optimizer, whole.x), loaded.optimizer, loaded.x);
  CHECK(std::isnan(loaded.optimizer.limit));

  Run<float, examples::Lion> lion({.weight_decay = 0.1}), lion_loaded({});
  lion.go(1, 5);
  load_from(saved(lion.optimizer, lion.x), lion_loaded.optimizer, lion_loaded.x);
  CHECK(lion_loaded.optimizer.weight_decay == 0.1);
}

struct Collision : Everything {
  static constexpr std::array<std::string_view, 1> state_names{"params"};
};
struct Latin1 : Everything {
  static constexpr std::string_view name = "M\xfcller";
};
struct Mistaken : Everything {
  static constexpr auto hyperparameters(const auto& list) {
    return list(Hyperparameter{"decay", &Mistaken::decay}, Hyperparameter{"decay", &Mistaken::scale});
  }
};

// ---- Damage ----------------------------------------------------------------------------------------

/// A run of Adam; checks that loading is refused with a text and without a trace.
struct Loading {
  Run<double, rules::Adam> run{rules::Adam{.learning_rate = 0.3, .beta1 = 0.7}};
  Run<double, rules::Adam> before{rules::Adam{.learning_rate = 0.3, .beta1 = 0.7}};

  Loading() {
    for (auto* each : {&run, &before}) {
      each->go(1, 2);
      each->optimizer.set_nonfinite(NonFinite::skip);
      each->optimizer.step(each->x, each->x * std::nan(""));
    }
  }

  std::string complaint(const std::string& bytes) {
    std::string text = "(accepted)";
    try {
      load_from(bytes, run.optimizer, run.x);
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    CHECK(same_bits(run.x, before.x));
    CHECK(same_state(run.optimizer, before.optimizer));
    CHECK(run.optimizer.learning_rate == before.optimizer.learning_rate);
    return text;
  }
};

std::string good() {
  Run<double, rules::Adam> run{rules::Adam{}};
  run.go(1, 5);
  return saved(run.optimizer, run.x);
}

TEST_CASE("the checksum is CRC-32, however its bytes arrive", "[checkpoint]") {
  const std::string text = "123456789";  // the usual check value for lists of CRCs
  for (std::size_t first = 0; first <= text.size(); ++first) {
    detail::Crc32 checksum;
    checksum.update(text.data(), first);
    checksum.update(text.data() + first, text.size() - first);
    CHECK(checksum.value() == 0xcbf43926);
  }
}

TEST_CASE("a file that ends too early, at every byte", "[checkpoint]") {
  Loading loading;
  const std::string bytes = good();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string text = loading.complaint(bytes.substr(0, size));
    if (text.find("descent: the checkpoint: it ends within ") != 0) FAIL(size << " bytes: " << text);
  }
}

TEST_CASE("a changed byte, every one of them", "[checkpoint]") {
  Loading loading;
  const std::string bytes = good();
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (const int change : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const std::string text = loading.complaint(changed);
      if (text.find("descent: the checkpoint: ") != 0) FAIL("byte " << i << " changed by " << change << ": " << text);
    }
}

TEST_CASE("headers with surprises", "[checkpoint]") {
  Loading loading;
  const Parts parts(good());
  const json header = json::parse(parts.header);

  const auto refused = [&](const std::string& text, const std::string& expected) {
    Parts other = parts;
    other.header = text;
    const std::string complaint = loading.complaint(other.together());
    INFO(text);
    INFO(complaint);
    CHECK(complaint.find("descent: the checkpoint: ") == 0);
    CHECK(complaint.find(expected) != std::string::npos);
  };
  /// The header with another value at that place (none: without it), which must be refused with that text.
  const auto with = [&](const char* place, const json& value, const std::string& expected) {
    json changed = header;
    changed[json::json_pointer(place)] = value;
    refused(changed.dump(), expected);
  };
  const auto without = [&](const json& patch, const std::string& expected) {
    json changed = header;
    changed.merge_patch(patch);
    refused(changed.dump(), expected);
  };

  SECTION("the unchanged header is fine, also with other entries in its metadata and written otherwise") {
    Parts other = parts;
    json changed = header;
    changed["__metadata__"]["format"] = "pt";
    other.header = changed.dump(2);
    Run<double, rules::Adam> run{rules::Adam{}};
    CHECK_NOTHROW(load_from(other.together(), run.optimizer, run.x));
    CHECK(run.optimizer.steps() == 5);
  }
  SECTION("not JSON, or not as it must be") {
    refused("", "its header is not JSON");
    refused("{\"a\":", "its header is not JSON");
    refused("\xff\xfe", "its header is not JSON");
    refused("[]", "its header is not an object");
    refused("1", "its header is not an object");
    refused("{}", "it has no \"__metadata__\"");
    refused("{\"__metadata__\":[]}", "its metadata is not an object");
    refused("{\"__metadata__\":{}}", "its metadata has no \"descent_checkpoint\"");
    std::string twice = parts.header;
    twice.insert(1, "\"crc32\":{},");
    refused(twice, "its header has \"crc32\" twice");
  }
  SECTION("metadata") {
    with("/__metadata__/descent_checkpoint", "2", "its descent_checkpoint is \"2\", expected \"1\"");
    with("/__metadata__/descent_checkpoint", 1, "\"descent_checkpoint\" in its metadata is not a string");
    with("/__metadata__/rule", "descent::SGD", "its rule is \"descent::SGD\", expected \"descent::Adam\"");
    with("/__metadata__/note", 1, "\"note\" in its metadata is not a string");
    for (const std::string entry : {"rule", "hyperparameters", "steps", "running_products"})
      without({{"__metadata__", {{entry, nullptr}}}}, "its metadata has no \"" + entry + "\"");
    for (const std::string counter : {"steps", "skipped_steps", "skipped_in_a_row"}) {
      const std::string place = "/__metadata__/" + counter;
      for (const char* bad : {"-1", "1.5", "\"1\"", "4611686018427387904", "18446744073709551615", "1e3", "null", "[]"})
        with(place.c_str(), bad, counter);
      with(place.c_str(), 1, "\"" + counter + "\" in its metadata is not a string");
    }
    with("/__metadata__/skipped_in_a_row", "1", "skipped_in_a_row = 1, but skipped_steps = 0");
    with("/__metadata__/steps", "12x", "steps is not JSON");
    with("/__metadata__/steps", "0", "before the first step each must be 1");
    without({{"__metadata__", {{"steps", "0"}, {"running_products", "[1,1]"}}}},
            "it has \"first_moment.0\", which is not expected here");
    with("/__metadata__/running_products", "[0.5]", "running_products = [0.5]; there must be 2");
    with("/__metadata__/running_products", "0.5", "running_products is not an array");
    with("/__metadata__/running_products", "[0.5,true]", "a running product cannot be true");
    for (const char* bad : {"1", "1.0", "1.5", "-0.5", "-1e-300", "1e300", "\"nan\"", "\"inf\"", "\"-inf\""})
      with("/__metadata__/running_products", "[0.5," + std::string(bad) + "]", "after a step each must be in [0, 1)");
  }
  SECTION("hyperparameters") {
    const json values = json::parse(header["__metadata__"]["hyperparameters"].get<std::string>());
    const auto hyperparameter = [&](const std::string& name, const json& value, const std::string& expected) {
      json changed = values;
      changed[name] = value;
      with("/__metadata__/hyperparameters", changed.dump(), expected);
    };
    hyperparameter("beta1", 2, "descent::Adam: beta1 = 2; it must be in [0, 1)");
    hyperparameter("epsilon", 0, "descent::Adam: epsilon = 0; it must be finite and > 0");
    hyperparameter("learning_rate", "inf", "learning_rate = inf; it must be finite");
    hyperparameter("learning_rate", "nan", "learning_rate = nan; it must be finite");
    hyperparameter("learning_rate", "1", "learning_rate cannot be \"1\"");
    hyperparameter("learning_rate", nullptr, "learning_rate cannot be null");
    hyperparameter("learning_rate", true, "learning_rate cannot be true");
    hyperparameter("bias_correction", 1, "bias_correction cannot be 1");
    hyperparameter("epsilon_placement", "beside", "epsilon_placement cannot be \"beside\"");
    hyperparameter("epsilon_placement", 1, "epsilon_placement cannot be 1");
    hyperparameter("momentum", 0.9, "hyperparameters has \"momentum\", which is not expected here");
    hyperparameter("learning_rate", {0.1}, "learning_rate cannot be [0.1]");
    with("/__metadata__/hyperparameters", "[]", "hyperparameters is not an object");
    with("/__metadata__/hyperparameters", "{\"beta1\":0.9,\"beta1\":0.8}", "hyperparameters has \"beta1\" twice");
  }
  SECTION("tensors") {
    with("/params.0/dtype", "F32", "\"params.0\" has the dtype \"F32\", expected \"F64\"");
    with("/params.0/shape", {4, 6}, "\"params.0\" has the shape [4,6], expected [24]");
    with("/first_moment.0/shape", {25}, "\"first_moment.0\" has the shape [25], expected [24]");
    with("/params.0/strides", {8}, "\"params.0\" has \"strides\", which is not expected here");
    with("/params.1", header["params.0"], "it has \"params.1\", which is not expected here");
    without({{"second_moment.0", nullptr}}, "it has no \"second_moment.0\"");
    without({{"crc32", nullptr}}, "it has no \"crc32\"");
    without({{"params.0", {{"shape", nullptr}}}}, "\"params.0\" has no \"shape\"");
    with("/params.0", 1, "\"params.0\" is not an object");
    with("/params.0/shape", {24.0}, "\"params.0\" has the shape [24.0], expected [24]");
  }
  SECTION("offsets") {
    // first_moment.0 is at [0, 192], params.0 at [192, 384], second_moment.0 at [384, 576], crc32 at [576, 580].
    const auto most = std::numeric_limits<std::uint64_t>::max();
    for (const json& bad : {json{193, 385}, json{0, 192}, json{192, 383}, json{192, 385}, json{384, 192},
                            json{192, most}, json{most - 191, most}, json{most - 100, 91}})
      with("/params.0/data_offsets", bad, "data_offsets");
    for (const json& bad : {json{192}, json{192, 384, 384}, json(192), json{-192, 0}, json{192.0, 384.5},
                            json{"192", "384"}, json::object()})
      with("/params.0/data_offsets", bad, "data_offsets of \"params.0\"");
    with("/params.0/data_offsets", {193, 384}, "data_offsets of \"params.0\", 193 and 384, are not 192 bytes apart");
    with("/params.0/data_offsets", {193, 385}, "the data_offsets of \"params.0\" begin at 193, expected 192");
    with("/params.0/data_offsets", {0, 192}, "the data_offsets of \"params.0\" begin at 0, expected 192");
    with("/crc32/data_offsets", {576, 581}, "data_offsets of \"crc32\", 576 and 581, are not 4 bytes apart");
    json last = header;
    last["crc32"]["data_offsets"] = {384, 388};
    last["second_moment.0"]["data_offsets"] = {388, 580};
    refused(last.dump(), "its checksum is not at its end");
  }
  SECTION("tensors in another order") {
    Parts other = parts;
    json changed = header;
    changed["first_moment.0"]["data_offsets"] = {192, 384};
    changed["params.0"]["data_offsets"] = {0, 192};
    other.header = changed.dump();
    other.data = parts.data.substr(192, 192) + parts.data.substr(0, 192) + parts.data.substr(384);
    Run<double, rules::Adam> expected{rules::Adam{}}, run{rules::Adam{}};
    load_from(parts.together(), expected.optimizer, expected.x);
    load_from(other.together(), run.optimizer, run.x);
    CHECK(same_bits(run.x, expected.x));
    CHECK(same_state(run.optimizer, expected.optimizer));
  }
}

TEST_CASE("nested brackets, wherever they are", "[checkpoint]") {
  Loading loading;
  const Parts parts(good());
  const json header = json::parse(parts.header);
  const std::string marker = "here";
  for (const char* place : {"/params.0", "/params.0/dtype", "/params.0/shape", "/params.0/data_offsets",
                            "/params.0/more", "/more", "/__metadata__", "/__metadata__/more", "/__metadata__/steps"}) {
    json changed = header;
    changed[json::json_pointer(place)] = marker;
    const std::string text = changed.dump();
    const std::size_t at = text.find('"' + marker + '"');
    for (const int depth : {3, 4, 100'000})
      for (const char* brackets : {"[]", "{}"}) {
        INFO(place << ", " << depth << " deep " << brackets);
        const std::string open = brackets[0] == '[' ? "[" : "{\"a\":";
        std::string nested;
        for (int i = 0; i < depth; ++i) nested += open;
        nested += "0" + std::string(static_cast<std::size_t>(depth), brackets[1]);
        Parts other = parts;
        other.header = text.substr(0, at) + nested + text.substr(at + marker.size() + 2);
        const std::string complaint = loading.complaint(other.together());
        CHECK(complaint.find("descent: the checkpoint: ") == 0);
        CHECK(complaint.size() <= 1000);
      }
  }
  Parts other = parts;
  other.header = "{\"a\":[[[" + std::string(100'000, '[');
  CHECK(loading.complaint(other.together()) ==
        "descent: the checkpoint: its header has brackets nested more than 3 deep");
}

TEST_CASE("errors are short, whatever a file holds", "[checkpoint]") {
  Loading loading;
  const Parts parts(good());
  const std::string header = parts.header;
  const std::string hyperparameters = R"(\"beta1\":0.9,)";
  REQUIRE(header.find(hyperparameters) != std::string::npos);
  std::string longest;  // characters of three bytes, so that a cut would fall inside one
  while (longest.size() < 100'000) longest += "\u20ac";

  const auto refused = [&](const std::string& what, const std::string& instead) {
    INFO(what << " replaced by " << instead.substr(0, 50));
    Parts other = parts;
    const std::size_t at = header.find(what);
    REQUIRE(at != std::string::npos);
    other.header = header.substr(0, at) + instead + header.substr(at + what.size());
    const std::string complaint = loading.complaint(other.together());
    CHECK(complaint.find("descent: the checkpoint: ") == 0);
    CHECK(complaint.size() > 30);
    CHECK(complaint.size() <= 1000);
    if (complaint.find("is not JSON") == std::string::npos) CHECK_NOTHROW(json(complaint).dump());  // UTF-8
  };
  for (std::size_t ahead = 0; ahead < 3; ++ahead) {
    const std::string text = std::string(ahead, 'a') + longest;
    const std::string quoted = '"' + text + '"';
    refused("\"F64\"", quoted);
    refused("\"F64\"", std::string(100'000, '1'));
    refused("\"F64\"", "1." + std::string(100'000, '1'));
    refused("\"F64\"", std::string(100'000, 'x'));
    refused("[24]", "[" + quoted + "]");
    refused("\"dtype\"", quoted);
    refused("[192,384]", "[192," + quoted + "]");
    refused("\"descent::Adam\"", quoted);
    refused("\"steps\":\"5\"", "\"steps\":\"\\" + quoted.substr(0, quoted.size() - 1) + "\\\"\"");
    refused("\"steps\":\"5\"", "\"steps\":" + quoted);
    refused("\"steps\":\"5\"", "\"steps\":\"5\"," + quoted + ":5");
    refused("{", "{" + quoted + ":1,");
    refused("{", "{" + quoted + ":1," + quoted + ":1,");
    refused("{", quoted);
    refused(hyperparameters, "\\\"" + text + "\\\":0.9,");
    refused(hyperparameters, "\\\"beta1\\\":\\\"" + text + "\\\",");
  }
}

TEST_CASE("absurd lengths take no memory", "[checkpoint]") {
  Loading loading;
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    std::string bytes = good();
    std::memcpy(bytes.data(), &length, sizeof length);
    CHECK(loading.complaint(sealed(bytes)).find("bytes; safetensors allows at most 100000000") != std::string::npos);
  }
  std::string bytes = good();
  const std::uint64_t length = 100'000'000;
  std::memcpy(bytes.data(), &length, sizeof length);
  CHECK(loading.complaint(sealed(bytes)) == "descent: the checkpoint: it ends within its header");
}

TEST_CASE("hyperparameters that a file lacks stay those of the program", "[checkpoint]") {
  Run<double, rules::Adam> saved_run{rules::Adam{.learning_rate = 0.25, .beta2 = 0.5}};
  saved_run.go(1, 2);
  const Parts parts(saved(saved_run.optimizer, saved_run.x));
  json header = json::parse(parts.header);
  const auto loaded_without = [&](const std::vector<const char*>& names) {
    json& metadata = header["__metadata__"];
    json values = json::parse(metadata["hyperparameters"].get<std::string>());
    for (const char* name : names) values.erase(name);
    metadata["hyperparameters"] = values.dump();
    metadata.erase("skipped_steps");
    metadata.erase("skipped_in_a_row");
    Parts other = parts;
    other.header = header.dump();
    Run<double, rules::Adam> run{rules::Adam{.beta1 = 0.75, .beta2 = 0.75}};
    run.optimizer.set_nonfinite(NonFinite::skip);
    run.optimizer.step(run.x, run.x * std::nan(""));
    load_from(other.together(), run.optimizer, run.x);
    CHECK(same_state(run.optimizer, saved_run.optimizer));
    CHECK(run.optimizer.skipped_steps() == 0);
    return run.optimizer;
  };
  const Adam<double> some = loaded_without({"beta1", "epsilon_placement"});
  CHECK(some.learning_rate == 0.25);
  CHECK(some.beta1 == 0.75);
  CHECK(some.beta2 == 0.5);
  const Adam<double> none = loaded_without({"learning_rate", "beta2", "epsilon", "bias_correction"});
  CHECK(none.learning_rate == 0.001);
  CHECK(none.beta2 == 0.75);
}

/// It inherits SGD's list.
struct WithTable : rules::SGD {
  double table = 0;
};
TEST_CASE("a member that a rule does not list stays", "[checkpoint]") {
  Optimizer<WithTable> optimizer(WithTable{{.learning_rate = 0.5}, 3});
  Eigen::VectorXd x = start<double>(n);
  const std::string bytes = saved(optimizer, x);
  optimizer.learning_rate = 0.25;
  optimizer.table = 4;
  load_from(bytes, optimizer, x);
  CHECK(optimizer.learning_rate == 0.5);
  CHECK(optimizer.table == 4);
}

TEST_CASE("another rule, scalar or shape", "[checkpoint]") {
  Loading loading;
  const Eigen::VectorXd x = start<double>(n);
  CHECK(loading.complaint(saved(SGD<double>(), x)).find("its rule is \"descent::SGD\", expected \"descent::Adam\"") !=
        std::string::npos);
  CHECK(loading.complaint(saved(Adam<float>(), start<float>(n))).find("\"params.0\" has the dtype \"F32\"") !=
        std::string::npos);
  CHECK(loading.complaint(saved(Adam<double>(), start<double>(n + 1))).find("the shape [25], expected [24]") !=
        std::string::npos);
  CHECK(loading.complaint(saved(Adam<double>(), std::tie(x, x))).find("it has \"params.1\"") != std::string::npos);
  CHECK(loading.complaint(saved(Adam<double>(), std::vector<Eigen::VectorXd>())).find("it has no \"params.0\"") !=
        std::string::npos);

  std::vector<Eigen::VectorXd> tensors(3, x);
  Adam<double, 2> fixed;
  Adam<double> adam;
  adam.step(tensors, tensors);
  const std::string bytes = saved(adam, tensors);
  CHECK(complaint([&] { load_from(bytes, fixed, tensors); }).find("the fixed size 2") != std::string::npos);
}

TEST_CASE("what cannot be saved", "[checkpoint]") {
  Eigen::VectorXd x = start<double>(n);
  Adam<double> adam;
  adam.step(x, x);
  CHECK(complaint([&] { saved(adam, x.head(3)); }).find("are 3x1, but in the steps so far they were 24x1") !=
        std::string::npos);
  adam.beta1 = 2;
  CHECK(complaint([&] { saved(adam, x); }).find("beta1 = 2") != std::string::npos);

  Optimizer<Collision> collision;
  collision.step(x, x);
  CHECK(complaint([&] { saved(collision, x); }).find("two tensors \"params.0\"") != std::string::npos);
  Optimizer<Mistaken> mistaken;
  CHECK(complaint([&] { saved(mistaken, x); }).find("two hyperparameters \"decay\"") != std::string::npos);

  Optimizer<Latin1> latin1;
  CHECK(complaint([&] { saved(latin1, x); }) ==
        "descent: a checkpoint cannot hold what is not UTF-8: \"M\\ufffdller\"");
  Optimizer<Everything> everything;
  everything.shade = static_cast<Shade>(2);
  CHECK(complaint([&] { saved(everything, x); }).find("shade = 2; it must be dark or light") != std::string::npos);
}

TEST_CASE("what load would refuse cannot be saved", "[checkpoint]") {
  Eigen::VectorXd x = start<double>(3);
  const auto unsaved = [&](const auto& optimizer) { return complaint([&] { saved(optimizer, x); }); };

  SECTION("counters at their end") {
    const std::string last = std::to_string((std::int64_t{1} << 62) - 1);
    for (const std::string name : {"steps", "skipped_steps"}) {
      Adam<double> adam;
      adam.set_nonfinite(NonFinite::skip);
      adam.step(x, x);
      Parts parts(saved(adam, x));
      json header = json::parse(parts.header);
      header["__metadata__"][name] = last;
      parts.header = header.dump();
      load_from(parts.together(), adam, x);
      CHECK_NOTHROW(saved(adam, x));
      adam.step(x, name == "steps" ? x : x * std::nan(""));
      CHECK(unsaved(adam) ==
            "descent: load would refuse this checkpoint: " + name + " = 4611686018427387904; it must be in [0, 2^62)");
    }
  }
  SECTION("running products") {
    Optimizer<Everything> growing(Everything{.decay = 2});
    for (int t = 0; t < 2; ++t) growing.step(x, x);
    Optimizer<Everything> loaded;
    load_from(saved(growing, x), loaded, x);  // factors outside [0, 1) may have any product
    CHECK(saved(loaded, x) == saved(growing, x));
    growing.decay = 0.5;
    CHECK(unsaved(growing) ==
          "descent: load would refuse this checkpoint: running_products = [4]; after a step each must be in [0, 1)");
  }
  SECTION("a long header, before anything is written") {
    std::size_t written = 0;
    const auto write = [&](const char*, std::size_t size) { written += size; };
    const detail::SavedTensors<const char> none;
    detail::write_safetensors(write, none, {}, 80);
    CHECK(written == 8 + 80 + 4);
    CHECK_THROWS_AS(detail::write_safetensors(write, none, {}, 79), detail::InvalidCheckpoint);
    CHECK(written == 8 + 80 + 4);
    CHECK_NOTHROW(detail::require_length_of_header(100'000'000));
    CHECK_THROWS_AS(detail::require_length_of_header(100'000'001), detail::InvalidCheckpoint);
  }
}

TEST_CASE("what is set stays, and an optimizer that is loaded has its own memory", "[checkpoint]") {
  Loading loading;
  Adam<double> other;
  Eigen::VectorXd x = start<double>(n);
  load_from(good(), other, x);
  other.step(x, x);
  other.reset();
  CHECK(other.steps() == 0);
  loading.run.optimizer.set_threads(2);
  CHECK_NOTHROW(load_from(good(), loading.run.optimizer, loading.run.x));
  loading.run.optimizer.step(loading.run.x, loading.run.x * std::nan(""));
  CHECK(loading.run.optimizer.skipped_steps() == 1);
}

// ---- Streams and files -----------------------------------------------------------------------------

TEST_CASE("a stream holds several checkpoints", "[checkpoint]") {
  std::stringstream stream;
  Eigen::VectorXd one = start<double>(3), two = 2 * one, x(3);
  SGD<double> sgd({.learning_rate = 1}), loaded;
  save(stream, sgd, one);
  sgd.learning_rate = 2;
  save(stream, sgd, two);
  load(stream, loaded, x);
  CHECK(same_bits(x, one));
  load(stream, loaded, x);
  CHECK(same_bits(x, two));
  CHECK(loaded.learning_rate == 2);
  CHECK_THROWS_AS(load(stream, loaded, x), std::runtime_error);
}

TEST_CASE("a file is replaced as a whole", "[checkpoint]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Eigen::VectorXd x = start<double>(n), y = 0 * x;
  Adam<double> adam, loaded;
  save(path, adam, x);
  adam.step(x, x);
  save(path, adam, x);
  load(path, loaded, y);
  CHECK(same_bits(x, y));
  CHECK(same_state(loaded, adam));
  CHECK(content(path) == saved(adam, x));
  CHECK(folder.count() == 1);

  SECTION("not where saving fails") {
    const std::string before = content(path);
    CHECK_THROWS_AS(save(path, adam, x.head(3)), std::invalid_argument);
    CHECK(content(path) == before);
    CHECK(folder.count() == 1);
  }
  SECTION("a link to it stays one") {
    const auto link = folder / "latest.safetensors";
    std::filesystem::create_symlink("run.safetensors", link);
    adam.step(x, x);
    save(link, adam, x);
    CHECK(std::filesystem::is_symlink(link));
    CHECK(content(path) == saved(adam, x));
  }
  SECTION("nor what is no file") {
    const auto pipe = folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(complaint<std::runtime_error>([&] { save(pipe, adam, x); }) ==
          "descent: cannot replace what is not a regular file: " + pipe.string());
    CHECK(std::filesystem::is_fifo(pipe));
    std::filesystem::create_directory(folder / "folder");
    CHECK_THROWS_AS(save(folder / "folder", adam, x), std::runtime_error);
  }
  SECTION("nowhere") {
    CHECK_THROWS_AS(save(folder / "no/run.safetensors", adam, x), std::system_error);
    CHECK_THROWS_AS(save("", adam, x), std::system_error);
    CHECK_THROWS_AS(load(folder / "no.safetensors", adam, x), std::system_error);
    CHECK_THROWS_AS(load(folder / "", adam, x), std::runtime_error);
  }
  SECTION("which ends where the checkpoint does") {
    std::ofstream(path, std::ios::app) << '\0';
    try {
      load(path, loaded, y);
      FAIL("accepted");
    } catch (const std::runtime_error& error) {
      CHECK(std::string(error.what()) == "descent: " + path.string() + ": it does not end with its checksum");
    }
  }
}

TEST_CASE("a stream that cannot be written", "[checkpoint]") {
  std::ostringstream closed;
  closed.setstate(std::ios::badbit);
  CHECK_THROWS_AS(save(closed, SGD<double>(), start<double>(3)), std::runtime_error);
  if (std::ofstream full("/dev/full"); full)
    CHECK_THROWS_AS(save(full, SGD<double>(), start<double>(3)), std::runtime_error);
}

}  // namespace

// SPDX-License-Identifier: MIT
//
// Checkpoints of whole runs: a run that is stopped at any batch goes on with the same bits; whatever is wrong with a
// file changes no entry; and the parts of a file can be listed and loaded by themselves.
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using nlohmann::json;

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A program with two optimizers, one of which steps every third batch, and everything else that a loop may have.
struct Training {
  Adam<float> net{{.learning_rate = 0.1}};
  Matrix W = Matrix::Ones(3, 4);
  Vector<float> b = Vector<float>::Ones(5);
  Momentum<double> head{{.learning_rate = 0.1}};
  Vector<double> x = start<double>(6);
  Minibatches batches{10, 3, 7};
  ReduceOnPlateau plateau{.factor = 0.5, .patience = 2};
  GradientAccumulator<float> sums;
  int epoch = 0;
  std::size_t used = 0;  ///< batches of this epoch
  double best = std::numeric_limits<double>::infinity();
  std::string note = "none";
  bool started = false;
  PlateauMode mode = PlateauMode::lower;
  Eigen::VectorXd losses;  ///< one more at each epoch
  RowMatrix mean = RowMatrix::Zero(2, 3);
  Checkpoint checkpoint;

  Training() {
    checkpoint.add("net", net, std::tie(W, b), {"layer.W", "layer.b"});
    checkpoint.add("head", head, x);
    checkpoint.add("batches", batches);
    checkpoint.add("plateau", plateau);
    checkpoint.add("sums", sums);
    checkpoint.add("epoch", epoch);
    checkpoint.add("used", used);
    checkpoint.add("best", best);
    checkpoint.add("note", note);
    checkpoint.add("started", started);
    checkpoint.add("mode", mode);
    checkpoint.add("losses", losses);
    checkpoint.add("mean", mean.leftCols(2));
  }

  void go(int count) {
    while (count > 0) {
      const auto epoch_batches = used > 0 ? batches.last_epoch() : batches.epoch();
      for (auto batch = std::next(epoch_batches.begin(), static_cast<std::ptrdiff_t>(used));
           batch != epoch_batches.end() && count > 0; ++batch, --count)
        step(*batch);
      if (used == epoch_batches.size()) end_epoch();
    }
  }
  void step(std::span<const Eigen::Index> batch) {
    float sum = 0;
    for (const Eigen::Index i : batch) sum += static_cast<float>(i + 1);
    sums.add(std::tuple(Matrix(W * 0.25f + Matrix::Constant(3, 4, sum)), Vector<float>(b * sum)));
    if (sums.count() == 3) net.step(std::tie(W, b), sums.take_mean(std::tie(W, b)));
    head.step(x, x * static_cast<double>(sum));
    started = true;
    ++used;
  }
  void end_epoch() {
    used = 0;
    ++epoch;
    losses.conservativeResize(epoch);
    losses[epoch - 1] = x.squaredNorm();
    best = std::min(best, losses[epoch - 1]);
    head.learning_rate = plateau(head.learning_rate, losses[epoch - 1]);
    note = "epoch " + std::to_string(epoch);
    mode = PlateauMode::higher;
    mean.leftCols(2).array() += 0.5f;
  }

  std::string bytes() const {
    std::ostringstream out;
    checkpoint.save(out);
    return out.str();
  }
  void load(const std::string& bytes, const LoadOptions& options = {}) {
    std::istringstream in(bytes);
    checkpoint.load(in, options);
  }
  /// The error, which must leave everything as it was.
  std::string complaint_of(const std::string& bytes, const LoadOptions& options = {}) {
    const std::string before = this->bytes();
    const std::string text = complaint<std::runtime_error>([&] { load(bytes, options); });
    if (this->bytes() != before) FAIL("something has changed: " << text);
    return text;
  }
};

/// A file with another header.
std::string with_header(const std::string& bytes, const json& header) {
  Parts parts(bytes);
  parts.header = header.dump();
  return parts.together();
}
json header_of(const std::string& bytes) { return json::parse(Parts(bytes).header); }

constexpr const char* begin = "descent: the checkpoint: ";

// ---- The same bits ---------------------------------------------------------------------------------

TEST_CASE("a run stopped at any batch goes on as if it had never stopped", "[runs]") {
  constexpr int batches = 22;  // of five epochs and a half
  Training whole;
  whole.go(batches);
  for (int stop = 0; stop <= batches; ++stop) {
    INFO("stopped after " << stop << " batches");
    Training first, second;
    first.go(stop);
    second.go(5);  // what it had is forgotten
    second.load(first.bytes());
    CHECK((second.bytes() == first.bytes()));
    second.go(batches - stop);
    CHECK((second.bytes() == whole.bytes()));
    CHECK(same_bits(second.W, whole.W));
    CHECK(same_bits(second.x, whole.x));
    CHECK(same_bits(second.losses, whole.losses));
    CHECK(second.note == whole.note);
  }
}

TEST_CASE("a run goes on from a file", "[runs]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Training first, second;
  first.go(7);
  first.checkpoint.save(path);
  CHECK((content(path) == first.bytes()));
  CHECK(folder.count() == 1);
  second.checkpoint.load(path);
  CHECK((second.bytes() == first.bytes()));
  CHECK(same_bits(second.mean.leftCols(2), first.mean.leftCols(2)));
  std::ofstream(path, std::ios::app) << '\0';
  CHECK(complaint<std::runtime_error>([&] { second.checkpoint.load(path); }) ==
        "descent: " + path.string() + ": it does not end with its checksum");
  CHECK_THROWS_AS(second.checkpoint.load(folder / "no"), std::system_error);
}

TEST_CASE("what is added is referred to, and views are copied", "[runs]") {
  std::vector<Eigen::VectorXd> tensors{start<double>(3), start<double>(4)}, others{tensors[1], tensors[0]};
  SGD<double> sgd({.learning_rate = 1});
  std::string bytes;
  {
    Checkpoint checkpoint;
    {
      const auto both = std::tie(tensors[0], tensors[1]);
      checkpoint.add("tuple", sgd, both);
      std::vector<Eigen::Map<Eigen::VectorXd>> maps;
      for (auto& tensor : others) maps.emplace_back(tensor.data(), tensor.size());
      checkpoint.add("maps", sgd, std::move(maps));
    }
    checkpoint.add("vectors", sgd, others);
    tensors[0][0] = 7;
    others[0][0] = 8;
    std::ostringstream out;
    checkpoint.save(out);
    tensors[0].setZero();
    others[0].setZero();
    std::istringstream in(out.str());
    checkpoint.load(in);
  }
  CHECK(tensors[0][0] == 7);
  CHECK(others[0][0] == 8);
}

// ---- Values and arrays -----------------------------------------------------------------------------

/// Saves an entry, and loads it into another.
template <class From, class To>
void pass(const char* name, From& from, To&& to) {
  Checkpoint saving, loading;
  saving.add(name, from);
  loading.add(name, std::forward<To>(to));
  std::stringstream stream;
  saving.save(stream);
  loading.load(stream);
}

template <class T>
T loaded_value(T value, T into) {
  pass("value", value, into);
  return into;
}
/// The error of loading a value into one of another kind.
template <class T, class Other>
std::string refused_value(T value, Other into) {
  const Other before = into;
  const std::string text = complaint<std::runtime_error>([&] { pass("value", value, into); });
  CHECK(into == before);
  return text;
}

TEST_CASE("numbers and texts come back as they were", "[runs]") {
  CHECK(loaded_value(std::numeric_limits<std::int64_t>::min(), std::int64_t{0}) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(loaded_value(~std::uint64_t{0}, std::uint64_t{0}) == ~std::uint64_t{0});
  CHECK(loaded_value(-128, 0) == -128);
  CHECK(loaded_value(true, false));
  CHECK(loaded_value(0.1f, 0.0f) == 0.1f);
  CHECK(loaded_value(1e-310, 0.0) == 1e-310);
  CHECK(loaded_value(-std::numeric_limits<double>::infinity(), 0.0) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(loaded_value(std::nan(""), 0.0)));
  CHECK(loaded_value(ThresholdMode::absolute, ThresholdMode::relative) == ThresholdMode::absolute);
  const std::string text = "a \"quoted\" text\nwith \u20ac and \x01";
  CHECK(loaded_value(text, std::string("before")) == text);
  CHECK(loaded_value(std::string(), std::string("before")).empty());
}

TEST_CASE("a value of another kind is refused", "[runs]") {
  const std::string name = begin + std::string("\"value\": value cannot be ");
  CHECK(refused_value(1.5, 1) == name + "1.5");
  CHECK(refused_value(300, std::int8_t{1}) == name + "300");
  CHECK(refused_value(-1, std::uint64_t{1}) == name + "-1");
  CHECK(refused_value(~std::uint64_t{0}, std::int64_t{1}) == name + "18446744073709551615");
  CHECK(refused_value(1, true) == name + "1");
  CHECK(refused_value(true, 2.0) == name + "true");
  CHECK(refused_value(0.1, 0.5f) == name + "0.1");
  CHECK(refused_value(std::string("lower"), 1) == name + "\"lower\"");
  CHECK(refused_value(std::string("highest"), PlateauMode::lower) == name + "\"highest\"");
  CHECK(refused_value(1, std::string("1")) == name + "1");
}

/// The error of loading an array into another.
template <class A, class B>
std::string load_array(A array, B&& into) {
  return complaint<std::runtime_error>([&] { pass("array", array, std::forward<B>(into)); });
}

TEST_CASE("arrays come back in every type, and own numbers take the shape of the file", "[runs]") {
  const Eigen::MatrixXd values = mixed_gradient<double>(12, 1).reshaped(3, 4);
  const std::string fine = "(no such error)";
  Eigen::MatrixXd matrix(1, 1), at_most(20, 20);
  CHECK(load_array(values, matrix) == fine);
  CHECK(same_bits(matrix, values));
  Eigen::Matrix<double, 3, 4, Eigen::RowMajor> fixed;
  CHECK(load_array(values, fixed) == fine);
  CHECK(same_bits(fixed, values));
  at_most.setZero();
  CHECK(load_array(values, at_most.block(2, 3, 3, 4)) == fine);
  CHECK(same_bits(at_most.block(2, 3, 3, 4), values));
  CHECK((at_most.array() != 0).count() == (values.array() != 0).count());

  Eigen::VectorXd vector, empty;
  CHECK(load_array(start<double>(5), vector) == fine);
  CHECK(same_bits(vector, start<double>(5)));
  CHECK(load_array(empty, vector) == fine);
  CHECK(vector.size() == 0);
  Eigen::RowVectorXd row;
  CHECK(load_array(start<double>(5), row) == fine);
  CHECK(same_bits(row.transpose(), start<double>(5)));

  const auto integers = []<class Scalar>(Scalar last) {
    const Eigen::Vector<Scalar, 3> three(std::numeric_limits<Scalar>::min(), 0, last);
    Eigen::Vector<Scalar, Eigen::Dynamic> loaded;
    return load_array(three, loaded) == "(no such error)" && loaded == three;
  };
  CHECK(integers(std::numeric_limits<std::int8_t>::max()));
  CHECK(integers(std::numeric_limits<std::uint8_t>::max()));
  CHECK(integers(std::numeric_limits<std::int16_t>::max()));
  CHECK(integers(std::numeric_limits<std::uint32_t>::max()));
  CHECK(integers(std::numeric_limits<std::int64_t>::max()));
  CHECK(integers(std::numeric_limits<std::uint64_t>::max()));
}

TEST_CASE("an array of another type or shape is refused", "[runs]") {
  const Eigen::MatrixXd values = Eigen::MatrixXd::Ones(3, 4);
  Eigen::Matrix3d square = Eigen::Matrix3d::Zero();
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, 2, 2> small;
  Eigen::VectorXd vector = start<double>(2);
  Eigen::MatrixXf single;
  const auto is_refused = [&](const std::string& text, const std::string& expected) {
    INFO(text);
    return text.starts_with(begin) && text.find(expected) != std::string::npos;
  };
  CHECK(is_refused(load_array(values, square), "\"array\" has the shape [3,4], expected [3,3]"));
  CHECK(is_refused(load_array(values, small), "\"array\" has the shape [3,4], expected [0,0]"));
  CHECK(is_refused(load_array(values, vector), "\"array\" has the shape [3,4], expected [2]"));
  CHECK(is_refused(load_array(values, square.topRows(2)), "\"array\" has the shape [3,4], expected [2,3]"));
  CHECK(is_refused(load_array(values, single), "\"array\" has the dtype \"F64\", expected \"F32\""));
  CHECK(square.isZero());
  CHECK(same_bits(vector, start<double>(2)));
}

TEST_CASE("an accumulator takes what was added, whatever it had", "[runs]") {
  GradientAccumulator<float> one, other, empty;
  const RowMatrix g = mixed_gradient<float>(12, 1).reshaped(3, 4);
  one.add(std::tuple(g, Vector<float>::Ones(2)));
  one.add(std::tuple(g, Vector<float>::Ones(2)));
  other.add(Vector<float>::Ones(7));
  pass("sums", one, other);
  CHECK(other.count() == 2);
  const auto [sum, two] = other.take_sum(std::tuple(g, Vector<float>::Ones(2)));
  CHECK(same_bits(RowMatrix(sum), RowMatrix(2 * g)));
  CHECK(Vector<float>(two) == Vector<float>::Constant(2, 2));
  pass("sums", empty, one);
  CHECK(one.count() == 0);
  CHECK_NOTHROW(one.add(Vector<float>::Ones(9)));
}

// ---- Damage ----------------------------------------------------------------------------------------

TEST_CASE("a run's file that ends too early, or of which a byte is changed, changes nothing", "[runs]") {
  Training saved_run, training;
  saved_run.go(6);
  training.go(3);
  const std::string bytes = saved_run.bytes();
  for (std::size_t size = 0; size < bytes.size(); size += 13)
    if (const std::string text = training.complaint_of(bytes.substr(0, size));
        !text.starts_with(begin + std::string("it ends within ")) &&
        text.find(": it ends within ") == std::string::npos)
      FAIL(size << " bytes: " << text);
  for (std::size_t i = 0; i < bytes.size(); i += 7) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
    if (const std::string text = training.complaint_of(changed); !text.starts_with(begin))
      FAIL("byte " << i << ": " << text);
  }
}

TEST_CASE("what is wrong with one entry changes no other, and is named", "[runs]") {
  Training saved_run, training;
  saved_run.go(6);
  training.go(3);
  const std::string bytes = saved_run.bytes();
  const json header = header_of(bytes);
  const auto refused = [&](const char* name, const json& value, const std::string& expected) {
    json changed = header;
    changed["__metadata__"].merge_patch({{name, value}});
    const std::string text = training.complaint_of(with_header(bytes, changed));
    INFO(name << ": " << text);
    CHECK(text.starts_with(begin));
    CHECK(text.find(expected) != std::string::npos);
  };
  refused("net.rule", "descent::SGD", "\"net\": its rule is \"descent::SGD\", expected \"descent::Adam\"");
  refused("net.steps", "-1", "\"net\": steps = -1; it must be in [0, 2^62)");
  refused("net.steps", nullptr, "\"net\": its metadata has no \"net.steps\"");
  refused("net.hyperparameters", "{\"beta1\":2}", "\"net\": descent::Adam: beta1 = 2; it must be in [0, 1)");
  refused("net.tensor.1.steps", "1", "\"net\": its metadata have \"net.tensor.1.steps\", which does not belong");
  refused("head.hyperparameters", "[]", "\"head\": head.hyperparameters is not an object");
  refused("batches.batch_size", "0", "\"batches\": descent::Minibatches: batch_size = 0; it must be at least 1");
  refused("batches.random", "-1", "\"batches\": batches.random cannot be -1");
  refused("batches.shuffle", "1", "\"batches\": batches.shuffle cannot be 1");
  refused("batches.drop_last", nullptr, "\"batches\": its metadata has no \"batches.drop_last\"");
  refused("plateau.bad_values", "-1", "\"plateau\": plateau.bad_values = -1; it must be in [0, 2^62)");
  refused("plateau.cooldown_left", "-1", "\"plateau\": plateau.cooldown_left = -1; it must be in [0, 2^62)");
  refused("plateau.best", "\"x\"", "\"plateau\": plateau.best cannot be \"x\"");
  refused("plateau.hyperparameters", "{\"factor\":1}", "\"plateau\": descent::ReduceOnPlateau: factor = 1");
  refused("sums.count", "-1", "\"sums\": sums.count = -1; it must be in [0, 2^62)");
  refused("epoch", "1.5", "\"epoch\": epoch cannot be 1.5");
  refused("epoch", "[1]", "\"epoch\": epoch is not a single value");
  refused("note", "many", "\"note\": note is not JSON");
  refused("mode", "\"highest\"", "\"mode\": mode cannot be \"highest\"");
  refused("descent_checkpoint", "1",
          "expected \"2\": it holds one optimizer, which load(path, optimizer, params) loads");
  refused("descent_checkpoint", "3", "its descent_checkpoint is \"3\", expected \"2\"");
  refused("entries", nullptr, "its metadata has no \"entries\"");
  refused("entries", "[]", "entries is not an object");

  json changed = header;
  changed["net.params.layer.b"]["shape"] = {6};
  CHECK(training.complaint_of(with_header(bytes, changed)) ==
        begin + std::string("\"net.params.layer.b\" has the shape [6], expected [5]"));
  changed = header;
  changed["net.more"] = header["net.params.layer.b"];
  CHECK(training.complaint_of(with_header(bytes, changed)) ==
        begin + std::string("it has \"net.more\", which is not expected here"));
}

TEST_CASE("sums are as many as a file says", "[runs]") {
  Training saved_run, training;
  saved_run.go(5);
  REQUIRE(saved_run.sums.count() == 2);
  const std::string bytes = saved_run.bytes();
  const auto complaint_of = [&](const char* name, const json& value) {
    json changed = header_of(bytes);
    changed["__metadata__"][name] = value;
    return training.complaint_of(with_header(bytes, changed));
  };
  CHECK(complaint_of("sums.row_major", "\"0\"") ==
        begin + std::string("it has \"sums.1\", which is not expected here"));
  CHECK(complaint_of("sums.row_major", "\"000\"") == begin + std::string("\"sums\": it has no \"sums.2\""));
  CHECK(complaint_of("sums.row_major", "\"0x\"") ==
        begin + std::string("\"sums\": \"sums.1\" is not a matrix of sums"));
  CHECK(complaint_of("sums.count", "0") == begin + std::string("\"sums\": sums.row_major = 00 of no tensors"));
}

TEST_CASE("the indices of other batches are refused", "[runs]") {
  const std::vector<int> split{3, 1, 4, 1, 5}, other_split{3, 1, 4, 5, 5};
  Minibatches one(split, 2, 1), same(std::vector<int>{1, 1, 3, 4, 5}, 3, 9), other(other_split, 2, 1), more(6, 2, 1);
  for (int epoch = 0; epoch < 3; ++epoch) one.epoch();
  const auto complaint_of = [&](Minibatches& batches) {
    return complaint<std::runtime_error>([&] { pass("split", one, batches); });
  };
  CHECK(complaint_of(same) == "(no such error)");
  CHECK(complaint_of(other) == begin + std::string("\"split\": its indices are others than those of the program"));
  CHECK(complaint_of(more) == begin + std::string("\"split.order\" has the shape [5], expected [6]"));
  const auto here = one.epoch(), there = same.epoch();
  CHECK(std::equal(here.begin(), here.end(), there.begin(), there.end(), std::ranges::equal));
}

TEST_CASE("a header that claims large tensors takes no memory", "[runs]") {
  Training saved_run, training;
  saved_run.go(5);
  const std::string bytes = saved_run.bytes();
  for (const json& shape : {json{std::int64_t{1} << 40, 4}, json{3037000500, 3037000500}, json{-3, -4}, json{0, -1}})
    for (const char* tensor : {"sums.0", "losses"}) {
      json changed = header_of(bytes);
      changed[tensor]["shape"] = shape;
      const std::string text = training.complaint_of(with_header(bytes, changed));
      INFO(text);
      CHECK(text.find("it ends within \"" + std::string(tensor)) != std::string::npos);
    }
}

// ---- Other entries ---------------------------------------------------------------------------------

TEST_CASE("entries that are missing or more are errors, unless not strict", "[runs]") {
  Training run;
  run.go(6);
  const std::string bytes = run.bytes();
  int epoch = 1, older = 2, mode = 3;
  Checkpoint checkpoint;
  checkpoint.add("epoch", epoch);
  std::ostringstream small;
  checkpoint.save(small);
  CHECK(Training().complaint_of(small.str()) ==
        begin + std::string("it lacks the entries \"batches\", \"best\", \"head\", \"losses\", \"mean\", \"mode\", "
                            "\"net\", \"note\", \"plateau\", \"started\", \"sums\", \"used\""));
  const auto load_small = [&](const LoadOptions& options) {
    std::istringstream in(bytes);
    checkpoint.load(in, options);
  };
  CHECK(complaint<std::runtime_error>([&] {
    load_small({});
  }).starts_with(begin + std::string("it has entries that the program has not: \"batches\", \"best\", \"head\"")));
  CHECK(epoch == 1);

  checkpoint.add("older", older);
  load_small({.strict = false});
  CHECK(epoch == run.epoch);
  CHECK(older == 2);

  checkpoint.add("mode", mode);
  json header = header_of(bytes);
  header["__metadata__"]["entries"] = R"({"epoch":"array"})";
  CHECK(Training().complaint_of(with_header(bytes, header), {.strict = false}) ==
        begin + std::string("its entry \"epoch\" is of the kind \"array\", expected \"value\""));
  CHECK(complaint<std::runtime_error>([&] { load_small({.strict = false}); }) ==
        begin + std::string("\"mode\": mode cannot be \"higher\""));

  header = header_of(bytes);
  header["net.params.layer.b"]["data_offsets"] = {16, 8};
  std::istringstream in(with_header(bytes, header));
  CHECK(complaint<std::runtime_error>([&] {
    Checkpoint one;
    one.add("epoch", epoch);
    one.load(in, {.strict = false});
  }) == begin + std::string("the data_offsets of \"net.params.layer.b\", 16 and 8, are in the wrong order"));
}

TEST_CASE("names that an entry cannot have", "[runs]") {
  Checkpoint checkpoint;
  int value = 0;
  Vector<float> x = start<float>(3);
  SGD<float> sgd;
  checkpoint.add("epoch", value);
  const auto complaint_of = [&](const std::string& name) { return complaint([&] { checkpoint.add(name, value); }); };
  CHECK(complaint_of("epoch") == "descent::Checkpoint: the name \"epoch\" was added before");
  CHECK(complaint_of("") == "descent::Checkpoint: the name \"\" must have a letter, and no dot");
  CHECK(complaint_of("net.epoch") == "descent::Checkpoint: the name \"net.epoch\" must have a letter, and no dot");
  for (const char* name : {"entries", "descent_checkpoint", "format", "crc32", "__metadata__"})
    CHECK(complaint_of(name).find("is a name of the file's own") != std::string::npos);
  CHECK(complaint([&] { checkpoint.add("sgd", sgd, x, {"x", "y"}); }) ==
        "descent: \"sgd\": descent::Checkpoint: 2 names for 1 tensors of parameters");
  CHECK_NOTHROW(checkpoint.add("sgd", sgd, x, {"x"}));  // that failure added nothing
}

TEST_CASE("what cannot be saved names its entry, and leaves the file", "[runs]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Training training;
  training.checkpoint.save(path);
  const std::string before = content(path);
  const auto complaint_of_saving = [&] { return complaint([&] { training.checkpoint.save(path); }); };
  training.net.beta1 = 2;
  CHECK(complaint_of_saving() == "descent: \"net\": descent::Adam: beta1 = 2; it must be in [0, 1)");
  training.net.beta1 = 0.5;
  training.go(3);
  training.b = Vector<float>::Ones(6);
  CHECK(complaint_of_saving().starts_with("descent: \"net\": the parameters of tensor 1 (of 2, from 0) are 6x1"));
  training.b = Vector<float>::Ones(5);
  training.note = "M\xfcller";
  CHECK(complaint_of_saving() == "descent: \"note\": a checkpoint cannot hold what is not UTF-8: \"M\\ufffdller\"");
  training.note = "";
  Vector<float> again = training.b;
  SGD<float> sgd;
  std::vector<Vector<float>> two{again, again};
  training.checkpoint.add("twice", sgd, two, {"x", "x"});
  CHECK(complaint_of_saving() == "descent: \"twice\": a checkpoint cannot have two tensors \"twice.params.x\"");
  CHECK((content(path) == before));
  CHECK(folder.count() == 1);
}

// ---- Hyperparameters of the program ----------------------------------------------------------------

TEST_CASE("the program's hyperparameters win if it wants that", "[runs]") {
  Training saved_run, training;
  saved_run.go(9);
  training.net.learning_rate = 0.25;
  training.plateau.patience = 7;
  training.batches = Minibatches(10, 5, 1, {.shuffle = false, .drop_last = true});
  training.load(saved_run.bytes(), {.keep_hyperparameters = true});
  CHECK(training.net.learning_rate == 0.25);
  CHECK(training.net.steps() == saved_run.net.steps());
  CHECK(same_state(training.net, saved_run.net));
  CHECK(training.plateau.patience == 7);
  CHECK(training.plateau.state.best == saved_run.plateau.state.best);
  CHECK(training.batches.last_epoch().size() == 2);
  training.load(saved_run.bytes());
  CHECK((training.bytes() == saved_run.bytes()));
}

TEST_CASE("hyperparameters of single tensors stay with them, or with the program", "[runs]") {
  Vector<double> a = start<double>(3), b = a, c = a;
  const auto params = std::tie(a, b, c);
  Momentum<double> one({.learning_rate = 0.5});
  one.step(params, params);
  one.tensor_rule(0).learning_rate = 0.1;
  one.freeze(1);
  one.step(params, params);
  const std::string bytes = saved(one, params);
  const auto loaded_into = [&](const LoadOptions& options) {
    Momentum<double> other({.learning_rate = 4});
    other.tensor_rule(1).learning_rate = 5;
    other.tensor_rule(2).learning_rate = 6;
    std::istringstream in(bytes);
    load(in, other, params, options);
    CHECK(other.frozen(1));
    CHECK(other.steps() == 2);
    CHECK(same_state(other, one));
    return other;
  };
  Momentum<double> of_file = loaded_into({}), of_program = loaded_into({.keep_hyperparameters = true});
  CHECK(saved(of_file, params) == bytes);
  CHECK(of_program.learning_rate == 4);
  CHECK(of_program.tensor_rule(1).learning_rate == 5);
  CHECK(of_program.tensor_rule(2).learning_rate == 6);
  const json metadata = header_of(saved(of_program, params))["__metadata__"];
  CHECK_FALSE(metadata.contains("tensor.0.hyperparameters"));
  CHECK(metadata["tensor.0.steps"] == "2");
  CHECK(metadata["tensor.1.steps"] == "1");
  CHECK(metadata["tensor.2.steps"] == "2");

  json header = header_of(bytes);  // what a file lacks stays with the tensor's own, too
  header["__metadata__"]["tensor.0.hyperparameters"] = R"({"momentum":0.5})";
  Momentum<double> other({.learning_rate = 4});
  other.tensor_rule(0).learning_rate = 3;
  load_from(with_header(bytes, header), other, params);
  CHECK(other.learning_rate == 0.5);
  CHECK(other.tensor_rule(0).learning_rate == 3);
  CHECK(other.tensor_rule(0).momentum == 0.5);
}

// ---- Parts of files --------------------------------------------------------------------------------

TEST_CASE("parameters alone, whatever stepped them", "[runs]") {
  const Folder folder;
  const auto path = folder / "run.safetensors", one = folder / "one.safetensors";
  Training training;
  training.go(9);
  training.checkpoint.save(path);
  save(one, training.net, std::tie(training.W, training.b));

  RowMatrix W = RowMatrix::Zero(3, 4);
  Vector<float> b = Vector<float>::Zero(5);
  Vector<double> x = Vector<double>::Zero(6);
  const auto is_loaded = [&] { return same_bits(W, training.W) && same_bits(b, training.b); };
  SECTION("of a file of one optimizer") {
    load_params(one, std::tie(W, b));
    CHECK(is_loaded());
  }
  SECTION("of an entry, in the order of the file") {
    load_params(path, std::tie(W, b), {.entry = "net"});
    CHECK(is_loaded());
    load_params(path, x, {.entry = "head"});
    CHECK(same_bits(x, training.x));
  }
  SECTION("by name") {
    load_params(path, std::tie(b, W), {.entry = "net", .names = {"layer.b", "layer.W"}});
    CHECK(is_loaded());
    b.setZero();
    load_params(path, b, {.entry = "net", .names = {"layer.b"}});
    load_params(one, W, {.names = {"0"}});
    CHECK(is_loaded());
    load_params(one, std::vector<Eigen::Map<Vector<float>>>{{b.data(), 5}}, {.names = {"1"}});
    CHECK(is_loaded());
  }
  SECTION("of the first version") {
    Eigen::Matrix<double, 2, 3> matrix;
    Eigen::Vector2d vector;
    load_params(std::filesystem::path(DESCENT_CHECKPOINTS) / "first" / "sgd.safetensors", std::tie(matrix, vector));
    CHECK(matrix(1, 0) == -3.2958984375);
  }
  SECTION("not of what is not there, and then nothing changes") {
    const auto complaint_of = [&](const std::filesystem::path& file, auto&& params, const ParamsOf& which) {
      return complaint<std::runtime_error>([&] { load_params(file, params, which); });
    };
    const auto in = [](const std::filesystem::path& file) { return "descent: " + file.string() + ": "; };
    CHECK(complaint_of(one, W, {}) == in(one) + "it has \"params.1\", which is not expected here");
    CHECK(complaint_of(one, std::tie(W, b, b), {}) == in(one) + "it has no \"params.2\"");
    CHECK(complaint_of(one, std::tie(b, W), {}) == in(one) + "\"params.0\" has the shape [3,4], expected [5]");
    CHECK(complaint_of(one, x, {.names = {"1"}}) == in(one) + "\"params.1\" has the dtype \"F32\", expected \"F64\"");
    CHECK(complaint_of(one, W, {.entry = "net"}).find("it holds one optimizer") != std::string::npos);
    CHECK(complaint_of(path, W, {}).find("it holds a run, which a Checkpoint loads") != std::string::npos);
    CHECK(complaint_of(path, W, {.entry = "net"}) ==
          in(path) + "it has 2 tensors of parameters, but the program has 1");
    CHECK(complaint_of(path, W, {.entry = "no"}) == in(path) + "it has no \"no.params.0\"");
    CHECK(complaint([&] { load_params(path, W, {.entry = "net", .names = {"a", "b"}}); }) ==
          "descent::load_params: 2 names for 1 tensors");
    std::string bytes = content(path);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    std::ofstream(path, std::ios::binary) << bytes;
    CHECK(complaint_of(path, std::tie(W, b), {.entry = "net"}).find("its checksum differs") != std::string::npos);
    CHECK(W.isZero());
    CHECK(b.isZero());
  }
}

TEST_CASE("a list of what is in a file", "[runs]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Training training;
  training.go(9);
  training.checkpoint.save(path);
  const std::vector<ListedEntry> entries = list_checkpoint(path);
  std::string kinds;
  for (const ListedEntry& entry : entries) kinds += entry.name + " " + entry.kind + ", ";
  CHECK(kinds ==
        "batches Minibatches, best value, epoch value, head optimizer, losses array, mean array, mode value, net "
        "optimizer, note value, plateau ReduceOnPlateau, started value, sums GradientAccumulator, used value, ");
  const ListedEntry& net = entries.at(7);
  CHECK(net.metadata.at("rule") == "descent::Adam");
  CHECK(net.metadata.at("steps") == "3");
  CHECK(net.metadata.at("tensors") == "[\"layer.W\",\"layer.b\"]");
  std::string tensors;
  for (const ListedTensor& tensor : net.tensors) tensors += tensor.name + " " + tensor.dtype + ", ";
  CHECK(tensors ==
        "net.first_moment.layer.W F32, net.first_moment.layer.b F32, net.params.layer.W F32, net.params.layer.b F32, "
        "net.second_moment.layer.W F32, net.second_moment.layer.b F32, ");
  CHECK(net.tensors[0].shape == std::vector<Eigen::Index>{3, 4});
  CHECK(net.tensors[1].shape == std::vector<Eigen::Index>{5});
  CHECK(entries.at(2).metadata == std::map<std::string, std::string>{{"value", "2"}});

  save(path, training.head, training.x);
  const std::vector<ListedEntry> one = list_checkpoint(path);
  REQUIRE(one.size() == 1);
  CHECK(one[0].name.empty());
  CHECK(one[0].kind == "optimizer");
  CHECK(one[0].metadata.at("rule") == "descent::Momentum");
  CHECK(one[0].tensors.size() == 2);

  std::ofstream(path) << "no checkpoint at all";
  CHECK(complaint<std::runtime_error>([&] { list_checkpoint(path); }).starts_with("descent: " + path.string() + ": "));
  CHECK_THROWS_AS(list_checkpoint(folder / "no"), std::system_error);
}

TEST_CASE("a file of a run is not one of an optimizer", "[runs]") {
  Training training;
  Adam<float> adam;
  CHECK(complaint<std::runtime_error>([&] { load_from(training.bytes(), adam, std::tie(training.W, training.b)); }) ==
        begin +
            std::string("its descent_checkpoint is \"2\", expected \"1\": it holds a run, which a Checkpoint loads"));
}

TEST_CASE("a stream holds several runs", "[runs]") {
  Training one, two, loaded;
  one.go(2);
  two.go(8);
  std::stringstream stream;
  one.checkpoint.save(stream);
  two.checkpoint.save(stream);
  loaded.checkpoint.load(stream);
  CHECK((loaded.bytes() == one.bytes()));
  loaded.checkpoint.load(stream);
  CHECK((loaded.bytes() == two.bytes()));
}

}  // namespace

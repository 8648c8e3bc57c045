// SPDX-License-Identifier: MIT
//
// Trains the network of the digits example as a configuration file says, trainer.json by default: it chooses the
// optimizer or chain, the schedule and all else. The run may be stopped at any moment and started again, and ends with
// the same bits: Ctrl-C or SIGTERM end it after the step, with a checkpoint; a run that was killed goes on from the
// last one. The exact loss and the CRC-32 of the last checkpoint, which holds all that the run has, tell.
//
// What there is to copy is `Run` and `train`.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <variant>

#include <CLI/CLI.hpp>
#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include <descent/any/json.hpp>
#include <descent/any_optimizer.hpp>
#include <descent/checkpoint.hpp>
#include <descent/schedules.hpp>
#include <descent/training/minibatches.hpp>

#include "digits_network.hpp"
#include "digits_split.hpp"
#include "options.hpp"
#include "output.hpp"

namespace {

using examples::Network;
using nlohmann::json;
using std::filesystem::path;

// ---- The configuration -----------------------------------------------------------------------------

/// An object of the configuration. Its errors name the key and the values that would do: "schedule.name: "sine" is not
/// constant, linear or cosine".
class Section {
 public:
  /// `name` precedes the keys in errors: "schedule." or nothing.
  Section(const json& object, const std::string& name, std::initializer_list<const char*> keys)
      : object_(object), name_(name) {
    std::string list;
    for (const char* const key : keys) list += (list.empty() ? "" : ", ") + std::string(key);
    const std::string whose = name.empty() ? "the configuration" : name.substr(0, name.size() - 1);
    if (!object.is_object()) throw std::runtime_error(whose + ": it must be an object with " + list);
    const auto fail_unknown = [&](const std::string& key) {
      throw std::runtime_error(name + key + ": there is no such key; " + whose + " has " + list);
    };
    for (const auto& [key, value] : object.items())
      if (std::ranges::find(keys, key) == keys.end()) fail_unknown(key);
  }

  const json& at(const char* key, const char* expected) const {
    if (!object_.contains(key)) throw std::runtime_error(name_ + key + ": it is missing; it must be " + expected);
    return object_[key];
  }

  std::int64_t whole_number(const char* key, std::int64_t lowest, std::int64_t highest) const {
    const std::string range = "a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest);
    const json& value = at(key, range.c_str());
    if (!value.is_number_integer() || value < lowest || value > highest) fail(key, value, range);
    return value.get<std::int64_t>();
  }
  std::int64_t whole_number(const char* key, std::int64_t lowest, std::int64_t highest, std::int64_t otherwise) const {
    return object_.contains(key) ? whole_number(key, lowest, highest) : otherwise;
  }
  double rate(const char* key, double otherwise) const {
    if (!object_.contains(key)) return otherwise;
    const json& value = object_[key];
    if (!value.is_number() || value < 0) fail(key, value, "a number >= 0");
    return value.get<double>();
  }
  std::string text(const char* key, const char* expected) const {
    const json& value = at(key, expected);
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) fail(key, value, expected);
    return value.get<std::string>();
  }

  [[noreturn]] void fail(const char* key, const json& value, const std::string& expected) const {
    throw std::runtime_error(name_ + key + ": " + value.dump(-1, ' ', false, json::error_handler_t::replace) +
                             " is not " + expected);
  }

 private:
  const json& object_;
  std::string name_;
};

/// The learning rate at a step, or nothing if it stays as it is.
using Schedule = std::function<double(std::int64_t)>;

struct Config {
  json run;  ///< the part that decides on the bits
  descent::AnyOptimizer<float> optimizer;
  std::int64_t epochs, batch_size, seed;
  path checkpoint;
  std::int64_t every;  ///< steps
};

Config config_of(const json& object) {
  const Section config(object, "", {"optimizer", "schedule", "epochs", "batch_size", "seed", "checkpoint"});
  const json& optimizer = config.at("optimizer", "a name, an object with a name, or an array of these");
  const Section checkpoint(config.at("checkpoint", "an object with path, every"), "checkpoint.", {"path", "every"});
  json run = object;
  run.erase("checkpoint");
  return {run,
          [&] {
    try {
      return descent::optimizer_from_json<float>(optimizer);
    } catch (const std::invalid_argument& error) {
      throw std::runtime_error(std::string("optimizer: ") + error.what());
    }
  }(),
          config.whole_number("epochs", 1, 10'000),
          config.whole_number("batch_size", 1, 100'000),
          config.whole_number("seed", 0, 4'294'967'295),
          checkpoint.text("path", "a path, such as \"run.safetensors\""),
          checkpoint.whole_number("every", 1, 1'000'000'000)};
}

/// The peak of the schedule is the optimizer's learning rate.
Schedule schedule_of(const Config& config, std::int64_t steps) {
  const char* const expected = "an object with name, warmup, final";
  const Section schedule(
      Section(config.run, "", {"optimizer", "schedule", "epochs", "batch_size", "seed"}).at("schedule", expected),
      "schedule.", {"name", "warmup", "final"});
  const char* const names = "constant, linear or cosine";
  const std::string name = schedule.text("name", names);
  const std::int64_t warmup = schedule.whole_number("warmup", 0, steps - 1, 0);
  const double final = schedule.rate("final", 0);
  if (name == "constant" && warmup == 0) return {};

  const double peak = [&] {
    try {
      return std::get<double>(config.optimizer.get("learning_rate"));
    } catch (const std::invalid_argument& error) {
      throw std::runtime_error(std::string("schedule: it needs a learning rate, but ") + error.what());
    }
  }();
  const auto warmed_up = [&](const auto& after) -> Schedule {
    if (warmup == 0) return after;
    return descent::schedules::WithWarmup{warmup, after};
  };
  if (name == "constant") return warmed_up(descent::schedules::Constant{peak});
  if (name == "linear") return warmed_up(descent::schedules::Linear{peak, final, steps - warmup});
  if (name == "cosine") return warmed_up(descent::schedules::Cosine{peak, final, steps - warmup});
  schedule.fail("name", name, names);
}

// ---- The run ---------------------------------------------------------------------------------------

/// All that a run has. `checkpoint` refers to it, so it stays where it is.
struct Run {
  Run(const Config& config, Eigen::Index count)
      : optimizer(config.optimizer),
        batches(count, config.batch_size, static_cast<std::uint64_t>(config.seed)),
        history(Eigen::MatrixXd::Zero(2, config.epochs)),
        begun_with(config.run.dump()) {
    checkpoint.add("network", optimizer, network.parameters(), {"W1", "b1", "W2", "b2"});
    checkpoint.add("batches", batches);
    checkpoint.add("epoch", epoch);
    checkpoint.add("batch", batch);
    checkpoint.add("history", history);
    checkpoint.add("config", begun_with);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Network network = examples::initial_network();
  descent::AnyOptimizer<float> optimizer;
  descent::Minibatches batches;
  std::int64_t epoch = 0, batch = 0;  ///< how many epochs are done, and batches of the next one
  Eigen::MatrixXd history;            ///< a column for each epoch: the training loss and the test accuracy after it
  std::string begun_with;             ///< the configuration
  descent::Checkpoint checkpoint;
};

volatile std::sig_atomic_t stopped_by = 0;
extern "C" void stop(int signal) { stopped_by = signal; }

/// The parameters that are to be used: their average, if the optimizer keeps one.
Network averaged(Run& run) {
  Network average;
  average.parameters() = run.optimizer.averaged(run.network.parameters());
  return average;
}

void finish_epoch(Run& run, const examples::Split& data) {
  const Network network = averaged(run);
  run.history.col(run.epoch) << examples::loss(network, data.training), examples::accuracy(network, data.test);
  std::printf("%5td %10.6f %8.1f %%\n", run.epoch + 1, run.history(0, run.epoch), 100 * run.history(1, run.epoch));
  std::fflush(stdout);
  ++run.epoch;
  run.batch = 0;
}

/// Goes on until the last epoch is done or a signal stops the run, and saves it then and every so many steps.
void train(Run& run, const examples::Split& data, const Schedule& schedule, const Config& config, const path& file) {
  Network point, gradient;
  while (run.epoch < config.epochs && stopped_by == 0) {
    const auto epoch = run.batch == 0 ? run.batches.epoch() : run.batches.last_epoch();
    for (auto batch = std::next(epoch.begin(), run.batch); batch != epoch.end() && stopped_by == 0; ++batch) {
      if (schedule) run.optimizer.set("learning_rate", schedule(run.optimizer.steps()));
      point.parameters() = run.optimizer.lookahead(run.network.parameters());
      loss_gradient(point, data.training.at(*batch), gradient);
      run.optimizer.step(run.network.parameters(), gradient.parameters());
      if (++run.batch == static_cast<std::int64_t>(epoch.size())) finish_epoch(run, data);
      if (run.optimizer.steps() % config.every == 0) run.checkpoint.save(file);
    }
  }
  run.checkpoint.save(file);
}

/// Loads the run that is in the file. Throws std::runtime_error if it was begun with another configuration.
void resume(Run& run, const json& config, const path& file) {
  std::string text;
  descent::Checkpoint begun;
  begun.add("config", text);
  begun.load(file, {.strict = false});
  const json before = json::parse(text, nullptr, false);
  for (const auto& [key, value] : config.items())
    if (!before.is_object() || before.value(key, json()) != value)
      throw std::runtime_error(key + ": it is " + value.dump() + ", but the run in " + file.string() +
                               " was begun with " + before.value(key, json()).dump() +
                               "; change it back, or name another checkpoint");
  run.checkpoint.load(file);
}

// ---- The program -----------------------------------------------------------------------------------

json read_json(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(std::strerror(errno));
  return json::parse(in);
}

/// The last four bytes of a checkpoint.
std::uint32_t checksum(const path& file) {
  std::ifstream in(file, std::ios::binary);
  std::array<unsigned char, 4> bytes{};
  in.seekg(-4, std::ios::end).read(reinterpret_cast<char*>(bytes.data()), 4);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read");
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{bytes[i]} << 8 * i;
  return value;
}

struct Options {
  std::string config = DESCENT_EXAMPLES_DIR "/data/trainer.json", data = DESCENT_EXAMPLES_DIR "/data/digits.csv";
  std::string output = ".";
};

bool run(const Options& options) {
  const examples::Split data = examples::split(examples::load_digits(options.data));
  const auto naming_the_file = [&](const auto& call) {
    try {
      return call();
    } catch (const std::exception& error) {
      throw std::runtime_error(options.config + ": " + error.what());
    }
  };
  const Config config = naming_the_file([&] { return config_of(read_json(options.config)); });
  const std::int64_t batches = (data.training.count() + config.batch_size - 1) / config.batch_size;
  const Schedule schedule = naming_the_file([&] { return schedule_of(config, batches * config.epochs); });
  const path file = options.output / config.checkpoint;
  create_directories(file.parent_path().empty() ? "." : file.parent_path());

  Run run(config, data.training.count());
  if (exists(file)) {
    naming_the_file([&] { resume(run, config.run, file); });
    std::printf("%s goes on after step %td of %td, in epoch %td.\n", file.c_str(), run.optimizer.steps(),
                batches * config.epochs, std::min(run.epoch + 1, config.epochs));
  }
  std::printf("epoch       loss   test accuracy\n");
  std::fflush(stdout);
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, stop);
  train(run, data, schedule, config, file);

  if (run.epoch < config.epochs) {
    std::printf("Stopped after step %td of %td; start again to go on.\n", run.optimizer.steps(),
                batches * config.epochs);
    return true;
  }
  std::printf(
      "After %td steps the loss is %a, and %.1f %% of the test digits are read right. %s has the CRC-32 %08x.\n",
      run.optimizer.steps(), run.history(0, config.epochs - 1), 100 * run.history(1, config.epochs - 1),
      file.filename().c_str(), static_cast<unsigned>(checksum(file)));
  stopped_by = 0;
  return true;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app("Trains a small neural network to read handwritten digits, as a configuration file says.");
  app.add_option("--config", options.config, "the configuration, JSON")->check(examples::not_empty());
  app.add_option("--data", options.data, "the digits, 64 pixels and a class per line")->check(examples::not_empty());
  app.add_option("--output", options.output, "folder of the checkpoint")->check(examples::not_empty());
  const int status = examples::parse_and_run("trainer", app, argc, argv, [&] { return run(options); });
  if (const int signal = stopped_by; signal != 0) {  // so that the shell knows
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  return status;
} catch (const std::exception& error) {
  std::fprintf(stderr, "trainer: %s\n", error.what());
  return 1;
}

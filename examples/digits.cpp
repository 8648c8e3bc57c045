// SPDX-License-Identifier: MIT
//
// Trains a small neural network to read handwritten digits, once with each optimizer of descent, and compares them: a
// table, a picture (digits.png) and its numbers (digits_history.csv).
//
//     digits --optimizer Adam AdamW Lion --epochs 20 --output out
//
// What there is to learn about the library is in `train` and in `all_trainings`.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <descent/descent.hpp>

#include "digits_network.hpp"
#include "digits_split.hpp"
#include "gnuplot.hpp"
#include "optimizers.hpp"
#include "options.hpp"
#include "output.hpp"

namespace {

using namespace examples;
using std::filesystem::path;
using Clock = std::chrono::steady_clock;

constexpr double goal = 0.95;

// ---- The training ----------------------------------------------------------------------------------

struct Epoch {
  double training_loss, test_accuracy;
};

struct Run {
  std::string optimizer;
  double learning_rate;
  std::vector<Epoch> history;  ///< history[0] is before the first step
  Clock::duration time_in_step{};
  std::int64_t steps = 0;
};

/// How one of the optimizers trains.
struct Training {
  Rule rule;
  double decay_per_epoch = 0.95;  ///< of the learning rate
  Eigen::Index batch_size = 32;
};

/// Where the optimizer averages the parameters, as a schedule-free one does, their average is what it has learnt.
Epoch evaluate(const auto& optimizer, Network network, const Split& data) {
  if constexpr (requires { optimizer.averaged(network.parameters()); })
    network.parameters() = optimizer.averaged(network.parameters());
  return {loss(network, data.training), accuracy(network, data.test)};
}

/// The loop is yours: take a batch, compute the gradient, take a step.
template <class Optimizer>
Run train(Optimizer optimizer, const Training& training, const Split& data, int epochs) {
  Network network = initial_network();
  Network gradient;
  Run run{std::string(name_of(training.rule)), rate_of(optimizer), {evaluate(optimizer, network, data)}};

  descent::Minibatches batches(data.training.count(), std::min(training.batch_size, data.training.count()), 1);
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    for (const auto& batch : batches.epoch()) {
      loss_gradient(network, data.training.at(batch), gradient);
      const auto start = Clock::now();
      optimizer.step(network.parameters(), gradient.parameters());
      run.time_in_step += Clock::now() - start;
    }
    rate_of(optimizer) *= training.decay_per_epoch;
    run.history.push_back(evaluate(optimizer, network, data));
    show_progress(epoch == epochs, [&] {
      const Epoch& now = run.history.back();
      std::printf("%-17s  epoch %3d of %d   training loss %8.5f   test %5.1f %%", run.optimizer.c_str(), epoch, epochs,
                  now.training_loss, 100 * now.test_accuracy);
    });
  }
  run.steps = optimizer.steps();
  return run;
}

/// Each learning rate is one of those among 1, 2 and 5 times powers of ten that do well on a held-out fifth of the
/// training digits. Where it is constant, the rule has its own way to come to rest.
std::vector<Training> all_trainings() {
  using namespace descent::rules;
  constexpr double constant = 1;
  constexpr Eigen::Index all_digits = std::numeric_limits<Eigen::Index>::max();
  return {
      {SGD{.learning_rate = 0.5}},
      {Momentum{.learning_rate = 0.1}},
      {Nesterov{.learning_rate = 0.2}},
      {AdaGrad{.learning_rate = 0.05}},
      {RMSProp{.learning_rate = 0.01}},
      {AdaDelta{.learning_rate = 10}},
      {Adam{.learning_rate = 0.02}},
      {AdamW{.learning_rate = 0.05}},
      {AMSGrad{.learning_rate = 0.05}},
      {NAdam{.learning_rate = 0.02}},
      {RAdam{.learning_rate = 0.1}},
      {AdaMax{.learning_rate = 0.02}},
      {AdaBelief{.learning_rate = 0.02}},
      {Yogi{.learning_rate = 0.02}},
      {Adan{.learning_rate = 0.02}},
      {Lion{.learning_rate = 0.002}},
      {Rprop{.initial_step_size = 0.002}, constant, all_digits},
      {Ftrl{.learning_rate = 0.1, .beta = 1e-6}, constant},  // beta = 1 would undo the random start at the first step
      {ScheduleFreeSGD{.learning_rate = 1}, constant},
      {ScheduleFreeAdamW{.learning_rate = 0.02}, constant},
      {LAMB{Adam{.learning_rate = 0.005}, {}, {}}},
      {LARS{SGD{.learning_rate = 2}, {}, {}}},
      {Muon{.learning_rate = 0.02, .adamw_learning_rate = 0.02}},
      {Adafactor{.learning_rate = 0.01, .relative_step = false}},
  };
}

/// The trainings with these optimizers; without a name, all.
std::vector<Training> chosen_trainings(const std::vector<std::string>& names) {
  std::vector<Training> trainings = all_trainings();
  if (!names.empty())
    std::erase_if(trainings,
                  [&](const Training& t) { return std::ranges::find(names, name_of(t.rule)) == names.end(); });
  return trainings;
}

Run train(const Training& training, const Split& data, int epochs) {
  return std::visit([&](const auto& rule) {
    return train(descent::make_optimizer<float>(rule), training, data, epochs);
  }, training.rule);
}

// ---- The report ------------------------------------------------------------------------------------

bool reaches_goal(const Epoch& epoch) { return epoch.test_accuracy >= goal; }

void print_table(const std::vector<Run>& runs, Eigen::Index parameters) {
  end_progress();
  std::printf("\noptimizer         initial rate   training loss   test accuracy   epochs to 95 %%   time in step\n");
  for (const Run& run : runs) {
    const auto first = std::ranges::find_if(run.history, reaches_goal);
    const std::string epochs = first == run.history.end() ? "-" : std::to_string(first - run.history.begin());
    const double ns = std::chrono::duration<double, std::nano>(run.time_in_step).count();
    std::printf("%-17s %12g %15.5f %13.1f %% %16s %9.2f ms, %.2f ns per parameter\n", run.optimizer.c_str(),
                run.learning_rate, run.history.back().training_loss, 100 * run.history.back().test_accuracy,
                epochs.c_str(), ns / 1e6, ns / static_cast<double>(run.steps * parameters));
  }
}

void write_history(const std::vector<Run>& runs, const path& file) {
  examples::write_file(file, [&](std::ofstream& out) {
    out << "epoch";
    for (const Run& run : runs) out << ',' << run.optimizer << " loss," << run.optimizer << " accuracy";
    for (std::size_t i = 0; i < runs.front().history.size(); ++i) {
      out << '\n' << i;
      for (const Run& run : runs) out << ',' << run.history[i].training_loss << ',' << run.history[i].test_accuracy;
    }
    out << '\n';
  });
}

// ---- The program -----------------------------------------------------------------------------------

struct Options {
  std::vector<std::string> optimizers;
  std::string data = DESCENT_EXAMPLES_DIR "/data/digits.csv";
  std::string output = ".";
  int epochs = 50;
};

/// Whether all went well: every optimizer reached the goal, and the picture was drawn.
bool compare(const Options& options) {
  const Split data = split(load_digits(options.data));
  const path output = options.output, history = output / "digits_history.csv", picture = output / "digits.png";
  create_directories(output);

  const Eigen::Index parameters = initial_network().size();
  std::printf("%td digits to learn from, %td to test with; a network of %td parameters; %d epochs\n",
              data.training.count(), data.test.count(), parameters, options.epochs);
  std::vector<Run> runs;
  for (const Training& training : chosen_trainings(options.optimizers))
    runs.push_back(train(training, data, options.epochs));
  print_table(runs, parameters);
  write_history(runs, history);

  bool drawn = true;
  std::fflush(stdout);
  try {
    examples::gnuplot("digits.gp", {history, picture}, {picture});
    std::printf("\npicture: %s, numbers: %s\n", picture.c_str(), history.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: %s; there is no picture, the numbers lie in %s\n", error.what(), history.c_str());
    drawn = false;
  }
  const auto reached = std::ranges::count_if(runs, [](const Run& run) { return reaches_goal(run.history.back()); });
  std::printf("%td of %td optimizers reached 95 %% test accuracy.\n", reached, std::ssize(runs));
  return reached == std::ssize(runs) && drawn;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> names(optimizer_names.begin(), optimizer_names.end());
  Options options;
  CLI::App app("Trains a small neural network to read handwritten digits, once with each optimizer.");
  app.add_option("--optimizer", options.optimizers, "who learns: all, unless named here")
      ->transform(CLI::IsMember(names, CLI::ignore_case));
  app.add_option("--data", options.data, "the digits, 64 pixels and a class per line")
      ->capture_default_str()
      ->check(examples::not_empty());
  app.add_option("--output", options.output, "folder for digits.png and digits_history.csv")
      ->capture_default_str()
      ->check(examples::not_empty());
  app.add_option("--epochs", options.epochs, "passes over the training digits")
      ->capture_default_str()
      ->check(examples::whole_number(1, 100'000));
  return examples::parse_and_run("digits", app, argc, argv, [&] { return compare(options); });
} catch (const std::exception& error) {
  std::fprintf(stderr, "digits: %s\n", error.what());
  return 1;
}

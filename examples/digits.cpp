// SPDX-License-Identifier: MIT
//
// Trains a small neural network to read handwritten digits, once with each optimizer of descent, and compares them: a
// table, a picture (digits.png) and its numbers (digits_history.csv).
//
// What there is to learn about the library is in `train` and in `train_all`.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <descent/descent.hpp>

#include "digits_network.hpp"
#include "digits_split.hpp"
#include "gnuplot.hpp"
#include "options.hpp"
#include "output.hpp"

namespace {

using examples::Network;
using examples::Split;
using std::filesystem::path;
using Clock = std::chrono::steady_clock;

constexpr int batch_size = 32;
constexpr double decay_per_epoch = 0.95;  // of the learning rate
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

bool on_terminal() { return isatty(STDOUT_FILENO) == 1; }

/// On a terminal, one line that is refreshed in place; in a file, a few lines per optimizer.
void show_progress(const Run& run, int epochs) {
  const int epoch = static_cast<int>(run.history.size()) - 1;
  const bool quarter_done = epoch % ((epochs + 3) / 4) == 0 || epoch == epochs;
  if (!on_terminal() && !quarter_done) return;
  const Epoch& now = run.history.back();
  std::printf("%s%-8s  epoch %3d of %d   training loss %8.5f   test accuracy %5.1f %%%s", on_terminal() ? "\r" : "",
              run.optimizer.c_str(), epoch, epochs, now.training_loss, 100 * now.test_accuracy,
              on_terminal() ? "" : "\n");
  std::fflush(stdout);
}

/// The loop is yours: take a batch, compute the gradient, take a step.
template <class Optimizer>
Run train(const std::string& name, Optimizer optimizer, const Split& data, int epochs) {
  Network network = examples::initial_network();
  Network gradient;
  Run run{name, optimizer.learning_rate, {{loss(network, data.training), accuracy(network, data.test)}}};

  descent::Minibatches batches(data.training.count(), batch_size, 1);
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    for (const auto& batch : batches.epoch()) {
      loss_gradient(network, data.training.at(batch), gradient);
      const auto start = Clock::now();
      optimizer.step(network.parameters(), gradient.parameters());
      run.time_in_step += Clock::now() - start;
    }
    optimizer.learning_rate *= decay_per_epoch;
    run.history.push_back({loss(network, data.training), accuracy(network, data.test)});
    show_progress(run, epochs);
  }
  run.steps = optimizer.steps();
  return run;
}

/// Each learning rate is one of those among 1, 2 and 5 times powers of ten that do well on a held-out fifth of the
/// training digits.
std::vector<Run> train_all(const Split& data, int epochs) {
  return {
      train("SGD", descent::SGD<float>({.learning_rate = 0.5}), data, epochs),
      train("Momentum", descent::Momentum<float>({.learning_rate = 0.1}), data, epochs),
      train("Nesterov", descent::Nesterov<float>({.learning_rate = 0.2}), data, epochs),
      train("AdaGrad", descent::AdaGrad<float>({.learning_rate = 0.05}), data, epochs),
      train("RMSProp", descent::RMSProp<float>({.learning_rate = 0.01}), data, epochs),
      train("AdaDelta", descent::AdaDelta<float>({.learning_rate = 10}), data, epochs),
      train("Adam", descent::Adam<float>({.learning_rate = 0.02}), data, epochs),
  };
}

// ---- The report ------------------------------------------------------------------------------------

bool reaches_goal(const Epoch& epoch) { return epoch.test_accuracy >= goal; }

void print_table(const std::vector<Run>& runs, Eigen::Index parameters) {
  if (on_terminal()) std::printf("\r%79s\r", "");
  std::printf("\noptimizer    initial rate   training loss   test accuracy   epochs to 95 %%   time in step\n");
  for (const Run& run : runs) {
    const auto first = std::ranges::find_if(run.history, reaches_goal);
    const std::string epochs = first == run.history.end() ? "-" : std::to_string(first - run.history.begin());
    const double ns = std::chrono::duration<double, std::nano>(run.time_in_step).count();
    std::printf("%-9s %15g %15.5f %13.1f %% %16s %9.2f ms, %.2f ns per parameter\n", run.optimizer.c_str(),
                run.learning_rate, run.history.back().training_loss, 100 * run.history.back().test_accuracy,
                epochs.c_str(), ns / 1e6, ns / static_cast<double>(run.steps * parameters));
  }
}

void write_history(const std::vector<Run>& runs, const path& file) {
  examples::write_file(file, [&](std::ofstream& out) {
    out << "epoch";
    for (const Run& run : runs) out << ',' << run.optimizer << " training loss," << run.optimizer << " test accuracy";
    for (std::size_t i = 0; i < runs.front().history.size(); ++i) {
      out << '\n' << i;
      for (const Run& run : runs) out << ',' << run.history[i].training_loss << ',' << run.history[i].test_accuracy;
    }
    out << '\n';
  });
}

// ---- The program -----------------------------------------------------------------------------------

struct Options {
  std::string data = DESCENT_EXAMPLES_DIR "/data/digits.csv";
  std::string output = ".";
  int epochs = 50;
};

/// Whether all went well: every optimizer reached the goal, and the picture was drawn.
bool compare(const Options& options) {
  const Split data = examples::split(examples::load_digits(options.data));
  const path output = options.output, history = output / "digits_history.csv", picture = output / "digits.png";
  create_directories(output);

  const Eigen::Index parameters = examples::initial_network().size();
  std::printf("%td digits to learn from, %td to test with; a network of %td parameters; %d epochs\n",
              data.training.count(), data.test.count(), parameters, options.epochs);
  const std::vector<Run> runs = train_all(data, options.epochs);
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
  const bool all = reached == std::ssize(runs);
  if (all)
    std::printf("All seven optimizers reached 95 %% test accuracy.\n");
  else
    std::printf("%td of the seven optimizers reached 95 %% test accuracy, not all.\n", reached);
  return all && drawn;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app("Trains a small neural network to read handwritten digits, once with each of the seven optimizers.");
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

// SPDX-License-Identifier: MIT
//
// Trains the network of the digits example with a whole recipe: micro-batches, a warm-up and a cosine, first the last
// layer alone, clipping, decay of the matrices, an average of the weights, and a checkpoint in the middle, from which a
// second run goes on to the same bits. It prints what each part costs, and draws recipe.png.
//
// What there is to copy is `Training` and `train`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#include "digits_network.hpp"
#include "digits_split.hpp"
#include "gnuplot.hpp"
#include "options.hpp"
#include "output.hpp"

namespace {

using descent::rules::Adam;
using descent::transforms::Average, descent::transforms::ClipNorm, descent::transforms::WeightDecay;
using examples::Digits, examples::Network;
using std::filesystem::path;

// ---- The training ----------------------------------------------------------------------------------

constexpr int micro_batch = 8, micro_batches_in_step = 4, warmup = 80;
constexpr double peak_rate = 0.03, rate_of_last_layer = 0.5, max_norm = 0.5;
enum Tensor : Eigen::Index { W1, b1, W2, b2 };  // in the order of Network::parameters

const descent::Chain recipe{ClipNorm{max_norm}, Adam{}, WeightDecay{.weight_decay = 0.1, .matrices_only = true},
                            Average{0.98}};

struct Training {
  Network network = examples::initial_network();
  descent::Optimizer<std::remove_const_t<decltype(recipe)>, float> optimizer{recipe};
};

/// The epochs from `first` to before `last` of `epochs`; calls observe(training, rate, norm) after each step.
template <class Observe>
void train(Training& training, const Digits& digits, int first, int last, int epochs, const Observe& observe) {
  Network& network = training.network;
  auto& optimizer = training.optimizer;
  descent::Minibatches batches(digits.count(), micro_batch, 1, {.drop_last = true});
  for (int epoch = 0; epoch < first; ++epoch) batches.epoch();  // so that the next one is as in an unbroken run
  const std::int64_t steps = digits.count() / micro_batch / micro_batches_in_step * epochs;
  const descent::schedules::Cosine cosine{.initial = peak_rate, .steps = std::max<std::int64_t>(1, steps - warmup)};
  const descent::schedules::WithWarmup schedule{warmup, cosine};

  Network gradient;
  for (int epoch = first; epoch < last; ++epoch) {
    descent::GradientAccumulator<float> accumulator;  // what no longer makes a step is left out
    for (const auto& batch : batches.epoch()) {
      loss_gradient(network, digits.at(batch), gradient);
      accumulator.add(gradient.parameters());
      if (accumulator.count() < micro_batches_in_step) continue;

      const double rate = schedule(optimizer.steps());
      optimizer.learning_rate = rate;
      for (const Tensor tensor : {W2, b2}) optimizer.tensor_rule(tensor).learning_rate = rate_of_last_layer * rate;
      for (const Tensor tensor : {W1, b1})  // until the last layer makes sense of what the first one says
        optimizer.steps() < warmup ? optimizer.freeze(tensor) : optimizer.unfreeze(tensor);

      const auto mean = accumulator.take_mean(network.parameters());
      double squares = 0;  // as ClipNorm sees them: without frozen tensors
      Eigen::Index tensor = 0;
      std::apply([&](const auto&... g) { ((squares += optimizer.frozen(tensor++) ? 0 : g.squaredNorm()), ...); }, mean);
      optimizer.step(network.parameters(), mean);
      observe(rate, std::sqrt(squares));
    }
  }
}

Network averaged(Training& training) {
  Network average;
  average.parameters() = training.optimizer.averaged(training.network.parameters());
  return average;
}

/// Parameters, state, counters and hyperparameters, as in a checkpoint.
std::string all_of(Training& training) {
  std::ostringstream out;
  descent::save(out, training.optimizer, training.network.parameters());
  return out.str();
}

// ---- What it costs ---------------------------------------------------------------------------------

/// The time of a step of the network's parameters, in microseconds: the fastest of many rounds.
template <class Rule>
double microseconds(const Rule& rule) {
  using Clock = std::chrono::steady_clock;
  Network network = examples::initial_network(), gradient = network;
  auto optimizer = descent::make_optimizer<float>(rule);
  auto fastest = Clock::duration::max();
  for (int round = 0; round < 50; ++round) {
    const auto start = Clock::now();
    for (int step = 0; step < 100; ++step) optimizer.step(network.parameters(), gradient.parameters());
    fastest = std::min(fastest, Clock::now() - start);
  }
  return std::chrono::duration<double, std::micro>(fastest).count() / 100;
}

void print_costs() {
  const WeightDecay decay = recipe;  // a chain derives from its links
  const double adam = microseconds(Adam{});
  std::printf("\nA step of %td parameters takes, in microseconds:\n", examples::initial_network().size());
  const auto print = [&](const char* what, double time) {
    std::printf("%-14s %6.2f %6.2f x\n", what, time, time / adam);
  };
  print("Adam", adam);
  print("+ WeightDecay", microseconds(descent::Chain{Adam{}, decay}));
  print("+ ClipNorm", microseconds(descent::Chain{ClipNorm{max_norm}, Adam{}, decay}));
  print("+ Average", microseconds(recipe));
}

// ---- The program -----------------------------------------------------------------------------------

struct Step {
  double rate, norm, accuracy, averaged_accuracy;
};

struct Options {
  std::string data = DESCENT_EXAMPLES_DIR "/data/digits.csv", output = ".";
  int epochs = 20;
};

/// Whether the second run ends with the bits of the first.
bool run(const Options& options) {
  const examples::Split data = examples::split(examples::load_digits(options.data));
  const Digits &digits = data.training, &test = data.test;
  if (digits.count() < Eigen::Index{micro_batch} * micro_batches_in_step)
    throw std::runtime_error(options.data + ": " + std::to_string(digits.count() + test.count()) +
                             " digits are too few");
  const path output = options.output, history = output / "recipe.csv", picture = output / "recipe.png";
  const path checkpoint = output / "recipe.safetensors";
  create_directories(output);

  std::vector<Step> steps;
  Training unbroken, resumed;
  const auto observe = [&](double rate, double norm) {
    steps.push_back({rate, norm, accuracy(unbroken.network, test), accuracy(averaged(unbroken), test)});
  };
  const int half = options.epochs / 2;
  train(unbroken, digits, 0, half, options.epochs, observe);
  descent::save(checkpoint, unbroken.optimizer, unbroken.network.parameters());
  train(unbroken, digits, half, options.epochs, options.epochs, observe);
  std::printf("After %zu steps the weights read %.1f %% of the test digits, their average %.1f %%.\n", steps.size(),
              100 * steps.back().accuracy, 100 * steps.back().averaged_accuracy);

  descent::load(checkpoint, resumed.optimizer, resumed.network.parameters());
  std::printf("A second run, from the checkpoint of step %td, ends ", resumed.optimizer.steps());
  train(resumed, digits, half, options.epochs, options.epochs, [](double, double) {});
  const bool same = all_of(resumed) == all_of(unbroken);
  std::printf("with %s.\n", same ? "the same bits" : "OTHER BITS");
  print_costs();

  examples::write_file(history, [&](std::ofstream& out) {
    out << "step,rate,norm,clipped norm,accuracy,averaged accuracy\n";
    for (std::size_t i = 0; i < steps.size(); ++i)
      out << i + 1 << ',' << steps[i].rate << ',' << steps[i].norm << ',' << std::min(steps[i].norm, max_norm) << ','
          << steps[i].accuracy << ',' << steps[i].averaged_accuracy << '\n';
  });
  std::printf("\nnumbers: %s, picture: %s\n", history.c_str(), picture.c_str());
  std::fflush(stdout);
  examples::gnuplot("recipe.gp", {history, picture}, {picture});
  return same;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app("Trains a small neural network to read handwritten digits, with a whole recipe.");
  app.add_option("--data", options.data, "the digits, 64 pixels and a class per line")->check(examples::not_empty());
  app.add_option("--output", options.output, "folder for recipe.png and other files")->check(examples::not_empty());
  app.add_option("--epochs", options.epochs, "passes over the digits")->check(examples::whole_number(2, 10'000));
  return examples::parse_and_run("recipe", app, argc, argv, [&] { return run(options); });
} catch (const std::exception& error) {
  std::fprintf(stderr, "recipe: %s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: MIT
//
// Learns from some ratings which items which users like: a matrix factorisation with sparse steps. A minibatch touches
// a few hundred columns of two large tables, and a step only what it touches. The ratings are made from a seed, so the
// least error is known: their noise. It prints the error on held-out ratings and the time of a step for dense Adam,
// sparse Adam, AdaGrad and Ftrl, and draws recommender.png.
//
//     recommender --seed 2 --epochs 10 --output out
//
// What there is to copy is `gradients` and `train`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <descent/descent.hpp>
#include <descent/sparse.hpp>

#include "gnuplot.hpp"
#include "options.hpp"
#include "output.hpp"

namespace {

using std::filesystem::path;
using Clock = std::chrono::steady_clock;

// ---- The model -------------------------------------------------------------------------------------

constexpr int users = 20'000, items = 4'000, factors = 7;

/// A column for each user or item: a bias, and below it the factors.
using Table = Eigen::Matrix<float, 1 + factors, Eigen::Dynamic>;

struct Model {
  Table of_users{1 + factors, users}, of_items{1 + factors, items};
  float mean = 0;

  float operator()(int user, int item) const {
    const auto u = of_users.col(user), i = of_items.col(item);
    return mean + u[0] + i[0] + u.tail<factors>().dot(i.tail<factors>());
  }
};

/// An engine of the standard library gives the same numbers on every platform; its distributions do not.
struct Random {
  std::mt19937 engine;

  float uniform() { return static_cast<float>(engine() >> 8) * 0x1p-24f; }
  float normal() {  // nearly: the sum of 12 uniform numbers has the variance 1
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
};

Model random_model(Random& random, float mean, float deviation_of_bias, float deviation_of_factor) {
  Model model;
  model.mean = mean;
  for (Table* table : {&model.of_users, &model.of_items})
    for (auto column : table->colwise()) {
      column[0] = deviation_of_bias * random.normal();
      for (float& factor : column.tail<factors>()) factor = deviation_of_factor * random.normal();
    }
  return model;
}

// ---- The ratings -----------------------------------------------------------------------------------

constexpr int training_ratings = 1'000'000, test_ratings = 100'000;
constexpr double noise = 0.5, goal = 0.59;  // root mean squares; nothing that learns from such ratings ends below noise

struct Rating {
  int user, item;
  float value;
};

struct Ratings {
  std::vector<Rating> training, test;
};

Ratings random_ratings(Random& random) {
  const Model truth = random_model(random, 3, 0.5f, 0.6f);
  const auto some = [&](int count) {
    std::vector<Rating> ratings(static_cast<std::size_t>(count));
    for (auto& [user, item, value] : ratings) {
      const float popularity = random.uniform();
      user = static_cast<int>(users * random.uniform());
      item = static_cast<int>(items * popularity * popularity);  // few items get most of the ratings
      value = truth(user, item) + static_cast<float>(noise) * random.normal();
    }
    return ratings;
  };
  Ratings ratings;
  ratings.training = some(training_ratings);
  ratings.test = some(test_ratings);
  return ratings;
}

/// The root of the mean squared error.
double error(const Model& model, const std::vector<Rating>& ratings) {
  double squares = 0;
  for (const auto& [user, item, value] : ratings) {
    const double e = model(user, item) - value;
    squares += e * e;
  }
  return std::sqrt(squares / static_cast<double>(ratings.size()));
}

// ---- The training ----------------------------------------------------------------------------------

/// Of one table. A user or an item who has several ratings in a batch has as many columns here.
struct Gradient {
  std::vector<int> columns;
  Table values;
};

/// Of (error² + l2 |user's column|² + l2 |item's column|²) / 2, for each rating of the batch.
void gradients(const Model& model, const std::vector<Rating>& ratings, const auto& batch, Gradient& of_users,
               Gradient& of_items) {
  constexpr float l2 = 0.02f;
  for (Gradient* gradient : {&of_users, &of_items}) {
    gradient->columns.clear();
    gradient->values.resize(Eigen::NoChange, std::ssize(batch));
  }
  for (const auto index : batch) {
    const auto& [user, item, value] = ratings[static_cast<std::size_t>(index)];
    const auto k = std::ssize(of_users.columns);
    const auto u = model.of_users.col(user), i = model.of_items.col(item);
    const float e = model(user, item) - value;
    of_users.columns.push_back(user);
    of_items.columns.push_back(item);
    of_users.values.col(k) << e, e * i.tail<factors>();
    of_items.values.col(k) << e, e * u.tail<factors>();
    of_users.values.col(k) += l2 * u;
    of_items.values.col(k) += l2 * i;
  }
}

/// From the same random numbers as the ratings, further on: with the same ones it would start at what it is to learn.
Model start_for(Random& random, const Ratings& ratings) {
  Model model = random_model(random, 0, 0, 0.1f);
  for (const Rating& rating : ratings.training) model.mean += rating.value / training_ratings;
  return model;
}

/// The step of the columns that have a gradient.
struct Sparse {
  void operator()(auto& optimizer, Table& table, const Gradient& gradient) const {
    optimizer.step_columns(table, gradient.columns, gradient.values);
  }
};

/// The step of all columns, most of which have a gradient of 0. For comparison.
struct Dense {
  Table all;

  void operator()(auto& optimizer, Table& table, const Gradient& gradient) {
    all.setZero(Eigen::NoChange, table.cols());
    for (std::size_t k = 0; k < gradient.columns.size(); ++k)
      all.col(gradient.columns[k]) += gradient.values.col(static_cast<Eigen::Index>(k));
    optimizer.step(table, all);
  }
};

struct Run {
  struct Moment {
    std::int64_t steps;
    double seconds;  ///< in steps, without the gradients
    double error;
  };
  std::string name;
  double learning_rate;
  std::vector<Moment> history;
};

/// The learning rate goes in a straight line from that of the rule to `last_rate`.
template <class Rule, class Step>
Run train(const char* name, const Rule& rule, double last_rate, Step step, Model model, const Ratings& ratings,
          int epochs) {
  constexpr int batch_size = 250, steps_between_errors = 500;

  auto optimizer_of_users = descent::make_optimizer<float>(rule), optimizer_of_items = optimizer_of_users;
  Gradient of_users, of_items;
  Run run{name, rule.learning_rate, {{0, 0, error(model, ratings.test)}}};
  Clock::duration time{};
  const std::int64_t all_steps = std::int64_t{epochs} * (training_ratings / batch_size);
  const descent::schedules::Linear schedule{.initial = rule.learning_rate, .final = last_rate, .steps = all_steps};
  descent::Minibatches batches(training_ratings, batch_size, 1);
  for (int epoch = 1; epoch <= epochs; ++epoch)
    for (const auto& batch : batches.epoch()) {
      optimizer_of_users.learning_rate = optimizer_of_items.learning_rate = schedule(optimizer_of_users.steps());
      gradients(model, ratings.training, batch, of_users, of_items);
      const auto start = Clock::now();
      step(optimizer_of_users, model.of_users, of_users);
      step(optimizer_of_items, model.of_items, of_items);
      time += Clock::now() - start;

      const std::int64_t steps = optimizer_of_users.steps();
      if (steps % steps_between_errors != 0) continue;
      run.history.push_back({steps, std::chrono::duration<double>(time).count(), error(model, ratings.test)});
      examples::show_progress(steps == all_steps, [&] {
        std::printf("%-12s  epoch %3d of %d   error on held-out ratings %.4f", name, epoch, epochs,
                    run.history.back().error);
      });
    }
  return run;
}

/// Each learning rate is one of those among 1, 2 and 5 times powers of ten that do well. The steps of AdaGrad and Ftrl
/// shrink by themselves.
std::vector<Run> train_all(const Model& start, const Ratings& ratings, int epochs) {
  using namespace descent::rules;
  return {
      train("dense Adam", Adam{.learning_rate = 0.01}, 0, Dense{}, start, ratings, epochs),
      train("sparse Adam", Adam{.learning_rate = 0.05}, 0, Sparse{}, start, ratings, epochs),
      train("AdaGrad", AdaGrad{.learning_rate = 0.5}, 0.5, Sparse{}, start, ratings, epochs),
      train("Ftrl", Ftrl{.learning_rate = 0.5, .beta = 1e-6}, 0.5, Sparse{}, start, ratings, epochs),  // see digits.cpp
  };
}

// ---- The report ------------------------------------------------------------------------------------

void print_table(const std::vector<Run>& runs) {
  std::printf("\noptimizer      initial rate   error on held-out ratings   time of a step\n");
  for (const Run& run : runs) {
    const auto& [steps, seconds, error] = run.history.back();
    std::printf("%-12s %14g %27.4f %13.1f us\n", run.name.c_str(), run.learning_rate, error,
                1e6 * seconds / static_cast<double>(steps));
  }
}

void write_history(const std::vector<Run>& runs, const path& file) {
  examples::write_file(file, [&](std::ofstream& out) {
    out << "steps,noise";
    for (const Run& run : runs) out << ',' << run.name << " seconds," << run.name << " error";
    for (std::size_t i = 0; i < runs.front().history.size(); ++i) {
      out << '\n' << runs.front().history[i].steps << ',' << noise;
      for (const Run& run : runs) out << ',' << run.history[i].seconds << ',' << run.history[i].error;
    }
    out << '\n';
  });
}

// ---- The program -----------------------------------------------------------------------------------

struct Options {
  std::string output = ".";
  std::uint32_t seed = 1, epochs = 6;
};

/// Whether every optimizer reached the goal.
bool compare(const Options& options) {
  const path output = options.output, history = output / "recommender.csv", picture = output / "recommender.png";
  create_directories(output);
  std::printf("%d users rate %d items: %d ratings to learn from, %d to test with; their noise is %g\n", users, items,
              training_ratings, test_ratings, noise);
  std::fflush(stdout);
  Random random{std::mt19937(options.seed)};
  const Ratings ratings = random_ratings(random);
  const std::vector<Run> runs = train_all(start_for(random, ratings), ratings, static_cast<int>(options.epochs));
  examples::end_progress();
  print_table(runs);
  write_history(runs, history);
  std::printf("\nnumbers: %s, picture: %s\n", history.c_str(), picture.c_str());

  std::fflush(stdout);
  examples::gnuplot("recommender.gp", {history, picture}, {picture});

  const Run& worst = *std::ranges::max_element(runs, {}, [](const Run& run) { return run.history.back().error; });
  const double error = worst.history.back().error;
  if (error > goal)
    std::fprintf(stderr, "recommender: %s ends with an error of %.4f, above %g\n", worst.name.c_str(), error, goal);
  return error <= goal;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app("Learns which items which users like from some ratings, once with each of four optimizers.");
  app.add_option("--output", options.output, "folder for recommender.png and recommender.csv")
      ->capture_default_str()
      ->check(examples::not_empty());
  app.add_option("--seed", options.seed, "of the ratings")
      ->capture_default_str()
      ->check(examples::whole_number(0, 4'294'967'295));
  app.add_option("--epochs", options.epochs, "passes over the ratings")
      ->capture_default_str()
      ->check(examples::whole_number(1, 1'000));
  return examples::parse_and_run("recommender", app, argc, argv, [&] { return compare(options); });
} catch (const std::exception& error) {
  std::fprintf(stderr, "recommender: %s\n", error.what());
  return 1;
}

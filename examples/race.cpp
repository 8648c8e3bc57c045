// SPDX-License-Identifier: MIT
//
// Races the optimizers of descent down surfaces over the plane. For each surface: a table, a picture (map and values),
// an animation in which the paths grow, and the numbers for both.
//
//     race --surface saddle himmelblau --optimizer SGD Adam --rate Adam 0.05 --output out
//     race --explain adam
//
// The races are in race.hpp, the surfaces in surfaces.hpp, the drawing in race.gp.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <descent/descent.hpp>

#include "explain.hpp"
#include "gnuplot.hpp"
#include "options.hpp"
#include "output.hpp"
#include "race.hpp"

namespace {

using namespace examples;
using std::filesystem::path;

// ---- What runs -------------------------------------------------------------------------------------

using NamedRate = std::pair<std::string, std::string>;  // as text: g++ warns of CLI11's pairs with numbers

struct Options {
  std::vector<std::string> surfaces, optimizers;
  std::vector<NamedRate> rates;
  std::optional<int> steps;
  std::uint32_t seed = 1;
  std::string output = ".";
  bool csv = false;
  std::optional<std::string> explain;
};

bool contains(const auto& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

/// The runners with these names; one that is not in the race gets its default rate.
void select(std::vector<Runner>& runners, const std::vector<std::string>& names) {
  std::erase_if(runners, [&](const Runner& r) { return !contains(names, name_of(r.rule)); });
  for (const Runner& newcomer : all_optimizers()) {
    const auto same = [&](const Runner& r) { return r.rule.index() == newcomer.rule.index(); };
    if (contains(names, newcomer.label) && std::ranges::none_of(runners, same)) runners.push_back(newcomer);
  }
}

/// Throws std::invalid_argument for a rate that no runner uses.
void change_rates(std::vector<Runner>& runners, const std::vector<NamedRate>& rates) {
  for (const auto& [name, rate] : rates) {
    bool used = false;
    for (Runner& runner : runners)
      if (name_of(runner.rule) == name) {
        set_rate(runner.rule, std::strtod(rate.c_str(), nullptr));
        used = true;
      }
    if (!used) throw std::invalid_argument("--rate: " + name + " does not run");
  }
}

/// A caption describes only its own race, so a race that was changed has none.
std::vector<Race> chosen_races(const Options& options) {
  std::vector<Race> races = all_races(options.seed);
  if (!options.surfaces.empty())
    std::erase_if(races, [&](const Race& race) { return !contains(options.surfaces, race.surface.name); });
  for (Race& race : races) {
    if (!options.optimizers.empty()) select(race.runners, options.optimizers);
    change_rates(race.runners, options.rates);
    race.steps = options.steps.value_or(race.steps);
    const bool other_bumps = options.seed != Options{}.seed && race.surface.name == "bumps";
    if (!options.optimizers.empty() || !options.rates.empty() || options.steps || other_bumps) race.caption.clear();
  }
  return races;
}

// ---- What comes out --------------------------------------------------------------------------------

/// Who reaches which minimum, and how.
void print_table(const Race& race, const std::vector<Path>& paths) {
  std::printf("\n%s: %s; %d steps from (%g, %g)\n", race.surface.name.c_str(), race.surface.text.c_str(), race.steps,
              race.surface.start[0], race.surface.start[1]);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const Path& p = paths[i];
    std::printf("  %-17s %-18s  ends at (%8.4f, %8.4f), f = %10.4g, straightness %.2f", race.runners[i].label.c_str(),
                race.runners[i].rates().c_str(), p.end()[0], p.end()[1], p.values.back(), p.straightness());
    for (const Eigen::Vector2d& minimum : race.surface.minima)
      if (const int t = p.arrival(minimum); t >= 0)
        std::printf(", within 0.1 of (%g, %g) from step %d on", minimum[0], minimum[1], t);
    if (std::cmp_less_equal(p.points.size(), race.steps)) std::printf(", then too large to go on");
    std::printf("\n");
  }
}

const auto all_digits = std::setprecision(std::numeric_limits<double>::max_digits10);

/// A line for each step: its number, then x, y and value of each runner; nothing after an early end.
void write_rows(std::ofstream& out, const Race& race, const std::vector<Path>& paths, char separator,
                std::string_view nothing) {
  for (std::size_t t = 0; std::cmp_less_equal(t, race.steps); ++t) {
    out << t;
    for (const Path& p : paths) {
      const bool there = t < p.points.size();
      for (const double number : {there ? p.points[t][0] : 0, there ? p.points[t][1] : 0, there ? p.values[t] : 0}) {
        out << separator;
        there ? out << number : out << nothing;
      }
    }
    out << '\n';
  }
}

void write_csv(const Race& race, const std::vector<Path>& paths, const path& file) {
  write_file(file, [&](std::ofstream& out) {
    out << all_digits << "step";
    for (const Runner& r : race.runners) out << ',' << r.label << " x," << r.label << " y," << r.label << " value";
    out << '\n';
    write_rows(out, race, paths, ',', "");
  });
}

/// For each point of a grid over the view, row by row from the lower left: the part of the view that is lower, from 0
/// to 1. This spreads lines of equal f evenly over any surface.
std::vector<double> ranks(const Surface& surface, int cells) {
  std::vector<double> values;
  for (int j = 0; j <= cells; ++j)
    for (int i = 0; i <= cells; ++i) values.push_back(surface.value(surface.view.point(i, j, cells)));
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  for (double& value : values)
    value = static_cast<double>(std::ranges::lower_bound(sorted, value) - sorted.begin()) /
            static_cast<double>(sorted.size());
  return values;
}

/// What race.gp draws, in gnuplot's own language.
void write_picture(std::ofstream& out, const Race& race, const std::vector<Path>& paths) {
  constexpr int cells = 120;
  const Surface& surface = race.surface;
  const View& view = surface.view;
  out << all_digits;
  out << "title = \"" << surface.text << "\"\ncaption = \"" << race.caption << "\"\nsteps = " << race.steps
      << "\nside_by_side = " << race.side_by_side << "\nlowest = " << surface.value(surface.minima.front())
      << "\ncells = " << cells << "\nleft = " << view.left << "\nright = " << view.right << "\nbottom = " << view.bottom
      << "\ntop = " << view.top << "\nrunners = " << race.runners.size() << '\n';
  const auto array = [&](const char* name, const auto& element) {
    out << "array " << name << '[' << race.runners.size() << "]\n";
    for (std::size_t i = 0; i < race.runners.size(); ++i)
      out << name << '[' << i + 1 << "] = " << element(race.runners[i]) << '\n';
  };
  array("label", [](const Runner& r) { return '"' + r.label + '"'; });
  array("rates", [](const Runner& r) { return '"' + r.rates() + '"'; });
  array("linetype_of", [](const Runner& r) { return r.rule.index() + 1; });
  out << "$paths << END\n";
  write_rows(out, race, paths, ' ', "NaN");
  out << "END\n$minima << END\n";
  for (const Eigen::Vector2d& minimum : surface.minima) out << minimum[0] << ' ' << minimum[1] << '\n';
  out << "END\n$ranks << END\n" << std::setprecision(4);
  const std::vector<double> grid = ranks(surface, cells);
  for (std::size_t i = 0; i < grid.size(); ++i) out << grid[i] << ((i + 1) % (cells + 1) == 0 ? '\n' : ' ');
  out << "END\n";
}

/// Writes the numbers of every race first, so that they are there even if a picture fails.
void hold(const std::vector<Race>& races, const Options& options) {
  const path output = options.output;
  create_directories(output);
  const auto file = [&](const Race& race, const char* extension) { return output / (race.surface.name + extension); };
  for (const Race& race : races) {
    std::vector<Path> paths;
    for (const Runner& runner : race.runners) paths.push_back(run(runner.rule, race.surface, race.steps));
    print_table(race, paths);
    write_file(file(race, ".gp"), [&](std::ofstream& out) { write_picture(out, race, paths); });
    if (options.csv) write_csv(race, paths, file(race, ".csv"));
  }
  std::printf("\n");
  for (const Race& race : races) {
    std::fflush(stdout);
    try {
      gnuplot("race.gp", {output / race.surface.name}, {file(race, ".png"), file(race, ".gif")});
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string(error.what()) + "; a picture is missing, its numbers lie in " +
                               file(race, ".gp").string());
    }
    std::printf("%s, %s\n", file(race, ".png").c_str(), file(race, ".gif").c_str());
  }
}

void explain(const Options& options) {
  Options alone = options;
  alone.optimizers = {*options.explain};
  if (alone.surfaces.empty()) alone.surfaces = {"bowl"};
  for (const Race& race : chosen_races(alone))
    for (const Runner& runner : race.runners) examples::explain(runner, race.surface, options.steps.value_or(5));
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> surface_names;
  for (const Surface& surface : all_surfaces()) surface_names.push_back(surface.name);
  const std::vector<std::string> names(optimizer_names.begin(), optimizer_names.end());

  Options options;
  CLI::App app("Races the optimizers of descent down surfaces over the plane, and draws their paths.");
  app.add_option("--surface", options.surfaces, "where to race: all surfaces, unless named here")
      ->transform(CLI::IsMember(surface_names, CLI::ignore_case));
  auto* const optimizer =
      app.add_option("--optimizer", options.optimizers, "who runs: as each race is set, unless named here")
          ->transform(CLI::IsMember(names, CLI::ignore_case));
  app.add_option("--rate", options.rates, "another learning rate, such as: --rate Adam 0.05 --rate SGD 0.1")
      ->transform(CLI::IsMember(names, CLI::ignore_case).application_index(0))
      ->check(learning_rate().application_index(1));
  app.add_option("--steps", options.steps, "how many steps, rather than as each race is set")
      ->check(whole_number(1, 100'000));
  app.add_option("--seed", options.seed, "of the surface \"bumps\"")
      ->capture_default_str()
      ->check(whole_number(0, std::numeric_limits<std::uint32_t>::max()));
  auto* const output = app.add_option("--output", options.output, "folder for pictures and paths")
                           ->capture_default_str()
                           ->check(not_empty());
  auto* const csv =
      app.add_flag("--csv", options.csv, "write the paths as comma-separated values too, for other tools");
  app.add_option("--explain", options.explain,
                 "no race, but a table of this optimizer's first steps (5) on a surface (bowl)")
      ->transform(CLI::IsMember(names, CLI::ignore_case))
      ->excludes(optimizer, output, csv);
  try {
    app.parse(argc, argv);
    if (options.explain)
      explain(options);
    else
      hold(chosen_races(options), options);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      std::fprintf(stderr, "race: %s\n", error.what());
      return 2;
    }
    app.exit(error);  // --help
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "race: %s\n", error.what());
    return 2;
  }
  finish_standard_output();
} catch (const std::exception& error) {
  std::fprintf(stderr, "race: %s\n", error.what());
  return 1;
}

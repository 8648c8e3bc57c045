// SPDX-License-Identifier: MIT
//
// Saving and loading without memory, at every allocation: an exception is thrown, and nothing has changed. And how much
// memory they take. A program of its own, because it replaces malloc.
#include <limits>
#include <new>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <tuple>
#include <vector>

#include <descent/checkpoint.hpp>

#include "catch.hpp"
#include "checkpoint_files.hpp"
#include "counted_heap.hpp"
#include "variants.hpp"

namespace {

using namespace descent;
using namespace descent::test;

/// A stream over bytes that allocates nothing.
struct Bytes : std::streambuf {
  explicit Bytes(std::string& bytes) {
    setg(bytes.data(), bytes.data(), bytes.data() + bytes.size());
    setp(bytes.data(), bytes.data() + bytes.size());
  }
};

/// A run with steps both taken and skipped, on tensors of both storage orders.
struct Training {
  Eigen::MatrixXd A = mixed_gradient<double>(12, 1).reshaped(3, 4);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> B = A;
  Adam<double> adam{{.epsilon_placement = EpsilonPlacement::hat}};

  explicit Training(int steps) {
    adam.set_nonfinite(NonFinite::skip);
    for (int t = 0; t < steps; ++t) adam.step(params(), params());
    adam.step(params(), std::make_tuple((A * std::nan("")).eval(), (B * 1).eval()));
  }
  std::tuple<decltype(A)&, decltype(B)&> params() { return {A, B}; }
};

enum class Outcome { done, no_memory, other_error };

/// The outcome of a call in which the allocations with those numbers fail.
template <class Call>
Outcome outcome_of(Call&& call, long first, long last) {
  heap::first_failing = first;
  heap::last_failing = last;
  Outcome outcome = Outcome::done;
  heap::use_of([&] {
    try {
      call();
    } catch (const std::bad_alloc&) {
      outcome = Outcome::no_memory;
    } catch (const std::exception&) {
      outcome = Outcome::other_error;
    }
  });
  return outcome;
}

/// Lets every allocation of the call, or every few of them, fail, once alone and once with all that follow it, until
/// none is left: then the call must end as given.
template <class Call, class IsUntouched>
void fail_at_every_allocation(Call&& call, Outcome end, IsUntouched&& is_untouched, long every = 1) {
  for (long first = 1;; first += every)
    for (const long last : {first, std::numeric_limits<long>::max()}) {
      const Outcome outcome = outcome_of(call, first, last);
      INFO("allocation " << first << (first == last ? "" : " and all behind it"));
      if (heap::allocations < first) {
        CHECK(first > 100);
        CHECK(outcome == end);
        return;
      }
      // The system has separate memory for exceptions, so one that is thrown in the end may still be thrown.
      REQUIRE((outcome == Outcome::no_memory || (outcome == end && end == Outcome::other_error)));
      CHECK(is_untouched());
    }
}

TEST_CASE("saving a file without memory", "[memory]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Training old(1), now(3);
  save(path, old.adam, old.params());
  const std::string before = content(path);
  for (const auto& target : {path, folder / "new.safetensors"}) {
    fail_at_every_allocation([&] { save(target, now.adam, now.params()); }, Outcome::done,
                             [&] { return content(path) == before && folder.count() == 1; });
    CHECK(content(target) == saved(now.adam, now.params()));
    save(path, old.adam, old.params());
  }
}

TEST_CASE("loading without memory", "[memory]") {
  Training source(3), target(1);
  const std::string before = saved(target.adam, target.params());
  const auto is_untouched = [&] { return saved(target.adam, target.params()) == before; };
  std::string bytes = saved(source.adam, source.params());
  const auto load_bytes = [&] {
    Bytes buffer(bytes);
    std::istream in(&buffer);
    load(in, target.adam, target.params());
  };

  SECTION("a checkpoint") {
    fail_at_every_allocation(load_bytes, Outcome::done, is_untouched);
    CHECK(saved(target.adam, target.params()) == bytes);
  }
  SECTION("a file") {
    const Folder folder;
    const auto path = folder / "run.safetensors";
    save(path, source.adam, source.params());
    fail_at_every_allocation([&] { load(path, target.adam, target.params()); }, Outcome::done, is_untouched);
    CHECK(saved(target.adam, target.params()) == bytes);
  }
  SECTION("one that is refused at its end") {
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    fail_at_every_allocation(load_bytes, Outcome::other_error, is_untouched);
  }
  SECTION("one that is refused for its JSON") {
    bytes.replace(bytes.find("\"second_moment.1\""), 17, "[[[[[[[[[[[[[[[[[");
    fail_at_every_allocation(load_bytes, Outcome::other_error, is_untouched);
  }
}

/// A whole run.
struct Run {
  Training training;
  Minibatches batches{5, 2, 1};
  GradientAccumulator<double> sums;
  ReduceOnPlateau plateau;
  std::string note = "a note that is too long to be held without memory";
  Eigen::VectorXd losses = Eigen::VectorXd::Ones(3);
  Checkpoint checkpoint;

  explicit Run(int steps) : training(steps) {
    checkpoint.add("net", training.adam, training.params(), {"A", "B"});
    checkpoint.add("batches", batches);
    checkpoint.add("sums", sums);
    checkpoint.add("plateau", plateau);
    checkpoint.add("note", note);
    checkpoint.add("losses", losses);
    for (int step = 0; step < steps; ++step) {
      batches.epoch();
      sums.add(training.A);
      note += " that goes on";
      losses.conservativeResize(losses.size() + 1);
      losses[losses.size() - 1] = step;
    }
  }
  std::string bytes() const {
    std::ostringstream out;
    checkpoint.save(out);
    return out.str();
  }
};

TEST_CASE("saving and loading a run without memory", "[memory]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  Run source(3), target(1);
  const std::string before = target.bytes();
  target.checkpoint.save(path);
  fail_at_every_allocation([&] { source.checkpoint.save(path); }, Outcome::done,
                           [&] { return content(path) == before && folder.count() == 1; }, 5);
  fail_at_every_allocation([&] { target.checkpoint.load(path); }, Outcome::done,
                           [&] { return target.bytes() == before; }, 5);
  CHECK(target.bytes() == source.bytes());
}

TEST_CASE("loading takes no more memory than what lives, and saving hardly any", "[memory]") {
  const Folder folder;
  const auto path = folder / "run.safetensors";
  constexpr Eigen::Index n = 500;
  const auto check = [&](auto optimizer, auto& params) {
    optimizer.step(params, params);
    const auto peak = [](const auto& call) { return heap::use_of(call).peak; };
    const auto lives = static_cast<std::ptrdiff_t>(n * n * 8 * (1 + optimizer.state_names.size()));
    constexpr std::ptrdiff_t buffer = (1 << 20) + 100'000;  // and the header
    CHECK(peak([&] { save(path, optimizer, params); }) < buffer);
    CHECK(peak([&] { load(path, optimizer, params); }) < lives + buffer);
    CHECK(peak([&] { load_params(path, params); }) < n * n * 8 + buffer);
    Checkpoint checkpoint;
    checkpoint.add("all", optimizer, params);
    CHECK(peak([&] { checkpoint.save(path); }) < buffer);
    CHECK(peak([&] { checkpoint.load(path); }) < lives + buffer);
    CHECK(peak([&] { list_checkpoint(path); }) < buffer);
  };
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor> columns(n, n);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows(n, n);
  std::vector<Eigen::VectorXd> vectors(4, Eigen::VectorXd::Ones(n * n / 4));
  columns.setOnes();
  rows.setOnes();
  check(SGD<double>(), columns);
  check(Momentum<double>(), rows);
  check(Adam<double>(), columns);
  check(Adam<double>(), vectors);
}

}  // namespace

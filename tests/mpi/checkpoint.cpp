// SPDX-License-Identifier: MIT
//
// Checkpoints of a Sharded optimizer: they are the files of a single one, byte for byte, and any number of ranks goes
// on from them with the same bits.
#include <mpi.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <descent/checkpoint.hpp>
#include <descent/mpi/checkpoint.hpp>

#include "ranks.hpp"

namespace {

using namespace descent;
using namespace descent::test;
using namespace descent::transforms;
using Catch::Contains;

const rules::Adam adam{.learning_rate = 0.03, .beta1 = 0.8, .beta2 = 0.99};

/// A folder that all ranks see, and rank 0 removes.
struct Folder {
  std::filesystem::path path;

  Folder() {
    int number = static_cast<int>(std::filesystem::hash_value(std::filesystem::current_path()) % 1000);
    path = std::filesystem::temp_directory_path() /
           ("descent_mpi_" + std::to_string(ranks()) + "_" + std::to_string(number));
    if (rank() == 0) {
      std::filesystem::remove_all(path);
      std::filesystem::create_directories(path);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  ~Folder() {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank() == 0) std::filesystem::remove_all(path);
  }
  std::filesystem::path operator/(const char* name) const { return path / name; }
};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Saves with all ranks and with a single process, and goes on in each of the possible ways.
template <class R, class Tensor>
void check(const R& rule, const std::vector<Tensor>& start, const auto& change) {
  Folder folder;
  const auto together = folder / "together", alone = folder / "alone";
  Beside<R, Tensor> run(rule, start);
  run.both(change);
  CHECK(run.agree_after(2));
  save(together, run.sharded, run.x);
  if (rank() == 0) save(alone, run.single, run.y);
  MPI_Barrier(MPI_COMM_WORLD);
  CHECK(on_all(content_of(together) == content_of(alone)));

  Beside<R, Tensor> other(R{}, start);
  CHECK(other.agree_after(1));  // of which nothing stays
  load(alone, other.sharded, other.x);
  load(together, other.single, other.y);
  CHECK(other.agree());
  CHECK(other.agree_after(3, 3));
  CHECK(run.agree_after(3, 3));
  bool same = true;
  for (std::size_t i = 0; i < run.x.size(); ++i) same = same && same_bits(run.x[i], other.x[i]);
  CHECK(on_all(same));
}
template <class R, class Tensor>
void check(const R& rule, const std::vector<Tensor>& start) {
  check(rule, start, [](auto&) {});
}

}  // namespace

TEST_CASE("a checkpoint of all ranks is that of one process", "[mpi]") {
  const auto some = tensors<Matrix<float>>({{70, 30}, {1, 1}, {0, 3}, {9000, 1}, {3, 5}});
  check(adam, some);
  check(rules::SGD{}, some);
  check(Chain{ClipNorm{0.5}, adam, Average{0.9}}, some);
  check(rules::Muon{}, some);
  check(rules::Adafactor{}, some);
  check(rules::ScheduleFreeAdamW{}, some);
  check(adam, tensors<Matrix<float, Eigen::RowMajor>>({{70, 30}, {1, 1}, {200, 40}}));
  check(adam, std::vector<Vector<double>>{start<double>(300'001), start<double>(3)});
  check(adam, some, [](auto& optimizer) {
    optimizer.freeze(1);
    optimizer.tensor_rule(3).beta1 = 0.5;
    optimizer.set_nonfinite(NonFinite::skip);
  });
}

TEST_CASE("blocks of a file that hold many rows, or a part of one", "[mpi]") {
  check(rules::Momentum{}, tensors<Matrix<float>>({{3, 300'001}, {9'001, 40}}));
}

TEST_CASE("a checkpoint before the first step", "[mpi]") {
  Folder folder;
  Beside<rules::Adam, Vector<float>> run(adam, {start<float>(100)}), other({}, {start<float>(100)});
  save(folder / "run", run.sharded, run.x);
  CHECK(other.agree_after(2));
  load(folder / "run", other.sharded, other.x);
  load(folder / "run", other.single, other.y);
  CHECK(other.agree());
  CHECK(other.sharded.learning_rate == 0.03);
  CHECK(other.agree_after(3));
}

TEST_CASE("hyperparameters may stay those of the program", "[mpi]") {
  Folder folder;
  Beside<rules::Adam, Vector<float>> run(adam, {start<float>(100)});
  CHECK(run.agree_after(2));
  save(folder / "run", run.sharded, run.x);
  run.sharded.learning_rate = 0.5;
  load(folder / "run", run.sharded, run.x, {.keep_hyperparameters = true});
  CHECK(run.sharded.learning_rate == 0.5);
  run.single.learning_rate = 0.5;
  CHECK(run.agree_after(2, 3));
}

TEST_CASE("what goes wrong with a file is told to all ranks, and changes nothing", "[mpi]") {
  Folder folder;
  Beside<rules::Adam, Vector<float>> run(adam, {start<float>(1000), start<float>(50)});
  CHECK(run.agree_after(2));
  const auto file = folder / "run";
  const auto fails = [&](const auto& call, const char* with) {
    std::string text = "nothing was thrown";
    try {
      call();
    } catch (const std::exception& error) {
      text = error.what();
    }
    CHECK(is_the_same_everywhere(text));
    CHECK_THAT(text, Contains(with));
    CHECK(run.agree());
  };

  fails([&] { load(file, run.sharded, run.x); }, "cannot open");
  fails([&] { save(folder / "none" / "run", run.sharded, run.x); }, "cannot open the folder of");
  CHECK(!exists(folder / "none"));
  fails([&] { save("/dev/full", run.sharded, run.x); }, "cannot replace what is not a regular file");
  save(file, run.sharded, run.x);
  std::string content = content_of(file);
  const auto write = [&] {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank() == 0) std::ofstream(file, std::ios::binary) << content;
    MPI_Barrier(MPI_COMM_WORLD);
  };
  content[content.size() - 100] ^= 1;
  write();
  fails([&] { load(file, run.sharded, run.x); }, "its checksum differs");
  content[content.size() - 100] ^= 1;
  content.resize(content.size() - 500);
  write();
  fails([&] { load(file, run.sharded, run.x); }, "it ends within");

  const int culprit = ranks() - 1;
  if (rank() == culprit) run.sharded.beta1 = 1;
  fails([&] { save(file, run.sharded, run.x); }, "beta1 = 1; it must be in [0, 1)");
  run.sharded.beta1 = rank() == culprit ? 0.8 : 0.7;
  if (ranks() > 1) fails([&] { save(file, run.sharded, run.x); }, "beta1 = 0.8, and rank 0 has 0.7");
  CHECK(on_all(content_of(file) == content));  // the old file stays
  run.sharded.beta1 = 0.8;
  save(file, run.sharded, run.x);

  auto other = make_sharded<float>(rules::SGD{});
  fails([&] { load(file, other, run.x); }, "its rule is \"descent::Adam\", expected \"descent::SGD\"");
  std::vector<Vector<float>> x{start<float>(rank() == culprit ? 999 : 1000), start<float>(50)};
  fails([&] { load(file, run.sharded, x); }, "has the shape [1000], expected [999]");
  CHECK(run.agree_after(2, 3));
}

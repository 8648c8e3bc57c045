// SPDX-License-Identifier: MIT
//
// Minibatches: every index once per epoch, in an order that is the same everywhere or as given.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <list>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "variants.hpp"

namespace {

using descent::Minibatches;
using descent::MinibatchOptions;
using descent::test::complaint;

std::vector<Eigen::Index> next_order(Minibatches& batches) {
  std::vector<Eigen::Index> order;
  for (const auto& batch : batches.epoch()) order.insert(order.end(), batch.begin(), batch.end());
  return order;
}

}  // namespace

TEST_CASE("an epoch holds every index once, in batches of the size asked for", "[minibatches]") {
  for (const Eigen::Index count : {1, 2, 7, 32, 100})
    for (const Eigen::Index batch_size : {1, 3, 32, 100, 1000}) {
      Minibatches batches(count, batch_size, 42);
      const auto epoch = batches.epoch();
      std::vector<Eigen::Index> seen;
      std::size_t number = 0;
      for (const auto& batch : epoch) {
        ++number;
        const bool last = number == epoch.size();
        const auto size = static_cast<Eigen::Index>(batch.size());
        if (last)
          CHECK(size == count - static_cast<Eigen::Index>(seen.size()));
        else
          CHECK(size == batch_size);
        CHECK(size >= 1);
        seen.insert(seen.end(), batch.begin(), batch.end());
      }
      CHECK(number == epoch.size());
      std::sort(seen.begin(), seen.end());
      std::vector<Eigen::Index> all(static_cast<std::size_t>(count));
      std::iota(all.begin(), all.end(), 0);
      CHECK(seen == all);
    }
}

TEST_CASE("the order depends on the arguments alone", "[minibatches]") {
  Minibatches a(10, 3, 7), b(10, 3, 7), other_seed(10, 3, 8);
  // Frozen: SplitMix64 with seed 7 and Fisher-Yates from the end, worked out independently of this library.
  const std::vector<Eigen::Index> first = next_order(a);
  CHECK(first == std::vector<Eigen::Index>{8, 1, 5, 9, 0, 4, 3, 2, 6, 7});
  CHECK(next_order(b) == first);
  CHECK(next_order(other_seed) != first);
  const std::vector<Eigen::Index> second = next_order(a);
  CHECK(second == std::vector<Eigen::Index>{9, 5, 6, 7, 8, 2, 3, 0, 1, 4});
  CHECK(next_order(b) == second);

  Minibatches copy = a;
  CHECK(next_order(copy) == next_order(a));
}

using Batches = std::vector<std::vector<Eigen::Index>>;

namespace {

Batches next_batches(Minibatches& minibatches) {
  Batches batches;
  const auto epoch = minibatches.epoch();
  for (const auto& batch : epoch) batches.emplace_back(batch.begin(), batch.end());
  CHECK(batches.size() == epoch.size());
  return batches;
}

}  // namespace

TEST_CASE("a short last batch can be left out", "[minibatches]") {
  Minibatches kept(10, 3, 7), dropped(10, 3, 7, {.drop_last = true});
  CHECK(next_batches(kept) == Batches{{8, 1, 5}, {9, 0, 4}, {3, 2, 6}, {7}});
  CHECK(next_batches(dropped) == Batches{{8, 1, 5}, {9, 0, 4}, {3, 2, 6}});
  CHECK(next_batches(dropped) == Batches{{9, 5, 6}, {7, 8, 2}, {3, 0, 1}});  // now another index is left out

  Minibatches full(6, 3, 7, {.shuffle = false, .drop_last = true});
  CHECK(next_batches(full) == Batches{{0, 1, 2}, {3, 4, 5}});
}

TEST_CASE("the order can be kept", "[minibatches]") {
  Minibatches batches(5, 2, 7, {.shuffle = false});
  for (int epoch = 0; epoch < 3; ++epoch) CHECK(next_batches(batches) == Batches{{0, 1}, {2, 3}, {4}});
}

TEST_CASE("indices of one's own", "[minibatches]") {
  const std::vector<int> own{40, 7, 7, 3, 12};
  Minibatches kept(own, 2, 7, {.shuffle = false});
  for (int epoch = 0; epoch < 3; ++epoch) CHECK(next_batches(kept) == Batches{{40, 7}, {7, 3}, {12}});
  Minibatches dropped(own, 2, 7, {.shuffle = false, .drop_last = true});
  CHECK(next_batches(dropped) == Batches{{40, 7}, {7, 3}});

  // Shuffled like 0 ... 4.
  Minibatches shuffled(own, 2, 7), numbers(5, 2, 7);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<Eigen::Index> expected;
    for (const Eigen::Index number : next_order(numbers)) expected.push_back(own[static_cast<std::size_t>(number)]);
    CHECK(next_order(shuffled) == expected);
  }

  // Every kind of range.
  const MinibatchOptions in_order{.shuffle = false};
  const Batches expected{{2, 0}, {1}};
  Minibatches of_array(std::array<std::uint8_t, 3>{2, 0, 1}, 2, 0, in_order);
  CHECK(next_batches(of_array) == expected);
  Minibatches of_list(std::list<std::size_t>{2, 0, 1}, 2, 0, in_order);
  CHECK(next_batches(of_list) == expected);
  Minibatches of_eigen(Eigen::Vector3i(2, 0, 1), 2, 0, in_order);
  CHECK(next_batches(of_eigen) == expected);
  const Minibatches::Index plain[] = {2, 0, 1};
  Minibatches of_plain(plain, 2, 0, in_order);
  CHECK(next_batches(of_plain) == expected);
}

TEST_CASE("every order is about equally likely", "[minibatches]") {
  // 24 orders of 4, 24,000 epochs: chi squared with 23 degrees of freedom exceeds 58 once in 1e4
  // seeds; the seed is fixed.
  Minibatches batches(4, 4, 1);
  std::vector<int> counts(256);
  for (int epoch = 0; epoch < 24000; ++epoch) {
    const auto order = next_order(batches);
    ++counts[static_cast<std::size_t>(order[0] + 4 * order[1] + 16 * order[2] + 64 * order[3])];
  }
  double chi_squared = 0;
  int orders = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++orders;
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000;
  }
  CHECK(orders == 24);
  CHECK(chi_squared < 58);
}

TEST_CASE("a batch indexes Eigen matrices", "[minibatches]") {
  Eigen::MatrixXd X = Eigen::RowVectorXd::LinSpaced(7, 0, 6).replicate(2, 1);
  Eigen::VectorXd y = Eigen::VectorXd::LinSpaced(7, 0, 6);
  Minibatches batches(X.cols(), 3, 5);
  for (const auto& batch : batches.epoch()) {
    const Eigen::MatrixXd columns = X(Eigen::all, batch);
    const Eigen::VectorXd entries = y(batch);
    REQUIRE(columns.cols() == static_cast<Eigen::Index>(batch.size()));
    for (std::size_t k = 0; k < batch.size(); ++k) {
      CHECK(columns(1, static_cast<Eigen::Index>(k)) == static_cast<double>(batch[k]));
      CHECK(entries[static_cast<Eigen::Index>(k)] == static_cast<double>(batch[k]));
    }
  }
}

TEST_CASE("negative and absurd sizes", "[minibatches]") {
  CHECK(complaint([] { Minibatches batches(-1, 3, 0); }) == "descent::Minibatches: count = -1; it must be at least 1");
  CHECK(complaint([] { Minibatches batches(0, 3, 0); }) == "descent::Minibatches: count = 0; it must be at least 1");
  CHECK(complaint([] { Minibatches batches(10, 0, 0); }) ==
        "descent::Minibatches: batch_size = 0; it must be at least 1");
  CHECK(complaint([] { Minibatches batches(10, -5, 0); }) ==
        "descent::Minibatches: batch_size = -5; it must be at least 1");
  CHECK(complaint([] { Minibatches batches(std::numeric_limits<Eigen::Index>::max(), 3, 0); }) ==
        "descent::Minibatches: count = 9223372036854775807; it must be at most 2147483647");
  CHECK(complaint([] { Minibatches batches(7, 8, 0, {.drop_last = true}); }) ==
        "descent::Minibatches: batch_size = 8; with drop_last it must be at most count = 7, or no batch is left");
  CHECK_NOTHROW(Minibatches(7, 7, 0, {.drop_last = true}));
}

TEST_CASE("indices that are refused", "[minibatches]") {
  const auto told = [](const auto& indices) { return complaint([&] { Minibatches batches(indices, 3, 0); }); };
  CHECK(told(std::vector<int>{}) == "descent::Minibatches: count = 0; it must be at least 1");
  CHECK(told(std::vector<int>{4, 0, -2}) ==
        "descent::Minibatches: index 2 is -2; it must be at least 0, and at most 9223372036854775807");
  CHECK(told(std::vector<std::uint64_t>{std::uint64_t{1} << 63}) ==
        "descent::Minibatches: index 0 is 9223372036854775808; it must be at least 0, and at most 9223372036854775807");
  CHECK(complaint([] { Minibatches batches(std::vector<int>{1, 2}, 0, 0); }) ==
        "descent::Minibatches: batch_size = 0; it must be at least 1");
}

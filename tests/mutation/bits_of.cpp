// SPDX-License-Identifier: MIT
//
// bits.cpp, reduced so that mutate.py can compile it within two seconds: the plain run in double, only for the variants
// whose rule is one of DESCENT_RULES, which the command line defines.
#include <cstdio>
#include <string>
#include <type_traits>

#include "../bits/run.hpp"

namespace {

using namespace descent;

template <class R, class... Chosen>
constexpr bool is_one_of = (std::is_same_v<R, Chosen> || ...);

}  // namespace

int main() {
  int runs = 0, differences = 0;
  test::for_each_variant([&]<class R>(const char* variant, const R& rule) {
    if constexpr (is_one_of<R, DESCENT_RULES>) {
      ++runs;
      if (test::run<double>(rule) != test::frozen_hash(std::string(variant) + ", double")) ++differences;
    }
  });
  std::printf("%d of %d runs differ from their frozen hashes\n", differences, runs);
  return runs > 0 && differences == 0 ? 0 : 1;
}

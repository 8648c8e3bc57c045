// SPDX-License-Identifier: MIT
//
// The third list of chains against an interpreter: see chain_interpreter.cpp.
#include "chain_runs.hpp"

TEST_CASE("chains of the third list agree with an interpreter", "[chains]") {
  descent::test::check_chains(descent::test::chains::Third{});
}

// SPDX-License-Identifier: MIT
//
// The fourth list of chains against an interpreter: see chain_interpreter.cpp.
#include "chain_runs.hpp"

TEST_CASE("chains of the fourth list agree with an interpreter", "[chains]") {
  descent::test::check_chains(descent::test::chains::Fourth{});
}

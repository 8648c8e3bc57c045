// SPDX-License-Identifier: MIT
//
// The second list of chains against an interpreter: see chain_interpreter.cpp.
#include "chain_runs.hpp"

TEMPLATE_TEST_CASE("chains of the second list agree with an interpreter", "[chains]", float, double) {
  descent::test::check_chains<TestType>(descent::test::chains::Second{});
}

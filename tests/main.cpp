// SPDX-License-Identifier: MIT
// The tests' main if Catch2 brings none (2.13 as packaged by Debian).
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

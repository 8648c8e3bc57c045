// SPDX-License-Identifier: MIT
// The main of the tests where Catch2 brings none (2.13 as Debian packages it).
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

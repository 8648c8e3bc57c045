// SPDX-License-Identifier: MIT
//
// std::views, where the compiler can use them: clang++ 14 and 15 cannot compile those of libstdc++.
#pragma once

#include <ranges>

#if !defined(__clang__) || __clang_major__ >= 16
#define DESCENT_TEST_VIEWS
#endif

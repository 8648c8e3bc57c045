// SPDX-License-Identifier: MIT
//
// What AnyOptimizer needs once in each program: all rules, compiled for float and double. Include it in one source
// file, which takes a minute or two to compile; or link the CMake target descent::any, which does the same.
#pragma once

#include <descent/any/make.hpp>

template void* descent::detail::make_model<float>(descent::detail::Components components);
template void* descent::detail::make_model<double>(descent::detail::Components components);

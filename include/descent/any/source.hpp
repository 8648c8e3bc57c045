// SPDX-License-Identifier: MIT
//
// What AnyOptimizer needs once in each program: all rules, compiled for float and double. Include it in one source
// file, which takes a minute or two to compile; or link the CMake target descent::any, which does the same.
#pragma once

#include <memory>
#include <vector>

#include <descent/any/make.hpp>

template std::unique_ptr<descent::detail::AnyModel<float>> descent::detail::make_model<float>(
    descent::detail::Components components);
template std::unique_ptr<descent::detail::AnyModel<double>> descent::detail::make_model<double>(
    descent::detail::Components components);

// SPDX-License-Identifier: MIT
// What each program that uses AnyOptimizer has once.
#include <descent/any/source.hpp>

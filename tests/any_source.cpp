// SPDX-License-Identifier: MIT
// What each program that uses AnyOptimizer has once.
#if defined(DESCENT_ANY_SCALARS)  // only float: see any_optimizer.cpp
#include <descent/any/make.hpp>

template void* descent::detail::make_model<float>(descent::detail::Components components);
#else
#include <descent/any/source.hpp>
#endif

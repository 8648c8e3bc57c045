// SPDX-License-Identifier: MIT
// See steps.hpp.
#define DESCENT_STEPS
#include "steps.hpp"

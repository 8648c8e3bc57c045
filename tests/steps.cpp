// SPDX-License-Identifier: MIT
// What steps.hpp is for.
#define DESCENT_STEPS
#include "steps.hpp"

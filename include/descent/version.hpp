// SPDX-License-Identifier: MIT
// The one source of the version: CMake reads it from here.
#pragma once

#define DESCENT_VERSION_MAJOR 0
#define DESCENT_VERSION_MINOR 2
#define DESCENT_VERSION_PATCH 0

// SPDX-License-Identifier: MIT
//
// descent: first-order optimizers for Eigen. This header includes everything except the methods that also take a matrix
// (curvature/) and checkpoints (checkpoint.hpp), which are included by name.
#pragma once

#include <descent/chain.hpp>
#include <descent/optimizer.hpp>
#include <descent/presets.hpp>
#include <descent/rules/all.hpp>
#include <descent/schedules.hpp>
#include <descent/training/check_gradient.hpp>
#include <descent/training/gradient_accumulator.hpp>
#include <descent/training/minibatches.hpp>
#include <descent/training/minimize.hpp>
#include <descent/training/reduce_on_plateau.hpp>
#include <descent/transforms/gradient.hpp>
#include <descent/transforms/parameters.hpp>
#include <descent/transforms/step.hpp>
#include <descent/version.hpp>

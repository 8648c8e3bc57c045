// SPDX-License-Identifier: MIT
//
// descent: first-order optimizers for Eigen. This header includes all of them.
#pragma once

#include <descent/adadelta.hpp>
#include <descent/adagrad.hpp>
#include <descent/adam.hpp>
#include <descent/centered_rmsprop.hpp>
#include <descent/compose.hpp>
#include <descent/concepts.hpp>
#include <descent/minibatches.hpp>
#include <descent/minimize.hpp>
#include <descent/momentum.hpp>
#include <descent/nesterov.hpp>
#include <descent/optimizer.hpp>
#include <descent/presets.hpp>
#include <descent/rmsprop.hpp>
#include <descent/sgd.hpp>
#include <descent/version.hpp>

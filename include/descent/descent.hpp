// SPDX-License-Identifier: MIT
//
// descent: first-order optimizers for Eigen. This header includes all of them, but not the methods that
// take a matrix as well, which are asked for by name: steepest_descent.hpp, preconditioned_descent.hpp
// and natural_gradient.hpp.
#pragma once

#include <descent/adadelta.hpp>
#include <descent/adagrad.hpp>
#include <descent/adam.hpp>
#include <descent/centered_rmsprop.hpp>
#include <descent/check_gradient.hpp>
#include <descent/compose.hpp>
#include <descent/concepts.hpp>
#include <descent/minibatches.hpp>
#include <descent/minimize.hpp>
#include <descent/momentum.hpp>
#include <descent/nesterov.hpp>
#include <descent/objective.hpp>
#include <descent/optimizer.hpp>
#include <descent/presets.hpp>
#include <descent/rmsprop.hpp>
#include <descent/sgd.hpp>
#include <descent/version.hpp>

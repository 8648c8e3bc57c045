// SPDX-License-Identifier: MIT
//
// Every rule.
#pragma once

#include <descent/rules/adabelief.hpp>
#include <descent/rules/adadelta.hpp>
#include <descent/rules/adafactor.hpp>
#include <descent/rules/adagrad.hpp>
#include <descent/rules/adam.hpp>
#include <descent/rules/adamax.hpp>
#include <descent/rules/adamw.hpp>
#include <descent/rules/adan.hpp>
#include <descent/rules/amsgrad.hpp>
#include <descent/rules/centered_rmsprop.hpp>
#include <descent/rules/ftrl.hpp>
#include <descent/rules/lamb.hpp>
#include <descent/rules/lars.hpp>
#include <descent/rules/lion.hpp>
#include <descent/rules/momentum.hpp>
#include <descent/rules/muon.hpp>
#include <descent/rules/nadam.hpp>
#include <descent/rules/nesterov.hpp>
#include <descent/rules/radam.hpp>
#include <descent/rules/rmsprop.hpp>
#include <descent/rules/rprop.hpp>
#include <descent/rules/schedule_free_adamw.hpp>
#include <descent/rules/schedule_free_sgd.hpp>
#include <descent/rules/sgd.hpp>
#include <descent/rules/yogi.hpp>

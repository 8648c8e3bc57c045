# SPDX-License-Identifier: MIT
"""Writes keras.txt: keras.optimizers on the gradients of golden.py. Needs keras and jax."""

import os
import platform

os.environ["KERAS_BACKEND"] = "jax"  # the backend that runs the optimizers' own formulas

import jax
import keras
from keras.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Lamb,
    Lion,
    Nadam,
    RMSprop,
    ScheduleFreeAdamW,
)

import golden

CASES = {
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (Adagrad, {}),
    "adagrad_accumulator": (Adagrad, {"initial_accumulator_value": 0.0}),
    "rmsprop": (RMSprop, {}),
    "rmsprop_momentum": (RMSprop, {"momentum": 0.9}),
    "rmsprop_centered": (RMSprop, {"centered": True}),
    "rmsprop_centered_momentum": (RMSprop, {"centered": True, "momentum": 0.9}),
    "adadelta": (Adadelta, {}),
    "adam": (Adam, {}),
    "adam_betas_eps": (Adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "adam_amsgrad": (Adam, {"amsgrad": True}),
    "adamw": (AdamW, {}),
    "nadam": (Nadam, {}),
    "adamax": (Adamax, {}),
    "lion": (Lion, {}),
    "lamb": (Lamb, {}),
    "ftrl": (Ftrl, {}),
    "ftrl_l1_l2": (Ftrl, {"l1_regularization_strength": 0.05, "l2_regularization_strength": 0.1, "beta": 0.5}),
    "ftrl_shrinkage": (Ftrl, {"l2_shrinkage_regularization_strength": 0.1}),
    "schedule_free_adamw": (ScheduleFreeAdamW, {}),
}
FROM_START = (Lamb, Ftrl, ScheduleFreeAdamW)  # whose steps depend on where they are


def follow(optimizer, options):
    stepper = optimizer(**options)
    start = golden.START if stepper.weight_decay or optimizer in FROM_START else golden.ZERO_START
    x = keras.Variable(start)
    rate = float(optimizer().get_config()["learning_rate"])

    def step(_, halved, gradient):
        stepper.learning_rate = rate / 2 if halved else rate
        stepper.apply([keras.ops.convert_to_tensor(gradient, keras.config.floatx())], [x])
        return x.numpy().copy()

    return golden.trajectory(start, step)


cases = {}
for scalar, floatx in [("float", "float32"), ("double", "float64")]:
    jax.config.update("jax_enable_x64", floatx == "float64")
    keras.config.set_floatx(floatx)
    cases |= {(case, scalar): follow(*CASES[case]) for case in CASES}
golden.write(
    "keras",
    f"keras {keras.__version__}, jax {jax.__version__}, Python {platform.python_version()}: made by make_keras.py",
    cases,
)

# SPDX-License-Identifier: MIT
"""Writes optax.txt: optax on the gradients of golden.py. Needs optax and jax."""

import inspect
import platform

import jax
import jax.numpy as jnp
import numpy
import optax
import optax.contrib

import golden

# optax has no default learning rate, other than for its schedule-free optimizers; these are descent's. It has a wrong
# Adan, which uses 1 - b2 in the place of b2, and a wrong Rprop, which takes each step one call too late.
CASES = {
    "sgd": (optax.sgd, 0.01, {}),
    "momentum": (optax.sgd, 0.01, {"momentum": 0.9}),
    "nesterov": (optax.sgd, 0.01, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optax.adagrad, 0.01, {}),
    "adagrad_accumulator": (optax.adagrad, 0.01, {"initial_accumulator_value": 0.0}),
    "rmsprop": (optax.rmsprop, 0.001, {}),
    "rmsprop_eps_outside": (optax.rmsprop, 0.001, {"eps_in_sqrt": False}),
    "rmsprop_bias_correction": (optax.rmsprop, 0.001, {"bias_correction": True}),
    "rmsprop_momentum": (optax.rmsprop, 0.001, {"momentum": 0.9}),
    "rmsprop_centered": (optax.rmsprop, 0.001, {"centered": True}),
    "rmsprop_centered_momentum": (optax.rmsprop, 0.001, {"centered": True, "momentum": 0.9}),
    "adadelta": (optax.adadelta, 1.0, {}),
    "adadelta_weight_decay": (optax.adadelta, 1.0, {"weight_decay": 0.1}),
    "adam": (optax.adam, 0.001, {}),
    "adam_betas_eps": (optax.adam, 0.001, {"b1": 0.5, "b2": 0.9, "eps": 1e-3}),
    "adam_eps_root": (optax.adam, 0.001, {"eps": 0.0, "eps_root": 1e-8}),
    "adam_eps_and_eps_root": (optax.adam, 0.001, {"eps": 1e-3, "eps_root": 1e-6}),
    "adamw": (optax.adamw, 0.001, {}),
    "amsgrad": (optax.amsgrad, 0.001, {}),
    "nadam": (optax.nadam, 0.001, {}),
    "nadamw": (optax.nadamw, 0.001, {}),
    "radam": (optax.radam, 0.001, {}),
    "adamax": (optax.adamax, 0.001, {}),
    "adamaxw": (optax.adamaxw, 0.001, {}),
    "adabelief": (optax.adabelief, 0.001, {}),
    "yogi": (optax.yogi, 0.01, {}),
    "lion": (optax.lion, 0.0001, {}),
    "lamb": (optax.lamb, 0.001, {"weight_decay": 0.1}),
    "lars": (optax.lars, 0.1, {"weight_decay": 0.1}),
    "schedule_free_sgd": (optax.contrib.schedule_free_sgd, 1.0, {}),
    "schedule_free_adamw": (optax.contrib.schedule_free_adamw, 0.0025, {"weight_decay": 0.1}),
}
FROM_START = (optax.contrib.schedule_free_sgd,)  # though it has no weight decay


def decay(optimizer, options):
    """The weight decay in force; None or 0 if there is none."""
    parameter = inspect.signature(optimizer).parameters.get("weight_decay")
    return options.get("weight_decay", parameter and parameter.default)


def follow(optimizer, rate, options, dtype):
    start = golden.START if decay(optimizer, options) or optimizer in FROM_START else golden.ZERO_START
    stepper = optimizer(lambda count: jnp.where(count < golden.HALVED_AFTER, rate, rate / 2), **options)
    x = jnp.array(start, dtype)
    state = stepper.init(x)

    def step(_, halved, gradient):
        nonlocal x, state
        updates, state = stepper.update(jnp.array(gradient, dtype), state, x)
        x = optax.apply_updates(x, updates)
        return numpy.array(x)

    return golden.trajectory(start, step)


cases = {}
for scalar, dtype in [("float", "float32"), ("double", "float64")]:
    jax.config.update("jax_enable_x64", dtype == "float64")
    cases |= {(case, scalar): follow(*CASES[case], dtype) for case in CASES}
golden.write(
    "optax",
    f"optax {optax.__version__}, jax {jax.__version__}, Python {platform.python_version()}: made by make_optax.py",
    cases,
)

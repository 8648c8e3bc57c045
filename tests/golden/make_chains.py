# SPDX-License-Identifier: MIT
"""Writes chains.txt: recipes of PyTorch, optax and Keras on the gradients of golden.py. Needs all three.

The parameters are a matrix W of 3 x 2 and a vector b of 2: the first six numbers of a line are W row by row, the other
two are b. The cases of PyTorch are called pytorch.NAME, and so on. A case NAME_average or NAME_slow is what the recipe
keeps beside the parameters of NAME. It has no start.
"""

import os
import platform

os.environ["KERAS_BACKEND"] = "jax"  # the backend that runs the optimizers' own formulas

import jax
import jax.numpy as jnp
import keras
import numpy
import optax
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import golden

MAX_NORM = 100.0  # most gradients are longer, by element 1
MAX_TENSOR_NORM = 10.0
LIMIT = 0.25
DECAY = 0.1  # of weights
AVERAGE = 0.9  # the decay of averages
EQUAL_AVERAGE_AFTER = 30
FROZEN = range(11, 41)


def split(row):
    """The row as the matrix and the vector."""
    return numpy.reshape(row[:6], (3, 2)), numpy.array(row[6:])


def flat(tensors):
    return [value for tensor in tensors for value in numpy.array(tensor).ravel()]


# PyTorch. AdamW multiplies x by 1 - lr weight_decay and then subtracts Adam's step: the same sum in another order.


def adamw(W, b):
    """The decay is for the matrix alone."""
    groups = [{"params": [W], "weight_decay": DECAY}, {"params": [b], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.01, foreach=False)


def adam(W, b):
    return torch.optim.Adam([W, b], foreach=False)


def adam_groups(W, b):
    """A rate and betas of its own for the vector."""
    return torch.optim.Adam([{"params": [W]}, {"params": [b], "lr": 0.01, "betas": (0.8, 0.99)}], foreach=False)


def momentum(W, b):
    return torch.optim.SGD([W, b], momentum=0.9, foreach=False)


def rmsprop_momentum(W, b):
    return torch.optim.RMSprop([W, b], momentum=0.9, foreach=False)


def clip_norm(parameters):
    """The same as clip_grad_norm_, but without the 1e-6 that it adds to the norm."""
    norm = get_total_norm([parameter.grad for parameter in parameters])
    if norm > MAX_NORM:
        for parameter in parameters:
            parameter.grad.mul_(MAX_NORM / norm)


def with_ema(model):
    """The first update copies the parameters."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))


# case: start, optimizer, and what the recipe has besides
PYTORCH = {
    "adamw": (golden.START, adamw, {}),
    "adamw_ema": (golden.START, adamw, {"average": with_ema}),
    "momentum_swa": (golden.START, momentum, {"average": AveragedModel, "average_after": EQUAL_AVERAGE_AFTER}),
    "clip_norm_adam": (golden.ZERO_START, adam, {"clip": clip_norm}),
    "clip_grad_norm_adam": (golden.ZERO_START, adam, {"clip": lambda its: clip_grad_norm_(its, MAX_NORM)}),
    "clip_value_momentum": (golden.ZERO_START, momentum, {"clip": lambda its: clip_grad_value_(its, LIMIT)}),
    "clip_value_rmsprop_momentum": (
        golden.ZERO_START,
        rmsprop_momentum,
        {"clip": lambda its: clip_grad_value_(its, LIMIT)},
    ),
    "adam_groups": (golden.ZERO_START, adam_groups, {}),
    "adam_frozen": (golden.ZERO_START, adam, {"frozen": FROZEN}),
}


def pytorch(case, scalar):
    start, optimizer, beside = PYTORCH[case]
    dtype = {"float": torch.float32, "double": torch.float64}[scalar]
    model = torch.nn.ParameterList(torch.nn.Parameter(torch.tensor(part, dtype=dtype)) for part in split(start))
    stepper = optimizer(*model)
    rates = [group["lr"] for group in stepper.param_groups]
    average = beside["average"](model) if "average" in beside else None

    def step(t, halved, gradient):
        for group, rate in zip(stepper.param_groups, rates):
            group["lr"] = rate / 2 if halved else rate
        for parameter, part in zip(model, split(gradient)):
            parameter.grad = torch.tensor(part, dtype=dtype)
        if t in beside.get("frozen", []):
            model[1].grad = None  # PyTorch leaves such a tensor and its state as they are
        if "clip" in beside:
            beside["clip"](list(model))
        stepper.step()
        yield "", flat(parameter.detach().numpy() for parameter in model)
        if average is not None and t > beside.get("average_after", 0):
            average.update_parameters(model)
            yield "_average", flat(parameter.detach().numpy() for parameter in average.module)

    return start, step


# optax.


def rate(value):
    return lambda count: jnp.where(count < golden.HALVED_AFTER, value, value / 2)


MATRIX_ONLY = (True, False)
clip_norm_adamw = optax.chain(
    optax.clip_by_global_norm(MAX_NORM), optax.adamw(rate(0.01), weight_decay=DECAY, mask=MATRIX_ONLY)
)
OPTAX = {
    "clip_norm_adamw": (golden.START, clip_norm_adamw),
    "clip_norm_adamw_ema": (golden.START, clip_norm_adamw),
    "clip_sgd": (golden.ZERO_START, optax.chain(optax.clip(LIMIT), optax.sgd(rate(0.01)))),
    "scale_l2_adam": (
        golden.START,
        optax.chain(
            optax.scale(0.5),
            optax.add_decayed_weights(DECAY),
            optax.scale_by_adam(),
            optax.scale_by_learning_rate(rate(0.001)),
        ),
    ),
    "lamb": (golden.START, optax.lamb(rate(0.01), weight_decay=DECAY)),
    # trust_coefficient is 0.001, and a factor of the rate.
    "lars": (golden.START, optax.lars(rate(1.0), weight_decay=DECAY)),
    "adam_box": (golden.START, optax.adam(rate(0.01))),
    "lookahead": (golden.START, optax.lookahead(optax.adam(rate(0.01)), sync_period=5, slow_step_size=0.5)),
}


def optax_recipe(case, scalar):
    start, stepper = OPTAX[case]
    dtype = {"float": "float32", "double": "float64"}[scalar]
    x = tuple(jnp.array(part, dtype) for part in split(start))
    if case == "lookahead":
        x = optax.LookaheadParams.init_synced(x)
    state, average = stepper.init(x), None

    def step(_t, _halved, gradient):
        nonlocal x, state, average
        updates, state = stepper.update(tuple(jnp.array(part, dtype) for part in split(gradient)), state, x)
        x = optax.apply_updates(x, updates)
        if case == "adam_box":
            x = optax.projections.projection_box(x, (-1.5, -1.5), (1.25, 1.25))
        if case == "lookahead":
            yield "", flat(x.fast)
            yield "_slow", flat(x.slow)
            return
        yield "", flat(x)
        if case.endswith("_ema"):
            # Where the average starts is the caller's: here, as Average does, with the parameters after step 1.
            average = x if average is None else optax.incremental_update(x, average, 1 - AVERAGE)
            yield "_average", flat(average)

    return start, step


# Keras, which subtracts the decayed weights before the step: the same sum in another order.

OPTIMIZERS = {
    "clipnorm_momentum": (
        golden.ZERO_START,
        lambda: keras.optimizers.SGD(0.01, momentum=0.9, clipnorm=MAX_TENSOR_NORM),
    ),
    "global_clipnorm_adam": (golden.ZERO_START, lambda: keras.optimizers.Adam(0.001, global_clipnorm=MAX_NORM)),
    "clipvalue_rmsprop": (golden.ZERO_START, lambda: keras.optimizers.RMSprop(0.001, clipvalue=LIMIT)),
    "momentum_weight_decay": (
        golden.START,
        lambda: keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=DECAY),
    ),
    "adamw_matrix": (golden.START, lambda: keras.optimizers.AdamW(0.01, weight_decay=DECAY)),
    "adamw_ema": (
        golden.START,
        lambda: keras.optimizers.AdamW(0.01, weight_decay=DECAY, use_ema=True, ema_momentum=AVERAGE),
    ),
}


def keras_recipe(case, scalar):
    start, make = OPTIMIZERS[case]
    floatx = {"float": "float32", "double": "float64"}[scalar]
    keras.config.set_floatx(floatx)
    x = [keras.Variable(part.astype(floatx)) for part in split(start)]
    stepper = make()
    full_rate = float(make().get_config()["learning_rate"])
    if case.endswith("_matrix"):
        stepper.exclude_from_weight_decay(var_list=[x[1]])

    def step(_, halved, gradient):
        stepper.learning_rate = full_rate / 2 if halved else full_rate
        stepper.apply([keras.ops.convert_to_tensor(part, floatx) for part in split(gradient)], x)
        yield "", flat(variable.numpy() for variable in x)
        if stepper.use_ema:
            yield "_average", flat(average.numpy() for average in stepper._model_variables_moving_average)

    return start, step


def follow(name, scalar, recipe):
    """The trajectories of a recipe, by their names."""
    start, step = recipe
    found = {(name, scalar): [(0, start)]}
    for t, gradient in enumerate(golden.gradients(), 1):
        for beside, x in step(t, t > golden.HALVED_AFTER, gradient):
            if t in golden.REPORTED:
                found.setdefault((name + beside, scalar), []).append((t, x))
    return found


cases = {}
for scalar in ["float", "double"]:
    jax.config.update("jax_enable_x64", scalar == "double")
    for case in PYTORCH:
        cases |= follow(f"pytorch.{case}", scalar, pytorch(case, scalar))
    for case in OPTAX:
        cases |= follow(f"optax.{case}", scalar, optax_recipe(case, scalar))
    for case in OPTIMIZERS:
        cases |= follow(f"keras.{case}", scalar, keras_recipe(case, scalar))
golden.write(
    "chains",
    f"torch {torch.__version__}, optax {optax.__version__}, keras {keras.__version__}, jax {jax.__version__}, "
    f"Python {platform.python_version()}: made by make_chains.py",
    cases,
)

# SPDX-License-Identifier: MIT
"""Writes matrices.txt: Muon and Adafactor of torch, keras and optax. Needs torch, keras, optax and jax.

A line is `name shape rows cols x...`, row by row: a start, a gradient, or where a framework ends after ten steps.
PyTorch computes Muon in bfloat16, whatever the parameters are; here its own source is run with their type instead.
"""

import inspect
import os
import pathlib
import platform
import random

os.environ["KERAS_BACKEND"] = "jax"  # the backend that runs the optimizers' own formulas

import jax
import keras
import numpy
import optax
import torch

jax.config.update("jax_enable_x64", True)

SHAPES = {"square": (4, 4), "tall": (5, 3), "wide": (3, 6), "vector": (7, 1)}
STEPS = 10
RATE = 0.05

of_torch = torch.optim._muon
source = inspect.getsource(of_torch._zeropower_via_newtonschulz)
assert source.count("torch.bfloat16") == 1
exec(source.replace("torch.bfloat16", "grad.dtype"), of_torch.__dict__)


def matrix(shape, rng):
    """Exact as float32."""
    return numpy.array([[rng.randint(-2047, 2047) / 1024 for _ in range(shape[1])] for _ in range(shape[0])])


def gradient_at(t, gradient):
    """Exact as float32; every third row is 0."""
    g = gradient * ((numpy.arange(len(gradient)) + t) % 3 - 1)[:, None]
    g[0, 0] += t
    return g


def follow_pytorch(optimizer, start, gradient, dtype, options):
    x = torch.tensor(start, dtype=getattr(torch, dtype), requires_grad=True)
    stepper = optimizer([x], lr=RATE, **options)
    for t in range(1, STEPS + 1):
        x.grad = torch.tensor(gradient_at(t, gradient), dtype=x.dtype).reshape(x.shape)
        stepper.step()
    return x.detach().numpy()


def follow_keras(optimizer, start, gradient, dtype, options):
    keras.config.set_floatx(dtype)
    x = keras.Variable(start, dtype=dtype)
    stepper = optimizer(learning_rate=RATE, **options)
    for t in range(1, STEPS + 1):
        g = gradient_at(t, gradient).reshape(start.shape)
        stepper.apply([keras.ops.convert_to_tensor(g, dtype)], [x])
    return x.numpy()


def follow_optax(optimizer, start, gradient, dtype, options):
    """On the transposes, because optax's matrices are those."""
    x = jax.numpy.array(start.T, dtype)
    stepper = optimizer(RATE, **options)
    state = stepper.init(x)
    for t in range(1, STEPS + 1):
        g = gradient_at(t, gradient).T.reshape(x.shape)
        updates, state = stepper.update(jax.numpy.array(g, dtype), state, x)
        x = optax.apply_updates(x, updates)
    return numpy.array(x).T


muons = torch.optim.Muon, keras.optimizers.Muon, optax.contrib.muon
adafactors = torch.optim.Adafactor, keras.optimizers.Adafactor, optax.adafactor
CASES = {
    "pytorch": (follow_pytorch, muons[0], {}),
    "pytorch_rms": (follow_pytorch, muons[0], {"adjust_lr_fn": "match_rms_adamw", "nesterov": False}),
    "pytorch_spectral": (follow_pytorch, muons[0], {"adjust_lr_fn": "spectral_unclamped"}),
    "keras": (follow_keras, muons[1], {}),
    "optax": (follow_optax, muons[2], {"weight_decay": 0.1}),
    "adafactor_pytorch": (follow_pytorch, adafactors[0], {}),
    "adafactor_pytorch_decay": (follow_pytorch, adafactors[0], {"weight_decay": 0.1, "d": 1.5, "eps": (1e-3, 1e-2)}),
    "adafactor_keras": (follow_keras, adafactors[1], {}),
    "adafactor_optax": (follow_optax, adafactors[2], {"min_dim_size_to_factor": 2}),
    "adafactor_optax_unscaled": (
        follow_optax,
        adafactors[2],
        {"min_dim_size_to_factor": 2, "multiply_by_parameter_scale": False, "clipping_threshold": None},
    ),
}

rng = random.Random(20)
lines = [
    f"# torch {torch.__version__}, keras {keras.__version__}, optax {optax.__version__}, jax {jax.__version__}, "
    f"Python {platform.python_version()}: made by make_matrices.py"
]
for shape, (rows, cols) in SHAPES.items():

    def add(name, numbers):
        lines.append(f"{name} {shape} {rows} {cols} " + " ".join(str(number) for number in numbers.flatten()))

    start, gradient = matrix((rows, cols), rng), matrix((rows, cols), rng)
    add("start", start)
    add("gradient", gradient)
    for name, (follow, optimizer, options) in CASES.items():
        if cols == 1 and optimizer in muons:
            continue
        for scalar, dtype in [("float", "float32"), ("double", "float64")]:
            x = start.flatten() if cols == 1 else start
            add(f"{name}_{scalar}", follow(optimizer, x, gradient, dtype, options))
(pathlib.Path(__file__).parent / "matrices.txt").write_text("\n".join(lines) + "\n")

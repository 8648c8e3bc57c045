# SPDX-License-Identifier: MIT
"""Writes pytorch.txt: torch.optim on the gradients of golden.py. Needs torch (a CPU is enough)."""

import platform

import torch
from torch.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop

import golden

CASES = {
    "sgd": (SGD, {}),
    "sgd_weight_decay": (SGD, {"weight_decay": 0.1}),
    "momentum": (SGD, {"momentum": 0.9}),
    "momentum_dampening": (SGD, {"momentum": 0.9, "dampening": 0.4}),
    "momentum_weight_decay": (SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "nesterov_weight_decay": (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adagrad": (Adagrad, {}),
    "adagrad_lr_decay": (Adagrad, {"lr_decay": 0.1}),
    "adagrad_accumulator": (Adagrad, {"initial_accumulator_value": 0.1}),
    "adagrad_accumulator_weight_decay": (Adagrad, {"initial_accumulator_value": 0.1, "weight_decay": 0.1}),
    "rmsprop": (RMSprop, {}),
    "rmsprop_momentum": (RMSprop, {"momentum": 0.9}),
    "rmsprop_centered": (RMSprop, {"centered": True}),
    "rmsprop_centered_momentum": (RMSprop, {"centered": True, "momentum": 0.9}),
    "rmsprop_everything": (RMSprop, {"centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    "adadelta": (Adadelta, {}),
    "adadelta_weight_decay": (Adadelta, {"weight_decay": 0.1}),
    "adam": (Adam, {}),
    "adam_betas_eps": (Adam, {"betas": (0.5, 0.9), "eps": 1e-3}),
    "adam_weight_decay": (Adam, {"weight_decay": 0.1}),
    "adam_amsgrad": (Adam, {"amsgrad": True}),
    "adamw": (AdamW, {}),
    "adamw_no_decay": (AdamW, {"weight_decay": 0}),
    "adamw_amsgrad": (AdamW, {"amsgrad": True}),
    "nadam": (NAdam, {}),
    "nadam_decoupled": (NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": (RAdam, {}),
    "radam_decoupled": (RAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adamax": (Adamax, {}),
    "rprop": (Rprop, {}),  # whose rate is no more than the size of the first step: it is halved in vain
    "rprop_etas": (Rprop, {"etas": (0.4, 1.3), "step_sizes": (1e-3, 0.5)}),
}


def follow(optimizer, options, dtype):
    torch.set_default_dtype(dtype)  # of the numbers in the optimizer's state, such as NAdam's product
    x = torch.tensor(golden.ZERO_START, dtype=dtype, requires_grad=True)
    stepper = optimizer([x], foreach=False, **options)
    start = golden.START if stepper.defaults.get("weight_decay") else golden.ZERO_START
    x.data = torch.tensor(start, dtype=dtype)
    rate = stepper.param_groups[0]["lr"]

    def step(_, halved, gradient):
        stepper.param_groups[0]["lr"] = rate / 2 if halved else rate
        x.grad = torch.tensor(gradient, dtype=dtype)
        stepper.step()
        return x.detach().numpy().copy()

    return golden.trajectory(start, step)


golden.write(
    "pytorch",
    f"torch {torch.__version__}, Python {platform.python_version()}: made by make_pytorch.py",
    {
        (case, scalar): follow(*CASES[case], dtype)
        for scalar, dtype in [("float", torch.float32), ("double", torch.float64)]
        for case in CASES
    },
)

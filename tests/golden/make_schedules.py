# SPDX-License-Identifier: MIT
"""Writes schedules.txt: the learning rates of PyTorch's schedulers and optax's schedules. Needs torch, optax and jax.

A line is `case rate...`, for steps 0, 1, 2 and so on. PyTorch's are those with which optimizer.step() is called, with
scheduler.step() after each. The line before a case shows its parameters; the rate of PyTorch's optimizers is RATE.
"""

import platform

import jax
import optax
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

import golden

RATE = 0.3

# Ends before step 100 show that the last value stays. CosineAnnealingLR would go up again.
PYTORCH = {
    "linear": (LinearLR, {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 70}),
    "polynomial": (PolynomialLR, {"total_iters": 80, "power": 2.5}),
    "cosine": (CosineAnnealingLR, {"T_max": 99, "eta_min": 0.01}),
    "cosine_restarts": (CosineAnnealingWarmRestarts, {"T_0": 15, "eta_min": 0.01}),
    "cosine_restarts_longer": (CosineAnnealingWarmRestarts, {"T_0": 10, "T_mult": 2, "eta_min": 0.01}),
    "exponential": (ExponentialLR, {"gamma": 0.97}),
    "step": (StepLR, {"step_size": 30, "gamma": 0.3}),
    "multi_step": (MultiStepLR, {"milestones": [20, 50, 85], "gamma": 0.3}),
    "one_cycle": (OneCycleLR, {"max_lr": 0.3, "total_steps": 100}),
    "one_cycle_three_phase": (
        OneCycleLR,
        {
            "max_lr": 0.3,
            "total_steps": 90,
            "pct_start": 0.4,
            "anneal_strategy": "linear",
            "three_phase": True,
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    ),
}
WARMUP = {"start_factor": 0.1, "total_iters": 10}
AFTER_WARMUP = {"T_max": 90, "eta_min": 0.01}

OPTAX = {
    "linear": (optax.linear_schedule, {"init_value": 0.3, "end_value": 0.02, "transition_steps": 70}),
    "polynomial": (
        optax.polynomial_schedule,
        {"init_value": 0.3, "end_value": 0.02, "power": 2.5, "transition_steps": 80},
    ),
    "cosine": (optax.cosine_decay_schedule, {"init_value": 0.3, "decay_steps": 80, "alpha": 0.05}),
    "warmup_cosine": (
        optax.warmup_cosine_decay_schedule,
        {"init_value": 0.01, "peak_value": 0.3, "warmup_steps": 12, "decay_steps": 90, "end_value": 0.003},
    ),
    "exponential": (optax.exponential_decay, {"init_value": 0.3, "transition_steps": 20, "decay_rate": 0.4}),
    "staircase": (
        optax.exponential_decay,
        {"init_value": 0.3, "transition_steps": 20, "decay_rate": 0.4, "staircase": True},
    ),
    "one_cycle": (optax.cosine_onecycle_schedule, {"transition_steps": 90, "peak_value": 0.3}),
    "piecewise": (
        optax.piecewise_constant_schedule,
        {"init_value": 0.3, "boundaries_and_scales": {20: 0.5, 50: 0.5, 85: 0.5}},
    ),
}

# Losses that fall, rest, and fall again, and metrics that rise in the same way, for mode "max".
LOSSES = [
    round(2 - t / 20 if t < 20 else 1 + (t % 7 - 3) / 100 if t < 60 else 1 - (t - 60) / 80 + t % 5 / 50, 4)
    for t in range(golden.STEPS)
]
METRICS = [round(3 - loss, 4) for loss in LOSSES]
PLATEAUS = {
    "defaults": {},
    "patience": {"factor": 0.5, "patience": 3},
    "cooldown": {"factor": 0.5, "patience": 2, "cooldown": 4, "min_lr": 0.02},
    "change": {"factor": 0.5, "patience": 1, "eps": 0.01},
    "absolute": {"factor": 0.5, "patience": 3, "threshold": 0.05, "threshold_mode": "abs"},
    "higher": {"mode": "max", "factor": 0.5, "patience": 4, "threshold": 0.01},
    "higher_absolute": {"mode": "max", "factor": 0.5, "patience": 4, "threshold": 0.04, "threshold_mode": "abs"},
}


def stepper():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)


def pytorch_rates(make):
    """The rates of a scheduler, with an optimizer whose rate it sets."""
    optimizer = stepper()
    scheduler = make(optimizer)
    rates = []
    # OneCycleLR refuses more than total_steps.
    for _ in range(getattr(scheduler, "total_steps", golden.STEPS)):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if len(rates) < golden.STEPS:
            scheduler.step()
    return rates


def sequential(optimizer):
    parts = [LinearLR(optimizer, **WARMUP), CosineAnnealingLR(optimizer, **AFTER_WARMUP)]
    return SequentialLR(optimizer, parts, milestones=[WARMUP["total_iters"]])


def plateau_rates(options):
    """The rate after each loss or metric."""
    optimizer = stepper()
    scheduler = ReduceLROnPlateau(optimizer, **options)
    rates = []
    for metric in METRICS if options.get("mode") == "max" else LOSSES:
        optimizer.step()
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def shown(function, options):
    return f"{function}({', '.join(f'{name}={value!r}' for name, value in options.items())})"


jax.config.update("jax_enable_x64", True)
lines = [
    f"# torch {torch.__version__}, optax {optax.__version__}, jax {jax.__version__}, "
    f"Python {platform.python_version()}: made by make_schedules.py"
]


def add(case, comment, rates):
    lines.extend([f"# {comment}", f"{case} " + " ".join(str(float(rate)) for rate in rates)])


for case, (scheduler, options) in PYTORCH.items():
    beside = {"cycle_momentum": False} if scheduler is OneCycleLR else {}
    rates = pytorch_rates(lambda optimizer: scheduler(optimizer, **options, **beside))
    add(f"pytorch.{case}", shown(scheduler.__name__, options), rates)
add(
    "pytorch.warmup_cosine",
    f"SequentialLR of {shown('LinearLR', WARMUP)} and {shown('CosineAnnealingLR', AFTER_WARMUP)}",
    pytorch_rates(sequential),
)
for case, (schedule, options) in OPTAX.items():
    function = schedule(**options)
    add(f"optax.{case}", shown(schedule.__name__, options), [function(step) for step in range(golden.STEPS)])
add("losses", "after each of which a plateau has a rate", LOSSES)
add("metrics", "the same for mode='max'", METRICS)
for case, options in PLATEAUS.items():
    add(f"plateau.{case}", shown("ReduceLROnPlateau", options), plateau_rates(options))
(golden.HERE / "schedules.txt").write_text("\n".join(lines) + "\n")

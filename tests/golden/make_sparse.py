# SPDX-License-Identifier: MIT
"""Writes sparse.txt: PyTorch's optimizers on sparse gradients, of which golden.py's zeros are no part. Needs torch.

Every gradient is given in two halves, because PyTorch adds what has the same index.
"""

import platform

import torch
from torch.optim import SGD, Adagrad, SparseAdam

import golden

CASES = {
    "sparse_adam": (SparseAdam, {}),
    "sparse_adam_betas_eps": (SparseAdam, {"betas": (0.5, 0.9), "eps": 1e-3}),
    "adagrad": (Adagrad, {}),
    "adagrad_lr_decay": (Adagrad, {"lr_decay": 0.1}),
    "sgd": (SGD, {}),
}


def sparse(gradient, dtype):
    indices = [index for index, value in enumerate(gradient) if value != 0]
    halves = [gradient[index] / 2 for index in indices]
    return torch.sparse_coo_tensor([indices + indices], halves + halves, (len(gradient),), dtype=dtype)


def follow(optimizer, options, dtype):
    x = torch.tensor(golden.START, dtype=dtype, requires_grad=True)
    stepper = optimizer([x], **options)
    rate = stepper.param_groups[0]["lr"]

    def step(_, halved, gradient):
        stepper.param_groups[0]["lr"] = rate / 2 if halved else rate
        x.grad = sparse(gradient, dtype)
        stepper.step()
        return x.detach().numpy().copy()

    return golden.trajectory(golden.START, step)


golden.write(
    "sparse",
    f"torch {torch.__version__}, Python {platform.python_version()}: made by make_sparse.py",
    {
        (case, scalar): follow(*CASES[case], dtype)
        for scalar, dtype in [("float", torch.float32), ("double", torch.float64)]
        for case in CASES
    },
)

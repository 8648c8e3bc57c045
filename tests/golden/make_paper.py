# SPDX-License-Identifier: MIT
"""Writes paper.txt: the formulas of the papers in 50 decimal digits, on the gradients of golden.py.

If a paper gives no value, the value is descent's default.
"""

import decimal
import platform
from decimal import Decimal

import golden

decimal.getcontext().prec = 50


def sgd(state, g, t, rate):
    """Robbins and Monro."""
    return rate * g


def momentum(state, g, t, rate):
    """Polyak, equation 9, with beta = 0.9."""
    state["v"] = Decimal("0.9") * state.get("v", 0) + rate * g
    return state["v"]


def nesterov(state, g, t, rate):
    """Sutskever et al., equations 3 and 4, with mu = 0.9; g is given, so where it is taken does not matter."""
    return momentum(state, g, t, rate)


def adagrad(state, g, t, rate):
    """Duchi, Hazan and Singer, Figure 1: H = delta I + diag(s), s the root of the sum of squares."""
    state["sum"] = state.get("sum", 0) + g * g
    return rate * g / (Decimal("1e-8") + state["sum"].sqrt())


def rmsprop(state, g, t, rate):
    """Tieleman and Hinton, lecture 6.5, slide 29."""
    state["mean_square"] = Decimal("0.9") * state.get("mean_square", 0) + Decimal("0.1") * g * g
    return rate * g / (state["mean_square"].sqrt() + Decimal("1e-8"))


def centered_rmsprop(state, g, t, rate):
    """Graves, equations 38 to 41."""
    state["n"] = Decimal("0.95") * state.get("n", 0) + Decimal("0.05") * g * g
    state["g"] = Decimal("0.95") * state.get("g", 0) + Decimal("0.05") * g
    root = (state["n"] - state["g"] ** 2 + Decimal("0.0001")).sqrt()
    state["delta"] = Decimal("0.9") * state.get("delta", 0) - rate * g / root
    return -state["delta"]


def adadelta(state, g, t, rate):
    """Zeiler, Algorithm 1, with its step multiplied by the rate; the paper has none."""
    rho, epsilon = Decimal("0.95"), Decimal("1e-6")
    state["E[g^2]"] = rho * state.get("E[g^2]", 0) + (1 - rho) * g * g
    delta = -(state.get("E[dx^2]", 0) + epsilon).sqrt() / (state["E[g^2]"] + epsilon).sqrt() * g
    state["E[dx^2]"] = rho * state.get("E[dx^2]", 0) + (1 - rho) * delta**2
    return -rate * delta


def adam(state, g, t, rate):
    """Kingma and Ba, Algorithm 1."""
    beta1, beta2 = Decimal("0.9"), Decimal("0.999")
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    m_hat, v_hat = state["m"] / (1 - beta1**t), state["v"] / (1 - beta2**t)
    return rate * m_hat / (v_hat.sqrt() + Decimal("1e-8"))


CASES = {
    "sgd": (sgd, "0.01"),
    "momentum": (momentum, "0.01"),
    "nesterov": (nesterov, "0.01"),
    "adagrad": (adagrad, "0.01"),
    "rmsprop": (rmsprop, "0.001"),
    "rmsprop_centered_momentum": (centered_rmsprop, "0.0001"),
    "adadelta": (adadelta, "1"),
    "adam": (adam, "0.001"),
}


def follow(rule, rate):
    x = [Decimal(0)] * len(golden.ZERO_START)
    states = [{} for _ in x]

    def step(t, halved, gradient):
        now = Decimal(rate) / (2 if halved else 1)
        for i, g in enumerate(gradient):
            x[i] -= rule(states[i], Decimal(g), t, now)
        return [float(value) for value in x]

    return golden.trajectory(golden.ZERO_START, step)


golden.write(
    "paper",
    f"the papers' formulas in 50 digits, Python {platform.python_version()}: made by make_paper.py",
    {(case, scalar): follow(*CASES[case]) for scalar in ["float", "double"] for case in CASES},
)

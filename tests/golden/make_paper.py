# SPDX-License-Identifier: MIT
"""Writes paper.txt: the formulas of the papers in 50 decimal digits, on the gradients of golden.py.

If a paper gives no value, the value is descent's default. A rule has one element: its state, in which "x" is the
parameter, the gradient, the number of the step and the rate. It returns what is subtracted from the parameter.
"""

import decimal
import platform
from decimal import Decimal

import golden

decimal.getcontext().prec = 50

DECAY = Decimal("0.1")  # of weights


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


def mean(state, name, value, beta):
    """The running mean of the values, which is biased towards 0, where it starts."""
    state[name] = Decimal(beta) * state.get(name, 0) + (1 - Decimal(beta)) * value
    return state[name]


def moments(state, g):
    """Adam's, with beta1 = 0.9 and beta2 = 0.999."""
    return mean(state, "m", g, "0.9"), mean(state, "v", g**2, "0.999")


def corrected(biased, beta, t):
    """The running mean without its bias."""
    return biased / (1 - Decimal(beta) ** t)


def adam(state, g, t, rate):
    """Kingma and Ba, Algorithm 1."""
    m, v = moments(state, g)
    return rate * corrected(m, "0.9", t) / (corrected(v, "0.999", t).sqrt() + Decimal("1e-8"))


def adamax(state, g, t, rate):
    """Kingma and Ba, Algorithm 2; no step where there was no gradient yet, 0 / 0 in the paper."""
    m = mean(state, "m", g, "0.9")
    state["u"] = max(Decimal("0.999") * state.get("u", 0), abs(g))
    return rate * corrected(m, "0.9", t) / state["u"] if state["u"] else Decimal(0)


def adamw(state, g, t, rate):
    """Loshchilov and Hutter, Algorithm 2, with alpha = 0.001 and lambda = 0.01; the rate is eta_t alpha."""
    eta = rate / Decimal("0.001")
    return adam(state, g, t, rate) + eta * Decimal("0.01") * state["x"]


def amsgrad(state, g, t, rate):
    """Reddi, Kale and Kumar, Algorithm 2, with an epsilon."""
    m, v = moments(state, g)
    state["v_hat"] = max(state.get("v_hat", Decimal(0)), v)
    return rate * m / (state["v_hat"].sqrt() + Decimal("1e-8"))


def nadam(state, g, t, rate):
    """Dozat, Algorithm 2 with the schedule of mu; v_hat is Adam's, without the factor of beta2 that nobody uses."""
    mu, mu_next = (Decimal("0.9") * (1 - Decimal("0.96") ** (Decimal(i) / 250) / 2) for i in (t, t + 1))
    m, v = moments(state, g)
    state["product"] = state.get("product", 1) * mu
    m_bar = (1 - mu) * g / (1 - state["product"]) + mu_next * m / (1 - state["product"] * mu_next)
    return rate * m_bar / (corrected(v, "0.999", t).sqrt() + Decimal("1e-8"))


def radam(state, g, t, rate):
    """Liu et al., Algorithm 2, with an epsilon."""
    m, v = moments(state, g)
    beta2 = Decimal("0.999")
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * t * beta2**t / (1 - beta2**t)
    if length <= 4:
        return rate * corrected(m, "0.9", t)
    r = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)).sqrt()
    return rate * r * corrected(m, "0.9", t) / (corrected(v, "0.999", t).sqrt() + Decimal("1e-8"))


def adabelief(state, g, t, rate):
    """Zhuang et al., Algorithm 2, with the epsilon of the authors' code."""
    epsilon = Decimal("1e-16")
    m = mean(state, "m", g, "0.9")
    state["s"] = mean(state, "s", (g - m) ** 2, "0.999") + epsilon
    return rate * corrected(m, "0.9", t) / (corrected(state["s"], "0.999", t).sqrt() + epsilon)


def sign(number):
    return (number > 0) - (number < 0)


def yogi(state, g, t, rate):
    """Zaheer et al., Algorithm 2, whose second moment starts at 0."""
    m, v = mean(state, "m", g, "0.9"), state.get("v", Decimal(0))
    state["v"] = v - (1 - Decimal("0.999")) * sign(v - g**2) * g**2
    return rate * m / (state["v"].sqrt() + Decimal("0.001"))


def adan_step(state, g, t, rate):
    """Xie et al., Algorithm 1, with the betas of the authors' code, which are 1 minus the paper's."""
    beta1, beta2, beta3 = Decimal("0.98"), Decimal("0.92"), Decimal("0.99")
    difference = g - state.get("g", g)
    state["g"] = g
    m, v = mean(state, "m", g, beta1), mean(state, "v", difference, beta2)
    n = mean(state, "n", (g + beta2 * difference) ** 2, beta3)
    ahead = corrected(m, beta1, t) + beta2 * corrected(v, beta2, t)
    return rate * ahead / (corrected(n, beta3, t).sqrt() + Decimal("1e-8"))


def adan(state, g, t, rate):
    """Xie et al., Algorithm 1, with lambda = 0.02."""
    x = state["x"]
    return x - (x - adan_step(state, g, t, rate)) / (1 + Decimal("0.02") * rate)


def adan_no_prox(state, g, t, rate):
    """The other weight decay of the authors' code, which is AdamW's."""
    return adan_step(state, g, t, rate) + Decimal("0.02") * rate * state["x"]


def lion(state, g, t, rate):
    """Chen et al., Algorithm 2, with lambda = 0.1."""
    direction = sign(Decimal("0.9") * state.get("m", 0) + Decimal("0.1") * g)
    mean(state, "m", g, "0.99")
    return rate * (direction + DECAY * state["x"])


def rprop(state, g, t, rate):
    """Igel and Huesken, iRprop-, whose step size starts at the rate and does not follow it."""
    size, change = state.get("size", rate), sign(g * state.get("g", 0))
    factor = {1: Decimal("1.2"), -1: Decimal("0.5"), 0: 1}[change]
    state["size"] = min(max(size * factor, Decimal("1e-6")), Decimal(50))
    state["g"] = Decimal(0) if change < 0 else g
    return sign(state["g"]) * state["size"]


def ftrl(state, g, t, rate):
    """McMahan et al., Algorithm 1, with beta = 1, lambda1 = 0.05 and lambda2 = 0.1; alpha is the rate."""
    lambda1, lambda2 = Decimal("0.05"), Decimal("0.1")
    n, w = state.get("n", Decimal(0)), state["x"]
    state["n"] = n + g**2
    sigma = (state["n"].sqrt() - n.sqrt()) / rate
    z = state["z"] = state.get("z", 0) + g - sigma * w
    if abs(z) <= lambda1:
        return w
    return w + (z - sign(z) * lambda1) / ((1 + state["n"].sqrt()) / rate + lambda2)


def schedule_free(state, u, rate):
    """Defazio et al., Algorithm 1: the parameters are y. z takes the steps of the directions u, and x averages z with
    weights that are the square of the largest rate so far."""
    y = state["x"]
    state["largest"] = max(state.get("largest", 0), rate)
    weight = state["largest"] ** 2
    state["weights"] = state.get("weights", 0) + weight
    c = weight / state["weights"]
    state["z"] = state.get("z", y) - rate * u
    state["average"] = (1 - c) * state.get("average", y) + c * state["z"]
    return y - (Decimal("0.1") * state["z"] + Decimal("0.9") * state["average"])


def schedule_free_sgd(state, g, t, rate):
    """Defazio et al., with lambda = 0.1."""
    return schedule_free(state, g + DECAY * state["x"], rate)


def schedule_free_adamw(state, g, t, rate):
    """The same, with Adam's second moment and no first."""
    v = mean(state, "v", g**2, "0.999")
    u = g / (corrected(v, "0.999", t).sqrt() + Decimal("1e-8"))
    return schedule_free(state, u + DECAY * state["x"], rate)


def warmed_up(rule):
    """The rule with a rate that grows linearly in the first 10 steps."""
    return lambda state, g, t, rate: rule(state, g, t, rate * min(Decimal(1), Decimal(t) / 10))


CASES = {
    "sgd": (sgd, "0.01"),
    "momentum": (momentum, "0.01"),
    "nesterov": (nesterov, "0.01"),
    "adagrad": (adagrad, "0.01"),
    "rmsprop": (rmsprop, "0.001"),
    "rmsprop_centered_momentum": (centered_rmsprop, "0.0001"),
    "adadelta": (adadelta, "1"),
    "adam": (adam, "0.001"),
    "adamax": (adamax, "0.002"),
    "adamw": (adamw, "0.001", golden.START),
    "amsgrad": (amsgrad, "0.001"),
    "nadam": (nadam, "0.001"),
    "radam": (radam, "0.001"),
    "adabelief": (adabelief, "0.001"),
    "yogi": (yogi, "0.01"),
    "adan": (adan, "0.001", golden.START),
    "adan_no_prox": (adan_no_prox, "0.001", golden.START),
    "lion": (lion, "0.0001", golden.START),
    "rprop": (rprop, "0.01"),
    "ftrl": (ftrl, "0.1"),
    "schedule_free_sgd": (schedule_free_sgd, "0.1", golden.START),
    "schedule_free_sgd_warmup": (warmed_up(schedule_free_sgd), "0.1", golden.START),
    "schedule_free_adamw": (schedule_free_adamw, "0.0025", golden.START),
    "schedule_free_adamw_warmup": (warmed_up(schedule_free_adamw), "0.0025", golden.START),
}


def follow(rule, rate, start=golden.ZERO_START):
    x = [Decimal(value) for value in start]
    states = [{} for _ in x]

    def step(t, halved, gradient):
        now = Decimal(rate) / (2 if halved else 1)
        for i, g in enumerate(gradient):
            states[i]["x"] = x[i]
            x[i] -= rule(states[i], Decimal(g), t, now)
        return [float(value) for value in x]

    return golden.trajectory(start, step)


golden.write(
    "paper",
    f"the papers' formulas in 50 digits, Python {platform.python_version()}: made by make_paper.py",
    {(case, scalar): follow(*CASES[case]) for scalar in ["float", "double"] for case in CASES},
)

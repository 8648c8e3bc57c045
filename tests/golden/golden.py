# SPDX-License-Identifier: MIT
"""What all golden trajectories have in common: the given gradients, the start, the rate that is
halved on the way, and the format of the files.

    pip install torch==2.15.0 keras==3.15.1 optax==0.2.8 jax==0.10.2
    python golden.py          writes gradients.txt
    python make_pytorch.py    writes pytorch.txt; make_keras.py, make_optax.py, make_paper.py, make_chains.py,
                              make_schedules.py and make_sparse.py likewise

A line of a golden file is `case scalar t x...`: the parameters after step t, as the shortest decimals
that are read back as the same numbers. Line 0 is the start. The frameworks' last digits depend on the CPU as well.
"""

import pathlib
import random

HERE = pathlib.Path(__file__).parent
STEPS = 100
HALVED_AFTER = 50  # where the learning rate is halved, in every case
REPORTED = [0, 1, 2, 3, *range(10, STEPS + 1, 10)]

ZERO_START = [0.0] * 8
START = [0.5, -1.0, 2.0, -0.25, 1.0, -2.0, 0.75, 3.0]  # for weight decay, which needs something to decay


def _size(element, t, rng):
    """The exponent of a gradient, or None for 0."""
    if element == 4 or (element == 5 and t % 7 < 4) or (element == 7 and t > 40):
        return None
    if element == 6:
        return rng.choice([None, -24, -12, 0, 6])
    return {0: 0, 1: 10, 2: -10, 3: -20}.get(element, 0)


def gradients():
    """Gradients of mixed sizes and both signs, some 0; exact as float32."""
    rng = random.Random(20)
    rows = []
    for t in range(1, STEPS + 1):
        row = []
        for element in range(8):
            digits, exponent = rng.randint(-2047, 2047), _size(element, t, rng)
            row.append(0.0 if exponent is None else digits / 2048 * 2.0**exponent)
        rows.append(row)
    return rows


def trajectory(start, step):
    """[(t, x)] with x = step(t, halved, gradient) after each step; halved: whether the rate is halved."""
    found = [(0, start)]
    for t, gradient in enumerate(gradients(), 1):
        x = step(t, t > HALVED_AFTER, gradient)
        if t in REPORTED:
            found.append((t, x))
    return found


def write(name, made_by, cases):
    """cases: {(case, scalar): trajectory}; made_by: the programs that made them, with versions."""
    lines = [f"# {made_by}"]
    for (case, scalar), rows in cases.items():
        lines += [f"{case} {scalar} {t} " + " ".join(str(value) for value in x) for t, x in rows]
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    lines = ["# t g...: the gradients of all golden trajectories, made by golden.py"]
    lines += [f"{t} " + " ".join(str(value) for value in row) for t, row in enumerate(gradients(), 1)]
    (HERE / "gradients.txt").write_text("\n".join(lines) + "\n")

# SPDX-License-Identifier: MIT
"""Takes a checkpoint from C++ to Python's safetensors and back: `exchange.py PROGRAM FOLDER`.

Shows how to change a checkpoint in Python: first any tensors and metadata, then the checksum.
"""

import json
import pathlib
import subprocess
import sys
import zlib

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save


def sealed(file: bytes) -> bytes:
    """The file with its last tensor, crc32, set to the checksum of everything before it."""
    return file[:-4] + zlib.crc32(file[:-4]).to_bytes(4, "little")


def known(k, *shape):
    """The element (i, j) of tensor k is 100 k + 10 i + j."""
    return sum(np.indices(shape) * np.reshape([10, 1][: len(shape)], (-1, *[1] * len(shape)))) + np.float32(100 * k)


program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(exist_ok=True)
subprocess.run([program, "write", folder / "cpp.safetensors"], check=True)

tensors = load_file(folder / "cpp.safetensors")
with safe_open(folder / "cpp.safetensors", "numpy") as file:
    metadata = file.metadata()

expected = [known(0, 2, 3), known(1, 3, 2), known(2, 4), np.zeros((0, 5))]
assert len(tensors) == 2 * len(expected) + 1, tensors.keys()
for i, values in enumerate(expected):
    for array in "params", "velocity":
        tensor = tensors[f"{array}.{i}"]
        assert tensor.dtype == np.float32 and tensor.shape == values.shape, (array, i, tensor)
        assert (tensor == values).all(), (array, i, tensor)
written = (folder / "cpp.safetensors").read_bytes()
assert sealed(written) == written
hyperparameters = json.loads(metadata["hyperparameters"])
assert hyperparameters == {"learning_rate": 0, "momentum": 0.1, "form": "accumulated", "dampening": 0}, hyperparameters
assert (metadata["rule"], metadata["steps"]) == ("descent::Momentum", "1"), metadata

hyperparameters["momentum"] = 1 / 3
metadata |= {"hyperparameters": json.dumps(hyperparameters), "steps": "7", "note": "from Python"}
for i in range(len(expected)):
    tensors[f"params.{i}"] *= 2
    tensors[f"velocity.{i}"] *= -1
unsealed = save(tensors, metadata)
(folder / "python.safetensors").write_bytes(sealed(unsealed))
subprocess.run([program, "check", folder / "python.safetensors"], check=True)

(folder / "unsealed.safetensors").write_bytes(unsealed)
refused = subprocess.run([program, "check", folder / "unsealed.safetensors"], stderr=subprocess.PIPE, text=True)
assert refused.returncode != 0 and "its checksum differs" in refused.stderr, refused

subprocess.run([program, "write-run", folder / "run.safetensors"], check=True)
tensors = load_file(folder / "run.safetensors")
with safe_open(folder / "run.safetensors", "numpy") as file:
    metadata = file.metadata()
expected = {
    "net.params.encoder.W": known(0, 2, 3),
    "net.params.decoder.W": known(1, 3, 2),
    "sums.0": known(0, 2, 3),
    "sums.1": known(1, 3, 2),
    "batches.order": np.arange(5),
    "counts": np.array([1, 2, 3], np.int32),
}
assert tensors.keys() == {*expected, "crc32"}, tensors.keys()
for name, values in expected.items():
    assert tensors[name].shape == values.shape and (tensors[name] == values).all(), (name, tensors[name])
    assert tensors[name].dtype.kind == values.dtype.kind, (name, tensors[name].dtype)
assert json.loads(metadata["epoch"]) == 4 and json.loads(metadata["note"]) == 'from "C++"', metadata
assert json.loads(metadata["entries"]) == {
    "net": "optimizer",
    "batches": "Minibatches",
    "sums": "GradientAccumulator",
    "counts": "array",
    "epoch": "value",
    "note": "value",
}, metadata
assert json.loads(metadata["net.tensors"]) == ["encoder.W", "decoder.W"], metadata

metadata |= {"epoch": "5", "note": json.dumps('from "Python"')}
tensors["net.params.decoder.W"] *= 2
tensors["counts"] = tensors["counts"][::-1].copy()
(folder / "run_python.safetensors").write_bytes(sealed(save(tensors, metadata)))
subprocess.run([program, "check-run", folder / "run_python.safetensors"], check=True)

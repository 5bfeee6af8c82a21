"""Valid calls of `vqvae_lib.quantum.compiled`."""

from __future__ import annotations

import torch

from tests.bad_inputs.attack import Call
from vqvae_lib.quantum import Circuit
from vqvae_lib.quantum.windows import cones

CIRCUIT = Circuit(2, mirror=True)

CALLS = {
    "Compiled": Call(lambda: {"circuit": CIRCUIT, "windows": list(cones(CIRCUIT))}),
    "warm_up": Call(lambda: {"dtype": torch.float32}),
    "release_scratch": Call(dict),
}

"""Exact expectation values of circuits far too wide for a state vector.

In a brickwork circuit, ⟨O_i⟩ depends only on the gates in the *light cone* of qubit i: walking back
from the measurement, each entangling layer takes in at most one neighbour on either side. All
other gates of the circuit G cancel against their own inverses in ⟨start|G† O_i G|start⟩. So the
features of n qubits come from about n/2 small simulations, as wide as the cone, and the cost of a
call grows linearly with n.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib._checks import check_flag
from vqvae_lib.quantum._checks import check_circuit, check_inputs, check_memory, is_transformed
from vqvae_lib.quantum.circuit import Circuit
from vqvae_lib.quantum.statevector import evolve, expectations, initial_state
from vqvae_lib.quantum.windows import Window, cones

__all__ = ["LightCone"]


class LightCone:
    """Backend that simulates one window of neighbouring qubits after another.

    Parameters
    ----------
    circuit
        Any circuit; the narrower its light cones, the cheaper.
    compiled
        Whether the windows run by the compiled kernels where they can: on the CPU, and not inside
        the transforms of torch.func. These have first derivatives only; plain torch has all.

    Raises
    ------
    ValueError
        If the widest light cone does not fit into this machine's memory.
    """

    name = "light_cone"

    def __init__(self, circuit: Circuit, *, compiled: bool = True) -> None:
        self.circuit = check_circuit(circuit)
        self.width = max(circuit.light_cone_widths)
        check_memory(circuit, self.width, 1, torch.float32)
        self.windows = cones(circuit)
        self._compiled = None
        if check_flag("compiled", compiled):
            from vqvae_lib.quantum.compiled import Compiled  # needs numba, which may be missing

            self._compiled = Compiled(circuit, self.windows)

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `Circuit.weight_shape`."""
        z, weights = check_inputs(self.circuit, z, weights)
        by_kernels = z.device.type == "cpu" and not is_transformed(z, weights)
        if self._compiled is not None and by_kernels:
            return self._compiled(z, weights)
        check_memory(self.circuit, self.width, len(z), z.dtype)
        features: dict[int, Tensor] = {}  # (B, len(readout)) of each qubit
        for window in self.windows:
            state = self._run(window, z, weights)  # (B, 2**width)
            for target in window.targets:
                features[window.first + target] = expectations(
                    state, [target], self.circuit.readout
                )
        return torch.cat([features[qubit] for qubit in range(self.circuit.n_qubits)], 1)

    def _run(self, window: Window, z: Tensor, weights: Tensor) -> Tensor:
        """Simulate a window: its final state (B, 2**width)."""
        first, last, k = window.first, window.first + window.width, self.circuit.angles_per_qubit
        state = initial_state(self.circuit.initial, window.width, like=z)
        own = z[:, k * first : k * last]  # (B, k·width)
        return evolve(state, window.operations, own, weights[:, first:last])

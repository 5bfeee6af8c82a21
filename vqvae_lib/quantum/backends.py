"""Which simulator runs a circuit: by name, or the fastest that can.

A *backend* belongs to one circuit and is called as ``backend(z, weights) -> features``. It holds
no weights, so that weights move from one backend to another.

================  ==============================================================================
"statevector"     the readable reference, in plain torch: any device, any order of derivatives
"compiled"        the same state vector by compiled kernels, on the CPU
"light_cone"      exact features from windows of a few qubits each: any number of qubits
"pennylane"       a PennyLane device, with shots, noise and hardware
"auto"            the fastest exact one: light cones where they cost less than the whole state,
                  compiled on the CPU and plain torch elsewhere
================  ==============================================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import Tensor

from vqvae_lib.quantum.circuit import Circuit
from vqvae_lib.quantum.light_cone import LightCone, cones, cost, whole
from vqvae_lib.quantum.pennylane_backend import PennyLane
from vqvae_lib.quantum.statevector import StateVector

__all__ = ["make_backend"]

Backend = Callable[[Tensor, Tensor], Tensor]
NAMES = ("auto", "statevector", "compiled", "light_cone", "pennylane")


def make_backend(circuit: Circuit, name: str = "auto", **options: Any) -> Backend:
    """Make a backend for a circuit.

    Parameters
    ----------
    circuit
        The circuit.
    name
        "auto", "statevector", "compiled", "light_cone" or "pennylane", see above.
    **options
        For "pennylane": those of `PennyLane`.

    Returns
    -------
    Backend
        A function of latent vectors (B, d) and weights that returns features (B, m).

    Raises
    ------
    ValueError
        If there is no such backend, or it cannot run this circuit.

    Warns
    -----
    RuntimeWarning
        Where numba is missing, once: the features are the same, and come slower.
    """
    if name not in NAMES:
        listed = ", ".join(repr(known) for known in NAMES)
        raise ValueError(f"backend={name!r}: expected one of {listed}, or a function")
    if name == "pennylane":
        return PennyLane(circuit, **options)
    if options:
        raise ValueError(f"backend={name!r} takes no options: got {sorted(options)}")
    if name == "light_cone":
        return LightCone(circuit, compiled=_can_compile())
    if name == "compiled":
        return _compiled(circuit) if _can_compile() else StateVector(circuit)
    if name == "statevector":
        return StateVector(circuit)
    return Auto(circuit)


class Auto:
    """Backend that takes the fastest exact way: `on_cpu` or `elsewhere`, as the data lie.

    Parameters
    ----------
    circuit
        The circuit.
    """

    name = "auto"

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        compiled = _can_compile()
        self.on_cpu: Any
        self.elsewhere: Any
        if cost(cones(circuit)) < cost(whole(circuit)):
            self.on_cpu = self.elsewhere = LightCone(circuit, compiled=compiled)
        else:
            self.elsewhere = StateVector(circuit)
            self.on_cpu = _compiled(circuit) if compiled else self.elsewhere

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `circuit.weight_shape`."""
        on_cpu = not isinstance(z, Tensor) or z.device.type == "cpu"
        return (self.on_cpu if on_cpu else self.elsewhere)(z, weights)


def _compiled(circuit: Circuit) -> Backend:
    from vqvae_lib.quantum.compiled import Compiled

    return Compiled(circuit)


@cache
def _can_compile() -> bool:
    """Whether numba works here; warns, the first time that it does not."""
    try:
        import vqvae_lib.quantum.compiled  # noqa: F401
    except ImportError as error:
        warnings.warn(
            "the quantum layer runs in plain torch, about a hundred times slower than compiled: "
            f"{error}.",
            RuntimeWarning,
            stacklevel=4,
        )
        return False
    return True

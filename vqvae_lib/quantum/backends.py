"""What runs a circuit: the contract of a backend, and the backends by name.

================  ==============================================================================
"statevector"     the readable reference, in plain torch: any device, any order of derivatives
"compiled"        the same state vector by compiled kernels, on the CPU
"light_cone"      exact features from windows of a few qubits each: any number of qubits
"pennylane"       a PennyLane device, with shots, noise and hardware
"auto"            the fastest exact one: light cones where they cost less than the whole state,
                  else compiled kernels on the CPU and plain torch on other devices
================  ==============================================================================
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from vqvae_lib._checks import check_choice
from vqvae_lib.quantum._checks import check_circuit, check_inputs, is_transformed
from vqvae_lib.quantum.circuit import Circuit
from vqvae_lib.quantum.light_cone import LightCone
from vqvae_lib.quantum.pennylane_backend import PennyLane
from vqvae_lib.quantum.statevector import StateVectorSimulator
from vqvae_lib.quantum.windows import cones, cost, whole

__all__ = ["Auto", "Backend", "make_backend"]


@runtime_checkable
class Backend(Protocol):
    """A way to run one circuit.

    It holds no weights, so the same weights move freely from one backend to another.

    One that draws random numbers also has a method ``manual_seed(seed)``, which restarts them.

    Attributes
    ----------
    circuit
        The one that it runs.
    name
        What a layer that runs on it prints, unless it has a ``__str__`` that says more.
    """

    circuit: Circuit
    name: str

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `Circuit.weight_shape`."""


class Auto:
    """Backend that takes the fastest exact way.

    Parameters
    ----------
    circuit
        Its light cones decide: windows where they cost less than the whole state.

    Attributes
    ----------
    on_cpu, elsewhere : Backend
        What runs tensors on the CPU, and on other devices or inside the transforms of torch.func.
    """

    name = "auto"

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = check_circuit(circuit)
        self.on_cpu: Backend
        self.elsewhere: Backend
        if cost(cones(circuit)) < cost(whole(circuit)):
            self.on_cpu = self.elsewhere = _make_light_cone(circuit)
        else:
            self.elsewhere = StateVectorSimulator(circuit)
            self.on_cpu = _make_compiled(circuit) if _can_compile() else self.elsewhere

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `Circuit.weight_shape`."""
        z, weights = check_inputs(self.circuit, z, weights)
        on_cpu = z.device.type == "cpu" and not is_transformed(z, weights)
        return (self.on_cpu if on_cpu else self.elsewhere)(z, weights)

    def __str__(self) -> str:
        return f"{self.name} ({self.on_cpu.name} on the CPU)"


def make_backend(circuit: Circuit, name: str = "auto", **options: Any) -> Backend:
    """Make a backend for a circuit.

    Parameters
    ----------
    circuit
        What it will run.
    name
        "auto", "statevector", "compiled", "light_cone" or "pennylane", see above.
    **options
        Further arguments of the backend: ``compiled=False`` for `LightCone`, shots, a device and
        more for `PennyLane`; the others take none.

    Raises
    ------
    ValueError
        If there is no such backend, or it cannot run this circuit.
    TypeError
        If it does not take an option.
    ImportError
        If it was named and needs a package that is missing.

    Warns
    -----
    RuntimeWarning
        Where numba is missing and kernels were not asked for by name, once: features are then the
        same, but slower.
    """
    return _FACTORIES[check_choice("backend", name, _FACTORIES)](check_circuit(circuit), **options)


def _make_compiled(circuit: Circuit) -> Backend:
    """Compiled kernels; ImportError without numba."""
    from vqvae_lib.quantum.compiled import Compiled

    return Compiled(circuit)


def _make_light_cone(circuit: Circuit, *, compiled: bool | None = None) -> Backend:
    """Light cones, by compiled kernels where numba works, or as it is said."""
    return LightCone(circuit, compiled=_can_compile() if compiled is None else compiled)


_FACTORIES: dict[str, Callable[..., Backend]] = {
    "auto": Auto,
    "statevector": StateVectorSimulator,
    "compiled": _make_compiled,
    "light_cone": _make_light_cone,
    "pennylane": PennyLane,
}


@cache
def _can_compile() -> bool:
    """Whether numba works here; warns, the first time that it does not."""
    try:
        import vqvae_lib.quantum.compiled  # noqa: F401
    except ImportError as error:
        _warn_user(
            "the quantum layer runs in plain torch, about a hundred times slower than compiled: "
            f"{error}."
        )
        return False
    return True


def _warn_user(message: str) -> None:
    """Warn at the user's line: the innermost one that lies outside this library."""
    library = str(Path(__file__).parents[1])
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(library):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RuntimeWarning, stacklevel=level)

"""A circuit as a layer of a torch model: the weights, and how they begin."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from vqvae_lib.quantum.backends import Auto, Backend, make_backend
from vqvae_lib.quantum.circuit import Circuit

__all__ = ["QuantumLayer", "initial_weights"]

Init = Literal["chart", "identity", "random"]


class QuantumLayer(nn.Module):
    """A trainable circuit between any two layers of a torch model.

    Parameters
    ----------
    circuit
        The circuit.
    backend
        What runs it: "auto" (the fastest exact way), "statevector", "compiled", "light_cone",
        "pennylane", or a backend made by hand, such as
        ``PennyLane(circuit, "lightning.qubit", shots=1000)``.
    init
        How the weights begin, see `initial_weights`. None: "chart" where the circuit has one
        (``mirror=True`` or ``entangler="none"``), else "random". In front of a decoder, a circuit
        with random weights is a bad start: it scrambles the code before anything is learnt. A
        chart hands it on, nearly unchanged.
    generator
        Source of random numbers; None: torch's global one.
    **options
        Of the backend "pennylane".

    Attributes
    ----------
    weights : Parameter
        `circuit.weight_shape`, angles in radians.

    Examples
    --------
    >>> layer = QuantumLayer(Circuit(4))
    >>> layer(torch.zeros(2, 8)).shape
    torch.Size([2, 8])
    >>> exact = layer.to_backend("statevector")
    >>> exact.weights is layer.weights
    True
    """

    def __init__(
        self,
        circuit: Circuit,
        backend: str | Backend = "auto",
        *,
        init: Init | None = None,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.circuit = circuit
        self.backend = _backend(circuit, backend, options)
        if init is None:
            init = "random" if _no_chart(circuit) else "chart"
        self.weights = nn.Parameter(initial_weights(circuit, init, generator=generator))

    def forward(self, z: Tensor) -> Tensor:
        """Features of latent vectors.

        Parameters
        ----------
        z
            (..., d), of the dtype and on the device of the weights.

        Returns
        -------
        Tensor
            (..., m), expectation values between -1 and 1.
        """
        if not isinstance(z, Tensor) or z.ndim == 2:
            return self.backend(z, self.weights)
        d = self.circuit.latent_dim
        if z.ndim == 0 or z.shape[-1] != d:
            raise ValueError(f"z has shape {tuple(z.shape)}: expected (..., {d})")
        features = self.backend(z.reshape(-1, d), self.weights)
        return features.reshape(*z.shape[:-1], self.circuit.n_features)

    def to_backend(self, backend: str | Backend, **options: Any) -> QuantumLayer:
        """Make a layer that runs on another backend and shares this one's weights.

        Parameters
        ----------
        backend, **options
            As for the layer itself.
        """
        unused = torch.Generator()  # nobody's random numbers are spent on weights that go
        twin = QuantumLayer(self.circuit, backend, init="random", generator=unused, **options)
        twin.weights = self.weights
        return twin.train(self.training)

    def extra_repr(self) -> str:
        """Describe the circuit and the backend, in the way of torch."""
        name = getattr(self.backend, "name", type(self.backend).__name__)
        if isinstance(self.backend, Auto):
            name += f" ({self.backend.on_cpu.name} on the CPU)"
        return f"{self.circuit}\nbackend {name}"


def initial_weights(
    circuit: Circuit, init: Init, *, generator: torch.Generator | None = None
) -> Tensor:
    """Draw the angles with which training begins.

    Parameters
    ----------
    circuit
        The circuit.
    init
        - "random": uniform in [0, 2π), as PennyLane draws them.
        - "identity": for circuits whose entangling layers cancel. All angles are zero, so that
          nothing but the embedding is left (Grant et al. 2019, arXiv:1903.05076), except that the
          last Rot turns each qubit such that what is measured has a slope in what was embedded:
          with the initial superposition, ⟨Z⟩ = -sin t and ⟨X⟩ = cos t sin u of the two angles t
          and u, to first order -t and u. (With re-uploading, of their sums.)
        - "chart": the same with N(0, 0.1²) added to every angle.
    generator
        Source of random numbers; None: torch's global one.

    Returns
    -------
    Tensor
        `circuit.weight_shape`, in torch's default dtype.

    Raises
    ------
    ValueError
        If there is no such initialisation, or not for this circuit.
    """
    if init not in get_args(Init):
        listed = ", ".join(repr(known) for known in get_args(Init))
        raise ValueError(f"init={init!r}: expected one of {listed}")
    shape = circuit.weight_shape
    if init == "random":
        return 2 * math.pi * torch.rand(shape, generator=generator)
    if reason := _no_chart(circuit):
        raise ValueError(f"init={init!r} does not fit this circuit: {reason}")
    weights = torch.zeros(shape)
    if init == "chart":
        weights = 0.1 * torch.randn(shape, generator=generator)
    weights[-1] += torch.tensor(_chart(circuit))
    return weights


def _no_chart(circuit: Circuit) -> str:
    """Why a circuit has no chart; empty if it has one."""
    if circuit.decoder_layers == 0:
        return "without a quantum decoder, no rotation comes last: expected decoder_layers >= 1"
    if circuit.entangler != "none" and not circuit.mirror:
        return (
            "its entangling layers do not cancel, and carry each coordinate to other qubits: "
            "expected mirror=True or entangler='none'"
        )
    if circuit.initial == "zero" and circuit.embedding == "RY+RZ":
        return (
            "z = 0 leaves each qubit in |0>, on the axis of RZ, so that the second coordinate has "
            "no slope there: expected initial='superposition'"
        )
    return ""


def _chart(circuit: Circuit) -> tuple[float, float, float]:
    """Angles (φ, θ, ω) that turn what is embedded into what is measured.

    By Bloch vectors (⟨X⟩, ⟨Y⟩, ⟨Z⟩): RY RZ on |+⟩ makes (cos t cos u, cos t sin u, -sin t), RY on
    |0⟩ makes (sin t, 0, cos t), RX on |0⟩ makes (0, -sin t, cos t).
    """
    quarter = math.pi / 2
    if circuit.embedding == "RX":
        return quarter, -quarter, 0.0  # ⟨Z⟩ = sin t
    if circuit.initial == "zero":
        return 0.0, -quarter, 0.0  # ⟨Z⟩ = sin t
    if circuit.embedding == "RY":
        return 0.0, 0.0, 0.0  # ⟨Z⟩ = -sin t
    return -quarter, 0.0, 0.0  # ⟨Z⟩ = -sin t, ⟨X⟩ = cos t sin u


def _backend(circuit: Circuit, backend: str | Backend, options: dict[str, Any]) -> Backend:
    if isinstance(backend, str):
        return make_backend(circuit, backend, **options)
    if not callable(backend):
        raise TypeError(f"backend={backend!r}: expected a name or a function of (z, weights)")
    if options:
        raise ValueError(f"a backend made by hand takes no options: got {sorted(options)}")
    own = getattr(backend, "circuit", circuit)
    if own != circuit:
        raise ValueError(f"backend is for another circuit:\n{own}\nexpected one for:\n{circuit}")
    return backend

"""A circuit as a layer of a torch model: the weights, and how they begin."""

from __future__ import annotations

import copy
import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_choice, check_generator, check_instance, check_seed
from vqvae_lib.quantum._checks import check_circuit, check_inputs
from vqvae_lib.quantum.backends import Backend, make_backend
from vqvae_lib.quantum.circuit import Circuit

__all__ = ["QuantumLayer", "initial_weights"]

Init = Literal["random", "passthrough", "noisy_passthrough"]


class QuantumLayer(nn.Module):
    """A trainable circuit between any two layers of a torch model.

    Parameters
    ----------
    circuit
        The circuit to train. `Circuit.for_latent` gives one that suits the default start.
    init
        How the weights begin, see `initial_weights`. In front of a decoder, random weights are a
        bad start: they scramble the code before anything is learnt. With "noisy_passthrough",
        each feature begins as the sine of one coordinate's angle, up to sign and noise.
    backend
        The simulator or device that runs the circuit: "auto" (the fastest exact way),
        "statevector", "compiled", "light_cone" or "pennylane", or a backend of your own, such as
        ``PennyLane(circuit, "lightning.qubit", shots=1000)``.
    generator
        Source of random numbers; None: torch's global one.
    **options
        Further arguments of a backend that is given by name.

    Attributes
    ----------
    weights : Parameter
        `Circuit.weight_shape`, angles in radians.

    Raises
    ------
    ValueError
        If the circuit has no passthrough and `init` is not "random", or the backend cannot run it.

    Examples
    --------
    >>> layer = QuantumLayer(Circuit.for_latent(8, 4))
    >>> layer(torch.zeros(2, 8)).shape
    torch.Size([2, 8])
    >>> exact = layer.to_backend("statevector")
    >>> exact.weights is layer.weights
    True
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        init: Init = "noisy_passthrough",
        backend: str | Backend = "auto",
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.circuit = check_circuit(circuit)
        self.backend = _resolve_backend(circuit, backend, options)
        self.weights = nn.Parameter(initial_weights(circuit, init, generator=generator))

    def forward(self, z: Tensor) -> Tensor:
        """Features of latent vectors.

        It computes in the weights' dtype, whatever z's: under autocast too, whose half precision
        is too coarse for angles. Weights of half precision compute in float32.

        Parameters
        ----------
        z
            (..., d), on the device of the weights.

        Returns
        -------
        Tensor
            (..., m), expectation values between -1 and 1, in the weights' dtype. Where z holds nan
            or inf, they are nan.
        """
        z, weights = check_inputs(self.circuit, z, self.weights, lead=...)
        rows = z if z.ndim == 2 else z.reshape(-1, self.circuit.latent_dim)  # (B, d)
        if not z.is_meta and torch.is_autocast_enabled(z.device.type):
            with torch.autocast(z.device.type, enabled=False):
                features = self.backend(rows, weights)  # (B, m)
        else:
            features = self.backend(rows, weights)
        if z.ndim != 2:
            features = features.reshape(*z.shape[:-1], self.circuit.n_features)
        return features.to(self.weights.dtype)

    def manual_seed(self, seed: int) -> None:
        """Restart the draws of a device with shots; of a backend that draws nothing, do nothing.

        After it, the same calls give the same bits. `PennyLane.manual_seed` names the devices
        whose draws it cannot restart.
        """
        check_seed("seed", seed)
        if restart := getattr(self.backend, "manual_seed", None):
            restart(seed)

    def to_backend(self, backend: str | Backend, **options: Any) -> QuantumLayer:
        """Make a layer that runs on another backend and shares this one's weights.

        Parameters
        ----------
        backend, **options
            As for the layer itself.

        Returns
        -------
        QuantumLayer
            A second layer; this one stays as it is. The weights are the same `Parameter`, so that
            training either of the two trains both.
        """
        twin = copy.copy(self)
        for name, table in vars(self).items():  # the weights are shared; no table, of hooks say, is
            if isinstance(table, dict):
                setattr(twin, name, table.copy())
        twin.backend = _resolve_backend(self.circuit, backend, options)
        return twin

    def extra_repr(self) -> str:
        """Describe the circuit and the backend when the layer is printed."""
        backend = self.backend
        says_more = type(backend).__str__ is not object.__str__
        return f"{self.circuit}\nbackend {backend if says_more else backend.name}"


def initial_weights(
    circuit: Circuit,
    init: Init = "noisy_passthrough",
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Make the angles with which training begins.

    Parameters
    ----------
    circuit
        Settles how many there are, and whether it has a passthrough.
    init
        - "random": uniform in [0, 2π), as PennyLane draws them.
        - "passthrough": each qubit's features are functions of its own coordinates, with a slope
          in each. For circuits whose entangling layers cancel: all angles are zero (Grant et al.
          2019, arXiv:1903.05076) but those of the last Rot, which turn what was embedded to where
          it is read. From the uniform superposition, the angles t and u of a qubit give
          ⟨Z⟩ = -sin t and ⟨X⟩ = cos t sin u, to first order -t and u. (With re-uploading, t and u
          are sums over the uploads, to first order again. With ``readout="Z"``, u is not read.)
        - "noisy_passthrough": the same with N(0, 0.1²) added to every angle.
    generator
        Source of random numbers; None: torch's global one.

    Returns
    -------
    Tensor
        `Circuit.weight_shape`, in torch's default dtype.

    Raises
    ------
    ValueError
        If there is no such start, or the circuit has no passthrough.
    """
    check_circuit(circuit)
    check_choice("init", init, get_args(Init))
    if generator is not None:
        check_generator("generator", generator)
    shape = circuit.weight_shape
    if init == "random":
        return 2 * math.pi * torch.rand(shape, generator=generator)
    if obstacle := _find_obstacle(circuit):
        raise ValueError(f"init={init!r} does not fit this circuit: {obstacle}, or init='random'")
    weights = torch.zeros(shape)
    if init == "noisy_passthrough":
        weights = 0.1 * torch.randn(shape, generator=generator)
    weights[-1] += torch.tensor(_reading_angles(circuit))
    return weights


def _find_obstacle(circuit: Circuit) -> str:
    """Say why a circuit has no passthrough, and the way out; empty if it has one."""
    if circuit.decoder_layers == 0:
        return "it has no quantum decoder, whose Rot would come last. Use decoder_layers=1 or more"
    if circuit.entangler != "none" and not circuit.mirror:
        return (
            "its entangling layers do not cancel and carry each coordinate to other qubits. Use "
            "mirror=True, entangler='none'"
        )
    if circuit.initial == "zero" and circuit.embedding == "RY+RZ":
        return (
            "z = 0 leaves each qubit in |0>, on the axis of RZ, so the second coordinate has no "
            "slope there. Use initial='superposition'"
        )
    return ""


def _reading_angles(circuit: Circuit) -> tuple[float, float, float]:
    """Angles (φ, θ, ω) of a Rot that turns what is embedded to where it is measured.

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


def _resolve_backend(circuit: Circuit, backend: str | Backend, options: dict[str, Any]) -> Backend:
    """Make the backend of a name, or check one that came whole."""
    if isinstance(backend, str):
        return make_backend(circuit, backend, **options)
    expected = "a name, or a backend with circuit, name and a call of (z, weights)"
    check_instance("backend", backend, Backend, expected)
    if options:
        raise TypeError(f"a backend that is already made takes no options: got {sorted(options)}")
    if backend.circuit != circuit:
        raise ValueError(
            f"backend is for another circuit:\n{backend.circuit}\nexpected one for:\n{circuit}"
        )
    return backend

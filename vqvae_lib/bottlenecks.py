"""What may stand between code and decoder: the circuit, and the twins it is compared with.

Each maps z (B, d) to features (B, m), d and m as the circuit has them, so that nothing else in the
model changes: an ablation is another bottleneck.

===============  ================================================================================
"quantum"        the circuit
"separable"      the circuit without its entangling gates: n qubits, each for itself
"frozen"         the circuit, its angles left as they begin
"patched"        several smaller circuits side by side, each with its own part of z
"fourier"        a trained linear combination of the circuit's own Fourier functions, without a
                 circuit; it begins as the circuit does (of many qubits: nearly)
"mlp"            a hidden layer of about as many numbers as the circuit has angles
"linear"         a matrix
"tanh"           each coordinate squashed into the range that a qubit's feature has
"none"           nothing: the VAE of chapter 3
===============  ================================================================================

Where m = d, all of them begin near the identity, as the circuit does with its chart, up to the
signs of coordinates: a circuit's ⟨Z⟩ begins at -z, and the prior does not mind.
"""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_count
from vqvae_lib.networks import mlp
from vqvae_lib.quantum import Circuit, QuantumLayer
from vqvae_lib.quantum.layer import Init

__all__ = ["Fourier", "ParameterCount", "Patched", "Scaled", "count_parameters", "make_bottleneck"]

Kind = Literal[
    "quantum", "separable", "frozen", "patched", "fourier", "mlp", "linear", "tanh", "none"
]


def make_bottleneck(
    kind: Kind,
    circuit: Circuit,
    *,
    init: Init | None = None,
    scale_features: bool = True,
    backend: Any = "auto",
    patches: int | None = None,
    **options: Any,
) -> nn.Module:
    """Make one of the bottlenecks above.

    Parameters
    ----------
    kind
        Which.
    circuit
        The circuit, which also says d and m to those that have none.
    init
        How a circuit's angles begin, see `vqvae_lib.quantum.layer.initial_weights`. None: the
        chart where the circuit has one, else random.
    scale_features
        Whether features between -1 and 1 are multiplied by learned numbers, one for each, which
        begin at 1/a. With the angle scale a and the chart, a feature is ±a·z to first order: so
        scaled, the decoder is first given z itself, up to signs.
    backend, **options
        Of the circuit, as for `QuantumLayer`.
    patches
        For "patched", and for it alone: into how many circuits the qubits are divided.

    Returns
    -------
    torch.nn.Module
        (B, d) -> (B, m).

    Raises
    ------
    ValueError
        If there is no such kind, it needs m = d and the circuit has another m, or `patches` does
        not divide the qubits.
    """
    if kind not in get_args(Kind):
        listed = ", ".join(repr(known) for known in get_args(Kind))
        raise ValueError(f"bottleneck={kind!r}: expected one of {listed}")
    if (kind == "patched") != (patches is not None):
        raise ValueError(
            f"bottleneck={kind!r} with patches={patches!r}: expected patches with 'patched', and "
            "with it alone"
        )
    d, m, a = circuit.latent_dim, circuit.n_features, circuit.angle_scale
    assert d is not None
    if kind in ("none", "tanh") and d != m:
        raise ValueError(
            f"bottleneck={kind!r} gives as many numbers as it takes, {d}, and this circuit has "
            f"{m} features: expected readout='ZX' with two angles a qubit, or 'Z' with one"
        )
    if kind == "separable":
        circuit = replace(circuit, entangler="none", mirror=False)
    if kind in ("quantum", "separable", "frozen"):
        layer: nn.Module = QuantumLayer(circuit, backend, init=init, **options)
        layer.requires_grad_(kind != "frozen")
    elif patches is not None:
        layer = Patched(circuit, patches, backend, init=init, **options)
    elif kind == "fourier":
        layer = Fourier(QuantumLayer(circuit, backend, init=init))
    elif kind == "tanh":
        layer = _Tanh(a)
    else:
        return _classical(kind, circuit)
    return Scaled(layer, m, 1 / a) if scale_features else layer


def _classical(kind: str, circuit: Circuit) -> nn.Module:
    """Make one of the bottlenecks that know nothing of angles."""
    d, m = circuit.latent_dim or 0, circuit.n_features
    if kind == "none":
        return nn.Identity()
    if kind == "linear":
        linear = nn.Linear(d, m)
        if d == m:
            with torch.no_grad():
                linear.weight.copy_(torch.eye(d) + 0.1 * torch.randn(d, d))
                linear.bias.zero_()
        return linear
    angles = math.prod(circuit.weight_shape)
    hidden = max(1, round((angles - m) / (d + m + 1)))  # weights and biases of both layers
    return _NearIdentity(mlp([d, hidden, m])) if d == m else mlp([d, hidden, m])


class Scaled(nn.Module):
    """A layer whose outputs are multiplied by learned numbers.

    Parameters
    ----------
    layer
        (B, d) -> (B, m).
    m
        Number of its outputs.
    start
        What the numbers begin with.
    """

    def __init__(self, layer: nn.Module, m: int, start: float) -> None:
        super().__init__()
        self.layer = layer
        self.scale = nn.Parameter(torch.full((m,), float(start)))

    def forward(self, z: Tensor) -> Tensor:
        """(B, d) -> (B, m)."""
        return self.scale * self.layer(z)


class Patched(nn.Module):
    """Circuits side by side, with no gate between them: each is given its own part of z.

    n qubits become P circuits of n/P. Together they are one circuit of n qubits that has no gate
    across the borders, so that a state of n/P qubits is all that a simulator, or a small device,
    ever holds. What the borders cost is that no feature depends on z of two patches.

    Parameters
    ----------
    circuit
        That of all n qubits, which the patches take after.
    patches
        How many, P; a divisor of n.
    backend, init, **options
        Of every patch, as for `QuantumLayer`.

    Raises
    ------
    ValueError
        If the qubits cannot be divided into so many equal parts.
    """

    def __init__(
        self,
        circuit: Circuit,
        patches: int,
        backend: Any = "auto",
        *,
        init: Init | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        check_count("patches", patches)
        n, d = circuit.n_qubits, circuit.latent_dim
        if n % patches:
            raise ValueError(f"patches={patches} does not divide n_qubits={n} into equal parts")
        assert d is not None
        part = replace(circuit, n_qubits=n // patches, latent_dim=d // patches)
        self.layers = nn.ModuleList(
            QuantumLayer(part, backend, init=init, **options) for _ in range(patches)
        )

    def forward(self, z: Tensor) -> Tensor:
        """(B, d) -> (B, m), both in the order of the patches."""
        if z.shape[-1] % len(self.layers):
            raise ValueError(
                f"z has shape {tuple(z.shape)}: expected (B, d), d a multiple of "
                f"{len(self.layers)}, the number of patches"
            )
        parts = z.chunk(len(self.layers), dim=-1)  # P times (B, d / P)
        features = [layer(part) for layer, part in zip(self.layers, parts, strict=True)]
        return torch.cat(features, dim=-1)  # P times (B, m / P) -> (B, m)


class _NearIdentity(nn.Module):
    """z plus what a network adds, which begins at a tenth of what the network would give."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            for parameter in network[-1].parameters():
                parameter.mul_(0.1)

    def forward(self, z: Tensor) -> Tensor:
        return z + self.network(z)


class _Tanh(nn.Module):
    """tanh(a z): between -1 and 1, with slope a at 0, as a qubit's feature has."""

    def __init__(self, angle_scale: float) -> None:
        super().__init__()
        self.angle_scale = angle_scale

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.angle_scale * z)

    def extra_repr(self) -> str:
        return f"angle_scale={self.angle_scale:g}"


class Fourier(nn.Module):
    """Trigonometric functions of z, linearly combined: what a circuit can say, without a circuit.

    Every feature of a circuit that takes z once is a combination of the products, over the
    qubits, of a few functions each of the qubit's own angles t and u (Schuld, Sweke and Meyer
    2021, arXiv:2008.08605): 1, cos t, sin t with one angle, 1, sin t, cos t cos u, cos t sin u
    with two, so 3^n or 4^n functions. With re-uploading, they are the products over coordinates
    of 1, cos kt, sin kt up to k = L. The weights begin where a least-squares fit finds the
    circuit's features.

    Parameters
    ----------
    layer
        The circuit, and the weights with which the fit is made.
    max_functions
        Above this number not all products are taken, but first those with the fewest factors, in
        an order that is always the same.
    seed
        Of the points of the fit.

    Attributes
    ----------
    exact : bool
        Whether all products are there.
    """

    def __init__(self, layer: QuantumLayer, *, max_functions: int = 1024, seed: int = 0) -> None:
        super().__init__()
        check_count("max_functions", max_functions)
        circuit = layer.circuit
        self.circuit = circuit
        places, each = self._sizes()
        self.exact = each**places <= max_functions
        choice = _products(places, each, max_functions)
        self.choice: Tensor
        self.register_buffer("choice", torch.tensor(choice))  # (F, places)
        self.combine = nn.Linear(len(choice), circuit.n_features, bias=False)
        generator = torch.Generator().manual_seed(seed)
        rows = 2 * len(choice)
        z = torch.rand(rows, circuit.latent_dim or 0, generator=generator, dtype=torch.float64)
        z = (2 * z - 1) * math.pi / abs(circuit.angle_scale)  # one period
        with torch.no_grad():
            features = layer.backend(z, layer.weights.double())
            fitted = torch.linalg.lstsq(self.functions(z), features).solution  # (F, m)
            self.combine.weight.copy_(fitted.T)

    def _sizes(self) -> tuple[int, int]:
        """How many factors a product has, and between how many functions each is chosen."""
        circuit = self.circuit
        if circuit.reupload:
            return circuit.latent_dim or 0, 2 * circuit.space_layers + 1
        return circuit.n_qubits, 2 + circuit.angles_per_qubit

    def functions(self, z: Tensor) -> Tensor:
        """Evaluate the products: (B, d) -> (B, F)."""
        t = self.circuit.angle_scale * z  # (B, d)
        one = torch.ones_like(t)
        if self.circuit.reupload:
            waves = [f(k * t) for k in range(1, self.circuit.space_layers + 1) for f in _WAVES]
            factors = torch.stack([one, *waves], 2)  # (B, d, 2 L + 1)
        elif self.circuit.angles_per_qubit == 1:
            factors = torch.stack([one, t.cos(), t.sin()], 2)  # (B, n, 3)
        else:
            t, u = t.reshape(len(z), -1, 2).unbind(2)  # (B, n) each
            pole, side = (t.sin(), t.cos())
            if self.circuit.initial == "zero":
                pole, side = side, pole
            factors = torch.stack([one[:, ::2], pole, side * u.cos(), side * u.sin()], 2)
        value = factors[:, 0, self.choice[:, 0]]  # (B, F)
        for place in range(1, factors.shape[1]):
            value = value * factors[:, place, self.choice[:, place]]
        return value

    def forward(self, z: Tensor) -> Tensor:
        """(B, d) -> (B, m)."""
        return self.combine(self.functions(z))

    def extra_repr(self) -> str:
        """Say how many functions there are, and of how many."""
        places, each = self._sizes()
        return f"{len(self.choice)} of {each}^{places} functions"


_WAVES = (torch.cos, torch.sin)


def _products(places: int, each: int, most: int) -> list[tuple[int, ...]]:
    """Which function every product takes at every place, 0 for the constant; the fewest first."""
    found: list[tuple[int, ...]] = []
    for count in range(places + 1):
        for chosen in itertools.combinations(range(places), count):
            for values in itertools.product(range(1, each), repeat=count):
                if len(found) == most:
                    return found
                row = [0] * places
                for place, value in zip(chosen, values, strict=True):
                    row[place] = value
                found.append(tuple(row))
    return found


class ParameterCount(NamedTuple):
    """How many numbers a bottleneck has, and how many of them make a difference.

    Attributes
    ----------
    nominal
        Trained numbers.
    effective
        Directions in which they can be moved so that a feature changes somewhere: the rank of the
        features' derivatives, at the given weights.
    """

    nominal: int
    effective: int


def count_parameters(bottleneck: nn.Module, z: Tensor) -> ParameterCount:
    """Count a bottleneck's trained numbers, and those that have an effect.

    An angle may have none: the last RZ before a measurement of Z, an RZ on a qubit that is at a
    pole; or two may have the same, as neighbouring turns about one axis.

    Parameters
    ----------
    bottleneck
        (B, d) -> (B, m).
    z
        Where to look, (B, d); B·m should be well above the number of parameters.

    Returns
    -------
    ParameterCount
        ``nominal``, ``effective``.

    Raises
    ------
    ValueError
        If B·m is not above the number of parameters: the rank could not be seen.
    """
    trained = [p for p in bottleneck.parameters() if p.requires_grad]
    nominal = sum(p.numel() for p in trained)
    if not nominal:
        return ParameterCount(0, 0)
    twin = _double(bottleneck)
    weights = [p for p in twin.parameters() if p.requires_grad]
    features = twin(z.double())  # (B, m)
    if features.numel() <= nominal:
        raise ValueError(
            f"z has {len(z)} rows, which make {features.numel()} features: expected more than "
            f"the {nominal} parameters"
        )
    # As many random combinations of all features as there are parameters, and a few more, have
    # the rank of all their derivatives.
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(nominal + 5):
        mix = torch.randn(features.shape, generator=generator, dtype=features.dtype)
        slopes = torch.autograd.grad(
            features, weights, mix, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    values = torch.linalg.svdvals(torch.stack(rows))
    return ParameterCount(nominal, int((values > 1e-9 * values[0]).sum()))


def _double(module: nn.Module) -> nn.Module:
    """Copy a module, in double precision."""
    return copy.deepcopy(module).double()

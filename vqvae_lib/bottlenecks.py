"""What may stand between code and decoder: the circuit, and the twins it is compared with.

Each maps z (B, d) to features (B, m), with the circuit's d and m, so that nothing else in the model
changes: an ablation is another bottleneck.

===============  ================================================================================
"quantum"        the circuit
"separable"      the circuit without its entangling gates: n qubits, each on its own
"frozen"         the circuit, its angles left as they begin
"patched"        several smaller circuits side by side, each with its own part of z
"fourier"        a trained linear combination of the circuit's own Fourier functions, without a
                 circuit; it begins where the circuit does (with many qubits: nearly)
"mlp"            a hidden layer with about as many numbers as the circuit has angles
"linear"         a matrix
"tanh"           each coordinate squashed into the range of a qubit's feature
"none"           nothing: the VAE of chapter 3
===============  ================================================================================

Where m = d, all of them begin near the identity, as the circuit does with its noisy passthrough, up
to the signs of coordinates: a circuit's ⟨Z⟩ begins at -z, which is all the same to the prior.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from vqvae_lib._checks import (
    check_choice,
    check_count,
    check_flag,
    check_instance,
    check_number,
    check_seed,
    check_tensor,
)
from vqvae_lib.networks import find_weight, mlp
from vqvae_lib.quantum import Backend, Circuit, QuantumLayer
from vqvae_lib.quantum.layer import Init

__all__ = [
    "Fourier",
    "Kind",
    "ParameterCount",
    "Patched",
    "Scaled",
    "count_parameters",
    "make_bottleneck",
]

Kind = Literal[
    "quantum", "separable", "frozen", "patched", "fourier", "mlp", "linear", "tanh", "none"
]


def make_bottleneck(
    kind: Kind,
    circuit: Circuit,
    *,
    init: Init = "noisy_passthrough",
    backend: str | Backend = "auto",
    patches: int | None = None,
    scale_features: bool = True,
    **options: Any,
) -> nn.Module:
    """Make one of the bottlenecks above.

    Parameters
    ----------
    kind
        A name from the table.
    circuit
        What the quantum kinds run; to the others it lends its d, m and angle scale.
    init, backend, **options
        For the circuit, as in `QuantumLayer`.
    patches
        For "patched", and for it alone: how many circuits share the qubits.
    scale_features
        Whether features between -1 and 1 are multiplied by learned numbers, one each, which begin
        at 1/a. With the angle scale a and a passthrough, a feature is ±a·z to first order: scaled
        like this, the decoder first sees z itself, up to signs.

    Returns
    -------
    torch.nn.Module
        (B, d) -> (B, m).

    Raises
    ------
    ValueError
        If there is no such kind, it needs m = d and the circuit has another m, or `patches` does
        not fit.
    """
    check_choice("bottleneck", kind, get_args(Kind))
    check_instance("circuit", circuit, Circuit, "a Circuit")
    scale_features = check_flag("scale_features", scale_features)
    if kind != "patched" and patches is not None:
        raise ValueError(
            f"bottleneck={kind!r} with patches={patches!r}: expected patches only with 'patched'"
        )
    d, m, a = circuit.latent_dim, circuit.n_features, circuit.angle_scale
    if kind in ("none", "tanh") and d != m:
        raise ValueError(
            f"bottleneck={kind!r} gives as many numbers as it takes, {d}, and this circuit has "
            f"{m} features: expected readout='ZX' with two angles per qubit, or 'Z' with one"
        )
    quantum: dict[str, Any] = {"init": init, "backend": backend, **options}
    layer: nn.Module
    match kind:
        case "none":
            return nn.Identity()
        case "linear":
            return _make_linear(d, m)
        case "mlp":
            return _make_mlp(d, m, n_parameters=math.prod(circuit.weight_shape))
        case "tanh":
            layer = _Tanh(a)
        case "fourier":
            layer = Fourier(QuantumLayer(circuit, **quantum))
        case "patched":
            layer = Patched(circuit, check_count("patches", patches), **quantum)
        case "separable":
            layer = QuantumLayer(replace(circuit, entangler="none", mirror=False), **quantum)
        case "frozen":
            layer = QuantumLayer(circuit, **quantum).requires_grad_(False)
        case _:
            layer = QuantumLayer(circuit, **quantum)
    return Scaled(layer, m, 1 / a) if scale_features else layer


def _make_linear(d: int, m: int) -> nn.Linear:
    """Make a matrix: near the identity where it is square, as torch draws it otherwise."""
    linear = nn.Linear(d, m)
    if d == m:
        with torch.no_grad():
            linear.weight.copy_(torch.eye(d) + 0.1 * torch.randn(d, d))
            linear.bias.zero_()
    return linear


def _make_mlp(d: int, m: int, *, n_parameters: int) -> nn.Module:
    """Make a network with one hidden layer and about so many weights and biases."""
    hidden = max(1, round((n_parameters - m) / (d + m + 1)))
    network = mlp([d, hidden, m])
    return _NearIdentity(network) if d == m else network


class Scaled(nn.Module):
    """A layer with its outputs multiplied by learned numbers.

    Parameters
    ----------
    layer
        (B, d) -> (B, m).
    m
        Number of its outputs.
    start
        Where all the numbers begin.
    """

    def __init__(self, layer: nn.Module, m: int, start: float) -> None:
        super().__init__()
        self.layer = check_instance("layer", layer, nn.Module, "a torch.nn.Module")
        m = check_count("m", m)
        self.scale = nn.Parameter(torch.full((m,), check_number("start", start)))

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this layer again, for files."""
        return {"layer": self.layer, "m": len(self.scale), "start": 1.0}

    def forward(self, z: Tensor) -> Tensor:
        """(B, d) -> (B, m)."""
        z = check_tensor("z", z, (..., "d"), like=self.scale)
        features = self.layer(z)
        return self.scale * check_tensor("layer's output", features, (..., len(self.scale)))


class Patched(nn.Module):
    """Circuits side by side, with no gate between them: each takes its own part of z.

    n qubits become P circuits of n/P. Together they are one circuit of n qubits without a gate
    across the borders, so a simulator, or a small device, never has to hold more than a state of
    n/P qubits. The price is that no feature depends on coordinates from two patches.

    Parameters
    ----------
    circuit
        The one on all n qubits; patches differ from it only in size.
    patches
        How many, P; a divisor of n.
    init, backend, **options
        For every patch, as in `QuantumLayer`.

    Raises
    ------
    ValueError
        If `patches` does not divide the qubits into equal parts.
    """

    def __init__(
        self,
        circuit: Circuit,
        patches: int,
        *,
        init: Init = "noisy_passthrough",
        backend: str | Backend = "auto",
        **options: Any,
    ) -> None:
        super().__init__()
        check_instance("circuit", circuit, Circuit, "a Circuit")
        patches, n = check_count("patches", patches), circuit.n_qubits
        if n % patches:
            raise ValueError(f"patches={patches} does not divide n_qubits={n} into equal parts")
        self.d = circuit.latent_dim
        self.circuit = circuit
        part = replace(circuit, n_qubits=n // patches)
        self.layers = nn.ModuleList(
            QuantumLayer(part, init=init, backend=backend, **_reseed(options, i))
            for i in range(patches)
        )

    def forward(self, z: Tensor) -> Tensor:
        """(B, d) -> (B, m), both in the order of the patches."""
        z = check_tensor("z", z, (..., self.d), like=find_weight(self))
        parts = z.chunk(len(self.layers), dim=-1)  # P times (B, d / P)
        features = [layer(part) for layer, part in zip(self.layers, parts, strict=True)]
        return torch.cat(features, dim=-1)  # P times (B, m / P) -> (B, m)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build these circuits again, for files."""
        return {"circuit": self.circuit, "patches": len(self.layers)}


def _reseed(options: dict[str, Any], i: int) -> dict[str, Any]:
    """Give the i-th of several devices with shots a seed, and so shot noise, of its own."""
    if options.get("shots") is None or options.get("seed", 0) is None:
        return options
    return options | {"seed": check_seed("seed", options.get("seed", 0)) + i}


class _NearIdentity(nn.Module):
    """z plus the output of a network, whose last layer begins at a tenth of its usual size."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            for parameter in network[-1].parameters():
                parameter.mul_(0.1)

    def settings(self) -> dict[str, Any]:
        return {"network": self.network}

    def forward(self, z: Tensor) -> Tensor:
        return z + self.network(z)


class _Tanh(nn.Module):
    """tanh(a z): between -1 and 1 and with slope a at 0, like a qubit's feature."""

    def __init__(self, angle_scale: float) -> None:
        super().__init__()
        self.angle_scale = angle_scale

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.angle_scale * z)

    def settings(self) -> dict[str, Any]:
        return {"angle_scale": self.angle_scale}

    def extra_repr(self) -> str:
        return f"angle_scale={self.angle_scale:g}"


class Fourier(nn.Module):
    """A linear combination of trigonometric functions of z: all a circuit can express, without it.

    Every feature of a circuit that takes z once is a linear combination of products with one
    factor for each qubit, a function of the qubit's own angles t and u (Schuld, Sweke and Meyer
    2021, arXiv:2008.08605): 1, cos t, sin t with one angle, or 1, sin t, cos t cos u, cos t sin u
    with two, so 3^n or 4^n products. With re-uploading there is one factor for each coordinate:
    1, cos kt, sin kt up to k = L. The weights begin at a least-squares fit to the features of the
    circuit.

    Parameters
    ----------
    layer
        The circuit and the weights to which the fit is made.
    max_functions
        Most products to take: those with the fewest factors other than 1 come first, in an order
        that is always the same.
    seed
        For the points of the fit.

    Attributes
    ----------
    exact : bool
        Whether all products are taken.
    """

    def __init__(self, layer: QuantumLayer, *, max_functions: int = 1024, seed: int = 0) -> None:
        super().__init__()
        check_instance("layer", layer, QuantumLayer, "a QuantumLayer")
        self.max_functions = max_functions = check_count("max_functions", max_functions)
        self.circuit = circuit = layer.circuit
        places, each = self._sizes()
        self.exact = each**places <= max_functions
        choice = _list_products(places, each, max_functions)
        self.choice: Tensor
        self.register_buffer("choice", torch.tensor(choice))  # (F, places)
        self.combine = nn.Linear(len(choice), circuit.n_features, bias=False)
        generator = torch.Generator().manual_seed(check_count("seed", seed, least=0))
        if not layer.weights.is_meta:
            self._fit(layer, generator)

    def _fit(self, layer: QuantumLayer, generator: torch.Generator) -> None:
        """Begin with the weights that come closest to a circuit's features."""
        circuit, rows = self.circuit, 2 * len(self.choice)
        z = torch.rand(rows, circuit.latent_dim, generator=generator, dtype=torch.float64)
        z = (2 * z - 1) * math.pi / abs(circuit.angle_scale)  # one period
        with torch.no_grad():
            features = layer.backend(z, layer.weights.double())  # (2 F, m)
            # "gelsd", since torch's default reads memory that nobody has set: its last bits vary.
            fit = torch.linalg.lstsq(self.functions(z), features, driver="gelsd")
            self.combine.weight.copy_(fit.solution.T)  # (F, m)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this layer again, for files."""
        layer = {"name": "QuantumLayer", "circuit": self.circuit}
        return {"layer": layer, "max_functions": self.max_functions}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        choice = _list_products(*self._sizes(), self.max_functions)
        if not self.choice.is_meta and self.choice.tolist() != [list(c) for c in choice]:
            errors: list[str] = args[-1]
            errors.append(f"{prefix}choice lists other functions than this circuit's")

    def _sizes(self) -> tuple[int, int]:
        """Factors of a product, and functions to choose from for each of them."""
        circuit = self.circuit
        if circuit.reupload:
            return circuit.latent_dim, 2 * circuit.space_layers + 1
        return circuit.n_qubits, 2 + circuit.angles_per_qubit

    def functions(self, z: Tensor) -> Tensor:
        """Evaluate the products: (B, d) -> (B, F)."""
        z = check_tensor("z", z, ("B", self.circuit.latent_dim))
        t = self.circuit.angle_scale * z  # (B, d)
        one = torch.ones_like(t)
        if self.circuit.reupload:
            waves = [f(k * t) for k in range(1, self.circuit.space_layers + 1) for f in _WAVES]
            factors = torch.stack([one, *waves], 2)  # (B, d, 2 L + 1)
        elif self.circuit.angles_per_qubit == 1:
            factors = torch.stack([one, t.cos(), t.sin()], 2)  # (B, n, 3)
        else:
            t, u = t.reshape(len(z), self.circuit.n_qubits, 2).unbind(2)  # (B, n) each
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
        z = check_tensor("z", z, ("B", self.circuit.latent_dim), like=self.combine.weight)
        return self.combine(self.functions(z))

    def extra_repr(self) -> str:
        """Say how many of all functions there are when the module is printed."""
        places, each = self._sizes()
        return f"{len(self.choice)} of {each}^{places} functions"


_WAVES = (torch.cos, torch.sin)


def _list_products(places: int, each: int, most: int) -> list[tuple[int, ...]]:
    """List products by the function they take at each place, 0 for the constant; simplest first."""
    return list(itertools.islice(_iterate_products(places, each), most))


def _iterate_products(places: int, each: int) -> Iterator[tuple[int, ...]]:
    for count in range(places + 1):  # factors other than the constant
        for chosen in itertools.combinations(range(places), count):
            for functions in itertools.product(range(1, each), repeat=count):
                product = [0] * places
                for place, function in zip(chosen, functions, strict=True):
                    product[place] = function
                yield tuple(product)


class ParameterCount(NamedTuple):
    """How many numbers a bottleneck trains, and how many of them make a difference.

    Attributes
    ----------
    nominal
        Trained numbers.
    effective
        Independent directions in which moving them changes a feature somewhere: the rank of the
        features' derivatives at the current weights.
    """

    nominal: int
    effective: int


def count_parameters(bottleneck: nn.Module, z: Tensor) -> ParameterCount:
    """Count a bottleneck's trained numbers, and those that have an effect of their own.

    An angle may have no effect, as the last RZ before a measurement of Z, or an RZ on a qubit at a
    pole. Two may have the same effect, as neighbouring turns about one axis.

    Parameters
    ----------
    bottleneck
        (B, d) -> (B, m).
    z
        Points to look at, (B, d); B·m should be well above the number of parameters.

    Raises
    ------
    ValueError
        If B·m is not above the number of parameters, which would hide the rank.
    """
    check_instance("bottleneck", bottleneck, nn.Module, "a torch.nn.Module")
    z = check_tensor("z", z, ("B", "d"), finite=True)
    trained = [p for p in bottleneck.parameters() if p.requires_grad]
    nominal = sum(p.numel() for p in trained)
    if not nominal:
        return ParameterCount(0, 0)
    twin = copy.deepcopy(bottleneck).double()
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

"""Angles in, Fourier series out: a small circuit's feature along one latent coordinate."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.descriptions import describe_circuit, read_numbers
from vqvae_lib.course.words import _
from vqvae_lib.quantum.circuit import Circuit, Embed

__all__ = ["FourierCircuit"]

QUBITS = 4  # what a browser simulates while a slider moves
DEGREE = 8  # what bars have room for on a phone
SEEDS = 2**31


class FourierCircuit(CourseWidget):
    """A feature o_k(z) along one latent coordinate z_j, and its Fourier spectrum.

    The reader turns the angles of one Rot gate at a time, or draws all of them at random. What
    stays is the degree: one frequency for each upload of the coordinate.

    Parameters
    ----------
    circuits : dict of str to Circuit
        The circuits to choose from, by their titles. At most 4 qubits, and 8 uploads.
    alt : str
        What the figure shows, in a sentence.
    feature : int
        Index k of the feature, in the order of each circuit's readout.
    coordinate : int
        Index j of the latent coordinate that runs through one period, from -π/a to π/a.
    weights : dict of str to array (layers, n, 3), optional
        Angles at the start, in radians and modulo 2π, by the circuits' titles. For other circuits
        they are drawn with `seed`, as multiples of π/100.
    seed : int
        Seed of the angles that are drawn; the reader's first random angles have the next one.
    z : dict of str to array (d,), optional
        Latent vectors in which the coordinate is varied, by the circuits' titles; zero by default.

    Raises
    ------
    ValueError
        If there is no circuit, one is too large, an index is out of range for one, a title is
        unknown, or an array has the wrong shape or a number that is not finite.
    TypeError
        If one of them is not a Circuit.
    """

    module: ClassVar[str] = "fourier_circuit"
    summary: ClassVar[tuple[str, ...]] = ("titles", "feature", "coordinate")

    circuits: Any = traitlets.List(help="The circuits, each gate by gate.").tag(sync=True)
    weights: Any = traitlets.List(help="Of each circuit, its angles in radians.").tag(sync=True)
    feature: Any = traitlets.Int(help="Index of the feature.").tag(sync=True)
    coordinate: Any = traitlets.Int(help="Index of the coordinate that is varied.").tag(sync=True)
    seed: Any = traitlets.Int(help="Of the last random angles.").tag(sync=True)
    chosen: Any = traitlets.Int(min=0, help="Index of the shown circuit.").tag(sync=True)
    layer: Any = traitlets.Int(min=0, help="Layer of the gate that is turned.").tag(sync=True)
    qubit: Any = traitlets.Int(min=0, help="Qubit of the gate that is turned.").tag(sync=True)

    def __init__(
        self,
        circuits: Mapping[str, Circuit],
        *,
        alt: str,
        feature: int = 0,
        coordinate: int = 0,
        weights: Mapping[str, Any] | None = None,
        seed: int = 0,
        z: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        if not circuits:
            raise ValueError("circuits: expected at least one, got none")
        seed = check_count("seed", seed, least=0, most=SEEDS - 1)
        for name, arrays in (("weights", weights), ("z", z)):
            for title in arrays or {}:
                if title not in circuits:
                    raise ValueError(
                        f"{name}[{title!r}]: no circuit has this title, expected {list(circuits)}"
                    )
        parts, angles = [], []
        for title, circuit in circuits.items():
            _check_circuit(title, circuit, feature, coordinate)
            shape = circuit.weight_shape
            if weights and title in weights:
                start = read_numbers(f"weights[{title!r}]", weights[title], shape)
            else:
                start = _draw_angles(shape, seed)
            at = torch.zeros(circuit.latent_dim, dtype=torch.float64)
            if z and title in z:
                at = read_numbers(f"z[{title!r}]", z[title], tuple(at.shape))
            parts.append(_describe(title, circuit, at))
            # A turn by 2π only changes the sign of the whole state, which no measurement sees.
            turns = [math.remainder(angle, 2 * math.pi) for angle in start.flatten().tolist()]
            angles.append(torch.tensor(turns, dtype=torch.float64).reshape(shape).tolist())
        super().__init__(
            circuits=parts,
            weights=angles,
            feature=int(feature),
            coordinate=int(coordinate),
            seed=seed,
            chosen=0,
            layer=0,
            qubit=0,
            alt=alt,
            words=_words(),
            **kwargs,
        )

    @property
    def titles(self) -> list[str]:
        """The circuits' titles."""
        return [part["title"] for part in self.circuits]


def _check_circuit(title: str, circuit: object, feature: int, coordinate: int) -> None:
    """Refuse a circuit that the figure cannot show."""
    name = f"circuits[{title!r}]"
    if not isinstance(circuit, Circuit):
        raise TypeError(f"{name}: expected a Circuit, got {type(circuit).__name__}")
    if circuit.n_qubits > QUBITS:
        raise ValueError(f"{name}: expected at most {QUBITS} qubits, got {circuit.n_qubits}")
    if _count_uploads(circuit) > DEGREE:
        raise ValueError(
            f"{name}: expected at most {DEGREE} uploads, got {_count_uploads(circuit)}"
        )
    check_count("feature", feature, least=0, most=circuit.n_features - 1)
    check_count("coordinate", coordinate, least=0, most=circuit.latent_dim - 1)


def _draw_angles(shape: tuple[int, ...], seed: int) -> Tensor:
    """Draw angles from -π to π, in steps that the sliders have."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return math.pi * (200 * uniform - 100).round() / 100


def _count_uploads(circuit: Circuit) -> int:
    """Count the uploads: each coordinate enters once in every one of them."""
    return sum(isinstance(operation, Embed) for operation in circuit.operations())


def _describe(title: str, circuit: Circuit, z: Tensor) -> dict[str, Any]:
    """Describe a circuit, and what the figure says about it."""
    return describe_circuit(circuit) | {
        "title": title,
        "space": circuit.space_layers,
        "degree": _count_uploads(circuit),
        "z": z.tolist(),
    }


def _words() -> dict[str, str]:
    return {
        "circuit": _("Circuit"),
        "curve": _("Feature {feature} while {coordinate} runs through one period."),
        "scale": _("The period is 2π/a, with a\u00a0=\u00a0{scale}."),
        "others": _("The other coordinates stay at {others}."),
        "before": _("before the last change"),
        "range": _("A curve from {low} to {high}."),
        "spectrum": _("Magnitudes |cₖ| of its Fourier coefficients; those of c₋ₖ are the same."),
        "beyond": _("beyond\ndegree {degree}:\nnothing"),
        "gate": _("Rot gate to turn"),
        "layer": _("layer"),
        "space": _("{number} of U"),
        "decoder": _("{number} of V"),
        "qubit": _("qubit"),
        "phi": _("φ of the first RZ"),
        "theta": _("θ of RY"),
        "omega": _("ω of the last RZ"),
        "angle": _("{part} π = {radians} rad"),
        "random": _("Random angles"),
        "zero": _("All angles zero"),
        "degree": _(
            "A Fourier series of degree R = {degree} at most, with 2R + 1 = {count} coefficients."
        ),
        "largest": _("Largest coefficient beyond the degree: {beyond}."),
    }

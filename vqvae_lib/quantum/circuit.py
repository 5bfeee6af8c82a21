r"""The circuit as pure data: the one description from which every backend works.

A circuit turns a latent vector z into m features o, in five stages that carry the names of the
course (:math:`|\psi(z)\rangle = V\,U\,S(z)\,|\text{initial}\rangle`):

==================  =======================================================================
initial state       all qubits 0, or the uniform superposition of all basis states
quantum encoder S   one or two rotations by a·z on every qubit, then `encoder_layers` times
                    an entangling layer
quantum space U     `space_layers` times: a Rot gate on every qubit, an entangling layer
quantum decoder V   `decoder_layers` times: an entangling layer, a Rot gate on every qubit
readout             ⟨Z_i⟩ of every qubit, or ⟨Z_i⟩ and ⟨X_i⟩
==================  =======================================================================

`Circuit.operations` spells this out as a list of three kinds of operation, each of which says all
there is to know about itself. Every backend reads that same list, which is why they agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypedDict, Unpack, get_args

from vqvae_lib._checks import (
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_sequence,
    describe,
)

__all__ = ["Circuit", "Embed", "Entangle", "Operation", "Part", "Rotate"]

Initial = Literal["superposition", "zero"]
Embedding = Literal["RY", "RX", "RY+RZ"]
Entangler = Literal["ring", "brickwork", "none"]
Gate = Literal["CNOT", "CZ"]
Readout = Literal["Z", "ZX"]
Part = Literal["encoder", "space", "decoder"]

_ROTATIONS = ("RX", "RY", "RZ")

# Places where a gate may stand. A description that is larger would take minutes to spell out, and
# memory before anything is computed.
_MOST_PLACES = 10**6


@dataclass(frozen=True)
class Embed:
    """Turn every qubit by its own latent coordinates, one after the other.

    Attributes
    ----------
    gates
        The rotations, such as ("RY", "RZ"); with k of them, qubit i takes the coordinates
        z[k·i], …, z[k·i + k - 1].
    scale
        The scale a: the angles are a·z, in radians.
    """

    gates: tuple[str, ...]
    scale: float

    def __post_init__(self) -> None:
        expected = "names of rotations, such as ('RY', 'RZ')"
        names = check_sequence("gates", self.gates, expected, least=1)
        for i, name in enumerate(names):
            check_choice(f"gates[{i}]", name, _ROTATIONS)
        _set(self, gates=names, scale=check_number("scale", self.scale))


@dataclass(frozen=True)
class Rotate:
    """Rot(φ, θ, ω) = RZ(ω) RY(θ) RZ(φ) on every qubit, with the angles ``weights[row]``."""

    row: int

    def __post_init__(self) -> None:
        _set(self, row=check_count("row", self.row, least=0))


@dataclass(frozen=True)
class Entangle:
    """A two-qubit gate on each of `pairs`, in this order; the first of a pair is the control."""

    pairs: tuple[tuple[int, int], ...]
    gate: Gate = "CNOT"

    def __post_init__(self) -> None:
        check_choice("gate", self.gate, get_args(Gate))
        pairs = check_sequence("pairs", self.pairs, "pairs of qubits, such as ((0, 1), (2, 3))")
        _set(self, pairs=tuple(_check_pair(pair) for pair in pairs))

    def inverse(self) -> Entangle:
        """Undo this layer: CNOT and CZ are their own inverses, so reverse the order."""
        return Entangle(self.pairs[::-1], self.gate)


Operation = Embed | Rotate | Entangle


def _check_pair(pair: Any) -> tuple[int, int]:
    """Return control and target of a gate: two different qubits."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"pairs holds {describe(pair)}: expected pairs of qubits, such as (0, 1)")
    control, target = (check_count("a qubit of pairs", qubit, least=0) for qubit in pair)
    if control == target:
        raise ValueError(f"pairs holds ({control}, {target}): expected two different qubits")
    return control, target


def _set(frozen: object, **values: Any) -> None:
    """Set what the checks have made of the fields: of NumPy's numbers Python's, of lists tuples."""
    for name, value in values.items():
        object.__setattr__(frozen, name, value)


@dataclass(frozen=True)
class _Slot:
    """A place for an entangling layer; a ring put there joins each qubit i to i + reach."""

    reach: int


class Settings(TypedDict, total=False):
    """The settings of a `Circuit` besides its number of qubits, with their types."""

    initial: Initial
    embedding: Embedding
    angle_scale: float
    entangler: Entangler
    gate: Gate
    encoder_layers: int
    space_layers: int
    decoder_layers: int
    reupload: bool
    readout: Readout
    mirror: bool


@dataclass(frozen=True)
class Circuit:
    """A parametrised circuit from latent vectors to features.

    Two circuits with the same settings are equal. `dataclasses.replace` makes a variant, and
    `Circuit.for_latent` the one that the course recommends for a latent space.

    Parameters
    ----------
    n_qubits
        Number n of qubits.
    initial
        "superposition" for the uniform superposition, "zero" for all qubits 0.
    embedding
        "RY+RZ" (latent dimension 2n: qubit i turns by z[2i], then by z[2i + 1]), or "RY" or "RX"
        (latent dimension n).
    angle_scale
        The scale a; qubits turn by the angle a·z, in radians.
    entangler
        What one entangling layer is:

        - "brickwork": gates between neighbours, on the even pairs (0,1), (2,3), … and on the odd
          pairs (1,2), (3,4), … in turn, counted from the encoder's first layer.
        - "ring": a gate from every qubit i to qubit i + r. The range r is that of PennyLane's
          StronglyEntanglingLayers, 1, 2, …, n - 1, 1, … from layer to layer, counted through
          space and decoder; the encoder's layers have r = 1.
        - "none": nothing.
    gate
        The entangling gate, "CNOT" or "CZ".
    encoder_layers, space_layers, decoder_layers
        Number of layers in each of the three parts.
    reupload
        Whether the quantum encoder is repeated before every layer of the quantum space.
    readout
        "Z" for the n features ⟨Z_i⟩; "ZX" for 2n, in the order ⟨Z_0⟩, ⟨X_0⟩, ⟨Z_1⟩, …, which is
        the order in which "RY+RZ" takes its coordinates.
    mirror
        Whether the second half of the entangling layers undoes the first, so that with all Rot
        angles zero only the embedding is left. Starting near the identity needs this. Only the
        first half is then built as `entangler` says; the second is its reverse, so that four
        layers of bricks come as even, odd, odd, even.

    Raises
    ------
    ValueError
        If an option is unknown or two options exclude each other; the message says why.

    Examples
    --------
    >>> circuit = Circuit(10)
    >>> circuit.latent_dim, circuit.n_features, circuit.weight_shape
    (20, 20, (3, 10, 3))
    >>> print(circuit)
    10 qubits in uniform superposition, 20 latent coordinates -> 20 features
      quantum encoder  RY(1 z[2i]) RZ(1 z[2i+1]) on each qubit, 1 brickwork layer of CNOT
      quantum space    2 x (Rot on each qubit, brickwork layer of CNOT)
      quantum decoder  1 x (brickwork layer of CNOT, Rot on each qubit)
      readout          <Z>, <X> of each qubit, from at most 8 qubits
      weights          (3, 10, 3): 90 angles
    """

    n_qubits: int
    _: KW_ONLY
    initial: Initial = "superposition"
    embedding: Embedding = "RY+RZ"
    angle_scale: float = 1.0
    entangler: Entangler = "brickwork"
    gate: Gate = "CNOT"
    encoder_layers: int = 1
    space_layers: int = 2
    decoder_layers: int = 1
    reupload: bool = False
    readout: Readout = "ZX"
    mirror: bool = False

    # ------------------------------------------------------------------------- factories

    @classmethod
    def for_latent(cls, latent_dim: int, n_qubits: int, **options: Unpack[Settings]) -> Circuit:
        """Make the circuit that the course recommends between a VAE's latent space and decoder.

        It returns as many features as it takes coordinates: ⟨Z⟩ of each qubit with one coordinate
        per qubit, ⟨Z⟩ and ⟨X⟩ with two. Angles are scaled by 0.3, so that a latent vector from
        N(0, 1) stays within a fraction of a turn. And it is mirrored wherever it can be: where the
        number of entangling layers is even and the data are not re-uploaded.

        Parameters
        ----------
        latent_dim
            Latent dimension d, n (one coordinate per qubit) or 2n (two).
        n_qubits
            Number n of qubits.
        **options
            Any of `Circuit`'s settings, which then replace the recommended ones.

        Raises
        ------
        TypeError
            If an option is not a setting of `Circuit`.
        ValueError
            If the latent dimension does not fit the qubits or the embedding.

        Examples
        --------
        >>> Circuit.for_latent(8, 4) == Circuit(4, angle_scale=0.3, mirror=True)
        True
        """
        names = sorted(Settings.__annotations__)
        if unknown := sorted(set(options) - set(names)):
            raise TypeError(f"{', '.join(unknown)}: expected a setting of Circuit: {names}")
        n = check_count("n_qubits", n_qubits)
        d = check_count("latent_dim", latent_dim)
        if d not in (n, 2 * n):
            raise ValueError(
                f"latent_dim={d} does not fit {n} qubits: expected {n} (one coordinate "
                f"per qubit) or {2 * n} (two)"
            )
        recommended: Settings = {
            "angle_scale": 0.3,
            "embedding": "RY" if d == n else "RY+RZ",
            "readout": "Z" if d == n else "ZX",
        }
        circuit = cls(n, **(recommended | options))
        if circuit.latent_dim != d:
            raise ValueError(
                f"embedding={circuit.embedding!r} on {n} qubits takes {circuit.latent_dim} "
                f"coordinates: expected latent_dim={circuit.latent_dim}, got {d}"
            )
        if "mirror" not in options:
            circuit = replace(circuit, mirror=not circuit._mirror_obstacle)
        return circuit

    @classmethod
    def strongly_entangling(
        cls, n_qubits: int, layers: int, *, angle_scale: float = 1.0, reupload: bool = False
    ) -> Circuit:
        """Make PennyLane's AngleEmbedding followed by StronglyEntanglingLayers, read out in Z."""
        layers = check_count("layers", layers)
        return cls(
            n_qubits,
            initial="zero",
            embedding="RX",
            angle_scale=angle_scale,
            entangler="ring",
            encoder_layers=0,
            space_layers=layers,
            decoder_layers=0,
            reupload=reupload,
            readout="Z",
        )

    # ---------------------------------------------------------------------------- checks

    def __post_init__(self) -> None:
        _set(
            self,
            n_qubits=check_count("n_qubits", self.n_qubits),
            initial=check_choice("initial", self.initial, get_args(Initial)),
            embedding=check_choice("embedding", self.embedding, get_args(Embedding)),
            angle_scale=check_number("angle_scale", self.angle_scale),
            entangler=check_choice("entangler", self.entangler, get_args(Entangler)),
            gate=check_choice("gate", self.gate, get_args(Gate)),
            encoder_layers=check_count("encoder_layers", self.encoder_layers, least=0),
            space_layers=check_count("space_layers", self.space_layers, least=0),
            decoder_layers=check_count("decoder_layers", self.decoder_layers, least=0),
            reupload=check_flag("reupload", self.reupload),
            readout=check_choice("readout", self.readout, get_args(Readout)),
            mirror=check_flag("mirror", self.mirror),
        )
        self._check_sense()

    def _check_sense(self) -> None:
        """Refuse settings with which the circuit would make no sense."""
        if self.angle_scale == 0:
            raise ValueError(
                "angle_scale=0.0 turns every coordinate into the angle 0: expected another number"
            )
        if self.embedding == "RX" and self.initial == "superposition":
            lost = "the first upload" if self.reupload else "all data"
            raise ValueError(
                "embedding='RX' does nothing on initial='superposition': H|0⟩ is an eigenstate "
                f"of RX, so {lost} would be lost. Use embedding='RY' or initial='zero'"
            )
        if self.space_layers + self.decoder_layers == 0:
            raise ValueError(
                "space_layers=0 and decoder_layers=0 leave no trainable gate: expected at least "
                "one layer in either"
            )
        if self.reupload and self.space_layers == 0:
            raise ValueError(
                "reupload=True repeats the quantum encoder before each layer of the quantum "
                "space, and space_layers=0: expected at least 1"
            )
        if self.mirror and self._mirror_obstacle:
            raise ValueError(f"mirror=True does not fit: {self._mirror_obstacle}")
        uploads = self.space_layers if self.reupload else 1
        layers = uploads * (1 + self.encoder_layers) + 2 * (self.space_layers + self.decoder_layers)
        if (places := self.n_qubits * layers) > _MOST_PLACES:
            raise ValueError(
                f"n_qubits={self.n_qubits} times {layers} layers of rotations and entangling gates "
                f"are {places} places for gates: expected at most {_MOST_PLACES}"
            )

    @property
    def _mirror_obstacle(self) -> str:
        """Reason why the entangling layers cannot cancel in pairs; empty if they can."""
        if self.reupload:
            return (
                "with reupload=True, data rotations stand between the entangling layers, which "
                "then cannot cancel"
            )
        layers = self.encoder_layers + self.space_layers + self.decoder_layers
        if layers % 2:
            return (
                "it pairs up entangling layers, and encoder_layers + space_layers + "
                f"decoder_layers = {layers} is odd: expected an even sum"
            )
        return ""

    # ----------------------------------------------------------------------------- sizes

    @property
    def angles_per_qubit(self) -> int:
        """Number of latent coordinates that each qubit takes, 1 or 2."""
        return self.embedding.count("+") + 1

    @property
    def latent_dim(self) -> int:
        """Latent dimension d: how many coordinates the circuit takes."""
        return self.angles_per_qubit * self.n_qubits

    @property
    def n_features(self) -> int:
        """Number m of features."""
        return len(self.readout) * self.n_qubits

    @property
    def weight_shape(self) -> tuple[int, int, int]:
        """Shape of the weights: (layers, n, 3), the space's layers before the decoder's.

        The last axis holds the angles φ, θ, ω of Rot = RZ(ω) RY(θ) RZ(φ), in radians.
        """
        return self.space_layers + self.decoder_layers, self.n_qubits, 3

    # ------------------------------------------------------------------------ operations

    def operations(self, part: Part | None = None) -> list[Operation]:
        """Spell out the circuit between initial state and readout, or one of its three parts.

        With re-uploading, the encoder's repetitions belong to the space, between its layers.
        """
        if part is not None:
            check_choice("part", part, get_args(Part))
        return [operation for owner, operation in self._operations if part in (None, owner)]

    @cached_property
    def _operations(self) -> list[tuple[Part, Operation]]:
        """All operations with the part they belong to: the skeleton, its slots filled."""
        skeleton = list(self._skeleton())
        layers = iter(self._fill([item for _, item in skeleton if isinstance(item, _Slot)]))
        operations: list[tuple[Part, Operation]] = []
        for part, item in skeleton:
            operation = next(layers) if isinstance(item, _Slot) else item
            # An entangling layer without gates ("none", or a single qubit) leaves no operation.
            if not isinstance(operation, Entangle) or operation.pairs:
                operations.append((part, operation))
        return operations

    def _skeleton(self) -> Iterator[tuple[Part, Embed | Rotate | _Slot]]:
        """Everything in the order in which it acts, with slots for the entangling layers."""
        encoder: list[Embed | _Slot] = [self._embed, *[_Slot(reach=1)] * self.encoder_layers]
        yield from (("encoder", item) for item in encoder)
        layers, n, _ = self.weight_shape
        for row in range(layers):
            rotation, slot = Rotate(row), _Slot(reach=row % max(n - 1, 1) + 1)
            if row < self.space_layers:
                if self.reupload and row > 0:
                    yield from (("space", item) for item in encoder)
                yield "space", rotation
                yield "space", slot
            else:
                yield "decoder", slot
                yield "decoder", rotation

    def _fill(self, slots: list[_Slot]) -> list[Entangle]:
        """Put an entangling layer in each slot; mirrored, the second half undoes the first."""
        own = slots[: len(slots) // 2] if self.mirror else slots
        layers = [Entangle(self._pairs(i, slot), self.gate) for i, slot in enumerate(own)]
        if self.mirror:
            layers += [layer.inverse() for layer in reversed(layers)]
        return layers

    def _pairs(self, i: int, slot: _Slot) -> tuple[tuple[int, int], ...]:
        """Control and target of each gate in the i-th entangling layer."""
        n = self.n_qubits
        match self.entangler:
            case "brickwork":
                return tuple((q, q + 1) for q in range(i % 2, n - 1, 2))
            case "ring" if n > 1:
                return tuple((q, (q + slot.reach) % n) for q in range(n))
            case _:
                return ()

    @property
    def _embed(self) -> Embed:
        return Embed(tuple(self.embedding.split("+")), self.angle_scale)

    # ----------------------------------------------------------------------- light cones

    def light_cone(self, qubit: int) -> range:
        """Qubits whose gates can change what is measured on `qubit`.

        Walking back from the measurement, an entangling gate with one foot in the cone pulls the
        other foot in. Returned is the smallest range of neighbouring qubits that holds them all;
        for "ring" that is soon every qubit.

        Raises
        ------
        ValueError
            If there is no such qubit.
        """
        return self._light_cones[check_count("qubit", qubit, least=0, most=self.n_qubits - 1)]

    @property
    def light_cone_widths(self) -> tuple[int, ...]:
        """Width of each qubit's light cone, in qubits."""
        return tuple(len(cone) for cone in self._light_cones)

    @cached_property
    def _light_cones(self) -> list[range]:
        """All light cones from one walk: which measured qubits each qubit can still change."""
        reached = [{qubit} for qubit in range(self.n_qubits)]
        for operation in reversed(self.operations()):
            if isinstance(operation, Entangle):
                for a, b in reversed(operation.pairs):
                    reached[a] = reached[b] = reached[a] | reached[b]
        cones: list[list[int]] = [[] for _ in reached]
        for qubit, measured in enumerate(reached):
            for other in measured:
                cones[other].append(qubit)  # in rising order
        return [range(cone[0], cone[-1] + 1) for cone in cones]

    # -------------------------------------------------------------------------- printing

    def __str__(self) -> str:
        n, d, m = self.n_qubits, self.latent_dim, self.n_features
        initial = "uniform superposition" if self.initial == "superposition" else "|0...0>"
        counts = _count(n, "qubit"), _count(d, "latent coordinate"), _count(m, "feature")
        title = f"{counts[0]} in {initial}, {counts[1]} -> {counts[2]}"
        return "\n".join([title, *(f"  {name:15}  {text}" for name, text in self.rows().items())])

    def rows(self) -> dict[str, str]:
        """Describe the circuit stage by stage, as `print` shows it."""
        rotation, entangled = "Rot on each qubit", self.entangler != "none"
        layer = f"{self.entangler} layer of {self.gate}"
        space, decoder = f"({rotation}, {layer})", f"({layer}, {rotation})"
        layers, n, angles = self.weight_shape
        widest = _count(max(self.light_cone_widths), "qubit")
        table = {
            "quantum encoder": self._encoder_row(),
            "quantum space": f"{self.space_layers} x {space if entangled else rotation}",
            "quantum decoder": f"{self.decoder_layers} x {decoder if entangled else rotation}",
            "mirrored": "entangling layers cancel where all angles are zero" if self.mirror else "",
            "readout": f"{', '.join(f'<{o}>' for o in self.readout)} of each qubit, "
            f"from at most {widest}",
            "weights": f"{self.weight_shape}: {layers * n * angles} angles",
        }
        return {name: text for name, text in table.items() if text}

    def _encoder_row(self) -> str:
        a, k = f"{self.angle_scale:g}", self.angles_per_qubit
        places = ["z[i]"] if k == 1 else [f"z[{k}i]", *(f"z[{k}i+{j}]" for j in range(1, k))]
        gates = zip(self._embed.gates, places, strict=True)
        row = " ".join(f"{gate}({a} {place})" for gate, place in gates) + " on each qubit"
        if self.encoder_layers and self.entangler != "none":
            row += f", {_count(self.encoder_layers, f'{self.entangler} layer')} of {self.gate}"
        return f"{row}, before each layer of the space" if self.reupload else row


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

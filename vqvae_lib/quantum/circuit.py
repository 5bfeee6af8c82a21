r"""The circuit as pure data: the one description from which every backend works.

A circuit turns a latent vector z into m features o, in five steps that carry the names of the
course (:math:`|\psi(z)\rangle = V\,U\,S(z)\,|\text{initial}\rangle`):

==================  =======================================================================
initial state       all qubits 0, or the uniform superposition of all basis states
quantum encoder S   one or two rotations by a·z on every qubit, then `encoder_layers` times
                    an entangling layer
quantum space U     `space_layers` times: a Rot gate on every qubit, an entangling layer
quantum decoder V   `decoder_layers` times: an entangling layer, a Rot gate on every qubit
readout             ⟨Z_i⟩ of every qubit, or ⟨Z_i⟩ and ⟨X_i⟩
==================  =======================================================================

`Circuit.operations` spells this out gate by gate, as a list of three kinds of operation. All
backends read that list and nothing else, which is why they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

__all__ = ["Circuit", "Embed", "Entangle", "Rotate"]

Initial = Literal["superposition", "zero"]
Embedding = Literal["RY", "RX", "RY+RZ"]
Entangler = Literal["ring", "brickwork", "none"]
Gate = Literal["CNOT", "CZ"]
Readout = Literal["Z", "ZX"]


@dataclass(frozen=True)
class Embed:
    """The rotations of the embedding, by the angles a·z, on every qubit."""


@dataclass(frozen=True)
class Rotate:
    """Rot(φ, θ, ω) = RZ(ω) RY(θ) RZ(φ) on every qubit, with the angles ``weights[row]``."""

    row: int


@dataclass(frozen=True)
class Entangle:
    """Two-qubit gates on `pairs`, in this order; the first of a pair is the control."""

    pairs: tuple[tuple[int, int], ...]


Operation = Embed | Rotate | Entangle


@dataclass(frozen=True)
class Circuit:
    """A parametrised circuit from latent vectors to features.

    Parameters
    ----------
    n_qubits
        Number of qubits n.
    latent_dim
        Latent dimension d: n (one angle a qubit) or 2n (two). None: what `embedding` takes.
    initial
        "superposition" for the uniform superposition, "zero" for all qubits 0.
    embedding
        "RY" or "RX" (d = n), or "RY+RZ" (d = 2n: qubit i turns by z[2i], then by z[2i + 1]).
        None: "RY" or "RY+RZ", whichever fits `latent_dim`.
    angle_scale
        The scale a; qubits turn by the angle a·z, in radians.
    entangler
        One entangling layer is, for "ring", a gate from every qubit i to qubit i + r, with the
        ranges r of PennyLane's StronglyEntanglingLayers: 1, 2, …, n - 1, 1, … from layer to
        layer, counted through space and decoder; the encoder's have r = 1. For "brickwork", one
        sublayer of gates between neighbours, on even pairs (0,1), (2,3), … and on odd pairs
        (1,2), (3,4), … in turn, counted from the encoder's. For "none", nothing.
    gate
        The entangling gate, "CNOT" or "CZ".
    encoder_layers, space_layers, decoder_layers
        Layers of the three parts. All three default to the course's circuit: 1, 2, 1.
    reupload
        Whether the quantum encoder is repeated before every layer of the quantum space.
    readout
        "Z" for the n features ⟨Z_i⟩; "ZX" for 2n, in the order ⟨Z_0⟩, ⟨X_0⟩, ⟨Z_1⟩, …, which is
        the order in which "RY+RZ" takes its coordinates.
    mirror
        Whether the second half of the entangling layers undoes the first: with all Rot angles
        zero, only the embedding is left. An initialisation near the identity needs this.

    Raises
    ------
    ValueError
        If an option is unknown, or options do not go together; the message gives the reason.

    Examples
    --------
    >>> circuit = Circuit(10, 20)
    >>> circuit.n_features, circuit.weight_shape
    (20, (3, 10, 3))
    >>> print(circuit)
    10 qubits in uniform superposition, 20 latent coordinates -> 20 features
      quantum encoder  RY(1 z[2i]) RZ(1 z[2i+1]) on each qubit, 1 brickwork layer of CNOT
      quantum space    2 x (Rot on each qubit, brickwork layer of CNOT)
      quantum decoder  1 x (brickwork layer of CNOT, Rot on each qubit)
      readout          <Z>, <X> of each qubit, from at most 8 qubits
      weights          (3, 10, 3): 90 angles
    """

    n_qubits: int
    latent_dim: int | None = None
    initial: Initial = "superposition"
    embedding: Embedding | None = None
    angle_scale: float = 1.0
    entangler: Entangler = "brickwork"
    gate: Gate = "CNOT"
    encoder_layers: int = 1
    space_layers: int = 2
    decoder_layers: int = 1
    reupload: bool = False
    readout: Readout = "ZX"
    mirror: bool = False

    def __post_init__(self) -> None:
        for name, least in (
            ("n_qubits", 1),
            ("encoder_layers", 0),
            ("space_layers", 0),
            ("decoder_layers", 0),
        ):
            value = getattr(self, name)
            if not _is_whole(value) or value < least:
                raise ValueError(f"{name}={value!r}: expected a whole number of at least {least}")
            object.__setattr__(self, name, int(value))
        for name, options in (
            ("initial", get_args(Initial)),
            ("embedding", (None, *get_args(Embedding))),
            ("entangler", get_args(Entangler)),
            ("gate", get_args(Gate)),
            ("readout", get_args(Readout)),
            ("reupload", (False, True)),
            ("mirror", (False, True)),
        ):
            value = getattr(self, name)
            if value not in options:
                listed = ", ".join(repr(option) for option in options)
                raise ValueError(f"{name}={value!r}: expected one of {listed}")
        scale = self.angle_scale
        number = isinstance(scale, int | float) and not isinstance(scale, bool)
        if not number or not 0 < abs(scale) < float("inf"):
            raise ValueError(
                f"angle_scale={scale!r}: expected a finite number, and not 0, with "
                "which no data would enter the circuit"
            )
        object.__setattr__(self, "angle_scale", float(scale))  # also of NumPy's float64
        self._settle_embedding()
        self._refuse_impossible()

    def _settle_embedding(self) -> None:
        """Derive `latent_dim` from `embedding` or the reverse, and check that they fit."""
        n, d, embedding = self.n_qubits, self.latent_dim, self.embedding
        if d is not None and (not _is_whole(d) or d not in (n, 2 * n)):
            raise ValueError(
                f"latent_dim={d!r} does not fit {n} qubits: expected {n} (one angle a qubit) "
                f"or {2 * n} (two)"
            )
        if embedding is None:
            embedding = "RY+RZ" if d == 2 * n else "RY"
        expected = 2 * n if embedding == "RY+RZ" else n
        if d is None:
            d = expected
        if d != expected:
            raise ValueError(
                f"embedding={embedding!r} takes {expected // n} angle(s) a qubit: expected "
                f"latent_dim={expected} for {n} qubits, got {d}"
            )
        object.__setattr__(self, "embedding", embedding)
        object.__setattr__(self, "latent_dim", int(d))

    def _refuse_impossible(self) -> None:
        if self.embedding == "RX" and self.initial == "superposition":
            raise ValueError(
                "embedding='RX' does nothing on initial='superposition': H|0⟩ is an eigenstate "
                "of RX, so that no data would enter there. Use embedding='RY', or initial='zero'"
            )
        if self.space_layers + self.decoder_layers == 0:
            raise ValueError(
                "space_layers=0 and decoder_layers=0 leave no trainable gate: expected at least "
                "one layer of either"
            )
        if self.reupload and self.space_layers == 0:
            raise ValueError(
                "reupload=True repeats the quantum encoder before each layer of the quantum "
                "space, and space_layers=0: expected at least 1"
            )
        if self.mirror and self.reupload:
            raise ValueError(
                "mirror=True needs reupload=False: entangling layers with a data rotation "
                "between them do not cancel"
            )
        if self.mirror and self._n_entangling % 2:
            raise ValueError(
                "mirror=True pairs entangling layers, and encoder_layers + space_layers + "
                f"decoder_layers = {self._n_entangling} is odd: expected an even sum"
            )

    @classmethod
    def strongly_entangling(
        cls, n_qubits: int, layers: int, *, angle_scale: float = 1.0, reupload: bool = False
    ) -> Circuit:
        """PennyLane's AngleEmbedding followed by StronglyEntanglingLayers, read out in Z."""
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

    # --------------------------------------------------------------------------- sizes

    @property
    def angles_per_qubit(self) -> int:
        """Latent coordinates that each qubit takes, 1 or 2."""
        return 2 if self.embedding == "RY+RZ" else 1

    @property
    def n_features(self) -> int:
        """Number m of features."""
        return len(self.readout) * self.n_qubits

    @property
    def weight_shape(self) -> tuple[int, int, int]:
        """Shape of the weights: (layers, n, 3), those of the space before the decoder's.

        The last axis holds the angles φ, θ, ω of Rot = RZ(ω) RY(θ) RZ(φ), in radians.
        """
        return self.space_layers + self.decoder_layers, self.n_qubits, 3

    @property
    def _n_entangling(self) -> int:
        return self.encoder_layers + self.space_layers + self.decoder_layers

    # ---------------------------------------------------------------------- operations

    def operations(self) -> list[Operation]:
        """Spell the circuit out, from the initial state to the measurement."""
        return [operation for part in self.parts() for operation in part]

    def parts(self) -> tuple[list[Operation], list[Operation], list[Operation]]:
        """Spell out the quantum encoder, the quantum space and the quantum decoder.

        With re-uploading, the encoder's repetitions stand in the space, between its layers.
        """
        layer = iter(self._entangling_layers())

        def upload() -> list[Operation]:
            return [Embed(), *(next(layer) for _ in range(self.encoder_layers))]

        encoder = upload()
        space: list[Operation] = []
        decoder: list[Operation] = []
        for i in range(self.space_layers):
            if i > 0 and self.reupload:
                space += upload()
            space += [Rotate(i), next(layer)]
        for i in range(self.space_layers, self.space_layers + self.decoder_layers):
            decoder += [next(layer), Rotate(i)]
        return _without_empty(encoder), _without_empty(space), _without_empty(decoder)

    def _entangling_layers(self) -> list[Entangle]:
        """All entangling layers, in the order in which they act."""
        uploads = self.space_layers if self.reupload else 1
        blocks = self.space_layers + self.decoder_layers
        if self.entangler == "brickwork":
            count = uploads * self.encoder_layers + blocks
            layers = [self._bricks(start=i % 2) for i in range(count)]
        else:
            layers = []
            for i in range(max(uploads, blocks)):
                if i < uploads:
                    layers += [self._ring(1)] * self.encoder_layers
                if i < blocks:
                    layers.append(self._ring(i % max(self.n_qubits - 1, 1) + 1))
        if self.mirror:
            first = layers[: len(layers) // 2]
            # CNOT and CZ are their own inverses: a layer is undone by its gates in reverse.
            layers = first + [tuple(reversed(layer)) for layer in reversed(first)]
        return [Entangle(layer) for layer in layers]

    def _bricks(self, start: int) -> tuple[tuple[int, int], ...]:
        return tuple((i, i + 1) for i in range(start, self.n_qubits - 1, 2))

    def _ring(self, r: int) -> tuple[tuple[int, int], ...]:
        if self.entangler == "none" or self.n_qubits == 1:
            return ()
        return tuple((i, (i + r) % self.n_qubits) for i in range(self.n_qubits))

    # --------------------------------------------------------------------- light cones

    def light_cone(self, qubit: int) -> range:
        """Qubits whose gates can change what is measured on `qubit`.

        Found by walking back from the measurement: an entangling gate with one foot in the cone
        takes the other in. The smallest range of neighbouring qubits that holds them is
        returned; for "ring" it is soon all of them.

        Raises
        ------
        ValueError
            If there is no such qubit.
        """
        if not 0 <= qubit < self.n_qubits:
            raise ValueError(f"qubit={qubit!r}: expected one of 0 to {self.n_qubits - 1}")
        return self._light_cones[qubit]

    @property
    def light_cone_widths(self) -> tuple[int, ...]:
        """Width of each qubit's light cone, in qubits."""
        return tuple(len(cone) for cone in self._light_cones)

    @cached_property
    def _light_cones(self) -> list[range]:
        """All light cones from one walk: which measured qubits each qubit can still change."""
        changed = [{qubit} for qubit in range(self.n_qubits)]
        for operation in reversed(self.operations()):
            if isinstance(operation, Entangle):
                for a, b in reversed(operation.pairs):
                    changed[a] = changed[b] = changed[a] | changed[b]
        cones: list[list[int]] = [[] for _ in changed]
        for qubit, measured in enumerate(changed):
            for other in measured:
                cones[other].append(qubit)
        return [range(cone[0], cone[-1] + 1) for cone in cones]

    # -------------------------------------------------------------------------- printing

    def __str__(self) -> str:
        a = f"{self.angle_scale:g}"
        initial = "uniform superposition" if self.initial == "superposition" else "|0...0>"
        if self.embedding == "RY+RZ":
            rotations = f"RY({a} z[2i]) RZ({a} z[2i+1])"
        else:
            rotations = f"{self.embedding}({a} z[i])"
        layer = "nothing" if self.entangler == "none" else f"{self.entangler} layer of {self.gate}"
        encoder = f"{rotations} on each qubit"
        if self.encoder_layers and self.entangler != "none":
            plural = layer.replace("layer", "layers") if self.encoder_layers > 1 else layer
            encoder += f", {self.encoder_layers} {plural}"
        if self.reupload:
            encoder += ", before each layer of the space"
        rot = "Rot on each qubit"
        space, decoder = f"({rot}, {layer})", f"({layer}, {rot})"
        if self.entangler == "none":
            space = decoder = rot
        observables = ", ".join(f"<{name}>" for name in self.readout)
        layers, n, _ = self.weight_shape
        coordinates = _count(self.angles_per_qubit * n, "latent coordinate")
        lines = [
            f"{_count(n, 'qubit')} in {initial}, {coordinates} -> "
            f"{_count(self.n_features, 'feature')}",
            f"  quantum encoder  {encoder}",
            f"  quantum space    {self.space_layers} x {space}",
            f"  quantum decoder  {self.decoder_layers} x {decoder}",
            f"  readout          {observables} of each qubit, "
            f"from at most {_count(max(self.light_cone_widths), 'qubit')}",
            f"  weights          {self.weight_shape}: {3 * layers * n} angles",
        ]
        if self.mirror:
            lines.insert(4, "  mirrored         entangling layers cancel where all angles are zero")
        return "\n".join(lines)


def _without_empty(part: list[Operation]) -> list[Operation]:
    """Leave out entangling layers without a gate: those of "none", or of one qubit."""
    return [op for op in part if not isinstance(op, Entangle) or op.pairs]


def _is_whole(value: object) -> bool:
    """Whether a value is a whole number, NumPy's included."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

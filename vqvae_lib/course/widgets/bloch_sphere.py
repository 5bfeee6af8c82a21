"""One qubit as an arrow in a sphere, and gates that turn it."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar

import traitlets

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["BlochSphere"]

FIXED = ("H", "X", "Y", "Z", "S", "T")
TURNS = ("RX", "RY", "RZ")
ANGLE = (-180, 180)
STEP = 5
LIMIT = 24


class BlochSphere(CourseWidget):
    """A qubit in ``|0⟩`` to turn by gates: its arrow, amplitudes and probabilities.

    Parameters
    ----------
    alt : str
        What the figure shows, in a sentence.
    gates : sequence of (name, angle) pairs
        The gates pressed at the start, at most 24, in order. "H", "X", "Y", "Z", "S" and "T" have
        no angle: "H" stands for ("H", 0). "RX", "RY" and "RZ" turn by an angle in degrees, from
        -180 to 180.
    angle : int
        The slider's angle at the start: a multiple of 5 degrees from -180 to 180.

    Raises
    ------
    ValueError
        If there are too many gates, one is unknown, or an angle is out of range.
    """

    module: ClassVar[str] = "bloch_sphere"
    summary: ClassVar[tuple[str, ...]] = ("gates", "angle")

    gates: Any = traitlets.List(help="The gates so far: [name, angle in degrees].").tag(sync=True)
    angle: Any = traitlets.Int(
        90, min=ANGLE[0], max=ANGLE[1], help="The slider's angle in degrees."
    ).tag(sync=True)

    def __init__(
        self,
        *,
        alt: str,
        gates: Iterable[str | tuple[str, float]] = (),
        angle: int = 90,
        **kwargs: Any,
    ):
        if not _is_angle(angle) or angle % STEP:
            raise ValueError(
                f"angle={angle!r}: expected a multiple of {STEP} degrees from {ANGLE[0]} to "
                f"{ANGLE[1]}"
            )
        super().__init__(
            gates=_read_gates(gates), angle=int(angle), alt=alt, words=_words(), **kwargs
        )

    @traitlets.validate("gates")
    def _check_gates(self, proposal: Any) -> list[list[Any]]:
        return _read_gates(proposal["value"])


def _is_angle(value: Any) -> bool:
    # A bool is a number to Python, and nan lies in no range.
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and ANGLE[0] <= value <= ANGLE[1]


def _read_gates(gates: Iterable[Any]) -> list[list[Any]]:
    """Return the gates as [name, angle] pairs that JSON can hold."""
    if isinstance(gates, str):
        raise ValueError(f"gates={gates!r}: expected a sequence of gates, such as [{gates!r}]")
    pairs = [_read_gate(index, gate) for index, gate in enumerate(gates)]
    if len(pairs) > LIMIT:
        raise ValueError(f"gates: got {len(pairs)} of them, expected at most {LIMIT}")
    return pairs


def _read_gate(index: int, gate: Any) -> list[Any]:
    pair = (gate, 0) if isinstance(gate, str) and gate in FIXED else gate
    if isinstance(pair, list | tuple) and len(pair) == 2:
        name, angle = pair
        if name in FIXED and angle == 0:
            return [name, 0]
        if name in TURNS and _is_angle(angle):
            return [name, int(angle) if angle == int(angle) else float(angle)]
    raise ValueError(
        f"gates[{index}]={gate!r}: expected one of {', '.join(FIXED)}, or a pair of one of "
        f"{', '.join(TURNS)} and its angle from {ANGLE[0]} to {ANGLE[1]} degrees"
    )


def _words() -> dict[str, str]:
    return {
        "sphere": _(
            "Bloch sphere with the arrow of the state and the paths of the last gates. Drag it, "
            "or use the arrow keys, to look from another side."
        ),
        "note": _(
            "Curves: the last paths of the tip. Thick line: the axis of the last gate. Dashed: at "
            "the back. Drag to look from another side."
        ),
        "press": _("Press a gate to turn the arrow:"),
        "angle": _("or by an angle of {angle}:"),
        "undo": _("Undo"),
        "reset": _("Reset"),
        "H": _("H: half a turn about the axis halfway between x and z."),
        "X": _("X: half a turn about the x axis."),
        "Y": _("Y: half a turn about the y axis."),
        "Z": _("Z: half a turn about the z axis."),
        "S": _("S: a quarter turn about the z axis."),
        "T": _("T: an eighth of a turn about the z axis."),
        "RX": _("RX: a turn by {angle} about the x axis."),
        "RY": _("RY: a turn by {angle} about the y axis."),
        "RZ": _("RZ: a turn by {angle} about the z axis."),
        "start": _("The qubit starts in |0⟩."),
        "stays": _("The arrow lies on this axis and stays."),
        "full": _("{count} gates are the limit here: undo some, or reset."),
        # No line breaks inside the formulas.
        "alpha": _("amplitude of |0⟩: α\u00a0=\u00a0{alpha}"),
        "beta": _("amplitude of |1⟩: β\u00a0=\u00a0{beta}"),
        "vector": _(
            "Bloch vector, the tip of the arrow: "
            "⟨X⟩\u00a0=\u00a0{x}, ⟨Y⟩\u00a0=\u00a0{y}, ⟨Z⟩\u00a0=\u00a0{z}"
        ),
        "zero": _("probability of 0"),
        "one": _("probability of 1"),
    }

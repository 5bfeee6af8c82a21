"""Two qubits, four angles and an entangling gate: amplitudes, probabilities, entanglement."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import traitlets

from vqvae_lib._checks import check_choice, check_count
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["TwoQubits"]

ENTANGLERS = ("none", "CNOT", "CZ")


class TwoQubits(CourseWidget):
    """Two qubits in ``|0⟩``, an RY on each, an entangling gate, an RY on each again, measurements.

    Parameters
    ----------
    alt : str
        What the figure shows, in a sentence.
    angles : sequence of 4 numbers
        Angles of the RY gates at the start, in radians from -π to π: the first on qubit 0, the
        first on qubit 1, the second on qubit 0, the second on qubit 1.
    entangler : str
        The gate between them at the start: "none", "CNOT" (qubit 0 controls) or "CZ".
    seed : int
        Seed of the first 100 measurements; each press of the button takes the next.

    Raises
    ------
    ValueError
        If the angles are not four numbers in range, the entangler is unknown, or the seed is
        negative or not a whole number.
    """

    module: ClassVar[str] = "two_qubits"
    summary: ClassVar[tuple[str, ...]] = ("angles", "entangler")

    angles: Any = traitlets.List(
        traitlets.Float(min=-math.pi, max=math.pi),
        minlen=4,
        maxlen=4,
        help="Angles of the four RY gates, in radians.",
    ).tag(sync=True)
    entangler: Any = traitlets.Enum(ENTANGLERS, "CNOT", help="The gate between them.").tag(
        sync=True
    )
    seed: Any = traitlets.Int(min=0, help="Seed of the next 100 measurements.").tag(sync=True)
    counts: Any = traitlets.List(
        traitlets.Int(), help="How often 00, 01, 10 and 11 were measured; empty before."
    ).tag(sync=True)

    def __init__(
        self,
        *,
        alt: str,
        angles: Sequence[float] = (math.pi / 2, 0.0, 0.0, 0.0),
        entangler: str = "CNOT",
        seed: int = 0,
        **kwargs: Any,
    ):
        angles = list(angles)
        if len(angles) != 4 or not all(isinstance(a, Real) and abs(a) <= math.pi for a in angles):
            raise ValueError(f"angles={angles}: expected four numbers from -π to π")
        super().__init__(
            angles=[float(angle) for angle in angles],
            entangler=check_choice("entangler", entangler, ENTANGLERS),
            seed=check_count("seed", seed, least=0),
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _words() -> dict[str, str]:
    return {
        "circuit": _(
            "Circuit from left to right. Qubit 0 starts in |0⟩ and passes RY by {t0}; qubit 1 "
            "starts in |0⟩ and passes RY by {t1}. Gate between them: {entangler}. Then RY by {t2} "
            "on qubit 0, by {t3} on qubit 1, and a measurement of each."
        ),
        "qubit": _("qubit {number}"),
        "legend": _("Gate between the qubits:"),
        "none": _("none"),
        "CNOT": _("CNOT"),
        "CZ": _("CZ"),
        "noneDoes": _("The qubits do not touch."),
        "CNOTDoes": _("CNOT flips qubit 1 where qubit 0 is 1."),
        "CZDoes": _("CZ changes the sign of the amplitude of |11⟩."),
        "presets": _("Examples:"),
        "product": _("product"),
        "bell": _("Bell state"),
        "anti": _("anticorrelated"),
        "partly": _("partly entangled"),
        "amplitudes": _("Amplitudes, qubit 0 first:"),
        "probabilities": _("Probabilities, their squares:"),
        "measure": _("Measure 100 times"),
        "measured": _("Thin bars: 100 outcomes, drawn with seed {seed}: {list}."),
        # No line breaks inside the formulas.
        "single": _(
            "qubit {number}: P(1)\u00a0=\u00a0{probability}, ⟨Z{index}⟩\u00a0=\u00a0{expectation}"
        ),
        "both": _("together: ⟨Z₀Z₁⟩\u00a0=\u00a0{expectation}"),
        "correlation": _("correlation: ⟨Z₀Z₁⟩\u00a0−\u00a0⟨Z₀⟩⟨Z₁⟩\u00a0=\u00a0{correlation}"),
        "entropy": _("Entanglement entropy: {entropy}\u00a0bits"),
        "isProduct": _("The state is a product: each qubit has a state of its own."),
        "isEntangled": _("The state is entangled: it is not a product of two single-qubit states."),
    }

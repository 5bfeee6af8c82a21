"""Exercise 7.1: compute the features of three qubits after two CNOTs, by hand."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import as_tensor, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(features: Any) -> Right:
    """A function `features(z)` of latent vectors (B, 3) that returns (B, 3)."""
    z = 2 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    answer = as_tensor(call(features, z))
    value = expect_tensor(answer, (6, 3), what="features(z)")
    if not answer.is_floating_point() and not answer.is_complex():
        raise Wrong(
            "whole", _("features(z) contains whole numbers: the fractions were cut off on the way.")
        )
    a, b, c = z.cos().unbind(1)
    one = torch.ones_like(a)

    def columns(*three: Tensor) -> Tensor:
        return torch.stack(three, 1)

    no_gates = _("These are the qubits without any CNOTs.")
    mistakes = [
        ("no-gates", columns(a, b, c), no_gates),
        (
            "order",
            columns(a, a * b, b * c),
            _(
                "Your CNOTs are in the other order: the first goes from qubit 0 to 1, the "
                "second from 1 to 2."
            ),
        ),
        (
            "reversed",
            columns(a * b, b * c, c),
            _(
                "You have exchanged control and target: the target's ⟨Z⟩ changes, not the "
                "control's."
            ),
        ),
        (
            "reversed",
            columns(a * b * c, b * c, c),
            _(
                "You have exchanged control and target: the target's ⟨Z⟩ changes, not the "
                "control's."
            ),
        ),
        (
            "one-gate",
            columns(a, a * b, c),
            _("The second CNOT, from qubit 1 to 2, is missing."),
        ),
        ("one-gate", columns(a, b, b * c), _("The first CNOT, from qubit 0 to 1, is missing.")),
        (
            "two-from-0",
            columns(a, a * b, a * c),
            _("The second CNOT has qubit 1 as its control, not qubit 0."),
        ),
        (
            "superposition",
            columns(one * 0, one * 0, one * 0),
            _("With an H before RX no data enter, and each ⟨Z⟩ is 0. Start in |0⟩."),
        ),
    ]
    sines = z.sin().unbind(1)
    half = (z / 2).cos().unbind(1)
    for kind, (p, q, r), hint in (
        ("sine", sines, _("RX(t) leaves ⟨Z⟩ = cos t, not a sine.")),
        (
            "sine",
            tuple(-s for s in sines),
            _("That is H and RY. Here the qubits start in |0⟩ and turn by RX."),
        ),
        ("scale", (0.3 * z).cos().unbind(1), _("The angle scale is 1 here, not 0.3.")),
        (
            "half",
            half,
            _("Only the amplitudes have half the angle; expectation values have the whole."),
        ),
    ):
        mistakes += [(kind, columns(p, p * q, p * q * r), hint), (kind, columns(p, q, r), hint)]
    recognise(value, columns(a, a * b, a * b * c), mistakes)
    return Right(
        _(
            "A CNOT multiplies the target's Z by the control's, so ⟨Z₂⟩ is a product of three "
            "cosines. Near z = 0 it has no slope in any coordinate: a bad start for whatever "
            "decodes it."
        )
    )

"""Exercise 5.1: differentiate a circuit whose gates share weights, by parameter shifts."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import (
    Mistake,
    as_tensor,
    call,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum import Circuit, statevector

TURN = 2 * math.pi


class _Feature:
    """A feature of a small circuit whose gates share weights; it notes at what angles it is asked.

    Gate k turns by the angle `theta[which[k]]`; the feature is a function of the gates' angles.
    """

    WEIGHTS = 7

    def __init__(self, seed: int) -> None:
        circuit = Circuit(2, embedding="RY", encoder_layers=0, space_layers=2, readout="ZX")
        generator = torch.Generator().manual_seed(seed)
        self.shape = circuit.weight_shape
        self.gates = math.prod(self.shape)
        self.theta = TURN * torch.rand(self.WEIGHTS, generator=generator, dtype=torch.float64)
        more = torch.randint(self.WEIGHTS, (self.gates - self.WEIGHTS,), generator=generator)
        order = torch.randperm(self.gates, generator=generator)
        self.which = torch.cat([torch.arange(self.WEIGHTS), more])[order]
        z = torch.randn(1, 2, generator=generator, dtype=torch.float64)
        weighted = torch.randn(circuit.n_features, generator=generator, dtype=torch.float64)
        self.z, self.weighted, self.circuit = z, weighted, circuit
        self.asked: list[Tensor] = []

    def values(self, angles: Tensor) -> Tensor:
        """Values (B,) at many points (B, gates), in one run."""
        B, n = len(angles), self.circuit.n_qubits
        weights = angles.reshape(B, *self.shape).movedim(0, 2)  # (L, n, B, 3)
        operations = self.circuit.operations()
        state = statevector.evolve(self.circuit, operations, self.z.expand(B, -1), weights)
        return statevector.measure(state, range(n), self.circuit.readout) @ self.weighted

    def __call__(self, angles: Any) -> Tensor:
        # By way of plain numbers: neither autograd nor vmap sees through that.
        angles = torch.tensor(torch.as_tensor(angles).tolist(), dtype=torch.float64)
        if angles.shape != (self.gates,):
            raise ValueError(
                f"f takes the angles of all gates, a tensor of shape ({self.gates},), "
                f"got {tuple(angles.shape)}"
            )
        self.asked.append(angles)
        return self.values(angles[None])[0]

    def moved(self) -> Tensor:
        """By how much the points that were asked differ from the given one, whole turns aside.

        (asked, gates), from -π to π.
        """
        away = torch.stack(self.asked) - self.theta[self.which]
        return torch.remainder(away + math.pi, TURN) - math.pi


def check(slopes: Any) -> Right:
    """A function `slopes(f, theta, which)` that returns the partial derivatives, `(p,)`."""
    used = 0
    for seed in (0, 1):
        f = _Feature(seed)
        value = as_tensor(_call_outside_autograd(slopes, f))
        if not f.asked:
            raise Wrong("unused", _("`f` was never called."))
        if isinstance(value, Tensor) and value.shape == (f.gates,):
            raise Wrong(
                "per-gate",
                _(
                    "{gates} numbers came back, one for each gate: expected one for each weight, "
                    "{p}."
                ).format(gates=f.gates, p=f.WEIGHTS),
            )
        value = expect_tensor(value, (f.WEIGHTS,), what="slopes(f, theta, which)")
        used = len(f.asked)
        theta = f.theta.clone().requires_grad_()
        truth = torch.autograd.grad(f.values(theta[f.which][None])[0], theta)[0]
        moved = f.moved().abs().amax(1)
        recognise(value, truth, _list_mistakes(f, truth, moved))
        inexact = not torch.allclose(value, truth, rtol=1e-5, atol=1e-6)
        if inexact or bool(((moved > 1e-9) & (moved < 0.1)).any()):
            raise Wrong(
                "finite-difference",
                _(
                    "The numbers are nearly right, by differences of neighbouring points. Shots "
                    "are noisier than such differences by far, and nothing would be left: shift "
                    "by a quarter turn, ±π/2."
                ),
            )
    return Right(
        _(
            "{p} slopes from {used} runs of the circuit, which has {gates} gates. Each is exact: "
            "the rule knows that in the angle of one gate the function is a sine."
        ).format(p=_Feature.WEIGHTS, used=used, gates=f.gates)
    )


def _call_outside_autograd(slopes: Any, f: _Feature) -> Any:
    """Call the learner's function; say plainly that torch cannot see into f."""
    try:
        return call(slopes, f, f.theta, f.which)
    except Wrong as wrong:
        torch_says = ("require grad", "have storage")  # autograd, vmap
        if wrong.kind == "raises" and any(words in str(wrong) for words in torch_says):
            raise Wrong(
                "autograd",
                _(
                    "torch cannot differentiate `f`, nor run it at many points at once: call it "
                    "for one point after the other."
                ),
            ) from None
        raise


def _list_mistakes(f: _Feature, truth: Tensor, moved: Tensor) -> list[Mistake]:
    """What likely mistakes would give; `moved` says how far from theta the learner asked."""
    p, gates = len(truth), f.gates
    here = f.theta[f.which]
    of_weight = torch.nn.functional.one_hot(f.which, p).double()  # (gates, p)

    def shifted(by: float) -> Tensor:
        """Values (gates,) where one gate is shifted."""
        return f.values(here + by * torch.eye(gates, dtype=torch.float64))

    def together(by: float) -> Tensor:
        """Values (p,) where all gates of one weight are shifted."""
        return f.values(here + by * of_weight.T)

    def one_of_each(order: Iterable[int]) -> Tensor:
        """Of the slopes of each weight's gates the last in `order`, (p,)."""
        chosen = {int(f.which[k]): exact[k] for k in order}
        return torch.stack([chosen[j] for j in range(p)])

    quarter, eighth = math.pi / 2, math.pi / 4
    exact = 0.5 * (shifted(quarter) - shifted(-quarter))  # (gates,)
    one_sided = (shifted(quarter) - f.values(here[None])) @ of_weight
    forward, backward = f.values(torch.stack([here + quarter, here - quarter]))
    add = _("The slopes of all gates that turn by the same weight add up: yours has one of them.")
    zeros = (
        "zeros",
        _(
            "All slopes are zero. torch cannot differentiate `f`: call it at shifted angles, and "
            "use what it returns."
        ),
    )
    if (moved > math.pi - 1e-3).any():
        zeros = ("half-turn", _("A shift by ±π gives the same value twice: the shift is π/2."))
    return [
        ("no-half", 2 * truth, _("The factor ½ is missing.")),
        ("sign", -truth, _("The sign: plus for the shift forward.")),
        (
            "eighth",
            0.5 * (shifted(eighth) - shifted(-eighth)) @ of_weight,
            _("That is a shift by π/4. With the factor ½ the shift is π/2."),
        ),
        (zeros[0], torch.zeros_like(truth), zeros[1]),
        (
            "one-sided",
            one_sided,
            _("One side is not enough: subtract the value at the shift backward, and halve."),
        ),
        (
            "one-sided",
            0.5 * one_sided,
            _("One side is not enough: subtract the value at the shift backward."),
        ),
        (
            "together",
            0.5 * (together(quarter) - together(-quarter)),
            _(
                "You shift all gates of a weight at once. In their common angle the function is "
                "no sine: shift one gate at a time."
            ),
        ),
        (
            "together",
            0.5 * (forward - backward) * torch.ones_like(truth),
            _("You shift all angles at once: one at a time."),
        ),
        ("one-gate", one_of_each(range(gates)), add),
        ("one-gate", one_of_each(reversed(range(gates))), add),
        (
            "mean",
            truth / of_weight.sum(0),
            _("That is the mean over the gates of each weight: their slopes add up."),
        ),
        (
            "divided",
            2 * truth / math.pi,
            _("That divides by the distance, π, as a finite difference does. The rule halves."),
        ),
    ]

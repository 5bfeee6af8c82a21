"""Exercise 5.1: differentiate a circuit whose gates share weights, by parameter shifts."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, as_tensor, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum import Circuit, statevector

TURN = 2 * math.pi


class _Feature:
    """A feature of a small circuit whose gates share weights, which records where it is evaluated.

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
        readout_weights = torch.randn(circuit.n_features, generator=generator, dtype=torch.float64)
        self.z, self.readout_weights, self.circuit = z, readout_weights, circuit
        self.points: list[Tensor] = []

    def values(self, angles: Tensor) -> Tensor:
        """Values (B,) at many points (B, gates), in one run."""
        B, n = len(angles), self.circuit.n_qubits
        weights = angles.reshape(B, *self.shape).movedim(0, 2)  # (L, n, B, 3)
        z = self.z.expand(B, -1)
        state = statevector.initial_state(self.circuit.initial, n, like=z)
        state = statevector.evolve(state, self.circuit.operations(), z, weights)
        return (
            statevector.expectations(state, range(n), self.circuit.readout) @ self.readout_weights
        )

    def __call__(self, angles: Any) -> Tensor:
        # By way of plain numbers, which neither autograd nor vmap can follow.
        angles = torch.tensor(torch.as_tensor(angles).tolist(), dtype=torch.float64)
        if angles.shape != (self.gates,):
            raise ValueError(
                f"f takes the angles of all gates, a tensor of shape ({self.gates},), "
                f"got {tuple(angles.shape)}"
            )
        self.points.append(angles)
        return self.values(angles[None])[0]

    def shifts(self) -> Tensor:
        """Differences from theta of the points that were evaluated, (points, gates), in [-π, π]."""
        distance = torch.stack(self.points) - self.theta[self.which]
        return torch.remainder(distance + math.pi, TURN) - math.pi


def check(slopes: Any) -> Right:
    """A function `slopes(f, theta, which)` that returns the partial derivatives, `(p,)`."""
    n_runs = 0
    for seed in (0, 1):
        f = _Feature(seed)
        value = as_tensor(_call_outside_autograd(slopes, f))
        if not f.points:
            raise Wrong("unused", _("`f` was never called."))
        if isinstance(value, Tensor) and value.shape == (f.gates,):
            raise Wrong(
                "per-gate",
                _(
                    "You return {gates} numbers, one for each gate: expected one for each "
                    "weight, {p}."
                ).format(gates=f.gates, p=f.WEIGHTS),
            )
        value = expect_tensor(value, (f.WEIGHTS,), what="slopes(f, theta, which)")
        n_runs = len(f.points)
        theta = f.theta.clone().requires_grad_()
        truth = torch.autograd.grad(f.values(theta[f.which][None])[0], theta)[0]
        shifts = f.shifts().abs().amax(1)
        recognise(value, truth, _list_mistakes(f, truth, shifts))
        inexact = not torch.allclose(value, truth, rtol=1e-5, atol=1e-6)
        if inexact or bool(((shifts > 1e-9) & (shifts < 0.1)).any()):
            raise Wrong(
                "finite-difference",
                _(
                    "The numbers are nearly right, but they are differences between neighbouring "
                    "points. Such differences drown in the noise of shots: shift by a quarter "
                    "turn, ±π/2."
                ),
            )
    return Right(
        _(
            "{p} slopes from {n} runs of a circuit with {gates} gates, and each slope is "
            "exact: the rule knows that the function is a sine in the angle of one gate."
        ).format(p=_Feature.WEIGHTS, n=n_runs, gates=f.gates)
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
                    "torch cannot differentiate `f`, nor run it at many points at once: call "
                    "it for one point at a time."
                ),
            ) from None
        raise


def _list_mistakes(f: _Feature, truth: Tensor, shifts: Tensor) -> list[Mistake]:
    """What likely mistakes would give; `shifts` says how far from theta the learner evaluated f."""
    p, gates = len(truth), f.gates
    angles = f.theta[f.which]
    of_weight = torch.nn.functional.one_hot(f.which, p).double()  # (gates, p)

    def shift_gate(by: float) -> Tensor:
        """Values (gates,) where one gate is shifted."""
        return f.values(angles + by * torch.eye(gates, dtype=torch.float64))

    def shift_weight(by: float) -> Tensor:
        """Values (p,) where all gates of one weight are shifted."""
        return f.values(angles + by * of_weight.T)

    def one_of_each(order: Iterable[int]) -> Tensor:
        """Of the slopes of each weight's gates the last in `order`, (p,)."""
        slopes = {int(f.which[k]): exact[k] for k in order}
        return torch.stack([slopes[j] for j in range(p)])

    quarter, eighth = math.pi / 2, math.pi / 4
    exact = 0.5 * (shift_gate(quarter) - shift_gate(-quarter))  # (gates,)
    forward_differences = (shift_gate(quarter) - f.values(angles[None])) @ of_weight
    forward, backward = f.values(torch.stack([angles + quarter, angles - quarter]))
    add = _("The slopes of all gates that share a weight add up: you return only one of them.")
    zeros = (
        "zeros",
        _(
            "All slopes are zero. torch cannot differentiate `f`: call it at shifted angles, and "
            "use what it returns."
        ),
    )
    if (shifts > math.pi - 1e-3).any():
        zeros = ("half-turn", _("A shift by ±π gives the same value twice: the shift is π/2."))
    return [
        ("no-half", 2 * truth, _("The factor ½ is missing.")),
        ("sign", -truth, _("The sign is wrong: the value at the forward shift counts plus.")),
        (
            "eighth",
            0.5 * (shift_gate(eighth) - shift_gate(-eighth)) @ of_weight,
            _("You shift by π/4. With the factor ½, the shift is π/2."),
        ),
        (zeros[0], torch.zeros_like(truth), zeros[1]),
        (
            "one-sided",
            forward_differences,
            _("One side is not enough: subtract the value at the backward shift, and halve."),
        ),
        (
            "one-sided",
            0.5 * forward_differences,
            _("One side is not enough: subtract the value at the backward shift."),
        ),
        (
            "together",
            0.5 * (shift_weight(quarter) - shift_weight(-quarter)),
            _(
                "You shift all gates of a weight at once. In their common angle the function "
                "is not a sine: shift one gate at a time."
            ),
        ),
        (
            "together",
            0.5 * (forward - backward) * torch.ones_like(truth),
            _("You shift all angles at once: shift one at a time."),
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
            _("You divide by the distance, π, as a finite difference does. The rule only halves."),
        ),
    ]

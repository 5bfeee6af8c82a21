"""Checks of chapter 5, Trainable circuits."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.quantum import Circuit, statevector

DRAWS = 200


# Exercise 1 ---------------------------------------------------------------------------------------


class _Feature:
    """A feature of a small circuit as a function of its angles, which notes what it is asked."""

    def __init__(self, seed: int) -> None:
        circuit = Circuit(2, 2, encoder_layers=0, space_layers=2, readout="ZX")
        generator = torch.Generator().manual_seed(seed)
        self.shape = circuit.weight_shape
        self.theta = (
            2
            * math.pi
            * torch.rand(math.prod(self.shape), generator=generator, dtype=torch.float64)
        )
        z = torch.randn(1, 2, generator=generator, dtype=torch.float64)
        weighted = torch.randn(circuit.n_features, generator=generator, dtype=torch.float64)
        self.z, self.weighted, self.circuit = z, weighted, circuit
        self.asked: list[Tensor] = []

    def values(self, thetas: Tensor) -> Tensor:
        """Values (B,) at many points (B, p), in one run."""
        B, n = len(thetas), self.circuit.n_qubits
        weights = thetas.reshape(B, *self.shape).movedim(0, 2)  # (L, n, B, 3)
        operations = self.circuit.operations()
        state = statevector.evolve(self.circuit, operations, self.z.expand(B, -1), weights)
        return statevector.measure(state, range(n), self.circuit.readout) @ self.weighted

    def __call__(self, theta: Any) -> Tensor:
        theta = torch.as_tensor(theta).detach().double()
        if theta.shape != self.theta.shape:
            raise ValueError(
                f"f takes a tensor of shape {tuple(self.theta.shape)}, got {tuple(theta.shape)}"
            )
        self.asked.append(theta.clone())
        return self.values(theta[None])[0].detach()


def ex_05_1(slopes: Any) -> Right:
    """A function `slopes(f, theta)` that returns the partial derivatives, `(p,)`."""
    used = 0
    for seed in (0, 1):
        f = _Feature(seed)
        p = len(f.theta)
        value = expect_tensor(call(slopes, f, f.theta), (p,), what="slopes(f, theta)")
        asked, used = torch.stack([*f.asked, f.theta]) - f.theta, len(f.asked)
        theta = f.theta.clone().requires_grad_()
        truth = torch.autograd.grad(f.values(theta[None])[0], theta)[0]
        recognise(value, truth, _shift_mistakes(f, truth))
        moved = asked.abs().amax(1)
        inexact = not torch.allclose(value, truth, rtol=1e-5, atol=1e-6)
        if inexact or bool(((moved > 1e-12) & (moved < 0.1)).any()):
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
            "{p} slopes from {used} runs of the circuit. Each is exact: the rule knows that in one "
            "angle the function is a sine."
        ).format(p=p, used=used)
    )


def _shift_mistakes(f: _Feature, truth: Tensor) -> list[tuple[str, Tensor, str]]:
    steps = torch.eye(len(truth), dtype=torch.float64)

    def shifted(by: float) -> Tensor:
        return f.values(f.theta + by * steps)

    quarter, eighth = math.pi / 2, math.pi / 4
    here = f.values(f.theta[None])
    forward, backward = f.values(torch.stack([f.theta + quarter, f.theta - quarter]))
    everything = torch.ones_like(truth)
    return [
        ("no-half", 2 * truth, _("The factor ½ is missing.")),
        ("sign", -truth, _("The sign: plus for the shift forward.")),
        (
            "eighth",
            0.5 * (shifted(eighth) - shifted(-eighth)),
            _("That is a shift by π/4. With the factor ½ the shift is π/2."),
        ),
        (
            "half-turn",
            0.5 * (shifted(math.pi) - shifted(-math.pi)),
            _("A shift by ±π gives the same value twice: the shift is π/2."),
        ),
        (
            "one-sided",
            shifted(quarter) - here,
            _("One side is not enough: subtract the value at the shift backward, and halve."),
        ),
        (
            "one-sided",
            0.5 * (shifted(quarter) - here),
            _("One side is not enough: subtract the value at the shift backward."),
        ),
        (
            "together",
            0.5 * (forward - backward) * everything,
            _("You shift all angles at once: one at a time."),
        ),
        (
            "divided",
            (shifted(quarter) - shifted(-quarter)) / math.pi,
            _("That divides by the distance, π, as a finite difference does. The rule halves."),
        ),
    ]


# Exercise 2 ---------------------------------------------------------------------------------------


class _Series:
    """A real Fourier series, which counts its evaluations."""

    def __init__(self, L: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        parts = torch.randn(2, L + 1, generator=generator, dtype=torch.float64)
        parts[1, 0] = 0  # the mean is real
        self.c = torch.complex(parts[0], parts[1])
        self.points = 0

    def __call__(self, z: Any) -> Tensor:
        z = torch.as_tensor(z).double()
        self.points += z.numel()
        j = torch.arange(1, len(self.c), dtype=torch.float64)
        waves = torch.exp(1j * j * z[..., None])  # (..., L)
        return self.c[0].real + 2 * (waves * self.c[1:]).real.sum(-1)


def ex_05_2(coefficients: Any) -> Right:
    """A function `coefficients(f, L)` that returns c_0, …, c_L, complex, `(L + 1,)`."""
    used = 0
    for L in (1, 3, 6):
        f = _Series(L, seed=L)
        value = as_tensor(call(coefficients, f, L))
        if not isinstance(value, Tensor) or not value.is_complex():
            raise Wrong("real", _("The coefficients are complex numbers, and yours are real."))
        used = f.points
        if used == 0:
            raise Wrong("unused", _("`f` was never called."))
        pairs = torch.view_as_real(value.resolve_conj().to(torch.complex128).contiguous())
        if pairs.shape[:-1] == (2 * L + 1,):
            raise Wrong(
                "both-sides",
                _("2L + 1 numbers came back. c_0 to c_L are enough: the others are conjugates."),
            )
        pairs = expect_tensor(
            pairs, (L + 1, 2), what=_("coefficients(f, {L}), as pairs").format(L=L)
        )
        _judge_spectrum(pairs, f, L)
    return Right(
        _(
            "{used} evaluations for L = 6. 2L + 1 = 13 are the least: so many real numbers are "
            "unknown, c_0 and the two parts of each other one."
        ).format(used=used)
    )


def _judge_spectrum(pairs: Tensor, f: _Series, L: int) -> None:
    def as_pairs(c: Tensor) -> Tensor:
        return torch.view_as_real(c.resolve_conj().contiguous())

    doubled = torch.cat([f.c[:1], 2 * f.c[1:]])
    truth = as_pairs(f.c)
    if f.points < 2 * L + 1 and not torch.allclose(pairs, truth, atol=1e-6):
        raise Wrong(
            "too-few",
            _(
                "With {points} evaluations for L = {L} high frequencies pass for low ones "
                "(aliasing): {least} are the least."
            ).format(points=f.points, L=L, least=2 * L + 1),
        )
    recognise(
        pairs,
        truth,
        [
            (
                "unnormalised",
                as_pairs(f.points * f.c),
                _("Too large by the number of points: `fft` sums, and a coefficient is a mean."),
            ),
            (
                "conjugate",
                as_pairs(f.c.conj()),
                _("These are c_{-j}: the sign in the exponent is wrong."),
            ),
            (
                "doubled",
                as_pairs(doubled),
                _("Twice too large from c_1 on: the other half belongs to c_{-j}."),
            ),
            (
                "reversed",
                as_pairs(f.c.flip(0)),
                _("The order is reversed: c_0 comes first."),
            ),
        ],
    )


# Exercise 3 ---------------------------------------------------------------------------------------


class _Slopes:
    """Slopes with a known variance: A cos w + b for each weight, A being zero for some."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        count = math.prod(shape)
        A = torch.linspace(1.0, 4.0, count, dtype=torch.float64)
        b = torch.linspace(-2.0, 3.0, count, dtype=torch.float64)
        A[::3] = b[::3] = 0
        self.A, self.b = A.reshape(shape), b.reshape(shape)
        self.drawn: list[Tensor] = []

    def __call__(self, weights: Any) -> Tensor:
        weights = torch.as_tensor(weights).detach().double()
        if weights.shape != self.A.shape:
            raise ValueError(
                f"slopes takes weights of shape {tuple(self.A.shape)}, got {tuple(weights.shape)}"
            )
        self.drawn.append(weights.clone())
        return self.A * weights.cos() + self.b


def ex_05_3(plateau: Any) -> Right:
    """A function `plateau(slopes, shape, generator)` that returns one number."""
    shape = (3, 8, 3)
    slopes = _Slopes(shape)
    value = _plateau(plateau, slopes, seed=0)
    drawn = torch.stack(slopes.drawn) if slopes.drawn else torch.empty(0)
    if len(drawn) != DRAWS:
        raise Wrong(
            "draws",
            _("`slopes` was called {n} times: 200 sets of angles were asked for.").format(
                n=len(drawn)
            ),
        )
    if float(drawn.std(0).max()) < 1e-9:
        raise Wrong("one-draw", _("All 200 sets of angles are the same."))
    if float(drawn.max()) < 0.9 * 2 * math.pi or float(drawn.min()) < 0:
        raise Wrong(
            "range",
            _(
                "Your angles lie between {low:.2f} and {high:.2f}: uniform between 0 and 2π was "
                "asked for."
            ).format(low=float(drawn.min()), high=float(drawn.max())),
        )
    if _plateau(plateau, _Slopes(shape), seed=0) != value:
        raise Wrong(
            "generator-unused",
            _("The same seed gave another number: draw from the `generator` that is handed in."),
        )
    found = slopes.A * drawn.cos() + slopes.b  # (draws, L, n, 3)
    active = slopes.A.flatten() > 0
    each = found.flatten(1).var(0)  # over the draws
    across = _("That is the variance across weights, draw by draw: take it over the draws.")
    candidates = [
        (
            "all-weights",
            each.mean(),
            _("Weights without any effect are in the average: leave them out."),
        ),
        (
            "std",
            each[active].sqrt().mean(),
            _("That is the standard deviation: the variance was asked for."),
        ),
        (
            "std",
            each[active].mean().sqrt(),
            _("That is the standard deviation: the variance was asked for."),
        ),
        (
            "over-weights",
            found.flatten(1).var(1).mean(),
            across,
        ),
        (
            "over-weights",
            found.flatten(1)[:, active].var(1).mean(),
            across,
        ),
        ("mean", found.mean(), _("That is the mean of the slopes: their variance was asked for.")),
        ("sum", each.sum(), _("That is a sum over weights: take the mean.")),
        (
            "largest",
            each.max(),
            _("That is the largest variance: take the mean over the weights with an effect."),
        ),
    ]

    def near(other: Tensor) -> bool:
        return abs(value - float(other)) < 1e-2 * abs(float(other)) + 1e-9

    # Dividing by 200 or by 199 is a matter of taste.
    if not near(each[active].mean()):
        for kind, other, message in candidates:
            if near(other):
                raise Wrong(kind, message)
        raise Wrong(
            "value",
            _("Expected {expected:.4f} for the angles that you drew, got {got:.4f}.").format(
                expected=float(each[active].mean()), got=value
            ),
        )
    return Right(
        _(
            "The slopes of the check are A cos w + b, with variance A²/2: {known:.3f} on average, "
            "and {got:.3f} from your 200 draws. Plot it against n on a logarithmic axis."
        ).format(known=float((slopes.A.flatten()[active] ** 2 / 2).mean()), got=value)
    )


def _plateau(plateau: Any, slopes: Callable[[Any], Tensor], seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    value = call(plateau, slopes, (3, 8, 3), generator)
    return expect_number(value, what="plateau(slopes, shape, generator)")


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_05_4(cone: Any) -> Right:
    """A function `cone(gates, qubit)` that returns a set of qubits."""
    brick = [(0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6)]
    cases = [
        ([], 3),
        ([(0, 1)], 2),
        (brick, 3),
        (brick, 0),
        ([(0, 1), (1, 2), (2, 3), (3, 0)], 1),  # a ring, one behind the other
        ([(2, 3), (1, 2), (0, 1)], 0),
        ([(0, 1), (1, 2), (2, 3)], 0),
        ([*brick, *brick[:4]], 7),
    ]
    for gates, qubit in cases:
        answer = call(cone, list(gates), qubit)
        try:
            found = {int(q) for q in answer}
        except (TypeError, ValueError):
            raise Wrong(
                "type", _("Expected a set of qubits, got {got!r}.").format(got=answer)
            ) from None
        expected = _cone(gates, qubit)
        if found == expected:
            continue
        said = _("For gates {gates} and qubit {qubit}: expected {expected}, got {got}.").format(
            gates=gates, qubit=qubit, expected=sorted(expected), got=sorted(found)
        )
        for kind, other, hint in (
            ("no-self", expected - {qubit}, _("The qubit itself belongs to its cone.")),
            ("forward", _cone(gates[::-1], qubit), _("Walk *back* from the measurement.")),
            (
                "neighbours",
                {qubit}.union(*(pair for pair in gates if qubit in pair)),
                _("Those who come in bring in others: a gate further back may touch *them*."),
            ),
            (
                "connected",
                _connected(gates, qubit),
                _("The order counts: a gate that acts later than all its way in has no effect."),
            ),
            ("range", set(range(min(expected), max(expected) + 1)), _("Gaps stay gaps.")),
        ):
            if found == other:
                raise Wrong(kind, f"{said} {hint}")
        raise Wrong("value", said)
    return Right(
        _(
            "In a ring, one layer behind a qubit can reach all others; in brickwork, two more a "
            "layer. Single-qubit gates never let anybody in."
        )
    )


def _cone(gates: list[tuple[int, int]], qubit: int) -> set[int]:
    reached = {qubit}
    for pair in reversed(gates):
        if reached.intersection(pair):
            reached.update(pair)
    return reached


def _connected(gates: list[tuple[int, int]], qubit: int) -> set[int]:
    reached, before = {qubit}, 0
    while len(reached) > before:
        before = len(reached)
        for pair in gates:
            if reached.intersection(pair):
                reached.update(pair)
    return reached

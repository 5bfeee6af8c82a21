"""Exercise 6.1: estimate a fidelity with the swap test, shot by shot."""

import cmath
import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_number
from vqvae_lib.course.exercises.chapter_06.states import normalise, random_states
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

N_REPETITIONS = 200


def check(fidelity: Any) -> Right:
    """A function `fidelity(a, b, shots, generator)` that returns one number."""
    a, b = random_states(2, 2, seed=3)  # two qubits, as in the chapter's own circuit
    orthogonal = normalise(b - (a.conj() @ b) * a)
    # Fidelity 0.4, and an inner product that is not real.
    mixture = cmath.exp(0.9j) * (math.sqrt(0.4) * a + math.sqrt(0.6) * orthogonal)
    shots = 500
    estimates = _repeat_estimate(fidelity, a, mixture, shots)
    _refuse_other_randomness(fidelity, estimates, a, mixture, shots)
    _judge_mean(estimates, shots, no_conjugate=float((a @ mixture).abs().square()))
    _judge_scatter(estimates, shots)
    _judge_extremes(fidelity, a, orthogonal)
    return Right(
        _(
            "Unbiased, even where an estimate is negative. A standard error of 0.01 takes up "
            "to 10,000 shots, for a single pair of states."
        )
    )


def _estimate_once(fidelity: Any, *arguments: Any) -> float:
    return expect_number(call(fidelity, *arguments), what="fidelity(a, b, shots, generator)")


def _repeat_estimate(
    fidelity: Any, a: Tensor, b: Tensor, shots: int, times: int = N_REPETITIONS
) -> Tensor:
    """Estimates (times,), each with a generator of its own seed."""
    generators = (torch.Generator().manual_seed(seed) for seed in range(times))
    return torch.tensor(
        [_estimate_once(fidelity, a, b, shots, g) for g in generators], dtype=torch.float64
    )


def _refuse_other_randomness(
    fidelity: Any, estimates: Tensor, a: Tensor, b: Tensor, shots: int
) -> None:
    if float(estimates.std()) < 1e-9:
        raise Wrong(
            "exact",
            _(
                "{times} generators gave the same number: either nothing is drawn from "
                "`generator`, or the helper is always 0. A quantum computer only gives you "
                "outcomes."
            ).format(times=len(estimates)),
        )
    repetition = _repeat_estimate(fidelity, a, b, shots, times=10)
    if not torch.equal(estimates[:10], repetition):
        raise Wrong(
            "generator-unused",
            _("The same seed gave another number: draw from the `generator` you are given."),
        )
    # Five right answers agree by chance once in a million times, and these do not.
    one_generator = torch.Generator().manual_seed(0)
    if len({_estimate_once(fidelity, a, b, shots, one_generator) for _time in range(5)}) == 1:
        raise Wrong(
            "generator-copied",
            _(
                "Five calls that share one generator gave the same number: draw from "
                "`generator` itself, so that each call continues where the last one stopped."
            ),
        )


def _judge_mean(estimates: Tensor, shots: int, *, no_conjugate: float) -> None:
    """Compare with 0.4, up to four standard errors, and with what likely mistakes give."""
    error = 4 * _standard_error(0.4, shots) / math.sqrt(len(estimates))
    mean = float(estimates.mean())
    if abs(mean - 0.4) <= error:
        return
    real = _("You use only the real part of ⟨a|b⟩: take its size |⟨a|b⟩|.")
    others = [
        ("probability", 0.7, _("That is the probability of a 0: solve it for the fidelity.")),
        ("not-squared", math.sqrt(0.4), _("That is |⟨a|b⟩|: the fidelity is its square.")),
        (
            "of-ones",
            -0.4,
            _(
                "The sign is wrong: the fidelity is 2 p(0) - 1, where p(0) is the probability of "
                "a 0."
            ),
        ),
        ("complement", 0.6, _("That is one minus the fidelity.")),
        ("half", 0.2, _("That is half of it: 2 p(0) - 1, not p(0) - ½.")),
        ("real-part", 0.4 * math.cos(0.9) ** 2, real),
        ("real-part", 0.4 * math.cos(1.8), real),
        (
            "no-conjugate",
            no_conjugate,
            _("The first state enters the inner product conjugated."),
        ),
    ]
    for kind, other, message in others:
        if abs(mean - other) < error:
            raise Wrong(kind, message)
    raise Wrong(
        "value",
        _("For a fidelity of 0.4 your estimates are {mean:.3f} on average.").format(mean=mean),
    )


def _standard_error(F: float, shots: int) -> float:
    """Standard error of the estimate of a fidelity."""
    return math.sqrt((1 - F**2) / shots)


def _judge_scatter(estimates: Tensor, shots: int) -> None:
    """Every estimate comes from a whole number of zeros, and they vary as such estimates do."""
    zeros = (estimates + 1) / 2 * shots
    distance = (zeros - zeros.round()).abs()
    if float(distance.max()) > 1e-2:  # single precision leaves 1e-4
        raise Wrong(
            "not-counted",
            _(
                "Right on average, but no number of zeros in {shots} shots gives {got:.4f}: draw "
                "{shots} outcomes, and estimate p(0) by the share of zeros."
            ).format(shots=shots, got=float(estimates[distance.argmax()])),
        )
    spread = _standard_error(0.4, shots)
    if not 0.8 < float(estimates.std()) / spread < 1.2:
        raise Wrong(
            "spread",
            _(
                "Right on average, but {shots} shots have a standard error of {expected:.3f}, and "
                "yours vary by {got:.3f}: do you draw each shot?"
            ).format(shots=shots, expected=spread, got=float(estimates.std())),
        )


def _judge_extremes(fidelity: Any, a: Tensor, orthogonal: Tensor) -> None:
    """Few shots for equal states, whose helper is always 0, and for orthogonal ones."""
    shots = 20
    same = torch.tensor([1, 1j, -1, 1], dtype=torch.complex128) / 2  # of length 1 without rounding
    for got in _repeat_estimate(fidelity, same, same, shots, times=10).tolist():
        if abs(got - 1) > 1e-6:
            raise Wrong(
                "biased",
                _(
                    "If both states are the same, all {shots} shots give 0 and the estimate "
                    "must be 1, but yours is {got:.4f}."
                ).format(shots=shots, got=got),
            )
    at_zero = _repeat_estimate(fidelity, a, orthogonal, shots)
    mean, error = float(at_zero.mean()), 4 * _standard_error(0, shots) / math.sqrt(len(at_zero))
    if mean > error:
        raise Wrong(
            "clipped",
            _(
                "For orthogonal states and {shots} shots your estimates are {mean:.3f} on "
                "average instead of 0. If you cut off negative ones, the rest is biased: let "
                "them be negative."
            ).format(shots=shots, mean=mean),
        )
    if mean < -error:
        raise Wrong(
            "biased",
            _(
                "For orthogonal states and {shots} shots your estimates are {mean:.3f} on "
                "average instead of 0."
            ).format(shots=shots, mean=mean),
        )

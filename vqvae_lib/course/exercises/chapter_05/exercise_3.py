"""Exercise 5.3: measure the variance of a circuit's slopes over random angles."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import (
    Mistake,
    call,
    expect_number,
)
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

N_DRAWS = 200


TURN = 2 * math.pi


class _Slopes:
    """Slopes with a known variance: A cos w + b for each weight; for a third, here and there, 0."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        count = math.prod(shape)
        A = torch.linspace(1.0, 4.0, count, dtype=torch.float64)
        b = torch.linspace(-2.0, 3.0, count, dtype=torch.float64)
        dead = torch.randperm(count, generator=torch.Generator().manual_seed(count))[: count // 3]
        A[dead] = b[dead] = 0
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


def check(plateau: Any) -> Right:
    """A function `plateau(slopes, shape, generator)` that returns one number."""
    known, value = 0.0, 0.0
    for shape in ((3, 8, 3), (2, 5, 3)):
        answer, slopes, drawn = _run_plateau(plateau, shape, seed=0)
        _judge_draws(drawn)
        same, other = (_run_plateau(plateau, shape, seed=seed)[2] for seed in (0, 1))
        if not torch.equal(same, drawn) or torch.equal(other, drawn):
            raise Wrong(
                "generator-unused",
                _(
                    "Your angles do not come from the `generator` that is handed in: the same one "
                    "must give the same angles again, and another one others."
                ),
            )
        value = expect_number(answer, what="plateau(slopes, shape, generator)")
        _judge_number(value, slopes.A * drawn.cos() + slopes.b, slopes.A.flatten() > 0)
        known = float((slopes.A[slopes.A > 0] ** 2 / 2).mean())
    return Right(
        _(
            "The slopes of the check are A cos w + b, with variance A²/2: {known:.3f} on average, "
            "and {got:.3f} from your 200 draws. Plot it against n on a logarithmic axis."
        ).format(known=known, got=value)
    )


def _run_plateau(plateau: Any, shape: tuple[int, ...], seed: int) -> tuple[Any, _Slopes, Tensor]:
    """Run the learner's function; what it returned, and the slopes with the angles drawn."""
    slopes = _Slopes(shape)
    value = call(plateau, slopes, shape, torch.Generator().manual_seed(seed))
    if len(slopes.drawn) != N_DRAWS:
        raise Wrong(
            "draws",
            _("`slopes` was called {n} times: 200 sets of angles were asked for.").format(
                n=len(slopes.drawn)
            ),
        )
    return value, slopes, torch.stack(slopes.drawn)


def _judge_draws(drawn: Tensor) -> None:
    """Refuse angles (draws, ...) that are not independent and uniform between 0 and 2π.

    The limits leave a right answer less than one chance in a million to be refused.
    """
    flat = drawn.flatten(1)
    different = len(flat.unique(dim=0))
    if different == 1:
        raise Wrong("one-draw", _("All 200 sets of angles are the same."))
    if different < N_DRAWS:
        raise Wrong(
            "repeated",
            _("Only {n} of your 200 sets of angles are different: draw each anew.").format(
                n=different
            ),
        )
    # Of k independent points on a circle the mean varies by 1/k of what one does; 200 draws show
    # that to 7 %. If each angle serves two weights, it is 2/k.
    points = torch.polar(torch.ones_like(flat), flat)
    points = points - points.mean()
    share = points.mean(1).abs().square().mean() / points.abs().square().mean()
    if not 0.5 < float(share) * flat.shape[1] < 1.5:
        raise Wrong(
            "correlated",
            _("The angles within a set hang together: draw one for each weight, on its own."),
        )
    # The distance of Kolmogorov and Smirnov between all angles and uniform ones; angles between 0
    # and 6 have twice the limit.
    ordered = flat.flatten().sort().values / TURN
    uniform = torch.arange(0.5, len(ordered), dtype=torch.float64) / len(ordered)
    distance = float((ordered - uniform).abs().max())
    low, high = float(flat.min()), float(flat.max())
    if low < 0 or high > TURN + 1e-5 or distance > 2.7 / math.sqrt(len(ordered)):
        raise Wrong(
            "range",
            _(
                "Your angles lie between {low:.2f} and {high:.2f}, {share:.0%} of them below π: "
                "uniform between 0 and 2π was asked for."
            ).format(low=low, high=high, share=float((flat < math.pi).double().mean())),
        )


def _judge_number(value: float, found: Tensor, active: Tensor) -> None:
    """Judge the number by the slopes (draws, ...) that the learner saw."""
    found = found.flatten(1)  # (draws, weights)

    def near(other: Tensor) -> bool:
        """Whether the two are one number, but for rounding in float32."""
        return math.isclose(value, float(other), rel_tol=1e-4)

    # Dividing by 200 or by 199 is a matter of taste.
    right = [found[:, active].var(0, correction=c).mean() for c in (1, 0)]
    if any(near(other) for other in right):
        return
    for correction in (1, 0):
        for kind, other, message in _list_mistakes(found, active, correction):
            if near(other):
                raise Wrong(kind, message)
    raise Wrong(
        "value",
        _("Expected {expected:.4f} for the angles that you drew, got {got:.4f}.").format(
            expected=float(right[0]), got=value
        ),
    )


def _list_mistakes(found: Tensor, active: Tensor, correction: int) -> list[Mistake]:
    each = found.var(0, correction=correction)  # over the draws
    seen = found[:, active]
    std = _("Your number is a standard deviation: the variance was asked for.")
    mean = _("Your number is the mean of the slopes: their variance was asked for.")
    across = _("Your number is a variance across the weights: take it over the draws.")
    pooled = _(
        "Your number is the variance of all slopes in one heap: take it over the draws of each "
        "weight, then average."
    )
    return [
        (
            "all-weights",
            each.mean(),
            _("Weights without any effect are in the average: leave them out."),
        ),
        ("std", each[active].sqrt().mean(), std),
        ("std", each[active].mean().sqrt(), std),
        ("over-weights", found.var(1, correction=correction).mean(), across),
        ("over-weights", seen.var(1, correction=correction).mean(), across),
        ("pooled", found.var(correction=correction), pooled),
        ("pooled", seen.var(correction=correction), pooled),
        (
            "squares",
            seen.square().mean(),
            _("Your number is the mean of the squares: these slopes have a mean, subtract it."),
        ),
        ("mean", found.mean(), mean),
        ("mean", seen.mean(), mean),
        ("sum", each.sum(), _("Your number is a sum over weights: take the mean.")),
        (
            "largest",
            each.max(),
            _("Your number is the largest variance: take the mean over those with an effect."),
        ),
    ]

"""Exercise 5.3: measure the variance of a circuit's slopes over random angles."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_number
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

N_DRAWS = 200
TURN = 2 * math.pi


class _Slopes:
    """Slopes of known variance: A cos w + b for each weight, and 0 for a third of them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        count = math.prod(shape)
        A = torch.linspace(1.0, 4.0, count, dtype=torch.float64)
        b = torch.linspace(-2.0, 3.0, count, dtype=torch.float64)
        dead = torch.randperm(count, generator=torch.Generator().manual_seed(count))[: count // 3]
        A[dead] = b[dead] = 0
        self.A, self.b = A.reshape(shape), b.reshape(shape)
        self.angles: list[Tensor] = []

    def __call__(self, weights: Any) -> Tensor:
        weights = torch.as_tensor(weights).detach().double()
        if weights.shape != self.A.shape:
            raise ValueError(
                f"slopes takes weights of shape {tuple(self.A.shape)}, got {tuple(weights.shape)}"
            )
        self.angles.append(weights.clone())
        return self.A * weights.cos() + self.b


def check(plateau: Any) -> Right:
    """A function `plateau(slopes, shape, generator)` that returns one number."""
    variance, value = 0.0, 0.0
    for shape in ((3, 8, 3), (2, 5, 3)):
        answer, slopes, angles = _run_plateau(plateau, shape, seed=0)
        _judge_draws(angles)
        same, other = (_run_plateau(plateau, shape, seed=seed)[2] for seed in (0, 1))
        if not torch.equal(same, angles) or torch.equal(other, angles):
            raise Wrong(
                "generator-unused",
                _(
                    "Your angles do not come from the `generator` you are given: the same "
                    "generator must give the same angles again, and another one must give "
                    "others."
                ),
            )
        value = expect_number(answer, what="plateau(slopes, shape, generator)")
        _judge_number(value, slopes.A * angles.cos() + slopes.b, slopes.A.flatten() > 0)
        variance = float((slopes.A[slopes.A > 0] ** 2 / 2).mean())
    return Right(
        _(
            "The slopes in this check are A cos w + b, with variance A²/2: {variance:.3f} on "
            "average, and {got:.3f} from your 200 draws. Plot it against n on a logarithmic "
            "axis."
        ).format(variance=variance, got=value)
    )


def _run_plateau(plateau: Any, shape: tuple[int, ...], seed: int) -> tuple[Any, _Slopes, Tensor]:
    """Run the learner's function; return its value, the slopes, and the angles it drew."""
    slopes = _Slopes(shape)
    value = call(plateau, slopes, shape, torch.Generator().manual_seed(seed))
    if len(slopes.angles) != N_DRAWS:
        raise Wrong(
            "draws",
            _("You called `slopes` {n} times: the exercise asks for 200 sets of angles.").format(
                n=len(slopes.angles)
            ),
        )
    return value, slopes, torch.stack(slopes.angles)


def _judge_draws(angles: Tensor) -> None:
    """Refuse angles (draws, ...) that are not independent and uniform between 0 and 2π.

    By these limits a right answer is refused less than once in a million times.
    """
    flat = angles.flatten(1)
    different = len(flat.unique(dim=0))
    if different == 1:
        raise Wrong("one-draw", _("All 200 sets of angles are the same."))
    if different < N_DRAWS:
        raise Wrong(
            "repeated",
            _(
                "Only {n} of your 200 sets of angles are different: draw new angles each time."
            ).format(n=different),
        )
    # Of k independent points on a circle the mean varies by 1/k of what one does; 200 draws show
    # that to 7 %. If each angle serves two weights, it is 2/k.
    points = torch.polar(torch.ones_like(flat), flat)
    points = points - points.mean()
    share = points.mean(1).abs().square().mean() / points.abs().square().mean()
    if not 0.5 < float(share) * flat.shape[1] < 1.5:
        raise Wrong(
            "correlated",
            _(
                "The angles within a set depend on each other: draw each weight's angle "
                "independently."
            ),
        )
    # The Kolmogorov-Smirnov distance between all angles and uniform ones; angles between 0 and 6
    # have twice the limit.
    turns = flat.flatten().sort().values / TURN
    uniform = torch.arange(0.5, len(turns), dtype=torch.float64) / len(turns)
    distance = float((turns - uniform).abs().max())
    low, high = float(flat.min()), float(flat.max())
    if low < 0 or high > TURN + 1e-5 or distance > 2.7 / math.sqrt(len(turns)):
        raise Wrong(
            "range",
            _(
                "Your angles lie between {low:.2f} and {high:.2f}, {share:.0%} of them below "
                "π: the exercise asks for uniform ones between 0 and 2π."
            ).format(low=low, high=high, share=float((flat < math.pi).double().mean())),
        )


def _judge_number(value: float, slopes: Tensor, active: Tensor) -> None:
    """Judge the number by the slopes (draws, ...) that the learner saw."""
    slopes = slopes.flatten(1)  # (draws, weights)

    def is_close(other: Tensor) -> bool:
        """Whether the two are one number, but for rounding in float32."""
        return math.isclose(value, float(other), rel_tol=1e-4)

    # Dividing by 200 or by 199 is a matter of taste.
    right = [slopes[:, active].var(0, correction=c).mean() for c in (1, 0)]
    if any(is_close(other) for other in right):
        return
    for correction in (1, 0):
        for kind, other, message in _list_mistakes(slopes, active, correction):
            if is_close(other):
                raise Wrong(kind, message)
    raise Wrong(
        "value",
        _("Expected {expected:.4f} for the angles you drew, got {got:.4f}.").format(
            expected=float(right[0]), got=value
        ),
    )


def _list_mistakes(slopes: Tensor, active: Tensor, correction: int) -> list[Mistake]:
    each = slopes.var(0, correction=correction)  # over the draws
    effective = slopes[:, active]
    std = _("Your number is a standard deviation: the exercise asks for the variance.")
    mean = _("Your number is the mean of the slopes: the exercise asks for their variance.")
    across = _("Your number is a variance across the weights: take it over the draws.")
    pooled = _(
        "Your number is the variance of all slopes thrown together: take it over the draws of "
        "each weight, then average."
    )
    return [
        (
            "all-weights",
            each.mean(),
            _("Your average includes weights without any effect: leave them out."),
        ),
        ("std", each[active].sqrt().mean(), std),
        ("std", each[active].mean().sqrt(), std),
        ("over-weights", slopes.var(1, correction=correction).mean(), across),
        ("over-weights", effective.var(1, correction=correction).mean(), across),
        ("pooled", slopes.var(correction=correction), pooled),
        ("pooled", effective.var(correction=correction), pooled),
        (
            "squares",
            effective.square().mean(),
            _("Your number is the mean of the squares. These slopes have a mean: subtract it."),
        ),
        ("mean", slopes.mean(), mean),
        ("mean", effective.mean(), mean),
        ("sum", each.sum(), _("Your number is a sum over the weights: take the mean.")),
        (
            "largest",
            each.max(),
            _(
                "Your number is the largest variance: take the mean over the weights that "
                "have an effect."
            ),
        ),
    ]

"""Exercise 3.3: trace the curve of rate and distortion."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

from vqvae_lib.course.exercises.answers import expect_number
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

VARIANCE = 0.02  # of the likelihood
# Nats of rate at the smallest beta. Codes of eight numbers or more have 18 to 64, of four 11 to 14.
LARGE_CODE = 17


def _empty_distortion(variance: float = VARIANCE) -> float:
    """Distortion of the mean picture, in nats: what is left when the code says nothing."""
    digits = digits_data()
    return digits.D / 2 * math.log(2 * math.pi * variance) + _mean_error() / (2 * variance)


def _mean_error() -> float:
    """Squared error of the mean picture on a test digit, summed over pixels: 4.71."""
    digits = digits_data()
    return float((digits.x_test - digits.x_train.mean(0)).double().square().sum(1).mean())


def check(curve: Any) -> Right:
    """A dictionary {beta: (rate, distortion)} for five or more values of beta."""
    betas, rate, distortion = _read_curve(curve)
    _refuse_range(betas)
    _refuse_wrong_pairs(rate, distortion)
    _refuse_rates(rate)
    _refuse_empty_end(distortion[-1])
    if max(rate) < 5:  # a code of two numbers has 7 nats; averages over 2 to 16 numbers 4 or less
        raise Wrong(
            "rate-mean",
            _(
                "No rate is above {most:.1f} nats. Is it averaged over the dimensions of the code? "
                "The KL is their sum."
            ).format(most=max(rate)),
        )
    _refuse_slopes(betas, rate, distortion)
    return Right(_comment_on_curve(betas, rate, distortion))


def _refuse_range(betas: list[float]) -> None:
    if betas[0] > 0.3 or betas[-1] < 50:
        raise Wrong(
            "range",
            _(
                "Your beta goes from {low:g} to {high:g}: go from 0.3 or less to 50 or more. "
                "At the upper end the code is empty, and then we know what the distortion "
                "must be."
            ).format(low=betas[0], high=betas[-1]),
        )
    for low, high in itertools.pairwise(betas):
        if high > 10.5 * low:
            raise Wrong(
                "gap",
                _(
                    "There is more than a factor of ten between beta = {low:g} and {high:g}: "
                    "add a value in between."
                ).format(low=low, high=high),
            )


def _refuse_wrong_pairs(rate: list[float], distortion: list[float]) -> None:
    """Refuse pairs in another order, with another sign, or of another number of images."""
    if min(distortion) > -1e-3 and rate[-1] > rate[0] + 5 and distortion[-1] < distortion[0] - 5:
        raise Wrong(
            "swapped",
            _(
                "The first of each pair rises with beta and the second falls to zero: have "
                "you swapped them? The rate comes first."
            ),
        )
    if min(rate) < -1e-6:
        raise Wrong(
            "negative-rate",
            _(
                "A KL is never negative, but one of your rates is {rate:.2f}: check the sign."
            ).format(rate=min(rate)),
        )
    if max(rate) > 300:  # the longest code that was tried, of 32 numbers, has 61 nats
        raise Wrong(
            "not-per-image",
            _(
                "A rate of {most:.0f} nats is that of many images. Average over the test images."
            ).format(most=max(rate)),
        )


def _refuse_rates(rate: list[float]) -> None:
    if max(rate) < 1:
        raise Wrong(
            "untrained",
            _(
                "No rate is above 1 nat, at any beta. Were the models trained, with a "
                "likelihood of variance 0.02?"
            ),
        )
    # Six models at beta = 1 differ by 0.3 nats; a code of two numbers falls from 7.5 to 0.
    if max(rate) - min(rate) < 3 and min(rate) > 1:
        raise Wrong(
            "beta-unused",
            _(
                "All rates lie between {low:.1f} and {high:.1f} nats, whatever beta is. Did "
                "you pass `beta=` to the model?"
            ).format(low=min(rate), high=max(rate)),
        )


def _refuse_empty_end(distortion: float) -> None:
    """Refuse a largest beta whose distortion is not that of the mean picture."""
    # Trained for 16 to 100 epochs, models with 2 to 32 latent dimensions have 51.7 to 53.3 there.
    if 51.3 < distortion < 55:
        return
    kind, message = "variance", _("Did you use another variance?")
    for name, value, tolerance, hint in _list_mistakes():
        if abs(distortion - value) < tolerance:
            kind, message = name, hint
            break
    text = _(
        "At the largest beta the code is empty, so the distortion is that of the mean "
        "picture: {expected:.1f} nats at variance 0.02. Yours is {got:.1f}."
    ).format(expected=_empty_distortion(), got=distortion)
    raise Wrong(kind, f"{text} {message}")


def _list_mistakes() -> Iterator[tuple[str, float, float, str]]:
    """What likely mistakes would have there: kind, value, tolerance, hint."""
    D, error = digits_data().D, _mean_error()
    yield (
        "sign",
        -_empty_distortion(),
        3,
        _("The sign is wrong: the distortion is *minus* the average of log p(x|z)."),
    )
    yield (
        "bits",
        _empty_distortion() / math.log(2),
        2,
        _("These are bits: take natural logarithms."),
    )
    yield (
        "training-set",
        50.7,
        0.6,
        _("That is the value for the training digits: measure on the test digits."),
    )
    yield "untrained", 58.5, 3.5, _("That is slightly too high: train longer.")
    yield (
        "no-constant",
        error / (2 * VARIANCE),
        3,
        _("The constant D/2 log 2πσ² is missing."),
    )
    yield (
        "squared-error",
        error,
        0.5,
        _("That is the bare squared error: divide by 2σ², and add D/2 log 2πσ²."),
    )
    for value, tolerance in ((_empty_distortion() / D, 0.05), (error / D, 0.01)):
        yield "per-pixel", value, tolerance, _("That is an average over pixels: sum over all 64.")
    # No variance gives the mean picture less than the one that equals its error.
    yield (
        "learned-variance",
        _empty_distortion(error / D),
        0.5,
        _("That is the least that any variance gives: was the variance learned? Keep it at 0.02."),
    )


def _refuse_slopes(betas: list[float], rate: list[float], distortion: list[float]) -> None:
    """Refuse columns that are not rate and distortion of the best models at these betas.

    Limits were measured over 800 choices of five to eight of eight betas, from 16 models each. A
    code of a few numbers generalises worse to the test digits, so its slopes are less regular.
    """
    is_large = max(rate) > LARGE_CODE
    off = _measure_inconsistency(betas, rate, distortion)
    rows = list(zip(betas, rate, distortion, strict=True))
    alternatives = [
        (
            _measure_inconsistency(betas, [r / b for b, r, d in rows], distortion),
            "times-beta",
            _("The rate is the KL itself, not beta times the KL."),
        ),
        (
            _measure_inconsistency(betas, rate, [d - r for b, r, d in rows]),
            "loss",
            _("The distortion seems to include the KL: is this the loss without its weight?"),
        ),
        (
            _measure_inconsistency(betas, rate, [d - b * r for b, r, d in rows]),
            "beta-loss",
            _("The distortion seems to include beta times the KL: is this the loss?"),
        ),
    ]
    # Right columns are off by 1.0 nat at most, and by 5.9 with two or four latent dimensions.
    least, kind, message = min(alternatives)
    if off > (3 if is_large else 7) and least < min(3, off / 2):
        raise Wrong(kind, message)
    if max(b - a for a, b in itertools.pairwise(rate)) > 0.5:
        raise Wrong("not-falling", _("The rate has to fall as beta grows, but yours does not."))
    if min(b - a for a, b in itertools.pairwise(distortion)) < (-1.5 if is_large else -3):
        raise Wrong(
            "not-rising", _("The distortion has to rise as beta grows, but yours does not.")
        )
    _refuse_scale(_compare_slope_with_beta(betas, rate, distortion), is_large=is_large)


def _refuse_scale(factor: float, *, is_large: bool) -> None:
    """Refuse rates that are all too large or too small, by what the slope of the curve says."""
    # Right columns have 0.87 to 1.35, and 0.60 to 1.46 with two or four latent dimensions.
    low, high = (0.82, 1.52) if is_large else (0.55, 1.57)
    if factor > high:
        raise Wrong(
            "rate-small",
            _(
                "One nat of rate should buy about beta nats of distortion, and yours buys "
                "{factor:.1f} times as much: your rates are too small. Does the KL have its factor "
                "½ twice, or did you average where it sums?"
            ).format(factor=factor),
        )
    if factor < low:
        raise Wrong(
            "rate-large",
            _(
                "One nat of rate should buy about beta nats of distortion, and yours buys only "
                "{factor:.1f} times as much: your rates are too large. Does the KL lack its factor "
                "½, or is it in bits?"
            ).format(factor=factor),
        )


def _compare_slope_with_beta(
    betas: list[float], rate: list[float], distortion: list[float]
) -> float:
    """Slope of the curve over beta, averaged geometrically over the intervals that tell it.

    Each interval has the geometric mean of its two betas, and counts by how much the rate falls.
    """
    total, weight = 0.0, 0.0
    for i, (low, high) in enumerate(itertools.pairwise(betas)):
        fall, rise = rate[i] - rate[i + 1], distortion[i + 1] - distortion[i]
        if low >= 1 and fall > 0.5 and rise > 1:
            total += min(fall, 3) * math.log(rise / (fall * math.sqrt(low * high)))
            weight += min(fall, 3)
    return math.exp(total / weight) if weight else 1.0


def _measure_inconsistency(betas: list[float], rate: list[float], distortion: list[float]) -> float:
    """How far, in nats, the columns are from those of models that are each best at their own beta.

    If another beta's model were better at this beta, it would stand here. So between neighbours the
    distortion rises by at least the smaller beta times the fall of the rate, and at most by the
    larger beta times that fall.
    """
    off = 0.0
    for i, (low, high) in enumerate(itertools.pairwise(betas)):
        fall, rise = rate[i] - rate[i + 1], distortion[i + 1] - distortion[i]
        least, most = sorted((low * fall, high * fall))
        off += max(0.0, least - rise, rise - most)
    return off


def _comment_on_curve(betas: list[float], rate: list[float], distortion: list[float]) -> str:
    total = [r + d for r, d in zip(rate, distortion, strict=True)]
    text = _(
        "From the smallest beta to the largest, the rate falls from {rates[0]:.1f} to "
        "{rates[1]:.1f} nats and the distortion rises from {distortions[0]:.1f} to "
        "{distortions[1]:.1f}. Their sum is smallest at beta = {at:g}: that is where the ELBO is "
        "best."
    ).format(
        rates=(rate[0], rate[-1]),
        distortions=(distortion[0], distortion[-1]),
        at=betas[total.index(min(total))],
    )
    for i, (low, high) in enumerate(itertools.pairwise(betas)):
        fall, rise = rate[i] - rate[i + 1], distortion[i + 1] - distortion[i]
        # Where beta is not so small that the noise of the test digits decides.
        if low >= 0.3 and fall > 0.5 and rise > 0:
            slope = _(
                "Between beta = {low:g} and {high:g}, one nat of rate buys {slope:.1f} nats "
                "of distortion. On training data, the slope of the curve is beta itself."
            ).format(low=low, high=high, slope=rise / fall)
            return f"{text} {slope}"
    return text


def _read_curve(curve: Any) -> tuple[list[float], list[float], list[float]]:
    """Return betas in order, rates and distortions, or say what is wrong with the dictionary."""
    if not isinstance(curve, dict):
        raise Wrong(
            "type",
            _("Expected a dictionary {{beta: (rate, distortion)}}, got {got}.").format(
                got=type(curve).__name__
            ),
        )
    if len(curve) < 5:
        raise Wrong(
            "too-few",
            _("The exercise asks for five values of beta or more, got {n}.").format(n=len(curve)),
        )
    rows = []
    for key, pair in curve.items():
        beta = expect_number(key, what=_("the key {key!r}").format(key=key))
        if beta <= 0:
            raise Wrong("entry", _("Every beta must be above 0, got {beta:g}.").format(beta=beta))
        try:
            rate, distortion = pair
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(
                "entry",
                _("curve[{beta:g}]: expected a pair (rate, distortion).").format(beta=beta),
            ) from None
        what = f"curve[{beta:g}]"
        rows.append((beta, expect_number(rate, what=what), expect_number(distortion, what=what)))
    betas, rates, distortions = (list(column) for column in zip(*sorted(rows), strict=True))
    return betas, rates, distortions

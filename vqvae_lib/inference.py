"""What a few paired differences can say: an interval, a p-value, and the least they could show.

Each number here belongs to one *unit*, such as a fold that tests its own writers. Units are rarely
independent: any two folds train on mostly the same data, so their mean scatters more than their
own spread s suggests. Nadeau and Bengio (2003, Machine Learning 52) correct its standard error,

    s · sqrt(1/J + n_test/n_train)    instead of    s · sqrt(1/J),

for J units that train on n_train cases and test on n_test each. The ratio is called `test_to_train`
throughout; it is 0 for units that share nothing.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import special, stats
from torch import Tensor

from vqvae_lib._checks import (
    check_count,
    check_instance,
    check_number,
    check_sequence,
    check_tensor,
    check_unit,
)

__all__ = [
    "Difference",
    "detectable_difference",
    "estimate_difference",
    "holm",
    "sign_flip_test",
    "t_interval",
    "t_test",
]

LEVEL = 0.05  # of all tests; intervals cover 95 %
POWER = 0.8  # with which a detectable difference is detected
FLIPS = 99_999  # up to 16 units, all their signs; random ones beyond

_AT_A_TIME = 2**20  # signs that are held in memory

Values = Sequence[float] | np.ndarray
Key = TypeVar("Key", bound=Hashable)


class Difference(NamedTuple):
    """What the units say about the difference between two arms.

    Attributes
    ----------
    mean
        Above 0, the first arm is better.
    low, high
        The corrected 95 % interval, see `t_interval`.
    p
        Of the hypothesis that there is no difference, see `estimate_difference`.
    detectable
        The smallest true difference that these units would show, see `detectable_difference`.
    """

    mean: float
    low: float
    high: float
    p: float
    detectable: float

    def __str__(self) -> str:
        """Format it for a sentence: ``+0.3 [-0.1, 0.7], p = 0.12``."""
        return f"{self.mean:+.2g} [{self.low:.2g}, {self.high:.2g}], p = {self.p:.2g}"


def estimate_difference(
    differences: Values, *, test_to_train: float, family_size: int = 1
) -> Difference:
    """Estimate the mean of paired differences, and say how far it can be trusted.

    The p-value is the larger of two, because each test is blind where the other sees. `t_test`
    allows for training data that units share, but takes differences to be normal.
    `sign_flip_test` asks for symmetry only, but takes units to be independent. A difference has to
    convince both.

    Parameters
    ----------
    differences
        One number per unit, (J,): seeds within a unit are averaged first.
    test_to_train
        n_test/n_train of a unit; 0 for independent units.
    family_size
        How many differences are tested together. It lowers the level at which `detectable` is
        measured; the p-value is left as it is, see `holm`.

    Raises
    ------
    ValueError
        If there are fewer than two units, or a number is not finite or out of range.
    """
    differences = _check_units(differences, "differences")
    level = LEVEL / check_count("family_size", family_size)
    return Difference(
        float(np.mean(differences)),
        *t_interval(differences, test_to_train=test_to_train),
        max(t_test(differences, test_to_train=test_to_train), sign_flip_test(differences)),
        detectable_difference(differences, test_to_train=test_to_train, level=level),
    )


def t_interval(values: Values, *, test_to_train: float = 0.0) -> tuple[float, float]:
    """Interval that covers the mean of the population 95 % of the time: Student's t, corrected.

    Its half width is t · s · sqrt(1/J + n_test/n_train), with the quantile t at J - 1 degrees of
    freedom. Random splits that overlap are what the correction was made for; where each case is
    tested once, as in cross-validation, it errs on the safe side.

    Parameters
    ----------
    values
        One number per unit, (J,), J of at least 2.
    test_to_train
        n_test/n_train of a unit; 0 for independent units.
    """
    values = _check_units(values)
    quantile = stats.t.ppf(1 - LEVEL / 2, len(values) - 1)
    half = float(quantile * _standard_error(values, test_to_train))
    return float(values.mean()) - half, float(values.mean()) + half


def t_test(values: Values, *, test_to_train: float = 0.0) -> float:
    """Two-sided p-value of a mean of 0: below 0.05 just where `t_interval` excludes 0."""
    values = _check_units(values)
    error, distance = _standard_error(values, test_to_train), abs(values.mean())
    if error == 0:
        return float(distance == 0)
    return float(2 * stats.t.sf(distance / error, len(values) - 1))


def sign_flip_test(values: Values) -> float:
    """Two-sided p-value: how often the mean is as far from 0 with random signs.

    If two arms are alike, each difference could as well have come out with the other sign
    (Fisher's permutation test for pairs). J units have 2^J sign patterns, and the mean is farthest
    from 0 in two of them at least, so p cannot fall below 2/2^J: 0.016 for 7 units, 0.0001 for 14.
    Above 16 units, random patterns stand for all.

    Parameters
    ----------
    values
        One difference per unit, (J,), J of at least 2, from independent units: where units share
        training data, p comes out too small.
    """
    values = _check_units(values)
    test = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=FLIPS,
        batch=math.ceil(_AT_A_TIME / len(values)),
        random_state=0,
    )
    return float(test.pvalue)


def detectable_difference(
    values: Values, *, test_to_train: float = 0.0, level: float = LEVEL
) -> float:
    """Smallest true difference that units like these would show four times in five.

    That is the shift at which `t_test` falls below the level with a probability of 80 %, by the
    noncentral t distribution, for the scatter that the values have. Where nothing was found, a
    true difference smaller than this may well be there. (With the fewest units that a level
    allows, `sign_flip_test` asks for a little more.)

    Parameters
    ----------
    values
        One difference per unit, (J,), J of at least 2.
    test_to_train
        n_test/n_train of a unit; 0 for independent units.
    level
        0.05 for a single test, 0.05/m for one of m. If 2/2^J exceeds it, `sign_flip_test` cannot
        get there: no difference, however large, would be shown, and the answer is infinite.
    """
    values = _check_units(values)
    level = check_number("level", level, above=0, below=1)
    error = _standard_error(values, test_to_train)
    if 2.0 ** (1 - len(values)) > level:
        return math.inf
    df = len(values) - 1
    quantile = stats.t.ppf(1 - level / 2, df)
    # The shift, in standard errors, at which t stays below its quantile one time in five. (That t
    # ends up beyond the other quantile is out of the question there.)
    shift = special.nctdtrinc(df, 1 - POWER, quantile)
    return float(shift * error)


def holm(p: Mapping[Key, float]) -> dict[Key, float]:
    """Correct the p-values of a family of tests for its size (Holm 1979).

    Parameters
    ----------
    p
        By name, of any tests: they may depend on each other.

    Returns
    -------
    dict
        Corrected, in the same order. Call all those below 0.05 differences, and the probability
        that even one of them is false is at most 0.05.
    """
    check_instance("p", p, Mapping, "a dict of p-values by name")
    p = {name: check_number(f"p[{name!r}]", value, least=0, most=1) for name, value in p.items()}
    corrected: dict[Key, float] = {}
    largest = 0.0  # so far: a larger p is never corrected to a smaller one
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p}


def _standard_error(values: np.ndarray, test_to_train: float) -> float:
    ratio = check_number("test_to_train", test_to_train, least=0)
    return float(values.std(ddof=1)) * math.sqrt(1 / len(values) + ratio)


def _check_units(values: Values, name: str = "values") -> np.ndarray:
    if not isinstance(values, Tensor | np.ndarray):
        expected = "two or more numbers, one per unit"
        entries = check_sequence(name, values, expected, least=2)
        values = np.array([check_number(f"{name}[{i}]", entry) for i, entry in enumerate(entries)])
    units = check_tensor(name, values, ("J",), least=2, finite=True)
    check_unit(name, units)
    return units.detach().cpu().double().numpy()

"""Exercise 11.4: test whether a generator copied its training data."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_number
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

N_HONEST, N_LEAKING = 30, 20
# An exact test at 5 % gives 6 or more false alarms among 30 in 0.3 % of cases; the test of the
# chapter gives 0 here, and finds all 20 leaks.
MOST_ALARMS, LEAST_LEAKS = 5, 15
LEVEL = 0.05
# By the test of Kolmogorov and Smirnov these p-values are evenly spread with p = 0.008 or more for
# thirteen sound tests (of ranks, means, counts), with 6e-6 or less where they are halved or
# tenfold, and for shares that are taken for p-values.
LEAST_EVENNESS = 1e-4


def check(leak_p_value: Any) -> Right:
    """A function `leak_p_value(generated, suspected, clean)` that returns a p-value."""
    from scipy.stats import kstest

    honest, leaking = (
        [_p_value(leak_p_value, *_make_trial(trial, leaks)) for trial in range(number)]
        for leaks, number in ((False, N_HONEST), (True, N_LEAKING))
    )
    alarms, leaks = (sum(p < LEVEL for p in ps) for ps in (honest, leaking))
    numbers = {
        "alarms": alarms,
        "most": MOST_ALARMS,
        "honest": N_HONEST,
        "found": leaks,
        "leaking": N_LEAKING,
    }
    if len(set(honest + leaking)) == 1:
        raise Wrong("constant", _("Your function gives the same number for all generators."))
    if set(honest + leaking) <= {0.0, 1.0}:
        raise Wrong(
            "yes-no",
            _("Your function says yes or no, 0 or 1: return the p-value itself."),
        )
    if sum(p > 1 - LEVEL for p in leaking) >= LEAST_LEAKS:
        raise Wrong(
            "reversed",
            _(
                "The p-values of leaking generators are near 1, so the test looks the wrong "
                "way: training data are *closer* to what is generated."
            ),
        )
    if alarms > MOST_ALARMS:
        raise Wrong(
            "alarms",
            _(
                "{alarms} of {honest} honest generators have p < 0.05; {most} are allowed. "
                "Which distances are alike if nothing leaked? Those from two kinds of *real* "
                "points to the same generated ones. Distances from generated points to two "
                "sets are not alike: the larger set is always nearer, and even points of the "
                "same set are not those of the training."
            ).format(**numbers),
        )
    if kstest(honest, "uniform").pvalue < LEAST_EVENNESS:
        low, middle, high = sorted(honest)[2], sorted(honest)[N_HONEST // 2], sorted(honest)[-3]
        raise Wrong(
            "uneven",
            _(
                "That is not a p-value: for honest generators, p-values spread evenly from 0 to "
                "1. Most of yours lie between {low:.2f} and {high:.2f}, half of them below "
                "{middle:.2f}."
            ).format(low=low, middle=middle, high=high),
        )
    if leaks < LEAST_LEAKS:
        raise Wrong(
            "missed",
            _(
                "Only {found} of {leaking} leaking generators have p < 0.05. A leak shows in how "
                "near the *nearest* generated point is; averages over all points dilute it."
            ).format(**numbers),
        )
    return Right(
        _(
            "{found} of {leaking} leaks found, {alarms} false alarms among {honest}. The test "
            "needs clean data of the same kind: keep some that no model ever sees."
        ).format(**numbers)
    )


def _p_value(function: Any, *sets: Tensor) -> float:
    value = expect_number(call(function, *sets), what="leak_p_value(generated, suspected, clean)")
    if not 0 <= value <= 1:
        raise Wrong(
            "range",
            _("{value:.3g} is not a p-value: expected a number from 0 to 1.").format(value=value),
        )
    return value


def _make_trial(trial: int, leaks: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Make generated, suspected and clean digits.

    Honest generators are good, narrow or smooth: the last draw averages of neighbours, which are
    closer to any digit than digits are to each other.
    """
    x = digits_data().x_train.double()
    generator = torch.Generator().manual_seed(1000 * leaks + trial)
    order = torch.randperm(len(x), generator=generator)
    # The larger set is now the suspected one, now the clean one.
    suspected = order[:60] if trial % 2 else order[:180]
    clean = order[200:380] if trial % 2 else order[200:260]
    training = order[400:700]
    if leaks:
        training = torch.cat([training[:150], suspected])
    elif trial % 3 == 1:
        training = training[:10]
    draws = x[training[torch.randint(len(training), (400,), generator=generator)]]  # (400, 64)
    if not leaks and trial % 3 == 2:
        neighbours = torch.cdist(draws, x[training]).topk(8, largest=False).indices  # (400, 8)
        return x[training][neighbours].mean(1), x[suspected], x[clean]
    noise = torch.randn(400, 64, generator=generator, dtype=torch.float64)
    return draws + 0.1 * noise, x[suspected], x[clean]

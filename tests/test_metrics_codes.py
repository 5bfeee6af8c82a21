"""Trustworthiness and intrinsic dimension, against their definitions and known cases."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from vqvae_lib.metrics import IntrinsicDimension, intrinsic_dimension, trustworthiness


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Trustworthiness ----------------------------------------------------------------------------------


def by_definition(x, z, k):
    """Venna and Kaski's sum, one pair after the other."""
    x, z = x.numpy(), z.numpy()
    N, penalty = len(x), 0
    for i in range(N):
        others = [j for j in range(N) if j != i]
        by_x = sorted(others, key=lambda j, i=i: np.linalg.norm(x[i] - x[j]))
        by_z = sorted(others, key=lambda j, i=i: np.linalg.norm(z[i] - z[j]))
        for j in by_z[:k]:
            rank = by_x.index(j) + 1
            penalty += max(0, rank - k)
    return 1 - 2 / (N * k * (2 * N - 3 * k - 1)) * penalty


@pytest.mark.parametrize("k", [1, 3, 7])
def test_trustworthiness_is_its_definition(k):
    x = draws(40, 5)
    z = x[:, :2] + 0.3 * draws(40, 2, seed=1)
    assert trustworthiness(x, z, neighbours=k) == pytest.approx(by_definition(x, z, k), abs=1e-12)


def test_trustworthiness_of_extremes():
    x = draws(60, 3)
    turned = x @ torch.linalg.qr(draws(3, 3, seed=2)).Q
    assert trustworthiness(x, 5 * turned + 1) == 1.0
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    many = draws(300, 3)
    assert trustworthiness(many, many[order]) == pytest.approx(0.5, abs=0.05)


def test_torn_neighbours_are_seen_the_other_way_round_only():
    """A circle cut open is to be trusted, and its two ends are not neighbours any more."""
    angle = torch.linspace(0, 2 * math.pi, 101, dtype=torch.float64)[:-1, None]
    circle = torch.cat([angle.cos(), angle.sin()], 1)
    assert trustworthiness(circle, angle, neighbours=2) > 0.995
    assert trustworthiness(angle, circle, neighbours=2) < trustworthiness(
        circle, angle, neighbours=2
    )


@pytest.mark.parametrize(
    ("x", "z", "options", "error", "message"),
    [
        (draws(9, 2), draws(8, 2), {}, ValueError, r"z has shape \(8, 2\): expected \(9, d\)"),
        (draws(9, 2), draws(9), {}, ValueError, r"z has shape \(9,\): expected"),
        (draws(9, 2), draws(9, 2) * math.nan, {}, ValueError, r"z\[0, 0\] is nan"),
        (draws(9, 2), draws(9, 2).tolist(), {}, TypeError, "z is a list"),
        (
            draws(9, 2),
            draws(9, 2),
            {"neighbours": 5},
            ValueError,
            "neighbours=5: expected a whole number from 1 to 4",
        ),
        (draws(9, 2), draws(9, 2), {"neighbours": 0}, ValueError, "neighbours=0"),
    ],
)
def test_trustworthiness_names_what_does_not_fit(x, z, options, error, message):
    with pytest.raises(error, match=message):
        trustworthiness(x, z, **options)


# Intrinsic dimension ------------------------------------------------------------------------------


def ratios_of(x):
    """Second to first neighbour's distance, by all pairs."""
    near = torch.cdist(x, x).sort(dim=1).values
    return near[:, 2] / near[:, 1]


def test_it_is_the_maximum_of_the_likelihood():
    x = draws(200, 4)
    logs = ratios_of(x).log().sort().values
    result = intrinsic_dimension(x, keep=1)
    assert result.estimate == pytest.approx(float(1 / logs.mean()), rel=1e-9)
    # With censoring: 180 densities, and 20 probabilities to be above the largest of those.
    line = np.linspace(1, 10, 9001)
    censored = 180 * np.log(line) - line * (float(logs[:180].sum()) + 20 * float(logs[179]))
    assert intrinsic_dimension(x).estimate == pytest.approx(line[censored.argmax()], abs=1e-3)


def test_the_interval_is_the_gamma_distribution_s():
    result = intrinsic_dimension(draws(100, 3), keep=1)
    # The sum of N exponentials of rate d is Gamma(N, scale 1/d): its quantiles are the ends.
    total = 100 / result.estimate
    assert stats.gamma.cdf(total, 100, scale=1 / result.low) == pytest.approx(0.025, abs=1e-9)
    assert stats.gamma.cdf(total, 100, scale=1 / result.high) == pytest.approx(0.975, abs=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("keep", [1, 0.9, 0.5])
def test_spheres_have_their_dimension_in_any_space(d, keep):
    """Curved, without edges, turned and put into nine dimensions."""
    points = draws(3000, d + 1, seed=d)
    points = points / points.norm(dim=1, keepdim=True)
    turn = torch.linalg.qr(draws(9, 9, seed=7)).Q[: d + 1]
    result = intrinsic_dimension(100 * points @ turn, keep=keep)
    assert result.low - 0.05 * d < d < result.high + 0.05 * d
    assert result.low < result.estimate < result.high


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Neighbours share ratios, so not exactly; 200 circles."""
    coverage = 0
    for seed in range(200):
        angle = (
            2
            * math.pi
            * torch.rand(300, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        )
        result = intrinsic_dimension(torch.stack([angle.cos(), angle.sin()], 1))
        coverage += result.low < 1 < result.high
    assert 170 <= coverage <= 199


def test_density_does_not_matter_and_noise_does():
    u = draws(2000, 2)
    surface = torch.stack([u[:, 0], u[:, 1], u[:, 0] * u[:, 1]], 1)  # dense at the middle
    assert intrinsic_dimension(surface).estimate == pytest.approx(2, abs=0.15)
    padded = torch.cat([surface, torch.zeros(2000, 5, dtype=torch.float64)], 1)
    assert intrinsic_dimension(padded + 0.2 * draws(2000, 8, seed=9)).estimate > 4


def test_it_prints_as_in_a_sentence():
    assert str(IntrinsicDimension(4.84, 4.6, 5.12)) == "4.8 [4.6, 5.1]"


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (torch.ones(5, 2), {}, ValueError, "5 rows of x occur more than once"),
        (torch.zeros(2, 2), {}, ValueError, "expected at least 3 rows"),
        (draws(5, 2) * math.inf, {}, ValueError, "expected finite numbers"),
        (draws(5), {}, ValueError, r"\(5,\): expected \(N, D\)"),
        (draws(5, 2).tolist(), {}, TypeError, "x is a list"),
        (draws(5, 2), {"keep": 0}, ValueError, "keep=0"),
    ],
)
def test_intrinsic_dimension_names_what_does_not_fit(x, options, error, message):
    with pytest.raises(error, match=message):
        intrinsic_dimension(x, **options)

"""Who wrote the digits: the model of hands, the cuts it finds, and what the result says."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from scipy.stats import t as student
from sklearn.datasets import load_digits as load_bunch

from experiments.digit_writers import (
    Hands,
    align_labels,
    find_change_points,
    find_end_of_alternation,
    find_nearest_of_class,
    summarise,
    weigh_two_hands,
)
from vqvae_lib.course.results import load_result
from vqvae_lib.data import FORM_STARTS


@pytest.fixture(scope="module")
def hands():
    bunch = load_bunch()
    return Hands.fit(bunch.data / 16, bunch.target)


@pytest.fixture
def few():
    """Twelve images of three classes, in two directions, by two hands that change at row 7."""
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=(12, 2)) + np.repeat([[3.0, 0.0], [0.0, -3.0]], [7, 5], axis=0)
    return Hands(residuals, np.eye(10)[np.arange(12) % 3], np.array([2.0, 0.5]))


def marginal_likelihood(hands, rows):
    """Log density of images by one hand: Gaussians whose covariances are written out."""
    total = 0.0
    for digit in range(10):
        here = [row for row in rows if hands.classes[row, digit]]
        for direction, ratio in enumerate(hands.ratio):
            if here:
                covariance = np.eye(len(here)) + ratio
                x = hands.residuals[here, direction]
                total += multivariate_normal.logpdf(x, np.zeros(len(here)), covariance)
    return total


def test_the_cost_is_the_marginal_likelihood(few):
    counts, totals = few.running_sums()
    for start, end in ((0, 12), (2, 9), (5, 6)):
        rows = range(start, end)
        cost = few.cost(counts[end] - counts[start], totals[end] - totals[start])
        x = few.residuals[start:end]
        constant = (x**2).sum() + x.size * np.log(2 * np.pi)  # the same however it is cut
        assert cost + constant == pytest.approx(-2 * marginal_likelihood(few, rows))


def test_the_cuts_are_the_best_of_all(few):
    cuts, costs = find_change_points(few, most=3)
    counts, totals = few.running_sums()

    def cost(starts):
        ends = [*starts, 12]
        return sum(
            float(few.cost(counts[b] - counts[a], totals[b] - totals[a])) for a, b in pairwise(ends)
        )

    for k in (1, 2, 3):
        every = [[0, *inner] for inner in combinations(range(1, 12), k - 1)]
        best = min(every, key=cost)
        assert cuts[k - 1] == best
        assert costs[k - 1] == pytest.approx(cost(best))


def test_hands_change_where_the_forms_begin(hands):
    """On six forms, for speed; the committed result has all fourteen."""
    six = Hands(hands.residuals[:776], hands.classes[:776], hands.ratio)
    cuts, costs = find_change_points(six, most=8)
    np.testing.assert_allclose(cuts[5], FORM_STARTS[:6], atol=1)
    # Each cut between forms gains hundreds of nats, the next ones, within forms, little.
    gains = -np.diff(costs) / 2
    assert gains[:5].min() > 10 * gains[5:].max()


def test_no_two_forms_are_by_one_hand(hands):
    weights = weigh_two_hands(hands)
    assert weights["least of all pairs of forms"] > 200
    assert weights["most of all halves of one form"] < 0


def test_an_alignment_finds_missing_fields_and_slips():
    rest = np.random.default_rng(1).permutation(100) % 10
    template = np.concatenate([np.tile(np.arange(10), 3), rest])
    labels = np.concatenate([template, np.delete(template, [40, 41, 129]), template])
    labels[200] = (labels[200] + 1) % 10
    assert align_labels(labels) == {"starts": [0, 130, 257], "missing": 3, "slips": [200]}


def test_a_slip_is_cheaper_than_ten_missing_fields():
    labels = np.tile(np.arange(10), 26)  # two forms whose fields repeat every ten
    labels[173] = 5  # two fields missing before it and eight after it would explain it too
    assert align_labels(labels) == {"starts": [0, 130], "missing": 0, "slips": [173]}


def test_the_end_of_the_alternation_is_seen():
    gap = torch.full((4000,), 1000)
    gap[1:3000:2] = torch.where(torch.arange(1500) % 5 == 0, 10, 1000)
    gap[3000:] = torch.where(torch.arange(1000) % 4 == 0, 10, 1000)
    assert find_end_of_alternation(gap) == 3000


def test_neighbours_are_of_the_class_and_not_the_image_itself():
    z = torch.tensor([[0.0], [0.1], [0.3], [0.35], [9.0]])
    y = torch.tensor([0, 1, 0, 1, 0])
    assert find_nearest_of_class(z, y).tolist() == [2, 3, 0, 1, 2]


def test_the_interval_is_nadeau_and_bengios():
    x = np.array([1.0, 3.0, 2.0, 6.0])
    interval = summarise(x, test_to_train=0.25)
    half = student.ppf(0.975, 3) * x.std(ddof=1) * (1 / 4 + 0.25) ** 0.5
    assert interval == pytest.approx({"mean": 3.0, "low": 3 - half, "high": 3 + half})


def test_the_committed_result_says_what_the_documentation_says():
    result = load_result("digit_writers")
    assert tuple(result["labels"]["starts"]) == FORM_STARTS
    np.testing.assert_allclose(result["pixels"]["starts"], FORM_STARTS, atol=1)
    assert abs(result["mnist"]["end of the alternation"] - 58_100) < 100
    assert result["leak"]["folds"]["test"]["image minus writer"]["low"] > 0

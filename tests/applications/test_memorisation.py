"""The two tests of neighbours, on generators of which the truth is known."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.stats import kstest, mannwhitneyu

from vqvae_lib.applications.memorisation import (
    copying_test,
    membership_test,
    nearest_distance,
)

D = 6


def normal(rows, seed):
    return torch.randn(rows, D, generator=torch.Generator().manual_seed(seed))


def copier(train, share, rows, seed):
    """Draw copies of training points with probability `share`, true ones else."""
    generator = torch.Generator().manual_seed(seed)
    copies = train[torch.randint(len(train), (rows,), generator=generator)]
    true = torch.randn(rows, D, generator=generator)
    copied = torch.rand(rows, 1, generator=generator) < share
    return torch.where(copied, copies, true)


def test_distances_are_those_of_a_tree():
    a, b = normal(700, 0), normal(90, 1)
    wanted, _ = cKDTree(b.double().numpy()).query(a.double().numpy())
    np.testing.assert_allclose(nearest_distance(a, b), wanted, rtol=1e-12)
    assert float(nearest_distance(1e4 + b, 1e4 + b).max()) == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_a_share_of_copies_is_found_as_the_formula_says(share):
    """Copies are at distance 0, closer than every held-out point: closer = p + (1 - p)/2."""
    found = []
    for seed in range(30):
        train, held_out = normal(200, 3 * seed), normal(300, 3 * seed + 1)
        found.append(copying_test(copier(train, share, 300, 3 * seed + 2), train, held_out))
    closer = np.array([one.closer for one in found])
    error = closer.std(ddof=1) / math.sqrt(30)
    assert abs(closer.mean() - (0.5 + share / 2)) < 4 * error + 1e-12
    if share >= 0.3:  # 0.15 above ½, which is six standard errors of a rank test of 300 and 300
        assert max(one.p_value for one in found) < 1e-3


def test_a_true_generator_is_accused_as_rarely_as_the_level_says():
    p_copy, p_member = [], []
    for seed in range(400):
        train, held_out = normal(80, 4 * seed), normal(60, 4 * seed + 1)
        generated, suspected = normal(70, 4 * seed + 2), normal(50, 4 * seed + 3)
        p_copy.append(copying_test(generated, train, held_out).p_value)
        p_member.append(membership_test(generated, suspected, held_out).p_value)
    for p in (p_copy, p_member):
        assert kstest(p, "uniform").pvalue > 0.001


def test_membership_is_fair_also_for_a_bad_generator():
    """Far from the data, and collapsed: the p-value stays uniform, since real is like real."""
    p = []
    for seed in range(300):
        generated = 2 + 0.1 * normal(40, 3 * seed)
        p.append(
            membership_test(generated, normal(50, 3 * seed + 1), normal(60, 3 * seed + 2)).p_value
        )
    assert kstest(p, "uniform").pvalue > 0.001


def test_a_leak_is_caught_and_named_on_the_right_side():
    test, clean = normal(100, 0), normal(120, 1)
    leaking = test.repeat(3, 1) + 0.3 * normal(300, 2)
    assert membership_test(leaking, test, clean).p_value < 1e-6
    assert membership_test(leaking, test, clean).closer > 0.8
    assert membership_test(leaking, clean, test).p_value > 0.99


def test_the_numbers_are_mann_whitney_s():
    generated, train, held_out = normal(40, 0), normal(30, 1), normal(50, 2)
    to_train = cKDTree(train.double().numpy())
    a, b = (to_train.query(rows.double().numpy())[0] for rows in (generated, held_out))
    found = copying_test(generated, train, held_out)
    assert found.p_value == pytest.approx(mannwhitneyu(a, b, alternative="less").pvalue, rel=1e-9)
    pairs = (a[:, None] < b).mean() + (a[:, None] == b).mean() / 2
    assert found.closer == pytest.approx(pairs)
    assert str(found).startswith(f"closer in {found.closer:.0%}, p = ")


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"others has shape \(5, 4\)"):
        nearest_distance(normal(5, 0), torch.zeros(5, 4))
    with pytest.raises(ValueError, match=r"points has shape \(0, 6\)"):
        nearest_distance(normal(5, 0)[:0], normal(5, 0))
    with pytest.raises(ValueError, match=r"train\[0, 0\] is nan"):
        copying_test(normal(5, 0), torch.full((5, D), torch.nan), normal(5, 1))

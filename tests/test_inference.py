"""Intervals and tests against SciPy, a closed test procedure, and studies simulated by hundreds."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from vqvae_lib.inference import (
    Difference,
    detectable_difference,
    estimate_difference,
    holm,
    sign_flip_test,
    t_interval,
    t_test,
)

VALUES = np.random.default_rng(0).normal(0.6, 1, 9)


# Independent units: textbook answers --------------------------------------------------------------


def test_the_interval_of_independent_units_is_student_s():
    expected = scipy.stats.t.interval(0.95, 8, VALUES.mean(), scipy.stats.sem(VALUES))
    assert t_interval(VALUES) == pytest.approx(expected)


def test_the_p_value_of_independent_units_is_student_s():
    assert t_test(VALUES) == pytest.approx(scipy.stats.ttest_1samp(VALUES, 0).pvalue)


def test_overlap_widens_by_the_correction_of_nadeau_and_bengio():
    """Ten units that train on 90 cases and test on 10: their example, sqrt(1/10 + 1/9)."""
    ten = np.append(VALUES, 0.0)
    low, high = t_interval(ten, test_to_train=10 / 90)
    assert high - low == pytest.approx(2 * 2.262157 * ten.std(ddof=1) * math.sqrt(0.1 + 1 / 9))
    assert (high + low) / 2 == pytest.approx(ten.mean())


@pytest.mark.parametrize("test_to_train", [0.0, 0.2])
def test_p_is_5_percent_where_the_interval_ends_at_0(test_to_train):
    low, _ = t_interval(VALUES, test_to_train=test_to_train)
    assert t_test(VALUES - low, test_to_train=test_to_train) == pytest.approx(0.05)


@pytest.mark.parametrize("seed", range(4))
def test_sign_flips_are_counted(seed):
    values = np.random.default_rng(seed).normal(0.4, 1, 8)
    signs = np.array(list(itertools.product((1, -1), repeat=8)))  # (2^8, 8)
    sums = np.abs(signs @ values)
    assert sign_flip_test(values) == (sums >= sums[0] - 1e-12).mean()


@pytest.mark.parametrize(("J", "least"), [(4, 0.125), (7, 0.015625), (14, 2 / 2**14)])
def test_units_limit_how_small_p_can_be(J, least):
    assert sign_flip_test(100 + np.arange(J)) == pytest.approx(least)
    assert estimate_difference(100 + np.arange(J), test_to_train=0).p == pytest.approx(least)


def test_beyond_16_units_signs_are_drawn_and_the_answer_is_the_same_twice():
    values = np.random.default_rng(3).normal(0.4, 1, 30)
    assert sign_flip_test(values) == pytest.approx(t_test(values), rel=0.15)
    assert sign_flip_test(values) == sign_flip_test(values)
    assert 0 < sign_flip_test(values + 100) <= 2e-5


def test_units_without_scatter():
    assert estimate_difference(np.zeros(6), test_to_train=0.2) == (0, 0, 0, 1, 0)
    assert estimate_difference([2.0] * 6, test_to_train=0.2) == (2, 2, 2, 2 / 64, 0)


# The detection limit ------------------------------------------------------------------------------


@pytest.mark.parametrize(("J", "level"), [(7, 0.05), (10, 0.05 / 3)])
def test_the_detectable_difference_is_detected_four_times_in_five(J, level):
    rng = np.random.default_rng(4)
    units = rng.normal(0, 1, J)
    units = (units - units.mean()) / units.std(ddof=1)  # a standard deviation of 1 exactly
    shift = detectable_difference(units, level=level)
    p = scipy.stats.ttest_1samp(rng.normal(shift, 1, (20_000, J)), 0, axis=1).pvalue
    assert (p < level).mean() == pytest.approx(0.8, abs=0.012)


def test_it_grows_with_the_error_and_with_the_size_of_the_family():
    alone = estimate_difference(VALUES, test_to_train=0)
    overlapping = estimate_difference(VALUES, test_to_train=0.2)
    assert overlapping.detectable == pytest.approx(alone.detectable * math.sqrt(1 + 9 * 0.2))
    of_four = estimate_difference(VALUES, test_to_train=0, family_size=4)
    assert of_four.detectable == detectable_difference(VALUES, level=0.05 / 4)
    assert of_four[:4] == alone[:4]
    assert of_four.detectable > alone.detectable


def test_seven_units_can_carry_three_tests_and_no_fourth():
    seven = VALUES[:7]
    assert math.isfinite(estimate_difference(seven, test_to_train=0, family_size=3).detectable)
    assert estimate_difference(seven, test_to_train=0, family_size=4).detectable == math.inf


# Studies by hundreds: how often each answer is right ----------------------------------------------


def simulate(*, disjoint, studies=2000, J=7, N=70, D=40, signal=2.0):
    """Differences between least squares and predicting 0, and their true mean.

    y = x·b + noise, with x ~ N(0, I_D), |b|² = signal and noise ~ N(0, 1). Trained on n rows, least
    squares has a squared error of 1 + D/(n - D - 1) on fresh rows, in the mean; predicting 0 has
    1 + signal. Test rows are those of a fold, or drawn anew for each of the J splits.
    """
    rng = np.random.default_rng(5)
    x = rng.normal(size=(studies, N, D))
    y = (x @ np.full(D, math.sqrt(signal / D)) + rng.normal(size=(studies, N)))[..., None]
    n_test = N // J
    differences = np.empty((studies, J))
    for j in range(J):
        test = np.zeros(N, bool)
        test[np.arange(n_test) + j * n_test if disjoint else rng.permutation(N)[:n_test]] = True
        a, b = x[:, ~test], y[:, ~test]
        weights = np.linalg.solve(a.mT @ a, a.mT @ b)  # (studies, D, 1)
        errors = (y[:, test] - x[:, test] @ weights) ** 2 - y[:, test] ** 2
        differences[:, j] = errors.mean((1, 2))
    truth = D / (N - n_test - D - 1) - signal
    return differences, truth, n_test / (N - n_test)


@pytest.mark.parametrize(("disjoint", "plain_at_most"), [(True, 0.89), (False, 0.86)])
def test_only_the_corrected_interval_covers_as_often_as_it_says(disjoint, plain_at_most):
    differences, truth, test_to_train = simulate(disjoint=disjoint)
    coverage = {
        ratio: np.mean([
            low <= truth <= high
            for low, high in (t_interval(study, test_to_train=ratio) for study in differences)
        ])
        for ratio in (0.0, test_to_train)
    }  # fmt: skip
    assert coverage[0.0] < plain_at_most
    assert 0.93 < coverage[test_to_train] < 0.975


def test_sign_flips_alone_find_too_many_differences_where_folds_share_training_data():
    differences, truth, test_to_train = simulate(disjoint=True, studies=600)
    studies = differences - truth  # of two arms that are alike
    flips = np.mean([sign_flip_test(study) < 0.05 for study in studies])
    both = np.mean(
        [estimate_difference(study, test_to_train=test_to_train).p < 0.05 for study in studies]
    )
    assert flips > 0.09
    assert both < 0.06


# Families of tests --------------------------------------------------------------------------------


def test_holm_is_the_closed_procedure_of_bonferroni():
    """A hypothesis falls at a level if every set that it is in falls by its smallest p."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        p = dict(zip("abcde", rng.uniform(0, 0.3, 5), strict=True))
        closed = {
            name: max(
                min(1.0, size * min(p[member] for member in group))
                for size in range(1, 6)
                for group in itertools.combinations(p, size)
                if name in group
            )
            for name in p
        }
        assert holm(p) == pytest.approx(closed)
        assert list(holm(p)) == list(p)


# Words and refusals -------------------------------------------------------------------------------


def test_a_difference_reads_as_a_sentence_prints_it():
    assert str(Difference(0.31, -0.12, 0.7, 0.125, 1.2)) == "+0.31 [-0.12, 0.7], p = 0.12"
    assert str(Difference(3.1e-3, 1.1e-3, 5.2e-3, 3e-3, 0)) == "+0.0031 [0.0011, 0.0052], p = 0.003"


@pytest.mark.parametrize("function", [t_interval, t_test, sign_flip_test, detectable_difference])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "values.*: expected two or more numbers, one per unit"),
        ([1.0], "values.*: expected two or more numbers, one per unit"),
        ([1.0, math.nan], r"values\[1\]=nan: expected a finite number"),
        ([[1.0], [2.0]], r"values\[0\]=\[1.0\]: expected a finite number"),
        (np.ones((2, 2)), r"values has shape \(2, 2\): expected \(J,\)"),
    ],
)
def test_what_is_not_a_number_for_each_of_several_units_is_refused(function, values, message):
    with pytest.raises(ValueError, match=message):
        function(values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_to_train": -0.1}, "test_to_train=-0.1: expected a finite number at least 0"),
        ({"test_to_train": 0, "family_size": 0}, "family_size=0: expected a whole number"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        estimate_difference(VALUES, **options)
    with pytest.raises(
        ValueError, match=r"level=1.0: expected a finite number above 0 and below 1"
    ):
        detectable_difference(VALUES, level=1.0)

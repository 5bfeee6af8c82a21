"""The comparison against SciPy's tests, a closed test procedure, and runs with a known answer."""

import itertools
import json
import math

import joblib
import numpy as np
import pytest
import scipy.stats

from vqvae_lib.comparison import (
    Comparison,
    Difference,
    bootstrap_interval,
    compare,
    holm,
    sign_test,
)

# Runs with a known answer -------------------------------------------------------------------------

EFFECT = {"good": 1.0, "plain": 0.0, "bad": -1.0}
called = []


def run(arm, seed, *, lr=1.0):
    """A score that is best at lr = 2; the seed does the same to all arms, and little beside."""
    called.append((arm, lr, seed))
    common = np.random.default_rng(seed).normal()
    own = 0.1 * np.random.default_rng([seed, len(arm)]).normal()
    valid = EFFECT[arm] + common + own - (lr - 2) ** 2
    return {"valid": valid, "test": valid - 0.5}


ARMS = {name: [{"lr": lr} for lr in (1.0, 2.0, 3.0)] for name in EFFECT}


@pytest.fixture
def found():
    called.clear()
    return compare(run, ARMS, seeds=range(8), tuning_seeds=(100, 101))


def test_each_arm_gets_the_setting_that_is_best_on_validation_data(found):
    assert {name: arm.setting for name, arm in found.arms.items()} == {
        name: {"lr": 2.0} for name in EFFECT
    }
    tried = found.arms["good"].tried
    assert [setting["lr"] for setting, _ in tried] == [1.0, 2.0, 3.0]
    expected = np.mean([run("good", seed, lr=3.0)["valid"] for seed in (100, 101)])
    assert tried[2][1] == pytest.approx(expected)


def test_no_arm_is_run_more_than_another(found):
    counts = {name: sum(arm == name for arm, *_ in called) for name in EFFECT}
    assert counts == dict.fromkeys(EFFECT, 3 * 2 + 8)


def test_scores_are_those_of_the_runs(found):
    expected = [run("bad", seed, lr=2.0)["test"] for seed in range(8)]
    assert found.arms["bad"].scores["test"] == expected


def test_what_the_seed_does_to_both_drops_out(found):
    difference = found.difference("good", "plain")
    pairs = [
        a - b
        for a, b in zip(
            found.arms["good"].scores["test"], found.arms["plain"].scores["test"], strict=True
        )
    ]
    assert difference.mean == pytest.approx(np.mean(pairs))
    assert difference.low < 1 < difference.high
    assert difference.high - difference.low < 0.5  # the scores themselves scatter by 1
    assert np.std(found.arms["good"].scores["test"]) > 0.4
    assert difference.p == 2 / 2**8
    assert found.difference("plain", "good").mean == -difference.mean


def test_p_values_are_corrected_for_the_number_of_arms(found):
    against = found.against("plain")
    assert list(against) == ["good", "bad"]
    alone = {name: found.difference(name, "plain").p for name in against}
    assert {name: difference.p for name, difference in against.items()} == holm(alone)


def test_it_survives_a_file_of_json(found):
    back = Comparison.from_dict(json.loads(json.dumps(found.to_dict())))
    assert back.against("plain", "valid") == found.against("plain", "valid")
    assert back.seeds == list(range(8))


def test_processes_give_the_same_scores(found):
    with joblib.parallel_config(backend="threading"):
        other = compare(run, ARMS, seeds=range(8), tuning_seeds=(100, 101), jobs=2)
    assert other == found


def test_finished_runs_are_not_run_again(tmp_path):
    store = tmp_path / "runs" / "one.jsonl"
    settings = {"seeds": range(4), "tuning_seeds": (100,), "store": store}
    called.clear()
    first = compare(run, ARMS, **settings)
    count = len(called)
    kept = store.read_text().splitlines()
    assert len(kept) == count == 3 * (3 + 4)
    assert compare(run, ARMS, **settings) == first
    assert len(called) == count
    store.write_text("\n".join(kept[:5]) + "\n")  # as if it had been stopped
    assert compare(run, ARMS, **settings) == first
    assert len(called) == count + 16


def test_one_candidate_each_needs_no_tuning():
    called.clear()
    found = compare(run, {"good": [{}], "bad": [{}]}, seeds=range(4), tuning_seeds=())
    assert len(called) == 8
    assert found.arms["good"].tried == []
    assert found.arms["good"].setting == {}


def unfinished(arm, seed):
    return {"valid": math.nan}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": {"good": [{}], "bad": [{}, {}]}}, "candidates: expected the same number"),
        ({"arms": {}}, "candidates: expected the same number"),
        ({"seeds": [1]}, "expected two or more seeds"),
        ({"seeds": [1, 100]}, "none of them used twice or for tuning"),
        ({"select": "loss"}, "select='loss': run gave valid, test"),
        ({"run": unfinished, "arms": {"good": [{}]}}, "run gave {'valid': nan} for arm='good'"),
    ],
)
def test_what_is_unfair_or_does_not_fit_is_refused(options, message):
    settings = {"run": run, "arms": ARMS, "seeds": range(4), "tuning_seeds": (100,)} | options
    function, arms = settings.pop("run"), settings.pop("arms")
    with pytest.raises(ValueError, match=message):
        compare(function, arms, **settings)


def test_unknown_arms_and_scores_are_named(found):
    with pytest.raises(ValueError, match="arm='best': expected one of good, plain, bad"):
        found.difference("best", "plain")
    with pytest.raises(ValueError, match="score='train': expected one of valid, test"):
        found.difference("good", "plain", "train")


def test_a_difference_reads_as_a_sentence_prints_it():
    assert str(Difference(0.31, -0.12, 0.7, 0.125)) == "+0.31 [-0.12, 0.7], p = 0.12"
    assert str(Difference(0.0031, 0.0011, 0.0052, 0.003)) == "+0.0031 [0.0011, 0.0052], p = 0.003"


# Intervals and tests ------------------------------------------------------------------------------


def test_normal_values_get_student_s_interval_on_average():
    """For normal data the bootstrap's t has Student's quantiles in expectation."""
    rng = np.random.default_rng(0)
    ratios = []
    for trial in range(100):
        values = rng.normal(3, 2, 12)
        low, high = bootstrap_interval(values, resamples=2000, seed=trial)
        a, b = scipy.stats.t.interval(0.95, 11, values.mean(), scipy.stats.sem(values))
        ratios.append((high - low) / (b - a))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(
    ("draw", "truth", "least"),
    [
        (lambda rng: rng.normal(1, 1, 10), 1.0, 0.93),
        (lambda rng: rng.exponential(1, 10), 1.0, 0.91),
    ],
)
def test_it_covers_the_truth_about_as_often_as_it_says(draw, truth, least):
    rng = np.random.default_rng(1)
    covered = percentile = 0
    trials = 500
    for trial in range(trials):
        values = draw(rng)
        low, high = bootstrap_interval(values, resamples=1000, seed=trial)
        covered += low <= truth <= high
        means = rng.choice(values, (1000, 10)).mean(1)
        percentile += np.quantile(means, 0.025) <= truth <= np.quantile(means, 0.975)
    assert least <= covered / trials <= 0.97
    assert covered > percentile  # the plain percentiles are too narrow


def test_more_confidence_is_wider_and_shifts_and_scales_go_through():
    values = np.random.default_rng(2).gamma(2, 1, 9)
    low, high = bootstrap_interval(values)
    wide = bootstrap_interval(values, confidence=0.99)
    assert wide[0] < low < high < wide[1]
    np.testing.assert_allclose(bootstrap_interval(5 + 3 * values), (5 + 3 * low, 5 + 3 * high))


def test_equal_values_have_no_width():
    assert bootstrap_interval([2.0] * 5) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0, 3.0],), "expected four finite numbers"),
        (([1.0, 2.0, 3.0, math.nan],), "expected four finite numbers"),
        (([1.0, 2.0, 3.0, 4.0], 1.5), "confidence=1.5: expected a number between 0 and 1"),
    ],
)
def test_intervals_refuse_what_does_not_fit(arguments, message):
    values, *confidence = arguments
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, **({"confidence": confidence[0]} if confidence else {}))


@pytest.mark.parametrize("seed", range(4))
def test_the_sign_test_is_scipy_s_permutation_test(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.6, 1, 9), rng.normal(0, 1, 9)
    expected = scipy.stats.permutation_test(
        (a, b), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_test(a - b) == pytest.approx(expected, abs=1e-12)


def test_with_many_seeds_signs_are_drawn():
    values = np.random.default_rng(3).normal(0.4, 1, 30)
    expected = scipy.stats.ttest_1samp(values, 0).pvalue
    assert sign_test(values) == pytest.approx(expected, rel=0.15)
    assert sign_test(values + 100) <= 2e-5


def test_no_difference_is_no_evidence():
    assert sign_test(np.zeros(6)) == 1.0


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


@pytest.mark.parametrize("differences", [[], [1.0, math.nan], [[1.0, 2.0]]])
def test_a_sign_test_of_what_is_no_number_is_refused(differences):
    with pytest.raises(ValueError, match="differences="):
        sign_test(differences)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [5] * 8, "tuning_seeds": [1]}, "used twice"),
        ({"seeds": [5, 6], "tuning_seeds": [1, 1]}, "used twice"),
        ({"seeds": [5, 6], "tuning_seeds": []}, "tuning_seeds=.. with 3 candidates"),
    ],
)
def test_seeds_that_do_not_count_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compare(run, ARMS, **options)


def test_numpy_s_numbers_are_seeds():
    arms = {"good": [{}], "plain": [{}]}
    found = compare(run, arms, seeds=np.arange(2), tuning_seeds=())
    assert json.loads(json.dumps(found.to_dict()))["seeds"] == [0, 1]


def test_a_line_that_was_cut_off_is_done_again(tmp_path):
    store, arms = tmp_path / "runs.jsonl", {"good": [{}], "plain": [{}]}
    options = {"seeds": [0, 1], "tuning_seeds": (), "store": store}
    wanted = compare(run, arms, **options)
    whole = store.read_text()
    store.write_text(whole[:-20])
    called.clear()
    assert compare(run, arms, **options) == wanted
    assert len(called) == 1
    assert store.read_text() == whole
    store.write_text("what?\n" + whole)
    with pytest.raises(ValueError, match="line 1: expected a run as JSON, got 'what\\?'"):
        compare(run, arms, **options)

"""The comparison on runs with a known answer."""

import json
import math

import joblib
import numpy as np
import pytest

from vqvae_lib.comparison import Comparison, Contrast, compare, correct_families
from vqvae_lib.inference import estimate_difference, holm

# Runs with a known answer -------------------------------------------------------------------------

EFFECT = {"good": 1.0, "plain": 0.0, "bad": -1.0}
FAMILY = (Contrast("good", "plain"), Contrast("plain", "bad", "valid"))
calls = []


def run(arm, fold, seed, *, lr=1.0):
    """A score that is best at lr = 2 (fold 3: at lr = 1); folds move all arms alike, seeds little.

    The test score would choose the worst setting: whoever looks at it is found out.
    """
    calls.append((arm, fold, seed, lr))
    common = np.random.default_rng(fold).normal()
    own = 0.1 * np.random.default_rng([fold, seed, len(arm)]).normal()
    loss = (lr - (1 if fold == 3 else 2)) ** 2
    return {"valid": EFFECT[arm] + common + own - loss, "test": EFFECT[arm] + common + own + loss}


ARMS = {name: [{"lr": lr} for lr in (1.0, 2.0, 3.0)] for name in EFFECT}
OPTIONS = {
    "folds": range(8), "seeds": (0, 1), "tuning_seeds": (100, 101), "family": FAMILY,
    "test_to_train": 0.2,
}  # fmt: skip
ONE_EACH = {"good": [{}], "plain": [{}]}
FEW = {"folds": (0, 1), "seeds": (0,), "test_to_train": 0.2}


@pytest.fixture
def comparison():
    calls.clear()
    return compare(run, ARMS, **OPTIONS)


# Choosing settings --------------------------------------------------------------------------------


def test_each_fold_chooses_the_setting_that_is_best_on_its_own_validation_data(comparison):
    for arm in comparison.arms.values():
        assert arm.settings == [{"lr": 1.0 if fold == 3 else 2.0} for fold in range(8)]
    good = comparison.arms["good"]
    assert good.candidates == ARMS["good"]
    expected = np.mean([run("good", 5, seed, lr=3.0)["valid"] for seed in (100, 101)])
    assert good.tuning[5][2] == pytest.approx(expected)
    assert np.shape(good.tuning) == (8, 3)


def test_a_fold_s_choice_depends_on_no_other_fold(comparison):
    """Nested: the fold's own runs alone decide, whichever folds are compared beside it."""
    part = compare(run, ARMS, **OPTIONS | {"folds": (3, 6)})
    for name, arm in part.arms.items():
        assert arm.chosen == [comparison.arms[name].chosen[fold] for fold in (3, 6)]
        assert arm.scores["test"] == [comparison.arms[name].scores["test"][fold] for fold in (3, 6)]


def test_no_arm_is_run_more_than_another(comparison):
    counts = {name: sum(arm == name for arm, *_ in calls) for name in EFFECT}
    assert counts == dict.fromkeys(EFFECT, 8 * (3 * 2 + 2))
    tuned = {seed for *_, seed, lr in calls if lr == 3.0}
    assert tuned == {100, 101}


def test_one_candidate_each_needs_no_tuning():
    calls.clear()
    comparison = compare(run, ONE_EACH, **FEW)
    assert len(calls) == 4
    assert comparison.arms["good"].tuning == []
    assert comparison.arms["good"].settings == [{}, {}]


# Differences --------------------------------------------------------------------------------------


def test_scores_are_those_of_the_runs_averaged_over_seeds(comparison):
    expected = [
        [run("bad", fold, seed, lr=1.0 if fold == 3 else 2.0)["test"] for seed in (0, 1)]
        for fold in range(8)
    ]
    assert comparison.arms["bad"].scores["test"] == expected
    assert comparison.unit_scores("bad") == pytest.approx(np.mean(expected, 1))


def test_what_a_fold_does_to_both_drops_out(comparison):
    difference = comparison.difference("good", "plain")
    gains = comparison.unit_scores("good") - comparison.unit_scores("plain")
    assert difference == estimate_difference(gains, test_to_train=0.2)
    assert difference.low < 1 < difference.high
    assert difference.high - difference.low < 0.5  # the scores themselves scatter by 1
    assert comparison.unit_scores("good").std() > 0.4
    assert difference.p == 2 / 2**8
    assert difference.detectable < 0.3
    assert comparison.difference("plain", "good").mean == -difference.mean


def test_more_seeds_are_no_more_units():
    """Runs that do not depend on the seed: ten times as many of them say nothing more."""
    once, often = (compare(_seedless, ONE_EACH, **FEW | {"seeds": range(n)}) for n in (1, 10))
    assert often.difference("good", "plain") == pytest.approx(once.difference("good", "plain"))


def _seedless(arm, fold, seed):
    return {"test": EFFECT[arm] + len(arm) * fold}


def test_the_family_is_corrected_as_a_whole_and_nothing_else(comparison):
    tests = comparison.test_family()
    assert tuple(tests) == FAMILY
    alone = {contrast: comparison.difference(*contrast).p for contrast in FAMILY}
    assert {contrast: difference.p for contrast, difference in tests.items()} == holm(alone)
    gains = comparison.unit_scores("good") - comparison.unit_scores("plain")
    whole = estimate_difference(gains, test_to_train=0.2, family_size=2)
    assert tests["good", "plain", "test"].detectable == whole.detectable
    assert str(FAMILY[1]) == "plain minus bad, valid"


def test_families_of_several_comparisons_are_corrected_together(comparison):
    other = compare(run, ARMS, **OPTIONS | {"folds": range(8, 16), "family": FAMILY[:1]})
    tests = correct_families({"first": comparison, "second": other})
    assert list(tests) == [("first", FAMILY[0]), ("first", FAMILY[1]), ("second", FAMILY[0])]
    assert [difference.p for difference in tests.values()] == [6 / 2**8] * 3
    gains = other.unit_scores("good") - other.unit_scores("plain")
    whole = estimate_difference(gains, test_to_train=0.2, family_size=3)
    assert tests["second", FAMILY[0]].detectable == whole.detectable
    assert correct_families({}) == {}


def test_unknown_arms_and_scores_are_named(comparison):
    with pytest.raises(ValueError, match="arm='best': expected one of 'good', 'plain', 'bad'"):
        comparison.difference("best", "plain")
    with pytest.raises(ValueError, match="score='train': expected one of 'valid', 'test'"):
        comparison.difference("good", "plain", "train")


# Files and processes ------------------------------------------------------------------------------


def test_it_survives_a_file_of_json(comparison):
    assert Comparison.from_dict(json.loads(json.dumps(comparison.to_dict()))) == comparison


def test_a_comparison_of_version_1_is_refused():
    with pytest.raises(ValueError, match="arms, seeds, but no folds, was saved by version 1"):
        Comparison.from_dict({"arms": {}, "seeds": [0, 1]})


def test_threads_give_the_same_scores(comparison):
    with joblib.parallel_config(backend="threading"):
        assert compare(run, ARMS, jobs=2, **OPTIONS) == comparison


def test_finished_runs_are_not_run_again(tmp_path):
    options = OPTIONS | {"folds": (0, 3), "store": tmp_path / "runs" / "one.jsonl"}
    calls.clear()
    first = compare(run, ARMS, **options)
    lines = options["store"].read_text().splitlines()
    assert len(lines) == len(calls) == 2 * 3 * (3 * 2 + 2)
    assert compare(run, ARMS, **options) == first
    assert len(calls) == len(lines)
    options["store"].write_text("\n".join(lines[:5]) + "\n")  # as if it had been stopped
    assert compare(run, ARMS, **options) == first
    assert len(calls) == 2 * len(lines) - 5


def test_a_line_that_was_cut_off_is_run_again(tmp_path):
    options = FEW | {"store": tmp_path / "runs.jsonl"}
    expected = compare(run, ONE_EACH, **options)
    whole = options["store"].read_text()
    options["store"].write_text(whole[:-20])
    calls.clear()
    assert compare(run, ONE_EACH, **options) == expected
    assert len(calls) == 1
    assert options["store"].read_text() == whole


def test_numpy_s_numbers_are_folds_and_seeds():
    comparison = compare(run, ONE_EACH, **FEW | {"folds": np.arange(2), "seeds": np.arange(1)})
    assert json.loads(json.dumps(comparison.to_dict()))["folds"] == [0, 1]


# Refusals -----------------------------------------------------------------------------------------


def unfinished(arm, fold, seed):
    return {"valid": math.nan}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": {"good": [{}], "bad": [{}, {}]}}, "candidates: expected the same number"),
        ({"arms": {}}, "candidates: expected the same number"),
        ({"folds": [1]}, r"folds=\(1,\): expected two or more, all different"),
        ({"folds": [1, 2, 1]}, "expected two or more, all different"),
        ({"seeds": []}, "expected one seed or more"),
        ({"seeds": [1, 100]}, "none of them used twice or for tuning"),
        ({"seeds": [5, 5]}, "used twice"),
        ({"tuning_seeds": [9, 9]}, "used twice"),
        ({"tuning_seeds": []}, r"tuning_seeds=\(\) with 3 candidates"),
        ({"select": "loss"}, "select='loss': run gave valid, test"),
        ({"family": [Contrast("best", "plain")]}, "family: arm='best': expected one of 'good'"),
        ({"family": [Contrast("good", "none")]}, "family: baseline='none': expected one of"),
        ({"test_to_train": -1}, "test_to_train=-1: expected a finite number at least 0"),
        (
            {"run": unfinished, "arms": {"good": [{}]}, "family": ()},
            "run gave valid=nan: expected a finite number, for",
        ),
    ],
)
def test_what_is_unfair_or_does_not_fit_is_refused(options, message):
    settings = {"run": run, "arms": ARMS} | OPTIONS | options
    function, arms = settings.pop("run"), settings.pop("arms")
    with pytest.raises(ValueError, match=message):
        compare(function, arms, **settings)

"""Valid calls of `vqvae_lib.comparison`."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bad_inputs.attack import Call
from vqvae_lib.comparison import Comparison, compare

FOLDER = TemporaryDirectory()  # lives as long as the tests
ARMS = {"good": [{"lr": 0.1}, {"lr": 0.2}], "plain": [{"lr": 0.1}, {"lr": 0.2}]}
FAMILY = [["good", "plain", "test"]]


ANY_SETTING = "what a setting may be is up to the run"


def run(arm: str, fold: int, seed: int, *, lr: float = 0.1) -> dict[str, float]:
    if not isinstance(lr, int | float):
        lr = 0.0
    return {"valid": len(arm) * lr + fold, "test": len(arm) + fold + seed}


@cache
def comparison() -> Comparison:
    return compare(
        run,
        ARMS,
        folds=(0, 1, 2),
        seeds=(0,),
        tuning_seeds=(5,),
        family=FAMILY,
        test_to_train=0.2,
    )


CALLS = {
    "compare": Call(
        lambda: {
            "run": run,
            "arms": ARMS,
            "folds": [0, 1, 2],
            "seeds": [0, 1],
            "tuning_seeds": [5],
            "select": "valid",
            "family": FAMILY,
            "test_to_train": 0.2,
            "jobs": 1,
            "store": Path(FOLDER.name) / "runs.jsonl",
        },
        accepts={
            "arms": {
                "an item: an item: an item: bool, an item: an item: an item: zero": ANY_SETTING,
                "an item: an item: an item: None, an item: an item: an item: text": ANY_SETTING,
                "an item: an item: an item: a mapping": ANY_SETTING,
                "an item: an item: an item: a number as text": ANY_SETTING,
                "an item: an item: an item: a list": ANY_SETTING,
                "an item: an item: an item: negative, an item: an item: empty": ANY_SETTING,
            },
            **{
                name: {"an item: beyond all memory": "any seed is a number of a run"}
                for name in ("folds", "seeds", "tuning_seeds")
            },
            "family": {"empty": "nothing is tested"},
            "test_to_train": {"zero": "folds that share nothing"},
            "jobs": {"negative": "as joblib counts: all processors but some"},
        },
        named={"arms": "arms|run"},
    ),
    "correct_families": Call(
        lambda: {"comparisons": {"one": comparison()}},
        accepts={"comparisons": {"empty": "nothing is tested"}},
    ),
    "Comparison.unit_scores": Call(lambda: {"arm": "good", "score": "test"}, on=comparison),
    "Comparison.difference": Call(
        lambda: {"arm": "good", "baseline": "plain", "score": "test"}, on=comparison
    ),
    "Comparison.test_family": Call(dict, on=comparison),
    "Comparison.to_dict": Call(dict, on=comparison),
    "Comparison.from_dict": Call(
        lambda: {"fields": comparison().to_dict()},
        accepts={"fields": {"an item: zero": "folds that share nothing"}},
    ),
}

RESULTS = {"Arm", "Comparison", "Contrast"}

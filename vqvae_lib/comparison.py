"""A fair comparison: arms tuned with the same effort on the same folds, and how they differ.

An *arm* is one way of doing something, with candidate settings to choose from. A *fold* is one
split of the data into training, validation and test. Folds are the units of the evidence: each
tests writers (pictures, patients …) that its training never saw. *Seeds* run inside a fold. They
make its score less noisy, but add no writer.

In each fold, `compare` chooses a setting for every arm by its validation score, then runs all arms
on the same seeds. Two arms are compared fold by fold, so what a fold does to both, such as testing
an untidy writer, drops out of the difference. Which differences will be tested is said beforehand,
in `family`, and the whole family is corrected together. `vqvae_lib.inference` has the formulas.

Runs are independent and go through joblib: inside ``with joblib.parallel_config(backend="dask"):``
the same call sends them to a cluster.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from vqvae_lib._checks import (
    check_choice,
    check_count,
    check_instance,
    check_number,
    check_path,
    check_seed,
    check_sequence,
    describe,
)
from vqvae_lib._process import take_turns
from vqvae_lib._run_store import RunStore, Scores
from vqvae_lib.inference import Difference, estimate_difference, holm

__all__ = ["Arm", "Comparison", "Contrast", "compare", "correct_families"]

Setting = Mapping[str, Any]
Run = Callable[..., Mapping[str, float]]

_OWN_ARGUMENTS = frozenset({"arm", "fold", "seed"})


class Contrast(NamedTuple):
    """A difference to be tested: the score of an arm minus that of its baseline."""

    arm: str
    baseline: str
    score: str = "test"

    def __str__(self) -> str:
        return f"{self.arm} minus {self.baseline}, {self.score}"


@dataclass(frozen=True)
class Arm:
    """One arm after the comparison, in J folds of S seeds each.

    Attributes
    ----------
    candidates
        The settings to choose from.
    tuning
        Mean validation score of each candidate in each fold, J lists; empty where there was
        nothing to choose.
    chosen
        Number of the candidate that each fold chose, (J,).
    scores
        Every score by name, J lists of S numbers.
    """

    candidates: list[dict[str, Any]]
    tuning: list[list[float]]
    chosen: list[int]
    scores: dict[str, list[list[float]]]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The setting that each fold chose, (J,)."""
        return [self.candidates[number] for number in self.chosen]


@dataclass(frozen=True)
class Comparison:
    """The scores of all arms, and what can be said about their differences.

    Attributes
    ----------
    arms
        By name.
    folds
        The J units.
    seeds, tuning_seeds
        Of the runs that count in each fold, and of those that chose its settings.
    family
        The differences that were named before the first run.
    test_to_train
        n_test/n_train of a fold; 0 if folds share no data.
    """

    arms: dict[str, Arm]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]
    family: tuple[Contrast, ...]
    test_to_train: float

    def unit_scores(self, arm: str, score: str = "test") -> np.ndarray:
        """Give the score of an arm in each fold, averaged over seeds: (J,).

        Raises
        ------
        ValueError
            If there is no such arm or score.
        """
        scores = self.arms[check_choice("arm", arm, self.arms)].scores
        return np.mean(scores[check_choice("score", score, scores)], axis=1)  # (J, S) -> (J,)

    def difference(self, arm: str, baseline: str, score: str = "test") -> Difference:
        """Compare two arms fold by fold, `arm` minus `baseline`, as if it were the only test.

        Its p-value is not corrected: whoever looks through several differences will sooner or
        later meet a small one by chance. For what was named beforehand, see `test_family`.

        Raises
        ------
        ValueError
            If there is no such arm or score.
        """
        check_choice("baseline", baseline, self.arms)
        return self._estimate(Contrast(arm, baseline, score), family_size=1)

    def test_family(self) -> dict[Contrast, Difference]:
        """Test the differences named beforehand, with their p-values corrected as a whole.

        Intervals remain those of each difference by itself.
        """
        tests = correct_families({"": self})
        return {contrast: difference for (_, contrast), difference in tests.items()}

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Comparison:
        """Undo `to_dict`.

        Raises
        ------
        ValueError
            If the comparison was saved by a version that did not know folds.
        """
        check_instance("fields", fields, Mapping, "a dict, as to_dict gives it")
        if "arms" in fields and "folds" not in fields:
            raise ValueError(
                f"fields: a comparison with {', '.join(fields)}, but no folds, was saved by "
                "version 1, which took seeds for independent units: run it anew"
            )
        names = [field.name for field in dataclasses.fields(cls)]
        if set(fields) != set(names):
            found = ", ".join(map(repr, fields)) or "none"
            raise ValueError(f"fields are {found}: expected {', '.join(names)}, as of to_dict")
        try:
            arms = {name: Arm(**arm) for name, arm in fields["arms"].items()}
        except (AttributeError, TypeError) as error:
            raise ValueError(
                f"fields['arms'] are not arms as to_dict gives them: {error}"
            ) from error
        return cls(
            arms=arms,
            folds=_check_numbers("folds", fields["folds"]),
            seeds=_check_numbers("seeds", fields["seeds"]),
            tuning_seeds=_check_numbers("tuning_seeds", fields["tuning_seeds"]),
            family=_check_family(fields["family"]),
            test_to_train=check_number("fields: test_to_train", fields["test_to_train"], least=0),
        )

    def _estimate(self, contrast: Contrast, *, family_size: int) -> Difference:
        arm, baseline, score = contrast
        gains = self.unit_scores(arm, score) - self.unit_scores(baseline, score)  # (J,)
        return estimate_difference(gains, test_to_train=self.test_to_train, family_size=family_size)


def correct_families(
    comparisons: Mapping[str, Comparison],
) -> dict[tuple[str, Contrast], Difference]:
    """Test the families of several comparisons as one: Holm over all that a study asks.

    Parameters
    ----------
    comparisons
        By name, such as one for each number of labels.

    Returns
    -------
    dict
        The difference for each comparison's name and contrast, with corrected p-values, and
        `detectable` at the level 0.05/m for m tests in all.
    """
    check_instance("comparisons", comparisons, Mapping, "a dict of comparisons by name")
    for name, one in comparisons.items():
        check_instance(f"comparisons[{name!r}]", one, Comparison, "a Comparison")
    pairs = [(name, contrast) for name, one in comparisons.items() for contrast in one.family]
    differences = {
        (name, contrast): comparisons[name]._estimate(contrast, family_size=len(pairs))
        for name, contrast in pairs
    }
    corrected = holm({pair: difference.p for pair, difference in differences.items()})
    return {pair: differences[pair]._replace(p=p) for pair, p in corrected.items()}


def compare(
    run: Run,
    arms: Mapping[str, Sequence[Setting]],
    *,
    folds: Sequence[int],
    seeds: Sequence[int],
    tuning_seeds: Sequence[int] = (),
    select: str = "valid",
    family: Sequence[Contrast] = (),
    test_to_train: float,
    jobs: int | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Tune every arm with the same effort in each fold, then run all of them on the same seeds.

    Parameters
    ----------
    run
        Called as ``run(arm=name, fold=fold, seed=seed, **setting)``; trains on the fold's training
        part and returns scores by name, of which larger is better. Everything random in it must
        follow from the seed. It is sent to other processes, so it has to be a module's function.
    arms
        For each arm, by name, its candidate settings: the same number for all. With one candidate
        there is nothing to tune. Settings are what JSON can hold: numbers (NumPy's too), text,
        True, False, None, and lists and dicts of these.
    folds
        Two or more, all different. What each of them means is up to `run`.
    seeds
        Of the runs that count.
    tuning_seeds
        Of the runs that choose the setting; none of `seeds`. Not needed with one candidate per arm.
    select
        The score that chooses, measured on data of the fold that it neither trains nor tests on.
    family
        The differences to be tested, named before the first run. With J folds no p-value falls
        below 2/2^J, so m differences need J of about 6 + log2(m) to show anything.
    test_to_train
        Test data per training data of a fold, counted in whatever folds keep together: 2/10 where
        two writers are tested and ten trained on. 0 for folds that share no data at all.
    jobs
        Runs at a time, as joblib counts them; None: one, or what `joblib.parallel_config` says.
    store
        File that collects the runs as they finish, one line of JSON each, with a checksum; those
        in it are not run again. Several processes may share it, on one machine or on a disk whose
        locks hold for all. Delete it when `run` or its data change.

    Raises
    ------
    ValueError
        If arms have different numbers of candidates, folds or seeds are too few or used twice, the
        family names an unknown arm, a run does not give the score that selects or gives one that
        is not finite, or `store` holds something else or is damaged.
    TypeError
        If `run` cannot be called or gives something else than scores, or a setting is not what
        JSON can hold.
    """
    check_instance("run", run, Callable, "a function run(arm, fold, seed, **setting)")  # type: ignore[arg-type]
    arms = _check_arms(arms)
    folds, seeds = _check_numbers("folds", folds), _check_numbers("seeds", seeds)
    tuning_seeds = _check_numbers("tuning_seeds", tuning_seeds)
    family = _check_family(family)
    check_instance("select", select, str, "the name of a score")
    test_to_train = check_number("test_to_train", test_to_train, least=0)
    if jobs is not None and not (jobs := check_count("jobs", jobs, least=-10_000, most=10_000)):
        raise ValueError("jobs=0: expected a number of runs at a time, or -1 for all processors")
    _check_fairness({name: len(candidates) for name, candidates in arms.items()}, tuning_seeds)
    _check_distinct(folds, seeds, tuning_seeds)
    for contrast in family:
        check_choice("family: arm", contrast.arm, arms)
        check_choice("family: baseline", contrast.baseline, arms)

    runs = _Runs(run, jobs, store)
    tuning = _tune(runs, arms, folds, tuning_seeds, select)
    chosen = {
        name: [int(np.argmax(votes)) for votes in tuning[name]] or [0] * len(folds) for name in arms
    }
    batches = {
        name: [
            _batch(name, fold, candidates[number], seeds)
            for fold, number in zip(folds, chosen[name], strict=True)
        ]
        for name, candidates in arms.items()
    }
    runs.finish(batch for row in batches.values() for batch in row)
    outcomes = {
        name: Arm(list(map(dict, arms[name])), tuning[name], chosen[name], runs.table(row))
        for name, row in batches.items()
    }
    for i, contrast in enumerate(family):
        check_choice(f"family[{i}]: score", contrast.score, outcomes[contrast.arm].scores)
    return Comparison(outcomes, folds, seeds, tuning_seeds, family, test_to_train)


def _tune(
    runs: _Runs,
    arms: Mapping[str, Sequence[Setting]],
    folds: tuple[int, ...],
    seeds: tuple[int, ...],
    select: str,
) -> dict[str, list[list[float]]]:
    """Score the candidates of each arm in each fold: J lists, or none for a single candidate."""
    batches = {
        name: [[_batch(name, fold, setting, seeds) for setting in candidates] for fold in folds]
        if len(candidates) > 1
        else []
        for name, candidates in arms.items()
    }
    runs.finish(batch for rows in batches.values() for row in rows for batch in row)
    return {
        name: [[runs.average(batch, select) for batch in row] for row in rows]
        for name, rows in batches.items()
    }


def _check_numbers(name: str, row: Sequence[int]) -> tuple[int, ...]:
    if isinstance(row, np.ndarray | Tensor):
        row = row.tolist()
    numbers = check_sequence(name, row, "whole numbers", least=0)
    return tuple(check_seed(f"{name}[{i}]", number) for i, number in enumerate(numbers))


def _check_arms(arms: Mapping[str, Sequence[Setting]]) -> dict[str, list[dict[str, Any]]]:
    """Return the candidates of each arm, in Python's own numbers."""
    check_instance("arms", arms, Mapping, "a dict of candidate settings by name")
    checked: dict[str, list[dict[str, Any]]] = {}
    for name, candidates in arms.items():
        check_instance(f"arms: the name {name!r}", name, str, "text")
        checked[name] = []
        rows = check_sequence(f"arms[{name!r}]", candidates, "settings", least=0)
        for i, setting in enumerate(rows):
            place = f"arms[{name!r}][{i}]"
            check_instance(place, setting, Mapping, "a setting, as a dict")
            if taken := _OWN_ARGUMENTS.intersection(setting):
                raise ValueError(
                    f"{place} names {', '.join(sorted(taken))}: expected other names, since "
                    "`compare` itself passes arm, fold and seed to run"
                )
            try:
                checked[name].append(_to_json(place, setting))
            except RecursionError as error:
                raise ValueError(f"{place} is nested too deeply, or holds itself") from error
    return checked


def _to_json(place: str, value: Any) -> Any:
    """Turn a setting into what JSON can hold, if it says the same; TypeError otherwise."""
    match value:
        case np.generic():
            return _to_json(place, value.item())
        case Mapping():
            for key in value:
                check_instance(f"{place}: the name {key!r}", key, str, "text")
            return {key: _to_json(f"{place}[{key!r}]", entry) for key, entry in value.items()}
        case list() | tuple():
            entries = [_to_json(f"{place}[{i}]", entry) for i, entry in enumerate(value)]
            return tuple(entries) if isinstance(value, tuple) else entries
        case None | bool() | str():
            return value
        case int() | float():
            check_number(place, value)
            return value
    raise TypeError(
        f"{place} is {describe(value)}: expected numbers, text, True, False, None, or lists and "
        "dicts of these, which a file can hold"
    )


def _check_family(family: Sequence[Contrast]) -> tuple[Contrast, ...]:
    contrasts = []
    for i, contrast in enumerate(check_sequence("family", family, "contrasts", least=0)):
        names = check_sequence(f"family[{i}]", contrast, "Contrast(arm, baseline, score)")
        if len(names) not in (2, 3) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"family[{i}]={contrast!r}: expected Contrast(arm, baseline, score)")
        contrasts.append(Contrast(*names))
    return tuple(contrasts)


def _check_fairness(counts: dict[str, int], tuning_seeds: tuple[int, ...]) -> None:
    if not counts or 0 in counts.values() or len(set(counts.values())) > 1:
        raise ValueError(
            f"arms have {counts} candidates: expected the same number for each, at least 1, or one "
            "arm would be tuned less than another"
        )
    if not tuning_seeds and max(counts.values()) > 1:
        raise ValueError(
            f"tuning_seeds=() with {max(counts.values())} candidates per arm: expected one seed or "
            "more to choose by"
        )


def _check_distinct(
    folds: tuple[int, ...], seeds: tuple[int, ...], tuning_seeds: tuple[int, ...]
) -> None:
    if len(folds) < 2 or len(set(folds)) < len(folds):
        raise ValueError(f"folds={folds}: expected two or more, all different")
    if not seeds or len({*seeds, *tuning_seeds}) < len(seeds) + len(tuning_seeds):
        raise ValueError(
            f"seeds={seeds} and tuning_seeds={tuning_seeds}: expected one seed or more, none of "
            "them used twice or for tuning"
        )


class _Task(NamedTuple):
    """One run: what it is called with."""

    arm: str
    fold: int
    seed: int
    setting: dict[str, Any]

    @property
    def key(self) -> str:
        return json.dumps(self, sort_keys=True)


def _batch(arm: str, fold: int, setting: Setting, seeds: tuple[int, ...]) -> list[_Task]:
    return [_Task(arm, fold, seed, dict(setting)) for seed in seeds]


class _Runs:
    """The scores of finished runs, in memory and in a file, and the way to finish more."""

    def __init__(self, run: Run, jobs: int | None, store: str | os.PathLike[str] | None) -> None:
        self.run, self.jobs = run, jobs
        self.store = None if store is None else RunStore(check_path("store", store))
        self.scores: dict[str, Scores] = {} if self.store is None else dict(self.store.scores)

    def finish(self, batches: Iterable[list[_Task]]) -> None:
        """Run what is not finished yet, and record each run as it ends."""
        from joblib import Parallel, delayed

        tasks = [task for batch in batches for task in batch]
        missing = [task for task in tasks if task.key not in self.scores]
        parallel = Parallel(n_jobs=self.jobs, return_as="generator_unordered")
        for key, scores in parallel(delayed(_perform)(self.run, task) for task in missing):
            self.scores[key] = scores if self.store is None else self.store.add(key, scores)
        self._check_names(tasks)

    def _check_names(self, tasks: list[_Task]) -> None:
        first: dict[str, _Task] = {}  # of each arm
        for task in tasks:
            names = self.scores[task.key].keys()
            expected = self.scores[first.setdefault(task.arm, task).key].keys()
            if names != expected:
                raise ValueError(
                    f"run gave {', '.join(names) or 'no scores'} for {task}, and "
                    f"{', '.join(expected) or 'none'} for {first[task.arm]}: expected the same "
                    "scores in all runs of an arm"
                )

    def average(self, batch: list[_Task], score: str) -> float:
        """Average one score over seeds."""
        rows = [self.scores[task.key] for task in batch]
        if score not in rows[0]:
            raise ValueError(f"select={score!r}: run gave {', '.join(rows[0]) or 'no scores'}")
        return float(np.mean([scores[score] for scores in rows]))

    def table(self, batches: list[list[_Task]]) -> dict[str, list[list[float]]]:
        """Collect every score by name, for J folds of S seeds."""
        names = self.scores[batches[0][0].key]
        return {
            name: [[self.scores[task.key][name] for task in batch] for batch in batches]
            for name in names
        }


def _perform(run: Run, task: _Task) -> tuple[str, Scores]:
    """Do one run, in whatever process."""
    with take_turns():  # with runs in other threads, which may seed torch's global generator, too
        result = run(arm=task.arm, fold=task.fold, seed=task.seed, **task.setting)
    if not isinstance(result, Mapping) or not all(isinstance(name, str) for name in result):
        raise TypeError(f"run gave {describe(result)} for {task}: expected scores by name")
    scores = {}
    for name, value in result.items():
        try:
            scores[name] = check_number(name, value)
        except ValueError as error:
            raise ValueError(f"run gave {error}, for {task}") from error
    return task.key, scores

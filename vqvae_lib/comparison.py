"""A fair comparison: arms, each tuned with the same effort, on the same seeds, and what differs.

An *arm* is a way of doing something, with candidate settings to choose from. `compare` chooses one
setting for each arm by its validation score, every arm from the same number of candidates, and
then runs all arms on the same seeds. Two arms are compared seed by seed: what a seed does to both,
such as a lucky start of the same encoder, drops out of the difference.

Runs are independent of each other and go through joblib: on a cluster, the same call inside
``with joblib.parallel_config(backend="dask"):`` sends them there.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqvae_lib._checks import check_count

__all__ = ["Arm", "Comparison", "Difference", "bootstrap_interval", "compare", "holm", "sign_test"]

Run = Callable[..., Mapping[str, float]]
_EXACT = 16  # seeds up to which all 2**N signs are tried


class Difference(NamedTuple):
    """Scores of an arm minus those of another, over the same seeds.

    Attributes
    ----------
    mean
        Mean difference; above 0 the first arm is better.
    low, high
        Bootstrap interval, see `bootstrap_interval`.
    p
        Of the hypothesis that the two arms are alike, see `sign_test`; from
        `Comparison.against`, corrected for the number of arms.
    """

    mean: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        """As a sentence prints it: ``+0.3 [-0.1, 0.7], p = 0.12``."""
        return f"{self.mean:+.2g} [{self.low:.2g}, {self.high:.2g}], p = {self.p:.2g}"


@dataclass(frozen=True)
class Arm:
    """One arm after the comparison.

    Attributes
    ----------
    setting
        The chosen setting.
    tried
        All candidates, each with its mean validation score; empty where there was one only.
    scores
        Every score by name, a list over the seeds.
    """

    setting: dict[str, Any]
    tried: list[tuple[dict[str, Any], float]]
    scores: dict[str, list[float]]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    arms
        By name.
    seeds, tuning_seeds
        Of the runs that count, and of those that chose the settings.
    """

    arms: dict[str, Arm]
    seeds: list[int]
    tuning_seeds: list[int]

    def difference(self, arm: str, baseline: str, score: str = "test") -> Difference:
        """Compare two arms seed by seed: `arm` minus `baseline`.

        Raises
        ------
        ValueError
            If there is no such arm or score.
        """
        gain = self._scores(arm, score) - self._scores(baseline, score)  # (N,)
        return Difference(float(gain.mean()), *bootstrap_interval(gain), sign_test(gain))

    def against(self, baseline: str, score: str = "test") -> dict[str, Difference]:
        """Compare every other arm with one, with Holm's correction of the p-values."""
        found = {
            name: self.difference(name, baseline, score) for name in self.arms if name != baseline
        }
        corrected = holm({name: difference.p for name, difference in found.items()})
        return {name: found[name]._replace(p=p) for name, p in corrected.items()}

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Comparison:
        """Undo `to_dict`."""
        arms = {name: Arm(**arm) for name, arm in found["arms"].items()}
        return cls(arms, list(found["seeds"]), list(found["tuning_seeds"]))

    def _scores(self, arm: str, score: str) -> np.ndarray:
        if arm not in self.arms:
            raise ValueError(f"arm={arm!r}: expected one of {', '.join(self.arms)}")
        scores = self.arms[arm].scores
        if score not in scores:
            raise ValueError(f"score={score!r}: expected one of {', '.join(scores)}")
        return np.array(scores[score])


def compare(
    run: Run,
    arms: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    seeds: Sequence[int],
    tuning_seeds: Sequence[int],
    select: str = "valid",
    jobs: int | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Tune every arm with the same effort, then run all of them on the same seeds.

    Parameters
    ----------
    run
        Called as ``run(arm=name, seed=seed, **setting)``; trains, and returns scores by name, of
        which larger is better. All that is random in it has to follow from the seed. It is sent
        to other processes, so it has to be a function of a module.
    arms
        For each arm, by name, its candidate settings: the same number for each. With one
        candidate an arm there is nothing to tune.
    seeds
        Of the runs that count: whole numbers, all different, two or more; intervals need four.
    tuning_seeds
        Of the runs that choose the setting; none of `seeds`. Only arms with one candidate can do
        without.
    select
        The score that chooses, measured on data that are neither trained nor tested on.
    jobs
        Runs at a time, as joblib counts them; None: one, or what `joblib.parallel_config` says.
    store
        File that collects the runs as they finish, one line of JSON each; those in it are not
        run again. It has to be deleted when `run` changes.

    Returns
    -------
    Comparison
        Chosen settings, all candidates' validation scores, all final scores.

    Raises
    ------
    ValueError
        If arms have different numbers of candidates, seeds are too few or used twice, a run does
        not give the score that selects, or gives one that is not finite, or `store` is damaged.
    """
    seeds, tuning_seeds = [int(seed) for seed in seeds], [int(seed) for seed in tuning_seeds]
    counts = {name: len(settings) for name, settings in arms.items()}
    if not counts or 0 in counts.values() or len(set(counts.values())) > 1:
        raise ValueError(
            f"arms have {counts} candidates: expected the same number for each, at least 1, or one "
            "arm would be tuned less than another"
        )
    if len(seeds) < 2 or len({*seeds, *tuning_seeds}) < len(seeds) + len(tuning_seeds):
        raise ValueError(
            f"seeds={seeds} and tuning_seeds={tuning_seeds}: expected two or more seeds, none "
            "of them used twice or for tuning"
        )
    if not tuning_seeds and max(counts.values()) > 1:
        raise ValueError(
            f"tuning_seeds=[] with {max(counts.values())} candidates an arm: expected one seed or "
            "more to choose by"
        )
    runs = _Runs(run, jobs, store)
    tuned = {name: settings for name, settings in arms.items() if len(settings) > 1}
    runs.do(
        (name, setting, seed)
        for name, settings in tuned.items()
        for setting in settings
        for seed in tuning_seeds
    )
    tried: dict[str, list[tuple[dict[str, Any], float]]] = {}
    chosen: dict[str, dict[str, Any]] = {name: dict(settings[0]) for name, settings in arms.items()}
    for name, settings in tuned.items():
        scores = [runs.mean(name, setting, tuning_seeds, select) for setting in settings]
        tried[name] = list(zip(map(dict, settings), scores, strict=True))
        chosen[name] = max(tried[name], key=lambda one: one[1])[0]
    runs.do((name, setting, seed) for name, setting in chosen.items() for seed in seeds)
    found = {}
    for name, setting in chosen.items():
        each = [runs.done[_key(name, setting, seed)] for seed in seeds]
        found[name] = Arm(
            setting, tried.get(name, []), {score: [one[score] for one in each] for score in each[0]}
        )
    return Comparison(found, seeds, tuning_seeds)


Task = tuple[str, Mapping[str, Any], int]  # arm, setting, seed


class _Runs:
    """Runs that are done, in memory and in a file, and the way to do more."""

    def __init__(self, run: Run, jobs: int | None, store: str | os.PathLike[str] | None) -> None:
        self.run, self.jobs = run, jobs
        self.store = None if store is None else Path(store)
        self.done: dict[str, dict[str, float]] = {}
        if self.store is not None and self.store.exists():
            self._read(self.store)

    def _read(self, store: Path) -> None:
        text = store.read_text(encoding="utf-8")
        # A line that was cut off, by a kill for example, is a run that is not done.
        whole = text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                kept = json.loads(line)
                self.done[kept["run"]] = kept["scores"]
            except (json.JSONDecodeError, TypeError, KeyError) as error:
                raise ValueError(
                    f"store={str(store)!r}, line {number}: expected a run as JSON, got {line!r}"
                ) from error
        if whole != text:
            store.write_text(whole, encoding="utf-8")

    def do(self, tasks: Iterable[Task]) -> None:
        """Do what is not done yet, and keep each as it finishes."""
        from joblib import Parallel, delayed

        missing = [task for task in tasks if _key(*task) not in self.done]
        parallel = Parallel(n_jobs=self.jobs, return_as="generator_unordered")
        for key, scores in parallel(delayed(_do)(self.run, *task) for task in missing):
            self.done[key] = scores
            if self.store is not None:
                self.store.parent.mkdir(parents=True, exist_ok=True)
                with open(self.store, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"run": key, "scores": scores}) + "\n")

    def mean(
        self, name: str, setting: Mapping[str, Any], seeds: Sequence[int], score: str
    ) -> float:
        """Average a score over seeds."""
        found = [self.done[_key(name, setting, seed)] for seed in seeds]
        if score not in found[0]:
            raise ValueError(f"select={score!r}: run gave {', '.join(found[0]) or 'no scores'}")
        return float(np.mean([scores[score] for scores in found]))


def _key(name: str, setting: Mapping[str, Any], seed: int) -> str:
    return json.dumps([name, dict(setting), seed], sort_keys=True)


def _do(run: Run, name: str, setting: Mapping[str, Any], seed: int) -> tuple[str, dict[str, float]]:
    """Do one run, in whatever process."""
    scores = {score: float(value) for score, value in run(arm=name, seed=seed, **setting).items()}
    if not all(math.isfinite(value) for value in scores.values()):
        raise ValueError(f"run gave {scores} for arm={name!r}, seed={seed}, {dict(setting)}")
    return _key(name, setting, seed), scores


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval for the mean of few values, by the studentised bootstrap.

    From the values themselves many samples of the same size are drawn with replacement. Each
    gives t* = (its mean - the mean) / its standard error; the interval has the quantiles of t* in
    place of those of Student's t (Efron and Tibshirani 1993, chapter 12). With ten values it
    covers the truth nearly as often as it says, where the plain percentiles are too narrow.

    Parameters
    ----------
    values
        Independent, (N,), N of at least 4.
    confidence
        Between 0 and 1.
    resamples
        Samples drawn.
    seed
        Of the drawing.

    Returns
    -------
    (float, float)
        Lower and upper end.

    Raises
    ------
    ValueError
        If there are too few values, they are not finite, or `confidence` is out of range.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) < 4 or not np.isfinite(values).all():
        raise ValueError(f"values={values!r}: expected four finite numbers or more, (N,)")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence!r}: expected a number between 0 and 1")
    check_count("resamples", resamples)
    N = len(values)
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(N)
    drawn = np.random.default_rng(seed).choice(values, (resamples, N))
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(N)
    usable = errors > 1e-12 * max(error, abs(mean), 1e-300)  # not N times the same value
    if not usable.any():
        return float(mean), float(mean)
    t = (drawn.mean(1)[usable] - mean) / errors[usable]
    low, high = np.quantile(t, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(mean - high * error), float(mean - low * error)


def sign_test(differences: Sequence[float] | np.ndarray, *, seed: int = 0) -> float:
    """p-value of paired differences: how often their mean is as far from 0 with signs at random.

    If two arms are alike, each difference could as well have had the other sign (Fisher's
    permutation test). All 2^N signs are tried up to N = 16, and 100,000 random ones above.

    Parameters
    ----------
    differences
        (N,).
    seed
        Of random signs.

    Returns
    -------
    float
        Two-sided, at least 2/2^N.

    Raises
    ------
    ValueError
        If there is none, or one is not finite.
    """
    values = np.asarray(differences, float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"differences={differences!r}: expected finite numbers, (N,)")
    N = len(values)
    if N <= _EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=N)))  # (2**N, N)
    else:
        signs = np.random.default_rng(seed).choice((1, -1), (100_000, N))
        signs[0] = 1  # the signs that were seen belong to the count
    means = np.abs(signs @ values)
    return float((means >= means[0] * (1 - 1e-12)).mean())


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values for their number: Holm 1979, which needs no independence.

    Parameters
    ----------
    p
        By name.

    Returns
    -------
    dict
        Corrected, in the same order. Those below a level can all be called differences, with at
        most that probability of a single false one among them.
    """
    corrected: dict[str, float] = {}
    so_far = 0.0
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        so_far = max(so_far, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = so_far
    return {name: corrected[name] for name in p}

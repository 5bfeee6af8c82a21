"""The experiment of chapter 11, made short: what it writes, and that its arms are tuned alike."""

import sys

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from experiments import augmentation
from vqvae_lib.applications.labelled import few_labels
from vqvae_lib.comparison import Comparison
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result

MODELS = (augmentation.on_all, augmentation.on_few, augmentation.on_spread)


@pytest.fixture
def aside(tmp_path, monkeypatch):
    """Results and finished runs go to a folder of the test; no model is kept from before."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(augmentation, "RUNS", tmp_path / "runs")
    for name, value in (
        ("EPOCHS", 2), ("STEPS", 2), ("HIDDEN", 8), ("GENERATED", 10), ("PER_CLASS", (2,)),
        ("SEEDS", range(4)), ("TUNING_SEEDS", (100,)),
    ):  # fmt: skip
        monkeypatch.setattr(augmentation, name, value)
    for model in MODELS:
        model.cache_clear()
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    for model in MODELS:
        model.cache_clear()


def test_every_arm_can_be_run_and_is_written(aside, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["augmentation"])
    arms = {name: settings[:2] for name, settings in augmentation.ARMS.items()}
    monkeypatch.setattr(augmentation, "ARMS", arms)
    augmentation.main()
    result = load_result("augmentation")
    assert set(result["comparison"]) == {"2"}
    for found in result["comparison"].values():
        comparison = Comparison.from_dict(found)
        assert set(comparison.arms) == set(arms)
        assert comparison.seeds == [0, 1, 2, 3]
        for arm in comparison.arms.values():
            assert len(arm.tried) == 2
            assert all(0 <= score <= 1 for scores in arm.scores.values() for score in scores)
    assert len(result["leaks"]) == 4
    assert set(result["leaks"][0]) == {"honest", "leaking"}
    assert result["settings"]["split"]["valid"] == 287


def test_arms_are_tuned_alike_and_the_parts_do_not_overlap():
    assert {len(candidates) for candidates in augmentation.ARMS.values()} == {6}
    assert set(augmentation.KNOWS) < set(augmentation.ARMS)
    assert not set(augmentation.SEEDS) & set(augmentation.TUNING_SEEDS)
    parts = augmentation.split()
    sizes = {name: len(x) for name, (x, _y) in parts.items()}
    assert sizes == {"train": 1150, "valid": 287, "test": 360}
    data = vq.load_digits()
    together = torch.cat([parts["train"][0], parts["valid"][0]])
    assert torch.equal(together.sort(0).values, data.x_train.sort(0).values)
    assert pytest.approx(1 / (64 * float(parts["train"][0].var())), rel=0.01) == augmentation.GAMMA


def test_the_baseline_is_a_plain_classifier_on_the_labels_of_the_seed():
    from sklearn.svm import SVC

    found = augmentation.run("labels alone", 3, per_class=5, C=10.0)
    parts = augmentation.split()
    x, y = parts["train"]
    rows = few_labels(y, 5, seed=3)
    machine = SVC(C=10.0, gamma=augmentation.GAMMA).fit(x[rows].numpy(), y[rows].numpy())
    assert found["test"] == pytest.approx(
        (machine.predict(parts["test"][0].numpy()) == parts["test"][1].numpy()).mean()
    )


def test_spread_labels_are_right_where_they_were_given():
    x, y = augmentation.split()["train"]
    rows = few_labels(y, 5, seed=0)
    found = augmentation.spread(x, y, rows)
    assert (found[rows] == y[rows]).double().mean() > 0.9
    assert (found == y).double().mean() > 0.8


def test_no_arm_sees_a_label_of_another_image(aside):
    """With all other labels of the pool changed, every arm gives the same numbers."""
    honest = augmentation.split
    rows = few_labels(honest()["train"][1], 2, seed=0)

    def changed():
        parts = honest()
        x, y = parts["train"]
        other = (y + 1) % 10
        other[rows] = y[rows]
        return parts | {"train": (x, other)}

    def scores():
        for model in MODELS:
            model.cache_clear()
        return [
            augmentation.run(arm, 0, per_class=2, **settings[0])
            for arm, settings in augmentation.ARMS.items()
        ]

    before = scores()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "split", changed)
        patch.setattr(augmentation, "few_labels", lambda y, per_class, seed: rows)
        after = scores()
    for arm, one, other in zip(augmentation.ARMS, before, after, strict=True):
        np.testing.assert_allclose(list(one.values()), list(other.values()), err_msg=arm)

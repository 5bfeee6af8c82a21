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
from vqvae_lib.splits import GroupSplit

MODELS = (augmentation.train_on_all, augmentation.train_on_few, augmentation.train_on_spread)


@pytest.fixture
def aside(tmp_path, monkeypatch):
    """Results and finished runs go to a folder of the test; no model is kept from before."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(augmentation, "RUNS", tmp_path / "runs")
    for name, value in (
        ("EPOCHS", 2), ("STEPS", 2), ("HIDDEN", 8), ("GENERATED", 10), ("PER_CLASS", (2,)),
        ("FOLDS", range(2)), ("SEEDS", (0,)),
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
    for fields in result["comparison"].values():
        comparison = Comparison.from_dict(fields)
        assert set(comparison.arms) == set(arms)
        assert comparison.folds == (0, 1)
        assert comparison.family == augmentation.FAMILY
        for arm in comparison.arms.values():
            assert np.shape(arm.tuning) == (2, 2)
            assert all(0 <= np.min(scores) <= np.max(scores) <= 1 for scores in arm.scores.values())
    assert len(result["leaks"]) == 2
    assert set(result["leaks"][0]) == {"honest", "leaking"}


def test_arms_are_tuned_alike_and_all_families_can_be_carried_together():
    assert {len(candidates) for candidates in augmentation.ARMS.values()} == {6}
    assert set(augmentation.KNOWS) < set(augmentation.ARMS)
    assert not set(augmentation.SEEDS) & set(augmentation.TUNING_SEEDS)
    named = {arm for c in augmentation.FAMILY for arm in (c.arm, c.baseline)}
    assert named < set(augmentation.ARMS)
    tests = len(augmentation.FAMILY) * len(augmentation.PER_CLASS)
    assert tests * 2 / 2 ** len(augmentation.FOLDS) < 0.05


def test_a_fold_keeps_one_writer_for_the_test_and_one_for_the_choice():
    parts = augmentation.load_parts(3)
    data = vq.load_digits(split=GroupSplit(valid=(4,), test=(3,)))
    for name in parts:
        x, y = parts[name]
        assert torch.equal(x, getattr(data, f"x_{name}"))
        assert torch.equal(y, getattr(data, f"y_{name}"))
    assert augmentation.TEST_TO_TRAIN == 1 / 12
    assert pytest.approx(1 / (64 * float(parts["train"][0].var())), rel=0.01) == augmentation.GAMMA


def test_the_baseline_is_a_plain_classifier_on_the_labels_of_the_seed():
    from sklearn.svm import SVC

    scores = augmentation.run("labels alone", 1, 3, per_class=5, C=10.0)
    parts = augmentation.load_parts(1)
    x, y = parts["train"]
    rows = few_labels(y, 5, seed=3)
    machine = SVC(C=10.0, gamma=augmentation.GAMMA).fit(x[rows].numpy(), y[rows].numpy())
    assert scores["test"] == pytest.approx(
        (machine.predict(parts["test"][0].numpy()) == parts["test"][1].numpy()).mean()
    )


def test_spread_labels_are_right_where_they_were_given():
    x, y = augmentation.load_parts(0)["train"]
    rows = few_labels(y, 5, seed=0)
    labels = augmentation.spread(x, y, rows)
    assert (labels[rows] == y[rows]).double().mean() > 0.9
    assert (labels == y).double().mean() > 0.8


def test_the_generator_s_control_is_the_images_that_it_learned_from():
    x, y = augmentation.load_parts(2)["train"]
    labels = augmentation.spread(x, y, few_labels(y, 5, seed=1))
    whole = augmentation.choose_spread(5, 2, 1, whole=True)
    part = augmentation.choose_spread(5, 2, 1, whole=False)
    assert len(whole.x) == len(x)
    assert len(part.x) == 600
    for chosen in (whole, part):
        rows = torch.cdist(chosen.x, x).argmin(1)
        assert torch.equal(chosen.y, labels[rows])


def test_no_arm_sees_a_label_of_another_image(aside):
    """With all other labels of the pool changed, every arm gives the same numbers."""
    honest = augmentation.load_parts
    rows = few_labels(honest(0)["train"][1], 2, seed=0)

    def changed(fold):
        parts = honest(fold)
        x, y = parts["train"]
        other = (y + 1) % 10
        other[rows] = y[rows]
        return parts | {"train": (x, other)}

    def scores():
        for model in MODELS:
            model.cache_clear()
        return [
            augmentation.run(arm, 0, 0, per_class=2, **settings[0])
            for arm, settings in augmentation.ARMS.items()
        ]

    before = scores()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "load_parts", changed)
        patch.setattr(augmentation, "few_labels", lambda y, per_class, seed: rows)
        after = scores()
    for arm, one, other in zip(augmentation.ARMS, before, after, strict=True):
        np.testing.assert_allclose(list(one.values()), list(other.values()), err_msg=arm)

"""The long run of chapter 10, made short: what it writes, and that its parts are kept apart."""

import sys

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from experiments import dimension_reduction as study
from vqvae_lib.applications.reduction import codes_of, score
from vqvae_lib.comparison import Comparison
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result


@pytest.fixture
def short(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(study, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(sys, "argv", ["dimension_reduction"])
    monkeypatch.setattr(study, "STEPS", dict.fromkeys(study.STEPS, 2))
    monkeypatch.setattr(study, "FOLDS", range(2))
    monkeypatch.setattr(study, "SEEDS", (0,))
    monkeypatch.setattr(study, "SIZES", {"wine": (2, 4), "breast_cancer": (2,)})
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_every_arm_is_run_and_written(short):
    study.main()
    tables = load_result("dimension_reduction")["tables"]
    assert {name: list(sizes) for name, sizes in tables.items()} == {
        "wine": ["2", "4"], "breast_cancer": ["2"],
    }  # fmt: skip
    networks = {"PCA", "AE", "VAE", "VQVAE", "VQVAE, o"}
    arms = {
        (name, d): set(fields["arms"])
        for name, sizes in tables.items()
        for d, fields in sizes.items()
    }
    assert arms["wine", "2"] == networks | {"LDA", "t-SNE"}
    assert arms["wine", "4"] == networks  # three classes: two directions
    assert arms["breast_cancer", "2"] == networks | {"t-SNE"}
    for sizes in tables.values():
        for fields in sizes.values():
            comparison = Comparison.from_dict(fields)
            assert comparison.family == study.FAMILY
            assert comparison.test_to_train == pytest.approx(0.33, abs=0.01)
            for name, arm in comparison.arms.items():
                assert np.shape(arm.tuning) == (2, 2)
                names = {"trustworthiness", "knn", "linear", "valid"}
                assert set(arm.scores) - {"error"} == names
                assert ("error" in arm.scores) == (name not in ("LDA", "t-SNE"))
                assert {np.shape(values) for values in arm.scores.values()} == {(2, 1)}


def test_the_hybrid_s_two_codes_are_those_of_one_model(short):
    setting = {"data": "wine", "d": 2, "lr": 0.2}  # far enough for the two to differ
    scores = study.run("VQVAE", 1, 3, **setting)
    assert scores["trustworthiness"] != scores["o trustworthiness"]
    parts = study.load_fold("wine", 1)
    model = study._fit("VQVAE", parts.x_train, parts.y_train, 3, **setting)
    assert isinstance(model, vq.VQVAE)
    for prefix, which in (("", "mu"), ("o ", "o")):
        row = score(
            codes_of(model, which), parts.x_train, parts.y_train, parts.x_test, parts.y_test
        )
        assert scores[f"{prefix}knn"] == row.knn
        assert scores[f"{prefix}trustworthiness"] == row.trustworthiness
        assert scores[f"{prefix}error"] == -row.error


def test_pca_s_error_is_the_floor_whitened_or_not(short):
    parts = study.load_fold("digits", 0)
    floor = vq.PCA.fit(parts.x_train, 4).mse(parts.x_test)
    for whiten in (False, True):
        scores = study.run("PCA", 0, 0, data="digits", d=4, whiten=whiten)
        assert -scores["error"] == pytest.approx(floor, rel=1e-4)


@pytest.mark.parametrize("data", ["digits", "wine", "breast_cancer"])
def test_folds_are_the_same_for_all_arms_and_counted_right(data):
    parts, again = (study.load_fold(data, 1) for _ in range(2))
    assert torch.equal(parts.x_train, again.x_train)
    ratio = len(parts.x_test) / len(parts.x_train)
    if data == "digits":
        assert set(parts.group_test.tolist()) == {1}
        assert set(parts.group_train.tolist()) == set(range(14)) - {1, 2}
        ratio = 1 / 12  # in writers
    assert study.TEST_TO_TRAIN[data] == pytest.approx(ratio, rel=0.02)


def test_arms_are_tuned_alike_and_all_families_can_be_carried_together():
    assert {len(settings) for settings in study.CANDIDATES.values()} == {2}
    assert not set(study.SEEDS) & set(study.TUNING_SEEDS)
    tables = sum(map(len, study.SIZES.values()))
    assert len(study.FAMILY) * tables * 2 / 2 ** len(study.FOLDS) < 0.05

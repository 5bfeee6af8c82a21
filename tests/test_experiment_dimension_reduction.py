"""The long run of chapter 10, made short: what it writes, and that its parts are kept apart."""

import sys

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from experiments import dimension_reduction as study
from vqvae_lib.applications.reduction import codes_of, score
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result


@pytest.fixture
def short(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(study, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(sys, "argv", ["dimension_reduction"])
    monkeypatch.setattr(study, "STEPS", dict.fromkeys(study.STEPS, 2))
    monkeypatch.setattr(study, "SEEDS", range(4))
    monkeypatch.setattr(study, "TUNING_SEEDS", (100,))
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
        (name, d): set(found["arms"]) - {"VAE, same rate"}
        for name, sizes in tables.items()
        for d, found in sizes.items()
    }
    assert arms["wine", "2"] == networks | {"LDA", "t-SNE"}
    assert arms["wine", "4"] == networks  # three classes: two directions
    assert arms["breast_cancer", "2"] == networks | {"t-SNE"}
    for sizes in tables.values():
        for found in sizes.values():
            for name, arm in found["arms"].items():
                assert len(arm["tried"]) == (0 if name == "VAE, same rate" else 2)
                kept = {"trustworthiness", "knn", "linear", "valid"}
                assert set(arm["scores"]) - {"error"} == kept
                assert ("error" in arm["scores"]) == (name not in ("LDA", "t-SNE"))
                assert {len(values) for values in arm["scores"].values()} == {4}


def test_the_vae_is_run_at_the_other_rate_only_where_it_differs(short):
    arm = study.Arm({"data": "wine", "d": 2, "lr": 4e-3}, [], {"knn": [0.0] * 4})
    other = study.Arm({"data": "wine", "d": 2, "lr": 1.2e-2}, [], {"knn": [0.0] * 4})
    same = study.Comparison({"VAE": arm, "VQVAE": arm}, [0, 1, 2, 3], [100])
    assert study.at_the_same_rate(same) is same
    found = study.at_the_same_rate(
        study.Comparison({"VAE": arm, "VQVAE": other}, [0, 1, 2, 3], [100])
    )
    added = found.arms["VAE, same rate"]
    assert added.setting["lr"] == 1.2e-2
    assert added.scores["knn"][2] == study.run("VAE", 2, **other.setting)["knn"]


def test_the_hybrid_s_two_codes_are_those_of_one_model(short):
    setting = {"data": "wine", "d": 2, "lr": 0.2}  # far enough for the two to differ
    scores = study.run("VQVAE", 3, **setting)
    assert scores["trustworthiness"] != scores["o trustworthiness"]
    train, _, test = study.split("wine", 3)
    model = study._fit("VQVAE", train, 3, **setting)
    assert isinstance(model, vq.VQVAE)
    for prefix, which in (("", "mu"), ("o ", "o")):
        found = score(codes_of(model, which), train.x, train.y, test.x, test.y)
        assert scores[f"{prefix}knn"] == found.knn
        assert scores[f"{prefix}trustworthiness"] == found.trustworthiness
        assert scores[f"{prefix}error"] == -found.error


def test_pca_s_error_is_the_floor_whitened_or_not(short):
    train, _, test = study.split("digits", 0)
    for whiten in (False, True):
        scores = study.run("PCA", 0, data="digits", d=4, whiten=whiten)
        assert -scores["error"] == pytest.approx(vq.pca_floor(train.x, test.x, 4), rel=1e-4)


@pytest.mark.parametrize("data", ["digits", "wine", "breast_cancer"])
def test_parts_are_apart_and_the_same_for_all_arms(data):
    train, valid, test = study.split(data, 1)
    again, _, _ = study.split(data, 1)
    assert torch.equal(train.x, again.x)
    rows = [{tuple(row) for row in part.x.numpy().round(4)} for part in (train, valid, test)]
    assert not rows[0] & rows[1]
    assert not (rows[0] | rows[1]) & rows[2]
    sizes = np.array([len(part.x) for part in (train, valid, test)])
    np.testing.assert_allclose(sizes / sizes.sum(), [0.64, 0.16, 0.2], atol=0.01)


def test_arms_are_tuned_alike_and_seeds_stay_apart():
    counts = {len(settings) for settings in study.CANDIDATES.values()}
    assert counts == {2}
    assert not set(study.SEEDS) & set(study.TUNING_SEEDS)
    assert len(study.SEEDS) >= 10

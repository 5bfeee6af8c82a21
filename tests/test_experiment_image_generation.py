"""The long run of chapter 9, made short."""

import sys
from dataclasses import replace

import pytest
import torch

import vqvae_lib as vq
from experiments import image_generation as study
from vqvae_lib.comparison import Comparison
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result
from vqvae_lib.splits import GroupSplit


@pytest.fixture
def short(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(study, "SEEDS", (0,))
    few = {name: replace(part, folds=range(2)) for name, part in study.STUDIES.items()}
    monkeypatch.setattr(study, "STUDIES", few)
    monkeypatch.setattr(study, "DRAWS", 3)
    monkeypatch.setattr(study, "STEPS", 4)
    monkeypatch.setattr(study, "DIGITS", study.DIGITS | {"images": 5, "epochs": 1})
    monkeypatch.setattr(study, "WRITTEN", study.WRITTEN | {"size": 8, "epochs": 1})
    monkeypatch.setattr(study, "PHOTOS", study.PHOTOS | {"train": 300, "test": 4, "epochs": 1})
    monkeypatch.setattr(study, "PAIRS", ((0.0, 1), (1.0, 1), (1.0, 4)))
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["image_generation"])
    study.cut_patches.cache_clear()
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)
    study.cut_patches.cache_clear()


def test_all_arms_are_scored_and_written_and_not_run_again(short, monkeypatch):
    study.main()
    result = load_result("image_generation")
    for name, part in study.STUDIES.items():
        comparison = Comparison.from_dict(result[name])
        assert tuple(comparison.arms) == part.arms
        assert comparison.folds == (0, 1)
        assert set(comparison.test_family()) == set(part.family)
    digits = Comparison.from_dict(result["digits"])

    # An arm without randomness, computed anew: the mean image in the lower half.
    data = vq.load_digits(split=GroupSplit(valid=(2,), test=(1,)))
    lower = torch.arange(64) >= 32
    gap = (data.x_test[:5] - data.x_train.mean(0))[:, lower]
    error = gap.square().mean().sqrt().item()
    assert digits.arms["mean image"].scores["lower half"][1] == pytest.approx([-error], rel=1e-5)

    styles = Comparison.from_dict(result["styles"]).arms["VAE"].scores
    assert styles["truth, error"] == [[0.0], [0.0]]
    assert styles["truth, style"][0][0] > 0.95
    assert styles["unchanged, style"][0][0] < 0.05

    def refuse(*arguments, **options):
        raise AssertionError("was run again")

    monkeypatch.setattr(vq, "fit", refuse)
    study.main()
    again = load_result("image_generation")
    assert again["photographs"] == result["photographs"]


def test_all_families_can_be_carried_together_and_folds_are_counted_right():
    tests = sum(len(part.family) for part in study.STUDIES.values())
    for part in study.STUDIES.values():
        assert tests * 2 / 2 ** len(part.folds) < 0.05
    data = study.load_fold(5)
    assert set(data.group_test.tolist()) == {5}
    assert len(data.group_train.unique()) * study.STUDIES["digits"].test_to_train == 1
    pictures = len(study.load_pictures())
    assert len(study.STUDIES["photographs"].folds) == pictures
    assert (pictures - 1) * study.STUDIES["photographs"].test_to_train == 1


def test_a_photograph_is_tested_on_by_one_fold_alone(short, monkeypatch):
    """Each picture in one grey of its own: patches tell where they were cut."""
    pictures = {f"{i}": torch.full((20, 20), i / 12) for i in range(12)}
    monkeypatch.setattr(study, "load_pictures", lambda: pictures)
    for fold in range(12):
        train, test = study.cut_patches(fold, 0)
        assert (test == fold / 12).all()
        greys = (12 * train).round().int().unique().tolist()
        assert greys == [i for i in range(12) if i != fold]


def test_roughness_by_hand():
    stripes = torch.tensor([[0.0, 1.0, 0.0, 1.0]])  # 2 by 2: rows alike, columns 1 apart
    assert study.roughness(stripes, 2) == pytest.approx(0.5)
    assert study.unlike(stripes / 2, stripes, 2) == pytest.approx(-0.5)
    assert study.psnr(torch.zeros(1, 4), torch.full((1, 4), 0.1)) == pytest.approx(20.0, abs=1e-4)

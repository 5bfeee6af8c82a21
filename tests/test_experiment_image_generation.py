"""The long run of chapter 9, made short."""

import sys

import pytest
import torch

import vqvae_lib as vq
from experiments import image_generation as study
from vqvae_lib.comparison import Comparison
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result


@pytest.fixture
def short(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(study, "SEEDS", range(2))
    monkeypatch.setattr(study, "DRAWS", 3)
    monkeypatch.setattr(study, "STEPS", 4)
    monkeypatch.setattr(study, "DIGITS", study.DIGITS | {"images": 5, "epochs": 1})
    monkeypatch.setattr(study, "WRITTEN", study.WRITTEN | {"size": 8, "epochs": 1})
    monkeypatch.setattr(study, "PHOTOS", study.PHOTOS | {"train": 300, "test": 4, "epochs": 1})
    monkeypatch.setattr(study, "PAIRS", ((0.0, 1), (1.0, 1), (1.0, 2)))
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["image_generation"])
    study.patches.cache_clear()
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)
    study.patches.cache_clear()


def test_all_arms_are_scored_and_written_and_not_run_again(short, monkeypatch):
    study.main()
    result = load_result("image_generation")
    for name, (_, arms) in study.STUDIES.items():
        found = Comparison.from_dict(result[name])
        assert list(found.arms) == arms
        assert found.seeds == [0, 1]
    digits = Comparison.from_dict(result["digits"])

    # An arm without randomness, computed anew: the mean image in the lower half.
    data = vq.load_digits(seed=1)
    lower = torch.arange(64) >= 32
    gap = (data.x_test[:5] - data.x_train.mean(0))[:, lower]
    wanted = -gap.square().mean().sqrt().item()
    assert digits.arms["mean image"].scores["lower half"][1] == pytest.approx(wanted, rel=1e-5)

    styles = Comparison.from_dict(result["styles"]).arms["VAE"].scores
    assert styles["truth, error"] == [0.0, 0.0]
    assert styles["truth, style"][0] > 0.95
    assert styles["unchanged, style"][0] < 0.05

    def refuse(*arguments, **options):
        raise AssertionError("was run again")

    monkeypatch.setattr(vq, "fit", refuse)
    study.main()
    again = load_result("image_generation")
    assert again["photographs"] == result["photographs"]


def test_roughness_by_hand():
    stripes = torch.tensor([[0.0, 1.0, 0.0, 1.0]])  # 2 by 2: rows alike, columns 1 apart
    assert study.roughness(stripes, 2) == pytest.approx(0.5)
    assert study.unlike(stripes / 2, stripes, 2) == pytest.approx(-0.5)
    assert study.psnr(torch.zeros(1, 4), torch.full((1, 4), 0.1)) == pytest.approx(20.0, abs=1e-4)

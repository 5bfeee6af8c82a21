"""Committed results, and the pictures that they hold."""

import json

import pytest
import torch

from vqvae_lib.comparison import Comparison
from vqvae_lib.course import results
from vqvae_lib.course.results import caveat_of, load_result, pack_images, unpack_images


def test_pictures_come_back_to_the_nearest_of_256_levels():
    images = torch.rand(5, 4, 3, generator=torch.Generator().manual_seed(0))
    packed = json.loads(json.dumps(pack_images(images)))
    back = unpack_images(packed)
    assert back.shape == images.shape
    assert (back - images).abs().max() <= 0.5 / 255 + 1e-6
    beyond = unpack_images(pack_images(torch.tensor([[[-1.0, 2.0]]])))
    assert beyond.tolist() == [[[0.0, 1.0]]]


def test_a_result_says_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    results.save_result("mine", script="experiments.mine", settings={"seed": 3}, score=1.5)
    result = load_result("mine")
    assert result["script"] == "experiments.mine"
    assert result["settings"] == {"seed": 3}
    assert result["score"] == 1.5
    assert result["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    with pytest.raises(FileNotFoundError, match=r"name='other': .* there are: mine"):
        load_result("other")


def comparisons(result):
    """Every comparison within a result, however deep it lies."""
    if "arms" in result:
        yield Comparison.from_dict(result)
    else:
        for part in result.values():
            if isinstance(part, dict):
                yield from comparisons(part)


@pytest.mark.parametrize(
    ("name", "count"),
    [("vqvae_digits", 1), ("augmentation", 4), ("dimension_reduction", 6), ("image_generation", 3)],
)
def test_results_of_the_first_split_are_read_and_say_what_they_cannot_bear(name, count):
    result = load_result(name)
    assert "split by image, with writers on both sides" in caveat_of(result)
    studies = list(comparisons(result))
    assert len(studies) == count
    for comparison in studies:
        assert comparison.family
        assert set(comparison.test_family()) == set(comparison.family)


def test_most_results_need_no_caveat():
    assert caveat_of(load_result("mnist_vae")) == ""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: load_result(["speed"]), "no such committed result; there are: .*speed"),
        (lambda: load_result("../results/speed"), "no such committed result"),
        (lambda: load_result("a" * 500), "no such committed result"),
        (lambda: caveat_of("speed"), "result is .*: expected a result"),
        (
            lambda: pack_images(torch.zeros(4, 4)),
            r"images has shape \(4, 4\): expected \(N, H, W\)",
        ),
        (lambda: pack_images(torch.full((1, 2, 2), torch.nan)), "is nan .*: expected finite"),
        (lambda: unpack_images([1]), "packed is a list"),
        (lambda: unpack_images({"shape": [2, 2]}), "packed: damaged, or not"),
        (lambda: unpack_images({"shape": [3, 3], "levels": "AAAA"}), "packed: damaged, or not"),
    ],
)
def test_bad_arguments_are_named(call, said):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=said):
        call()

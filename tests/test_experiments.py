"""The long runs, made short: what they write, and that a finished run is not run again."""

import sys

import pytest
import torch

import vqvae_lib as vq
from experiments import mnist_vae, tricks
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result, unpack_images


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A table of two small runs, the second from the weights of the first, on few images."""
    digits = vq.load_digits(size=28)
    few = vq.ImageData(
        "few", digits.x_train[:60], digits.y_train[:60], digits.x_test[:20], digits.y_test[:20],
        (28, 28), 255,
    )  # fmt: skip
    run = mnist_vae.Run((784, 12, 3), 1, 3, 20, 1e-2, published=86.76)
    table = {"first": run, "second": mnist_vae.Run((784, 12, 3), 4, 2, 20, 1e-2, start="first")}
    monkeypatch.setattr(vq, "load_mnist", lambda: few)
    monkeypatch.setattr(mnist_vae, "TABLE", table)
    monkeypatch.setattr(mnist_vae, "GALLERY", "second")
    monkeypatch.setattr(mnist_vae, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(mnist_vae, "EVALUATION_K", 7)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["mnist_vae"])
    threads = torch.get_num_threads()
    yield few
    torch.set_num_threads(threads)


def test_each_run_is_trained_once_and_its_numbers_written(short, monkeypatch):
    epochs = []
    fit = vq.fit

    def counted(*args, **options):
        history = fit(*args, **options)
        epochs.append(history.epochs)
        return history

    monkeypatch.setattr(vq, "fit", counted)
    mnist_vae.main()
    result = load_result("mnist_vae")
    assert list(result["runs"]) == ["first", "second"]
    assert epochs == [3, 2]
    first = result["runs"]["first"]
    assert first["published"] == 86.76
    assert first["K"] == 1
    assert result["settings"]["evaluation_K"] == 7
    assert unpack_images(result["gallery"]).shape == (60, 28, 28)

    # The number is the library's bound on the binarised test images.
    model = mnist_vae.build(mnist_vae.TABLE["first"], short.x_train)
    model.load_state_dict(mnist_vae.load_file(mnist_vae.weights_of("first")))
    x = vq.binarise(short.x_test, generator=torch.Generator().manual_seed(mnist_vae.TEST_SEED))
    found = vq.nll(model, x, K=500, generator=torch.Generator().manual_seed(0))
    assert first["nll"]["mean"] == pytest.approx(found.mean, abs=5)
    assert -first["elbo"]["mean"] > found.mean

    weights = {name: mnist_vae.weights_of(name).read_bytes() for name in mnist_vae.TABLE}
    mnist_vae.main()  # the checkpoints say that all is done
    assert {name: mnist_vae.weights_of(name).read_bytes() for name in weights} == weights
    again = load_result("mnist_vae")["runs"]["first"]
    assert again["nll"] == first["nll"]


def test_a_warm_start_asks_for_the_run_before(short, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mnist_vae", "--only", "second"])
    mnist_vae.RUNS.mkdir()
    with pytest.raises(FileNotFoundError, match="second starts from first: run that first"):
        mnist_vae.main()


def test_the_last_bias_starts_at_the_mean_image(short):
    model = mnist_vae.build(mnist_vae.TABLE["first"], short.x_train)
    mean = short.x_train.mean(0).clamp(1e-3, 1 - 1e-3)
    assert torch.allclose(model.decoder[-1].bias.sigmoid(), mean, atol=1e-6)


@pytest.mark.parametrize("trick", list(tricks.TRICKS))
def test_each_trick_can_still_be_undone(trick, tmp_path):
    """The edits fit the code as it is now, and what they leave is Python."""
    tricks.undo(None, tmp_path / "whole")
    tricks.undo(trick, tmp_path / "undone")
    for name, _old, new in tricks.TRICKS[trick]:
        path = tricks.COMPILED / name
        text = (tmp_path / "undone" / path).read_text("utf-8")
        assert new in text
        assert text != (tmp_path / "whole" / path).read_text("utf-8")
        compile(text, name, "exec")


def test_a_trick_that_the_code_has_outgrown_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(tricks.TRICKS, "old", [("gates.py", "def gone(", "")])
    with pytest.raises(ValueError, match=r"old: expected this once in gates.py"):
        tricks.undo("old", tmp_path)

"""The long runs, made short: what they write, and that a finished run is not run again."""

import sys

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from experiments import fifty_qubits, mnist_vae, mnist_vqvae, tricks, vqvae_digits, vqvae_speed
from vqvae_lib.comparison import Comparison
from vqvae_lib.course import results
from vqvae_lib.course.results import load_result, unpack_images


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A table of two small runs, the second from the weights of the first, on few images."""
    digits = vq.load_digits(size=28)
    sizes = {"train": 50, "valid": 10, "test": 20}
    columns = {
        f"{column}_{part}": getattr(digits, f"{column}_{part}")[:size]
        for part, size in sizes.items()
        for column in ("x", "y", "group")
    }
    few = vq.ImageData("few", **columns, image_shape=(28, 28), levels=255)
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
    model = mnist_vae.build(mnist_vae.TABLE["first"], mnist_vae.all_training_images(short))
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
    model = mnist_vae.build(mnist_vae.TABLE["first"], mnist_vae.all_training_images(short))
    mean = torch.cat([short.x_valid, short.x_train]).mean(0).clamp(1e-3, 1 - 1e-3)
    assert torch.allclose(model.decoder[-1].bias.sigmoid(), mean, atol=1e-6)


def test_the_hybrid_model_on_mnist_is_the_library_s(short, monkeypatch):
    runs = {name: mnist_vae.Run((784, 12, 4), 1, 1, 30, 1e-2, n_qubits=2) for name in ("hybrid",)}
    monkeypatch.setattr(mnist_vqvae, "TABLE", runs)
    monkeypatch.setattr(mnist_vqvae, "GALLERY", "hybrid")
    mnist_vqvae.main()
    result = load_result("mnist_vqvae")
    assert result["runs"]["hybrid"]["n_qubits"] == 2
    model = mnist_vae.build(runs["hybrid"], mnist_vae.all_training_images(short))
    assert isinstance(model, vq.VQVAE)
    assert model.circuit.n_qubits == 2
    model.load_state_dict(mnist_vae.load_file(mnist_vae.weights_of("hybrid")))
    assert unpack_images(result["gallery"]).shape == (60, 28, 28)


@pytest.fixture
def aside(tmp_path, monkeypatch):
    """Results and finished runs go to a folder of the test."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    for study in (vqvae_digits, fifty_qubits):
        monkeypatch.setattr(study, "RUNS", tmp_path / "runs")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_every_arm_of_the_comparison_can_be_run(aside, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["vqvae_digits"])
    monkeypatch.setattr(vqvae_digits, "EPOCHS", 1)
    monkeypatch.setattr(vqvae_digits, "DRAWS", 1)
    monkeypatch.setattr(vqvae_digits, "FOLDS", range(2))
    monkeypatch.setattr(vqvae_digits, "SEEDS", (0,))
    monkeypatch.setattr(vqvae_digits, "HIDDEN", 8)
    vqvae_digits.main()
    result = load_result("vqvae_digits")
    assert set(result["study"]) == set(vqvae_digits.SETTINGS)
    assert {len(row["valid"]) for row in result["study"].values()} == {2}
    comparison = Comparison.from_dict(result["comparison"])
    assert set(comparison.arms) == set(vqvae_digits.ARMS) == set(result["parameters"])
    assert {np.shape(arm.tuning) for arm in comparison.arms.values()} == {(2, 6)}
    assert comparison.family == vqvae_digits.FAMILY
    assert result["parameters"]["none"] == {"nominal": 0, "effective": 0}


def test_each_fold_tests_writers_of_its_own():
    tested = []
    for fold in vqvae_digits.FOLDS:
        data = vqvae_digits.load_fold(fold)
        train, valid, test = (
            set(group.tolist()) for group in (data.group_train, data.group_valid, data.group_test)
        )
        assert not train & valid
        assert not (train | valid) & test
        assert len(test) / len(train) == vqvae_digits.TEST_TO_TRAIN
        tested += test
    assert sorted(tested) == list(range(14))


@pytest.mark.parametrize("study", [vqvae_digits, fifty_qubits])
def test_every_family_can_be_carried_by_its_folds(study):
    """The smallest p-value that all folds can give, times the size of the family: below 5 %."""
    assert len(study.FAMILY) * 2 / 2 ** len(study.FOLDS) < 0.05
    named = {arm for contrast in study.FAMILY for arm in (contrast.arm, contrast.baseline)}
    assert named <= set(study.ARMS)
    assert not set(study.SEEDS) & set(study.TUNING_SEEDS)


def test_units_of_fifty_qubits_share_no_points():
    parts = torch.cat([torch.cat(fifty_qubits.draw_points(fold)) for fold in (0, 1)])
    assert len(parts.unique(dim=0)) == 2 * 1536


def test_the_table_of_fifty_qubits_can_be_run(aside, monkeypatch):
    monkeypatch.setattr(fifty_qubits, "EPOCHS", 1)
    monkeypatch.setattr(fifty_qubits, "FOLDS", range(2))
    arms = {name: [{"lr": 1e-3}] for name in fifty_qubits.ARMS}
    monkeypatch.setattr(fifty_qubits, "ARMS", arms)
    fifty_qubits.main()
    result = load_result("fifty_qubits")
    assert set(result["comparison"]["arms"]) == {"mse, sgd", "mse, adam", "elbo, sgd", "elbo, adam"}
    assert 0.5 < result["mean_predictor"] < 1


def test_steps_are_measured_side_by_side(aside, monkeypatch):
    monkeypatch.setattr(vqvae_speed, "ROUNDS", 2)
    monkeypatch.setattr(vqvae_speed, "STEPS", 1)
    vqvae_speed.main()
    pairs = load_result("vqvae_speed")["pairs"]
    assert set(pairs) == set(vqvae_speed.PAIRS)
    assert all(times["ratio"] > 0 for times in pairs.values())


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

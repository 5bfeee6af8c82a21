"""Training against loops written out by hand, and against being killed."""

import functools
import math
import os
import subprocess
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn

from tests import interrupted
from vqvae_lib import (
    DenoisingAutoencoder,
    Gaussian,
    History,
    TrainingDiverged,
    cosine,
    fit,
    load_digits,
    mlp,
    mlp_autoencoder,
    mlp_vae,
)
from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._identity import identify_callable
from vqvae_lib.vae import KLWarmUp


def model(seed=0):
    torch.manual_seed(seed)
    return mlp_autoencoder(4, 8, 2)


def x(count=50, seed=0):
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(t, second[name]) for name, t in first.items())


# ---------------------------------------------------------------- the loop


class Mean(nn.Module):
    """One number, drawn to the mean of the data: all steps can be done by hand."""

    def __init__(self, start=0.0):
        super().__init__()
        self.m = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def loss(self, x, *, generator=None):
        distance = (x - self.m).square().mean()
        return {"loss": distance + 1.0, "distance": distance}


def test_sgd_by_hand():
    data = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    network, m = Mean(), 0.0
    history = fit(
        network,
        data,
        epochs=4,
        batch_size=3,
        lr=0.1,
        optimizer="sgd",
        weight_decay=0.5,
        schedule=lambda epoch: 1 / (1 + epoch),
        x_valid=data[:1],
    )
    for epoch in range(4):
        distance = ((1 - m) ** 2 + (2 - m) ** 2 + (6 - m) ** 2) / 3
        rate = 0.1 / (1 + epoch)
        assert history.train["distance"][epoch] == pytest.approx(distance)
        assert history.train["loss"][epoch] == pytest.approx(distance + 1)
        assert history.lr[epoch] == pytest.approx(rate)
        m -= rate * (2 * (m - 3) + 0.5 * m)
        assert history.valid["distance"][epoch] == pytest.approx((1 - m) ** 2)
    assert network.m.item() == pytest.approx(m)
    assert history.epochs == 4
    assert repr(history) == (
        f"History(4 epochs, best 2, training loss {history.train['loss'][-1]:.4g}, "
        f"validation loss {history.valid['loss'][-1]:.4g})"
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_adam_as_a_plain_loop(name, kind):
    data, ours, theirs = x().double(), model().double(), model().double()
    fit(ours, data, epochs=3, batch_size=50, lr=0.01, optimizer=name, weight_decay=0.1)
    opt = kind(theirs.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(3):
        opt.zero_grad()
        theirs.loss(data)["loss"].backward()
        opt.step()
    for found, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


class Seen(nn.Module):
    """Remembers the batches it was shown."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.batches, self.modes, self.gradients = [], [], []

    def loss(self, x, *, generator=None):
        self.batches.append(x[:, 0].int().tolist())
        self.modes.append(self.training)
        self.gradients.append(torch.is_grad_enabled())
        return {"loss": self.w * x.sum()}


def test_every_epoch_sees_every_sample_once_in_a_new_order():
    network = Seen()
    data = torch.arange(10.0)[:, None]
    history = fit(network, data, epochs=2, batch_size=4, lr=1e-9)
    assert [len(batch) for batch in network.batches] == [4, 4, 2] * 2
    first, second = sum(network.batches[:3], []), sum(network.batches[3:], [])  # noqa: RUF017
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first != list(range(10))
    other = Seen()
    fit(other, data, epochs=2, batch_size=4, lr=1e-9, seed=1)
    assert other.batches != network.batches
    assert history.valid == {}


def test_means_are_over_samples_not_batches():
    data = torch.tensor([[1.0]] * 4 + [[10.0]], dtype=torch.float64)
    history = fit(Mean(), data, epochs=1, batch_size=4, lr=1e-12)
    assert history.train["distance"][0] == pytest.approx((4 * 1 + 10**2) / 5, rel=1e-6)


def test_modes_are_training_then_evaluation_and_put_back():
    network = Seen()
    network.frozen = nn.Dropout().eval()
    fit(network, torch.ones(4, 1), epochs=1, batch_size=2, x_valid=torch.ones(2, 1))
    assert network.modes == [True, True, False]
    assert network.gradients == [True, True, False]
    assert network.training
    assert not network.frozen.training
    network.eval()
    fit(network, torch.ones(4, 1), epochs=1)
    assert not network.training
    assert network.w.grad is None


def dropping(seed=0):
    torch.manual_seed(seed)
    return DenoisingAutoencoder(
        nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
        mlp([2, 4]),
        noise_std=0.1,
    )


def test_the_seed_decides_everything_and_the_callers_generator_is_left_alone():
    results = []
    for state, seed in ((1, 5), (2, 5), (2, 6)):
        network = dropping()
        torch.manual_seed(state)
        before = torch.get_rng_state()
        history = fit(network, x(), epochs=2, seed=seed, x_valid=x(20, 1))
        assert torch.equal(torch.get_rng_state(), before)
        results.append((network.state_dict(), history))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert not same(results[0][0], results[2][0])


def test_validation_noise_is_the_same_after_each_epoch():
    network = dropping()
    for parameter in list(network.parameters())[1:]:
        parameter.requires_grad_(False)
    history = fit(network, x(), epochs=3, lr=1e-12, x_valid=x(20, 1))
    assert history.valid["loss"] == pytest.approx([history.valid["loss"][0]] * 3, rel=1e-5)
    assert len(set(history.train["loss"])) == 3


class Recorded(Mean):
    """Keeps what its loss is called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def loss(self, x, y=None, *, generator=None):
        self.calls.append((self.training, x.clone(), None if y is None else y.clone()))
        return super().loss(x)


@pytest.mark.parametrize(("batch_size", "sizes"), [(3, [1024, 476]), (1200, [1200, 300])])
def test_validation_takes_1024_samples_at_a_time_or_more(batch_size, sizes):
    network, batches = Mean(), []
    loss = network.loss

    def watched(x, *, generator):
        if not network.training:
            batches.append(len(x))
        return loss(x, generator=generator)

    network.loss = watched
    data = torch.arange(1500.0, dtype=torch.float64)[:, None] / 1500
    history = fit(network, data[:4], epochs=1, batch_size=batch_size, lr=1e-12, x_valid=data)
    assert batches == sizes
    assert history.valid["distance"] == pytest.approx([data.square().mean().item()])


def test_labels_go_with_their_rows():
    data = torch.arange(10.0, dtype=torch.float64)[:, None]
    network = Recorded()
    fit(network, data, data[:, 0] * 2, epochs=2, batch_size=3, x_valid=data[:4], y_valid=data[:4])
    trained = [(x, y) for training_, x, y in network.calls if training_]
    assert len(trained) == 8
    assert all(torch.equal(2 * x[:, 0], y) for x, y in trained)
    assert all(torch.equal(x, y) for training_, x, y in network.calls if not training_)


def test_the_transform_is_of_training_batches_alone_and_draws_from_the_seed():
    data = torch.ones(6, 1, dtype=torch.float64)

    def noisy(x, generator):
        return x + torch.rand(x.shape, generator=generator, dtype=x.dtype)

    networks = [Recorded(), Recorded()]
    for network in networks:
        fit(network, data, epochs=2, batch_size=3, x_valid=data, transform=noisy, seed=5)
    for (training_, x, _y), (_t, again, _y2) in zip(*(n.calls for n in networks), strict=True):
        assert torch.equal(x, again)
        assert training_ == bool((x > 1).all())
    batches = [x for training_, x, _y in networks[0].calls if training_]
    assert len(torch.cat(batches).unique()) == 12  # anew for each sample and epoch
    assert data.eq(1).all()


def test_a_function_is_called_before_each_epoch():
    seen = []
    network = Recorded()
    data = torch.ones(4, 1, dtype=torch.float64)
    fit(
        network, data, epochs=3, before_epoch=lambda epoch: seen.append((epoch, len(network.calls)))
    )
    assert seen == [(0, 0), (1, 1), (2, 2)]


def test_frozen_weights_stay():
    network = model()
    network.decoder.requires_grad_(False)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    fit(network, x(), epochs=1)
    assert same(before, network.state_dict()) is False
    assert same(
        {n: t for n, t in before.items() if n.startswith("decoder")},
        {n: t for n, t in network.state_dict().items() if n.startswith("decoder")},
    )


# ---------------------------------------------------------------- early stopping


def test_patience_stops_and_brings_back_the_best_weights():
    # The weight walks from 0 towards 5 and passes 2, where the validation data lies.
    network = Mean()
    data = torch.full((4, 1), 5.0, dtype=torch.float64)
    settings = {"lr": 0.05, "optimizer": "sgd", "x_valid": torch.full_like(data, 2.0)}
    history = fit(network, data, epochs=100, patience=3, **settings)
    walk = [5 * (1 - 0.9 ** (epoch + 1)) for epoch in range(100)]
    best = min(range(100), key=lambda epoch: abs(walk[epoch] - 2))
    assert history.best_epoch == best
    assert history.epochs == best + 3 + 1
    assert network.m.item() == pytest.approx(walk[best])
    # Without patience: all epochs, the last weights; with patience to spare: the best again.
    network = Mean()
    assert fit(network, data, epochs=20, **settings).epochs == 20
    assert network.m.item() == pytest.approx(walk[19])
    network = Mean()
    assert fit(network, data, epochs=20, patience=50, **settings).epochs == 20
    assert network.m.item() == pytest.approx(walk[best])


def test_best_epoch_is_the_first_of_the_smallest():
    assert History().best_epoch is None
    assert History(train={"loss": [3, 1, 2]}, lr=[1, 1, 1]).best_epoch == 1
    assert History(train={"loss": [3, 1, 2]}, valid={"loss": [2, 2, 5]}).best_epoch == 0
    assert repr(History()) == "History(0 epochs, best None)"


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x_train": [[1.0]]}, TypeError, "x_train is a list: expected a torch.Tensor"),
        (
            {"x_train": torch.ones(3, 4).bool()},
            TypeError,
            "x_train has dtype torch.bool: expected torch.float32",
        ),
        (
            {"x_train": torch.ones(4)},
            ValueError,
            r"x_train has shape \(4,\): expected \(N, D, ...\)",
        ),
        ({"x_train": torch.ones(0, 4)}, ValueError, r"x_train has shape \(0, 4\)"),
        (
            {"x_valid": torch.ones(3, 5)},
            ValueError,
            r"x_valid has shape \(3, 5\) and x_train \(50, 4\): expected the same but for",
        ),
        (
            {"model": model().bfloat16()},
            TypeError,
            r"model has weights of torch.bfloat16, .*: expected float32, as model.float\(\) gives",
        ),
        ({"batch_size": 51, "drop_last": True}, ValueError, "drop_last=True with batch_size=51"),
        ({"schedule": 0.5}, TypeError, "schedule is a float: expected a function"),
        ({"x_train": torch.ones(3, 5)}, ValueError, r"x has shape \(3, 5\): expected \(B, 4\)"),
        ({"epochs": 0}, ValueError, "epochs=0: expected a whole number from 1 to 10000000"),
        ({"batch_size": 2.5}, ValueError, "batch_size=2.5"),
        ({"lr": 0.0}, ValueError, "lr=0.0: expected a finite number above 0"),
        ({"lr": math.nan}, ValueError, "lr=nan"),
        ({"weight_decay": -1.0}, ValueError, "weight_decay=-1.0"),
        (
            {"optimizer": "lion"},
            ValueError,
            "optimizer='lion': expected one of 'adam', 'adamw', 'sgd'",
        ),
        ({"patience": 0, "x_valid": x()}, ValueError, "patience=0"),
        ({"patience": 2}, ValueError, "patience=2 without x_valid"),
        ({"y_train": torch.ones(9)}, ValueError, r"y_train has shape \(9,\) and x_train \(50, 4\)"),
        ({"y_train": [1] * 50}, TypeError, "y_train is a list"),
        ({"y_train": torch.ones(50, device="meta")}, TypeError, "y_train is on the meta device"),
        ({"y_valid": torch.ones(9)}, ValueError, "y_valid without x_valid"),
        (
            {"y_train": torch.ones(50), "x_valid": x()},
            ValueError,
            "y_train and y_valid: expected both or neither",
        ),
        (
            {"transform": lambda x, g: x[:, :2]},
            ValueError,
            r"transform returned a tensor of shape \(50, 2\) .* for a tensor of shape \(50, 4\)",
        ),
        (
            {"transform": lambda x, g: None},
            ValueError,
            "transform returned a NoneType for a tensor",
        ),
        ({"schedule": lambda epoch: -1.0}, ValueError, r"schedule\(0\)=-1.0: expected"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"resume": "yes"}, ValueError, "resume='yes'"),
        ({"progress": "on"}, ValueError, "progress='on'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, error, message):
    arguments = {"model": model(), "x_train": x(), "epochs": 1} | change
    with pytest.raises(error, match=message):
        fit(arguments.pop("model"), arguments.pop("x_train"), **arguments)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_data_that_is_not_finite_is_refused_and_located(value):
    spoilt = x()
    spoilt[12, 3] = spoilt[20, 0] = value
    before, network = model().state_dict(), model()
    with pytest.raises(ValueError, match=rf"x_train\[12, 3\] is {value} \(and 1 more\)"):
        fit(network, spoilt, epochs=1)
    with pytest.raises(ValueError, match=rf"x_valid\[12, 3\] is {value}"):
        fit(network, x(), epochs=1, x_valid=spoilt)
    assert same(network.state_dict(), before)


class Returns(Mean):
    """A loss that returns whatever a test wants."""

    def __init__(self, terms):
        super().__init__()
        self.terms = terms

    def loss(self, x, *, generator=None):
        return self.terms


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Linear(1, 1).double(), "model is a Linear without a method `loss`"),
        ("network", "model is a str without a method `loss`: expected a torch.nn.Module"),
        (Returns(None), r"Returns.loss returned a NoneType: expected a dict of scalar tensors"),
        (Returns(torch.ones(())), r"Returns.loss returned a tensor of shape \(\)"),
        (Returns({"total": torch.ones(())}), r"a dict with the keys \['total'\]: .* key \"loss\""),
        (Returns({"loss": 1.0}), "Returns.loss returned a float as 'loss'"),
        (Returns({"loss": "low"}), "Returns.loss returned a str as 'loss'"),
        (Returns({"loss": torch.ones(3)}), r"a tensor of shape \(3,\) .* as 'loss'"),
        (Returns({"loss": torch.ones(()), "kl": torch.ones(3)}), r"shape \(3,\) .* as 'kl'"),
    ],
)
def test_a_model_without_a_usable_loss_is_told_so(network, message):
    with pytest.raises(TypeError, match=message):
        fit(network, torch.ones(3, 1, dtype=torch.float64), epochs=1)


def test_a_model_without_weights_is_refused():
    network = model().requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter to train"):
        fit(network, x(), epochs=1)


class Breaks(Mean):
    """Well until epoch 2 (of three steps each), then spoilt in a chosen way."""

    def __init__(self, how):
        super().__init__()
        self.how, self.step = how, 0

    def loss(self, x, *, generator=None):
        terms = super().loss(x)
        if self.training:
            self.step += 1
        if self.step == 2 * 3 + 2 and self.how == "loss":
            terms["loss"] = terms["loss"] * math.inf
        if self.step == 2 * 3 + 3 and self.training and self.how == "weight":
            terms["loss"] = (self.m - self.m.detach()).abs().sqrt() + terms["loss"]  # 0/0 slope
        if self.step == 2 * 3 + 3 and not self.training and self.how == "validation":
            terms["loss"] = terms["loss"] * math.nan
        return terms


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("loss", "the loss became inf in epoch 2, step 1"),
        ("weight", "m is not finite after epoch 2"),
        ("validation", "the validation loss became nan after epoch 2"),
    ],
)
def test_divergence_leaves_the_last_good_epoch(how, message, tmp_path):
    data = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    settings = {"batch_size": 1, "lr": 0.1}
    if how == "validation":
        settings["x_valid"] = data
    good = Mean()
    fit(good, data, epochs=2, **settings)
    network, checkpoint = Breaks(how), tmp_path / "run"
    with pytest.raises(TrainingDiverged, match=message):
        fit(network, data, epochs=5, checkpoint=checkpoint, **settings)
    assert torch.equal(network.m, good.m)
    # The checkpoint is that of the last good epoch too.
    tensors, info = read_checkpoint(checkpoint)
    assert torch.equal(tensors["model/m"], good.m)
    assert len(info["history"]["lr"]) == 2
    assert network.training


# ---------------------------------------------------------------- checkpoints


class Stop(Exception):
    pass


@contextmanager
def stopping(step, *, error=Stop):
    """Make the model's loss raise at a training step, as an interrupt would.

    Of the class: an attribute of the model would be a setting, and this another run.
    """
    loss, calls = DenoisingAutoencoder.loss, 0

    def counted(self, batch, *, generator=None):
        nonlocal calls
        calls += self.training
        if calls == step:
            raise error
        return loss(self, batch, generator=generator)

    with patch.object(DenoisingAutoencoder, "loss", counted):
        yield


CASES = {
    "adam": {},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "sgd": {"optimizer": "sgd", "lr": 1e-3},
    "no validation": {"x_valid": None, "patience": None},
    "stops early": {"patience": 1, "lr": 0.2, "epochs": 30},
}


@pytest.mark.parametrize("case", CASES)
def test_resume_gives_the_same_bits(case, tmp_path):
    settings = CASES[case]
    whole = interrupted.model()
    expected = interrupted.train(whole, tmp_path / "whole", **settings)
    if case == "stops early":
        assert expected.epochs < 30

    # Stopped twice, each time in mid-epoch; other first weights each time, as they do not count.
    checkpoint = tmp_path / "parts"
    for seed, step in ((1, 7 + 3), (8, 7 + 2)):
        with stopping(step), pytest.raises(Stop):
            interrupted.train(interrupted.model(seed), checkpoint, **settings)
    last = interrupted.model(9)
    torch.manual_seed(99)
    assert interrupted.train(last, checkpoint, **settings) == expected
    assert same(last.state_dict(), whole.state_dict())
    assert same(*(read_checkpoint(tmp_path / n)[0] for n in ("whole", "parts")))

    # And a run that is finished is only read.
    before = checkpoint.read_bytes()
    again = interrupted.model(10)
    assert interrupted.train(again, checkpoint, **settings) == expected
    assert same(again.state_dict(), whole.state_dict())
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("where", ["step", "write"])
def test_a_killed_process_is_resumed_to_the_same_bits(where, tmp_path):
    checkpoint = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.interrupted", checkpoint, where]
    with subprocess.Popen(
        [*map(str, command), str(torch.get_num_threads())],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "here\n"
        finally:
            process.kill()
    assert process.returncode != 0
    tensors, info = read_checkpoint(checkpoint)
    assert len(info["history"]["lr"]) == 3
    # Killed in mid-write, the half-written file lies beside the whole one.
    remains = [p for p in tmp_path.iterdir() if p != checkpoint]
    assert len(remains) == (where == "write")

    whole = interrupted.model()
    expected = interrupted.train(whole, tmp_path / "whole")
    resumed = interrupted.model(7)
    assert interrupted.train(resumed, checkpoint) == expected
    assert expected.epochs == interrupted.EPOCHS
    assert same(resumed.state_dict(), whole.state_dict())
    assert same(read_checkpoint(checkpoint)[0], read_checkpoint(tmp_path / "whole")[0])
    assert not same(tensors, read_checkpoint(checkpoint)[0])
    assert not any(p.exists() for p in remains)


def test_more_epochs_continue_and_fewer_are_refused(tmp_path):
    checkpoint, straight = tmp_path / "deeper" / "run", model()
    expected = fit(straight, x(), epochs=5)
    fit(model(), x(), epochs=3, checkpoint=checkpoint)
    network = model(1)
    assert fit(network, x(), epochs=5, checkpoint=str(checkpoint)) == expected
    assert same(network.state_dict(), straight.state_dict())
    with pytest.raises(ValueError, match=r"run holds 5 epochs, this call has epochs=3"):
        fit(model(), x(), epochs=3, checkpoint=checkpoint)
    fit(model(), x(), epochs=3, checkpoint=checkpoint, resume=False)
    assert len(read_checkpoint(checkpoint)[1]["history"]["lr"]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "written with seed: 0, this call has 1:"),
        ({"batch_size": 10}, "batch_size: 64, this call has 10:"),
        ({"lr": 0.1}, r"lr in epoch 0: 0\.001, this call has 0\.1:"),
        ({"optimizer": "sgd"}, "optimizer: adam, this call has sgd:"),
        ({"weight_decay": 0.1}, r"weight_decay: 0\.0, this call has 0\.1:"),
        ({"patience": 3, "x_valid": x(10, 4)}, r"patience: None, this call has 3:"),
        ({"x_valid": x(10, 4)}, r"x_valid: None, this call has torch\.float32 \(10, 4\)"),
        (
            {"x_train": x(50, 1)},
            r"x_train: torch.float32 \(50, 4\) on cpu sha256 \w+, .* sha256 \w+:",
        ),
        ({"schedule": lambda epoch: 0.5**epoch}, r"lr in epoch 1: 0\.001, .* has 0\.0005:"),
        ({"y_train": torch.ones(50)}, r"y_train: None, this call has torch\.float32 \(50,\)"),
        ({"transform": lambda x, g: x}, r"transform: None, this call has .*lambda"),
        ({"before_epoch": lambda epoch: None}, r"before_epoch: None, this call has .*lambda"),
        ({"model": mlp_autoencoder(4, 9, 2)}, r"out_features=8, .*, this call has .*_features=9"),
    ],
)
def test_a_run_with_other_settings_is_not_resumed(change, message, tmp_path):
    checkpoint = tmp_path / "run"
    fit(model(), x(), epochs=2, checkpoint=checkpoint)
    before = checkpoint.read_bytes()
    arguments = {"model": model(1), "x_train": x(), "epochs": 4, "checkpoint": checkpoint} | change
    network = arguments.pop("model")
    weights = {name: t.clone() for name, t in network.state_dict().items()}
    with pytest.raises(ValueError, match=message) as error:
        fit(network, arguments.pop("x_train"), **arguments)
    assert str(checkpoint) in str(error.value)
    assert checkpoint.read_bytes() == before
    assert same(network.state_dict(), weights)


def test_a_damaged_checkpoint_is_named(tmp_path):
    checkpoint = tmp_path / "run"
    fit(model(), x(), epochs=1, checkpoint=checkpoint)
    whole = checkpoint.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    history = whole.index(b"history")
    for place in (0, 9, history + 3, header + 5, len(whole) // 2, len(whole) - 1):
        checkpoint.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="altered") as error:
            fit(model(), x(), epochs=2, checkpoint=checkpoint)
        assert str(checkpoint) in str(error.value)
    for length in (0, 5, header - 1, header, len(whole) - 1):
        checkpoint.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated") as error:
            fit(model(), x(), epochs=2, checkpoint=checkpoint)
        assert str(checkpoint) in str(error.value)
    checkpoint.write_bytes(whole)
    assert fit(model(), x(), epochs=2, checkpoint=checkpoint).epochs == 2


@pytest.mark.parametrize("function", ["os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_former_checkpoint(function, tmp_path, monkeypatch):
    checkpoint = tmp_path / "run"
    fit(model(), x(), epochs=1, checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(function, full)
    with pytest.raises(OSError, match="no space left"):
        fit(model(), x(), epochs=2, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_a_checkpoint_is_no_pickle(tmp_path):
    from safetensors import safe_open

    checkpoint = tmp_path / "run"
    network = model()
    fit(network, x(), epochs=1, checkpoint=checkpoint)
    with safe_open(checkpoint, framework="pt") as file:
        for name, t in network.state_dict().items():
            assert torch.equal(file.get_tensor(f"model/{name}"), t)


def test_weights_that_are_shared_are_saved(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = self.b = nn.Linear(4, 4)

        def loss(self, x, *, generator=None):
            return {"loss": (self.b(self.a(x)) - x).square().mean()}

    torch.manual_seed(0)
    straight, first, second = Tied(), Tied(), Tied()
    first.load_state_dict(straight.state_dict())
    fit(straight, x(), epochs=4)
    fit(first, x(), epochs=2, checkpoint=tmp_path / "run")
    fit(second, x(), epochs=4, checkpoint=tmp_path / "run")
    assert same(second.state_dict(), straight.state_dict())


# ---------------------------------------------------------------- the bar


class Terminal:
    def __init__(self, is_terminal):
        self.text, self.is_terminal = "", is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return self.is_terminal


class Cell:
    """What a notebook shows below a cell, one after the other in the same place."""

    def __init__(self):
        self.lines = []

    def display(self, bundle, *, raw, display_id=None):
        assert raw
        self.lines.append(bundle["text/html"])
        return types.SimpleNamespace(update=self.display)


def shown(monkeypatch, *, terminal=False, kernel=False, setting=None, progress=None):
    stderr = Terminal(terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    shell = types.SimpleNamespace(**({"kernel": object()} if kernel else {}))
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    cell = Cell()
    ipython.display = types.SimpleNamespace(display=cell.display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.delenv("VQVAE_PROGRESS", raising=False)
    if setting is not None:
        monkeypatch.setenv("VQVAE_PROGRESS", setting)
    fit(model(), x(), epochs=2, x_valid=x(9), progress=progress)
    return cell.lines if kernel and not terminal else stderr.text


def test_the_bar_is_one_line_on_a_terminal(monkeypatch):
    for place in ({"terminal": True}, {"progress": True}):
        text = shown(monkeypatch, **place)
        assert "2/2" in text, place
        assert "valid=" in text, place
        assert text.count("\n") == 1, place


def test_the_bar_is_a_quiet_line_in_a_notebook_and_vanishes(monkeypatch):
    lines = shown(monkeypatch, kernel=True)
    assert "0/2" in lines[0]
    assert all(line.startswith("<small>") for line in lines if line)
    assert lines[-1] == ""
    assert shown(monkeypatch, kernel=True, progress=False) == []


def test_the_bar_is_silent_elsewhere_and_on_demand(monkeypatch):
    assert shown(monkeypatch) == ""
    assert shown(monkeypatch, terminal=True, progress=False) == ""
    assert shown(monkeypatch, terminal=True, kernel=True, progress=True, setting="0") == ""
    assert shown(monkeypatch, terminal=True, setting="1") != ""


def test_two_nonlinear_numbers_beat_two_linear_ones():
    """The plainest use: a nonlinear code of two dimensions that beats PCA's floor."""
    from vqvae_lib import PCA, mse

    data = load_digits()
    torch.manual_seed(0)
    network = mlp_autoencoder(64, 128, 2)
    history = fit(network, data.x_train, epochs=80, lr=3e-3, x_valid=data.x_test)
    with torch.no_grad():
        error = mse(data.x_test, network(data.x_test))
    assert error < 0.8 * PCA.fit(data.x_train, 2).mse(data.x_test)
    assert history.valid["loss"][-1] == pytest.approx(64 * error, rel=1e-5)


# ---------------------------------------------------------------- schedules


def test_cosine_is_torch_s_cosine_annealing():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7)
    for epoch in range(7):
        assert cosine(7)(epoch) == pytest.approx(oracle.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        oracle.step()
    assert cosine(7)(7) == cosine(7)(20) == 0


@pytest.mark.parametrize("epochs", [0, -3, 2.5, None])
def test_cosine_names_a_wrong_length(epochs):
    with pytest.raises(ValueError, match=f"epochs={epochs!r}"):
        cosine(epochs)


def test_other_frozen_parts_are_another_run(tmp_path):
    """Adam's state goes by position: given to other parameters it would be nonsense, or worse."""
    path = tmp_path / "run.safetensors"
    network = model()
    fit(network, x(), epochs=1, checkpoint=path)
    network.encoder.requires_grad_(False)
    with pytest.raises(
        ValueError, match=r"parameters: encoder\.\S+ .* trained, .* frozen: expected"
    ):
        fit(network, x(), epochs=2, checkpoint=path)


# ---------------------------------------------------------------- context managers


class Surroundings:
    """A `before_epoch` that notes when training begins and ends."""

    def __init__(self):
        self.events = []

    def __enter__(self):
        self.events.append("enter")

    def __exit__(self, *_):
        self.events.append("exit")

    def __call__(self, epoch):
        self.events.append(epoch)


@pytest.mark.parametrize("how", ["none", "loss"])
def test_training_takes_place_inside_a_context_manager_even_if_it_diverges(how):
    surroundings = Surroundings()
    data = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    settings = {"epochs": 3, "batch_size": 1, "before_epoch": surroundings}
    if how == "none":
        fit(Breaks(how), data, **settings)
    else:
        with pytest.raises(TrainingDiverged):
            fit(Breaks(how), data, **settings)
    assert surroundings.events == ["enter", 0, 1, 2, "exit"]


def test_a_warm_up_that_is_cut_short_leaves_no_trace():
    """A run that is shorter than the warm-up would else weigh the KL of the next one."""
    torch.manual_seed(0)
    network = mlp_vae(4, 8, 2, Gaussian())
    warm_up, weights = KLWarmUp(network, 10), []
    loss = network.loss

    def watched(*data, **options):
        weights.append(network.kl_weight)
        return loss(*data, **options)

    network.loss = watched
    fit(network, x(), epochs=2, before_epoch=warm_up)
    assert weights == [0.1, 0.2]
    assert network.kl_weight == 1.0


def test_another_warm_up_is_another_run(tmp_path):
    path = tmp_path / "run"
    torch.manual_seed(0)
    network = mlp_vae(4, 8, 2, Gaussian())
    fit(network, x(), epochs=1, before_epoch=KLWarmUp(network, 2), checkpoint=path)
    fit(network, x(), epochs=2, before_epoch=KLWarmUp(network, 2), checkpoint=path)
    with pytest.raises(ValueError, match=r"with before_epoch: .*2.*, this call has .*5"):
        fit(network, x(), epochs=3, before_epoch=KLWarmUp(network, 5), checkpoint=path)


# ---------------------------------------------------------------- what a function is known by


def scale(factor, *, offset=0.0):
    return lambda x, g: factor * x + offset


def shift(offset):
    def shifted(x, g, *, by=0):
        return x + by

    shifted.__kwdefaults__ = {"by": offset}
    return shifted


def recorder(records):
    return lambda epoch: records.append(epoch)


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x, g):
        return self.factor * x


class PrintedScale(Scale):
    def __repr__(self):
        return f"PrintedScale({self.factor})"


def doubled(x, g, factor=2):
    return factor * x


EQUAL = {
    "closure": (scale(2.0), scale(2.0)),
    "closed-over function": (scale(doubled), scale(doubled)),
    "closed-over array": (scale(torch.ones(3)), scale(torch.ones(3))),
    "closed-over list": (recorder([]), recorder([0, 1, 2])),
    "closed-over weight": (scale(nn.Parameter(torch.ones(1))), scale(nn.Parameter(torch.zeros(1)))),
    "object without repr": (Scale(2.0), Scale(2.0)),
    "object with repr": (PrintedScale(2.0), PrintedScale(2.0)),
    "partial": (functools.partial(doubled, factor=3), functools.partial(doubled, factor=3)),
    "method": (PrintedScale(2.0).__call__, PrintedScale(2.0).__call__),
}
DIFFERENT = {
    "code": (lambda x, g: x + 1, lambda x, g: x * 1),
    "constant": (lambda x, g: x + 1, lambda x, g: x + 2),
    "constant of an inner function": (
        lambda x, g: (lambda: x + 1)(),
        lambda x, g: (lambda: x + 2)(),
    ),
    "attribute": (lambda x, g: x.sin(), lambda x, g: x.cos()),
    "closure": (scale(2.0), scale(3.0)),
    "type of a number": (scale(2.0), scale(2)),
    "keyword default": (shift(1), shift(2)),
    "closed-over function": (scale(scale(1)), scale(scale(2))),
    "closed-over tensor": (scale(torch.ones(3)), scale(torch.zeros(3))),
    "closed-over array": (scale(np.ones(3)), scale(np.ones(3, dtype=np.float32))),
    "closed-over tuple": (scale((1, (2,))), scale((1, (3,)))),
    "class": (Scale(2.0), PrintedScale(2.0)),
    "object with repr": (PrintedScale(2.0), PrintedScale(3.0)),
    "partial": (functools.partial(doubled, factor=3), functools.partial(doubled, factor=4)),
    "default": (doubled, types.FunctionType(doubled.__code__, {}, "doubled", (3,))),
    "built-in": (torch.sin, torch.cos),
}


@pytest.mark.parametrize("case", EQUAL)
def test_functions_that_do_the_same_have_one_identity(case):
    first, second = map(identify_callable, EQUAL[case])
    assert first == second


@pytest.mark.parametrize("case", DIFFERENT)
def test_functions_that_differ_have_two_identities(case):
    # Alike in name and place, so that nothing but what they do tells them apart.
    first, second = DIFFERENT[case]
    for function in (first, second):
        if isinstance(function, types.FunctionType):
            function.__qualname__, function.__module__ = "f", "m"
    assert identify_callable(first) != identify_callable(second)


def test_a_function_has_the_same_identity_in_every_process():
    code = """
import functools
from vqvae_lib._identity import identify_callable
from tests.test_training import PrintedScale, Scale, doubled, scale
class Nested:
    def __init__(self, part): self.part = part
    def __repr__(self): return f"Nested({self.part!r})"
    def __call__(self, x, g): return x
words = lambda x, g: x if "a" in {"a", "b", "c", "d"} else g
cases = words, scale("text"), Scale(1), Nested(object()), functools.partial(doubled, factor=1)
print([identify_callable(case) for case in cases])
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }
    assert len(outputs) == 1
    assert "0x" not in outputs.pop()


def test_a_function_that_calls_itself_has_an_identity():
    def countdown(n):
        return countdown(n - 1) if n else 0

    assert identify_callable(countdown) == identify_callable(countdown)


def test_the_code_of_a_transform_decides_whether_a_run_is_resumed(tmp_path):
    def train(transform, epochs):
        return fit(model(), x(), epochs=epochs, transform=transform, checkpoint=tmp_path / "run")

    train(scale(0.5), 1)
    assert train(scale(0.5), 2).epochs == 2
    with pytest.raises(ValueError, match=r"transform: \S+scale\S+ \(code \w+\), this call has"):
        train(scale(0.6), 3)


# ---------------------------------------------------------------- files of others


def test_checkpoints_of_earlier_versions_are_refused_with_a_way_out(tmp_path):
    path, network = tmp_path / "run", model()
    info = {"settings": {"seed": 0}, "history": {"train": {}, "valid": {}, "lr": []}}
    write_checkpoint(path, {"model/w": torch.ones(2)}, info)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"another version .*\(format 1, .* resume=False"):
        fit(network, x(), epochs=1, checkpoint=path)
    assert path.read_bytes() == before
    assert fit(network, x(), epochs=1, checkpoint=path, resume=False).epochs == 1


def test_a_saved_model_is_not_a_checkpoint(tmp_path):
    path = tmp_path / "model"
    write_checkpoint(path, {"w": torch.ones(2)}, {"kind": "VQVAE", "format": 1})
    with pytest.raises(ValueError, match="model holds 'VQVAE', not a checkpoint of `fit`"):
        fit(model(), x(), epochs=1, checkpoint=path)


def test_a_resumed_run_replaces_the_weights_of_a_model_of_the_same_shape(tmp_path):
    first, other, anew = model(0), model(1), model(1)
    fit(first, x(), epochs=2, checkpoint=tmp_path / "run")
    fit(other, x(), epochs=2, checkpoint=tmp_path / "run")
    assert same(first.state_dict(), other.state_dict())
    fit(anew, x(), epochs=2, checkpoint=tmp_path / "run", resume=False)
    assert not same(first.state_dict(), anew.state_dict())


def test_the_file_of_a_run_on_other_weights_of_the_same_print_is_refused(tmp_path):
    class Plain(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.w = nn.Parameter(torch.ones(size))  # a parameter is not printed

        def loss(self, x, *, generator=None):
            return {"loss": (x.mean() - self.w).square().mean()}

    fit(Plain(2), x(), epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=r"parameters: w \(2,\) .*, this call has w \(3,\)"):
        fit(Plain(3), x(), epochs=2, checkpoint=tmp_path / "run")


def test_a_loss_that_takes_no_generator_is_named():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def loss(self, x):
            return {"loss": self.layer(x).mean()}

    with pytest.raises(TypeError, match=r"Plain\.loss takes x: expected generator=None among"):
        fit(Plain(), torch.rand(4, 2), epochs=1)

    class Open(Plain):
        def loss(self, x, **_options):
            return super().loss(x)

    assert fit(Open(), torch.rand(4, 2), epochs=1).epochs == 1

"""Training as it is used: models that change on the way, stops, threads, shots, data as they come.

`test_training` has the loop itself and its file.
"""

import copy
import functools
import math
import threading
import types
import warnings
from contextlib import contextmanager
from unittest.mock import patch

import joblib
import numpy as np
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib import TrainingDiverged, _process, _run, fit, mlp_autoencoder, mlp_vae
from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._identity import identify_callable
from vqvae_lib.bottlenecks import make_bottleneck
from vqvae_lib.comparison import compare
from vqvae_lib.networks import ConvDecoder, ConvEncoder
from vqvae_lib.quantum import Circuit, PennyLane, QuantumLayer
from vqvae_lib.training import TrainingInterrupted
from vqvae_lib.vae import KLWarmUp


def x(count=50, width=4, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def copy_state(network):
    return {name: t.clone() for name, t in network.state_dict().items()}


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(t, second[name]) for name, t in first.items())


class Plain(nn.Module):
    """An encoder and a decoder of any layers, with the squared error as loss."""

    def __init__(self, *layers, width=4):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, width), *layers)
        self.decoder = nn.Linear(width, 4)

    def forward(self, x):
        return self.decoder(self.encoder(x))

    def loss(self, x, y=None, *, generator=None):
        return {"loss": (self(x) - x).square().sum(1).mean()}


def plain(*layers, seed=0, width=4):
    torch.manual_seed(seed)
    return Plain(*(layer() for layer in layers), width=width)


def normed(seed=0):
    return plain(lambda: nn.BatchNorm1d(4), lambda: nn.Dropout(0.5), seed=seed)


class Stop(Exception):
    pass


@contextmanager
def stopping(batch, error=Stop):
    """Raise in the middle of training, at a batch counted from 1, without touching the model."""
    check, count = _run._check_terms, 0

    def counted(terms, model):
        nonlocal count
        count += 1
        if count == batch:
            raise error
        return check(terms, model)

    with patch.object(_run, "_check_terms", counted):
        yield


# ---------------------------------------------------------------- models that change on the way


def thaw_at(model, epoch):
    def before_epoch(now):
        if now == epoch:  # once: it stays so
            model.encoder.requires_grad_(True)

    model.encoder.requires_grad_(False)
    return before_epoch


def freeze_from(model, epoch):
    def before_epoch(now):
        model.encoder.requires_grad_(now < epoch)

    return before_epoch


class Wider(Plain):
    """May get another layer on the way."""

    def forward(self, x):
        h = self.encoder(x)
        return self.decoder(h + self.extra(h) if hasattr(self, "extra") else h)


def widen_at(model, epoch):
    def before_epoch(now):
        if now == epoch:
            model.extra = nn.Linear(4, 4)

    return before_epoch


def hold_at(model, epoch):
    def before_epoch(now):
        if now == epoch:
            model.encoder[1].eval()

    return before_epoch


def states_by_epoch(network, before_epoch, **settings):
    """Train, and copy the state at the beginning of each epoch and at the end."""
    states = []

    def watched(epoch):
        states.append(copy_state(network))
        before_epoch(epoch)

    fit(network, x(), before_epoch=watched, lr=0.1, **settings)
    return [*states, copy_state(network)]


OPTIMIZERS = [("adam", 0.1), ("adamw", 0.1), ("sgd", 0.1)]


@pytest.mark.parametrize(("optimizer", "weight_decay"), OPTIMIZERS)
def test_thawed_weights_train_and_frozen_ones_stay(optimizer, weight_decay):
    settings = {"optimizer": optimizer, "weight_decay": weight_decay, "epochs": 4}
    network = plain()
    states = states_by_epoch(network, thaw_at(network, 2), **settings)
    weights = [state["encoder.0.weight"] for state in states]
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[2], weights[3])
    assert not torch.equal(weights[3], weights[4])

    network = plain()
    states = states_by_epoch(network, freeze_from(network, 2), **settings)
    weights = [state["encoder.0.weight"] for state in states]
    assert not torch.equal(weights[1], weights[2])
    assert torch.equal(weights[2], weights[4])
    assert not torch.equal(states[2]["decoder.weight"], states[4]["decoder.weight"])


def test_a_gradient_left_by_the_caller_moves_no_frozen_weight():
    network = plain()
    network.loss(x())["loss"].backward()
    network.encoder.requires_grad_(False)
    before = network.encoder[0].weight.clone()
    fit(network, x(), epochs=1, optimizer="sgd", lr=0.1)
    assert torch.equal(network.encoder[0].weight, before)


def test_parts_that_are_added_train_and_are_drawn_by_the_seed():
    results = []
    for state in (7, 8):
        torch.manual_seed(0)
        network = Wider()
        torch.manual_seed(state)
        results.append(states_by_epoch(network, widen_at(network, 1), epochs=3))
    states, again = results
    assert "extra.weight" not in states[1]
    assert not torch.equal(states[2]["extra.weight"], states[3]["extra.weight"])
    assert same(states[3], again[3])


CHANGES = {
    "thawed": (Plain, thaw_at),
    "frozen": (Plain, freeze_from),
    "added": (Wider, widen_at),
    "mode": (lambda: Plain(nn.BatchNorm1d(4)), hold_at),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_whose_model_changes_is_resumed_to_the_same_bits(change, tmp_path):
    make, alter = CHANGES[change]

    def train(checkpoint, **settings):
        torch.manual_seed(0)
        network = make()
        settings = {"epochs": 4, "batch_size": 25, "lr": 0.1, "optimizer": "adamw"} | settings
        before_epoch = alter(network, 2)
        history = fit(network, x(), before_epoch=before_epoch, checkpoint=checkpoint, **settings)
        return network, history

    whole, expected = train(tmp_path / "whole")
    # Before the first epoch is complete, before the change, in its epoch, and after it.
    for batch in (2, 4, 2, 4, 4):  # two an epoch, counted from where it goes on
        with stopping(batch), pytest.raises(Stop):
            train(tmp_path / "parts")
    last, history = train(tmp_path / "parts")
    assert history == expected
    assert same(last.state_dict(), whole.state_dict())
    flags = [[p.requires_grad for p in network.parameters()] for network in (whole, last)]
    assert flags[0] == flags[1]


def test_the_same_call_on_the_same_model_goes_on_where_it_was_stopped(tmp_path):
    """As a cell of a notebook that is stopped, here in the epoch that thaws, and run again."""
    whole, network = plain(), plain()
    expected = fit(whole, x(), epochs=4, before_epoch=thaw_at(whole, 2))
    before_epoch, path = thaw_at(network, 2), tmp_path / "run"
    with stopping(3), pytest.raises(Stop):
        fit(network, x(), epochs=4, before_epoch=before_epoch, checkpoint=path)
    with stopping(2), pytest.raises(Stop):  # and in the epoch after it
        fit(network, x(), epochs=4, before_epoch=before_epoch, checkpoint=path)
    assert fit(network, x(), epochs=4, before_epoch=before_epoch, checkpoint=path) == expected
    assert same(network.state_dict(), whole.state_dict())


def test_a_model_that_was_changed_in_another_way_is_refused(tmp_path):
    torch.manual_seed(0)
    network, path, width = Wider(), tmp_path / "run", [4]

    def widen(epoch):
        if epoch == 0:
            network.extra = nn.Linear(width[0], 4)

    fit(network, x(), epochs=1, before_epoch=widen, checkpoint=path)
    network, width[0] = Wider(), 5  # a list's content is not part of the function
    with pytest.raises(ValueError, match=r"checkpoint and model differ in extra\.weight"):
        fit(network, x(), epochs=2, before_epoch=widen, checkpoint=path)


def test_a_warm_up_of_another_model_is_refused():
    network = mlp_vae(4, 8, 2, vq.Gaussian())
    warm_up = KLWarmUp(copy.deepcopy(network), 3)
    with pytest.raises(ValueError, match="before_epoch was made for another model"):
        fit(network, x(), epochs=1, before_epoch=warm_up)


def test_all_that_is_trained_may_not_vanish():
    network = plain()
    with pytest.raises(ValueError, match="a loss without a gradient"):
        fit(network, x(), epochs=1, before_epoch=lambda epoch: network.requires_grad_(False) and 0)


# ---------------------------------------------------------------- modes


def test_frozen_normalisation_and_dropout_stay_frozen():
    network = normed()
    network.encoder.eval().requires_grad_(False)
    before, codes = copy_state(network), network.encoder(x())
    fit(network, x(), epochs=2, x_valid=x(9))
    after = network.state_dict()
    assert all(torch.equal(after[n], t) for n, t in before.items() if n.startswith("encoder"))
    assert not torch.equal(after["decoder.weight"], before["decoder.weight"])
    assert torch.equal(network.encoder(x()), codes)
    assert network.training
    assert not any(part.training for part in network.encoder.modules())


def test_a_model_in_evaluation_mode_trains_as_a_whole():
    results = []
    for mode in (True, False):
        network = normed().train(mode)
        fit(network, x(), epochs=2, x_valid=x(9))
        assert all(part.training is mode for part in network.modules())
        results.append(copy_state(network))
    assert same(*results)


@pytest.mark.parametrize("held", [False, True])
def test_evaluating_before_an_epoch_ends_no_training_mode(held):
    """A picture is drawn before each epoch, and nobody switches training on again."""
    results = []
    for careful in (True, False):
        network = normed()
        network.encoder[1].train(not held)

        def draw(epoch, network=network, careful=careful):
            modes = [part.training for part in network.modules()]
            network.eval()
            if careful:
                for part, mode in zip(network.modules(), modes, strict=True):
                    part.training = mode

        fit(network, x(), epochs=2, before_epoch=draw)
        results.append(copy_state(network))
    assert same(*results)
    assert int(network.encoder[1].num_batches_tracked) == (0 if held else 2)


# ---------------------------------------------------------------- shots


class Sampled(nn.Module):
    """A circuit on a device with shots, twice, and a matrix behind."""

    def __init__(self, shots=20):
        super().__init__()
        circuit = Circuit(2, embedding="RY", readout="Z", entangler="none")
        self.first, self.second = (
            QuantumLayer(circuit, backend=PennyLane(circuit, shots=shots, seed=0)) for _ in range(2)
        )
        self.last = nn.Linear(4, 2)

    def loss(self, x, *, generator=None):
        return {
            "loss": (self.last(torch.cat([self.first(x), self.second(x)], 1)) - x).square().mean()
        }


def sampled():
    torch.manual_seed(0)
    return Sampled()


SHOTS = {"epochs": 3, "batch_size": 4, "lr": 0.1}


def test_a_model_with_shots_gives_the_same_bits_and_is_resumed_to_them(tmp_path):
    data, valid = x(8, 2), x(3, 2, seed=1)
    results = []
    for name in ("whole", "again", "parts"):
        network = sampled()
        if name == "again":
            network.first(data)  # what was drawn before doesn't count
        if name == "parts":
            with stopping(5), pytest.raises(Stop):  # two steps and a validation an epoch
                fit(network, data, x_valid=valid, checkpoint=tmp_path / name, **SHOTS)
            network = sampled()
        history = fit(network, data, x_valid=valid, checkpoint=tmp_path / name, **SHOTS)
        results.append((copy_state(network), history))
    assert same(results[0][0], results[1][0])
    assert same(results[0][0], results[2][0])
    assert results[0][1] == results[1][1] == results[2][1]
    other = sampled()
    assert fit(other, data, x_valid=valid, seed=1, **SHOTS).valid != results[0][1].valid


def test_validation_of_unchanged_weights_with_shots_does_not_scatter():
    network, data = sampled(), x(8, 2)
    history = fit(network, data, x_valid=data, **SHOTS | {"lr": 1e-12})
    assert len(set(history.valid["loss"])) == 1
    assert len(set(history.train["loss"])) == 3  # while training draws anew in each epoch


def test_devices_draw_independently_of_one_another():
    seeds = []
    parts = [nn.Linear(1, 1) for _ in range(3)]
    for part in parts:
        part.manual_seed = seeds.append
    network = plain()
    network.parts = nn.ModuleList(parts)
    fit(network, x(), epochs=2, x_valid=x(3))
    assert len(set(seeds)) == 9  # three in each epoch's training, three for all validations
    assert seeds[3:6] == seeds[9:12]
    assert all(0 <= seed < 2**31 for seed in seeds)


# ---------------------------------------------------------------- threads


def test_runs_side_by_side_in_threads_give_the_bits_that_they_give_alone():
    def train(i):
        history = fit(networks[i], x(), epochs=5, batch_size=10, seed=i, progress=False)
        results[i] = copy_state(networks[i]), history

    results = [None] * 4
    networks = [normed(seed) for seed in range(4)]
    for i in range(4):
        train(i)
    alone = [*results]
    # Their weights are drawn beforehand: the caller's own draws are the caller's to keep apart.
    networks = [normed(seed) for seed in range(4)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    threads = [threading.Thread(target=train, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(torch.get_rng_state(), before)
    for (state, history), (expected, expected_history) in zip(results, alone, strict=True):
        assert same(state, expected)
        assert history == expected_history


RUNNING = []


def score_dropping(arm, fold, seed):
    RUNNING.append(len(RUNNING) + 1)
    threading.Event().wait(0.05)  # long enough for another run to begin, if it may
    torch.manual_seed(seed)
    network = Plain(nn.Dropout(0.5))
    history = fit(network, x(seed=fold), epochs=3, seed=seed, progress=False)
    return {"test": -history.train["loss"][-1], "beside": float(len(RUNNING) - RUNNING.pop())}


def test_a_comparison_in_threads_gives_the_same_scores():
    settings = {"folds": (0, 1), "seeds": (0, 1), "test_to_train": 0.0}
    alone = compare(score_dropping, {"one": [{}]}, **settings)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        beside = compare(score_dropping, {"one": [{}]}, **settings)
    assert beside.arms["one"].scores == alone.arms["one"].scores


def test_a_run_inside_another_is_no_deadlock_and_takes_nothing_from_it():
    def train(inner):
        network, other = normed(), normed(9)

        def before_epoch(epoch):
            if inner:
                fit(other, x(), epochs=2, seed=9)

        fit(network, x(), epochs=2, before_epoch=before_epoch)
        return copy_state(network)

    assert same(train(inner=True), train(inner=False))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_another_thread(function):
    """Return what a new thread finds."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def count_after_use():
    torch.ones(3) @ torch.ones(3)
    return torch.get_num_threads()


def test_a_small_model_is_trained_in_one_thread_and_others_keep_theirs(two_threads):
    found = []

    def look(epoch):
        found.append((torch.get_num_threads(), in_another_thread(count_after_use)))

    fit(plain(), x(), epochs=1, before_epoch=look)
    assert found == [(1, 2)]
    assert torch.get_num_threads() == in_another_thread(count_after_use) == 2
    with stopping(1), pytest.raises(Stop):
        fit(plain(), x(), epochs=1)
    assert torch.get_num_threads() == 2
    # 4 weights for each unit, and a bias: 9 · 2**17 per sample, more than the rule allows.
    fit(plain(width=2**17), x(64), epochs=1, before_epoch=look)
    assert found[1] == (2, 2)


def conv():
    torch.manual_seed(0)
    return vq.Autoencoder(ConvEncoder((8, 8), 2, channels=4), ConvDecoder(2, (8, 8), channels=4))


def test_the_bits_of_a_small_model_do_not_depend_on_the_number_of_threads(two_threads):
    results = []
    for count in (2, 1):
        torch.set_num_threads(count)
        network = conv()
        history = fit(network, x(128, 64), epochs=2, x_valid=x(64, 64, seed=1))
        results.append((copy_state(network), history))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_what_is_small():
    class Circuits(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.circuit = types.SimpleNamespace(n_qubits=n)
            self.weights = nn.Parameter(torch.zeros(2, n, 3))

    is_small = _process.is_small
    line, kernel = nn.Linear(2**10, 2**10, bias=False), nn.Conv2d(1, 2**4, 2**3, bias=False)
    assert is_small(line, x(1000, 4), 2**6)
    assert not is_small(line, x(1000, 4), 2**6 + 1)
    assert is_small(line, x(64, 4), 2**7)  # there are but 64 samples
    assert is_small(kernel, x(100, 2**10), 2**6)
    assert not is_small(kernel, x(100, 2**10 + 1), 2**6)
    assert is_small(Circuits(8), x(100), 64)
    assert not is_small(Circuits(16), x(100), 64)


def test_the_number_of_threads_of_a_large_model_is_part_of_its_run(two_threads, tmp_path):
    with patch.object(_process, "_SMALL", 1):
        fit(plain(), x(), epochs=1, checkpoint=tmp_path / "run")
        torch.set_num_threads(1)
        with pytest.raises(ValueError, match="threads: 2, this call has 1"):
            fit(plain(), x(), epochs=2, checkpoint=tmp_path / "run")
    # That of a small one is not.
    fit(plain(), x(), epochs=1, checkpoint=tmp_path / "small")
    torch.set_num_threads(2)
    fit(plain(), x(), epochs=2, checkpoint=tmp_path / "small")


# ---------------------------------------------------------------- settings and data as they come


def train_plainly(data=None, make=plain, **settings):
    network = make()
    settings = {"epochs": 2, "lr": 0.25, "optimizer": "adamw", "weight_decay": 0.5} | settings
    history = fit(network, x() if data is None else data, **settings)
    return copy_state(network), history


NUMBERS = {
    "NumPy": {"epochs": np.int64(2), "lr": np.float32(0.25), "weight_decay": np.float64(0.5)},
    "tensors": {"epochs": torch.tensor(2), "lr": torch.tensor(0.25), "drop_last": np.False_},
    "schedule": {"schedule": lambda epoch: np.float32(1.0), "batch_size": np.int32(64)},
    "scheduled tensors": {"schedule": lambda epoch: torch.tensor(1.0), "seed": np.int64(0)},
    "flags": {"resume": np.True_, "progress": np.False_},
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_numpy_and_torch_are_numbers(kind, tmp_path):
    expected = train_plainly()
    found = train_plainly(checkpoint=tmp_path / "run", **NUMBERS[kind])
    assert same(found[0], expected[0])
    assert found[1] == expected[1]
    assert all(type(rate) is float for rate in found[1].lr)
    # And to the file it is the same run.
    assert train_plainly(checkpoint=tmp_path / "run")[1] == expected[1]


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, None, "fast"])
def test_a_schedule_is_looked_at_to_its_end_beforehand(value):
    network = plain()
    before = copy_state(network)
    with pytest.raises(ValueError, match=r"schedule\(3\)="):
        fit(network, x(), epochs=5, schedule=lambda epoch: value if epoch == 3 else 1.0)
    with pytest.raises(ValueError, match=r"lr times schedule\(0\)=inf"):
        fit(network, x(), epochs=5, lr=1e300, schedule=lambda epoch: 1e300)
    assert same(before, network.state_dict())


ROWS = {
    "float64": lambda data: data.double(),
    "NumPy": lambda data: data.numpy(),
    "NumPy's float64": lambda data: data.double().numpy(),
    "whole numbers": lambda data: data.long(),
    "bytes": lambda data: data.byte().numpy(),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_are_converted_to_the_model_s_numbers(kind):
    data, valid = x().round().abs(), x(9, seed=1).round().abs()
    expected = train_plainly(data, x_valid=valid)
    found = train_plainly(ROWS[kind](data), x_valid=ROWS[kind](valid))
    assert same(found[0], expected[0])
    assert found[1] == expected[1]


def test_labels_of_numpy_are_labels():
    labels = np.arange(50)
    expected = train_plainly(y_train=torch.arange(50))
    assert same(train_plainly(y_train=labels)[0], expected[0])


class Terms(Plain):
    """Returns another term beside its loss."""

    def __init__(self, *terms):
        super().__init__()
        self.terms = [*terms]

    def loss(self, x, *, generator=None):
        self.terms = self.terms[1:] + self.terms[:1]
        return super().loss(x) | self.terms[-1]


@pytest.mark.parametrize("value", [0.1, np.float32(0.5), 3, torch.tensor(0.5)])
def test_terms_that_are_only_recorded_may_be_plain_numbers(value):
    history = fit(Terms({"weight": value}), x(), epochs=2)
    assert history.train["weight"] == [float(value)] * 2


@pytest.mark.parametrize("value", ["low", None, 1 + 1j, torch.tensor(1j), torch.ones(2)])
def test_terms_that_are_no_numbers_are_refused(value):
    with pytest.raises(TypeError, match=r"Terms.loss returned .* as 'weight'"):
        fit(Terms({"weight": value}), x(), epochs=1)


def test_terms_that_come_and_go_are_refused():
    with pytest.raises(ValueError, match=r"\['loss', 'b'\] for a batch and \['loss', 'a'\]"):
        fit(Terms({"a": 1.0}, {"b": 1.0}), x(), epochs=1, batch_size=25)
    with pytest.raises(ValueError, match=r"train has the terms \['loss', 'b'\], and the epochs be"):
        fit(Terms({"a": 1.0}, {"b": 1.0}), x(), epochs=2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_half_precision_are_refused_and_autocast_is_not(dtype, tmp_path):
    with pytest.raises(TypeError, match=r"half|model has weights of torch\.\w+.*model\.float\(\)"):
        fit(plain().to(dtype), x(), epochs=1)
    with torch.autocast("cpu", torch.bfloat16):
        fit(plain(), x(), epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=r"autocast: torch\.bfloat16, this call has None"):
        fit(plain(), x(), epochs=2, checkpoint=tmp_path / "run")


def test_weights_of_two_kinds_are_refused():
    network = plain()
    network.decoder.double()
    with pytest.raises(
        ValueError, match=r"model's encoder\S+ is torch.float32 .* decoder\S+ torch"
    ):
        fit(network, x(), epochs=1)
    with pytest.raises(ValueError, match=r"model's encoder\.0\.weight is on the meta device"):
        fit(plain().to("meta"), x(), epochs=1)


class Extra(Plain):
    """Has a state beside its tensors."""

    def __init__(self, state):
        super().__init__()
        self.state = state

    def get_extra_state(self):
        return self.state

    def set_extra_state(self, state):
        self.state = state


def complex_buffer(dtype):
    network = plain()
    network.register_buffer("phase", torch.ones(2, dtype=dtype))
    return network


def test_what_a_checkpoint_cannot_hold_is_said_before_anything_runs(tmp_path):
    for network, said in (
        (Extra({"a": 1}), r"model's _extra_state is a dict"),
        (complex_buffer(torch.complex128), r"model's phase is torch\.complex128"),
    ):
        before = copy.deepcopy(network.state_dict())
        with pytest.raises(TypeError, match=said):
            fit(network, x(), epochs=1, checkpoint=tmp_path / "run")
        assert torch.equal(network.decoder.weight, before["decoder.weight"])
        assert not (tmp_path / "run").exists()
        # Without a file there is nothing in the way.
        fit(network, x(), epochs=2, x_valid=x(5), patience=1)
    fit(complex_buffer(torch.complex64), x(), epochs=1, checkpoint=tmp_path / "run")


def test_a_buffer_that_is_infinite_by_intention_is_no_divergence():
    network = plain()
    network.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    assert fit(network, x(), epochs=1).epochs == 1


# ---------------------------------------------------------------- a last batch of one


def test_a_last_batch_of_one_is_named_and_can_be_left_out():
    network = normed()
    before = copy_state(network)
    with pytest.raises(ValueError, match=r"1 sample, and batch normalisation .* drop_last=True"):
        fit(network, x(50), epochs=1, batch_size=49)
    assert same(before, network.state_dict())
    history = fit(network, x(50), epochs=2, batch_size=49, drop_last=True)
    assert history.epochs == 2
    # Other layers have nothing against a single sample.
    fit(plain(), x(50), epochs=1, batch_size=49)


def test_what_is_left_out_does_not_count():
    data = torch.arange(7.0)[:, None] / 10

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.m = nn.Parameter(torch.zeros(()))
            self.batches = []

        def loss(self, x, *, generator=None):
            self.batches.append(x)
            return {"loss": (x - self.m).mean()}

    network = Mean()
    history = fit(network, data, epochs=2, batch_size=3, lr=1e-12, drop_last=True, x_valid=data)
    trained = [batch for batch in network.batches if len(batch) < 7]
    assert [len(batch) for batch in trained] == [3] * 4
    means = [torch.cat(trained[i : i + 2]).mean().item() for i in (0, 2)]
    assert history.train["loss"] == pytest.approx(means)
    assert history.valid["loss"] == pytest.approx([0.3] * 2)  # which takes all
    with pytest.raises(ValueError, match="drop_last=True with batch_size=8 and 7 samples"):
        fit(Mean(), data, epochs=1, batch_size=8, drop_last=True)


def test_a_run_with_batches_left_out_is_resumed_to_the_same_bits(tmp_path):
    settings = {"epochs": 4, "batch_size": 20, "drop_last": True}
    whole, network = normed(), normed()
    expected = fit(whole, x(), **settings)
    with stopping(4), pytest.raises(Stop):
        fit(network, x(), checkpoint=tmp_path / "run", **settings)
    assert fit(network, x(), checkpoint=tmp_path / "run", **settings) == expected
    assert same(network.state_dict(), whole.state_dict())
    with pytest.raises(ValueError, match="drop_last: True, this call has False"):
        fit(normed(), x(), epochs=5, batch_size=20, checkpoint=tmp_path / "run")


# ---------------------------------------------------------------- data out of scale


def test_data_out_of_scale_are_spoken_of_before_anything_is_trained():
    pixels = 255 * torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    network = plain()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = copy_state(network)
        with pytest.raises(UserWarning, match=r"from 0\.\d+ to 25\d\.?\d*, .* standardise"):
            fit(network, pixels, epochs=1)
        assert same(before, network.state_dict())
        fit(network, pixels / 255, epochs=1)
        fit(network, 3 * x(), epochs=1)
    with pytest.warns(UserWarning, match="standardise") as warned:
        fit(network, pixels, epochs=1)
    assert warned[0].filename == __file__


def test_a_divergence_says_what_the_data_look_like():
    columns = x() * torch.tensor([1.0, 1.0, 1.0, 1e30])
    with (
        pytest.warns(UserWarning, match="standardise"),
        pytest.raises(TrainingDiverged, match=r"No step has been taken yet.* x_train runs from -"),
    ):
        fit(plain(), columns, epochs=1)
    with (
        pytest.warns(UserWarning, match="standardise"),
        pytest.raises(TrainingDiverged, match=r"Try a smaller lr, or other units: .* standardise"),
    ):
        fit(plain(), 100 * x(), epochs=1, lr=1e30, batch_size=10)
    with pytest.raises(TrainingDiverged, match=r"Try a smaller lr\.$"):
        fit(plain(), x(), epochs=1, lr=1e30, batch_size=10)


# ---------------------------------------------------------------- stops


def test_a_stop_by_hand_ends_with_the_last_good_epoch_and_its_history():
    expected = plain()
    two = fit(expected, x(), epochs=2, batch_size=25)
    network = plain()
    with stopping(6, KeyboardInterrupt), pytest.raises(KeyboardInterrupt) as stop:
        fit(network, x(), epochs=9, batch_size=25)
    assert isinstance(stop.value, TrainingInterrupted)
    assert stop.value.history == two
    assert "stopped after 2 completed epochs" in str(stop.value)
    assert same(network.state_dict(), expected.state_dict())
    assert all(p.grad is None for p in network.parameters())


def test_a_stop_by_hand_ends_with_the_best_weights_where_those_are_watched():
    settings = {
        "x_valid": x(20, seed=1),  # two batches an epoch
        "patience": 9,
        "schedule": lambda epoch: 1000 if epoch == 2 else 1,
    }
    best, network = plain(), plain()
    history = fit(best, x(), epochs=4, **settings)
    assert history.best_epoch == 1
    with stopping(9, KeyboardInterrupt), pytest.raises(TrainingInterrupted) as stop:
        fit(network, x(), epochs=9, **settings)
    assert stop.value.history == history
    assert same(network.state_dict(), best.state_dict())


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_a_stop_in_the_first_epoch_leaves_the_model_as_it_was(error, tmp_path):
    expected, network = plain(), plain()
    history = fit(expected, x(), epochs=2, batch_size=25)
    before = copy_state(network)
    for _ in range(2):
        with stopping(2, error), pytest.raises(error) as stop:
            fit(network, x(), epochs=2, batch_size=25)
        assert stop.value.history.epochs == 0
        assert same(network.state_dict(), before)
    assert fit(network, x(), epochs=2, batch_size=25) == history
    assert same(network.state_dict(), expected.state_dict())
    # With a file, from the first weights of the first call.
    path = tmp_path / "run"
    with stopping(2, error), pytest.raises(error):
        fit(plain(), x(), epochs=2, batch_size=25, checkpoint=path)
    other = plain(seed=9)
    assert fit(other, x(), epochs=2, batch_size=25, checkpoint=path) == history
    assert same(other.state_dict(), expected.state_dict())


def test_a_stop_while_the_file_is_written_loses_nothing(tmp_path):
    expected, network, path = plain(), plain(), tmp_path / "run"
    history = fit(expected, x(), epochs=3)
    replace, count = _run.Run.state, 0

    def stopped(self):
        nonlocal count
        count += 1
        if count == 3:  # after the second epoch
            raise KeyboardInterrupt
        return replace(self)

    with patch.object(_run.Run, "state", stopped), pytest.raises(TrainingInterrupted) as stop:
        fit(network, x(), epochs=3, checkpoint=path)
    assert stop.value.history.epochs == 2
    assert len(read_checkpoint(path)[1]["history"]["lr"]) == 1
    assert fit(network, x(), epochs=3, checkpoint=path) == history
    assert same(network.state_dict(), expected.state_dict())


def test_any_end_leaves_the_history_and_the_last_good_epoch(tmp_path):
    """A full disk, here, after the second epoch."""
    network, expected = plain(), plain()
    history = fit(expected, x(), epochs=2)

    def full(self, state):
        if len(state["history"]["lr"]) == 2:
            raise OSError("no space left")

    with (
        patch("vqvae_lib._run_file.RunFile.write", full),
        pytest.raises(OSError, match="no space left") as error,
    ):
        fit(network, x(), epochs=3, checkpoint=tmp_path / "run")
    assert error.value.history == history
    assert same(network.state_dict(), expected.state_dict())


def test_a_divergence_has_the_history():
    with pytest.raises(TrainingDiverged) as error:
        fit(plain(), x(), epochs=9, lr=1.0, optimizer="sgd", schedule=lambda e: [1e-3, 1e30][e > 1])
    assert error.value.history.epochs == 3  # of which the last left numbers that are too large


# ---------------------------------------------------------------- what a run is known by


class Part(nn.Module):
    """Has what nobody prints."""

    def __init__(self, **attributes):
        super().__init__()
        vars(self).update(attributes)
        self.w = nn.Parameter(torch.ones(1))
        self.register_buffer("hidden", torch.ones(2), persistent=False)

    def loss(self, x, *, generator=None):
        return {"loss": (self.w * x).square().mean()}


class Settings:
    def __init__(self, a):
        self.a = a


def hidden_buffer(value):
    part = Part()
    part.hidden += value
    return part


def hooked(function):
    part = Part()
    part.register_forward_hook(function)
    return part


def of_class(factor):
    class Other(Part):
        def loss(self, x, *, generator=None):
            return {"loss": factor * super().loss(x)["loss"]}

    class Another(Part):
        def loss(self, x, *, generator=None):
            return {"loss": 2 * super().loss(x)["loss"]}

    Another.__name__, Another.__qualname__ = Other.__name__, Other.__qualname__
    return Other() if factor else Another()


def circuit(**settings):
    return Circuit(2, **{"embedding": "RY", "readout": "Z", "entangler": "none"} | settings)


def quantum(of=None, **options):
    torch.manual_seed(0)
    of = of or circuit()
    part = Part()
    part.layer = QuantumLayer(of, backend=PennyLane(of, **options))
    return part


def fourier(scale):
    torch.manual_seed(0)
    part = Part()
    part.layer = make_bottleneck("fourier", circuit(angle_scale=scale), scale_features=False)
    return part


def hold(part):
    part.child = nn.Dropout().eval()
    return part


def child(part):
    part.child = nn.Dropout()
    return part


MODELS = {
    "number": lambda i: Part(a=1 + i),
    "type of a number": lambda i: Part(a=(1, 1.0)[i]),
    "text": lambda i: Part(a="ab"[i]),
    "list": lambda i: Part(a=[1, [2 + i]]),
    "dict": lambda i: Part(a={"b": {1: i}}),
    "set": lambda i: Part(a={1, 2 + i}),
    "array": lambda i: Part(a=np.array([1, i])),
    "tensor": lambda i: Part(a=torch.tensor([1, i])),
    "object": lambda i: Part(a=Settings([i])),
    "frozen weight": lambda i: Part(a=[nn.Parameter(torch.tensor([float(i)]))]),
    "module in a list": lambda i: Part(a=[nn.LeakyReLU(0.1 + i)]),
    "function": lambda i: Part(a=(torch.sin, torch.cos)[i]),
    "lambda": lambda i: Part(a=(lambda x: x + 1, lambda x: x + 2)[i]),
    "partial": lambda i: Part(a=functools.partial(max, [i])),
    "buffer that is not saved": lambda i: hidden_buffer(i),
    "hook": lambda i: hooked((lambda *_: 1, lambda *_: 2)[i]),
    "code of a class": lambda i: of_class(factor=(3, 0)[i]),
    "mode of a part": lambda i: (child, hold)[i](Part()),
    "angle scale of a Fourier layer": lambda i: fourier((0.3, 0.4)[i]),
    "shots": lambda i: quantum(shots=(10, 20)[i]),
    "seed of a device": lambda i: quantum(shots=10, seed=i),
    "way to differentiate": lambda i: quantum(diff_method=("best", "adjoint")[i]),
    "device": lambda i: quantum(device=("default.qubit", "default.mixed")[i]),
    "angle scale of a circuit": lambda i: quantum(circuit(angle_scale=(0.3, 0.4)[i])),
    "noise of a denoising autoencoder": lambda i: vq.DenoisingAutoencoder(
        nn.Linear(4, 2), nn.Linear(2, 4), noise_std=0.1 + i
    ),
}


@pytest.mark.parametrize("what", MODELS)
def test_models_that_differ_in_what_they_do_not_print_are_two_runs(what, tmp_path):
    make, path = MODELS[what], tmp_path / "run"
    data = x(4)[:, :1] if isinstance(make(0), Part) else x(4)
    fit(make(0), data, epochs=1, checkpoint=path)
    fit(make(0), data, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match=r"run was written with (attributes|model): .*, this call"):
        fit(make(1), data, epochs=2, checkpoint=path)


def test_the_same_model_is_the_same_run_after_it_was_used(tmp_path):
    """What backends and layers keep in mind doesn't count."""
    for name, network in (
        ("vae", vq.VQVAE(4, 4, 4, 2)),
        ("shots", quantum(shots=10)),
        ("fourier", fourier(0.3)),
    ):
        data = x(8) if name == "vae" else x(8)[:, :1]
        fit(network, data, epochs=1, checkpoint=tmp_path / name)
        if name == "shots":
            network.layer(x(3, 2))
        fit(network, data, epochs=2, checkpoint=tmp_path / name)


FACTOR = 2


def helper(x):
    return FACTOR * x


def uses_helper(x, generator):
    return helper(x)


def uses_constant(x, generator):
    return FACTOR * x


def counts(x, generator):
    global FACTOR
    FACTOR = FACTOR + 1
    return x


def with_options(**options):
    return lambda x, generator: options["a"] * x


def counter(start):
    def count(x, generator):
        nonlocal start
        start += 1
        return x

    return count


class Callback:
    def __init__(self, a):
        self.a = a

    def __call__(self, epoch):
        pass


def test_a_function_is_known_by_what_it_refers_to(monkeypatch):
    before = [identify_callable(f) for f in (uses_helper, uses_constant, counts)]
    monkeypatch.setitem(globals(), "FACTOR", 3)
    after = [identify_callable(f) for f in (uses_helper, uses_constant, counts)]
    # But for a variable that it counts in: that is its state.
    assert [b == a for b, a in zip(before, after, strict=True)] == [False, False, True]
    assert identify_callable(with_options(a=1)) != identify_callable(with_options(a=2))
    assert identify_callable(counter(0)) == identify_callable(counter(7))
    assert identify_callable(Callback(1)) != identify_callable(Callback(2))
    assert identify_callable(functools.partial(helper, [1])) != identify_callable(
        functools.partial(helper, [2])
    )


def test_objects_that_contain_one_another_have_an_identity(tmp_path):
    part = Part(a=Settings(None), b=[])
    part.a.a = part.b
    part.b += [part.b, part, part.a]
    fit(part, x()[:, :1], epochs=1, checkpoint=tmp_path / "run")
    fit(part, x()[:, :1], epochs=2, checkpoint=tmp_path / "run")


# ---------------------------------------------------------------- files of others


def forge(path, change):
    tensors, info = read_checkpoint(path)
    change(tensors, info)
    write_checkpoint(path, tensors, info)


FORGERIES = {
    "no history": lambda tensors, info: info.pop("history"),
    "no identity": lambda tensors, info: info.update(identity=None),
    "a history of text": lambda tensors, info: info["history"].update(lr=["a"]),
    "a history of two lengths": lambda tensors, info: info["history"]["train"]["loss"].append(1.0),
    "no terms": lambda tensors, info: info["history"].update(train=3),
    "no random numbers": lambda tensors, info: tensors.pop("rng/torch"),
    "no list of trained weights": lambda tensors, info: info.pop("trained"),
    "a weight less": lambda tensors, info: tensors.pop("model/decoder.weight"),
    "a wider weight": lambda tensors, info: tensors.update({"model/decoder.bias": x(1, 7)}),
    "a name without a part": lambda tensors, info: (
        tensors.update({"odd": x(1)}) or tensors.pop("model/decoder.bias")
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_file_that_lacks_something_is_named_and_changes_nothing(what, tmp_path):
    path = tmp_path / "run"
    fit(plain(), x(), epochs=1, checkpoint=path)
    forge(path, FORGERIES[what])
    network = plain(seed=1)
    before = copy_state(network)
    with pytest.raises(
        ValueError, match=r"lacks parts of a checkpoint|checkpoint and model differ"
    ):
        fit(network, x(), epochs=2, checkpoint=path)
    assert same(before, network.state_dict())


# ---------------------------------------------------------------- histories


def test_a_history_copies_and_takes_only_numbers():
    history = vq.History({"loss": [2.0]}, {"loss": [math.nan]}, [0.1])
    other = history.copy()
    other.append({"loss": np.float32(1.0)}, {"loss": 0.5}, np.float64(0.1))
    assert history.epochs == 1
    assert other == vq.History({"loss": [2.0, 1.0]}, {"loss": [math.nan, 0.5]}, [0.1, 0.1]) or (
        other.train == {"loss": [2.0, 1.0]}
    )
    assert history.best_epoch is None
    assert other.best_epoch == 1
    with pytest.raises(ValueError, match=r"valid has the terms \[\], and the epochs before"):
        other.append({"loss": 1.0}, {}, 0.1)
    with pytest.raises(TypeError, match="train has a str under 'loss'"):
        other.append({"loss": "low"}, {"loss": 1.0}, 0.1)
    assert other.epochs == 2


def test_autoencoders_of_the_library_take_numpy_rows():
    data = vq.load_digits().x_train[:64].double().numpy()
    torch.manual_seed(0)
    assert fit(mlp_autoencoder(64, 8, 2), data, epochs=1).epochs == 1

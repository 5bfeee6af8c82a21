"""The store of a comparison: shared, damaged, foreign, full."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib._run_store import RunStore
from vqvae_lib.comparison import Contrast, compare

FEW = {"folds": (0, 1), "seeds": (0,), "test_to_train": 0.2}
ONE_EACH = {"good": [{"lr": 0.1}], "plain": [{"lr": 0.1}]}
calls = []


def run(arm, fold, seed, *, lr):
    calls.append((arm, fold, seed, lr))
    return {"test": len(arm) + fold + lr}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.jsonl"


def add(path, count, start=0):
    store = RunStore(path)
    for i in range(start, start + count):
        store.add(f"run {i}", {"test": i / 7, "valid": -i})
    return store


# One writer and several ---------------------------------------------------------------------------


def test_what_was_added_is_read_again(path):
    written = add(path, 5)
    assert RunStore(path).scores == written.scores
    assert written.scores["run 3"] == {"test": 3 / 7, "valid": -3}
    assert all(
        set(json.loads(line)) == {"run", "scores", "sha256"}
        for line in path.read_text().splitlines()
    )


def test_a_store_sees_what_another_added_and_keeps_what_came_first(path):
    first, second = RunStore(path), RunStore(path)
    assert first.add("run", {"test": 1.0}) == {"test": 1.0}
    assert second.add("run", {"test": 1.0 + 1e-12}) == {"test": 1.0}
    second.add("another", {"test": 2.0})
    first.add("third", {"test": 3.0})
    assert list(RunStore(path).scores) == ["run", "another", "third"]


WRITER = """
import sys
from tests.test_run_store import add
add(__import__("pathlib").Path(sys.argv[1]), 60, start=int(sys.argv[2]))
"""


def test_several_processes_add_to_one_file(path):
    """Each adds 60 runs, half of them its own; meanwhile a reader finds whole lines at any time."""
    root = Path(__file__).parents[1]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(start)], cwd=root)
        for start in (0, 30, 60)
    ]
    while any(writer.poll() is None for writer in writers):
        RunStore(path)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    lines = path.read_text().splitlines()
    assert len(lines) == 120
    assert RunStore(path).scores == {f"run {i}": {"test": i / 7, "valid": -i} for i in range(120)}


# Damage -------------------------------------------------------------------------------------------


def test_a_line_that_was_cut_off_is_written_again(path):
    add(path, 3)
    whole = path.read_bytes()
    for length in range(len(whole) - 70, len(whole)):
        path.write_bytes(whole[:length])
        store = RunStore(path)
        assert list(store.scores) == ["run 0", "run 1"]
        assert path.read_bytes() == whole[:length]  # looking changes nothing
        store.add("run 2", {"test": 2 / 7, "valid": -2})
        assert path.read_bytes() == whole


@pytest.mark.parametrize("seed", range(200))
def test_a_flipped_bit_is_found(path, seed):
    add(path, 4)
    content, rng = bytearray(path.read_bytes()), random.Random(seed)
    place, bit = rng.randrange(len(content) - 1), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    line = r"line \d|the last line|the beginning of a line"
    with pytest.raises(ValueError, match=rf"store='.*runs.jsonl', ({line}): (altered|expected)"):
        RunStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"name,age\nAda,36",  # with no end of line
        b"what?\n",
        b"\x00\xff\xfe" * 50,
        b"[1, 2]\n",
        b'{"run": 3, "scores": {}}\n',
        b'{"run": "a", "scores": {"test": NaN}}\n',
        b'{"run": "a", "scores": {"test": null}}\n',
        b'{"run": "a", "scores": {"test": 1e999}}\n',
        b'{"run": "a", "scores": [1.0]}\n',
        b'{"run": "a"}\n',
        b'{"run": "a", "scores": ' + 100_000 * b"[" + b"\n",
        b'{"run": "a", "scores": {"test": 1}, "sha256": "0"}\n',
        b'{"run": "a", "scores": {"test": 1}}\nand then?',
        b'{"run": "a", "loss": 3}',  # another's only line, whole, with no end of line
        b'{"run": "a", "scores": {"test": 1}, "sha256": "0"}',
    ],
    ids=lambda content: content[:40].decode("latin-1"),
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"store='.*runs.jsonl', "):
        compare(run, ONE_EACH, store=path, **FEW)
    assert path.read_bytes() == content


def test_lines_of_earlier_versions_are_read(path):
    path.write_text('{"run": "a", "scores": {"test": 0.5}}\n')
    assert RunStore(path).scores == {"a": {"test": 0.5}}


def test_a_full_disk_leaves_the_file_as_it_was(path, monkeypatch):
    store = add(path, 2)
    before, write = path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:20]))
    with pytest.raises(
        OSError, match=r"store='.*runs.jsonl' could not be written: the disk is full"
    ):
        store.add("run 2", {"test": 2.0})
    monkeypatch.undo()
    assert path.read_bytes() == before
    store.add("run 2", {"test": 2.0})
    assert RunStore(path).scores == store.scores


def test_what_cannot_be_cut_is_named():
    with pytest.raises(OSError, match="store='/dev/null' could not be written: "):
        RunStore(Path("/dev/null")).add("run", {"test": 1.0})


def test_a_link_is_followed(path):
    target = path.with_name("elsewhere.jsonl")
    target.touch()
    path.symlink_to(target)
    add(path, 2)
    assert path.is_symlink()
    assert len(RunStore(target).scores) == 2


# What `compare` makes of settings and scores ------------------------------------------------------


def test_numpy_s_numbers_are_python_s(path):
    setting = {"lr": 0.1}
    expected = compare(run, {"good": [setting], "plain": [setting]}, store=path, **FEW)
    calls.clear()
    numpys = {"lr": np.float64(0.1)}
    assert compare(run, {"good": [numpys], "plain": [numpys]}, store=path, **FEW) == expected
    assert not calls


@pytest.mark.parametrize("value", [torch.ones(2), {1, 2}, lambda: 0, float("nan"), 1j, b"text"])
def test_settings_that_no_file_can_hold_are_refused_before_anything_runs(value):
    calls.clear()
    with pytest.raises((TypeError, ValueError), match=r"arms\['plain'\]\[0\]\['lr'\]"):
        compare(run, {"good": [{"lr": 1.0}], "plain": [{"lr": value}]}, **FEW)
    assert not calls


@pytest.mark.parametrize("name", ["arm", "fold", "seed"])
def test_a_setting_by_the_name_of_what_compare_passes_is_refused(name):
    calls.clear()
    with pytest.raises(ValueError, match=rf"arms\['plain'\]\[0\] names {name}: expected other"):
        compare(run, {"good": [{"lr": 1.0}], "plain": [{"lr": 1.0, name: 3}]}, **FEW)
    assert not calls


def test_a_setting_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match=r"arms\['good'\]\[0\] is nested too deeply"):
        compare(run, {"good": [{"lr": endless}]}, **FEW)


def test_a_tuple_with_names_is_a_tuple():
    contrast = Contrast("good", "plain")
    comparison = compare(give({"test": 1.0}), {"good": [{"pair": contrast}]}, **FEW)
    assert comparison.arms["good"].candidates == [{"pair": ("good", "plain", "test")}]


def give(result):
    return lambda arm, fold, seed, **setting: result


def unequal(arm, fold, seed):
    return {"test": 1.0} if fold == 0 else {"other": 1.0}


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (give(None), TypeError, "run gave a NoneType for .*: expected scores by name"),
        (give({"test": "1"}), ValueError, "run gave test='1': expected a finite number"),
        (give({"test": torch.ones(2)}), ValueError, "run gave test=a tensor"),
        (unequal, ValueError, "run gave other for .*, and test for"),
        ("run", TypeError, "run is a str: expected a function"),
    ],
)
def test_runs_that_give_no_scores_are_named(function, error, message):
    with pytest.raises(error, match=message):
        compare(function, {"good": [{}]}, **FEW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [1.5, 2.9]}, r"seeds\[0\]=1.5: expected a whole number"),
        ({"seeds": "12"}, "seeds.*: expected whole numbers"),
        ({"folds": [0, None]}, r"folds\[1\]=None: expected a whole number"),
        ({"jobs": 0}, "jobs=0: expected a number of runs at a time"),
        ({"family": ["ab"]}, r"family\[0\].*: expected Contrast"),
    ],
)
def test_other_arguments_that_do_not_fit_are_named(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        compare(run, ONE_EACH, **FEW | options)


# The same numbers anywhere ------------------------------------------------------------------------


class Dropping(nn.Module):
    """Draws from torch's global generator, as dropout does."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 3))

    def loss(self, x, *, generator=None):
        return {"loss": (self.net(x) - x).square().mean()}


def train(arm, fold, seed, *, lr):
    """Train a model whose weights and dropout follow the seed."""
    torch.manual_seed(seed)
    model, x = Dropping(), torch.randn(40, 3, generator=torch.Generator().manual_seed(fold))
    history = vq.fit(model, x, epochs=2, batch_size=8, lr=lr, seed=seed)
    return {"test": -history.train["loss"][-1]}


ARMS = {"slow": [{"lr": 0.001}], "fast": [{"lr": 0.01}]}
MORE = {"folds": (0, 1, 2), "seeds": (0, 1), "test_to_train": 0.2}


@pytest.fixture(scope="module")
def alone():
    return compare(train, ARMS, **MORE)


def test_threads_give_the_same_numbers(alone):
    with joblib.parallel_config(backend="threading"):
        assert compare(train, ARMS, jobs=4, **MORE) == alone


def test_processes_give_the_same_numbers(alone):
    assert compare(train, ARMS, jobs=2, **MORE) == alone


def test_a_cluster_gives_the_same_numbers(alone, path):
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is missing")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert compare(train, ARMS, store=path, **MORE) == alone
    assert len(RunStore(path).scores) == 12

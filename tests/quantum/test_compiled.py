"""The compiled backend as a part of a program: threads, forks, memory, NaN, its cache."""

import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from numba.core import event

import vqvae_lib
from tests.quantum.oracle import problem, with_gradients
from vqvae_lib import Circuit, QuantumLayer
from vqvae_lib.quantum import LightCone, StateVectorSimulator
from vqvae_lib.quantum.compiled import Compiled, engine, release_scratch, resources, warm_up

# Wide and deep enough for several threads.
LARGE = Circuit(9, entangler="ring", reupload=True, space_layers=3)


def digest(backend, B=128):
    """Fingerprint of every bit of outputs and gradients."""
    found = with_gradients(backend, *problem(backend.circuit, B, 0, torch.float32))
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in found)).hexdigest()


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("make", [Compiled, LightCone])
def test_bits_depend_neither_on_threads_nor_on_the_run(make, threads, monkeypatch):
    used = []
    run = resources.run
    monkeypatch.setattr(
        "vqvae_lib.quantum.compiled.engine.run",
        lambda kernel, n, *args: (used.append(n), run(kernel, n, *args)),
    )
    backend = make(LARGE if make is Compiled else Circuit(40))
    digests = set()
    for count in (1, 2, 3, 8, 1):
        threads(count)
        digests.add(digest(backend))
    assert {1, 2, 3, 8} <= set(used)
    assert len(digests) == 1


def test_bits_are_those_of_another_process():
    code = (
        "from tests.quantum.test_compiled import *; torch.set_num_threads(2);"
        "print(digest(Compiled(LARGE)))"
    )
    root = Path(vqvae_lib.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == digest(Compiled(LARGE))


def test_bits_and_notice_fresh_from_the_compiler_and_from_disk(tmp_path):
    """The same bits; and a line on standard error where something is compiled, and only there."""
    code = (
        "from tests.quantum.test_compiled import *; torch.set_num_threads(1);"
        "print(digest(Compiled(Circuit(3, reupload=True)), B=9))"
    )
    root = Path(vqvae_lib.__file__).parents[1]
    cache = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path))
    fresh, from_disk = (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, cwd=root, env=cache,
        )
        for _run in range(2)
    )  # fmt: skip
    assert fresh.stdout == from_disk.stdout
    assert list(tmp_path.rglob("*.nbc"))
    notice = "Compiling the quantum kernels for torch.float32. Once on this machine"
    assert fresh.stderr.count("Compiling the quantum kernels") == fresh.stderr.count(notice) == 1
    assert "Compiling" not in from_disk.stderr


def test_small_work_stays_on_one_thread():
    assert resources.threads_for(1000, 8) == 1


def test_many_python_threads_may_call_it(threads):
    threads(2)
    backend = Compiled(LARGE)
    wanted, found = digest(backend), []
    workers = [threading.Thread(target=lambda: found.append(digest(backend))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [wanted] * 4


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_computes_too(threads):
    threads(2)
    wanted = digest(Compiled(LARGE))  # starts threads, which the child does not inherit
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(digest(Compiled(LARGE))))
    child.start()
    child.join(60)
    stuck = child.is_alive()
    child.kill()
    assert not stuck
    assert answers.get() == wanted


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_qubit_stays_pure_through_a_hundred_layers(dtype):
    """⟨X⟩² + ⟨Y⟩² + ⟨Z⟩² = 1; a last Rot(-π/2, 0, 0) turns ⟨Y⟩ to where ⟨X⟩ is read."""
    circuit = Circuit(1, space_layers=100, reupload=True)
    z, weights, _ = problem(circuit, 5, 0, dtype)
    weights[-1] = 0
    turned = weights.clone()
    turned[-1, 0, 0] = -torch.pi / 2
    backend = Compiled(circuit)
    length = backend(z, weights).square().sum(1) + backend(z, turned)[:, 1].square()
    rotations = 201  # each is rounded, and so changes the length by about one unit of rounding
    assert (length - 1).abs().max() < 2 * rotations * torch.finfo(dtype).eps


@pytest.mark.parametrize("entangler", ["ring", "brickwork", "none"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_stays_with_its_sample(bad, entangler):
    circuit = Circuit(4, entangler=entangler, reupload=True)
    z, weights, seeds = problem(circuit, 20, 0, torch.float32)
    good = with_gradients(Compiled(circuit), z, weights, seeds)
    z[7] = bad
    o, z_gradient, weights_gradient = with_gradients(Compiled(circuit), z, weights, seeds)
    assert o[7].isnan().all()
    others = torch.arange(20) != 7
    assert torch.equal(o[others], good[0][others])
    assert torch.equal(z_gradient[others], good[1][others])
    assert weights_gradient.isnan().any()
    weights[0, 0, 1] = bad
    assert Compiled(circuit)(z, weights)[:, 0].isnan().all()


def test_weights_may_change_before_the_way_back():
    circuit = Circuit(3)
    z, weights, seeds = problem(circuit, 4, 0)
    wanted = with_gradients(Compiled(circuit), z, weights, seeds)
    z.requires_grad_()
    w = weights.clone().requires_grad_()
    o = Compiled(circuit)(z, w)
    w.data.zero_()
    for ours, theirs in zip(torch.autograd.grad(o, (z, w), seeds), wanted[1:], strict=True):
        assert (ours - theirs).abs().max() < 1e-12


def test_the_way_back_can_be_taken_twice():
    z, weights, _ = problem(Circuit(3), 4, 0)
    weights.requires_grad_()
    o = Compiled(Circuit(3))(z, weights).sum()
    first = torch.autograd.grad(o, weights, retain_graph=True)
    assert torch.equal(*first, *torch.autograd.grad(o, weights))


@pytest.mark.parametrize("make", [Compiled, LightCone])
def test_a_second_derivative_is_refused_and_the_reference_has_it(make):
    circuit = Circuit(2)
    z, weights, _ = problem(circuit, 2, 0)
    z.requires_grad_()
    for by_weights in (False, True):
        weights.requires_grad_(by_weights)
        (slope,) = torch.autograd.grad(make(circuit)(z, weights).sum(), z, create_graph=True)
        with pytest.raises(RuntimeError, match=r"first derivatives only.*to_backend"):
            slope.square().sum().backward()
    # Through the gradient that comes in, as in a Jacobian-vector product, there is none either.
    with pytest.raises(RuntimeError, match="first derivatives only"):
        torch.autograd.functional.jvp(
            lambda z: make(circuit)(z, weights), z.detach(), torch.ones_like(z)
        )
    slow = (
        LightCone(circuit, compiled=False) if make is LightCone else StateVectorSimulator(circuit)
    )
    (slope,) = torch.autograd.grad(slow(z, weights).sum(), z, create_graph=True)
    assert torch.autograd.grad(slope.square().sum(), z)[0].abs().max() > 0


def test_scratch_is_kept_within_its_cap_used_again_and_released():
    scratch = resources.Scratch(cap=10_000)
    kind = np.dtype(np.float32)
    first = scratch.take((1000,), kind)
    address = first.ctypes.data
    assert address % 64 == 0
    scratch.give(first)
    assert scratch.held == 4000
    again = scratch.take((1000,), kind)
    assert again.ctypes.data == address
    assert scratch.held == 0
    scratch.give(again)
    for size in (1500, 1200, 2400):  # each pushes out what has lain longest
        scratch.give(np.empty(size, kind))
        assert scratch.held <= 10_000
    assert scratch.held == 9600
    scratch.give(np.empty(3000, kind))  # never fits
    assert scratch.held == 9600
    scratch.release()
    assert scratch.held == 0


def test_memory_goes_back_when_the_graph_goes():
    release_scratch()
    circuit = Circuit(10)
    z, weights, _ = problem(circuit, 16, 0)
    o = Compiled(circuit)(z, weights.requires_grad_())
    kept = 16 * (2**10 * 16 + 3 * 10 * 8)  # bytes of 16 states in complex128, and Bloch vectors
    while_held = resources.scratch.held
    del o
    assert resources.scratch.held - while_held == kept
    # After the way back it is not held either, though the loss lives on.
    release_scratch()
    loss = Compiled(circuit)(z, weights).sum()
    before = resources.scratch.held
    loss.backward()
    assert resources.scratch.held - before >= kept
    release_scratch()
    assert resources.scratch.held == 0


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_no_state_is_kept(mode):
    """Scratch for one state a thread, however many samples there are."""
    held = []
    for B in (16, 256):
        release_scratch()
        layer = QuantumLayer(Circuit(8), init="random", backend="compiled")
        with mode():
            layer(torch.randn(B, 16))
        held.append(resources.scratch.held)
    assert held[1] <= 2 * held[0]


def test_memory_is_constant_in_depth():
    """What a graph keeps: one final state a sample, however many layers there are."""
    kept = []
    for layers in (2, 40):
        release_scratch()
        circuit = Circuit(10, space_layers=layers)
        z, weights, _ = problem(circuit, 16, 0)
        o = Compiled(circuit)(z, weights.requires_grad_())
        before = resources.scratch.held
        del o
        kept.append(resources.scratch.held - before)
    assert kept[0] == kept[1]


def test_without_numba_it_warns_once_and_runs_in_plain_torch(tmp_path):
    code = """
import sys, warnings
sys.modules["numba"] = None
import torch, vqvae_lib
from vqvae_lib import Circuit, QuantumLayer
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    torch.manual_seed(0)
    circuit = Circuit(4)
    names = ("auto", "compiled", "light_cone")
    layers = [QuantumLayer(circuit, init="random", backend=name) for name in names]
    z = torch.randn(3, 8)
    for layer in layers:
        layer.weights = layers[0].weights
        layer(z).sum().backward()
    assert torch.allclose(layers[0](z), layers[0].to_backend("statevector")(z), atol=1e-6)
    QuantumLayer(Circuit(40), init="random")(torch.zeros(1, 80))
[w] = [w for w in told if "pip install numba" in str(w.message)]
print(w.filename, w.lineno)
"""
    # The warning names the line of this script that asked for the layer, not one of the library.
    line = 1 + code.splitlines().index(next(x for x in code.splitlines() if "layers = [" in x))
    script = tmp_path / "asks_for_layers.py"
    script.write_text(code, encoding="utf-8")
    root = Path(vqvae_lib.__file__).parents[1]
    env = dict(os.environ, PYTHONPATH=str(root))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.split() == [str(script), str(line)]


def test_numba_switched_off_is_told():
    code = "import vqvae_lib.quantum.compiled"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"NUMBA_DISABLE_JIT": "1", "PATH": ""},
    )
    assert "ImportError: the compiled backend needs numba, which NUMBA_DISABLE_JIT" in done.stderr


def test_an_edit_of_any_piece_compiles_anew(tmp_path):
    """In a copy of the library, cache included, a changed piece changes what is computed."""
    warm_up(torch.float32)
    library = tmp_path / "vqvae_lib"
    shutil.copytree(Path(vqvae_lib.__file__).parent, library)
    code = """
import numpy as np, vqvae_lib
from vqvae_lib import Circuit
from vqvae_lib.quantum.compiled import Compiled
circuit = Circuit(1, embedding="RY")
(pattern,) = Compiled(circuit).patterns
print(pattern.prepare(np.ones(circuit.weight_shape, np.float32), 8).frame[0, 0, 2])
"""

    def last_number_of_the_frame():
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return float(done.stdout)

    assert last_number_of_the_frame() == pytest.approx(np.cos(1), abs=1e-6)
    file = library / "quantum" / "compiled" / "weights.py"
    text = file.read_text(encoding="utf-8")
    assert "-s * a, s * b, c\n" in text
    file.write_text(text.replace("-s * a, s * b, c\n", "-s * a, s * b, 3 * c\n"), encoding="utf-8")
    assert last_number_of_the_frame() == pytest.approx(3 * np.cos(1), abs=1e-6)


def test_the_notice_is_about_our_kernels_alone(capfd, monkeypatch):
    """Whatever else numba compiles meanwhile, and however slow it is, there is nothing to say."""

    class Slow:
        def __init__(self, circuit):
            @numba.njit
            def foreign(x):
                return x + 1

            foreign(1)
            threading.Event().wait(0.3)

        def __call__(self, z, weights):
            return z + weights.sum()

    monkeypatch.setattr("vqvae_lib.quantum.compiled.engine.Compiled", Slow)
    warm_up(torch.float32)
    assert capfd.readouterr().err == ""


def test_the_notice_says_so_where_nothing_can_be_kept(capfd):
    notice = engine._CompileNotice(torch.float64)

    def kernel():
        pass

    kernel.__module__ = "vqvae_lib.quantum.compiled.kernels"
    for _twice in range(2):
        data = {"dispatcher": numba.njit(kernel)}  # without a cache
        notice.notify(event.Event("numba:compile", event.EventStatus.START, data))
    said = capfd.readouterr().err
    assert said.count("Compiling the quantum kernels for torch.float64. In every process") == 1
    assert said.count("\n") == 1


def test_a_compilation_that_fails_is_tried_again(monkeypatch):
    class Failing:
        tries = 0

        def __init__(self, circuit):
            Failing.tries += 1
            raise MemoryError("while compiling")

    monkeypatch.setattr("vqvae_lib.quantum.compiled.engine._warm", set())
    circuit = Circuit(2)
    backend, data = Compiled(circuit), problem(circuit, 3, 0, torch.float32)[:2]
    monkeypatch.setattr("vqvae_lib.quantum.compiled.engine.Compiled", Failing)
    for _try in range(2):
        with pytest.raises(MemoryError, match="while compiling"):
            backend(*data)
    assert Failing.tries == 2


def test_gradients_train_a_layer_to_what_it_can_represent():
    """Learn the features of the same circuit with other weights: the loss falls to nothing."""
    g = torch.Generator().manual_seed(0)
    circuit = Circuit(2)
    teacher, student = (QuantumLayer(circuit, init="random", generator=g) for _ in range(2))
    z = torch.randn(200, 4, generator=g)
    target = teacher(z).detach()
    optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
    for _step in range(300):
        loss = (student(z) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-4

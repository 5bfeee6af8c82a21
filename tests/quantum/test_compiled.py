"""The compiled backend as a part of a program: threads, forks, memory, NaN, its cache."""

import errno
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
from numba.core.caching import CompileResultCacheImpl

import vqvae_lib
from tests.quantum.oracle import problem, with_gradients
from vqvae_lib import Circuit, QuantumLayer
from vqvae_lib.quantum import LightCone, StateVectorSimulator
from vqvae_lib.quantum.backends import Auto
from vqvae_lib.quantum.compiled import Compiled, machine_code, release_scratch, resources


def add_one(x):
    """A kernel that compiles in no time."""
    return x + 1


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
    notice = "Compiling the quantum kernels for torch.float32, once on this machine"
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
    scratch = resources.Scratch(cap=1_000_000)
    kind = np.dtype(np.float32)
    first = scratch.take(100_000, kind)
    address = first.ctypes.data
    assert address % 64 == 0
    scratch.give(first)
    assert scratch.held == 400_000
    again = scratch.take(100_000, kind)
    assert again.ctypes.data == address
    assert scratch.held == 0
    scratch.give(again)
    for size in (150_000, 120_000, 240_000):  # each pushes out what has lain longest
        scratch.give(np.empty(size, kind))
        assert scratch.held <= 1_000_000
    assert scratch.held == 960_000
    scratch.give(np.empty(300_000, kind))  # never fits
    scratch.give(np.empty(resources.SMALL // 4 - 1, kind))  # not worth it
    assert scratch.held == 960_000
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
    # What depends on the weights alone is kept besides: three steps with 2**10 phases.
    assert kept <= resources.scratch.held - while_held < kept + 4 * 2**10 * 16
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
    """What a graph keeps of a sample: one final state, however many layers there are."""
    kept = []
    for layers in (2, 40):
        taken = []
        for B in (16, 48):
            release_scratch()
            circuit = Circuit(10, space_layers=layers)
            z, weights, _ = problem(circuit, B, 0)
            o = Compiled(circuit)(z, weights.requires_grad_())
            before = resources.scratch.held
            del o
            taken.append(resources.scratch.held - before)
        kept.append(taken[1] - taken[0])
    assert kept[0] == kept[1] > 0


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
    names = ("auto", "light_cone")
    layers = [QuantumLayer(circuit, init="random", backend=name) for name in names]
    z = torch.randn(3, 8)
    for layer in layers:
        layer.weights = layers[0].weights
        layer(z).sum().backward()
    assert torch.allclose(layers[0](z), layers[0].to_backend("statevector")(z), atol=1e-6)
    QuantumLayer(Circuit(40), init="random")(torch.zeros(1, 80))
    try:
        QuantumLayer(circuit, backend="compiled")
    except ImportError as error:
        assert "pip install numba" in str(error)
    else:
        raise AssertionError("what was asked for by name was replaced")
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
    """Code is kept under a fingerprint of all that is compiled into it."""
    folder = Path(machine_code.__file__).parent
    compiles = ("@piece", "@inline", "@kernel", "njit(", "@intrinsic")
    pieces = {
        path.stem
        for path in folder.glob("*.py")
        if any(mark in path.read_text("utf-8") for mark in compiles)
    }
    assert pieces - {"machine_code"} == set(machine_code.PIECES)
    for path in folder.glob("*.py"):
        shutil.copy(path, tmp_path)
    before = machine_code.fingerprint(tmp_path)
    assert before == machine_code.fingerprint(folder)
    for name in machine_code.PIECES:
        path = tmp_path / f"{name}.py"
        text = path.read_text("utf-8")
        path.write_text(text + "\n", "utf-8")
        assert machine_code.fingerprint(tmp_path) != before
        path.write_text(text, "utf-8")
    assert before in machine_code.Store(add_one).name


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


# ------------------------------------------------------------------------------ code kept on disk


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A folder for compiled code, and a way to compile as a new process would."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def compile_anew():
        dispatcher = numba.njit(add_one)
        dispatcher._cache = machine_code.Store(add_one)
        with machine_code.announced("a test"):
            assert dispatcher(1) == 2
        return dispatcher

    compile_anew.files = lambda: [path for path in tmp_path.rglob("*") if path.is_file()]
    return compile_anew


def compiled(dispatcher):
    """Whether it was compiled, or else read."""
    return bool(dispatcher.stats.cache_misses)


def test_code_is_compiled_once_and_announced_once(disk, capfd):
    assert compiled(disk())
    assert capfd.readouterr().err == (
        "Compiling the quantum kernels for a test, once on this machine. It takes a while.\n"
    )
    assert not compiled(disk())
    assert capfd.readouterr().err == ""
    assert len(disk.files()) == 1


def test_damaged_code_is_compiled_once_more(disk):
    disk()
    (file,) = disk.files()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"", whole[:10], whole[:32], whole[:-1], bytes(flipped), b"\0" * len(whole)):
        file.write_bytes(damaged)
        assert compiled(disk())
        assert disk.files() == [file]
        assert not compiled(disk())


def test_a_full_disk_costs_time_alone_and_says_so(disk, capfd, monkeypatch):
    def full(self, content):
        self.touch()  # what was begun
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert compiled(disk())
    said = capfd.readouterr().err
    assert "could not be kept on disk" in said
    assert "No space left on device" in said
    assert "NUMBA_CACHE_DIR" in said
    assert disk.files() == []
    assert compiled(disk())


def test_without_a_folder_it_says_so_and_reads_what_lies_beside_the_source(
    disk, capfd, monkeypatch, tmp_path
):
    disk()
    (file,) = disk.files()
    capfd.readouterr()
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    assert compiled(disk())
    said = capfd.readouterr().err
    assert "in every process anew" in said
    assert "NUMBA_CACHE_DIR" in said
    assert "once on this machine" not in said
    # What an administrator compiled is read by those who cannot write there.
    beside = tmp_path / "installed" / "__pycache__"
    beside.mkdir(parents=True)
    shutil.copy(file, beside)
    source = add_one.__code__.replace(co_filename=str(tmp_path / "installed" / "module.py"))
    monkeypatch.setattr(add_one, "__code__", source)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert not compiled(disk())
    assert capfd.readouterr().err == ""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_two_processes_may_compile_at_once(disk):
    context = multiprocessing.get_context("fork")
    together, answers = context.Barrier(2), context.SimpleQueue()

    def compile_together():
        together.wait(60)
        answers.put(compiled(disk()))

    children = [context.Process(target=compile_together) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert answers.get() or answers.get()
    assert len(disk.files()) == 1
    assert not compiled(disk())


def test_the_notice_is_about_our_kernels_alone(capfd):
    with machine_code.announced("a test"):
        numba.njit(add_one)(1)
    assert capfd.readouterr().err == ""


# --------------------------------------------------------------------- torch.func, torch.compile


CASES = {
    "grad": lambda f, z, w: torch.func.grad(lambda w: f(z, w).square().sum())(w),
    "vjp": lambda f, z, w: torch.func.vjp(f, z, w)[1](torch.ones(len(z), 4, dtype=z.dtype)),
    "jacobian of the data": lambda f, z, w: torch.func.jacrev(lambda z: f(z, w))(z),
    "jacobian of the weights": lambda f, z, w: torch.func.jacrev(lambda w: f(z, w))(w),
    "one by one": lambda f, z, w: torch.func.vmap(lambda z: f(z[None], w)[0])(z),
    "along the last axis": lambda f, z, w: torch.func.vmap(lambda z: f(z[None], w)[0], in_dims=1)(
        z.t()
    ),
    "batches along the last axis": lambda f, z, w: torch.func.vmap(lambda z: f(z, w), in_dims=2)(
        torch.stack([z, 2 * z, 3 * z], 2)
    ),
    "many weights": lambda f, z, w: torch.func.vmap(lambda s: f(z, s * w))(z[:, 0]),
    "gradients one by one": lambda f, z, w: torch.func.vmap(
        torch.func.grad(lambda w, z: f(z[None], w).square().sum()), in_dims=(None, 0)
    )(w, z),
    "Jacobians one by one": lambda f, z, w: torch.func.vmap(
        torch.func.jacrev(lambda z: f(z[None], w)[0])
    )(z),
}


@pytest.mark.parametrize("case", CASES)
def test_transforms_are_those_of_the_reference(case):
    circuit = Circuit(2)
    z, weights, _ = problem(circuit, 5, 0)
    found = [CASES[case](make(circuit), z, weights) for make in (Compiled, StateVectorSimulator)]
    for ours, theirs in zip(*(x if isinstance(x, tuple) else (x,) for x in found), strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-10


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (torch.func.jacfwd, "backward-mode derivatives only"),
        (torch.func.hessian, "backward-mode derivatives only"),
        (lambda f: torch.func.jacrev(torch.func.jacrev(f)), "first derivatives only"),
        (
            lambda f: torch.func.grad(lambda w: torch.func.grad(f)(w).sum()),
            "first derivatives only",
        ),
    ],
)
def test_what_the_kernels_cannot_do_is_said_with_the_backend_that_can(transform, sentence):
    circuit = Circuit(2)
    z, weights, _ = problem(circuit, 3, 0)
    with pytest.raises(RuntimeError, match=sentence + r".*to_backend\('statevector'\)"):
        transform(lambda w: Compiled(circuit)(z, w).square().sum())(weights)
    transform(lambda w: StateVectorSimulator(circuit)(z, w).square().sum())(weights)


def test_there_is_no_derivative_of_a_gradient_by_what_comes_in():
    circuit = Circuit(2)
    z, weights, seeds = problem(circuit, 3, 0)
    back = torch.func.vjp(lambda w: Compiled(circuit)(z, w), weights)[1]
    with pytest.raises(RuntimeError, match="first derivatives only"):
        torch.func.jvp(back, (seeds,), (seeds,))


def test_a_dual_number_keeps_its_tangent_or_is_refused():
    circuit = Circuit(2)
    z, weights, _ = problem(circuit, 3, 0)
    with (
        torch.autograd.forward_ad.dual_level(),
        pytest.raises(RuntimeError, match="backward-mode derivatives only"),
    ):
        Compiled(circuit)(torch.autograd.forward_ad.make_dual(z, z), weights)


@pytest.fixture
def fresh_graphs():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("by", ["eager", "aot_eager"])
@pytest.mark.parametrize("make", [Compiled, LightCone, Auto])
def test_a_hybrid_model_is_one_graph_for_torch_compile(make, by, fresh_graphs):
    circuit = Circuit(3)
    z, weights, seeds = problem(circuit, 5, 0)
    backend = make(circuit)
    model = torch.compile(lambda z, w: backend(2 * z, w) + 1, backend=by, fullgraph=True)
    reference = StateVectorSimulator(circuit)
    wanted = with_gradients(lambda z, w: reference(2 * z, w) + 1, z, weights, seeds)
    for ours, theirs in zip(with_gradients(model, z, weights, seeds), wanted, strict=True):
        assert (ours - theirs).abs().max() < 1e-10
    with torch.no_grad():
        more = torch.cat([z, z])  # another size of the batch
        assert (model(more, weights) - torch.cat([wanted[0], wanted[0]])).abs().max() < 1e-10


def test_layers_with_equal_shapes_are_not_mixed_up_in_a_graph(fresh_graphs):
    one, other = (Compiled(Circuit(2, initial=name)) for name in ("superposition", "zero"))
    z, weights, _ = problem(one.circuit, 4, 0)
    both = torch.compile(
        lambda z, w: (one(z, w), other(z, w)), backend="aot_eager", fullgraph=True
    )(z, weights)
    assert torch.equal(both[0], one(z, weights))
    assert torch.equal(both[1], other(z, weights))


@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler")
def test_a_hybrid_model_trains_under_inductor(fresh_graphs):
    torch.manual_seed(0)
    layer = QuantumLayer(Circuit(2), init="random", backend="compiled")
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), layer)
    x = torch.randn(6, 3)
    wanted = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    compiled = torch.compile(model)
    found = torch.autograd.grad(compiled(x).square().sum(), list(model.parameters()))
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("make", [Compiled, LightCone])
def test_a_tensor_of_inference_mode_is_taken(make):
    circuit = Circuit(2)
    z, weights, _ = problem(circuit, 3, 0)
    with torch.inference_mode():
        inside = z.clone()
        found = make(circuit)(inside, weights)
    assert torch.equal(make(circuit)(inside, weights), found)
    assert torch.equal(make(circuit)(z, weights), found)

"""Speed of the library, as ratios between ways of doing the same thing in one run.

`python -m experiments.speed` (or `make bench`) measures the ways side by side, A B C A B C …, and
writes medians to the committed results `speed` (training) and `quantum_speed` (the quantum layer).
Milliseconds differ from machine to machine; ratios much less. Every rival is compared with the
reference simulator in float64 before it is timed.

The quantum layer is measured in processes of their own, that own one core and then two.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import vqvae_lib as vq
from vqvae_lib.course.results import save_result
from vqvae_lib.quantum import Circuit, LightCone

EPOCHS = 5
# (n, L, B, whether the data are uploaded before each layer)
SIZES = [
    (4, 2, 64, False),
    (8, 3, 128, False),
    (8, 3, 128, True),
    (10, 3, 64, False),
    (12, 4, 64, False),
    (14, 3, 64, False),
    (16, 3, 16, False),
]
# The slowest are not waited for beyond this many qubits: seconds a call, and then minutes.
WIDEST = {"lightning.qubit adjoint": 10, "PennyLane catalyst": 10, "tensorcircuit-ng": 10}


# -------------------------------------------------------------------------------------- training


def model() -> vq.Autoencoder:
    """Build the autoencoder that all pairs train; the same weights each time."""
    torch.manual_seed(0)
    return vq.mlp_autoencoder(64, 128, 8, activation="silu")


def with_fit(x: torch.Tensor, **options: object) -> None:
    """Train by the library's loop."""
    vq.fit(model(), x, epochs=EPOCHS, **options)


def with_data_loader(x: torch.Tensor) -> None:
    """Train by the loop of most tutorials: a DataLoader over a TensorDataset, and Adam."""
    net = model()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x), batch_size=64, shuffle=True
    )
    for _epoch in range(EPOCHS):
        for (batch,) in loader:
            loss = net.loss(batch)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def seconds(function: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def ratio(slow: Callable[[], None], fast: Callable[[], None], repeats: int) -> dict[str, float]:
    """Median, smallest and largest of slow/fast over `repeats` pairs, after one warm-up pair."""
    pairs = [seconds(slow) / seconds(fast) for _ in range(repeats + 1)][1:]
    return {
        "median": round(statistics.median(pairs), 2),
        "low": round(min(pairs), 2),
        "high": round(max(pairs), 2),
    }


def measure_training(repeats: int) -> None:
    """Measure `fit`, and write the result `speed`."""
    x = vq.load_digits().x_train
    threads = torch.get_num_threads()

    def on_one_thread() -> None:
        torch.set_num_threads(1)
        with_fit(x)
        torch.set_num_threads(threads)

    ratios = {"all threads / one thread": ratio(lambda: with_fit(x), on_one_thread, repeats)}
    torch.set_num_threads(1)
    ratios["DataLoader loop / fit"] = ratio(
        lambda: with_data_loader(x), lambda: with_fit(x), repeats
    )
    with TemporaryDirectory() as folder:
        ratios["fit with a checkpoint each epoch / fit"] = ratio(
            lambda: with_fit(x, checkpoint=f"{folder}/run.safetensors", resume=False),
            lambda: with_fit(x),
            repeats,
        )
    for name, value in ratios.items():
        print(f"{name}: {value['median']} ({value['low']} to {value['high']})")
    settings = {"repeats": repeats, "epochs": EPOCHS, "batch_size": 64, "threads": threads}
    path = save_result("speed", script="experiments.speed", settings=settings, ratios=ratios)
    print(f"wrote {path.name}")


# ----------------------------------------------------------------------------- the quantum layer


def milliseconds(way: Callable[[], object], estimate: float) -> float:
    """Milliseconds of one call: of a slow way once, of a fast one the mean over 20 ms of calls.

    The first call after other programs' work finds the caches full of that work, as no call in a
    training loop does: a fast way makes one call that is not timed.
    """
    calls = 1
    time.sleep(0.05)  # other programs' threads spin for a while after their work
    if estimate < 200:
        way()
        calls = max(3, min(200, int(20 / max(estimate, 1e-3))))
    started = time.perf_counter()
    for _ in range(calls):
        way()
    return 1e3 * (time.perf_counter() - started) / calls


def interleaved(ways: dict[str, Callable[[], object]], budget: float) -> dict[str, float]:
    """Median milliseconds of each way, over as many rounds of all ways as fit into the budget.

    At least five rounds, at most 21; a way that takes more than a second is timed in two.
    """
    times = {name: [1e3 * seconds(way)] for name, way in ways.items()}  # to be dropped
    started = time.perf_counter()
    for round_ in range(21):
        if round_ >= 5 and time.perf_counter() - started > budget:
            break
        for name, way in ways.items():
            if len(times[name]) < 3 or times[name][-1] < 1000:
                times[name].append(milliseconds(way, times[name][-1]))
    return {name: round(statistics.median(taken[1:]), 4) for name, taken in times.items()}


def problem(circuit: Circuit, B: int) -> list[torch.Tensor]:
    """Latent vectors, weights and the gradients that the features get."""
    g = torch.Generator().manual_seed(0)
    shapes = [(B, circuit.latent_dim), circuit.weight_shape, (B, circuit.n_features)]
    return [torch.randn(shape, generator=g) for shape in shapes]


def worst_error(got: tuple[Any, ...], wanted: tuple[Any, ...]) -> float:
    """Largest difference, relative to the largest number of each array."""
    errors = []
    for a, b in zip((np.asarray(a) for a in got), (b.numpy() for b in wanted), strict=True):
        if a.shape != b.shape:
            return np.inf
        errors.append(np.abs(a - b).max() / max(1.0, np.abs(b).max()))
    return float(np.max(errors))  # NaN, if there is one


def contest(
    what: str,
    circuit: Circuit,
    B: int,
    names: list[str],
    skipped: dict[str, str],
    budget: float,
) -> dict[str, Any]:
    """Milliseconds of each contender on one circuit, once its numbers have been verified."""
    from experiments.rivals import make_step

    tensors = problem(circuit, B)
    doubles = [tensor.double() for tensor in tensors]
    wanted = make_step("statevector", circuit, *doubles)()
    ways: dict[str, Callable[[], object]] = {
        "compiled, float64": make_step("compiled", circuit, *doubles)
    }
    for name in names:
        if circuit.n_qubits > WIDEST.get(name, 99):
            skipped[f"{name}, {what}"] = "not run: too slow to wait for"
            continue
        try:
            step = make_step(name, circuit, *tensors)
            error = worst_error(step(), wanted)
        except Exception as reason:  # a rival that fails is not timed, and says why
            skipped[f"{name}, {what}"] = f"{type(reason).__name__}: {reason}"[:200]
            continue
        if not error <= 1e-4:
            skipped[f"{name}, {what}"] = f"numbers differ by {error:.1e}"
            continue
        ways[name] = step
    return interleaved(ways, budget)


def vae_step(n: int, B: int, bottleneck: torch.nn.Module) -> Callable[[], None]:
    """One training step of a VAE (784-400, Adam) with a bottleneck between code and decoder."""
    torch.manual_seed(0)
    d = 2 * n
    encoder, heads = torch.nn.Linear(784, 400), torch.nn.Linear(400, 2 * d)
    decoder = torch.nn.Sequential(
        torch.nn.Linear(d, 400), torch.nn.ReLU(), torch.nn.Linear(400, 784)
    )
    modules = torch.nn.ModuleList([encoder, heads, decoder, bottleneck])
    optimizer = torch.optim.Adam(modules.parameters(), lr=1e-3)
    x = torch.rand(B, 784)

    def step() -> None:
        mu, log_var = heads(torch.relu(encoder(x))).chunk(2, 1)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        logits = decoder(bottleneck(z))
        nll = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()
        optimizer.zero_grad()
        ((nll + kl) / B).backward()
        optimizer.step()

    return step


def vae_share(n: int, B: int) -> dict[str, float]:
    """Milliseconds of a whole training step, and what part of it goes when the circuit goes."""
    layer = vq.QuantumLayer(Circuit(n), init="random", generator=torch.Generator().manual_seed(0))
    whole, without = vae_step(n, B, layer), vae_step(n, B, torch.nn.Identity())
    pairs = [(seconds(whole), seconds(without)) for _ in range(110)][10:]
    share = 1 - statistics.median(b / a for a, b in pairs)
    return {
        "step_ms": round(1e3 * statistics.median(a for a, _ in pairs), 3),
        "share": round(share, 3),
    }


def light_cone_growth(budget: float) -> dict[str, float]:
    """Milliseconds of light cones of the course's circuit (L = 2, B = 64) against n."""
    from experiments.rivals import torch_step

    ways = {}
    for n in (10, 20, 50, 100, 200, 500, 1000):
        circuit = Circuit(n)
        ways[str(n)] = torch_step(LightCone(circuit), *problem(circuit, 64))
        ways[str(n)]()
    return interleaved(ways, budget)


def limits() -> dict[str, float]:
    """Measure the machine: Gflop/s of a matrix product, GB/s of copies (read and written)."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    product = statistics.median(seconds(lambda: a @ b) for _ in range(9))
    found = {"matmul_gflops": round(2 * 1024**3 / product / 1e9, 1)}
    for name, size in (("memory", 2**28), ("cache", 2**17)):  # bytes
        source = np.ones(size // 4, np.float32)
        target = np.zeros_like(source) + 1
        calls = 2**28 // size

        def copies(source=source, target=target, calls=calls) -> None:
            for _ in range(calls):
                target[:] = source

        copy = statistics.median(seconds(copies) for _ in range(9)) / calls
        found[f"copy_in_{name}_gb_per_s"] = round(2 * size / copy / 1e9, 1)
    return found


def kernel_rate(circuit: Circuit, B: int, ms: float) -> dict[str, float]:
    """How much a forward and backward pass does a second, to be held against `limits`.

    Operations are those of RY alone: three shears on each pair of amplitudes, 6 · 2**n forward,
    and 16 · 2**n backward (the state, its gradient, and the angle's). Bytes are read and written
    once for each gather and each group of qubits that turns at once, and twice on the way back.
    """
    from vqvae_lib.quantum.compiled.program import compile_program

    n = circuit.n_qubits
    program = compile_program(circuit, circuit.operations(), n, range(n))
    amplitudes = B * 2**n
    turned = [int(step["high"] - step["low"]) for step in program.steps]
    operations = 22 * amplitudes * sum(turned)
    there = sum(1 + -(-width // 3) for width in turned)
    back = sum(1 + -(-width // 2) for width in turned)
    moved = 2 * 8 * amplitudes * (there + 2 * back)
    return {
        "ns_per_amplitude_and_ry": round(1e6 * ms / (amplitudes * sum(turned)), 3),
        "gflops": round(operations / ms / 1e6, 1),
        "gb_per_s": round(moved / ms / 1e6, 1),
    }


def start_times() -> dict[str, float]:
    """Seconds of a first call in a new process: compiling, and reading the compiled code."""
    code = (
        "import time, torch; from vqvae_lib.quantum.compiled import warm_up; t = time.time();"
        "warm_up(torch.float32); print(time.time() - t)"
    )
    with TemporaryDirectory() as folder:
        env = dict(os.environ, NUMBA_CACHE_DIR=folder)
        cold, cached = (
            float(subprocess.run([sys.executable, "-c", code], env=env, check=True,
                                 capture_output=True, text=True).stdout)
            for _run in range(2)
        )  # fmt: skip
    return {"cold_s": round(cold, 1), "cached_s": round(cached, 2)}


def circuits(n: int, L: int, reupload: bool) -> dict[str, Circuit]:
    """Build the course's circuit, with the entangler that has no light cones, and PennyLane's."""
    return {
        "course, ring": Circuit(n, entangler="ring", space_layers=L, reupload=reupload),
        "template": Circuit.strongly_entangling(n, L, reupload=reupload),
    }


def measure_here(threads: int, budget: float) -> dict[str, Any]:
    """Everything about the quantum layer on this process's cores."""
    from experiments.rivals import IN_TORCH, NEEDS, missing

    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    names = list(dict.fromkeys((*IN_TORCH, *NEEDS)))
    skipped = {name: reason for name in names if (reason := missing(name))}
    names = [name for name in names if name not in skipped]
    contests = []
    # What a second core adds shows in the sizes where it is used.
    sizes = SIZES if threads == 1 else [s for s in SIZES if s[0] in (8, 12) and not s[3]]
    for n, L, B, reupload in sizes:
        for kind, circuit in circuits(n, L, reupload).items():
            row = {"circuit": kind, "n": n, "L": L, "B": B, "reupload": reupload}
            row["ms"] = contest(f"{kind}, n={n}", circuit, B, names, skipped, budget)
            ours = row["ms"]["compiled"]
            row["times"] = {name: round(ms / ours, 1) for name, ms in row["ms"].items()}
            if kind == "course, ring":
                row["kernel"] = kernel_rate(circuit, B, ours)
            contests.append(row)
            print(threads, json.dumps(row), file=sys.stderr, flush=True)
    result = {
        "contests": contests,
        "skipped": skipped,
        "vae_step": {
            f"n={n}, B={B}": vae_share(n, B) for n in (8, 10) for B in (64, 128)
        },
        "light_cone_ms": light_cone_growth(3 * budget),
        "limits": limits(),
    }  # fmt: skip
    for part in ("skipped", "vae_step", "light_cone_ms", "limits"):
        print(threads, part, json.dumps(result[part]), file=sys.stderr, flush=True)
    return result


def measure_quantum(budget: float) -> None:
    """Measure the quantum layer on one core and on two, and write the result `quantum_speed`."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    runs = {}
    for threads in (1, 2):
        if cores and len(cores) < threads:
            continue
        pinned = ["taskset", "-c", ",".join(map(str, cores[:threads]))] if cores else []
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        command = [*pinned, sys.executable, "-m", "experiments.speed", "--threads", str(threads)]
        root = Path(__file__).resolve().parents[1]
        with TemporaryDirectory() as folder:
            output = Path(folder) / "found.json"
            command += ["--budget", str(budget), "--output", str(output)]
            subprocess.run(command, env=env, cwd=root, check=True)
            runs[f"threads_{threads}"] = json.loads(output.read_text(encoding="utf-8"))
    from vqvae_lib.quantum.compiled import lanes

    path = save_result(
        "quantum_speed",
        script="experiments.speed",
        settings={
            "seconds_a_contest": budget,
            "seed": 0,
            "dtype": "float32; PennyLane's default.qubit goes on in complex128 by itself",
            "register_bytes": 4 * lanes.width(4),
        },
        start=start_times(),
        **runs,
    )
    print(f"wrote {path.name}")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure speed as ratios.")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--budget", type=float, default=8.0, help="seconds for each contest")
    parser.add_argument("--only", choices=["training", "quantum"])
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        found = measure_here(options.threads, options.budget)
        Path(options.output).write_text(json.dumps(found), encoding="utf-8")
        return
    if options.only != "quantum":
        measure_training(options.repeats)
    if options.only != "training":
        measure_quantum(options.budget)


if __name__ == "__main__":
    main()

"""What each trick of the compiled quantum layer buys: undo it alone, and measure.

`python -m experiments.tricks` copies the library once for each trick, undoes that trick in the
copy by editing its source, lets it compile, verifies that its numbers are still those of the
reference simulator, and times it against the library as it is. It writes the result
`quantum_tricks`: ratios, medians over rounds in which all copies take turns. One thread, float32,
forward and backward; about ten minutes.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import vqvae_lib as vq
from experiments.speed import milliseconds, problem, worst_error
from vqvae_lib.course.results import save_result
from vqvae_lib.quantum import LightCone, StateVectorSimulator
from vqvae_lib.quantum.compiled import Compiled

ROOT = Path(__file__).resolve().parents[1]
COMPILED = Path("vqvae_lib/quantum/compiled")

# Each trick: the edits that undo it, as (file, what stands there, what takes its place). An edit
# whose text is no longer there fails: the table has to follow the code.
TRICKS: dict[str, list[tuple[str, str, str]]] = {
    "registers": [  # one sample at a time, where a register holds 8 or 16
        (
            "lanes.py",
            '_BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32',
            "_BYTES = 4",
        ),
    ],
    "merged gates": [  # every CNOT a pass of its own over the state
        (
            "program.py",
            "            step.entangle(operation)\n",
            "            for pair in operation.pairs:\n"
            "                steps[-1].entangle(Entangle((pair,), operation.gate))\n"
            "                turns.append((NOTHING, 0, 0))\n"
            "                steps.append(_Step(n))\n",
        ),
    ],
    "fused turns": [  # every RY a pass of its own
        ("gates.py", "        if left >= 3 and left != 4:", "        if left >= 99:"),
        ("gates.py", "        elif left >= 2:", "        elif left >= 99:"),
        ("gates.py", "        if high - bit >= 2:", "        if high - bit >= 99:"),
    ],
    "last turn on three numbers": [  # the last Rot acts on the state, not on Bloch vectors
        ("program.py", "    if isinstance(last := operations[-1], Rotate):", "    if False:"),
    ],
}  # fmt: skip

SIZES = [(8, 3, 128), (12, 3, 32)]  # n, L, B


def circuit_of(n: int, L: int) -> vq.Circuit:
    """Build the course's circuit, with the entangler that has no light cones."""
    return vq.Circuit(n, entangler="ring", space_layers=L)


def undo(trick: str | None, folder: Path) -> None:
    """Copy the library to a folder and undo a trick there."""
    ignore = shutil.ignore_patterns("__pycache__", "results", "_runs", "*.js")
    for package in ("vqvae_lib", "experiments"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    for name, old, new in TRICKS.get(trick or "", []):
        path = folder / COMPILED / name
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{trick}: expected this once in {name}, and found it not:\n{old}")
        path.write_text(text.replace(old, new), "utf-8")


def both_ways(backend: object, tensors: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Features, and the gradients of z and weights."""
    z, weights, grad = tensors
    z, weights = (t.detach().clone().requires_grad_() for t in (z, weights))
    features = backend(z, weights)
    return (features.detach(), *torch.autograd.grad(features, (z, weights), grad))


def time_here() -> dict[str, float]:
    """Milliseconds of the library that this process has loaded, once its numbers are verified."""
    torch.set_num_threads(1)
    found = {}
    for n, L, B in SIZES:
        circuit = circuit_of(n, L)
        tensors = problem(circuit, B)
        backend = Compiled(circuit)
        wanted = both_ways(StateVectorSimulator(circuit), [t.double() for t in tensors])
        error = worst_error(both_ways(backend, tensors), wanted)
        if not error < 1e-4:
            raise ValueError(f"n={n}: numbers differ by {error:.1e} from the reference")
        once = milliseconds(lambda b=backend, t=tensors: both_ways(b, t), 100.0)
        taken = [milliseconds(lambda b=backend, t=tensors: both_ways(b, t), once) for _ in range(5)]
        found[f"n={n}"] = statistics.median(taken)
    return found


def in_the_open(repeats: int) -> dict[str, dict[str, float]]:
    """Tricks that need no copy: other ways that the library offers, side by side in one process."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, float]] = {}
    for n, L, B in SIZES:
        circuit = circuit_of(n, L)
        tensors = problem(circuit, B)
        doubles = [t.double() for t in tensors]
        compiled, reference = Compiled(circuit), StateVectorSimulator(circuit)
        pairs = {
            "compiled against gate by gate": ((reference, tensors), (compiled, tensors)),
            "float32": ((compiled, doubles), (compiled, tensors)),
        }
        for name, (slow, fast) in pairs.items():
            found.setdefault(name, {})[f"n={n}"] = ratio(slow, fast, repeats)
    wide = vq.Circuit(16)
    tensors = problem(wide, 32)
    slow, fast = (Compiled(wide), tensors), (LightCone(wide), tensors)
    found["light cones"] = {"n=16": ratio(slow, fast, repeats)}
    return found


def ratio(slow: tuple, fast: tuple, repeats: int) -> float:
    """Median of slow / fast over pairs of measurements."""
    estimates = [milliseconds(lambda w=way: both_ways(*w), 1e6) for way in (slow, fast)]
    pairs = [
        [milliseconds(lambda w=way: both_ways(*w), e)
         for way, e in zip((slow, fast), estimates, strict=True)]
        for _ in range(repeats)
    ]  # fmt: skip
    return round(statistics.median(a / b for a, b in pairs), 2)


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Ratio of each trick's copy to the library as it is, by size."""
    with TemporaryDirectory() as folder:
        homes = {trick: Path(folder) / f"copy{i}" for i, trick in enumerate([None, *TRICKS])}
        for trick, home in homes.items():
            undo(trick, home)
        taken: dict[str | None, list[dict[str, float]]] = {trick: [] for trick in homes}
        for round_ in range(rounds + 1):
            for trick, home in homes.items():
                env = dict(
                    os.environ, NUMBA_CACHE_DIR=str(home / "cache"), PYTHONPATH=str(home),
                    OMP_NUM_THREADS="1", MKL_NUM_THREADS="1",
                )  # fmt: skip
                command = [sys.executable, "-m", "experiments.tricks", "--time"]
                done = subprocess.run(
                    command, env=env, cwd=home, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    raise RuntimeError(f"{trick}:\n{done.stderr}")
                if round_:  # the first one compiles
                    taken[trick].append(json.loads(done.stdout))
                    print(trick, taken[trick][-1], file=sys.stderr, flush=True)
    return {
        trick: {
            size: round(
                statistics.median(
                    a[size] / b[size] for a, b in zip(taken[trick], taken[None], strict=True)
                ),
                2,
            )
            for size in taken[None][0]
        }
        for trick in TRICKS
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure what each trick of the kernels buys.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--time", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        print(json.dumps(time_here()))
        return
    from vqvae_lib.quantum.compiled import lanes

    undone = measure(options.rounds)
    path = save_result(
        "quantum_tricks",
        script="experiments.tricks",
        settings={
            "rounds": options.rounds,
            "sizes": {f"n={n}": {"L": L, "B": B} for n, L, B in SIZES},
            "dtype": "float32",
            "threads": 1,
            "register_bytes": 4 * lanes.width(4),
        },
        undone=undone,
        other=in_the_open(options.rounds),
    )
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()

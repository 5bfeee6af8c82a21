"""What a circuit costs in training: a step of the hybrid VQVAE against its rivals.

`python -m experiments.vqvae_speed` writes the committed result `vqvae_speed`. Both models of a
pair are trained in turn, some steps each, on random numbers, and the ratio is that of neighbours in
time: whatever else the machine does, it does to both. One thread, float32, Adam.
"""

import statistics
import time
from typing import Any

import torch

import vqvae_lib as vq
from vqvae_lib.course.results import save_result

ROUNDS, STEPS = 40, 20
PAIRS = {
    "10 qubits against none": (
        {"input_dim": 784, "hidden_dim": 400, "latent_dim": 20, "n_qubits": 10},
        {"bottleneck": "none"},
        128,
    ),
    "50 qubits against 10": (
        {"input_dim": 1000, "hidden_dim": 200, "latent_dim": 100, "n_qubits": 50},
        {"latent_dim": 20, "n_qubits": 10},
        64,
    ),
}


def time_pair(options: dict[str, Any], change: dict[str, Any], batch_size: int) -> dict[str, float]:
    """Milliseconds of a training step of both, and their ratio: medians over rounds."""
    models = [vq.VQVAE(**options), vq.VQVAE(**options | change)]
    optimizers = [torch.optim.Adam(model.parameters(), fused=True) for model in models]
    x = torch.rand(batch_size, options["input_dim"], generator=torch.Generator().manual_seed(0))
    ms: list[list[float]] = [[], []]
    for round_ in range(ROUNDS + 1):
        for model, optimizer, taken in zip(models, optimizers, ms, strict=True):
            started = time.perf_counter()
            for _ in range(STEPS):
                optimizer.zero_grad()
                model.loss(x)["loss"].backward()
                optimizer.step()
            if round_ > 0:  # the first one warms up
                taken.append(1000 * (time.perf_counter() - started) / STEPS)
    ratios = [a / b for a, b in zip(*ms, strict=True)]
    first, second = map(statistics.median, ms)
    return {"first_ms": first, "second_ms": second, "ratio": statistics.median(ratios)}


def main() -> None:
    """Measure all pairs and write the result."""
    torch.set_num_threads(1)
    found = {name: time_pair(*pair) for name, pair in PAIRS.items()}
    for name, times in found.items():
        print(name, {key: round(value, 2) for key, value in times.items()})
    save_result(
        "vqvae_speed", script="experiments.vqvae_speed",
        settings={"rounds": ROUNDS, "steps_a_round": STEPS, "threads": 1, "dtype": "float32"},
        pairs=found,
    )  # fmt: skip


if __name__ == "__main__":
    main()

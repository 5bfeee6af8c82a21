"""The hybrid VQVAE on MNIST in the article's sizes, with the VAE beside it.

`python -m experiments.mnist_vqvae` trains what the book's table shows, one run after another, and
writes each finished run into the committed result `mnist_vqvae`; `--only NAME` does one run,
`--list` names them, `--times` measures the steps and nothing else. Data, evaluation and network
are those of `experiments.mnist_vae`; between code and decoder stand ten qubits or nothing.
"""

import statistics
import sys
import time

import torch

import vqvae_lib as vq
from experiments.mnist_vae import Run, binarised, build, options, study
from vqvae_lib.course.results import load_result, save_result

ARTICLE = (784, 400, 20)
TABLE = {
    f"{name}, seed {seed}": Run(ARTICLE, 1, 200, 100, 2e-3, seed=seed, n_qubits=n_qubits)
    for seed in range(3)
    for name, n_qubits in (("vqvae", 10), ("vae", None))
}
GALLERY = "vqvae, seed 0"
STEPS = 40  # in a round, of each model in turn
ROUNDS = 15


def time_steps(batch_size: int = 128) -> dict[str, float]:
    """Milliseconds of a training step of both models, medians of rounds taken in turn."""
    torch.set_num_threads(1)
    x_train = vq.load_mnist().x_train
    models = {name: build(TABLE[f"{name}, seed 0"], x_train) for name in ("vqvae", "vae")}
    optimizers = {
        name: torch.optim.Adam(model.parameters(), fused=True) for name, model in models.items()
    }
    generator = torch.Generator().manual_seed(0)
    x = binarised(x_train[:batch_size], generator)
    ms: dict[str, list[float]] = {name: [] for name in models}
    for round_ in range(ROUNDS + 1):
        for name, model in models.items():
            started = time.perf_counter()
            for _ in range(STEPS):
                optimizers[name].zero_grad()
                model.loss(x, generator=generator)["loss"].backward()
                optimizers[name].step()
            if round_ > 0:  # the first one warms up
                ms[name].append(1000 * (time.perf_counter() - started) / STEPS)
    found = {name: statistics.median(taken) for name, taken in ms.items()}
    ratio = statistics.median(a / b for a, b in zip(ms["vqvae"], ms["vae"], strict=True))
    return {**found, "ratio": ratio, "batch_size": batch_size}


def main() -> None:
    """Train, evaluate, and write the result after each run; or measure the steps."""
    if "--times" in sys.argv:
        before = load_result("mnist_vqvae")
        kept = {name: before[name] for name in ("runs", "gallery")}
        times = time_steps()
        print(times)
        save_result(
            "mnist_vqvae", script=before["script"], settings=before["settings"], **kept,
            step_ms=times,
        )  # fmt: skip
        return
    only = options(TABLE).only
    study("mnist_vqvae", TABLE, GALLERY, script="experiments.mnist_vqvae", only=only)


if __name__ == "__main__":
    main()

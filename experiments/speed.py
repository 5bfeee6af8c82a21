"""Speed of the library, as ratios between two ways of doing the same thing in one run.

`python -m experiments.speed` (or `make bench`) measures each pair side by side, A B A B …, and
writes the medians of the ratios to the committed result `speed`. Seconds differ from machine to
machine; ratios much less.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

import torch

import vqvae_lib as vq
from vqvae_lib.course.results import save_result

EPOCHS = 5


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


def seconds(function: Callable[[], None]) -> float:
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


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure speed as ratios.")
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
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


if __name__ == "__main__":
    main()

"""Variational autoencoders on MNIST, held against published numbers.

`python -m experiments.mnist_vae` trains what the book's table shows, one run after another, and
writes each finished run into the committed result `mnist_vae`. A run that was stopped is taken up
where it was; one that is finished is not run again. `--only NAME` does one run, `--list` names
them. Two at a time suit two cores; each uses one thread.

Data: MNIST, binarised anew for each batch, so that no two epochs see the same black and white
("dynamic binarisation"); the test images are binarised once, with a seed. All 60,000 training
images are trained on, with a schedule fixed in advance; the test images are looked at once, at the
end, by 5000 importance samples each.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.course.results import load_result, pack_images, save_result
from vqvae_lib.metrics import Estimate

RUNS = Path(__file__).parent / "_runs"
EVALUATION_K = 5000
TEST_SEED = 2016  # binarises the test images, and draws the importance samples


@dataclass(frozen=True)
class Run:
    """One row of the table.

    Attributes
    ----------
    sizes
        Widths from the pixels to the code.
    K
        Importance samples in training.
    epochs, batch_size, lr
        Adam, the learning rate falling to 0 along half a cosine.
    seed
        Of initial weights, order, binarisation and noise.
    start
        Name of the run whose weights this one begins with.
    published
        The test NLL that the literature gives for these sizes and K, after 3280 epochs of batches
        of 20 (Burda, Grosse and Salakhutdinov 2016, table 1); None if there is none.
    n_qubits
        Qubits between code and decoder, for sizes of one hidden layer; None: a plain VAE.
    """

    sizes: tuple[int, ...]
    K: int
    epochs: int
    batch_size: int
    lr: float
    seed: int = 0
    start: str | None = None
    published: float | None = None
    n_qubits: int | None = None


TWO_LAYERS = (784, 200, 200, 50)
TABLE = {
    "vae": Run(TWO_LAYERS, 1, 600, 100, 2e-3, published=86.76),
    "iwae-5": Run(TWO_LAYERS, 5, 40, 100, 1e-3, start="vae", published=85.54),
    "iwae-50": Run(TWO_LAYERS, 50, 30, 100, 1e-3, start="vae", published=84.78),
    "article": Run((784, 400, 20), 1, 200, 100, 2e-3),
    "vae, seed 1": Run(TWO_LAYERS, 1, 600, 100, 2e-3, seed=1, published=86.76),
}
GALLERY = "vae"  # the run whose samples are kept


def all_training_images(data: vq.ImageData) -> Tensor:
    """Join what the loader keeps for validation to the rest, as published runs train on all.

    Nothing is chosen by validation here; so the 60,000 images come in the order of the file.
    """
    return torch.cat([data.x_valid, data.x_train])


def build(run: Run, x_train: Tensor) -> vq.VAE:
    """Build the network; the last bias starts at the mean image, as in the published code."""
    torch.manual_seed(run.seed)
    *hidden, d = run.sizes
    model: vq.VAE
    if run.n_qubits is not None:
        model = vq.VQVAE(
            *run.sizes, run.n_qubits, activation="tanh", likelihood=vq.Bernoulli(), K=run.K
        )
    else:
        trunk = vq.mlp(hidden, activation="tanh", output_activation="tanh")
        decoder = vq.mlp(run.sizes[::-1], activation="tanh")
        encoder = vq.GaussianEncoder(trunk, hidden[-1], d)
        model = vq.VAE(encoder, decoder, vq.Bernoulli(), K=run.K)
    with torch.no_grad():
        model.decoder[-1].bias.copy_(x_train.mean(0).clamp(1e-3, 1 - 1e-3).logit())
    return model


def binarised(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw black or white anew for each batch."""
    return torch.bernoulli(x, generator=generator)


def weights_of(name: str) -> Path:
    """Where the weights of a finished run lie."""
    return RUNS / f"{name}.weights.safetensors"


class Clock:
    """Keep the seconds of a run in a file, those before it was stopped included.

    Called before each epoch; its repr, by which `fit` knows it, is the same when a run is resumed.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.start = time.perf_counter() - (float(file.read_text()) if file.exists() else 0.0)

    def __call__(self, _epoch: int) -> None:
        """Write the seconds so far."""
        self.file.write_text(str(time.perf_counter() - self.start))

    def __repr__(self) -> str:
        return "Clock()"


def train(name: str, run: Run, x_train: Tensor) -> tuple[vq.VAE, dict[str, Any]]:
    """Train, or take up training, and keep the weights."""
    model = build(run, x_train)
    if run.start is not None:
        start = weights_of(run.start)
        if not start.exists():
            raise FileNotFoundError(f"{name} starts from {run.start}: run that first")
        model.load_state_dict(load_file(start))
    clock = Clock(RUNS / f"{name}.seconds")
    history = vq.fit(
        model, x_train, epochs=run.epochs, batch_size=run.batch_size, lr=run.lr, seed=run.seed,
        schedule=vq.cosine(run.epochs), transform=binarised, before_epoch=clock,
        checkpoint=RUNS / f"{name}.safetensors", progress=True,
    )  # fmt: skip
    clock(run.epochs)
    save_file(model.state_dict(), weights_of(name))
    return model, {
        "training_seconds": round(float(clock.file.read_text())),
        "training_bound": round(-history.train["loss"][-1], 2),
    }


def evaluate(model: vq.VAE, x_test: Tensor) -> dict[str, Any]:
    """Bounds on the test images' log-likelihood, with standard errors, and active units."""
    generator = torch.Generator().manual_seed(TEST_SEED)
    x = vq.binarise(x_test, generator=generator)
    model.eval()
    active = vq.active_units(model, x)
    elbo = torch.stack([model.log_likelihood(x, K=1, generator=generator) for _ in range(20)])
    return {
        "nll": vq.nll(model, x, K=EVALUATION_K, generator=generator)._asdict(),
        "elbo": Estimate.of(elbo.mean(0))._asdict(),  # over images, each the mean of 20 draws
        "active_units": active.count,
    }


def gallery(model: vq.VAE) -> dict[str, Any]:
    """Pictures that the model drew: means of p(x|z) for z from the prior."""
    images = model.sample_mean(60, generator=torch.Generator().manual_seed(0))
    return pack_images(images.reshape(60, 28, 28))


def study(
    result: str,
    table: dict[str, Run],
    gallery_of: str,
    *,
    script: str,
    only: list[str] | None = None,
) -> None:
    """Train and evaluate what is not finished, and write the result after each run."""
    torch.set_num_threads(1)
    RUNS.mkdir(exist_ok=True)
    data = vq.load_mnist()
    for name in only or table:
        run = table[name]
        model, numbers = train(name, run, all_training_images(data))
        numbers |= evaluate(model, data.x_test)
        print(name, numbers)
        # Read anew: another process may have written meanwhile.
        try:
            before = load_result(result)
        except FileNotFoundError:
            before = {"runs": {}, "gallery": {}}
        finished = before["runs"] | {name: asdict(run) | numbers}
        path = save_result(
            result, script=script,
            settings={
                "data": "MNIST, 60,000 training images, dynamic binarisation",
                "test": f"10,000 images binarised with seed {TEST_SEED}",
                "evaluation_K": EVALUATION_K,
                "optimizer": "adam, learning rate along half a cosine to 0",
                "gallery": gallery_of,
            },
            runs={row: finished[row] for row in table if row in finished},
            gallery=gallery(model) if name == gallery_of else before["gallery"],
        )  # fmt: skip
        print(f"wrote {path.name}")


def options(table: dict[str, Run]) -> argparse.Namespace:
    """Read the command line; `--list` names the runs and stops."""
    parser = argparse.ArgumentParser(description="Train on MNIST and write the result.")
    parser.add_argument("--only", choices=list(table), action="append", help="may be repeated")
    parser.add_argument("--list", action="store_true", help="name the runs and stop")
    given = parser.parse_args()
    if given.list:
        for name, run in table.items():
            print(name, run)
        raise SystemExit
    return given


def main() -> None:
    """Train, evaluate, and write the result after each run."""
    only = options(TABLE).only
    study("mnist_vae", TABLE, GALLERY, script="experiments.mnist_vae", only=only)


if __name__ == "__main__":
    main()

"""The article's second example: R^1000 to 100 numbers to 50 qubits, by its loss and its optimiser.

`python -m experiments.fifty_qubits` trains every cell of a two-by-two table, mean squared error or
ELBO, SGD or Adam, at six learning rates, and writes the committed result `fifty_qubits`: the mean
squared error of reconstructions on test data, and the largest angle in the end. The book trains the
best setting of each cell live.

Data: points near a five-dimensional surface in R^1000. Each of seven units draws its own points,
training, validation and test, so units share nothing. All fifty qubits are exact, by light cones.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.comparison import Contrast, compare
from vqvae_lib.course.results import save_result

RUNS = Path(__file__).parent / "_runs"
D, HIDDEN, LATENT, QUBITS = 1000, 200, 100, 50
TRAIN, VALID, TEST = 1024, 256, 256
EPOCHS, BATCH = 20, 64
FOLDS, SEEDS, TUNING_SEEDS = range(7), (0,), (100,)
RATES = {
    "sgd": (1e-2, 0.1, 0.3, 1.0, 3.0, 10.0),
    "adam": (3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
}
# A sum over 1000 dimensions has slopes a thousand times those of a mean.
ARMS: dict[str, list[dict[str, Any]]] = {
    f"{loss}, {optimizer}": [
        {"lr": rate / (D if (loss, optimizer) == ("elbo", "sgd") else 1)} for rate in rates
    ]
    for loss in ("mse", "elbo")
    for optimizer, rates in RATES.items()
}

# Does Adam help under either loss, and does the ELBO help under Adam?
FAMILY = (
    Contrast("mse, adam", "mse, sgd"),
    Contrast("elbo, adam", "elbo, sgd"),
    Contrast("elbo, adam", "mse, adam"),
)


def draw_points(fold: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw training, validation and test points near the surface, which is the same for all."""
    generator = torch.Generator().manual_seed(fold)
    x, _ = vq.random_manifold(TRAIN + VALID + TEST, D=D, generator=generator)
    train, valid, test = x.split([TRAIN, VALID, TEST])
    return train, valid, test


def build(loss: str, seed: int) -> vq.VQVAE:
    """Build the model; the article's loss is a Gaussian of variance D/2 without the KL."""
    torch.manual_seed(seed)
    likelihood = vq.Gaussian(D / 2) if loss == "mse" else vq.Gaussian()
    return vq.VQVAE(
        D, HIDDEN, LATENT, QUBITS, likelihood=likelihood, beta=float(loss == "elbo"),
        activation="relu",
    )  # fmt: skip


def run(arm: str, fold: int, seed: int, *, lr: float) -> dict[str, float]:
    """Train one cell; score minus the mean squared error, because larger is better."""
    torch.set_num_threads(1)
    loss, optimizer = arm.split(", ")
    train, valid, test = draw_points(fold)
    model = build(loss, seed)
    try:
        vq.fit(
            model, train, epochs=EPOCHS, batch_size=BATCH, lr=lr, optimizer=optimizer, seed=seed,
            progress=False,
        )  # fmt: skip
    except vq.TrainingDiverged:
        return {"valid": -1e3, "test": -1e3, "largest_angle": 0.0}
    with torch.no_grad():
        errors = [float(vq.mse(model.reconstruct(x), x)) for x in (valid, test)]
    if not all(map(math.isfinite, errors)):
        errors = [1e3, 1e3]
    angle = float(model.quantum_layer.weights.detach().abs().max())
    return {"valid": -errors[0], "test": -errors[1], "largest_angle": angle}


def main() -> None:
    """Run the table and write the result."""
    comparison = compare(
        run, ARMS, folds=FOLDS, seeds=SEEDS, tuning_seeds=TUNING_SEEDS, family=FAMILY,
        test_to_train=0, store=RUNS / "fifty_qubits.jsonl",
    )  # fmt: skip
    means = []  # errors of the mean training point, one per unit
    for fold in FOLDS:
        train, _, test = draw_points(fold)
        means.append(float(vq.mse(train.mean(0).expand_as(test), test)))
    for name, arm in comparison.arms.items():
        print(name, arm.settings, comparison.unit_scores(name))
    for contrast, difference in comparison.test_family().items():
        print(f"{contrast}: {difference}, detectable from {difference.detectable:.2g}")
    mean_predictor = sum(means) / len(means)
    print("mean predictor", mean_predictor)
    save_result(
        "fifty_qubits", script="experiments.fifty_qubits",
        settings={
            "sizes": {"D": D, "hidden": HIDDEN, "d": LATENT, "n": QUBITS},
            "data": {"train": TRAIN, "valid": VALID, "test": TEST, "seed": "the unit's number"},
            "training": {"epochs": EPOCHS, "batch_size": BATCH},
        },
        mean_predictor=mean_predictor, comparison=comparison.to_dict(),
    )  # fmt: skip


if __name__ == "__main__":
    main()

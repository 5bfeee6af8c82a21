"""The hybrid VQVAE on digits: which settings work, and how it compares with its twins.

`python -m experiments.vqvae_digits` does both studies and writes the committed result
`vqvae_digits`; runs that are finished are not run again.

Seven folds of the fourteen writers are the units: each tests two writers, validates on two others
and trains on ten, and every writer is tested once.

1. Settings. From the course's settings one thing at a time is changed: the scale of the angles, how
   they begin, the scale of the features, the depth, the entangler, re-uploading, the read-out. All
   numbers are of validation images.
2. Arms. The VAE, the hybrid model and its twins, each with the same number of candidate settings.
   In each fold, validation images choose one per arm; the test images are looked at once. Three
   differences, named here, are tested: as many as seven folds can carry.

Data: the 8x8 digits. d = 8, n = 4 qubits, hidden layers of 128, a Gaussian with one learned
variance.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vqvae_lib as vq
from vqvae_lib.bottlenecks import count_parameters
from vqvae_lib.comparison import Contrast, compare
from vqvae_lib.course.results import save_result
from vqvae_lib.data import ImageData
from vqvae_lib.splits import GroupFold

RUNS = Path(__file__).parent / "_runs"
N_FOLDS = 7
FOLDS = range(N_FOLDS)
TEST_TO_TRAIN = 1 / (N_FOLDS - 2)  # one part is tested, one validates, the others train
D, HIDDEN, LATENT, QUBITS = 64, 128, 8, 4
EPOCHS = 100
SEEDS = range(3)
TUNING_SEEDS = (100,)
SETTINGS_SEEDS = (200,)
DRAWS = 50  # of z for each image, to estimate an ELBO

# The settings in which a circuit is usually put into a network: wide angles, random weights, raw
# features. And the course's, one thing at a time between the two and beyond.
USUAL = {"init": "random", "angle_scale": 1.0, "scale_features": False, "mirror": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "course": {},
    "no circuit": {"bottleneck": "none"},
    "usual": USUAL,
    "random angles": {"init": "random"},
    "no noise on the angles": {"init": "passthrough"},
    "a = 0.1": {"angle_scale": 0.1},
    "a = 0.5": {"angle_scale": 0.5},
    "a = 1": {"angle_scale": 1.0},
    "raw features": {"scale_features": False},
    "a = 1, raw features": {"angle_scale": 1.0, "scale_features": False},
    "one layer": {"encoder_layers": 0, "space_layers": 1},
    "four layers": {"space_layers": 4},
    "eight layers": {"space_layers": 8},
    "ring": {"entangler": "ring"},
    "ring, usual": {"entangler": "ring"} | USUAL,
    "nothing entangled": {"entangler": "none"},
    "nothing entangled, usual": {"entangler": "none"} | USUAL,
    "re-uploading": {"reupload": True, "init": "random"},
    "CZ": {"gate": "CZ"},
}

# Every arm has six candidates: two learning rates, times three of what it can choose besides, the
# scale of its angles or, without angles, the size of the batch.
RATES = (4e-3, 8e-3)
SCALES = (0.1, 0.3, 0.5)
BATCHES = (32, 64, 128)
WITH_ANGLES = ("quantum", "separable", "frozen", "fourier", "tanh")
WITHOUT = ("none", "linear", "mlp")
HYBRID_AS_USUAL = "quantum, usual settings"
TURNED = [{"lr": lr, "angle_scale": a} for lr in RATES for a in SCALES]
PLAIN = [{"lr": lr, "batch_size": size} for lr in RATES for size in BATCHES]
ARMS: dict[str, list[dict[str, Any]]] = {
    **dict.fromkeys(WITH_ANGLES, TURNED),
    **dict.fromkeys(WITHOUT, PLAIN),
    HYBRID_AS_USUAL: [USUAL | setting for setting in PLAIN],
}

# What the study is for: the circuit against nothing, its entanglement, its training.
FAMILY = (
    Contrast("quantum", "none"),
    Contrast("quantum", "separable"),
    Contrast("quantum", "frozen"),
)


def load_fold(fold: int) -> ImageData:
    """Load the digits with this fold's writers kept for the test."""
    return vq.load_digits(split=GroupFold(fold, N_FOLDS))


def elbo(model: vq.VAE, x: torch.Tensor) -> float:
    """Mean ELBO of images, in nats."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = [float(model.loss(x, generator=generator)["loss"]) for _ in range(DRAWS)]
    return -float(np.mean(draws))


def run(
    arm: str, fold: int, seed: int, *, lr: float = 4e-3, batch_size: int = 64, **options: Any
) -> dict[str, float]:
    """Train one model and score it."""
    torch.set_num_threads(1)
    data = load_fold(fold)
    model = build(arm, seed, **options)
    vq.fit(
        model, data.x_train, epochs=EPOCHS, batch_size=batch_size, lr=lr,
        schedule=vq.cosine(EPOCHS), seed=seed, progress=False,
    )  # fmt: skip
    model.eval()
    return {"valid": elbo(model, data.x_valid), "test": elbo(model, data.x_test)}


def build(arm: str, seed: int, **options: Any) -> vq.VQVAE:
    """Build the model of an arm: a twin by its name, and the hybrid model by any other."""
    torch.manual_seed(seed)
    options = {"bottleneck": arm if arm in (*WITH_ANGLES, *WITHOUT) else "quantum"} | options
    return vq.VQVAE(D, HIDDEN, LATENT, QUBITS, **options)


def main() -> None:
    """Run both studies and write the result."""
    parser = argparse.ArgumentParser(description="Compare the hybrid VQVAE with its twins.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    settings = compare(
        run, {name: [setting] for name, setting in SETTINGS.items()}, folds=FOLDS,
        seeds=SETTINGS_SEEDS, test_to_train=TEST_TO_TRAIN, jobs=jobs,
        store=RUNS / "vqvae_digits.settings.jsonl",
    )  # fmt: skip
    study = {
        name: {"setting": SETTINGS[name]}
        | {score: settings.unit_scores(name, score).tolist() for score in arm.scores}
        for name, arm in settings.arms.items()
    }
    for name, row in study.items():
        print(f"{name:30s} {np.mean(row['valid']):6.2f}")
    comparison = compare(
        run, ARMS, folds=FOLDS, seeds=SEEDS, tuning_seeds=TUNING_SEEDS, family=FAMILY,
        test_to_train=TEST_TO_TRAIN, jobs=jobs, store=RUNS / "vqvae_digits.arms.jsonl",
    )  # fmt: skip
    for contrast, difference in comparison.test_family().items():
        print(f"{contrast}: {difference}, detectable from {difference.detectable:.2g}")
    z = torch.randn(2000, LATENT, generator=torch.Generator().manual_seed(0))
    parameters = {}
    for name, candidates in ARMS.items():  # the same numbers of parameters for all candidates
        options = {k: v for k, v in candidates[0].items() if k not in ("lr", "batch_size")}
        parameters[name] = count_parameters(build(name, 0, **options).bottleneck, z)._asdict()
    save_result(
        "vqvae_digits", script="experiments.vqvae_digits",
        settings={
            "data": "digits 8x8, divided by 16",
            "sizes": {"D": D, "hidden": HIDDEN, "d": LATENT, "n": QUBITS},
            "split": f"{N_FOLDS} folds of the 14 writers",
            "training": {"epochs": EPOCHS, "optimizer": "adam", "lr": "half a cosine to 0"},
            "elbo": f"mean of {DRAWS} draws of z per image",
        },
        study=study,
        comparison=comparison.to_dict(),
        parameters=parameters,
    )  # fmt: skip


if __name__ == "__main__":
    main()

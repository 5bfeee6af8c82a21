"""The hybrid VQVAE on digits: which settings work, and how it compares with its twins.

`python -m experiments.vqvae_digits` does both studies and writes the committed result
`vqvae_digits`; what was done before is not done again.

1. Settings. From the course's settings one thing at a time is changed: the scale of the angles, how
   they begin, the scale of the features, the depth, the entangler, re-uploading, the read-out. All
   numbers are of validation images.
2. Arms. The VAE, the hybrid model and its twins, each with the same number of candidate settings,
   chosen by validation images, then ten paired seeds and the test images, once.

Data: the 8x8 digits, 1437 images to train on, of which 287 are kept for validation, and 360 to test
on. d = 8, n = 4 qubits, hidden layers of 128, a Gaussian with one learned variance.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vqvae_lib as vq
from vqvae_lib.bottlenecks import count_parameters
from vqvae_lib.comparison import compare
from vqvae_lib.course.results import save_result

RUNS = Path(__file__).parent / "_runs"
SPLIT_SEED = 0
VALID = 287
D, HIDDEN, LATENT, QUBITS = 64, 128, 8, 4
EPOCHS = 200
SEEDS = range(10)
TUNING_SEEDS = range(100, 102)
SETTINGS_SEEDS = range(200, 204)
DRAWS = 50  # of z for each image, to estimate an ELBO

# The settings in which a circuit is usually put into a network: wide angles, random weights, raw
# features. And the course's, one thing at a time between the two and beyond.
USUAL = {"init": "random", "angle_scale": 1.0, "scale_features": False, "mirror": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "course": {},
    "no circuit": {"bottleneck": "none"},
    "usual": USUAL,
    "random angles": {"init": "random"},
    "no noise on the angles": {"init": "identity"},
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


def split() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training, validation and test images."""
    data = vq.load_digits()
    order = torch.randperm(len(data.x_train), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return data.x_train[order[VALID:]], data.x_train[order[:VALID]], data.x_test


def elbo(model: vq.VAE, x: torch.Tensor) -> float:
    """Mean ELBO of images, in nats."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = [float(model.loss(x, generator=generator)["loss"]) for _ in range(DRAWS)]
    return -float(np.mean(draws))


def run(
    arm: str, seed: int, *, lr: float = 4e-3, batch_size: int = 64, **options: Any
) -> dict[str, float]:
    """Train one model and score it."""
    torch.set_num_threads(1)
    x_train, x_valid, x_test = split()
    model = build(arm, seed, **options)
    vq.fit(
        model, x_train, epochs=EPOCHS, batch_size=batch_size, lr=lr, schedule=vq.cosine(EPOCHS),
        seed=seed, progress=False,
    )  # fmt: skip
    model.eval()
    return {"valid": elbo(model, x_valid), "test": elbo(model, x_test)}


def build(arm: str, seed: int, **options: Any) -> vq.VQVAE:
    """Build the model of an arm; what is no twin is the hybrid model itself."""
    torch.manual_seed(seed)
    options = {"bottleneck": arm if arm in (*WITH_ANGLES, *WITHOUT) else "quantum"} | options
    return vq.VQVAE(D, HIDDEN, LATENT, QUBITS, **options)


def main() -> None:
    """Run both studies and write the result."""
    parser = argparse.ArgumentParser(description="Compare the hybrid VQVAE with its twins.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    settings = compare(
        run, {name: [setting] for name, setting in SETTINGS.items()}, seeds=SETTINGS_SEEDS,
        tuning_seeds=(), jobs=jobs, store=RUNS / "vqvae_digits.settings.jsonl",
    )  # fmt: skip
    for name, arm in settings.arms.items():
        print(f"{name:30s} {np.mean(arm.scores['valid']):6.2f}")
    found = compare(
        run, ARMS, seeds=SEEDS, tuning_seeds=TUNING_SEEDS, jobs=jobs,
        store=RUNS / "vqvae_digits.arms.jsonl",
    )  # fmt: skip
    for name, difference in found.against("none").items():
        print(f"{name:30s} {difference}")
    z = torch.randn(2000, LATENT, generator=torch.Generator().manual_seed(0))
    parameters = {}
    for name, arm in found.arms.items():
        options = {k: v for k, v in arm.setting.items() if k not in ("lr", "batch_size")}
        parameters[name] = count_parameters(build(name, 0, **options).bottleneck, z)._asdict()
    save_result(
        "vqvae_digits", script="experiments.vqvae_digits",
        settings={
            "data": "digits 8x8, divided by 16",
            "sizes": {"D": D, "hidden": HIDDEN, "d": LATENT, "n": QUBITS},
            "split": {"train": 1437 - VALID, "valid": VALID, "test": 360, "seed": SPLIT_SEED},
            "training": {"epochs": EPOCHS, "optimizer": "adam", "lr": "half a cosine to 0"},
            "elbo": f"mean of {DRAWS} draws of z an image",
        },
        study={name: {"setting": a.setting, **a.scores} for name, a in settings.arms.items()},
        comparison=found.to_dict(),
        parameters=parameters,
    )  # fmt: skip


if __name__ == "__main__":
    main()

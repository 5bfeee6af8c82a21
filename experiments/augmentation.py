"""What helps a classifier that has few labels: changed, drawn or mixed images, or other knowledge.

`python -m experiments.augmentation` runs all arms on ten paired seeds and writes the committed
result `augmentation`; runs that are done are not done again.

A seed chooses which images are labelled, and begins every model. The classifier is the same for
all: a support vector machine with a Gaussian kernel, strong on few digits and quick. Each arm has
six candidate settings, chosen by validation images for each number of labels, on seeds of their
own. (Nobody with five labels a class has 287 validation labels. They make the choice fair; on
one's own data it would be worse for all.) The test images are used once.

Data: the 8x8 digits, 1437 images to train on, of which 287 are kept for validation, and 360 to test
on. What is not labelled of the 1150 may be used without its label, by the arms that say so.
"""

import argparse
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.applications.augmentation import (
    latent_mixup,
    mixup,
    posterior_samples,
    sample_labelled,
    transform_images,
)
from vqvae_lib.applications.labelled import Labelled, accuracy, few_labels, mixture
from vqvae_lib.applications.memorisation import copying_test, membership_test
from vqvae_lib.comparison import Comparison, compare
from vqvae_lib.course.results import save_result

RUNS = Path(__file__).parent / "_runs"
SPLIT_SEED = 0
VALID = 287
D, HIDDEN, LATENT, QUBITS = 64, 128, 8, 4
PER_CLASS = (2, 5, 10, 20)
SEEDS = range(10)
TUNING_SEEDS = range(100, 102)
GENERATED = 60  # a class
STEPS = 400  # of a conditional model that knows the labelled images alone
EPOCHS = 80  # of a model that knows all training images
C = 10.0  # the classifier's penalty
# The width of its kernel: scikit-learn's rule for all training images, which needs no label.
GAMMA = 1 / (64 * 0.1415)

SHARES = (0.2, 0.5, 0.8)
HOW = [{"w": w, "mean": mean} for w, mean in product(SHARES, (True, False))]
NEAR = [{"w": w, "spread": spread} for w, spread in product(SHARES, (1.0, 2.0))]
MIX = [{"w": w, "within_class": within} for w, within in product(SHARES, (True, False))]
ARMS: dict[str, list[dict[str, Any]]] = {
    "labels alone": [{"C": c} for c in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)],
    "small shifts and turns": [
        {"w": w, "max_shift": s, "max_angle": 20 * s, "max_zoom": 0.2 * s}
        for w, s in product((0.5, 0.8), (0.25, 0.5, 0.75))
    ],
    "pixel mixup": [{"w": w, "alpha": a} for w, a in product(SHARES, (0.2, 1.0))],
    "conditional VAE": HOW,
    "conditional VQVAE": HOW,
    "conditional VQVAE, posterior": NEAR,
    "VQVAE, posterior": NEAR,
    "VQVAE, latent mixup": MIX,
    "VAE, latent mixup": MIX,
    "VQVAE, codes": [{"gamma": g} for g in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)],
    "labels spread": [{"neighbours": n, "alpha": a} for n, a in product((5, 7, 10), (0.2, 0.5))],
    "conditional VQVAE, labels spread": HOW,
}
KNOWS = {  # what an arm is given beside the labelled images
    "small shifts and turns": "invariance",
    "VQVAE, posterior": "unlabelled",
    "VQVAE, latent mixup": "unlabelled",
    "VAE, latent mixup": "unlabelled",
    "VQVAE, codes": "unlabelled",
    "labels spread": "unlabelled",
    "conditional VQVAE, labels spread": "unlabelled",
}


def split() -> dict[str, tuple[Tensor, Tensor]]:
    """Training, validation and test images with their labels."""
    data = vq.load_digits()
    order = torch.randperm(len(data.x_train), generator=torch.Generator().manual_seed(SPLIT_SEED))
    train, valid = order[VALID:], order[:VALID]
    return {
        "train": (data.x_train[train], data.y_train[train]),
        "valid": (data.x_train[valid], data.y_train[valid]),
        "test": (data.x_test, data.y_test),
    }


def classifier(C: float = C, gamma: float = GAMMA) -> Any:
    """Build the classifier of all arms."""
    from sklearn.svm import SVC

    return SVC(C=C, gamma=gamma)


def trained(bottleneck: str, seed: int, x: Tensor, y: Tensor | None, *, epochs: int) -> vq.VQVAE:
    """Train a VQVAE, or its twin without a circuit."""
    torch.manual_seed(seed)
    model = vq.VQVAE(
        D,
        HIDDEN,
        LATENT,
        QUBITS,
        bottleneck=bottleneck,
        condition=vq.NoCondition() if y is None else vq.Labels(10),
    )
    vq.fit(
        model, x, y, epochs=epochs, lr=4e-3, schedule=vq.cosine(epochs), seed=seed, progress=False
    )
    return model.eval()


@cache
def on_all(bottleneck: str, seed: int) -> vq.VQVAE:
    """Train a model without labels on all training images."""
    return trained(bottleneck, seed, split()["train"][0], None, epochs=EPOCHS)


@cache
def on_few(bottleneck: str, per_class: int, seed: int) -> vq.VQVAE:
    """Train a conditional model on the labelled images alone."""
    x, y = split()["train"]
    rows = few_labels(y, per_class, seed=seed)
    steps_an_epoch = -(-len(rows) // 64)
    return trained(bottleneck, seed, x[rows], y[rows], epochs=-(-STEPS // steps_an_epoch))


@cache
def on_spread(per_class: int, seed: int) -> vq.VQVAE:
    """Train a conditional model on all training images, with the labels that were spread."""
    x, y = split()["train"]
    found = spread(x, y, few_labels(y, per_class, seed=seed))
    return trained("quantum", seed, x, found, epochs=EPOCHS // 2)


def spread(
    x: Tensor, y: Tensor, rows: Tensor, *, neighbours: int = 7, alpha: float = 0.2
) -> Tensor:
    """Guess labels by spreading those of `rows` from neighbour to neighbour (Zhou et al. 2004)."""
    from sklearn.semi_supervised import LabelSpreading

    known = np.full(len(y), -1)
    known[rows.numpy()] = y[rows].numpy()
    spreading = LabelSpreading(kernel="knn", n_neighbors=neighbours, alpha=alpha, max_iter=100)
    return torch.from_numpy(spreading.fit(x.numpy(), known).transduction_)


def generate(arm: str, real: Labelled, seed: int, options: dict[str, Any]) -> Labelled | None:
    """Make what an arm puts beside the labelled images; None for those that put nothing."""
    per_class = len(real.x) // 10
    generator = torch.Generator().manual_seed(seed)
    copies, count = GENERATED // per_class, 10 * GENERATED
    few = {"generator": generator, "copies": copies}
    makes: dict[str, Callable[[], Labelled]] = {
        "small shifts and turns": lambda: transform_images(
            *real[:2], image_shape=(8, 8), **few, **options
        ),
        "pixel mixup": lambda: mixup(*real[:2], count=count, generator=generator, **options),
        "conditional VQVAE, posterior": lambda: posterior_samples(
            on_few("quantum", per_class, seed), *real[:2], **few, **options
        ),
        "VQVAE, posterior": lambda: posterior_samples(
            on_all("quantum", seed), *real[:2], **few, **options
        ),
    }
    for name, bottleneck in (("VAE", "none"), ("VQVAE", "quantum")):
        makes[f"conditional {name}"] = lambda b=bottleneck: sample_labelled(
            on_few(b, per_class, seed), GENERATED, generator=generator, **options
        )
        makes[f"{name}, latent mixup"] = lambda b=bottleneck: latent_mixup(
            on_all(b, seed), *real[:2], count=count, generator=generator, **options
        )
    makes["conditional VQVAE, labels spread"] = lambda: sample_labelled(
        on_spread(per_class, seed), GENERATED, generator=generator, **options
    )
    return makes[arm]() if arm in makes else None


def run(arm: str, seed: int, *, per_class: int, **options: Any) -> dict[str, float]:
    """Do what an arm does with the labels of a seed, and score the classifier."""
    torch.set_num_threads(1)
    parts = split()
    x, y = parts["train"]
    rows = few_labels(y, per_class, seed=seed)
    real = Labelled.of(x[rows], y[rows])
    w = options.pop("w", None)
    made = generate(arm, real, seed, options)
    if arm == "labels alone":
        return _scores(classifier(**options), real, parts)
    if arm == "labels spread":
        return _scores(classifier(), Labelled.of(x, spread(x, y, rows, **options)), parts)
    if arm == "VQVAE, codes":
        model = on_all("quantum", seed)
        coded = {name: (model.encode(a).mu.detach(), b) for name, (a, b) in parts.items()}
        return _scores(
            classifier(**options), Labelled.of(model.encode(real.x).mu.detach(), real.y), coded
        )
    assert made is not None
    scores = _scores(classifier(), mixture(real, made, w), parts)
    return scores | {"tstr": accuracy(classifier(), made, *parts["test"])}


def _scores(
    classifier: Any, train: Labelled, parts: dict[str, tuple[Tensor, Tensor]]
) -> dict[str, float]:
    return {name: accuracy(classifier, train, *parts[name]) for name in ("valid", "test")}


def leak(seed: int, per_class: int) -> dict[str, dict[str, float]]:
    """Score an honest generator and one that was also trained on the test images.

    TSTR is measured on the test images, and on validation images, which neither has seen.
    """
    parts = split()
    x, y = parts["train"]
    rows = few_labels(y, per_class, seed=seed)
    few = (x[rows], y[rows])
    both = [torch.cat(pair) for pair in zip(few, parts["test"], strict=True)]
    models = {
        "honest": on_few("quantum", per_class, seed),
        "leaking": trained("quantum", seed, *both, epochs=EPOCHS),
    }
    found = {}
    for name, model in models.items():
        made = sample_labelled(model, 100, mean=True, generator=torch.Generator().manual_seed(seed))
        member = membership_test(made.x, parts["test"][0], parts["valid"][0])
        copied = copying_test(made.x, few[0], parts["valid"][0])
        found[name] = {
            "tstr": accuracy(classifier(), made, *parts["test"]),
            "fresh": accuracy(classifier(), made, *parts["valid"]),
            "membership": member.closer,
            "membership_p": member.p_value,
            "copying": copied.closer,
            "copying_p": copied.p_value,
        }
    return found


def main() -> None:
    """Run all arms and write the result."""
    parser = argparse.ArgumentParser(description="Compare ways to augment few labels.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    found: dict[int, Comparison] = {}
    for per_class in PER_CLASS:
        arms = {
            name: [{"per_class": per_class} | setting for setting in settings]
            for name, settings in ARMS.items()
        }
        found[per_class] = compare(
            run, arms, seeds=SEEDS, tuning_seeds=TUNING_SEEDS, jobs=jobs,
            store=RUNS / "augmentation.jsonl",
        )  # fmt: skip
        base = 100 * np.mean(found[per_class].arms["labels alone"].scores["test"])
        print(f"{per_class} labels a class, alone {base:.1f} %", flush=True)
        for name, (gain, low, high, p) in found[per_class].against("labels alone").items():
            print(f"  {name:34s} {100 * gain:+.1f} [{100 * low:.1f}, {100 * high:.1f}] p = {p:.2g}")
    leaks = [leak(seed, per_class=10) for seed in SEEDS]
    save_result(
        "augmentation", script="experiments.augmentation",
        settings={
            "data": "digits 8x8, divided by 16",
            "sizes": {"D": D, "hidden": HIDDEN, "d": LATENT, "n": QUBITS},
            "split": {"train": 1437 - VALID, "valid": VALID, "test": 360, "seed": SPLIT_SEED},
            "per_class": list(PER_CLASS), "generated_per_class": GENERATED,
            "training": {"steps on few": STEPS, "epochs on all": EPOCHS, "lr": 4e-3},
            "classifier": f"SVC, Gaussian kernel, C = {C:g}, gamma = {GAMMA:.4f}",
            "knows": KNOWS,
        },
        comparison={str(per_class): one.to_dict() for per_class, one in found.items()},
        leaks=leaks,
    )  # fmt: skip


if __name__ == "__main__":
    main()

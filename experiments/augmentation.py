"""What helps a classifier that has few labels: changed, drawn or mixed images, or other knowledge.

`python -m experiments.augmentation` runs all arms in fourteen folds and writes the committed result
`augmentation`; runs that are finished are not run again.

A fold tests one writer, validates on another and takes its labelled images from the other twelve. A
seed chooses which images are labelled, and begins every model. The classifier is the same for all:
a support vector machine with a Gaussian kernel, strong on few digits and quick. Each arm has six
candidate settings, chosen by validation images for each fold and number of labels. (Nobody with
five labels per class has a hundred more to validate with. They make the choice fair; on one's own
data it would be worse for all.) The test images are looked at once. Ten differences for each number
of labels are tested, and all forty of them corrected together.

Data: the 8x8 digits. What is not labelled of the training images may be used without its label, by
the arms that say so.
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
from vqvae_lib.applications.labelled import LabelledData, accuracy, few_labels, mixture
from vqvae_lib.applications.memorisation import copying_test, membership_test
from vqvae_lib.comparison import Contrast, compare, correct_families
from vqvae_lib.course.results import save_result
from vqvae_lib.splits import GroupFold

RUNS = Path(__file__).parent / "_runs"
N_FOLDS = 14
FOLDS = range(N_FOLDS)
TEST_TO_TRAIN = 1 / (N_FOLDS - 2)  # one writer is tested, one validates, the others train
D, HIDDEN, LATENT, QUBITS = 64, 128, 8, 4
PER_CLASS = (2, 5, 10, 20)
SEEDS, TUNING_SEEDS = (0, 1), (100,)
GENERATED = 60  # per class
STEPS = 400  # of a conditional model that knows the labelled images alone
EPOCHS = 80  # of a model that knows all training images
C = 10.0  # the classifier's penalty
# The width of its kernel: scikit-learn's rule for all training images, which needs no label and
# gives the same, within a hundredth, in every fold.
GAMMA = 1 / (64 * 0.1415)

SHARES = (0.2, 0.5, 0.8)
HOW = [{"w": w, "pixel_noise": noise} for w, noise in product(SHARES, (False, True))]
NEAR = [{"w": w, "spread": spread} for w, spread in product(SHARES, (1.0, 2.0))]
WHOLE = [{"w": w, "whole": whole} for w, whole in product(SHARES, (True, False))]
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
    # The last two differ in nothing but the generator: drawn digits, or the images it learned from.
    "spread images, weighted": WHOLE,
    "conditional VQVAE, labels spread": HOW,
}
FAMILY = (
    *(
        Contrast(arm, "labels alone")
        for arm in (
            "small shifts and turns", "pixel mixup", "conditional VAE", "conditional VQVAE",
            "VQVAE, posterior", "VQVAE, latent mixup", "labels spread",
        )
    ),
    Contrast("conditional VQVAE", "conditional VAE"),
    Contrast("VQVAE, latent mixup", "VAE, latent mixup"),
    Contrast("conditional VQVAE, labels spread", "spread images, weighted"),
)  # fmt: skip
KNOWS = {  # what an arm is given beside the labelled images
    "small shifts and turns": "invariance",
    "VQVAE, posterior": "unlabelled",
    "VQVAE, latent mixup": "unlabelled",
    "VAE, latent mixup": "unlabelled",
    "VQVAE, codes": "unlabelled",
    "labels spread": "unlabelled",
    "spread images, weighted": "unlabelled",
    "conditional VQVAE, labels spread": "unlabelled",
}


def load_parts(fold: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Load the training, validation and test images of a fold with their labels."""
    data = vq.load_digits(split=GroupFold(fold, N_FOLDS))
    return {
        "train": (data.x_train, data.y_train),
        "valid": (data.x_valid, data.y_valid),
        "test": (data.x_test, data.y_test),
    }


def classifier(C: float = C, gamma: float = GAMMA) -> Any:
    """Build the classifier of all arms."""
    from sklearn.svm import SVC

    return SVC(C=C, gamma=gamma)


def train_model(
    bottleneck: str, seed: int, x: Tensor, y: Tensor | None, *, epochs: int
) -> vq.VQVAE:
    """Train a VQVAE, or its twin without a circuit; conditional where there are labels."""
    torch.manual_seed(seed)
    condition = vq.NoCondition() if y is None else vq.Labels(10)
    model = vq.VQVAE(D, HIDDEN, LATENT, QUBITS, bottleneck=bottleneck, condition=condition)
    vq.fit(
        model, x, y, epochs=epochs, lr=4e-3, schedule=vq.cosine(epochs), seed=seed, progress=False
    )
    return model.eval()


@cache
def train_on_all(bottleneck: str, fold: int, seed: int) -> vq.VQVAE:
    """Train a model without labels on all training images."""
    return train_model(bottleneck, seed, load_parts(fold)["train"][0], None, epochs=EPOCHS)


@cache
def train_on_few(bottleneck: str, per_class: int, fold: int, seed: int) -> vq.VQVAE:
    """Train a conditional model on the labelled images alone."""
    x, y = load_parts(fold)["train"]
    rows = few_labels(y, per_class, seed=seed)
    steps_per_epoch = -(-len(rows) // 64)
    return train_model(bottleneck, seed, x[rows], y[rows], epochs=-(-STEPS // steps_per_epoch))


@cache
def train_on_spread(per_class: int, fold: int, seed: int) -> vq.VQVAE:
    """Train a conditional model on all training images, with the labels that were spread."""
    x, y = load_parts(fold)["train"]
    labels = spread(x, y, few_labels(y, per_class, seed=seed))
    return train_model("quantum", seed, x, labels, epochs=EPOCHS // 2)


def spread(
    x: Tensor, y: Tensor, rows: Tensor, *, neighbours: int = 7, alpha: float = 0.2
) -> Tensor:
    """Guess labels by spreading those of `rows` from neighbour to neighbour (Zhou et al. 2004)."""
    from sklearn.semi_supervised import LabelSpreading

    known = np.full(len(y), -1)
    known[rows.numpy()] = y[rows].numpy()
    spreading = LabelSpreading(kernel="knn", n_neighbors=neighbours, alpha=alpha, max_iter=100)
    return torch.from_numpy(spreading.fit(x.numpy(), known).transduction_)


def generate(
    arm: str, real: LabelledData, fold: int, seed: int, options: dict[str, Any]
) -> LabelledData:
    """Make what an arm adds to the labelled images."""
    per_class = len(real.x) // 10
    generator = torch.Generator().manual_seed(seed)
    copies, count = GENERATED // per_class, 10 * GENERATED
    few = {"generator": generator, "copies": copies}
    ways: dict[str, Callable[[], LabelledData]] = {
        "small shifts and turns": lambda: transform_images(
            *real[:2], image_shape=(8, 8), **few, **options
        ),
        "pixel mixup": lambda: mixup(*real[:2], count=count, generator=generator, **options),
        "conditional VQVAE, posterior": lambda: posterior_samples(
            train_on_few("quantum", per_class, fold, seed), *real[:2], **few, **options
        ),
        "VQVAE, posterior": lambda: posterior_samples(
            train_on_all("quantum", fold, seed), *real[:2], **few, **options
        ),
        "spread images, weighted": lambda: choose_spread(per_class, fold, seed, **options),
        "conditional VQVAE, labels spread": lambda: sample_labelled(
            train_on_spread(per_class, fold, seed), GENERATED, generator=generator, **options
        ),
    }
    for name, bottleneck in (("VAE", "none"), ("VQVAE", "quantum")):
        ways[f"conditional {name}"] = lambda b=bottleneck: sample_labelled(
            train_on_few(b, per_class, fold, seed), GENERATED, generator=generator, **options
        )
        ways[f"{name}, latent mixup"] = lambda b=bottleneck: latent_mixup(
            train_on_all(b, fold, seed), *real[:2], count=count, generator=generator, **options
        )
    return ways[arm]()


def choose_spread(per_class: int, fold: int, seed: int, *, whole: bool) -> LabelledData:
    """Take the training images with labels that were spread: all, or as many as are generated."""
    x, y = load_parts(fold)["train"]
    labels = spread(x, y, few_labels(y, per_class, seed=seed))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    rows = order if whole else order[: 10 * GENERATED]
    return LabelledData.of(x[rows], labels[rows])


def run(arm: str, fold: int, seed: int, *, per_class: int, **options: Any) -> dict[str, float]:
    """Do what an arm does with the labels of a seed, and score the classifier."""
    torch.set_num_threads(1)
    parts = load_parts(fold)
    x, y = parts["train"]
    rows = few_labels(y, per_class, seed=seed)
    real = LabelledData.of(x[rows], y[rows])
    if arm == "labels alone":
        return _scores(classifier(**options), real, parts)
    if arm == "labels spread":
        return _scores(classifier(), LabelledData.of(x, spread(x, y, rows, **options)), parts)
    if arm == "VQVAE, codes":
        model = train_on_all("quantum", fold, seed)
        codes = {name: (model.encode(a).mu.detach(), b) for name, (a, b) in parts.items()}
        few = LabelledData.of(model.encode(real.x).mu.detach(), real.y)
        return _scores(classifier(**options), few, codes)
    w = options.pop("w")
    addition = generate(arm, real, fold, seed, options)
    scores = _scores(classifier(), mixture(real, addition, w), parts)
    return scores | {"tstr": accuracy(classifier(), addition, *parts["test"])}


def _scores(
    classifier: Any, train: LabelledData, parts: dict[str, tuple[Tensor, Tensor]]
) -> dict[str, float]:
    return {name: accuracy(classifier, train, *parts[name]) for name in ("valid", "test")}


def leak(fold: int, seed: int, per_class: int) -> dict[str, dict[str, float]]:
    """Score an honest generator and one that was also trained on test images.

    Half of the test writer's images leak, the other half stays fresh: neither model has seen it,
    and what tells the halves apart is not the hand.
    """
    parts = load_parts(fold)
    x, y = parts["train"]
    rows = few_labels(y, per_class, seed=seed)
    few = (x[rows], y[rows])
    half = len(parts["test"][0]) // 2
    leaked = tuple(column[:half] for column in parts["test"])
    fresh = tuple(column[half:] for column in parts["test"])
    both = [torch.cat(pair) for pair in zip(few, leaked, strict=True)]
    models = {
        "honest": train_on_few("quantum", per_class, fold, seed),
        "leaking": train_model("quantum", seed, *both, epochs=EPOCHS),
    }
    table = {}
    for name, model in models.items():
        drawn = sample_labelled(model, 100, generator=torch.Generator().manual_seed(seed))
        membership = membership_test(drawn.x, leaked[0], fresh[0])
        copying = copying_test(drawn.x, few[0], fresh[0])
        table[name] = {
            "tstr": accuracy(classifier(), drawn, *leaked),
            "fresh": accuracy(classifier(), drawn, *fresh),
            "membership": membership.closer,
            "membership_p": membership.p_value,
            "copying": copying.closer,
            "copying_p": copying.p_value,
        }
    return table


def main() -> None:
    """Run all arms and write the result."""
    parser = argparse.ArgumentParser(description="Compare ways to augment few labels.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    comparisons = {}
    for per_class in PER_CLASS:
        arms = {
            name: [{"per_class": per_class} | setting for setting in settings]
            for name, settings in ARMS.items()
        }
        comparisons[str(per_class)] = compare(
            run, arms, folds=FOLDS, seeds=SEEDS, tuning_seeds=TUNING_SEEDS, family=FAMILY,
            test_to_train=TEST_TO_TRAIN, jobs=jobs, store=RUNS / "augmentation.jsonl",
        )  # fmt: skip
        base = 100 * comparisons[str(per_class)].unit_scores("labels alone").mean()
        print(f"{per_class} labels per class, alone {base:.1f} %", flush=True)
    for (per_class, contrast), difference in correct_families(comparisons).items():
        detectable = f"detectable from {difference.detectable:.2g}"
        print(f"{per_class} labels per class, {contrast}: {difference}, {detectable}")
    leaks = [leak(fold, seed=0, per_class=10) for fold in FOLDS]
    save_result(
        "augmentation", script="experiments.augmentation",
        settings={
            "data": "digits 8x8, divided by 16",
            "sizes": {"D": D, "hidden": HIDDEN, "d": LATENT, "n": QUBITS},
            "split": f"{N_FOLDS} folds, one for each writer",
            "per_class": list(PER_CLASS), "generated_per_class": GENERATED,
            "training": {"steps on few": STEPS, "epochs on all": EPOCHS, "lr": 4e-3},
            "classifier": f"SVC, Gaussian kernel, C = {C:g}, gamma = {GAMMA:.4f}",
            "knows": KNOWS,
        },
        comparison={per_class: one.to_dict() for per_class, one in comparisons.items()},
        leaks=leaks,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Inpainting, super-resolution and style transfer: the hybrid model, its VAE twin, simple rivals.

`python -m experiments.image_generation` does three studies and writes the committed result
`image_generation`; runs that are finished are not run again.

1. Digits, 8x8: hidden pixels of three masks, and 4x4 digits enlarged. Fourteen folds test one
   writer each.
2. Styles: 16x16 digits in four known styles, with no pairs, with pairs for a fifth of the training
   images, and for all; the last also with four times the training, and with two more twins. The
   same fourteen folds.
3. Photographs: 12x12 patches of pictures that were not trained on; a hole of 4x4 in the middle, and
   enlargement from 6x6 by a model conditioned on the small patch. Twelve folds test one picture
   each.

No arm is tuned: each has the one setting below. Scores are errors with a minus sign, so that larger
is better. Each study names the differences that it tests, and all of them are corrected together.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.applications.holes import energy_score, hidden_rmse, neighbour_fills
from vqvae_lib.applications.inpainting import inpaint
from vqvae_lib.applications.style import STYLES, StylePairs, apply_styles, transfer_style
from vqvae_lib.applications.super_resolution import bicubic, block_means, super_resolve
from vqvae_lib.comparison import Contrast, compare, correct_families
from vqvae_lib.course.results import save_result
from vqvae_lib.data import split_photographs
from vqvae_lib.linear_gaussian import FullGaussian
from vqvae_lib.splits import GroupFold

RUNS = Path(__file__).parent / "_runs"
N_WRITERS = 14
SEEDS = (0, 1)
MODELS = {"VQVAE": "quantum", "VAE": "none"}
STYLE_MODELS = MODELS | {"frozen circuit": "frozen", "matrix": "linear"}
METHODS = ("langevin", "metropolis", "importance")
DRAWS, STEPS, NEIGHBOURS = 16, 60, 10
DIGITS = {"images": 100, "epochs": 60, "lr": 4e-3, "hidden": 128, "d": 8, "n": 4, "ridge": 3e-3}
WRITTEN = {"size": 16, "epochs": 40, "lr": 3e-3, "hidden": 128, "d": 8, "n": 4}
PHOTOS = {
    "size": 12, "train": 8000, "test": 200, "epochs": 8, "batch_size": 128, "lr": 3e-3,
    "hidden": 128, "d": 16, "n": 8, "ridge": 1e-4,
}  # fmt: skip
# Shares of training images that have a partner, and for how many times the epochs.
PAIRS = ((0.0, 1), (0.2, 1), (1.0, 1), (1.0, 4))


def train(model, x, y=None, *, epochs, lr, seed, batch_size=64):
    """Fit with half a cosine, quietly."""
    torch.set_num_threads(1)
    vq.fit(
        model, x, y, epochs=epochs, lr=lr, batch_size=batch_size, schedule=vq.cosine(epochs),
        seed=seed, progress=False,
    )  # fmt: skip
    return model.eval()


def source(seed: int) -> torch.Generator:
    """Make a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def rms(x: Tensor, estimate: Tensor) -> float:
    """Root of the mean squared error."""
    return float((estimate - x).square().mean().sqrt())


def load_fold(fold: int, size: int = 8) -> vq.ImageData:
    """Load the digits with one writer kept for the test."""
    return vq.load_digits(size=size, split=GroupFold(fold, N_WRITERS))


# -------------------------------------------------------------------- digits


def masks() -> dict[str, Tensor]:
    """Seen pixels of an 8x8 image, by name."""
    lower, middle = torch.ones(2, 8, 8, dtype=torch.bool)
    lower[4:] = False
    middle[2:6, 2:6] = False
    random = torch.rand(64, generator=source(0)) < 0.5
    return {"lower half": lower.flatten(), "middle": middle.flatten(), "random half": random}


def digits(arm: str, fold: int, seed: int) -> dict[str, float]:
    """Score one arm on hidden pixels and on enlargement."""
    data = load_fold(fold)
    x_train, x = data.x_train, data.x_test[: DIGITS["images"]]
    A = block_means((8, 8), 2)
    small = x @ A.T
    scores = {}
    if arm in MODELS:
        torch.manual_seed(seed)
        sizes = 64, DIGITS["hidden"], DIGITS["d"], DIGITS["n"]
        model = vq.VQVAE(*sizes, bottleneck=MODELS[arm])
        train(model, x_train, epochs=DIGITS["epochs"], lr=DIGITS["lr"], seed=seed)
        for name, seen in masks().items():
            for method in METHODS:
                fills = inpaint(
                    model, x, seen, method=method, draws=DRAWS, steps=STEPS, generator=source(seed)
                )
                ending = "" if method == METHODS[0] else f", {method}"
                scores |= of_hole(name, x, fills.means.mean(0), fills.draws, seen, ending)
        # An average over the posterior, as the rivals' answers are; and the single best code.
        images = super_resolve(
            model, small, A, method="langevin", draws=DRAWS, steps=STEPS, generator=source(seed)
        )
        scores["enlarged"] = -rms(x, images.mean(0))
        best = super_resolve(model, small, A, draws=4, steps=100, generator=source(seed))
        scores["enlarged, best code"] = -rms(x, best[0])
        return scores
    full = FullGaussian.fit(x_train, ridge=DIGITS["ridge"])
    for name, seen in masks().items():
        if arm == "mean image":
            scores |= of_hole(name, x, x_train.mean(0).expand_as(x), None, seen)
        elif arm == "neighbours":
            draws = neighbour_fills(x, seen, x_train, neighbours=NEIGHBOURS)
            scores |= of_hole(name, x, draws.mean(0), draws, seen)
        else:
            fill = full.inpaint(x, seen)
            draws = fill.sample(DRAWS, generator=source(seed))
            scores |= of_hole(name, x, fill.mean.float(), draws.float(), seen)
    if arm == "mean image":
        large = bicubic(small, (4, 4), 2)  # its counterpart, which knows no digits either
    elif arm == "neighbours":
        distances = torch.cdist(small, x_train @ A.T)
        large = x_train[distances.topk(NEIGHBOURS, largest=False).indices].mean(1)
    else:
        large = full.condition(small.double(), A).mean.float()
    return scores | {"enlarged": -rms(x, large)}


def of_hole(
    name: str, x: Tensor, mean: Tensor, draws: Tensor | None, seen: Tensor, ending: str = ""
) -> dict[str, float]:
    """Errors over hidden pixels: of the average fill and, where there are draws, of all of them."""
    filled = torch.where(seen, x, mean)
    scores = {name + ending: -float(hidden_rmse(x, filled, seen).square().mean().sqrt())}
    if draws is not None:
        scores[f"{name}, energy{ending}"] = -float(energy_score(x, draws, seen).mean())
    return scores


# -------------------------------------------------------------------- styles


@cache
def train_judges(fold: int):
    """Train what reads the digit, and what reads the style, from an image in any style."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    data = load_fold(fold, WRITTEN["size"])
    style = torch.arange(len(STYLES)).repeat(len(data.x_train))
    y = data.y_train.repeat_interleave(len(STYLES))
    x = apply_styles(data.x_train.repeat_interleave(len(STYLES), 0), style, data.image_shape)
    content = KNeighborsClassifier(5).fit(x.numpy(), y.numpy())
    return content, LogisticRegression(max_iter=1000).fit(x[:2000].numpy(), style[:2000].numpy())


def styles(arm: str, fold: int, seed: int) -> dict[str, float]:
    """Train on images in one style each, and on a share of pairs; score the transfer."""
    data = load_fold(fold, WRITTEN["size"])
    shape, n_styles = data.image_shape, len(STYLES)
    generator = source(seed)

    def draw_styles(n: int) -> Tensor:
        return torch.randint(n_styles, (n,), generator=generator)

    def draw_others(style: Tensor) -> Tensor:
        step = torch.randint(1, n_styles, style.shape, generator=generator)
        return (style + step) % n_styles

    style, test_style = draw_styles(len(data.x_train)), draw_styles(len(data.x_test))
    to = draw_others(test_style)
    x, truth = (apply_styles(data.x_test, s, shape) for s in (test_style, to))
    content, reader = train_judges(fold)

    def score(name: str, images: Tensor) -> dict[str, float]:
        right = torch.from_numpy(content.predict(images.numpy())) == data.y_test
        turned = (test_style == n_styles - 1) | (to == n_styles - 1)  # from or to "inverted"
        return {
            f"{name}, error": -rms(truth, images),
            f"{name}, content": float(right.float().mean()),
            f"{name}, content, inverted": float(right[turned].float().mean()),
            f"{name}, content, others": float(right[~turned].float().mean()),
            f"{name}, style": float(reader.score(images.numpy(), to.numpy())),
        }

    scores = score("truth", truth) | score("unchanged", x)
    for share, times in PAIRS:
        name = f"{share:g} pairs" + (f", {times}x" if times > 1 else "")
        torch.manual_seed(seed)
        model = vq.VQVAE(
            data.D, WRITTEN["hidden"], WRITTEN["d"], WRITTEN["n"], bottleneck=STYLE_MODELS[arm],
            condition=vq.Labels(n_styles),
        )  # fmt: skip
        paired = torch.rand(len(style), generator=generator) < share
        other = torch.where(paired, draw_others(style), style)
        pairs = StylePairs(model)
        train(
            pairs, *pairs.data(data.x_train, style, other, data.image_shape),
            epochs=times * WRITTEN["epochs"], lr=WRITTEN["lr"], seed=seed,
        )  # fmt: skip
        scores |= score(name, transfer_style(model.eval(), x, test_style, to))
        with torch.no_grad():
            test_pairs = pairs.data(data.x_test, test_style, to, shape)
            bound = -pairs.eval().loss(*test_pairs, generator=source(seed))["loss"]
            scores[f"{name}, bound"] = float(bound)
            codes = model.encode(apply_styles(data.x_train, style, shape), style).mu
            test_codes = model.encode(x, test_style).mu
        scores[f"{name}, style from code"] = vq.linear_probe_accuracy(
            codes, style, test_codes, test_style
        )
    return scores


# -------------------------------------------------------------------- photographs


@cache
def load_pictures() -> dict[str, Tensor]:
    """Load all photographs at half their size."""
    return {
        name: torch.nn.functional.avg_pool2d(picture[None], 2)[0]
        for name, picture in vq.load_photographs().items()
    }


@cache
def cut_patches(fold: int, seed: int) -> tuple[Tensor, Tensor]:
    """Cut patches to test on out of one photograph, and patches to train on out of all others."""
    pictures = load_pictures()
    parts = split_photographs(pictures, test=[list(pictures)[fold]])
    size = PHOTOS["size"]
    train = vq.extract_patches(parts.train, size=size, count=PHOTOS["train"], seed=seed)
    return train, vq.extract_patches(parts.test, size=size, count=PHOTOS["test"], seed=seed)


def photographs(arm: str, fold: int, seed: int) -> dict[str, float]:
    """Score one arm on a hole and on enlargement."""
    x_train, x = cut_patches(fold, seed)
    size, half = PHOTOS["size"], PHOTOS["size"] // 2
    seen = torch.ones(size, size, dtype=torch.bool)
    seen[4:8, 4:8] = False
    seen = seen.flatten()
    A = block_means((size, size), 2)
    small_train, small = x_train @ A.T, x @ A.T
    plain = bicubic(small, (half, half), 2)
    if arm in MODELS:
        training = {"epochs": PHOTOS["epochs"], "lr": PHOTOS["lr"], "seed": seed}
        training["batch_size"] = PHOTOS["batch_size"]
        sizes = size * size, PHOTOS["hidden"], PHOTOS["d"], PHOTOS["n"]
        torch.manual_seed(seed)
        model = vq.VQVAE(
            *sizes, bottleneck=MODELS[arm], likelihood=vq.Gaussian(initial_variance=3e-3)
        )
        train(model, x_train, **training)
        fills = inpaint(model, x, seen, draws=DRAWS, steps=STEPS, generator=source(seed))
        scores = of_hole("hole", x, fills.means.mean(0), fills.draws, seen)
        # What bicubic interpolation lacks, given the small patch without its mean.
        lacking = x_train - bicubic(small_train, (half, half), 2)
        torch.manual_seed(seed)
        model = vq.VQVAE(
            *sizes, bottleneck=MODELS[arm], condition=vq.Numbers(half * half),
            likelihood=vq.Gaussian(initial_variance=1e-3),
        )  # fmt: skip
        train(model, lacking, centred(small_train), **training)
        z = torch.randn(DRAWS, len(x), model.d, generator=source(seed))
        images = plain + model.likelihood.mean(model.decode(z, centred(small))).detach()
        return scores | {
            "enlarged, dB": psnr(x, images.mean(0)),
            "enlarged, one draw, dB": psnr(x, images[0]),
            "roughness of one draw": unlike(images[0], x, size),
            "roughness of the average": unlike(images.mean(0), x, size),
        }
    if arm == "gaussian":
        full = FullGaussian.fit(x_train, ridge=PHOTOS["ridge"])
        fill = full.inpaint(x, seen)
        draws = fill.sample(DRAWS, generator=source(seed)).float()
        large = full.condition(small.double(), A).mean.float()
        return of_hole("hole", x, fill.mean.float(), draws, seen) | {"enlarged, dB": psnr(x, large)}
    if arm == "neighbours":
        draws = neighbour_fills(x, seen, x_train, neighbours=NEIGHBOURS)
        return of_hole("hole", x, draws.mean(0), draws, seen)
    # "no model": a smooth membrane over the hole; bicubic interpolation.
    from skimage.restoration import inpaint_biharmonic

    hole = (~seen).reshape(size, size).numpy()
    membranes = [inpaint_biharmonic(image.reshape(size, size).numpy(), hole) for image in x]
    fill = torch.stack([torch.from_numpy(image).flatten() for image in membranes]).float()
    return of_hole("hole", x, fill, None, seen) | {
        "enlarged, dB": psnr(x, plain),
        "roughness of the average": unlike(plain, x, size),
    }


def centred(small: Tensor) -> Tensor:
    """Small patches without their mean, which bicubic interpolation has right."""
    return small - small.mean(1, keepdim=True)


def psnr(x: Tensor, estimate: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels, for grey values in [0, 1]."""
    return float(-10 * (estimate - x).square().mean().log10())


def unlike(images: Tensor, x: Tensor, size: int) -> float:
    """Roughness of images, relative to what it should be, less 1: the distance from 0, negated."""
    return -abs(roughness(images, size) / roughness(x, size) - 1)


def roughness(x: Tensor, size: int) -> float:
    """Mean absolute difference of neighbouring pixels."""
    images = x.unflatten(1, (size, size))
    return float((images.diff(dim=1).abs().mean() + images.diff(dim=2).abs().mean()) / 2)


@dataclass(frozen=True)
class Study:
    """What is run, in which folds, and which differences are tested."""

    run: Callable[..., dict[str, float]]
    arms: tuple[str, ...]
    family: tuple[Contrast, ...]
    folds: range
    test_to_train: float


ONE_WRITER = {"folds": range(N_WRITERS), "test_to_train": 1 / (N_WRITERS - 2)}
LONGEST = "1 pairs, 4x, content"
STUDIES = {
    "digits": Study(
        digits,
        ("VQVAE", "VAE", "mean image", "neighbours", "gaussian"),
        (
            *(Contrast(arm, "gaussian", mask)
              for arm in ("VAE", "neighbours") for mask in masks()),
            *(Contrast("VQVAE", "VAE", mask) for mask in masks()),
            Contrast("VAE", "gaussian", "enlarged"),
            Contrast("VQVAE", "VAE", "enlarged"),
        ),
        **ONE_WRITER,
    ),
    "styles": Study(
        styles,
        tuple(STYLE_MODELS),
        tuple(Contrast("VQVAE", twin, LONGEST) for twin in ("VAE", "frozen circuit", "matrix")),
        **ONE_WRITER,
    ),
    "photographs": Study(
        photographs,
        ("VQVAE", "VAE", "no model", "neighbours", "gaussian"),
        (
            Contrast("VAE", "gaussian", "hole"),
            Contrast("VAE", "gaussian", "enlarged, dB"),
            Contrast("VQVAE", "VAE", "hole"),
            Contrast("VQVAE", "VAE", "enlarged, dB"),
        ),
        folds=range(12),
        test_to_train=1 / 11,
    ),
}  # fmt: skip


def main() -> None:
    """Run the studies and write the result."""
    parser = argparse.ArgumentParser(description="Test inpainting, super-resolution and styles.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    comparisons = {
        name: compare(
            study.run, {arm: [{}] for arm in study.arms}, folds=study.folds, seeds=SEEDS,
            family=study.family, test_to_train=study.test_to_train, jobs=jobs,
            store=RUNS / f"image_generation.{name}.jsonl",
        )
        for name, study in STUDIES.items()
    }  # fmt: skip
    for (name, contrast), difference in correct_families(comparisons).items():
        print(f"{name}, {contrast}: {difference}, detectable from {difference.detectable:.2g}")
    save_result(
        "image_generation", script="experiments.image_generation",
        settings={
            "digits": DIGITS, "styles": WRITTEN | {"pairs": PAIRS}, "photographs": PHOTOS,
            "draws": DRAWS, "steps": STEPS, "neighbours": NEIGHBOURS,
        },
        **{name: comparison.to_dict() for name, comparison in comparisons.items()},
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Valid calls of `vqvae_lib.applications`."""

from __future__ import annotations

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, grey, labels, normal
from vqvae_lib.applications.anomaly import PixelGaussian
from vqvae_lib.applications.labelled import LabelledData
from vqvae_lib.applications.reduction import LDA
from vqvae_lib.applications.style import StylePairs
from vqvae_lib.applications.super_resolution import block_means
from vqvae_lib.conditions import Labels
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.linear_gaussian import PCA
from vqvae_lib.vae import VAE, mlp_vae

D = 16  # images of 4 by 4 pixels

ANY_LABEL = {"negative, huge": "any whole number may name a class"}
NOT_ZERO = {"zero": "a change that is none"}
FINITE_OR_NOT = {"inf": "a score beyond all others"}
NO_ROWS = {"empty": "no rows, no scores"}
ANY_WIDTH = {"another width, a width of 1": "data of any dimension"}
FAR = {"huge, all huge": "so far off that float32 has no number for it, which inf says"}
ONE_FOR_ALL = {"one axis less": "one mask for all images"}
HIDDEN = {"nan, inf": "hidden pixels may hold anything"}
CHAIN = {"another width, a width of 1": "codes of any dimension"}


def vae() -> VAE:
    return mlp_vae(D, 5, 2, Gaussian()).eval()


def conditional() -> VAE:
    return mlp_vae(D, 5, 2, Gaussian(), condition=Labels(4)).eval()


def x(seed: int = 0) -> Tensor:
    return grey(6, D, seed=seed)


def y() -> Tensor:
    return labels(6)


def mask() -> Tensor:
    return (torch.arange(D) % 3 > 0).repeat(6, 1)


def labelled(seed: int = 0) -> LabelledData:
    return LabelledData.of(x(seed), y())


def peak(z: Tensor) -> Tensor:
    return -z.square().sum(dim=-1)


def pixel_gaussian() -> PixelGaussian:
    return PixelGaussian.fit(x())


CALLS = {
    # ------------------------------------------------------------ anomaly
    "PixelGaussian": Call(lambda: {"mean": normal(D), "variance": grey(D) + 0.1}),
    "PixelGaussian.fit": Call(
        lambda: {"x": x(), "min_variance": 0.1},
        accepts={"x": ANY_WIDTH},
        named={"x": "x|variance"},
    ),
    "PixelGaussian.log_likelihood": Call(
        lambda: {"x": x()}, on=pixel_gaussian, accepts={"x": {**NO_ROWS, **FAR}}
    ),
    "auc": Call(
        lambda: {"normal": normal(5), "odd": normal(4, seed=1)},
        accepts={"normal": FINITE_OR_NOT, "odd": FINITE_OR_NOT},
    ),
    "likelihood_ratio": Call(
        lambda: {"nll": normal(6), "background": pixel_gaussian(), "x": x()},
        accepts={"nll": FINITE_OR_NOT, "x": FAR},
    ),
    "negative_log_likelihood": Call(
        lambda: {"model": vae(), "x": x(), "K": 3, "generator": generator()},
        accepts={"x": {**NO_ROWS, **FAR}},
    ),
    "reconstruction_error": Call(
        lambda: {"model": vae(), "x": x()}, accepts={"x": {**NO_ROWS, **FAR}}
    ),
    "typicality": Call(
        lambda: {"nll": normal(6), "nll_train": normal(5, seed=1)},
        accepts={"nll": {**NO_ROWS, **FINITE_OR_NOT}},
    ),
    # ------------------------------------------------------------ augmentation
    "latent_mixup": Call(
        lambda: {
            "model": vae(),
            "x": x(),
            "y": y(),
            "count": 5,
            "within_class": True,
            "alpha": 0.5,
            "generator": generator(),
        },
        accepts={"y": ANY_LABEL},
    ),
    "mixup": Call(
        lambda: {
            "x": x(),
            "y": y(),
            "count": 5,
            "within_class": False,
            "alpha": 0.5,
            "generator": generator(),
        },
        accepts={"x": ANY_WIDTH, "y": ANY_LABEL},
    ),
    "posterior_samples": Call(
        lambda: {
            "model": conditional(),
            "x": x(),
            "y": y(),
            "copies": 2,
            "spread": 0.5,
            "generator": generator(),
        },
        accepts={"spread": {"zero": "reconstructions"}},
    ),
    "sample_labelled": Call(
        lambda: {
            "model": conditional(),
            "per_class": 2,
            "pixel_noise": True,
            "generator": generator(),
        }
    ),
    "transform_images": Call(
        lambda: {
            "x": x(),
            "y": y(),
            "image_shape": (4, 4),
            "copies": 2,
            "max_shift": 1.5,
            "max_angle": 10.0,
            "max_zoom": 0.1,
            "generator": generator(),
        },
        accepts={
            "y": ANY_LABEL,
            "max_shift": NOT_ZERO,
            "max_angle": NOT_ZERO,
            "max_zoom": NOT_ZERO,
        },
    ),
    # ------------------------------------------------------------ holes, inpainting
    "check_mask": Call(
        lambda: {"x": x(), "observed": mask()}, accepts={"x": HIDDEN, "observed": ONE_FOR_ALL}
    ),
    "energy_score": Call(
        lambda: {"x": x(), "draws": torch.stack([x(1), x(2), x(3)]), "observed": mask()},
        accepts={"x": FAR, "draws": FAR, "observed": ONE_FOR_ALL},
    ),
    "hidden_rmse": Call(
        lambda: {"x": x(), "fill": x(1), "observed": mask()},
        accepts={"x": FAR, "fill": FAR, "observed": ONE_FOR_ALL},
    ),
    "neighbour_fills": Call(
        lambda: {"x": x(), "observed": mask(), "x_train": grey(8, D, seed=1), "neighbours": 3},
        accepts={"x": HIDDEN, "observed": ONE_FOR_ALL},
    ),
    "inpaint": Call(
        lambda: {
            "model": conditional(),
            "x": x(),
            "observed": mask(),
            "y": y(),
            "method": "langevin",
            "draws": 2,
            "steps": 2,
            "generator": generator(),
        },
        accepts={"x": HIDDEN, "observed": ONE_FOR_ALL},
    ),
    # ------------------------------------------------------------ labelled data
    "LabelledData.of": Call(lambda: {"x": x(), "y": y()}, accepts={"x": ANY_WIDTH, "y": ANY_LABEL}),
    "accuracy": Call(
        lambda: {
            "classifier": LogisticRegression(),
            "train": labelled(),
            "x": x(1),
            "y": y(),
        },
        kinds={"train": "object"},
        accepts={"y": {"negative, huge": "classes that no training row has"}},
    ),
    "check_labelled": Call(lambda: {"x": x(), "y": y()}, accepts={"x": ANY_WIDTH, "y": ANY_LABEL}),
    "few_labels": Call(lambda: {"y": y(), "per_class": 1, "seed": 0}, accepts={"y": ANY_LABEL}),
    "mixture": Call(
        lambda: {"real": labelled(), "generated": labelled(1), "w": 0.3},
        kinds={"real": "object", "generated": "object"},
        accepts={"w": {"zero": "none of the generated"}},
    ),
    # ------------------------------------------------------------ Langevin chains
    "climb": Call(
        lambda: {"log_density": peak, "z": normal(3, 2, 2), "steps": 3},
        accepts={"z": CHAIN},
    ),
    "langevin": Call(
        lambda: {
            "log_density": peak,
            "z": normal(3, 2, 2),
            "steps": 3,
            "scale": 0.5,
            "generator": generator(),
        },
        accepts={
            "z": CHAIN,
            "scale": {"a tensor of two, an array of two": "a width in each of two directions"},
        },
    ),
    # ------------------------------------------------------------ memorisation
    "copying_test": Call(
        lambda: {"generated": x(), "train": grey(8, D, seed=1), "held_out": grey(7, D, seed=2)}
    ),
    "membership_test": Call(
        lambda: {"generated": x(), "suspected": grey(8, D, seed=1), "clean": grey(7, D, seed=2)}
    ),
    "nearest_distance": Call(lambda: {"points": x(), "others": grey(8, D, seed=1)}),
    # ------------------------------------------------------------ reduction
    "LDA": Call(
        lambda: {"mean": normal(D), "directions": normal(D, 2)},
        accepts={"directions": {"another width, a width of 1": "any number of directions"}},
    ),
    "LDA.fit": Call(
        lambda: {"x": x(), "y": y(), "d": 1, "shrinkage": 0.5},
        accepts={"x": ANY_WIDTH, "y": ANY_LABEL},
    ),
    "LDA.encode": Call(
        lambda: {"x": x()},
        on=lambda: LDA(normal(D), normal(D, 2)),
        accepts={"x": {"empty": "no rows, no codes"}},
    ),
    "Reducer": Call(lambda: {"encode": lambda x: x[:, :2], "decode": lambda z: z}),
    "chain": Call(lambda: {"first": PCA.fit(x(), 3), "second": PCA.fit(normal(6, 3), 2)}),
    "codes_of": Call(lambda: {"model": vae(), "which": "mu"}),
    "score": Call(
        lambda: {
            "reducer": PCA.fit(x(), 2),
            "x_train": grey(12, D, seed=1),
            "y_train": labels(12),
            "x_test": grey(13, D, seed=2),
            "y_test": labels(13),
        },
        kinds={"reducer": "object"},
        accepts={"y_train": ANY_LABEL, "y_test": ANY_LABEL},
    ),
    # ------------------------------------------------------------ style
    "StylePairs": Call(lambda: {"model": conditional()}),
    "StylePairs.data": Call(
        lambda: {"x": x(), "style": y(), "target": labels(6, 2), "image_shape": (4, 4)}
    ),
    "StylePairs.loss": Call(
        lambda: {
            "x": grey(6, 2 * D),
            "y": torch.stack([y(), labels(6, 2)], dim=1),
            "generator": generator(),
        },
        on=lambda: StylePairs(conditional()),
        accepts={"x": {"huge, all huge": "for `fit` to see that a training diverges"}},
    ),
    "apply_styles": Call(lambda: {"x": x(), "style": y(), "image_shape": (4, 4)}),
    "transfer_style": Call(
        lambda: {"model": conditional(), "x": x(), "style": y(), "target": labels(6, 2)}
    ),
    # ------------------------------------------------------------ super-resolution
    "bicubic": Call(lambda: {"images": x(), "image_shape": (4, 4), "factor": 2}),
    "block_means": Call(lambda: {"image_shape": (4, 4), "factor": 2}),
    "consistency": Call(
        lambda: {"images": x(), "measurements": grey(6, 4), "A": block_means((4, 4), 2)},
        accepts={
            "images": {"one axis more": "several images for each measurement", **FAR},
            "measurements": FAR,
            "A": FAR,
        },
    ),
    "super_resolve": Call(
        lambda: {
            "model": conditional(),
            "measurements": grey(6, 4),
            "A": block_means((4, 4), 2),
            "y": y(),
            "method": "langevin",
            "draws": 2,
            "steps": 2,
            "generator": generator(),
        },
        named={"measurements": "measurements|chains start"},
    ),
}

# LabelledData is a named tuple, which holds what it is given: whatever takes one checks it.
RESULTS = {"Chains", "Inpainting", "LabelledData", "NeighbourTest", "Scores"}

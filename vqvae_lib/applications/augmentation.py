"""Augmentation: images moved, drawn or mixed, each with the label it should have.

Everything here returns `LabelledData`, to be added to the real data by `mixture`. Split the data
first: nothing here may see a test image.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from vqvae_lib._checks import (
    MOST,
    check_count,
    check_flag,
    check_generator,
    check_image_shape,
    check_number,
    check_tensor,
    raise_if_any,
)
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._dimensions import check_model
from vqvae_lib.applications.labelled import LabelledData, check_labelled
from vqvae_lib.conditions import Labels, NoCondition
from vqvae_lib.vae import VAE

__all__ = [
    "latent_mixup",
    "mixup",
    "posterior_samples",
    "sample_labelled",
    "transform_images",
]


def transform_images(
    x: Tensor,
    y: Tensor,
    *,
    image_shape: tuple[int, int],
    copies: int = 1,
    max_shift: float = 0.0,
    max_angle: float = 0.0,
    max_zoom: float = 0.0,
    generator: torch.Generator,
) -> LabelledData:
    """Move, turn and zoom images a little and keep their labels: classical augmentation.

    That a digit stays the same digit under small changes is knowledge the data need not supply.
    Each change is drawn uniformly between minus and plus its maximum. Between pixels the image is
    interpolated linearly; outside of it there is background (0).

    Parameters
    ----------
    x, y
        Images as rows (N, H * W) and labels (N,).
    image_shape
        (H, W).
    copies
        Changed versions of each image.
    max_shift
        In pixels, in each direction; need not be a whole number.
    max_angle
        In degrees about the centre, up to 180.
    max_zoom
        As a share of the size, below 1.
    generator
        Draws the changes.

    Returns
    -------
    LabelledData
        (copies * N, H * W): all images once, then all again.

    Raises
    ------
    ValueError
        If shapes do not fit, or a maximum is out of range.
    """
    x, y = check_labelled(x, y)
    H, W = check_image_shape("image_shape", image_shape)
    check_tensor("x", x, ("N", H * W))
    shift = check_number("max_shift", max_shift, least=0)
    angle = math.radians(check_number("max_angle", max_angle, least=0, most=180))
    zoom = check_number("max_zoom", max_zoom, least=0, below=1)
    check_generator("generator", generator)
    copies = check_count("copies", copies, most=MOST // x.numel())
    M = copies * len(x)
    draw = 2 * torch.rand(M, 4, generator=generator, dtype=x.dtype, device=x.device) - 1  # (M, 4)
    # The grid says where each new pixel is taken from: to enlarge, look nearer to the centre.
    scale = 1 / (1 + zoom * draw[:, 1])  # (M,)
    # In affine_grid's units the image reaches from -1 to 1 both ways: a pixel is 2/W wide and 2/H
    # high, and a turn has to allow for that.
    cos, sin = scale * (angle * draw[:, 0]).cos(), scale * (angle * draw[:, 0]).sin()
    across = torch.stack([cos, -sin * H / W, -shift * draw[:, 2] * 2 / W], dim=1)  # (M, 3)
    down = torch.stack([sin * W / H, cos, -shift * draw[:, 3] * 2 / H], dim=1)  # (M, 3)
    maps = torch.stack([across, down], dim=1)  # (M, 2, 3)
    images = x.repeat(copies, 1).reshape(M, 1, H, W)  # (N, D) -> (M, 1, H, W)
    grid = affine_grid(maps, [M, 1, H, W], align_corners=False)  # (M, H, W, 2)
    moved_images = grid_sample(images, grid, align_corners=False)
    return LabelledData.of(moved_images.reshape(M, -1), y.repeat(copies))


def sample_labelled(
    model: VAE, per_class: int, *, pixel_noise: bool = False, generator: torch.Generator
) -> LabelledData:
    """Draw from a conditional model: for every class z ~ p(z), then x from p(x|z, y).

    Parameters
    ----------
    model
        A `VAE` or `VQVAE` whose condition is `Labels`. Samples of any other model carry no label.
    per_class
        Number of draws for each class.
    pixel_noise
        Draw from p(x|z, y), instead of taking its mean.
    generator
        Draws codes and noise.

    Returns
    -------
    LabelledData
        (n_classes * per_class, D), class after class.

    Raises
    ------
    ValueError
        If the model's condition is not `Labels`.
    """
    check_model(model)
    check_generator("generator", generator)
    per_class = check_count("per_class", per_class)
    sample = model.sample if check_flag("pixel_noise", pixel_noise) else model.sample_mean
    if not isinstance(model.condition, Labels):
        raise ValueError(
            f"model has the condition {model.condition}, so its samples carry no label: expected "
            "Labels(n), or use posterior_samples or latent_mixup, which keep labels of real data"
        )
    device = next(model.parameters()).device
    y = torch.arange(model.condition.n_classes, device=device).repeat_interleave(per_class)
    with evaluating(model):
        return LabelledData.of(sample(len(y), y, generator=generator), y)


def posterior_samples(
    model: VAE,
    x: Tensor,
    y: Tensor,
    *,
    copies: int = 1,
    spread: float = 1.0,
    generator: torch.Generator,
) -> LabelledData:
    """Draw near labelled data: z ~ q(z|x), decoded, with the label of x.

    Parameters
    ----------
    model
        Any `VAE` or `VQVAE` that takes labels or no condition. One without labels may have been
        trained on unlabelled data.
    x, y
        Labelled data (N, D), (N,).
    copies
        Draws for each row.
    spread
        Factor on the standard deviation of q(z|x), 0 or more; 0 gives reconstructions.
    generator
        Draws the codes.

    Returns
    -------
    LabelledData
        Means of p(x|z), (copies * N, D): all rows once, then all again.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is out of range, or the model's condition is of another kind.
    """
    check_model(model)
    x, y = check_labelled(x, y)
    copies = check_count("copies", copies, most=MOST // x.numel())
    spread = check_number("spread", spread, least=0)
    check_generator("generator", generator)
    labels = y.repeat(copies)
    with evaluating(model):
        mu, log_var = model.encode(x, _select_condition(model, y))  # (N, d) each
        eps = mu.new_empty(copies, *mu.shape).normal_(generator=generator)  # (copies, N, d)
        z = (mu + spread * (0.5 * log_var).exp() * eps).flatten(0, 1)  # (copies * N, d)
        raise_if_any("codes of x", z, ~z.isfinite(), "finite numbers")
        return LabelledData.of(_decode_mean(model, z, labels), labels)


def latent_mixup(
    model: VAE,
    x: Tensor,
    y: Tensor,
    *,
    count: int,
    within_class: bool = True,
    alpha: float = 1.0,
    generator: torch.Generator,
) -> LabelledData:
    """Mix the codes of two labelled images and decode the mixture.

    ``z = λ μ(x_i) + (1 - λ) μ(x_j)`` with i ≠ j and λ ~ Beta(alpha, alpha): mixup (Zhang et al.
    2018), in the code instead of the pixels. Within a class the label is kept. Between classes the
    image carries both labels: it appears twice, with the weights λ and 1 - λ.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE`. A conditional one can only mix within a class, because its decoder takes
        a single label.
    x, y
        Labelled data (N, D), (N,).
    count
        Number of mixtures.
    within_class
        Whether both images have the same label.
    alpha
        Above 0. With 1, λ is uniform; smaller values keep it near 0 or 1.
    generator
        Draws pairs and λ.

    Returns
    -------
    LabelledData
        (count, D) within classes, (2 * count, D) between them.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is out of range, an image has no other to be mixed with, or
        the model's condition does not allow the mixture.
    """
    check_model(model)
    x, y = check_labelled(x, y)
    within_class = check_flag("within_class", within_class)
    if isinstance(model.condition, Labels) and not within_class:
        raise ValueError(
            "within_class=False with a conditional model, whose decoder takes one label: expected "
            "within_class=True, or a model without labels"
        )
    count = check_count("count", count, most=MOST // x.shape[1])
    pairs = _draw_pairs(y, count, within_class, generator)
    share = _draw_shares(x, count, alpha, generator)
    with evaluating(model):
        mu = model.encode(x, _select_condition(model, y)).mu  # (N, d)
        z = _mix_rows(mu, pairs, share)  # (count, d)
        raise_if_any("codes of x", z, ~z.isfinite(), "finite numbers")
        images = _decode_mean(model, z, y[pairs[0]])  # (count, D)
    return _label_mixtures(images, y, pairs, share, within_class)


def mixup(
    x: Tensor,
    y: Tensor,
    *,
    count: int,
    within_class: bool = False,
    alpha: float = 1.0,
    generator: torch.Generator,
) -> LabelledData:
    """Mix pixels and labels of two images (Zhang et al. 2018); arguments as in `latent_mixup`."""
    x, y = check_labelled(x, y)
    within_class = check_flag("within_class", within_class)
    count = check_count("count", count, most=MOST // x.shape[1])
    pairs = _draw_pairs(y, count, within_class, generator)
    share = _draw_shares(x, count, alpha, generator)
    return _label_mixtures(_mix_rows(x, pairs, share), y, pairs, share, within_class)


Pairs = tuple[Tensor, Tensor]


def _draw_pairs(y: Tensor, count: int, within_class: bool, generator: torch.Generator) -> Pairs:
    """Draw row numbers of two different images, (count,) each; of one class if that is asked."""
    check_generator("generator", generator)
    group = y if within_class else torch.zeros_like(y)
    order = group.argsort(stable=True)  # rows sorted by group: the images of each stand together
    _, group, sizes = group[order].unique(return_inverse=True, return_counts=True)
    if sizes.min() < 2:
        raise ValueError(
            "y has a class with a single image: expected two or more, to mix one with another"
        )
    start = (sizes.cumsum(0) - sizes)[group]  # where the group of each sorted row begins, (N,)
    first = torch.randint(len(y), (count,), generator=generator, device=y.device)
    # Step from the first image to another of its group, round the end to the beginning.
    others = sizes[group[first]] - 1  # (count,)
    uniform = torch.rand(count, generator=generator, dtype=torch.float64, device=y.device)
    step = 1 + (uniform * others).long().clamp(max=others - 1)
    second = start[first] + (first - start[first] + step) % (others + 1)
    return order[first], order[second]


def _draw_shares(x: Tensor, count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw λ ~ Beta(alpha, alpha), in the dtype of x: ``-> (count, 1)``."""
    alpha = check_number("alpha", alpha, above=0)
    # torch's beta distribution takes no generator; NumPy's does.
    seed = int(torch.randint(2**62, (1,), generator=generator, device=x.device))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, (count, 1))).to(x)


def _mix_rows(rows: Tensor, pairs: Pairs, share: Tensor) -> Tensor:
    return share * rows[pairs[0]] + (1 - share) * rows[pairs[1]]  # (N, D) -> (count, D)


def _label_mixtures(
    x: Tensor, y: Tensor, pairs: Pairs, share: Tensor, within_class: bool
) -> LabelledData:
    """Give mixtures their label, or both labels with their weights."""
    first, second = (y[rows] for rows in pairs)  # (count,) each
    if within_class:
        return LabelledData.of(x, first)
    weight = torch.cat([share, 1 - share])[:, 0]  # (2 * count,)
    tiny = torch.finfo(weight.dtype).tiny  # a weight has to be above 0
    return LabelledData(torch.cat([x, x]), torch.cat([first, second]), weight.clamp(min=tiny))


def _select_condition(model: VAE, y: Tensor) -> Tensor | None:
    """Labels for a model that takes them, None for one without a condition."""
    if isinstance(model.condition, NoCondition):
        return None
    if isinstance(model.condition, Labels):
        return y
    raise ValueError(
        f"model has the condition {model.condition}: expected Labels(n) or no condition"
    )


def _decode_mean(model: VAE, z: Tensor, y: Tensor) -> Tensor:
    """Mean of p(x|z) or p(x|z, y): ``(M, d) -> (M, D)``."""
    return model.likelihood.mean(model.decode(z, _select_condition(model, y)))

"""Augmentation: changed images, drawn ones, mixed ones, each with the label that it is to have.

Everything here gives a `Labelled` sample, to be put beside the real one by `mixture`. Split the
data first: nothing here may see a test image.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_count
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications.labelled import (
    Labelled,
    check_labelled,
)
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
) -> Labelled:
    """Classical augmentation: images moved, turned and zoomed a little, with the label kept.

    That a digit stays the same digit under small changes is knowledge which the data need not
    supply. Each number is drawn uniformly between minus and plus its maximum; between pixels the
    image is interpolated linearly, outside of it there is background (0).

    Parameters
    ----------
    x, y
        Images as rows (N, H * W) and labels (N,).
    image_shape
        (H, W).
    copies
        Changed images of each.
    max_shift
        In pixels, in each direction; need not be whole.
    max_angle
        In degrees, about the centre.
    max_zoom
        As a share of the size, below 1.
    generator
        Draws the changes.

    Returns
    -------
    Labelled
        (copies * N, H * W): all images once, then all again.

    Raises
    ------
    ValueError
        If shapes do not fit, or a maximum is out of range.
    """
    check_labelled(x, y)
    check_count("copies", copies)
    H, W = image_shape
    if x.shape[1] != H * W:
        raise ValueError(f"image_shape={image_shape!r}: expected (H, W) with H * W = {x.shape[1]}")
    for name, value, limit in (
        ("max_shift", max_shift, math.inf),
        ("max_angle", max_angle, 180.000001),
        ("max_zoom", max_zoom, 1.0),
    ):
        if not 0 <= value < limit:
            raise ValueError(f"{name}={value!r}: expected a number from 0 to below {limit:g}")
    M = copies * len(x)
    draw = 2 * torch.rand(M, 4, generator=generator, dtype=x.dtype, device=x.device) - 1  # (M, 4)
    angle = math.radians(max_angle) * draw[:, 0]
    # The grid says where each new pixel is taken from: to enlarge, look nearer to the centre.
    scale = 1 / (1 + max_zoom * draw[:, 1])
    # In affine_grid's units the image reaches from -1 to 1 both ways, so a pixel is 2/W wide and
    # 2/H high; a turn by pixels has to take that into account.
    cos, sin = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos, -sin * H / W, -max_shift * draw[:, 2] * 2 / W], 1),
            torch.stack([sin * W / H, cos, -max_shift * draw[:, 3] * 2 / H], 1),
        ],
        1,
    )  # (M, 2, 3)
    images = x.repeat(copies, 1).reshape(M, 1, H, W)  # (N, D) -> (M, 1, H, W)
    grid = nn.functional.affine_grid(theta, [M, 1, H, W], align_corners=False)
    moved = nn.functional.grid_sample(images, grid, align_corners=False)
    return Labelled.of(moved.reshape(M, -1), y.repeat(copies))


def sample_labelled(
    model: VAE, per_class: int, *, mean: bool = True, generator: torch.Generator
) -> Labelled:
    """Draw from a conditional model: for every class z ~ p(z), then x ~ p(x|z, y).

    The noise goes into the decoder. A model without labels cannot do this: its samples carry none.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE` with ``n_classes``.
    per_class
        How many of each class.
    mean
        Give the mean of p(x|z, y), the picture without pixel noise.
    generator
        Draws.

    Returns
    -------
    Labelled
        (n_classes * per_class, D).

    Raises
    ------
    ValueError
        If the model has no labels.
    """
    check_count("per_class", per_class)
    if model.n_classes is None:
        raise ValueError(
            "model has n_classes=None, so its samples carry no label: expected a conditional "
            "model, or use posterior_samples or latent_mixup, which keep the labels of real data"
        )
    device = next(model.parameters()).device
    y = torch.arange(model.n_classes, device=device).repeat_interleave(per_class)
    with evaluating(model):
        return Labelled.of(model.sample(len(y), y, mean=mean, generator=generator), y)


def posterior_samples(
    model: VAE,
    x: Tensor,
    y: Tensor,
    *,
    copies: int = 1,
    spread: float = 1.0,
    mean: bool = True,
    generator: torch.Generator,
) -> Labelled:
    """Draw near labelled data: z ~ q(z|x), decode, and keep the label.

    Parameters
    ----------
    model
        Any `VAE` or `VQVAE`; one without labels may have been trained on unlabelled data.
    x, y
        Labelled data (N, D), (N,).
    copies
        Draws for each.
    spread
        Factor on the standard deviation of q(z|x); 0 gives reconstructions.
    mean
        Give the mean of p(x|z), the picture without pixel noise.
    generator
        Draws.

    Returns
    -------
    Labelled
        (copies * N, D): all once, then all again.

    Raises
    ------
    ValueError
        If shapes do not fit, `spread` is negative, or the model is conditioned on numbers.
    """
    check_labelled(x, y)
    check_count("copies", copies)
    if not 0 <= spread < math.inf:
        raise ValueError(f"spread={spread!r}: expected a number, 0 or more")
    labels = y.repeat(copies)
    with evaluating(model):
        mu, log_var = model.encode(x, _label(model, y))  # (N, d) each
        eps = mu.new_empty(copies, *mu.shape).normal_(generator=generator)
        z = (mu + spread * (0.5 * log_var).exp() * eps).flatten(0, 1)  # (copies * N, d)
        return Labelled.of(_decode(model, z, labels, mean=mean, generator=generator), labels)


def latent_mixup(
    model: VAE,
    x: Tensor,
    y: Tensor,
    *,
    count: int,
    within_class: bool = True,
    alpha: float = 1.0,
    generator: torch.Generator,
) -> Labelled:
    """Mix the codes of two labelled images and decode the mixture.

    ``z = λ μ(x_i) + (1 - λ) μ(x_j)``, λ ~ Beta(alpha, alpha): mixup (Zhang et al. 2018), in the
    code instead of the pixels. Within a class the label is kept. Between classes the image has
    both, λ of one and 1 - λ of the other: it stands in the result twice, with these weights.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE`. A conditional one can only mix within a class: its decoder wants one
        label.
    x, y
        Labelled data (N, D), (N,).
    count
        How many mixtures.
    within_class
        Whether the partner has the same label. It is drawn from all of the class, the image itself
        included; that takes memory for ``count * N`` numbers.
    alpha
        Above 0; 1 is the uniform distribution, smaller ones stay near either end.
    generator
        Draws pairs and λ.

    Returns
    -------
    Labelled
        (count, D) within classes, (2 * count, D) between them.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is out of range, a conditional model is to mix classes, or
        one is conditioned on numbers.
    """
    check_labelled(x, y)
    if model.n_classes is not None and not within_class:
        raise ValueError(
            "within_class=False with a conditional model, whose decoder takes one label: expected "
            "within_class=True, or a model without labels"
        )
    first, second, lam = _pairs(y, count, within_class, alpha, generator)
    lam = lam.to(x)
    with evaluating(model):
        mu = model.encode(x, _label(model, y)).mu  # (N, d)
        z = lam[:, None] * mu[first] + (1 - lam[:, None]) * mu[second]  # (count, d)
        images = _decode(model, z, y[first], mean=True, generator=generator)  # (count, D)
    return _share(images, y[first], y[second], lam, within_class)


def mixup(
    x: Tensor,
    y: Tensor,
    *,
    count: int,
    within_class: bool = False,
    alpha: float = 1.0,
    generator: torch.Generator,
) -> Labelled:
    """Mix pixels and labels of two images (Zhang et al. 2018); arguments as in `latent_mixup`."""
    check_labelled(x, y)
    first, second, lam = _pairs(y, count, within_class, alpha, generator)
    lam = lam.to(x)
    mixed = lam[:, None] * x[first] + (1 - lam[:, None]) * x[second]  # (count, D)
    return _share(mixed, y[first], y[second], lam, within_class)


def _label(model: VAE, y: Tensor) -> Tensor | None:
    """Labels for a model that has any."""
    if model.condition_dim is not None:
        raise ValueError(
            f"model has condition_dim={model.condition_dim}: expected one with n_classes, or one "
            "that is conditioned on nothing"
        )
    return None if model.n_classes is None else y


def _decode(model: VAE, z: Tensor, y: Tensor, *, mean: bool, generator: torch.Generator) -> Tensor:
    params = model.decode(z, _label(model, y))  # (M, d) -> (M, D * params_per_dimension)
    if mean:
        return model.likelihood.mean(params)
    return model.likelihood.sample(params, generator=generator)


def _pairs(
    y: Tensor, count: int, within_class: bool, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw pairs of rows and λ ~ Beta(alpha, alpha), (count,) each."""
    check_count("count", count)
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha={alpha!r}: expected a number above 0")
    first = torch.randint(len(y), (count,), generator=generator, device=y.device)
    if within_class:
        same = (y[first][:, None] == y[None, :]).double()  # (count, N)
        second = torch.multinomial(same, 1, generator=generator)[:, 0]
    else:
        second = torch.randint(len(y), (count,), generator=generator, device=y.device)
    # torch's beta distribution takes no generator; NumPy's does.
    seed = int(torch.randint(2**62, (1,), generator=generator, device=y.device))
    lam = torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, count))
    return first, second, lam


def _share(x: Tensor, first: Tensor, second: Tensor, lam: Tensor, within_class: bool) -> Labelled:
    """Give mixtures their labels: one, or both with their weights."""
    if within_class:
        return Labelled.of(x, first)
    tiny = torch.finfo(lam.dtype).tiny  # a weight of exactly 0 is none
    weight = torch.cat([lam, 1 - lam]).clamp(min=tiny)
    return Labelled(torch.cat([x, x]), torch.cat([first, second]), weight)

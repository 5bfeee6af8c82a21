"""Style transfer: the same content in another style.

"Style" is whatever a label tells about an image that its content does not depend on. Here it is one
of a few known changes of an image, so that the right answer exists: the same image, changed. Train
a conditional model p(x | z, style) on images in known styles, encode with one style, decode with
another. Nothing in that objective makes a code mean the same in both styles; see `StylePairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, max_pool2d

from vqvae_lib._checks import (
    LABELS,
    check_image_shape,
    check_same_length,
    check_tensor,
    raise_if_any,
)
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._dimensions import check_model
from vqvae_lib.conditions import Labels, NoCondition
from vqvae_lib.vae import VAE

__all__ = ["STYLES", "StylePairs", "apply_styles", "transfer_style"]

Style = Callable[[Tensor], Tensor]


def _keep(images: Tensor) -> Tensor:
    return images


def _thicken(images: Tensor) -> Tensor:
    """Replace each pixel by the brightest of its neighbourhood."""
    return max_pool2d(images, kernel_size=3, stride=1, padding=1)


def _slant(images: Tensor) -> Tensor:
    """Lean to the right: shift each row in proportion to its height."""
    shear = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0]]).to(images)  # (2, 3)
    grid = affine_grid(
        shear.expand(len(images), 2, 3), list(images.shape), align_corners=False
    )  # (N, H, W, 2)
    return grid_sample(images, grid, align_corners=False)


def _invert(images: Tensor) -> Tensor:
    return 1 - images


STYLES: Mapping[str, Style] = {
    "plain": _keep,
    "bold": _thicken,
    "slanted": _slant,
    "inverted": _invert,
}
"""Changes of images (N, 1, H, W) with grey values in [0, 1], by name."""


def apply_styles(x: Tensor, style: Tensor, image_shape: tuple[int, int]) -> Tensor:
    """Put each image into its style.

    Parameters
    ----------
    x
        Images with grey values in [0, 1], shape (N, D).
    style
        One style per image, an index into `STYLES`, shape (N,), int64.
    image_shape
        (H, W) with H * W = D.

    Returns
    -------
    torch.Tensor
        Shape (N, D).

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no such style.
    """
    image_shape = check_image_shape("image_shape", image_shape)
    x = check_tensor("x", x, ("N", prod(image_shape)), finite=True)
    style = _check_styles("style", style, len(x))
    images = x.reshape(-1, 1, *image_shape)  # (N, D) -> (N, 1, H, W)
    output = torch.empty_like(images)
    for number, change in enumerate(STYLES.values()):
        rows = style == number
        if rows.any():
            output[rows] = change(images[rows])
    return output.flatten(1)  # (N, 1, H, W) -> (N, D)


def _check_styles(name: str, style: Tensor, N: int) -> Tensor:
    """Return an index into `STYLES` for each of N images; ValueError or TypeError otherwise."""
    style = check_tensor(name, style, (N,), dtype=LABELS)
    numbers = f"0 to {len(STYLES) - 1}, for {', '.join(STYLES)}"
    raise_if_any(name, style, (style < 0) | (style >= len(STYLES)), numbers)
    return style


def transfer_style(model: VAE, x: Tensor, style: Tensor, target: Tensor) -> Tensor:
    """Encode images with the style they have, and decode with the style they should get.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE` whose condition is the style.
    x
        Images, shape (B, D).
    style, target
        The style of each image and the one it should get, as the model takes its condition: labels
        (B,) or numbers (B, dim).

    Returns
    -------
    torch.Tensor
        Means of p(x | z, target) at the mean of q(z | x, style), shape (B, D).

    Raises
    ------
    ValueError
        If the model has no condition, or the styles do not fit it.
    """
    if isinstance(check_model(model).condition, NoCondition):
        raise ValueError("model has no condition: expected a model of p(x | z, style)")
    x = check_tensor("x", x, ("B", "D"), finite=True)
    style = _check_condition("style", style, model, x)
    target = _check_condition("target", target, model, x)
    with evaluating(model):
        return model.likelihood.mean(model.decode(model.encode(x, style).mu, target))


def _check_condition(name: str, style: Tensor, model: VAE, x: Tensor) -> Tensor:
    """Return the styles of images, as a model takes them; ValueError or TypeError otherwise."""
    style = check_tensor(name, style, ("B", ...), dtype=None)
    check_same_length(name, style, "x", x)
    try:
        model.condition.rows(style, like=x)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
    return style


class StylePairs(nn.Module):
    """Train a conditional model on images and, where they are known, on their partners.

    A partner is the same image in another style. The code is drawn from q(z | x, style) and has to
    explain the partner: ``E_q[log p(x' | z, target)] - KL(q ‖ p(z))``. Like every ELBO this bounds
    log p(x' | target), since the bound holds for any q. An image without a partner is its own, and
    its bound is the usual one.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE` whose condition is `Labels`, the styles. It is trained in place.

    Raises
    ------
    ValueError
        If the model's condition is not `Labels`.
    """

    def __init__(self, model: VAE) -> None:
        super().__init__()
        if not isinstance(check_model(model).condition, Labels):
            raise ValueError(
                f"model has the condition {model.condition}: expected Labels(n), one for each style"
            )
        self.model = model

    @staticmethod
    def data(
        x: Tensor, style: Tensor, target: Tensor, image_shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Arrange images and partners for ``fit(pairs, *pairs.data(...))``.

        Parameters
        ----------
        x
            Images before any style, shape (N, D).
        style, target
            The style of each image and of its partner, shape (N,), int64; the same style where
            there is no partner.
        image_shape
            (H, W) with H * W = D.

        Returns
        -------
        (torch.Tensor, torch.Tensor)
            Images and partners side by side, shape (N, 2 D), and their styles, shape (N, 2).
        """
        x = check_tensor("x", x, ("N", "D"))
        style = _check_styles("style", style, len(x))
        target = _check_styles("target", target, len(x))
        images = [apply_styles(x, number, image_shape) for number in (style, target)]
        return torch.cat(images, dim=1), torch.stack([style, target], dim=1)

    def loss(
        self, x: Tensor, y: Tensor, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Negative bound of a batch, in nats per sample: ``(B, 2 D) and (B, 2) -> ()`` each.

        The model's ``beta``, ``K`` and weight of the KL count as they do in its own loss.
        """
        x = check_tensor("x", x, ("B", "2 D"), least=1)
        y = check_tensor("y", y, (len(x), 2), dtype=LABELS)
        if x.shape[1] % 2:
            raise ValueError(
                f"x has shape {tuple(x.shape)}: expected images and partners side by side, as "
                "StylePairs.data gives them"
            )
        image, partner = x.chunk(2, dim=1)  # (B, D) each
        posterior = self.model.encode(image, y[:, 0])
        return self.model.loss(partner, y[:, 1], posterior=posterior, generator=generator)

"""Style transfer: the same content, written otherwise.

"Style" is whatever a label says that the content does not depend on. Here it is one of a few known
changes of an image, so that the right answer exists: the same image, changed. A conditional model
p(x | z, style) is trained on images in known styles; encode with the one, decode with the other.
That the code then means the same in both is no consequence of the objective: see `StylePairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, max_pool2d

from vqvae_lib._evaluating import evaluating
from vqvae_lib.vae import VAE

__all__ = ["StylePairs", "in_styles", "transfer_style"]

Style = Callable[[Tensor], Tensor]


def _plain(images: Tensor) -> Tensor:
    return images


def _bold(images: Tensor) -> Tensor:
    """Thicker strokes: each pixel becomes the brightest of its neighbourhood."""
    return max_pool2d(images, kernel_size=3, stride=1, padding=1)


def _slanted(images: Tensor) -> Tensor:
    """Leaning to the right: each row is shifted in proportion to its height."""
    shear = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0]]).to(images)  # (2, 3)
    grid = affine_grid(
        shear.expand(len(images), 2, 3), list(images.shape), align_corners=False
    )  # (N, H, W, 2)
    return grid_sample(images, grid, align_corners=False)


def _inverted(images: Tensor) -> Tensor:
    return 1 - images


STYLES: Mapping[str, Style] = {
    "plain": _plain,
    "bold": _bold,
    "slanted": _slanted,
    "inverted": _inverted,
}
"""Changes of images (N, 1, H, W) with grey values in [0, 1], by name."""


def in_styles(
    x: Tensor, style: Tensor, image_shape: tuple[int, int], styles: Mapping[str, Style] = STYLES
) -> Tensor:
    """Change each image to its style.

    Parameters
    ----------
    x
        Grey values in [0, 1], shape (N, D).
    style
        Which, an index into `styles` for each image, shape (N,), int64.
    image_shape
        (H, W) with H * W = D.
    styles
        Functions from (N, 1, H, W) to the same shape, by name.

    Returns
    -------
    torch.Tensor
        Shape (N, D).

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no such style.
    """
    if x.ndim != 2 or x.shape[1] != prod(image_shape):
        raise ValueError(f"x has shape {tuple(x.shape)}: expected (N, {prod(image_shape)})")
    if style.shape != x.shape[:1] or style.dtype != torch.int64:
        raise ValueError(
            f"style is {tuple(style.shape)} of {style.dtype}: expected ({len(x)},) of torch.int64"
        )
    if len(style) and not 0 <= int(style.min()) <= int(style.max()) < len(styles):
        raise ValueError(
            f"style runs from {int(style.min())} to {int(style.max())}: expected 0 to "
            f"{len(styles) - 1}, for {', '.join(styles)}"
        )
    images = x.reshape(-1, 1, *image_shape)
    changed = torch.empty_like(images)
    for number, change in enumerate(styles.values()):
        mine = style == number
        if mine.any():
            changed[mine] = change(images[mine])
    return changed.flatten(1)  # (N, 1, H, W) -> (N, D)


def transfer_style(model: VAE, x: Tensor, style: Tensor, to: Tensor) -> Tensor:
    """Encode images with the style that they have, decode with the one that they should have.

    Parameters
    ----------
    model
        A conditional VAE or VQVAE whose labels (`n_classes`) or conditions are styles.
    x
        Images, shape (B, D).
    style, to
        Their style, and the one wanted, as the model takes its labels: shape (B,), int64.

    Returns
    -------
    torch.Tensor
        Means of p(x | z, to) at the posterior's mean, shape (B, D).

    Raises
    ------
    ValueError
        If the model has no labels, or those given do not fit.
    """
    if model.n_classes is None and model.condition_dim is None:
        raise ValueError(
            "model has neither n_classes nor condition_dim: expected a conditional model of "
            "p(x | z, style)"
        )
    with evaluating(model):
        return model.likelihood.mean(model.decode(model.encode(x, style).mu, to))


class StylePairs(nn.Module):
    """Train a conditional model on images and, where they are known, on what they should become.

    The code is drawn from q(z | x, style), and has to explain the image in the *other* style:
    ``E_q[log p(x_to | z, to)] - KL(q ‖ p(z))``. That bounds log p(x_to | to) like every ELBO, since
    a bound holds for any q. Where `to` is the image's own style it is the usual one.

    Parameters
    ----------
    model
        A conditional VAE or VQVAE with `n_classes` styles. It is trained in place.
    """

    def __init__(self, model: VAE) -> None:
        super().__init__()
        if model.n_classes is None:
            raise ValueError("model has no n_classes: expected a conditional model of styles")
        self.model = model

    def data(
        self, x: Tensor, style: Tensor, to: Tensor, image_shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Put pairs together for ``fit(pairs, *pairs.data(...))``.

        Parameters
        ----------
        x
            Images as they are, before any style, shape (N, D).
        style, to
            Both styles of each, shape (N,), int64; alike where there is no pair.
        image_shape
            (H, W).

        Returns
        -------
        (torch.Tensor, torch.Tensor)
            Images in both styles side by side, (N, 2 D), and the styles, (N, 2).
        """
        both = [in_styles(x, which, image_shape) for which in (style, to)]
        return torch.cat(both, 1), torch.stack([style, to], 1)

    def loss(
        self, x: Tensor, y: Tensor, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Negative bound of a batch, in nats a sample: ``(B, 2 D) and (B, 2) -> ()`` each.

        The model's ``beta``, ``K`` and annealing count as in its own loss.
        """
        x_from, x_to = x.chunk(2, dim=1)  # (B, D) each
        posterior = self.model.encode(x_from, y[:, 0])
        return self.model.loss_given(posterior, x_to, y[:, 1], generator=generator)

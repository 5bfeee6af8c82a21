"""Super-resolution: large images that fit a small one, from any trained VAE or VQVAE.

A small image is a measurement ``A x`` of the large one, an average over blocks of pixels. Many
large images look the same through it, and the model says which of them are likely. With a Gaussian
likelihood of one variance everything but the code has a closed form: given z, both the measurement
and the rest of x are Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from vqvae_lib._checks import (
    MOST,
    check_choice,
    check_count,
    check_generator,
    check_image_shape,
    check_tensor,
)
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._dimensions import (
    check_conditions,
    check_dimensions,
    check_model,
    check_slopes,
)
from vqvae_lib.applications.langevin import climb, langevin
from vqvae_lib.bounds import gaussian_log_prob
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.vae import VAE

__all__ = ["bicubic", "block_means", "consistency", "super_resolve"]


def block_means(image_shape: tuple[int, int], factor: int) -> Tensor:
    """Build the matrix A that averages over square blocks of pixels.

    Parameters
    ----------
    image_shape
        (H, W) of the large image, both multiples of `factor`.
    factor
        Side of a block, in pixels.

    Returns
    -------
    torch.Tensor
        Shape (k, D), with D = H * W and k = D / factor². Each row has factor² entries 1/factor².

    Raises
    ------
    ValueError
        If the sides are not multiples of `factor`.

    Examples
    --------
    >>> A = block_means((4, 4), 2)
    >>> A.shape, (torch.arange(16.0) @ A.T).tolist()
    (torch.Size([4, 16]), [2.5, 4.5, 10.5, 12.5])
    """
    factor = check_count("factor", factor)
    H, W = check_image_shape("image_shape", image_shape)
    if (H * W) ** 2 > MOST:
        raise ValueError(
            f"image_shape={image_shape}: expected at most {isqrt(MOST)} pixels, since the matrix "
            "is made of their square"
        )
    if H % factor or W % factor:
        raise ValueError(f"image_shape={image_shape}: expected multiples of factor={factor}")
    pixels = torch.eye(H * W).reshape(-1, 1, H, W)  # one image per pixel, (D, 1, H, W)
    return avg_pool2d(pixels, factor).flatten(1).T  # (D, 1, H / factor, W / factor) -> (k, D)


def bicubic(images: Tensor, image_shape: tuple[int, int], factor: int) -> Tensor:
    """Enlarge images by bicubic interpolation, the baseline without a model.

    Parameters
    ----------
    images
        Small images as rows, shape (B, k).
    image_shape
        Their (H, W), H * W = k.
    factor
        Factor on either side.

    Returns
    -------
    torch.Tensor
        Shape (B, D), with D = k * factor².
    """
    H, W = check_image_shape("image_shape", image_shape)
    images = check_tensor("images", images, ("B", H * W), least=1, finite=True)
    factor = check_count("factor", factor, most=isqrt(MOST // images.numel()))
    large = interpolate(images.reshape(-1, 1, H, W), scale_factor=factor, mode="bicubic")
    return large.flatten(1)  # (B, 1, factor * H, factor * W) -> (B, D)


def super_resolve(
    model: VAE,
    measurements: Tensor,
    A: Tensor,
    *,
    y: Tensor | None = None,
    method: Literal["map", "langevin"] = "map",
    draws: int = 1,
    steps: int = 200,
    generator: torch.Generator,
) -> Tensor:
    """Find large images x that are likely under a model and whose measurements ``A x`` are given.

    Parameters
    ----------
    model
        Trained on large images, with a `Gaussian` likelihood of one variance, learned or fixed.
    measurements
        Small images, shape (B, k), or any other linear measurement without noise.
    A
        What was measured, shape (k, D), independent rows: `block_means`, for example.
    y
        One label or row of numbers per image, if the model is conditional.
    method
        "map": the most probable code, the best end of all climbs, gives one image.
        "langevin": chains start where the climbs end and draw codes from p(z | measurements);
        each gives an image.
    draws
        S, the number of codes, drawn from the prior, where climbs start.
    steps
        Length of a climb, and of the chain after it; 2 or more.
    generator
        Draws everything that is random.

    Returns
    -------
    torch.Tensor
        Means of p(x | z, measurements), shape (S, B, D), or (1, B, D) for "map". A times an image
        gives the measurements, to rounding.

    Raises
    ------
    TypeError
        If the likelihood is of another kind.
    ValueError
        If shapes do not fit, a number is out of range, or the rows of A depend on each other.

    Notes
    -----
    With ``x = g(z) + σ ε``, the measurements given z have the density ``N(A g(z), σ² A Aᵀ)``. Given
    both, x has the mean ``g(z) + Aᵀ (A Aᵀ)⁻¹ (measurements - A g(z))``.
    """
    check_slopes(check_model(model))
    check_choice("method", method, ("map", "langevin"))
    measurements = check_tensor("measurements", measurements, ("B", "k"), least=1, finite=True)
    draws = check_count("draws", draws, most=MOST // (len(measurements) * model.d))
    steps = check_count("steps", steps, least=2)
    check_generator("generator", generator)
    # Climbs need slopes, which inference mode would not let them have.
    with torch.inference_mode(False), evaluating(model):
        measurement = _Measurement.of(model, measurements, A, y)
        start = measurement.values.new_empty(draws, len(measurements), model.d)  # (S, B, d)
        z = climb(measurement.log_posterior, start.normal_(generator=generator), steps=steps)
        if method == "map":
            best = measurement.log_posterior(z).argmax(0)  # (S, B) -> (B,)
            z = z[best, torch.arange(len(best), device=z.device)][None]  # (1, B, d)
        else:
            z = langevin(measurement.log_posterior, z, steps=steps, generator=generator).z
        return measurement.complete(z)


def consistency(images: Tensor, measurements: Tensor, A: Tensor) -> Tensor:
    """How far large images are from their measurements: ``‖A x - measurements‖ / √k`` for each.

    Parameters
    ----------
    images
        Large images, shape (..., B, D).
    measurements
        Shape (B, k).
    A
        Shape (k, D).

    Returns
    -------
    torch.Tensor
        Root mean square over the k measurements, shape (..., B).
    """
    A = check_tensor("A", A, ("k", "D"), least=1, finite=True)
    measurements = check_tensor("measurements", measurements, ("B", len(A)), finite=True)
    shape = (..., len(measurements), A.shape[1])
    images = check_tensor("images", images, shape, finite=True)
    A, measurements = A.to(images), measurements.to(images)
    return (images @ A.T - measurements).square().mean(-1).sqrt()


@dataclass(frozen=True, eq=False)
class _Measurement:
    """Linear measurements of images, and what a model says about them."""

    model: VAE
    values: Tensor  # (B, k)
    A: Tensor  # (k, D)
    y: Tensor | None
    root: Tensor  # lower triangle L with L Lᵀ = A Aᵀ, (k, k)
    variance: Tensor  # σ², ()

    @classmethod
    def of(cls, model: VAE, values: Tensor, A: Tensor, y: Tensor | None) -> _Measurement:
        likelihood = model.likelihood
        if not isinstance(likelihood, Gaussian) or likelihood.params_per_dimension != 1:
            raise TypeError(
                f"the model's likelihood is {likelihood}: expected a Gaussian of one variance, for "
                "which measurements have a closed form"
            )
        A = check_tensor("A", A, ("k", "D"), least=1, finite=True).to(values)
        check_tensor("measurements", values, ("B", len(A)))
        # Copies, since what was made in inference mode gives no slopes outside it either.
        y = check_conditions(y, "measurements", values)
        y = None if y is None else y.clone()
        A = check_dimensions("A", A, model, y).clone()
        values = values.to(A, copy=True)
        if torch.linalg.matrix_rank(A) < len(A):
            raise ValueError(
                f"A of shape {tuple(A.shape)} has rows that depend on each other: expected "
                "independent rows"
            )
        root = torch.linalg.cholesky(A @ A.T)
        return cls(model, values, A, y, root, likelihood.variance(values))

    def log_posterior(self, z: Tensor) -> Tensor:
        """Log p(z | measurements) up to a constant: ``(S, B, d) -> (S, B)``."""
        white = self._whiten(self.values - self._decode(z) @ self.A.T)  # (S, B, k)
        return gaussian_log_prob(z) - 0.5 * white.square().sum(-1) / self.variance

    def complete(self, z: Tensor) -> Tensor:
        """Mean of p(x | z, measurements): ``(S, B, d) -> (S, B, D)``."""
        x = self._decode(z)
        white = self._whiten(self.values - x @ self.A.T)  # (S, B, k)
        return x + white @ torch.linalg.solve_triangular(self.root, self.A, upper=False)

    def _decode(self, z: Tensor) -> Tensor:
        return self.model.likelihood.mean(self.model.decode(z, self.y))  # (S, B, D)

    def _whiten(self, misfit: Tensor) -> Tensor:
        """Solve ``L white = misfit`` for each row: ``(S, B, k) -> (S, B, k)``."""
        return torch.linalg.solve_triangular(self.root.T, misfit, upper=True, left=False)

"""Super-resolution: large images that fit a small one, from any trained VAE or VQVAE.

A small image is a measurement ``y = A x``, an average over blocks of pixels. Through it many large
images look the same; the model says which of them are likely. With a Gaussian likelihood of one
variance everything but the code has a closed form: given z, both y and the rest of x are Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._fits import check_fits
from vqvae_lib.applications.langevin import climb, langevin
from vqvae_lib.bounds import gaussian_log_prob
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.vae import VAE

__all__ = ["SuperResolution", "bicubic", "block_means", "consistency", "super_resolve"]


@dataclass(frozen=True, eq=False)
class SuperResolution:
    """Large images, made by `super_resolve`.

    Attributes
    ----------
    images
        Shape (S, B, D).
    z
        The codes behind them, shape (S, B, d).
    """

    images: Tensor
    z: Tensor


def block_means(image_shape: tuple[int, int], factor: int) -> Tensor:
    """Make the matrix A that averages over square blocks of pixels.

    Parameters
    ----------
    image_shape
        (H, W) of the large image, both multiples of `factor`.
    factor
        Side of a block.

    Returns
    -------
    torch.Tensor
        Shape (k, D), with D = H * W and k = D / factor²; each row has factor² entries 1/factor².

    Raises
    ------
    ValueError
        If the sides are no multiples.

    Examples
    --------
    >>> A = block_means((4, 4), 2)
    >>> A.shape, (torch.arange(16.0) @ A.T).tolist()
    (torch.Size([4, 16]), [2.5, 4.5, 10.5, 12.5])
    """
    check_count("factor", factor)
    H, W = image_shape
    if H % factor or W % factor or H < 1 or W < 1:
        raise ValueError(f"image_shape={image_shape}: expected multiples of factor={factor}")
    unit = torch.eye(H * W).reshape(-1, 1, H, W)  # every pixel alone, (D, 1, H, W)
    return torch.nn.functional.avg_pool2d(unit, factor).flatten(1).T  # -> (k, D)


def bicubic(seen: Tensor, low_shape: tuple[int, int], factor: int) -> Tensor:
    """Enlarge images without a model: ``(B, k) -> (B, D)``.

    Parameters
    ----------
    seen
        Small images as rows, shape (B, k).
    low_shape
        Their (H, W).
    factor
        By how much, a side.
    """
    if seen.ndim != 2 or seen.shape[1] != low_shape[0] * low_shape[1]:
        raise ValueError(f"seen has shape {tuple(seen.shape)}: expected (B, H * W) of {low_shape}")
    check_count("factor", factor)
    large = torch.nn.functional.interpolate(
        seen.unflatten(1, (1, *low_shape)), scale_factor=factor, mode="bicubic"
    )  # (B, 1, H, W) -> (B, 1, factor * H, factor * W)
    return large.flatten(1)


def super_resolve(
    model: VAE,
    seen: Tensor,
    A: Tensor,
    *,
    y: Tensor | None = None,
    method: Literal["map", "langevin"] = "map",
    draws: int = 1,
    steps: int = 200,
    noise_variance: float = 0.0,
    mean: bool = True,
    generator: torch.Generator,
) -> SuperResolution:
    """Find large images x that are likely, and of which ``A x`` is what was seen.

    Parameters
    ----------
    model
        Trained on large images, with a `Gaussian` likelihood of one variance, learned or fixed.
    seen
        Small images, shape (B, k), or any other linear measurement.
    A
        What was measured, shape (k, D), independent rows: `block_means`, for example.
    y
        Labels or conditions, for a model that asks for them.
    method
        "map": the most probable code, the best of `draws` climbs, so that one image comes back.
        "langevin": codes drawn from p(z | seen), by chains that begin where a climb ended;
        `draws` images come back.
    draws
        Climbs from different places, or images.
    steps
        Length of a climb, and of the chain behind it.
    noise_variance
        Of each measurement, 0 or more.
    mean
        Give the mean of p(x | z, seen) instead of a draw from it.
    generator
        Draws.

    Returns
    -------
    SuperResolution
        Images and codes. Without noise, A times an image is what was seen, to rounding.

    Raises
    ------
    TypeError
        If the likelihood is another.
    ValueError
        If shapes do not fit, or a number is out of range.

    Notes
    -----
    With ``x = g(z) + σ ε``, what was seen has the density ``N(A g(z), σ² A Aᵀ + noise)``, and,
    given z too, x has the mean ``g(z) + G (seen - A g(z))``, ``G = σ² Aᵀ (σ² A Aᵀ + noise)⁻¹``.
    """
    if method not in ("map", "langevin"):
        raise ValueError(f"method={method!r}: expected 'map' or 'langevin'")
    check_count("draws", draws)
    check_count("steps", steps, least=2)
    with evaluating(model):
        measured = _Measured.of(model, seen, A, y, noise_variance)
        start = torch.randn(
            draws, len(seen), model.d, generator=generator, dtype=seen.dtype, device=seen.device
        )  # (S, B, d)
        if method == "map":
            z = _most_probable(measured, start, steps)
        else:
            start = climb(measured.log_posterior, start, steps=steps)
            z = langevin(measured.log_posterior, start, steps=steps, generator=generator).z
        return SuperResolution(measured.complete(z, None if mean else generator), z)


def consistency(images: Tensor, seen: Tensor, A: Tensor) -> Tensor:
    """How far large images are from what was seen, ``‖A x - seen‖ / √k``, for each.

    Parameters
    ----------
    images
        Shape (..., B, D).
    seen
        Shape (B, k).
    A
        Shape (k, D).

    Returns
    -------
    torch.Tensor
        Root mean square over the k measurements, shape (..., B).
    """
    return (images @ A.T.to(images) - seen).square().mean(-1).sqrt()


@dataclass(frozen=True, eq=False)
class _Measured:
    """A model and linear measurements of what it should draw."""

    model: VAE
    seen: Tensor  # (B, k)
    A: Tensor  # (k, D)
    y: Tensor | None
    whiten: Tensor  # W with Wᵀ W the inverse of σ² A Aᵀ + noise, (k, k)
    variance: Tensor  # σ², ()
    noise_variance: float

    @classmethod
    def of(
        cls, model: VAE, seen: Tensor, A: Tensor, y: Tensor | None, noise_variance: float
    ) -> _Measured:
        likelihood = model.likelihood
        if not isinstance(likelihood, Gaussian) or likelihood.params_per_dimension != 1:
            raise TypeError(
                f"the model's likelihood is {likelihood}: expected a Gaussian of one variance, for "
                "which measurements have a closed form"
            )
        if A.ndim != 2 or seen.ndim != 2 or seen.shape[1] != len(A) or not len(seen):
            raise ValueError(
                f"seen {tuple(seen.shape)} and A {tuple(A.shape)}: expected (B, k) and (k, D)"
            )
        if not seen.isfinite().all():
            raise ValueError("seen holds nan or inf: expected finite numbers")
        if not 0 <= noise_variance < float("inf"):
            raise ValueError(f"noise_variance={noise_variance!r}: expected a number, 0 or more")
        A = A.to(seen)
        check_fits(model, "A", A, y)
        variance = likelihood.variance(seen)
        eye = torch.eye(len(A), dtype=A.dtype, device=A.device)
        root, failed = torch.linalg.cholesky_ex(variance * A @ A.T + noise_variance * eye)
        if failed:
            raise ValueError(f"A {tuple(A.shape)} has dependent rows: expected independent ones")
        whiten = torch.linalg.solve_triangular(root, eye, upper=False)
        return cls(model, seen, A, y, whiten, variance, noise_variance)

    def log_posterior(self, z: Tensor) -> Tensor:
        """Log p(z) p(seen | z) up to a constant: ``(S, B, d) -> (S, B)``."""
        missing = self.seen - self._expected(z) @ self.A.T  # (S, B, k)
        white = missing @ self.whiten.T
        return gaussian_log_prob(z) - 0.5 * white.square().sum(-1)

    def complete(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        """Mean of p(x | z, seen), or a draw from it: ``(S, B, d) -> (S, B, D)``."""
        x, seen = self._expected(z), self.seen
        if generator is not None:
            # A draw of x and of its own measurement, both moved by what that measurement lacks.
            x = x + self.variance.sqrt() * torch.empty_like(x).normal_(generator=generator)
            of_seen = x.new_empty(*x.shape[:2], len(self.A)).normal_(generator=generator)
            seen = seen - self.noise_variance**0.5 * of_seen
        missing = seen - x @ self.A.T  # (S, B, k)
        return x + self.variance * missing @ self.whiten.T @ self.whiten @ self.A

    def _expected(self, z: Tensor) -> Tensor:
        return self.model.likelihood.mean(self.model.decode(z, self.y))  # (S, B, D)


def _most_probable(measured: _Measured, z: Tensor, steps: int) -> Tensor:
    """Climb from each start and keep the best end: ``(S, B, d) -> (1, B, d)``."""
    z = climb(measured.log_posterior, z, steps=steps)
    best = measured.log_posterior(z).argmax(0)  # (B,)
    return z[best, torch.arange(z.shape[1], device=z.device)][None]

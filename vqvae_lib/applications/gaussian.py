"""The baseline that knows means and covariances: what is hidden, given what was seen.

Every application that completes an image is held against this model. It has no code and no network,
its answers are exact, and on small images it is hard to beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vqvae_lib._checks import check_count

__all__ = ["FullGaussian"]


@dataclass(frozen=True, eq=False)
class FullGaussian:
    """A Gaussian with full covariance, N(mean, covariance), or several that share it.

    Attributes
    ----------
    mean
        Shape (D,), or (B, D) for one Gaussian an image.
    covariance
        Shape (D, D), symmetric; directions that are known have no variance.
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def fit(cls, x: Tensor, *, ridge: float = 1e-3) -> FullGaussian:
        """Take mean and covariance from data.

        Parameters
        ----------
        x
            Data, shape (N, D), two rows or more.
        ridge
            Added to the variances, above 0: pixels that never change would have no inverse, and
            with few data covariances are noisy.
        """
        if x.ndim != 2 or len(x) < 2 or not x.isfinite().all():
            raise ValueError(
                f"x has shape {tuple(x.shape)}: expected (N, D), two rows or more of finite numbers"
            )
        if not 0 < ridge < float("inf"):
            raise ValueError(f"ridge={ridge!r}: expected a number above 0")
        x = x.double()
        eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        return cls(x.mean(0), torch.cov(x.T) + ridge * eye)

    def condition(self, seen: Tensor, A: Tensor, *, noise_variance: float = 0.0) -> FullGaussian:
        """Distribution of x, given ``seen = A x + noise``: again a Gaussian, one for each image.

        Parameters
        ----------
        seen
            Measurements, shape (B, k).
        A
            What was measured, shape (k, D), independent rows. Rows of the unit matrix are pixels
            that were seen, averages over blocks a smaller image.
        noise_variance
            Of each measurement, 0 or more.

        Returns
        -------
        FullGaussian
            Means, shape (B, D), and the covariance that all share, in the dtype of this one.

        Raises
        ------
        ValueError
            If shapes do not fit, a measurement is not finite, or the noise is negative.

        Notes
        -----
        With ``G = C Aᵀ (A C Aᵀ + noise)⁻¹`` the mean is ``m + G (seen - A m)`` and the covariance
        ``C - G A C`` (Bishop 2006, section 2.3).
        """
        A = A.to(self.mean)
        D = len(self.covariance)
        if A.ndim != 2 or A.shape[1] != D or seen.ndim != 2 or seen.shape[1] != len(A):
            raise ValueError(
                f"seen {tuple(seen.shape)} and A {tuple(A.shape)}: expected (B, k) and (k, {D})"
            )
        if not seen.isfinite().all():
            raise ValueError("seen holds nan or inf: expected finite numbers")
        if not 0 <= noise_variance < float("inf"):
            raise ValueError(f"noise_variance={noise_variance!r}: expected a number, 0 or more")
        CA = self.covariance @ A.T  # (D, k)
        K = A @ CA + noise_variance * torch.eye(len(A), dtype=A.dtype, device=A.device)  # (k, k)
        gain = torch.linalg.solve(K, CA.T).T  # (D, k)
        mean = self.mean + (seen.to(A) - self.mean @ A.T) @ gain.T  # (B, D)
        return FullGaussian(mean, self.covariance - gain @ CA.T)

    def inpaint(self, x: Tensor, observed: Tensor) -> FullGaussian:
        """Distribution of x, given some of its pixels.

        Parameters
        ----------
        x
            Data, shape (B, D); what is hidden may hold anything.
        observed
            Which pixels are seen, booleans, shape (D,).

        Returns
        -------
        FullGaussian
            As `condition` gives it. Seen pixels have their own value, and no variance.
        """
        D = len(self.covariance)
        if x.ndim != 2 or x.shape[1] != D:
            raise ValueError(f"x has shape {tuple(x.shape)}: expected (B, {D})")
        if observed.dtype != torch.bool or observed.shape != (D,):
            raise ValueError(
                f"observed is {tuple(observed.shape)} of {observed.dtype}: expected ({D},) of "
                "torch.bool"
            )
        A = torch.eye(D, dtype=self.mean.dtype, device=self.mean.device)[observed]  # (k, D)
        return self.condition(x[:, observed], A)

    def sample(self, draws: int, *, generator: torch.Generator) -> Tensor:
        """Draw: ``-> (draws, D)``, or ``(draws, B, D)`` where each image has its own mean."""
        check_count("draws", draws)
        # Directions that are known have a variance of zero, up to rounding of either sign.
        variances, axes = torch.linalg.eigh(self.covariance)
        root = axes * variances.clamp(min=0).sqrt()  # (D, D)
        noise = self.mean.new_empty(draws, *self.mean.shape).normal_(generator=generator)
        return self.mean + noise @ root.T

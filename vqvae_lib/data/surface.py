"""Points near a curved surface of known dimension: data whose answer is known."""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib._checks import MOST, check_count, check_generator, check_number, check_seed

__all__ = ["random_manifold"]


def random_manifold(
    N: int,
    *,
    D: int = 1000,
    intrinsic_dim: int = 5,
    noise: float = 0.1,
    map_seed: int = 0,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw points near a curved surface of known dimension in a space of many dimensions.

    ``x = sin(u A + b) C + noise``, with u uniform in a cube; A, b and C mix 64 waves and are drawn
    once. A model that finds u has found everything but the noise. Points are independent: splitting
    them at random leaks nothing.

    Parameters
    ----------
    N
        Number of points.
    D
        Dimension of the space.
    intrinsic_dim
        Dimension of the surface.
    noise
        Standard deviation of the noise in each dimension; without it each has variance about 1.
    map_seed
        Chooses the surface.
    generator
        Draws the points and their noise.

    Returns
    -------
    (torch.Tensor, torch.Tensor)
        Points x, shape (N, D), and where on the surface they lie, u in [-1, 1], shape
        (N, intrinsic_dim).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> x, u = random_manifold(8, generator=torch.Generator().manual_seed(0))
    >>> x.shape, u.shape
    (torch.Size([8, 1000]), torch.Size([8, 5]))
    """
    waves = 64
    D = check_count("D", D, most=MOST // waves)
    intrinsic_dim = check_count("intrinsic_dim", intrinsic_dim, most=MOST // waves)
    N = check_count("N", N, most=MOST // max(D, waves, intrinsic_dim))
    noise = check_number("noise", noise, least=0)
    check_generator("generator", generator)
    surface = torch.Generator().manual_seed(check_seed("map_seed", map_seed))
    A = torch.randn(intrinsic_dim, waves, generator=surface)
    b = 2 * torch.pi * torch.rand(waves, generator=surface)
    C = (2 / waves) ** 0.5 * torch.randn(waves, D, generator=surface)
    u = 2 * torch.rand(N, intrinsic_dim, generator=generator) - 1  # (N, intrinsic_dim)
    x = torch.sin(u @ A + b) @ C  # (N, waves) -> (N, D)
    return x + noise * torch.randn(N, D, generator=generator), u

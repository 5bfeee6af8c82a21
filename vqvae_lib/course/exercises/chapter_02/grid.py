"""Densities on a grid of one latent number."""

import math

from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def normal_log_density(z: Tensor, mu: float, log_var: float) -> Tensor:
    """Log-density of N(mu, exp(log_var)) at z (S,)."""
    return -0.5 * ((z - mu) ** 2 / math.exp(log_var) + log_var + LOG_2PI)


def integral(log_density: Tensor, z: Tensor) -> Tensor:
    """Sum of a density on an even grid z (S,), times its step."""
    return log_density.exp().sum() * (z[1] - z[0])

"""A mean with its standard error."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import check_tensor, check_unit

__all__ = ["Estimate"]


class Estimate(NamedTuple):
    """A mean and its standard error.

    Attributes
    ----------
    mean
        In the unit of the values.
    standard_error
        Standard deviation of the values (with N - 1), divided by the square root of N. It tells
        how far the mean would move with other values of the same kind, and nothing else.
    """

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: Tensor) -> Estimate:
        """Average independent values.

        Parameters
        ----------
        values
            Two or more, finite, shape (N,).

        Returns
        -------
        Estimate
            Computed in float64.

        Raises
        ------
        ValueError
            If the shape does not fit, or a value is not finite.
        TypeError
            If `values` is not a tensor of floating-point numbers.

        Examples
        --------
        >>> Estimate.of(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))  # variance 2.5, N = 5
        Estimate(mean=3.0, standard_error=0.7071067811865476)
        """
        values = check_tensor("values", values, ("N",), least=2, finite=True)
        check_unit("values", values)
        values = values.detach().to(torch.float64)
        return cls(values.mean().item(), values.std().item() / len(values) ** 0.5)

    def __str__(self) -> str:
        """As a sentence prints it: ``3 ± 0.71``."""
        return f"{self.mean:.6g} ± {self.standard_error:.2g}"

"""A number with its error: what the metrics give that are averages."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Estimate"]


class Estimate(NamedTuple):
    """A mean and its standard error.

    Attributes
    ----------
    mean
        In the unit of the values.
    standard_error
        Standard deviation of the values (with one less than their number), divided by the root of
        their number. It is about the values that were averaged: the function that gives an
        `Estimate` says which, and what this leaves out.
    """

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: Tensor) -> Estimate:
        """Average independent values, computed in float64.

        Parameters
        ----------
        values
            Two or more, finite, shape (N,).

        Returns
        -------
        Estimate
            Two floats.

        Raises
        ------
        ValueError
            If the shape is another, there are fewer than two values, or one is not finite.

        Examples
        --------
        >>> Estimate.of(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))  # variance 2.5, N = 5
        Estimate(mean=3.0, standard_error=0.7071067811865476)
        """
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(
                f"values have shape {tuple(values.shape)}: expected (N,) with N of at least 2, "
                "below which there is no standard error"
            )
        wrong = ~values.isfinite()
        if wrong.any():
            raise ValueError(
                f"{int(wrong.sum())} of {len(values)} values are nan or inf: expected finite ones"
            )
        values = values.detach().to("cpu", torch.float64)
        return cls(values.mean().item(), values.std().item() / len(values) ** 0.5)

    def __str__(self) -> str:
        """As a sentence prints it: ``3 ± 0.71``."""
        return f"{self.mean:.6g} ± {self.standard_error:.2g}"

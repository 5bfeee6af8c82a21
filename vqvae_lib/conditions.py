"""What a conditional model p(x|y) is told about each sample: nothing, a label, or numbers.

A condition turns the y of a batch into numbers, one row per sample. A model appends them to the
rows that its encoder takes, and to those that its decoder takes; see `vqvae_lib.VAE`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from vqvae_lib._checks import check_count, check_tensor, describe, raise_if_any

__all__ = ["Condition", "Labels", "NoCondition", "Numbers"]


class Condition(ABC):
    """What y is, and how a network reads it."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers are appended to each row."""

    @abstractmethod
    def rows(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Turn the conditions of B samples into numbers.

        Parameters
        ----------
        y
            One condition per sample; None where the caller gave none.
        like
            What the numbers will be appended to, shape (..., B, k).

        Returns
        -------
        torch.Tensor
            Shape (B, width), with the dtype and on the device of `like`.

        Raises
        ------
        ValueError, TypeError
            If y is missing or unasked for, or does not fit.
        """


@dataclass(frozen=True)
class NoCondition(Condition):
    """Nothing: a model of p(x), whose methods take no y."""

    @property
    def width(self) -> int:
        """Zero: rows stay as they are."""
        return 0

    def rows(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Give rows without columns, ``(B, 0)``."""
        if y is not None:
            raise ValueError(
                f"y is {describe(y)}, and this model has no condition: expected no y, or a model "
                "made with condition=Labels(n_classes) or condition=Numbers(dim)"
            )
        return like.new_empty(like.shape[-2], 0)


@dataclass(frozen=True)
class Labels(Condition):
    """Labels from 0 to n_classes - 1, read as one-hot rows; y has shape (B,) and is int64.

    Parameters
    ----------
    n_classes
        Number of classes.
    """

    n_classes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_classes", check_count("n_classes", self.n_classes))

    @property
    def width(self) -> int:
        """One number per class."""
        return self.n_classes

    def rows(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Labels as one-hot rows: ``(B,) -> (B, n_classes)``."""
        if y is None:
            raise ValueError(f"y is missing: {self} needs one label per sample")
        y = check_tensor("y", y, (like.shape[-2],), dtype=torch.int64)
        unknown = (y < 0) | (y >= self.n_classes)
        raise_if_any("y", y, unknown, f"labels from 0 to {self.n_classes - 1}")
        # Not by `one_hot`, which looks at the labels: torch.func has none to look at.
        return (y[:, None] == torch.arange(self.n_classes, device=y.device)).to(like)


@dataclass(frozen=True)
class Numbers(Condition):
    """Numbers, such as the pixels of a small picture, read as they are; y has shape (B, dim).

    Parameters
    ----------
    dim
        How many numbers per sample.
    """

    dim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", check_count("dim", self.dim))

    @property
    def width(self) -> int:
        """All of them."""
        return self.dim

    def rows(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Numbers as they are: ``(B, dim) -> (B, dim)``."""
        if y is None:
            raise ValueError(f"y is missing: {self} needs {self.dim} numbers per sample")
        return check_tensor("y", y, (like.shape[-2], self.dim), like=like, finite=True)

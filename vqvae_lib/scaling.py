"""From raw units to the rows that a model takes, and back: what a saved model has to know.

A model trained on standardised columns, or on grey levels between 0 and 1, gives nonsense for the
numbers of a file or of a camera, and does not notice. A scaling says how the one becomes the other,
and refuses what has other columns, another shape, or other levels than the data of the training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqvae_lib._checks import (
    FLOATING,
    check_count,
    check_instance,
    check_number,
    check_sequence,
    check_tensor,
    raise_if_any,
)

__all__ = ["ImageScaling", "TableScaling"]


class Scaling:
    """What was done to raw data before a model saw them."""

    @property
    def D(self) -> int:
        """Dimension of the rows that a model takes."""
        raise NotImplementedError

    def transform(self, raw: Any) -> Tensor:
        """Turn raw data into rows for a model, (N, D), in torch's default dtype."""
        raise NotImplementedError

    def inverse(self, x: Tensor) -> Tensor:
        """Turn rows of a model, such as its samples, into raw units, in float64."""
        raise NotImplementedError


@dataclass(frozen=True)
class TableScaling(Scaling):
    """Columns of a table, each of which had its mean subtracted and was divided by its scale.

    Parameters
    ----------
    mean, scale
        D numbers each, in raw units; scales are above 0.
    columns
        Names of the columns, in the order in which the model takes them; None for columns
        without names.

    Raises
    ------
    ValueError, TypeError
        If lengths differ, a name stands twice, or a number is out of range.

    Examples
    --------
    >>> scaling = TableScaling(mean=(170.0, 65.0), scale=(10.0, 5.0), columns=("height", "weight"))
    >>> x = scaling.transform(torch.tensor([[180.0, 60.0]]))
    >>> x
    tensor([[ 1., -1.]])
    >>> scaling.inverse(x)
    tensor([[180.,  60.]], dtype=torch.float64)
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        mean = _to_numbers("mean", self.mean)
        scale = _to_numbers("scale", self.scale)
        if not mean or len(mean) != len(scale):
            raise ValueError(
                f"mean has {len(mean)} numbers and scale {len(scale)}: expected one of each for "
                "every column"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "scale", scale)
        if self.columns is not None:
            object.__setattr__(self, "columns", _to_names(self.columns, len(mean)))
        for i, value in enumerate(scale):
            if value <= 0:
                raise ValueError(
                    f"scale of {self._name(i)} is {value:g}: expected a number above 0; leave out "
                    "a column that never changes"
                )

    @classmethod
    def measure(cls, raw: Any, columns: Iterable[str] | None = None) -> TableScaling:
        """Take mean and standard deviation (with 1/N) of the columns of raw training rows.

        Parameters
        ----------
        raw
            Rows, (N, D), finite: a tensor, an array, or a data frame, whose columns have names.
        columns
            Names of the columns.

        Raises
        ------
        ValueError, TypeError
            If the rows don't fit, or a column never changes.
        """
        if columns is None and _is_frame(raw):
            columns = [str(name) for name in raw.columns]
        rows = _to_rows(raw.to_numpy() if _is_frame(raw) else raw, ("N", "D"))
        D = rows.shape[1]
        names = None if columns is None else _to_names(columns, D)
        # Not by the standard deviation, which rounding of the mean may leave just above 0.
        constant = (rows == rows[0]).all(dim=0).tolist()
        if not D or any(constant):
            which = [i if names is None else names[i] for i in range(D) if constant[i]]
            raise ValueError(
                f"raw has columns that never change, {which}: expected it without them"
            )
        mean, scale = rows.mean(dim=0), rows.std(dim=0, correction=0)
        return cls(tuple(mean.tolist()), tuple(scale.tolist()), names)

    @property
    def D(self) -> int:
        """Number of columns."""
        return len(self.mean)

    def transform(self, raw: Any, columns: Iterable[str] | None = None) -> Tensor:
        """Standardise raw rows: ``(x - mean) / scale``.

        Parameters
        ----------
        raw
            Rows, (N, D), in raw units, finite; of a data frame, the columns are taken by name,
            whatever their order and whatever stands beside them.
        columns
            Names of the columns of rows without any, which must be those of this scaling.

        Returns
        -------
        torch.Tensor
            Shape (N, D), torch's default dtype.

        Raises
        ------
        ValueError, TypeError
            If a column is missing, or the rows do not fit.
        """
        if _is_frame(raw):
            raw = self._select(raw)
        elif columns is not None and _to_names(columns, self.D) != self.columns:
            raise ValueError(
                f"raw has the columns={list(columns)}: expected {list(self.columns or ())}, in "
                "this order"
            )
        rows = _to_rows(raw, ("N", self.D), self._name)
        mean, scale = rows.new_tensor(self.mean), rows.new_tensor(self.scale)
        return ((rows - mean) / scale).to(torch.get_default_dtype())  # (N, D)

    def inverse(self, x: Tensor) -> Tensor:
        """Give rows their raw units back, ``(..., D) -> (..., D)``, in float64."""
        rows = check_tensor("x", x, (..., self.D), dtype=FLOATING).double()
        return rows * rows.new_tensor(self.scale) + rows.new_tensor(self.mean)

    def _select(self, frame: Any) -> Any:
        """Take the columns of a data frame by name, in our order."""
        if self.columns is None:
            return frame.to_numpy()
        present = [str(name) for name in frame.columns]
        missing = [name for name in self.columns if present.count(name) != 1]
        if missing:
            raise ValueError(
                f"raw has {present} as its columns: expected each of {missing} there once"
            )
        return frame.to_numpy()[:, [present.index(name) for name in self.columns]]

    def _name(self, i: int) -> str:
        return f"column {i}" if self.columns is None else f"column {self.columns[i]!r}"


@dataclass(frozen=True)
class ImageScaling(Scaling):
    """Images of one shape, whose grey levels 0, 1, … were divided by the highest.

    Parameters
    ----------
    image_shape
        Shape of an image, such as (H, W).
    levels
        The highest raw level, which becomes 1: 16 for the digits, 255 for most files.

    Raises
    ------
    ValueError
        If a number is no whole number of at least 1.

    Examples
    --------
    >>> scaling = ImageScaling(image_shape=(2, 2), levels=16)
    >>> x = scaling.transform(torch.tensor([[[0, 8], [16, 4]]]))
    >>> x
    tensor([[0.0000, 0.5000, 1.0000, 0.2500]])
    >>> scaling.inverse(x).shape
    torch.Size([1, 2, 2])
    """

    image_shape: tuple[int, ...]
    levels: int

    def __post_init__(self) -> None:
        shape = check_sequence("image_shape", self.image_shape, "(H, W)", least=1)
        sizes = (check_count(f"image_shape[{i}]", n) for i, n in enumerate(shape))
        object.__setattr__(self, "image_shape", tuple(sizes))
        object.__setattr__(self, "levels", check_count("levels", self.levels))

    @property
    def D(self) -> int:
        """Number of pixels, of all colours together."""
        return prod(self.image_shape)

    def transform(self, raw: Any) -> Tensor:
        """Divide raw images by the highest level, and lay each out as a row.

        Parameters
        ----------
        raw
            Levels from 0 to `levels`: images ``(N, *image_shape)``, or rows (N, D).

        Returns
        -------
        torch.Tensor
            Shape (N, D), between 0 and 1, torch's default dtype.

        Raises
        ------
        ValueError, TypeError
            If the images have another shape, or a level is not in range.
        """
        levels = check_tensor("raw", raw, ("N", ...), least=1).double()
        shape = tuple(levels.shape[1:])
        if shape not in (self.image_shape, (self.D,)):
            raise ValueError(
                f"raw has shape {tuple(levels.shape)}: expected images of {self.image_shape}, or "
                f"rows of {self.D} pixels"
            )
        wrong = ~((levels >= 0) & (levels <= self.levels))  # nan included
        raise_if_any("raw", levels, wrong, f"levels from 0 to {self.levels}")
        return (levels.flatten(1) / self.levels).to(torch.get_default_dtype())  # (N, D)

    def inverse(self, x: Tensor) -> Tensor:
        """Fold rows into images with raw levels, ``(..., D) -> (..., *image_shape)``, in float64.

        Levels are not rounded, since a mean need not be one.
        """
        rows = check_tensor("x", x, (..., self.D), dtype=FLOATING).double()
        return (rows * self.levels).unflatten(-1, self.image_shape)


def _to_numbers(name: str, values: Any) -> tuple[float, ...]:
    """Turn a sequence, an array or a tensor with one axis into Python's numbers."""
    values = check_sequence(name, values, "a number for each column")
    return tuple(check_number(f"{name}[{i}]", value) for i, value in enumerate(values))


def _to_names(columns: Any, D: int) -> tuple[str, ...]:
    names = check_sequence("columns", columns, "the names of the columns")
    for name in names:
        check_instance("columns holds what", name, str, "names as text")
    if len(names) != D or len(set(names)) != D:
        raise ValueError(
            f"columns={list(names)!r}: expected {D} different names, one for each column of raw "
            "rows"
        )
    return names


def _is_frame(raw: object) -> bool:
    """Whether these are rows with named columns, such as pandas and polars have them."""
    return hasattr(raw, "columns") and hasattr(raw, "to_numpy")


def _to_rows(raw: Any, shape: tuple[int | str, ...], name: Any = None) -> Tensor:
    """Return raw rows in float64; ValueError or TypeError where they are no finite numbers."""
    if getattr(raw, "dtype", None) == np.object_:  # of a frame with text in one of its columns
        try:
            raw = raw.astype(float)
        except (TypeError, ValueError) as error:
            raise TypeError(f"raw holds something that is no number: {error}") from error
    rows = check_tensor("raw", raw, shape, least=1).double()
    wrong = ~rows.isfinite()
    if name is not None and wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"raw[{row}], {name(column)}, is {rows[row, column].item():g}: expected finite numbers"
        )
    raise_if_any("raw", rows, wrong, "finite numbers")
    return rows

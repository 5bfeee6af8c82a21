"""Two small tables of measurements that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vqvae_lib._checks import (
    check_choice,
    check_instance,
    check_sequence,
    check_tensor,
    raise_if_any,
)
from vqvae_lib.data._labels import check_labels
from vqvae_lib.scaling import TableScaling
from vqvae_lib.splits import NO_GROUP, RandomSplit, Split, check_split

__all__ = ["TableData", "load_table"]

BY_ROW = RandomSplit(seed=0)


@dataclass(frozen=True, repr=False, eq=False)
class TableData:
    """Measurements with labels, one row per sample, in three parts.

    Attributes
    ----------
    name
        For titles and file names.
    x_train, x_valid, x_test
        Rows, shape (N, D), float32; every column has mean 0 and variance 1 over the training rows.
    y_train, y_valid, y_test
        Labels, shape (N,), int64.
    columns, classes
        Names of the D columns, and of the labels 0, 1, …
    mean, scale
        What was subtracted from each column and what it was then divided by, shape (D,), float64.

    Raises
    ------
    ValueError, TypeError
        If shapes or dtypes do not fit, a label has no class, or a number is missing (nan) or inf.
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    x_valid: Tensor
    y_valid: Tensor
    x_test: Tensor
    y_test: Tensor
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    mean: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        keep = partial(object.__setattr__, self)  # frozen to everybody else
        keep("name", check_instance("name", self.name, str, "text"))
        keep("columns", _check_names("columns", self.columns))
        keep("classes", _check_names("classes", self.classes))
        for field in ("mean", "scale"):
            values = getattr(self, field)
            values = check_tensor(field, values, (self.D,), dtype=torch.float64, finite=True)
            keep(field, values)
        raise_if_any("scale", self.scale, self.scale <= 0, "numbers above 0")
        last = len(self.classes) - 1
        for part in ("train", "valid", "test"):
            x_field, y_field = f"x_{part}", f"y_{part}"
            x, shape = getattr(self, x_field), ("N", self.D)
            x = check_tensor(x_field, x, shape, dtype=torch.float32, least=1)
            complete = "finite numbers; leave incomplete rows out, or fill their cells"
            raise_if_any(x_field, x, ~torch.isfinite(x), complete)
            y = check_labels(y_field, getattr(self, y_field), x_field, x)
            raise_if_any(y_field, y, (y < 0) | (y > last), f"a class from 0 to {last}")
            keep(x_field, x)
            keep(y_field, y)

    @property
    def scaling(self) -> TableScaling:
        """What raw rows went through, for a model to keep: see `vqvae_lib.scaling`."""
        return TableScaling(tuple(self.mean.tolist()), tuple(self.scale.tolist()), self.columns)

    @property
    def D(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def __repr__(self) -> str:
        return (
            f"TableData({self.name!r}, {len(self.x_train)} training, {len(self.x_valid)} "
            f"validation and {len(self.x_test)} test rows of {self.D} numbers, "
            f"{len(self.classes)} classes)"
        )


def load_table(name: str, *, split: Split = BY_ROW) -> TableData:
    """Load a small table that comes with scikit-learn: no download.

    Neither table records which rows share a source: not the vineyard or the vintage of a wine, not
    the hospital or the day of a sample. If rows that share one resemble one another, nothing here
    can keep them together, and a test score may be too good by an amount that nobody can tell.

    Parameters
    ----------
    name
        "wine": 178 wines of three growers, 13 chemical measurements each. "breast_cancer": 569
        tumours, malignant or benign, 30 measurements of cell nuclei each.
    split
        Assigns the rows; with no groups on record, only a `RandomSplit` fits.

    Returns
    -------
    TableData
        Columns standardised by the training part's mean and standard deviation (with 1/N): the
        validation and test rows do not influence them.

    Raises
    ------
    ValueError
        If there is no such table, or the split asks for groups.

    Examples
    --------
    >>> load_table("wine")
    TableData('wine', 114 training, 26 validation and 38 test rows of 13 numbers, 3 classes)
    """
    check_choice("name", name, ("wine", "breast_cancer"))
    from sklearn import datasets

    bunch = datasets.load_wine() if name == "wine" else datasets.load_breast_cancer()
    x = torch.from_numpy(bunch.data).double()  # (N, D)
    y = torch.from_numpy(bunch.target).long()  # (N,)
    parts = check_split(split).parts(torch.full_like(y, NO_GROUP), y)
    mean = x[parts.train].mean(dim=0)  # (D,)
    scale = x[parts.train].std(dim=0, correction=0)
    return TableData(
        name=name,
        **parts.cut(x=((x - mean) / scale).float(), y=y),
        columns=tuple(map(str, bunch.feature_names)),
        classes=tuple(map(str, bunch.target_names)),
        mean=mean,
        scale=scale,
    )


def _check_names(field: str, names: Iterable[str]) -> tuple[str, ...]:
    expected = "names, as text"
    items = check_sequence(field, names, expected, least=1)
    return tuple(check_instance(field, name, str, expected) for name in items)

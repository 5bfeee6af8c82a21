"""Which rows train a model, which ones choose its settings, and which ones judge it.

Rows that share a source (digits by one writer, patches of one photograph) resemble one another
more than rows that don't. A model judged on rows whose sources it trained on looks better than it
will be on the next source. `GroupSplit` and `GroupFold` keep every source whole; `RandomSplit`
doesn't ask, and is there for data that record no sources and for measuring what the leak is worth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vqvae_lib._checks import (
    LABELS,
    check_count,
    check_number,
    check_sequence,
    check_tensor,
    describe,
    raise_if_any,
)

__all__ = ["NO_GROUP", "GroupFold", "GroupSplit", "Parts", "RandomSplit", "Split"]

NO_GROUP = -1
"""The group of a row whose source was not recorded."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Row numbers of the three parts of a data set, each an int64 tensor.

    The rows of a part come in random order, so that its first n are a fair sample of it.

    Attributes
    ----------
    train
        Rows that a model is fitted to.
    valid
        Rows that choose settings and the moment to stop.
    test
        Rows that judge the result, once.

    Raises
    ------
    ValueError
        If a part is empty, a row stands in two of them, or a number is negative.
    """

    train: Tensor
    valid: Tensor
    test: Tensor

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            numbers = check_tensor(name, value, ("N",), dtype=LABELS, least=1)
            raise_if_any(name, numbers, numbers < 0, "row numbers from 0")
            object.__setattr__(self, name, numbers)
        rows, counts = torch.cat([self.train, self.valid, self.test]).unique(return_counts=True)
        if counts.max() > 1:
            row = rows[counts.argmax()].item()
            raise ValueError(
                f"row {row} stands in more than one part, or twice in one: expected train, valid "
                "and test without a row in common"
            )

    def cut(self, **columns: Tensor) -> dict[str, Tensor]:
        """Cut columns along the parts: ``cut(x=x)`` gives ``x_train``, ``x_valid``, ``x_test``.

        Raises
        ------
        ValueError
            If a column has fewer rows than the parts.
        """
        least = 1 + max(int(rows.max()) for rows in vars(self).values())
        whole = {
            column: check_tensor(column, values, dtype=None, least=least)
            for column, values in columns.items()
        }
        return {
            f"{column}_{part}": values[rows]
            for column, values in whole.items()
            for part, rows in vars(self).items()
        }


class Split(Protocol):
    """A rule that assigns rows to parts."""

    def parts(self, groups: Tensor, labels: Tensor) -> Parts:
        """Assign each row to a part.

        Parameters
        ----------
        groups
            The source of each row, shape (N,), int64; `NO_GROUP` where it isn't recorded.
        labels
            The class of each row, shape (N,), int64.
        """


@dataclass(frozen=True)
class GroupSplit:
    """Keep groups whole: the ones named validate or test, all others train.

    Attributes
    ----------
    valid, test
        Group numbers.

    Raises
    ------
    ValueError
        If no group or the same group is named for both.

    Examples
    --------
    >>> groups = torch.tensor([0, 0, 1, 1, 2, 2])
    >>> parts = GroupSplit(valid=(1,), test=(2,)).parts(groups, labels=torch.zeros(6).long())
    >>> sorted(parts.train.tolist()), sorted(parts.test.tolist())
    ([0, 1], [4, 5])
    """

    valid: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("valid", "test"):
            groups = check_sequence(name, getattr(self, name), "the numbers of one or more groups")
            numbers = tuple(check_count(name, group, least=0) for group in groups)
            if not numbers:
                raise ValueError(f"{name}=(): expected the numbers of one or more groups")
            object.__setattr__(self, name, numbers)
        if shared := sorted({*self.valid} & {*self.test}):
            raise ValueError(f"groups {shared} validate and test: expected one part for each group")

    def parts(self, groups: Tensor, labels: Tensor) -> Parts:
        """Assign each row to the part of its group; labels play no role.

        Raises
        ------
        ValueError
            If the data record no groups, have none of a number named here, or none that trains.
        """
        groups = _check_groups(groups)
        existing = set(groups.tolist())
        if unknown := sorted({*self.valid, *self.test} - existing):
            raise ValueError(f"groups {unknown} don't occur: the data have {_listed(existing)}")
        if existing <= {*self.valid, *self.test}:
            raise ValueError("all groups validate or test: expected at least one that trains")
        valid = torch.isin(groups, torch.tensor(self.valid))  # (N,)
        test = torch.isin(groups, torch.tensor(self.test))
        return Parts(train=_rows(~(valid | test)), valid=_rows(valid), test=_rows(test))


@dataclass(frozen=True)
class GroupFold:
    """One fold of a cross-validation over whole groups.

    Fold k tests the groups g with ``g % n_folds == k``, validates on those of the next fold and
    trains on all others. Over the folds, each group tests once and validates once.

    Attributes
    ----------
    fold
        From 0 to ``n_folds - 1``.
    n_folds
        At least 3: one fold tests, one validates, and something must be left to train on.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> fold = GroupFold(6, n_folds=7)
    >>> fold.group_split(range(14))
    GroupSplit(valid=(0, 7), test=(6, 13))
    """

    fold: int
    n_folds: int = 7

    def __post_init__(self) -> None:
        n_folds = check_count("n_folds", self.n_folds, least=3)
        fold = check_count("fold", self.fold, least=0, most=n_folds - 1)
        object.__setattr__(self, "n_folds", n_folds)
        object.__setattr__(self, "fold", fold)

    def group_split(self, groups: Iterable[int]) -> GroupSplit:
        """Name the groups that validate and test in this fold.

        Raises
        ------
        ValueError
            If they are too few for each part to have one.
        """
        items = check_sequence("groups", groups, "group numbers")
        numbers = sorted({check_count("groups", g, least=0) for g in items})
        following = (self.fold + 1) % self.n_folds
        valid = tuple(g for g in numbers if g % self.n_folds == following)
        test = tuple(g for g in numbers if g % self.n_folds == self.fold)
        if not valid or not test:
            raise ValueError(
                f"groups {_listed(numbers)} leave fold {self.fold} or {following} of "
                f"{self.n_folds} empty: expected fewer folds"
            )
        return GroupSplit(valid=valid, test=test)

    def parts(self, groups: Tensor, labels: Tensor) -> Parts:
        """Assign each row to the part of its group; labels play no role.

        Raises
        ------
        ValueError
            If the data record no groups, or too few for each part to have one.
        """
        groups = _check_groups(groups)
        return self.group_split(groups.unique().tolist()).parts(groups, labels)


@dataclass(frozen=True)
class RandomSplit:
    """Assign single rows at random, each class with the same share in every part.

    Groups are ignored: where rows share a source, the three parts share it too, and the test
    score is too good. The default shares give the digits' parts the sizes that
    `vqvae_lib.data.WRITERS` gives them, so that nothing but the leak differs.

    Attributes
    ----------
    seed
        Chooses the rows.
    valid_fraction, test_fraction
        Shares of all rows; together below 1.

    Raises
    ------
    ValueError
        If a share is out of range, or a class too small to be in every part.
    """

    seed: int = 0
    valid_fraction: float = 258 / 1797
    test_fraction: float = 382 / 1797

    def __post_init__(self) -> None:
        # Up to what scikit-learn takes.
        object.__setattr__(self, "seed", check_count("seed", self.seed, least=0, most=2**32 - 1))
        for name in ("valid_fraction", "test_fraction"):
            share = check_number(name, getattr(self, name), above=0, below=1)
            object.__setattr__(self, name, share)
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"valid_fraction={self.valid_fraction} and test_fraction={self.test_fraction} "
                "leave nothing to train on: expected a sum below 1"
            )

    def parts(self, groups: Tensor, labels: Tensor) -> Parts:
        """Assign each row at random; groups play no role.

        Raises
        ------
        ValueError
            If a class is too small to be in every part.
        """
        from sklearn.model_selection import train_test_split

        y = check_tensor("labels", labels, ("N",), dtype=LABELS, least=1).numpy()
        N = len(y)

        def cut(rows: Any, share: float) -> Any:
            size = round(share * N)
            try:
                return train_test_split(
                    rows, test_size=size, stratify=y[rows], random_state=self.seed
                )
            except ValueError as error:
                raise ValueError(
                    f"labels of {N} rows cannot be split with valid_fraction="
                    f"{self.valid_fraction:.3g} and test_fraction={self.test_fraction:.3g}: {error}"
                ) from error

        rest, test = cut(range(N), self.test_fraction)
        train, valid = cut(rest, self.valid_fraction)
        return Parts(*map(torch.tensor, (train, valid, test)))


def check_split(split: Any) -> Split:
    """Return a rule that assigns rows to parts; TypeError for anything else."""
    if isinstance(split, type) or not callable(getattr(split, "parts", None)):
        raise TypeError(
            f"split is {describe(split)}: expected one of vqvae_lib.splits, such as GroupFold(0)"
        )
    return split


def _check_groups(groups: Tensor) -> Tensor:
    """Return the group of each row; ValueError where a row has none."""
    groups = check_tensor("groups", groups, ("N",), dtype=LABELS, least=1)
    if groups.min() <= NO_GROUP:
        raise ValueError(
            "groups: the data record no groups for some rows: expected RandomSplit for them"
        )
    return groups


def _rows(chosen: Tensor) -> Tensor:
    """Return the chosen rows' numbers in a random order, always the same one: (N,) -> (n,)."""
    rows = chosen.nonzero().flatten()  # (N,) -> (n,)
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]


def _listed(groups: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(groups)))

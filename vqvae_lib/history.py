"""What happened in training, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from vqvae_lib._checks import check_instance, check_number, describe

__all__ = ["History"]

_MOST = 10**300  # larger whole numbers are beyond all floats


@dataclass(repr=False)
class History:
    """The losses and learning rates of a training run.

    Attributes
    ----------
    train
        The terms of the loss by name: for each epoch, the mean over its training samples, taken
        while the weights move.
    valid
        The same on the validation data, after each epoch; empty without such data.
    lr
        Learning rate of each epoch.
    """

    train: dict[str, list[float]] = field(default_factory=dict)
    valid: dict[str, list[float]] = field(default_factory=dict)
    lr: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.lr)

    @property
    def best_epoch(self) -> int | None:
        """Epoch, counted from 0, with the smallest validation loss; None before the first.

        Without validation data the training loss decides; of equal losses the first counts.
        """
        losses = (self.valid or self.train).get("loss", [])
        return min(
            (epoch for epoch, loss in enumerate(losses) if not math.isnan(loss)),
            key=losses.__getitem__,
            default=None,
        )

    @property
    def epochs_since_best(self) -> int:
        """Number of epochs completed after the best one; 0 before the first."""
        return 0 if self.best_epoch is None else self.epochs - 1 - self.best_epoch

    def append(self, train: Mapping[str, float], valid: Mapping[str, float], lr: float) -> None:
        """Add an epoch: the means of its terms, and its learning rate.

        Raises
        ------
        ValueError
            If the terms are not those of the epochs before.
        TypeError
            If they are not numbers by name.
        """
        lr = check_number("lr", lr, least=0)
        train = _check_terms("train", train, self.train if self.lr else train)
        valid = _check_terms("valid", valid, self.valid if self.lr else valid)
        for terms, means in ((self.train, train), (self.valid, valid)):
            for name, mean in means.items():
                terms.setdefault(name, []).append(mean)
        self.lr.append(lr)

    def copy(self) -> History:
        """Make a history that can go on by itself."""
        train, valid = (
            {name: [*losses] for name, losses in terms.items()}
            for terms in (self.train, self.valid)
        )
        return History(train, valid, [*self.lr])

    def __repr__(self) -> str:
        losses = "".join(
            f", {part} loss {terms['loss'][-1]:.4g}"
            for part, terms in (("training", self.train), ("validation", self.valid))
            if terms
        )
        return f"History({self.epochs} epochs, best {self.best_epoch}{losses})"


def _check_terms(argument: str, terms: Any, before: Any) -> dict[str, float]:
    """Return an epoch's terms as plain numbers, which need not be finite."""
    check_instance(argument, terms, Mapping, "a dict of numbers by name")
    if terms.keys() != before.keys():
        raise ValueError(
            f"{argument} has the terms {list(terms)}, and the epochs before have {list(before)}: "
            "expected the same"
        )
    for name, term in terms.items():
        number = isinstance(term, Real) and not isinstance(term, bool)
        if not isinstance(name, str) or not number or (isinstance(term, int) and abs(term) > _MOST):
            raise TypeError(
                f"{argument} has {describe(term)} under {name!r}: expected numbers by name"
            )
    return {name: float(term) for name, term in terms.items()}

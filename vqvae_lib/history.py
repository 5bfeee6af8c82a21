"""What happened in training, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["History"]


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
        return min(range(len(losses)), key=losses.__getitem__, default=None)

    @property
    def epochs_since_best(self) -> int:
        """Number of epochs completed after the best one; 0 before the first."""
        return 0 if self.best_epoch is None else self.epochs - 1 - self.best_epoch

    def append(self, train: dict[str, float], valid: dict[str, float], lr: float) -> None:
        """Add an epoch: the means of its terms, and its learning rate."""
        for terms, means in ((self.train, train), (self.valid, valid)):
            for name, mean in means.items():
                terms.setdefault(name, []).append(mean)
        self.lr.append(lr)

    def __repr__(self) -> str:
        losses = "".join(
            f", {part} loss {terms['loss'][-1]:.4g}"
            for part, terms in (("training", self.train), ("validation", self.valid))
            if terms
        )
        return f"History({self.epochs} epochs, best {self.best_epoch}{losses})"

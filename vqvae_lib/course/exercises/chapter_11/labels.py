"""A few labelled digits, and hidden ones on which an answer is judged.

In each choice the classes have other names, so that a label that was looked up is a wrong one.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Wrong
from vqvae_lib.course.words import _

N_HIDDEN = 287  # training digits on which accuracy is measured


class LabelChoice(NamedTuple):
    """Labelled digits, unlabelled ones, and hidden ones; class c is named (c + turn) % 10."""

    x: Tensor
    y: Tensor
    others: Tensor
    x_hidden: Tensor
    y_hidden: Tensor
    turn: int


def choose_labels(per_class: int, seed: int) -> LabelChoice:
    """Draw which digits are labelled, and which are hidden."""
    from vqvae_lib.applications.labelled import few_labels

    data = digits_data()
    x, y = data.x_train.float(), data.y_train
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    hidden, pool = order[:N_HIDDEN], order[N_HIDDEN:]
    choice = few_labels(y[pool], per_class, seed=seed)
    others = torch.ones(len(pool), dtype=torch.bool)
    others[choice] = False
    turn = 1 + seed % 9
    names = (y + turn) % 10
    return LabelChoice(
        x[pool[choice]], names[pool[choice]], x[pool[others]], x[hidden], names[hidden], turn
    )


def expect_labels(value: Any, number: int, *, what: str) -> Tensor:
    """Return labels, whole numbers from 0 to 9, or say what they are instead."""
    labels = expect_tensor(value, (number,), what=what)
    strange = labels[(labels != labels.round()) | (labels < 0) | (labels > 9)]
    if len(strange):
        raise Wrong(
            "classes",
            _("{what}: {got:.4g} is not a class, expected whole numbers from 0 to 9.").format(
                what=what, got=float(strange[0])
            ),
        )
    return labels.long()


def share_of(condition: Tensor) -> float:
    """Share of the entries where a condition is true."""
    return float(condition.double().mean())

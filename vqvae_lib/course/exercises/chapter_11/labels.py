"""A few labelled digits of the training writers, and digits of others to judge an answer by.

In each choice the classes have other names, so that a label that was looked up is a wrong one.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqvae_lib.applications.labelled import few_labels
from vqvae_lib.course.exercises.answers import expect_tensor
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Wrong
from vqvae_lib.course.words import _


class LabelChoice(NamedTuple):
    """Labelled, unlabelled and hidden digits, where class c is named (c + turn) % 10."""

    x: Tensor
    y: Tensor
    others: Tensor
    x_hidden: Tensor
    y_hidden: Tensor
    turn: int


def choose_labels(per_class: int, seed: int) -> LabelChoice:
    """Draw which training digits are labelled; the hidden digits are those for validation."""
    data = digits_data()
    x, y = data.x_train, data.y_train
    choice = few_labels(y, per_class, seed=seed)
    is_other = torch.ones(len(x), dtype=torch.bool)
    is_other[choice] = False
    turn = 1 + seed % 9
    return LabelChoice(
        x=x[choice],
        y=(y[choice] + turn) % 10,
        others=x[is_other],
        x_hidden=data.x_valid,
        y_hidden=(data.y_valid + turn) % 10,
        turn=turn,
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

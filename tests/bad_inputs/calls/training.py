"""Valid calls of `vqvae_lib.training`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import labels, normal

FOLDER = TemporaryDirectory()  # lives as long as the tests
CHECKPOINT = Path(FOLDER.name) / "run.pt"


class Line(torch.nn.Module):
    """The least that `fit` can train."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        return {"loss": (self.linear(x) - x).square().sum(dim=1).mean()}


@contextmanager
def no_checkpoint() -> Iterator[None]:
    CHECKPOINT.unlink(missing_ok=True)
    yield


ANY_LABEL = {
    "bool, fractions, floats, negative, huge, complex, one axis more at the end": (
        "conditions of any dtype and shape, which the model reads"
    )
}
ELSEWHERE = {name: "is attacked in the other call" for name in ("model", "x_train", "epochs")}

CALLS = {
    "cosine": Call(lambda: {"epochs": 3}),
    "fit": [
        Call(
            lambda: {
                "model": Line(),
                "x_train": normal(4, 2),
                "y_train": labels(4),
                "epochs": 1,
                "batch_size": 2,
                "drop_last": True,
                "lr": 0.01,
                "optimizer": "adam",
                "weight_decay": 0.1,
                "x_valid": normal(3, 2),
                "y_valid": labels(3),
                "patience": 2,
                "schedule": lambda epoch: 1.0,
                "before_epoch": lambda epoch: None,
                "transform": lambda x, generator: x,
                "seed": 0,
                "progress": False,
            },
            # One of the two shapes is wrong, and huge validation data show in their loss.
            named={"x_train": "x_train|x_valid", "x_valid": "x_valid|validation loss"},
            accepts={
                "y_train": ANY_LABEL,
                "y_valid": ANY_LABEL,
                "weight_decay": {"zero": "none"},
            },
        ),
        Call(
            lambda: {
                "model": Line(),
                "x_train": normal(4, 2),
                "epochs": 1,
                "checkpoint": CHECKPOINT,
                "resume": True,
            },
            within=no_checkpoint,
            skip=ELSEWHERE,
        ),
    ],
}

"""Valid calls of `vqvae_lib.splits`."""

import torch

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import labels
from vqvae_lib.splits import GroupFold, GroupSplit, Parts, RandomSplit

NO_ROLE = {"labels": "labels play no role"}
ALONE = {"groups": {"one row more": "labels play no role, their number either"}}
TWICE = "a group may be named twice"


def parts() -> dict[str, torch.Tensor]:
    train, valid, test = torch.randperm(9).split(3)
    return {"train": train, "valid": valid, "test": test}


def rows() -> dict[str, torch.Tensor]:
    return {"groups": labels(40, 4), "labels": labels(40, 2)}


CALLS = {
    "Parts": Call(
        parts,
        accepts={
            "train": {"huge": "row numbers of a large table", "one row": "parts have any size"},
            "valid": {"huge": "row numbers of a large table", "one row": "parts have any size"},
            "test": {"huge": "row numbers of a large table", "one row": "parts have any size"},
        },
    ),
    "Parts.cut": Call(
        lambda: {"x": torch.randn(9, 2)},
        on=lambda: Parts(**parts()),
        accepts={
            "x": {
                "one axis more at the end, another width, no width, a width of 1": (
                    "columns have any shape beyond their rows"
                ),
                "bool, complex, an array of complex numbers": "columns have any dtype",
                "nan, inf": "columns hold anything",
            }
        },
    ),
    "GroupSplit": Call(
        lambda: {"valid": (3,), "test": (1, 2)},
        accepts={name: {"an item: zero": "a group's number"} for name in ("valid", "test")},
    ),
    "GroupSplit.parts": Call(
        rows, on=lambda: GroupSplit(valid=(0,), test=(1,)), skip=NO_ROLE, accepts=ALONE
    ),
    "GroupFold": Call(
        lambda: {"fold": 1, "n_folds": 4}, accepts={"fold": {"zero": "the first fold"}}
    ),
    "GroupFold.group_split": Call(
        lambda: {"groups": [0, 1, 2, 3]},
        on=lambda: GroupFold(1, 4),
        accepts={"groups": {"an item: zero": TWICE}},
    ),
    "GroupFold.parts": Call(rows, on=lambda: GroupFold(0, 4), skip=NO_ROLE, accepts=ALONE),
    "RandomSplit": Call(lambda: {"seed": 1, "valid_fraction": 0.2, "test_fraction": 0.3}),
    "RandomSplit.parts": Call(
        rows,
        on=RandomSplit,
        skip={"groups": "groups play no role"},
        accepts={
            "labels": {
                "negative, huge": "any whole number may name a class",
                "one row more": "groups play no role, their number either",
            }
        },
    ),
}

"""Valid calls of `vqvae_lib.history`."""

from tests.bad_inputs.attack import Call
from vqvae_lib.history import History

TERMS = {
    "empty": "nothing was measured",
    "an item: zero, an item: negative": "a term may have any sign",
    "an item: nan, an item: inf, an item: minus inf": "a recorded term may be undefined",
}

CALLS = {
    "History.append": Call(
        lambda: {"train": {"loss": 2.0}, "valid": {"loss": 1.5}, "lr": 0.1},
        on=History,
        accepts={"train": TERMS, "valid": TERMS, "lr": {"zero": "a schedule may pause"}},
    ),
    "History.copy": Call(dict, on=History),
}

RESULTS = {"History"}

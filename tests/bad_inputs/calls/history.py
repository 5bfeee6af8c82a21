"""Valid calls of `vqvae_lib.history`."""

from tests.bad_inputs.attack import Call
from vqvae_lib.history import History

CALLS = {
    "History.append": Call(
        lambda: {"train": {"loss": 2.0}, "valid": {"loss": 1.5}, "lr": 0.1}, on=History
    ),
}

RESULTS = {"History"}

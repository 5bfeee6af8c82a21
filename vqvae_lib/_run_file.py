"""The file of a training run: written after each epoch, read back only by the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._identity import Identity, find_difference

__all__ = ["RunFile"]

_KIND = "a checkpoint of `fit`"
_FORMAT = 2  # in format 1, which has no number, a function was known by its name alone
_PARTS = ("model", "best", "rng")  # of a state, each with tensors by name
_REMEDY = "pass resume=False to start anew, or another checkpoint"


class RunFile:
    """The state of one run on disk, together with the run's identity."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path = path
        self.identity = identity

    def exists(self) -> bool:
        """Whether there is something to read."""
        return self.path.exists()

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file's content in one step by the run's present state."""
        info = {
            "kind": _KIND,
            "format": _FORMAT,
            "identity": self.identity,
            "history": state["history"],
            "trained": state["trained"],
        }
        write_checkpoint(self.path, _flatten(state), info)

    def read(self, rates: list[float]) -> dict[str, Any]:
        """Read the state; ValueError if the file is damaged or another run wrote it.

        `rates` are the learning rates of all epochs of the run, those to come included.
        """
        tensors, info = read_checkpoint(self.path)
        if info.get("kind", _KIND) != _KIND:
            raise ValueError(f"{self.path} holds {info['kind']!r}, not {_KIND}: pass another path")
        if info.get("format", 1) != _FORMAT:
            raise ValueError(
                f"{self.path} was written by another version of vqvae_lib (format "
                f"{info.get('format', 1)}, this one reads {_FORMAT}): finish the run with that "
                f"version; or {_REMEDY}"
            )
        history = info["history"]
        epochs = len(history["lr"])
        if epochs > len(rates):
            raise ValueError(
                f"{self.path} holds {epochs} epochs, this call has epochs={len(rates)}: expected "
                f"as many or more; {_REMEDY}"
            )
        written = info["identity"] | _name_rates(history["lr"])
        current = self.identity | _name_rates(rates[:epochs])
        difference = find_difference(written, current)
        if difference is not None:
            name, before, now = difference
            raise ValueError(
                f"{self.path} was written with {name}: {before}, this call has {now}: expected "
                f"the same; {_REMEDY}"
            )
        return _unflatten(tensors) | {"history": history, "trained": info["trained"]}


def _name_rates(rates: list[float]) -> Identity:
    return {f"lr in epoch {epoch}": rate for epoch, rate in enumerate(rates)}


def _flatten(state: dict[str, Any]) -> dict[str, Tensor]:
    """Give each tensor of a state one name, such as "optimizer/0/exp_avg"."""
    tensors = {f"{part}/{name}": t for part in _PARTS for name, t in state[part].items()}
    for i, entries in state["optimizer"].items():
        # None is where the optimiser keeps no momentum.
        tensors |= {f"optimizer/{i}/{name}": t for name, t in entries.items() if t is not None}
    return tensors


def _unflatten(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Undo `_flatten`."""
    state: dict[str, Any] = {part: {} for part in (*_PARTS, "optimizer")}
    for path, t in tensors.items():
        part, name = path.split("/", 1)
        if part == "optimizer":
            i, name = name.split("/", 1)
            state[part].setdefault(int(i), {})[name] = t
        else:
            state[part][name] = t
    return state

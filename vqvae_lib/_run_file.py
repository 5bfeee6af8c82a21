"""The file of a training run: written after each epoch, read back only by the same run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._checks import describe
from vqvae_lib._identity import Identity, find_difference
from vqvae_lib.history import History

__all__ = ["RunFile"]

_KIND = "a checkpoint of `fit`"
_FORMAT = 3
"""Format 1, which has no number, knew a function by its name alone, 2 a part by what it prints."""
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
        tensors = _flatten(state)
        for name, t in tensors.items():
            _check_writable(name, t)
        write_checkpoint(self.path, tensors, info)

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
        state = _unflatten(tensors) | {"trained": info.get("trained")}
        history: Any = info.get("history")
        if not _is_whole(state, history, info.get("identity")):
            raise ValueError(f"{self.path} lacks parts of {_KIND}: {_REMEDY}")
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
        return state | {"history": history}


def _name_rates(rates: list[float]) -> Identity:
    return {f"lr in epoch {epoch}": rate for epoch, rate in enumerate(rates)}


def _check_writable(name: str, t: Any) -> None:
    """Refuse what the file's format cannot hold."""
    if not isinstance(t, Tensor):
        raise TypeError(
            f"model's {name.removeprefix('model/')} is {describe(t)}, and a checkpoint holds "
            "tensors alone: expected it in a buffer, or checkpoint=None"
        )
    if t.layout != torch.strided or t.is_quantized or t.dtype == torch.complex128:
        kind = "quantised" if t.is_quantized else f"{t.dtype}, {t.layout}"
        raise TypeError(
            f"model's {name.removeprefix('model/')} is {kind}, which a checkpoint cannot hold: "
            "expected dense real numbers or complex64, or checkpoint=None"
        )


def _is_whole(state: dict[str, Any], history: Any, identity: Any) -> bool:
    """Whether a file has all that a run writes; its checksum does not say who made it."""
    if not isinstance(history, dict) or history.keys() != asdict(History()).keys():
        return False
    terms = [history["train"], history["valid"]]
    if not all(isinstance(part, dict) for part in terms) or not isinstance(identity, dict):
        return False
    columns = [history["lr"], *(column for part in terms for column in part.values())]
    numbers = all(
        isinstance(column, list) and all(isinstance(entry, float) for entry in column)
        for column in columns
    )
    return (
        numbers
        and {len(column) for column in columns} == {len(history["lr"])}
        and isinstance(state["trained"], list)
        and {"generator", "torch"} <= state["rng"].keys()
    )


def _flatten(state: dict[str, Any]) -> dict[str, Tensor]:
    """Give each tensor of a state one name, such as "optimizer/encoder.weight/exp_avg"."""
    tensors = {f"{part}/{name}": t for part in _PARTS for name, t in state[part].items()}
    for weight, entries in state["optimizer"].items():
        # None is where the optimiser keeps no momentum.
        tensors |= {f"optimizer/{weight}/{name}": t for name, t in entries.items() if t is not None}
    return tensors


def _unflatten(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Undo `_flatten`."""
    state: dict[str, Any] = {part: {} for part in (*_PARTS, "optimizer")}
    for path, t in tensors.items():
        part, _, name = path.partition("/")
        if part == "optimizer":
            weight, _, name = name.rpartition("/")
            state[part].setdefault(weight, {})[name] = t
        elif part in state:
            state[part][name] = t
    return state

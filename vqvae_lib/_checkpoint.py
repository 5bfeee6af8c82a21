"""One file of tensors and JSON, written whole or not at all, never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor


def write_checkpoint(path: Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors by name and a JSON-able `info`, in the safetensors format.

    The file appears under its name only when complete: it is written beside it, flushed to disk
    and then renamed, so that a crash at any moment leaves the former file or the new one.
    """
    from safetensors.torch import save

    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    text = json.dumps(info)
    data = save(tensors, metadata={"info": text, "sha256": _digest(tensors, text)})
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote; ValueError if the file is not whole."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = path.read_bytes()
    try:
        tensors = load(data)
        # The header: its length in 8 bytes, then JSON, where safetensors keeps our metadata.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        text, expected = header["info"], header["sha256"]
        info = json.loads(text)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no checkpoint, or is truncated or altered: {error}") from error
    found = _digest(tensors, text)
    if found != expected:
        raise ValueError(f"{path} is altered: its sha256 is {found}, expected {expected}")
    return tensors, info


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    from safetensors.torch import save

    return hashlib.sha256(text.encode() + save(tensors)).hexdigest()
